/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * resources: a look-up list, and the birth, life and death of what is on it; after the slides "How to hold onto things in a
 * multiprocessor world" (T. R. Campbell, AsiaBSDcon 2017).
 *
 *   pserialize	holds everything on the list while a thread walks it
 *   pslist	is the list, which changes under its readers
 *   psref	holds the one resource that was found, for as long as its user likes
 *
 * A resource's stations are three functions: foo_create(), foo_lookup() with foo_release(), foo_destroy(). Threads look
 * resources up and use them, some while they sleep; one thread destroys and creates them all the time. A destroyed resource
 * is poisoned before it is freed, and every use looks: so it is a test as well.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <psref.h>

enum { ALIVE = 0x600d, DEAD = 0xdead };

struct foo {
	unsigned key;
	unsigned magic;
	struct pslist_entry f_entry;
	struct psref_target target;
};

static struct {
	kmutex_t lock;			/* writers exclude each other by it; readers never take it */
	struct pslist_head head;
	pserialize_t psz;
	struct psref_class *psr;
} footab = { .head = PSLIST_INITIALIZER };

static unsigned keys = 64;
static atomic_bool stopping;

/* ---- birth */

static void
foo_create(unsigned key)
{
	struct foo *f = malloc(sizeof *f);

	if (f == NULL)
		abort();
	/* (a) Make it. */
	f->key = key;
	f->magic = ALIVE;
	PSLIST_ENTRY_INIT(f, f_entry);
	psref_target_init(&f->target, footab.psr);

	/* (b) Publish it: from the next store on readers find it, whole. */
	mutex_enter(&footab.lock);
	PSLIST_WRITER_INSERT_HEAD(&footab.head, f, f_entry);
	mutex_exit(&footab.lock);
}

/* ---- life */

/* The resource with this key, held; NULL: there is none. */
static struct foo *
foo_lookup(unsigned key, struct psref *psref)
{
	struct foo *f;
	int s;

	/* Nothing that can be reached goes away before the read section ends ... */
	s = pserialize_read_enter();
	PSLIST_READER_FOREACH(f, &footab.head, struct foo, f_entry) {
		if (f->key == key && psref_acquire(psref, &f->target, footab.psr) == 0)
			break;
	}
	pserialize_read_exit(s);
	/* ... and after it the hold alone keeps the one that was found. */
	return f;
}

static void
foo_release(struct foo *f, struct psref *psref)
{
	psref_release(psref, &f->target, footab.psr);
}

/* ---- death */

static int
foo_destroy(unsigned key)
{
	struct foo *f;

	/* (a) Prevent new users: unpublish, and wait for the readers who may have found it still. */
	mutex_enter(&footab.lock);
	PSLIST_WRITER_FOREACH(f, &footab.head, struct foo, f_entry) {
		if (f->key == key)
			break;
	}
	if (f != NULL) {
		PSLIST_WRITER_REMOVE(f, f_entry);
		pserialize_perform(footab.psz);
	}
	mutex_exit(&footab.lock);
	if (f == NULL)
		return ENOENT;

	/* (b) Wait for old users. */
	psref_target_destroy(&f->target, footab.psr);

	/* (c) Destroy. */
	PSLIST_ENTRY_DESTROY(f, f_entry);
	f->magic = DEAD;
	free(f);
	return 0;
}

/* ---- the run */

struct user {
	pthread_t thread;
	unsigned long found, missed, slept;
	_Alignas(128) unsigned seed;
};

static unsigned
random_number(unsigned *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static void
check(const struct foo *f, unsigned key)
{
	if (f->magic != ALIVE || f->key != key) {
		fprintf(stderr, "resources: held %u, found %u (%#x)\n", key, f->key, f->magic);
		abort();
	}
}

static void *
use(void *arg)
{
	struct user *user = arg;

	while (!atomic_load_explicit(&stopping, memory_order_relaxed)) {
		const unsigned key = random_number(&user->seed) % keys;
		struct psref psref;
		struct foo *f = foo_lookup(key, &psref);

		if (f == NULL) {
			user->missed++;
			continue;
		}
		user->found++;
		check(f, key);
		if (user->found % 1024 == 0) {
			/* A passive reference may be held while its holder sleeps. */
			nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
			user->slept++;
			check(f, key);
		}
		foo_release(f, &psref);
	}
	return NULL;
}

static unsigned
number(const char *text, unsigned max)
{
	char *end;
	const unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || n < 1 || n > max) {
		fprintf(stderr, "resources: %s: not a number from 1 to %u\n", text, max);
		exit(2);
	}
	return (unsigned)n;
}

int
main(int argc, char **argv)
{
	unsigned threads = 4, seconds = 3, seed = 1;
	unsigned long destroyed = 0, found = 0, missed = 0, slept = 0;
	int option;

	while ((option = getopt(argc, argv, "k:s:t:")) != -1) {
		switch (option) {
		case 'k':
			keys = number(optarg, 100000);
			break;
		case 's':
			seconds = number(optarg, 100000);
			break;
		case 't':
			threads = number(optarg, 1024);
			break;
		default:
			fprintf(stderr, "usage: resources [-k KEYS] [-s SECONDS] [-t THREADS]\n");
			return 2;
		}
	}

	mutex_init(&footab.lock, MUTEX_DEFAULT, IPL_NONE);
	footab.psz = pserialize_create();
	footab.psr = psref_class_create("foo", IPL_SOFTNET);
	struct user *users = aligned_alloc(128, threads * sizeof *users);
	if (footab.psz == NULL || footab.psr == NULL || users == NULL) {
		fprintf(stderr, "resources: %s\n", strerror(ENOMEM));
		return 1;
	}
	for (unsigned key = 0; key < keys; key++)
		foo_create(key);
	for (unsigned i = 0; i < threads; i++) {
		users[i] = (struct user){ .seed = i + 1 };
		if (pthread_create(&users[i].thread, NULL, use, &users[i]) != 0)
			return 1;
	}

	for (const time_t end = time(NULL) + (time_t)seconds; time(NULL) < end; destroyed++) {
		const unsigned key = random_number(&seed) % keys;

		if (foo_destroy(key) != 0)
			abort();
		foo_create(key);
	}

	atomic_store(&stopping, true);
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(users[i].thread, NULL);
		found += users[i].found;
		missed += users[i].missed;
		slept += users[i].slept;
	}
	free(users);
	for (unsigned key = 0; key < keys; key++)
		foo_destroy(key);
	PSLIST_DESTROY(&footab.head);
	psref_class_destroy(footab.psr);
	pserialize_destroy(footab.psz);
	mutex_destroy(&footab.lock);

	printf("%lu look-ups found their resource (%lu held it asleep), %lu came between its death and its next birth\n",
	    found, slept, missed);
	printf("%lu resources destroyed and freed under their users; none was seen dead\n", destroyed);
	return found > 0 && destroyed > 0 ? 0 : 1;
}
