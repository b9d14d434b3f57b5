/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * leak: a hold that is lost on an error path, and what a destroy says of it. docs/holders.md walks through it.
 *
 * A worker charges sessions. A charge that is refused returns early, and forgets its hold; so whoever closes the
 * session waits for a worker that has long gone on to other things. After PSREF_DRAIN_WARN seconds the drain names it.
 *
 *   ./leak		the worker gives the hold back after 1.5 seconds, so that the example ends; -s 2: after 2.5
 *   ./leak -f		without the bug
 *   ./leak -r		prints psref_class_report() before it closes the session, and does not wait long
 *   ./leak -t		prints statistics at the end
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <psref.h>

struct session {
	const char *user;
	int credit;
	struct psref_target target;
};

/* What a worker works on: it outlives the function that fills it. */
struct request {
	struct session *session;
	int amount;
	struct psref ref;
};

static struct psref_class *sessions;
static struct session alice = { .user = "alice", .credit = 10 };
static struct request request = { .session = &alice, .amount = 50 };
static bool fixed, report, statistics;
static atomic_bool charged, give_back;

static int
charge(struct request *r)
{
	if (psref_acquire(&r->ref, &r->session->target, sessions) != 0)
		return ENOENT;
	if (r->amount > r->session->credit) {
		/* The bug: every other way out of here releases. */
		if (fixed)
			psref_release(&r->ref, &r->session->target, sessions);
		return EDQUOT;
	}
	r->session->credit -= r->amount;
	psref_release(&r->ref, &r->session->target, sessions);
	return 0;
}

static void
nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void *
worker(void *unused)
{
	/* psref(9) wants it, and strict mode insists: a hold is its CPU's. */
	int bound = psref_curlwp_bind();
	int error = charge(&request);

	printf("charging %s %d: %s\n", alice.user, request.amount, strerror(error));
	fflush(stdout);
	atomic_store(&charged, true);
	while (!atomic_load(&give_back))
		nap(); /* other work */
	if (!fixed)
		psref_release(&request.ref, &alice.target, sessions);
	psref_curlwp_bindx(bound);
	return unused;
}

static void *
end_of_the_example(void *seconds)
{
	struct timespec end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += *(int *)seconds;
	/* Between two reports. */
	if ((end.tv_nsec += 500000000) >= 1000000000) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000;
	}
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL);
	atomic_store(&give_back, true);
	return NULL;
}

int
main(int argc, char **argv)
{
	int seconds = 1, option;
	pthread_t threads[2];

	while ((option = getopt(argc, argv, "frts:")) != -1) {
		switch (option) {
		case 'f': fixed = true; break;
		case 'r': report = true; break;
		case 't': statistics = true; break;
		case 's': seconds = atoi(optarg); break;
		default: return 2;
		}
	}
	setenv("PSREF_DRAIN_WARN", "1", 0); /* else it is 10 seconds */
	if ((sessions = psref_class_create("session", IPL_SOFTNET)) == NULL)
		abort();
	psref_target_init(&alice.target, sessions);
	if (pthread_create(&threads[0], NULL, worker, NULL) != 0)
		abort();
	while (!atomic_load(&charged))
		nap();

	if (report)
		psref_class_report(sessions, stdout);
	if (report || fixed) {
		atomic_store(&give_back, true);
	} else if (pthread_create(&threads[1], NULL, end_of_the_example, &seconds) != 0) {
		abort();
	}
	printf("closing the session of %s\n", alice.user);
	fflush(stdout);
	psref_target_destroy(&alice.target, sessions); /* waits for the worker */
	printf("closed\n");

	pthread_join(threads[0], NULL);
	if (!report && !fixed)
		pthread_join(threads[1], NULL);
	if (statistics)
		psref_stats_dump(stdout);
	psref_class_destroy(sessions);
	return 0;
}
