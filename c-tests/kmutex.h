// SPDX-License-Identifier: MIT OR Apache-2.0
// What the tests of mutexes and condition variables share: one of each, and threads that wait. After test.h and threads.h.
#ifndef PSREF_C_TESTS_KMUTEX_H
#define PSREF_C_TESTS_KMUTEX_H

#include <psref/kmutex.h>

enum { THREADS = 4 };

static kmutex_t mutex;
static kcondvar_t cv, other_cv;
// Under the mutex.
static int waiting, tokens, taken;

static inline void begin(void)
{
	mutex_init(&mutex, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&cv, "test");
	cv_init(&other_cv, "other");
}

static inline void end(void)
{
	cv_destroy(&cv);
	cv_destroy(&other_cv);
	mutex_destroy(&mutex);
}

static inline void *take_a_token(void *unused)
{
	mutex_enter(&mutex);
	waiting++;
	while (tokens == 0)
		cv_wait(&cv, &mutex);
	CHECK(mutex_owned(&mutex));
	tokens--;
	taken++;
	mutex_exit(&mutex);
	return unused;
}

// Returns holding the mutex, when n threads are inside a wait.
static inline void have_waiters(pthread_t *threads, int n)
{
	for (int i = 0; i < n; i++)
		threads[i] = start(take_a_token, NULL);
	for (mutex_enter(&mutex); waiting != n; mutex_enter(&mutex)) {
		mutex_exit(&mutex);
		sched_yield();
	}
}

#endif
