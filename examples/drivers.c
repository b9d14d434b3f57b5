/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * drivers: a table of a few drivers with many users each, and two ways to detach one: politely, which answers EBUSY while
 * somebody has it open, and by force, which waits for them.
 *
 * Drivers are what localcount(9) was made for: few of them, held often and long, opened in one thread and closed in another. The
 * polite detach is localcount_trydrain(), as proposed on tech-kern in 2017, with the sentinel that its author asks for: while
 * it is being tried nobody finds the driver, and nobody else gets its place in the table.
 *
 *   open		driver_open()	a look-up in a read section, localcount_acquire()
 *   close		driver_close()	localcount_release()
 *   detach		driver_detach()	unpublish, pserialize_perform(), trydrain or drain, fini
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <psref.h>

enum { DRIVERS = 4 };

struct driver {
	struct localcount lc;
	atomic_bool dying;		/* the sentinel: in the table, and not to be found */
	unsigned unit;
	atomic_uint opens;		/* what a driver does */
};

static struct {
	kmutex_t lock;			/* writers; and the interlock of all drains */
	kcondvar_t cv;
	pserialize_t psz;
	_Atomic(struct driver *) unit[DRIVERS];
} drivers;

static atomic_bool stopping;

static int
driver_attach(unsigned unit)
{
	struct driver *drv = calloc(1, sizeof *drv);
	int error;

	if (drv == NULL)
		return ENOMEM;
	if ((error = localcount_init(&drv->lc)) != 0) {
		free(drv);
		return error;
	}
	drv->unit = unit;
	atomic_store_explicit(&drivers.unit[unit], drv, memory_order_release);
	return 0;
}

/* The driver, held until driver_close(); NULL: there is none (ENXIO). */
static struct driver *
driver_open(unsigned unit)
{
	struct driver *drv;
	int s;

	s = pserialize_read_enter();
	drv = atomic_load_explicit(&drivers.unit[unit], memory_order_acquire);
	if (drv != NULL && atomic_load_explicit(&drv->dying, memory_order_acquire))
		drv = NULL;
	if (drv != NULL)
		localcount_acquire(&drv->lc);
	pserialize_read_exit(s);
	return drv;
}

static void
driver_close(struct driver *drv)
{
	localcount_release(&drv->lc, &drivers.cv, &drivers.lock);
}

/* 0; or EBUSY where somebody has it open and `force` is false: then nothing has changed. */
static int
driver_detach(unsigned unit, bool force)
{
	struct driver *drv;

	mutex_enter(&drivers.lock);
	drv = atomic_load_explicit(&drivers.unit[unit], memory_order_relaxed);
	/* Nobody finds it from here on, and nobody who found it has not acquired it yet. */
	atomic_store_explicit(&drv->dying, true, memory_order_release);
	pserialize_perform(drivers.psz);
	if (!force && !localcount_trydrain(&drv->lc)) {
		atomic_store_explicit(&drv->dying, false, memory_order_release);
		mutex_exit(&drivers.lock);
		return EBUSY;
	}
	if (force)
		localcount_drain(&drv->lc, &drivers.cv, &drivers.lock);
	/* The sentinel goes; look-ups that read it have not ended, perhaps. */
	atomic_store_explicit(&drivers.unit[unit], NULL, memory_order_release);
	pserialize_perform(drivers.psz);
	mutex_exit(&drivers.lock);

	localcount_fini(&drv->lc);
	memset(drv, 0xa5, sizeof *drv);
	free(drv);
	return 0;
}

/* ---- the run: some threads open, others close what they opened */

enum { BOX = 8 };

static struct box {
	_Alignas(128) _Atomic(struct driver *) open;
} boxes[BOX];

