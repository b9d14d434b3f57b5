// SPDX-License-Identifier: MIT OR Apache-2.0
// Per-CPU memory under load: what a thread does between getref and putref is never lost.
#define TEST_BINDS_ITSELF 1
#include "test.h"
#include "threads.h"

#include <psref/kmutex.h>
#include <psref/percpu.h>
#include <psref/xcall.h>

enum { THREADS = 8, ALL_TURNS = 10000000 };

static percpu_t *counts;
static unsigned each_turns;
static int go;

static void add_up(void *p, void *sum, struct cpu_info *ci)
{
	(void)ci;
	*(uint64_t *)sum += *(uint64_t *)p;
}

static uint64_t total(void)
{
	uint64_t sum = 0;
	percpu_foreach(counts, add_up, &sum);
	return sum;
}

static void *count(void *number)
{
	pin((unsigned)(uintptr_t)number % 2);
	wait_until_set(&go);
	for (unsigned i = 0; i < each_turns; i++) {
		volatile uint64_t *p = (volatile uint64_t *)percpu_getref(counts);
		(*p)++;
		percpu_putref(counts);
	}
	return NULL;
}

static void unprotected_additions_by_8_threads_on_2_cpus_are_all_there(void)
{
	pthread_t threads[THREADS];
	each_turns = test_turns(ALL_TURNS) / THREADS;
	counts = percpu_alloc(sizeof(uint64_t));
	cpu_number(0);
	for (unsigned i = 0; i < THREADS; i++)
		threads[i] = start(count, (void *)(uintptr_t)i);
	double began = seconds();
	STORE(&go, 1);
	for (unsigned i = 0; i < THREADS; i++)
		join(threads[i]);
	test_note("%u additions, %.1f ns each", each_turns * THREADS,
		  (seconds() - began) * 1e9 / (each_turns * (double)THREADS));
	CHECK_EQ(total(), (uint64_t)each_turns * THREADS);
	percpu_free(counts, sizeof(uint64_t));
}

static kmutex_t adaptive, driver;
static int stop, calls;

static void take_out(void *p, void *sum, struct cpu_info *ci)
{
	CHECK(psref_curcpu() == ci);
	*(uint64_t *)sum += *(uint64_t *)p;
	*(uint64_t *)p = 0;
}

// The function sleeps, and gives its CPU up for that, before it touches anything.
static void take_out_and_sleep(void *p, void *sum, struct cpu_info *ci)
{
	mutex_enter(&adaptive);
	take_out(p, sum, ci);
	mutex_exit(&adaptive);
}

static void *mix(void *number)
{
	uint64_t seed = (uint64_t)(uintptr_t)number + 1, mine = 0;
	for (unsigned i = 0; i < each_turns; i++) {
		uint64_t r = random_number(&seed);
		int bound = r % 5 == 0 ? psref_curlwp_bind() : -1;
		if (r % 7 == 0)
			mutex_enter(&adaptive);
		if (r % 11 == 0)
			mutex_spin_enter(&driver);
		volatile uint64_t *p = (volatile uint64_t *)percpu_getref(counts);
		uint64_t seen = *p;
		spin(r % 64);
		*p = seen + 1;
		percpu_putref(counts);
		mine++;
		if (r % 11 == 0)
			mutex_spin_exit(&driver);
		if (r % 7 == 0)
			mutex_exit(&adaptive);
		if (bound >= 0)
			psref_curlwp_bindx(bound);
	}
	*(uint64_t *)number = mine;
	return NULL;
}

static void *take_out_often(void *sum)
{
	while (!LOAD(&stop)) {
		percpu_foreach_xcall(counts, 0, take_out_and_sleep, sum);
		percpu_foreach_xcall(counts, XC_HIGHPRI_IPL(IPL_SOFTNET), take_out, sum);
		ADD(&calls, 1);
	}
	return NULL;
}

static void mutexes_bound_threads_and_cross_calls_together_lose_nothing(void)
{
	pthread_t threads[THREADS];
	uint64_t mine[THREADS], taken = 0, all = 0;
	each_turns = test_turns(100000);
	no_second_look();
	counts = percpu_alloc(sizeof(uint64_t));
	mutex_init(&adaptive, MUTEX_DEFAULT, IPL_SOFTNET);
	mutex_init(&driver, MUTEX_DEFAULT, IPL_VM);
	pthread_t taker = start(take_out_often, &taken);
	for (unsigned i = 0; i < THREADS; i++) {
		mine[i] = i;
		threads[i] = start(mix, &mine[i]);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		join(threads[i]);
		all += mine[i];
	}
	STORE(&stop, 1);
	join(taker);
	CHECK_EQ(taken + total(), all);
	test_note("%llu additions, taken out %d times", (unsigned long long)all, calls);
}

TEST_MAIN(TEST(unprotected_additions_by_8_threads_on_2_cpus_are_all_there),
	  TEST(mutexes_bound_threads_and_cross_calls_together_lose_nothing))
