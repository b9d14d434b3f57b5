// SPDX-License-Identifier: MIT OR Apache-2.0
// What the ports' drivers share: threads that use something while others change it. Behind the port's own headers, so
// that kernel headers and the C library's meet in one source, in this order; elsewhere they meet in the other.
#ifndef PSREF_PORTS_DRIVER_H
#define PSREF_PORTS_DRIVER_H

#include "../test.h"
#include "../threads.h"

enum { MOST_THREADS = 16 };

// Users go on until this is set, which the changers' end does.
static int driver_over;
static int driver_under_way;

static inline bool over(void)
{
	return LOAD(&driver_over) != 0;
}

struct driver_thread {
	unsigned long (*run)(unsigned who);
	unsigned who;
	unsigned long uses;
};

// In each turn of a user, once at least: from then on the changers change.
static inline void under_way(void)
{
	static __thread int told = 0;
	if (!told) {
		told = 1;
		ADD(&driver_under_way, 1);
	}
}

static inline void *driver_run(void *argument)
{
	struct driver_thread *thread = (struct driver_thread *)argument;
	thread->uses = thread->run(thread->who);
	return NULL;
}

// Runs `users` threads of use(), and once all are under way `changers` of change(); when those are done, over() is
// true. Returns how often was used, by the sum of what use() returned.
static inline unsigned long meanwhile(unsigned long (*use)(unsigned), unsigned users, unsigned long (*change)(unsigned),
    unsigned changers)
{
	struct driver_thread crew[MOST_THREADS];
	pthread_t threads[MOST_THREADS];
	unsigned long uses = 0;
	unsigned i;

	CHECK(users + changers <= MOST_THREADS);
	STORE(&driver_over, 0);
	STORE(&driver_under_way, 0);
	for (i = 0; i < users + changers; i++) {
		crew[i].run = i < users ? use : change;
		crew[i].who = i < users ? i : i - users;
		crew[i].uses = 0;
		if (i == users)
			while (LOAD(&driver_under_way) < (int)users)
				sched_yield();
		threads[i] = start(driver_run, &crew[i]);
	}
	for (i = users; i < users + changers; i++)
		join(threads[i]);
	STORE(&driver_over, 1);
	for (i = 0; i < users; i++) {
		join(threads[i]);
		uses += crew[i].uses;
	}
	return uses;
}

#endif
