// SPDX-License-Identifier: MIT OR Apache-2.0
// Threads that wait for a job, each pinned to its CPU. They live as long as the run, so that no figure contains a thread's
// first use.
#include "bench.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct worker workers[THREADS];
static pthread_t threads_[THREADS];
static sem_t go[THREADS], done;
static cpu_set_t allowed;
static bool all_pinned = true;

uint64_t wall_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t cpu_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

unsigned cpu_count(void)
{
	if (CPU_COUNT(&allowed) == 0 && sched_getaffinity(0, sizeof allowed, &allowed) != 0)
		die("sched_getaffinity failed");
	return CPU_COUNT(&allowed) < CPUS ? (unsigned)CPU_COUNT(&allowed) : CPUS;
}

int cpu_number(unsigned i)
{
	i %= cpu_count();
	for (int cpu = 0;; cpu++)
		if (CPU_ISSET(cpu, &allowed) && i-- == 0)
			return cpu;
}

bool cpu_pin(unsigned i)
{
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(cpu_number(i), &one);
	bool pinned = sched_setaffinity(0, sizeof one, &one) == 0;
	if (!pinned)
		STORE(&all_pinned, false);
	return pinned;
}

void cpu_unpin(void)
{
	sched_setaffinity(0, sizeof allowed, &allowed);
}

bool cpu_pinned(void)
{
	return LOAD(&all_pinned);
}

static void *work(void *argument)
{
	struct worker *worker = (struct worker *)argument;
	cpu_pin(worker->index);
	STORE(&worker->tid, (int)syscall(SYS_gettid));
	sem_post(&done);
	for (;;) {
		while (sem_wait(&go[worker->index]) != 0)
			continue;
		if (worker->job == NULL)
			return NULL;
		worker->job(worker, worker->what);
		sem_post(&done);
	}
}

static void wait_done(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		while (sem_wait(&done) != 0)
			continue;
}

void workers_start(void)
{
	cpu_count();
	sem_init(&done, 0, 0);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i].index = i;
		sem_init(&go[i], 0, 0);
		int error = pthread_create(&threads_[i], NULL, work, &workers[i]);
		if (error != 0)
			die("pthread_create: %s", strerror(error));
	}
	wait_done(THREADS);
}

void workers_begin(unsigned first, unsigned count, void (*job)(struct worker *, void *), void *what)
{
	for (unsigned i = first; i < first + count; i++) {
		workers[i].job = job;
		workers[i].what = what;
		sem_post(&go[i]);
	}
}

const struct worker *workers_end(unsigned count)
{
	wait_done(count);
	return workers;
}

void workers_stop(void)
{
	workers_begin(0, THREADS, NULL, NULL);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads_[i], NULL);
}
