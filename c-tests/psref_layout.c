// SPDX-License-Identifier: MIT OR Apache-2.0
// What the headers promise without a call: sizes, offsets, names; included twice, and each alone before anything else.
#include <psref/base.h>
#include <psref/base.h>
#include <psref/psref.h>
#include <psref/psref.h>

// Nothing but the header stands above: what it needs it includes.
static struct psref_target alone;
static struct psref psref_alone;

#include "test.h"
#include "filter.h"
#include "threads.h"

#include <psref.h>
#include <psref.h>

#include <stddef.h>

#ifdef __cplusplus
#define SAME static_assert
#else
#define SAME _Static_assert
#endif

SAME(sizeof(struct psref_target) == 16, "NetBSD's size");
SAME(offsetof(struct psref_target, prt_class) == 0, "NetBSD's place");
SAME(offsetof(struct psref_target, prt_draining) == 8, "NetBSD's place");
SAME(sizeof(((struct psref_target *)0)->prt_draining) == 1, "a bool");
SAME(sizeof(struct psref) == 40, "NetBSD's size");
SAME(offsetof(struct psref, psref_entry) == 0, "NetBSD's order");
SAME(offsetof(struct psref, psref_debug) == 8, "NetBSD's order");
SAME(offsetof(struct psref, psref_target) == 16, "NetBSD's order");
SAME(offsetof(struct psref, psref_lwp) == 24, "NetBSD's order");
SAME(offsetof(struct psref, psref_cpu) == 32, "NetBSD's order");

#if !defined IPL_NONE || !defined IPL_SOFTCLOCK || !defined IPL_SOFTBIO || !defined IPL_SOFTNET || !defined IPL_SOFTSERIAL \
	|| !defined IPL_VM || !defined IPL_SCHED || !defined IPL_HIGH
#error "a name of NetBSD's interrupt priority levels is missing"
#endif
SAME(IPL_NONE < IPL_SOFTCLOCK && IPL_SOFTCLOCK < IPL_SOFTBIO && IPL_SOFTBIO < IPL_SOFTNET && IPL_SOFTNET < IPL_SOFTSERIAL
	     && IPL_SOFTSERIAL < IPL_VM && IPL_VM < IPL_SCHED && IPL_SCHED <= IPL_HIGH,
     "NetBSD's order");

static void the_functions_have_the_types_of_the_manual(void)
{
	struct psref_class *(*volatile create)(const char *, int) = psref_class_create;
	void (*volatile destroy)(struct psref_class *) = psref_class_destroy;
	void (*volatile init)(struct psref_target *, struct psref_class *) = psref_target_init;
	int (*volatile acquire)(struct psref *, const struct psref_target *, struct psref_class *) = psref_acquire;
	void (*volatile release)(struct psref *, const struct psref_target *, struct psref_class *) = psref_release;
	void (*volatile copy)(struct psref *, const struct psref *, struct psref_class *) = psref_copy;
	bool (*volatile held)(const struct psref_target *, struct psref_class *) = psref_held;
	void (*volatile drain)(struct psref_target *, struct psref_class *) = psref_target_drain;
	void (*volatile end)(struct psref_target *, struct psref_class *) = psref_target_destroy;
	struct psref copied;
	struct psref_class *class_ = create("types", IPL_SOFTNET);
	CHECK(class_ != NULL);
	init(&alone, class_);
	CHECK_EQ(acquire(&psref_alone, &alone, class_), 0);
	copy(&copied, &psref_alone, class_);
	CHECK(held(&alone, class_));
	release(&psref_alone, &alone, class_);
	release(&copied, &alone, class_);
	drain(&alone, class_);
	end(&alone, class_);
	destroy(class_);
}

// The fields of a structure that the caller may put anywhere and compare: nothing beyond its bytes is written.
static void the_library_writes_no_byte_beyond_the_structures(void)
{
	struct guarded {
		unsigned char before[64];
		struct psref_target target;
		unsigned char between[64];
		struct psref psref;
		unsigned char after[64];
	} guarded;
	memset(&guarded, 0x77, sizeof guarded);
	struct psref_class *class_ = psref_class_create("bounds", IPL_NONE);
	psref_target_init(&guarded.target, class_);
	CHECK_EQ(psref_acquire(&guarded.psref, &guarded.target, class_), 0);
	psref_release(&guarded.psref, &guarded.target, class_);
	psref_target_drain(&guarded.target, class_);
	CHECK_EQ(psref_acquire(&guarded.psref, &guarded.target, class_), ENOENT);
	psref_target_destroy(&guarded.target, class_);
	psref_class_destroy(class_);
	for (unsigned i = 0; i < 64; i++)
		CHECK(guarded.before[i] == 0x77 && guarded.between[i] == 0x77 && guarded.after[i] == 0x77);
}

static void the_version_is_three_numbers(void)
{
	unsigned major, minor, patch;
	char rest;
	CHECK_EQ(sscanf(psref_version(), "%u.%u.%u%c", &major, &minor, &patch, &rest), 3);
	const char *expected = getenv("PSREF_TEST_VERSION");
	if (expected != NULL && strcmp(expected, psref_version()) != 0)
		FAIL("the library says %s, pkg-config %s", psref_version(), expected);
}

// What this machine and environment allow, found out without the library.
static const char *expected_back_end(void)
{
	enum { QUERY = 0, EXPEDITED_RSEQ = 1 << 7 };
	const char *told = getenv("PSREF_BACKEND");
	if (told != NULL && strcmp(told, "auto") != 0)
		return told;
#if defined(__has_include) && defined(__x86_64__)
#if __has_include(<sys/rseq.h>)
	// glibc's, looked up as the library does it: absent before 2.35.
	extern const unsigned int __rseq_size __attribute__((weak));
	long known = syscall(SYS_membarrier, QUERY, 0, 0);
	if (&__rseq_size != NULL && __rseq_size != 0 && known >= 0 && (known & EXPEDITED_RSEQ) != 0)
		return "rseq";
#endif
#endif
	return "atomic";
}

static void the_back_end_is_what_machine_and_environment_allow(void)
{
	if (strcmp(psref_backend(), expected_back_end()) != 0)
		FAIL("the back end is %s, expected %s", psref_backend(), expected_back_end());
	test_note("back end %s, version %s", psref_backend(), psref_version());
}

static void the_back_end_is_never_revised(void)
{
	const char *first = psref_backend();
	setenv("PSREF_BACKEND", strcmp(first, "rseq") == 0 ? "atomic" : "rseq", 1);
	psref_class_destroy(psref_class_create("later", 0));
	CHECK(strcmp(psref_backend(), first) == 0);
	refuse(SYS_membarrier, EPERM); // whether or not it works
	CHECK(strcmp(psref_backend(), first) == 0);
}

TEST_MAIN(TEST(the_functions_have_the_types_of_the_manual),
	  TEST(the_library_writes_no_byte_beyond_the_structures),
	  TEST(the_version_is_three_numbers),
	  TEST(the_back_end_is_what_machine_and_environment_allow),
	  TEST(the_back_end_is_never_revised))