struct user {
	pthread_t thread;
	unsigned long opened, closed, absent;
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
finish(struct user *user, struct driver *drv)
{
	if (drv == NULL)
		return;
	/* Reads what a detach would have overwritten. */
	if (drv->unit >= DRIVERS) {
		fprintf(stderr, "drivers: unit %#x is open and gone\n", drv->unit);
		abort();
	}
	user->closed++;
	driver_close(drv);
}

static void *
use(void *arg)
{
	struct user *user = arg;

	while (!atomic_load_explicit(&stopping, memory_order_relaxed)) {
		const unsigned r = random_number(&user->seed);
		struct driver *drv = driver_open(r % DRIVERS);

		if (drv == NULL) {
			user->absent++;
			continue;
		}
		user->opened++;
		atomic_fetch_add_explicit(&drv->opens, 1, memory_order_relaxed);
		/* One in four goes to another thread to be closed; whoever finds a box full closes that one. */
		if (r / DRIVERS % 4 == 0)
			drv = atomic_exchange(&boxes[r / 64 % BOX].open, drv);
		finish(user, drv);
		if (user->opened % 4096 == 0)
			nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	unsigned threads = 4, seconds = 3, seed = 7;
	unsigned long busy = 0, polite = 0, forced = 0;
	int option;

	while ((option = getopt(argc, argv, "s:t:")) != -1) {
		const unsigned n = option == '?' ? 0 : (unsigned)strtoul(optarg, NULL, 10);

		if (n < 1 || n > 1024) {
			fprintf(stderr, "usage: drivers [-s SECONDS] [-t THREADS]      (1 to 1024 each)\n");
			return 2;
		}
		*(option == 's' ? &seconds : &threads) = n;
	}

	mutex_init(&drivers.lock, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&drivers.cv, "drvdetach");
	drivers.psz = pserialize_create();
	for (unsigned unit = 0; unit < DRIVERS; unit++)
		if (driver_attach(unit) != 0)
			return 1;

	/* One at a time first: open, a polite detach fails, close, it succeeds. */
	struct driver *drv = driver_open(0);
	const int while_open = driver_detach(0, false);
	driver_close(drv);
	const int when_closed = driver_detach(0, false);
	printf("detach of an open driver: %s; once it is closed: %s; then open: %s\n",
	    while_open == EBUSY ? "EBUSY" : "?", when_closed == 0 ? "0" : "?", driver_open(0) == NULL ? "ENXIO" : "?");
	if (while_open != EBUSY || when_closed != 0 || driver_attach(0) != 0)
		return 1;

	/* Then under load. */
	struct user *users = aligned_alloc(128, threads * sizeof *users);
	if (users == NULL)
		return 1;
	for (unsigned i = 0; i < threads; i++) {
		users[i] = (struct user){ .seed = i + 1 };
		if (pthread_create(&users[i].thread, NULL, use, &users[i]) != 0)
			return 1;
	}
	for (const time_t end = time(NULL) + (time_t)seconds; time(NULL) < end;) {
		const unsigned r = random_number(&seed), unit = r % DRIVERS;

		/* One that lies in a box is waited for, too, until somebody comes by to put another one there and close it. */
		const bool force = r / DRIVERS % 2 == 0;

		if (driver_detach(unit, force) == EBUSY) {
			busy++;
			continue;
		}
		(force ? &forced : &polite)[0]++;
		if (driver_attach(unit) != 0)
			return 1;
	}

	atomic_store(&stopping, true);
	unsigned long opened = 0, closed = 0, absent = 0;
	for (unsigned i = 0; i < threads; i++)
		pthread_join(users[i].thread, NULL);
	for (unsigned i = 0; i < BOX; i++)
		finish(&users[0], atomic_load(&boxes[i].open));
	for (unsigned i = 0; i < threads; i++) {
		opened += users[i].opened;
		closed += users[i].closed;
		absent += users[i].absent;
	}
	free(users);
	/* Every open was closed, or this would answer EBUSY. */
	for (unsigned unit = 0; unit < DRIVERS; unit++)
		if (driver_detach(unit, false) != 0)
			return 1;
	pserialize_destroy(drivers.psz);
	cv_destroy(&drivers.cv);
	mutex_destroy(&drivers.lock);

	printf("%lu opened, %lu closed, %lu found none; detached: %lu politely, %lu by force, %lu times EBUSY\n", opened, closed,
	    absent, polite, forced, busy);
	return opened == closed && opened > 0 && forced > 0 ? 0 : 1;
}
