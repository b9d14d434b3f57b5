// SPDX-License-Identifier: MIT OR Apache-2.0
// What <psref/kmutex.h> promises without a call: it stands alone, its names and types are NetBSD's, and its structures lie as the
// library has them (the other half of that is in src/kmutex/).
#include <psref/kmutex.h>
#include <psref/kmutex.h>

// Nothing but the header stands above: what it needs it includes.
static kmutex_t alone;
static kcondvar_t cv_alone;

#include "test.h"
#include "threads.h"

#include <stddef.h>

#ifdef __cplusplus
#define SAME static_assert
#else
#define SAME _Static_assert
#endif

SAME(offsetof(struct kmutex, mtx_lock) == 0, "the library's place");
SAME(offsetof(struct kmutex, mtx_owner) == sizeof(pthread_mutex_t), "the library's place");
SAME(offsetof(struct kmutex, mtx_state) == sizeof(pthread_mutex_t) + sizeof(uintptr_t), "the library's place");
SAME(offsetof(struct kmutex, mtx_type) == sizeof(pthread_mutex_t) + sizeof(uintptr_t) + 4, "the library's place");
SAME(offsetof(struct kmutex, mtx_ipl) == sizeof(pthread_mutex_t) + sizeof(uintptr_t) + 6, "the library's place");
SAME(sizeof(struct kmutex) == sizeof(pthread_mutex_t) + sizeof(uintptr_t) + 8, "the library's size");
SAME(offsetof(struct kcondvar, cv_sequence) == 0, "the library's place");
SAME(offsetof(struct kcondvar, cv_waiters) == 4, "the library's place");
SAME(offsetof(struct kcondvar, cv_woken) == 8, "the library's place");
SAME(offsetof(struct kcondvar, cv_epoch) == 12, "the library's place");
SAME(offsetof(struct kcondvar, cv_wmesg) == 16, "the library's place");
SAME(sizeof(struct kcondvar) == 16 + sizeof(void *), "the library's size");

SAME(MUTEX_SPIN == 0 && MUTEX_ADAPTIVE == 1 && MUTEX_DEFAULT == 2 && MUTEX_DRIVER == 3 && MUTEX_NODEBUG == 4,
     "NetBSD's numbers");
SAME(PSREF_HZ == 100, "a tick is 10 ms");
#if !defined IPL_NONE || !defined IPL_SOFTNET || !defined IPL_HIGH
#error "a name of NetBSD's interrupt priority levels is missing"
#endif

static void the_functions_have_the_types_of_the_manual(void)
{
	void (*volatile init)(kmutex_t *, kmutex_type_t, int) = mutex_init;
	void (*volatile destroy)(kmutex_t *) = mutex_destroy;
	void (*volatile enter)(kmutex_t *) = mutex_enter;
	void (*volatile leave)(kmutex_t *) = mutex_exit;
	int (*volatile try_enter)(kmutex_t *) = mutex_tryenter;
	int (*volatile owned)(const kmutex_t *) = mutex_owned;
	int (*volatile ownable)(const kmutex_t *) = mutex_ownable;
	void (*volatile cv_make)(kcondvar_t *, const char *) = cv_init;
	void (*volatile cv_end)(kcondvar_t *) = cv_destroy;
	void (*volatile wait)(kcondvar_t *, kmutex_t *) = cv_wait;
	int (*volatile wait_sig)(kcondvar_t *, kmutex_t *) = cv_wait_sig;
	int (*volatile timed)(kcondvar_t *, kmutex_t *, int) = cv_timedwait;
	int (*volatile timed_sig)(kcondvar_t *, kmutex_t *, int) = cv_timedwait_sig;
	void (*volatile one)(kcondvar_t *) = cv_signal;
	void (*volatile all)(kcondvar_t *) = cv_broadcast;
	init(&alone, MUTEX_DEFAULT, IPL_NONE);
	cv_make(&cv_alone, "types");
	CHECK(wait != NULL && wait_sig != NULL);
	CHECK(ownable(&alone) && !owned(&alone));
	enter(&alone);
	CHECK_EQ(try_enter(&alone), 0);
	CHECK_EQ(timed(&cv_alone, &alone, 1), EWOULDBLOCK);
	CHECK_EQ(timed_sig(&cv_alone, &alone, 1), EWOULDBLOCK);
	one(&cv_alone);
	all(&cv_alone);
	bool has = cv_has_waiters(&cv_alone), valid = cv_is_valid(&cv_alone);
	CHECK(!has && valid);
	leave(&alone);
	cv_end(&cv_alone);
	destroy(&alone);
	CHECK(!cv_is_valid(&cv_alone));
}

static void every_type_and_level_is_accepted(void)
{
	for (int type = MUTEX_SPIN; type <= MUTEX_NODEBUG; type++) {
		for (int ipl = IPL_NONE; ipl <= IPL_HIGH; ipl++) {
			mutex_init(&alone, (kmutex_type_t)type, ipl);
			mutex_enter(&alone);
			CHECK(mutex_owned(&alone));
			mutex_exit(&alone);
			mutex_destroy(&alone);
		}
	}
}

static void nothing_is_written_beyond_the_structures(void)
{
	struct guarded {
		unsigned char before[64];
		kmutex_t mutex;
		unsigned char between[64];
		kcondvar_t cv;
		unsigned char after[64];
	} guarded;
	memset(&guarded, 0x77, sizeof guarded);
	mutex_init(&guarded.mutex, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&guarded.cv, "bounds");
	mutex_enter(&guarded.mutex);
	CHECK_EQ(cv_timedwait(&guarded.cv, &guarded.mutex, 1), EWOULDBLOCK);
	cv_broadcast(&guarded.cv);
	mutex_exit(&guarded.mutex);
	cv_destroy(&guarded.cv);
	mutex_destroy(&guarded.mutex);
	for (unsigned i = 0; i < 64; i++)
		CHECK(guarded.before[i] == 0x77 && guarded.between[i] == 0x77 && guarded.after[i] == 0x77);
}

TEST_MAIN(TEST(the_functions_have_the_types_of_the_manual),
	  TEST(every_type_and_level_is_accepted),
	  TEST(nothing_is_written_beyond_the_structures))
