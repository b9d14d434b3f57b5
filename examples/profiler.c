/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * profiler: a sampling profiler in the program itself. SIGPROF interrupts each thread every so often; its handler takes a record
 * from a pool, notes where the thread was, and puts it on a list; a thread drains the list and gives the records back.
 *
 * A handler may not call malloc, or lock what the code under it has locked. objpool_pop() and objpool_push() may be called in
 * one, also in a handler that interrupts them: the workers here use the same pool for work of their own. Where all records are on
 * their way the sample is dropped and counted, which says how large the pool should be.
 *
 * The compute is told by what the thread says it does, not by its program counter, so that the result can be checked: two kinds
 * of work, one three times as long as the other.
 */
#define _GNU_SOURCE	/* a timer for each thread */

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <psref/objpool.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { RECORDS = 64, KINDS = 3, OTHER = 0, SHORT = 1, LONG = 2, EVERY_NS = 500000 };
enum { FREE = 0, NOTED = 1, SCRATCH = 2 };

struct record {
	atomic_uint state;		/* who has it */
	int kind;
	unsigned thread;
	struct record *next;
};

static struct objpool_head pool;
static _Atomic(struct record *) noted;	/* handlers put them here, one thread takes all of them at once */
static atomic_bool stopping;
static atomic_ulong taken, dropped;

/* What this thread is about; its handlers read it. */
static _Thread_local volatile int doing;
static _Thread_local volatile unsigned thread_number;

static void
change(struct record *r, unsigned from, unsigned to)
{
	if (atomic_exchange(&r->state, to) != from)
		abort();	/* a record in two hands */
}

static void
sample(int signal_number)
{
	struct record *r = objpool_pop(&pool);

	(void)signal_number;
	if (r == NULL) {
		atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
		return;
	}
	change(r, FREE, NOTED);
	r->kind = doing;
	r->thread = thread_number;
	r->next = atomic_load_explicit(&noted, memory_order_relaxed);
	while (!atomic_compare_exchange_weak_explicit(&noted, &r->next, r, memory_order_release, memory_order_relaxed))
		continue;
	atomic_fetch_add_explicit(&taken, 1, memory_order_relaxed);
}

/* Taken all at once, a list has no ABA. */
static unsigned long
drain(unsigned long *kinds)
{
	unsigned long n = 0;

	for (struct record *r = atomic_exchange_explicit(&noted, NULL, memory_order_acquire), *next; r != NULL; r = next, n++) {
		next = r->next;
		kinds[r->kind]++;
		change(r, NOTED, FREE);
		if (objpool_push(r, &pool) != 0)
			abort();
	}
	return n;
}

static void *
drainer(void *kinds)
{
	sigset_t prof;

	sigemptyset(&prof);
	sigaddset(&prof, SIGPROF);
	pthread_sigmask(SIG_BLOCK, &prof, NULL);	/* not profiled itself */
	while (!atomic_load(&stopping)) {
		drain(kinds);
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	}
	return NULL;
}

/* Some work, with records of the same pool for scratch paper. */
static void
compute(int kind, unsigned turns)
{
	doing = kind;
	for (unsigned turn = 0; turn < turns; turn++) {
		struct record *paper = objpool_pop(&pool);

		if (paper != NULL) {
			change(paper, FREE, SCRATCH);
			change(paper, SCRATCH, FREE);
			if (objpool_push(paper, &pool) != 0)
				abort();
		}
		for (volatile unsigned i = 0; i < 50; i++)
			continue;
	}
	doing = OTHER;
}

static void *
work(void *number)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF };
	timer_t timer;

	event.sigev_notify_thread_id = gettid();
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
		abort();
	timer_settime(timer, 0, &(struct itimerspec){ { 0, EVERY_NS }, { 0, EVERY_NS } }, NULL);
	thread_number = (unsigned)(uintptr_t)number;
	while (!atomic_load_explicit(&stopping, memory_order_relaxed)) {
		compute(SHORT, 1000);
		compute(LONG, 3000);
	}
	timer_delete(timer);
	return NULL;
}

int
main(int argc, char **argv)
{
	unsigned threads = 4, seconds = 3;
	int option;

	while ((option = getopt(argc, argv, "s:t:")) != -1) {
		const unsigned n = option == '?' ? 0 : (unsigned)strtoul(optarg, NULL, 10);

		if (n < 1 || n > 1024) {
			fprintf(stderr, "usage: profiler [-s SECONDS] [-t THREADS]      (1 to 1024 each)\n");
			return 2;
		}
		*(option == 's' ? &seconds : &threads) = n;
	}

	const int error = objpool_init(&pool, RECORDS, sizeof(struct record), 0, NULL, NULL, NULL);
	if (error != 0) {
		fprintf(stderr, "profiler: %s\n", strerror(-error));
		return 1;
	}
	struct sigaction action = { .sa_handler = sample, .sa_flags = SA_RESTART };
	sigaction(SIGPROF, &action, NULL);
	pthread_t *workers = malloc(threads * sizeof *workers), reader;
	unsigned long kinds[KINDS] = { 0 };
	if (workers == NULL || pthread_create(&reader, NULL, drainer, kinds) != 0)
		return 1;
	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&workers[i], NULL, work, (void *)(uintptr_t)(i + 1)) != 0)
			return 1;

	for (const time_t end = time(NULL) + (time_t)seconds; time(NULL) < end;)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);

	atomic_store(&stopping, true);
	for (unsigned i = 0; i < threads; i++)
		pthread_join(workers[i], NULL);
	pthread_join(reader, NULL);
	free(workers);
	drain(kinds);

	/* Every sample was drained, and every record is back, once. */
	const unsigned long samples = kinds[OTHER] + kinds[SHORT] + kinds[LONG];
	struct objpool_stats stats;
	unsigned back = 0;
	objpool_stats(&pool, -1, &stats);
	for (struct record *r; (r = objpool_pop(&pool)) != NULL; back++)
		change(r, FREE, SCRATCH);
	objpool_free(&pool);
	printf("%lu samples: long work %lu, short work %lu, other %lu; %lu dropped\n", samples, kinds[LONG], kinds[SHORT], kinds[OTHER],
	    atomic_load(&dropped));
	printf("pool: %llu misses, %llu objects recalled; %u of %d records back\n", (unsigned long long)stats.misses,
	    (unsigned long long)stats.recalls, back, RECORDS);
	/* Three to one, as far as so many samples can tell. */
	const bool plausible = samples < 500 || (kinds[LONG] * 2 > kinds[SHORT] * 3 && kinds[LONG] < kinds[SHORT] * 8);
	if (!plausible)
		fprintf(stderr, "profiler: expected three times as much long work as short work\n");
	return plausible && samples > 0 && samples == atomic_load(&taken) && back == RECORDS ? 0 : 1;
}
