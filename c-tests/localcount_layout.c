// SPDX-License-Identifier: MIT OR Apache-2.0
// What the header of localcount promises without a call: sizes, offsets, types; what it writes and what it may cost.
#include <psref/localcount.h>
#include <psref/localcount.h>

// Nothing but the header stands above: what it needs it includes.
static struct localcount alone;

#include "test.h"
#include "threads.h"

#include <stddef.h>

#ifdef __cplusplus
#define SAME static_assert
#else
#define SAME _Static_assert
#endif

SAME(sizeof(struct localcount) == 24, "NetBSD's size");
SAME(offsetof(struct localcount, lc_totalp) == 0, "NetBSD's place");
SAME(offsetof(struct localcount, lc_percpu) == 8, "NetBSD's place");
SAME(offsetof(struct localcount, lc_refcnt) == 16, "NetBSD's place");
SAME(sizeof(((struct localcount *)0)->lc_refcnt) == 4, "NetBSD's type");

static kmutex_t mutex;
static kcondvar_t cv;

static void begin(void)
{
	mutex_init(&mutex, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&cv, "layout");
}

static void the_functions_have_the_types_of_the_manual(void)
{
	test_not_strict("strict: lc_totalp is never NULL");
	int (*volatile init)(struct localcount *) = localcount_init;
	void (*volatile fini)(struct localcount *) = localcount_fini;
	void (*volatile acquire)(struct localcount *) = localcount_acquire;
	void (*volatile release)(struct localcount *, kcondvar_t *, kmutex_t *) = localcount_release;
	void (*volatile drain)(struct localcount *, kcondvar_t *, kmutex_t *) = localcount_drain;
	bool (*volatile trydrain)(struct localcount *) = localcount_trydrain;
	uint32_t (*volatile count)(const struct localcount *) = localcount_debug_refcnt;
	int64_t *const *total = &alone.lc_totalp;
	begin();
	CHECK_EQ(init(&alone), 0);
	CHECK(*total == NULL);
	acquire(&alone);
	CHECK_EQ(count(&alone), 1);
	CHECK(!trydrain(&alone));
	CHECK(*total == NULL);
	release(&alone, &cv, &mutex);
	mutex_enter(&mutex);
	drain(&alone, &cv, &mutex);
	mutex_exit(&mutex);
	CHECK(*total != NULL);
	fini(&alone);
}

static void the_library_writes_no_byte_beyond_the_structure(void)
{
	struct guarded {
		unsigned char before[64];
		struct localcount count;
		unsigned char after[64];
	} guarded;
	begin();
	memset(&guarded, 0x77, sizeof guarded);
	for (int turn = 0; turn < 2; turn++) {
		CHECK_EQ(localcount_init(&guarded.count), 0);
		localcount_acquire(&guarded.count);
		localcount_release(&guarded.count, &cv, &mutex);
		mutex_enter(&mutex);
		localcount_drain(&guarded.count, &cv, &mutex);
		mutex_exit(&mutex);
		localcount_fini(&guarded.count);
	}
	for (unsigned i = 0; i < sizeof guarded.before; i++)
		CHECK(guarded.before[i] == 0x77 && guarded.after[i] == 0x77);
}

// 8 bytes in each CPU's memory and in that of two more: threads without a CPU of their own, and totals. Every cell is
// touched: all CPUs that there are here, and by fini.
static void ten_thousand_counts_cost_8_bytes_a_cpu_each(void)
{
	test_not_strict("strict: every release names a condition and an interlock");
	enum { MOST = 10000, EIGHT = 8 };
	static struct localcount counts[MOST];
	unsigned n = test_turns(MOST);
	long stripes = sysconf(_SC_NPROCESSORS_CONF) + 2;
	long cost = ((long)n * EIGHT * stripes + 1023) / 1024, page = sysconf(_SC_PAGESIZE) / 1024;
	CHECK_EQ(localcount_init(&alone), 0); // the first takes what all share
	memset(counts, 0, sizeof counts);     // the caller's own memory is not what is measured
	cpu_number(0);
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		pin(cpu);
		localcount_acquire(&alone);
		localcount_release(&alone, NULL, NULL);
	}
	struct footprint before = footprint_now();
	for (unsigned i = 0; i < n; i++)
		CHECK_EQ(localcount_init(&counts[i]), 0);
	for (unsigned cpu = 0; cpu < 8; cpu++) {
		pin(cpu);
		for (unsigned i = 0; i < n; i++)
			localcount_acquire(&counts[i]);
	}
	struct footprint after = footprint_now();
	long resident = after.resident - before.resident, size = after.size - before.size;
	test_note("%u counts on %ld stripes, %ld kB of cells: resident %+ld kB, address space %+ld kB", n, stripes, cost, resident,
		  size);
	// On top: pages that were begun and page tables; address space is taken in steps of 64 kB a stripe.
	if (test_memory_is_ours()) {
		CHECK(resident <= cost + 3 * page * stripes + 64);
		CHECK(size <= cost + 64 * stripes + 64);
	}
	for (unsigned i = 0; i < n; i++) {
		CHECK_EQ(localcount_debug_refcnt(&counts[i]), 8);
		for (unsigned cpu = 0; cpu < 8; cpu++)
			localcount_release(&counts[i], NULL, NULL);
		CHECK(localcount_trydrain(&counts[i]));
		localcount_fini(&counts[i]);
	}
}

TEST_MAIN(TEST(the_functions_have_the_types_of_the_manual),
	  TEST(the_library_writes_no_byte_beyond_the_structure),
	  TEST(ten_thousand_counts_cost_8_bytes_a_cpu_each))
