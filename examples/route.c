/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * route: a router's forwarding table, and how passive references let routes go away under load.
 *
 * Many threads look up routes and use them; one thread withdraws routes and frees their memory.
 * psref(9) was made for this: many objects, few of them held at a time, holds that may sleep, and
 * no forwarder may write memory that another one writes. The stations of a route:
 *
 *   birth	create, publish		announce() in control.c
 *   life	look up, acquire	forward_packet() in forward.c; table.c finds,
 *					route.h protects the moment between
 *		use, copy, release	transmit(), mirror() in forward.c
 *   death	unpublish, wait, free	withdraw() in control.c
 *
 * A freed route is poisoned and its memory used again. A forwarder that still reads it notices, and
 * the program aborts; so it is a test as well as an example. prefix.c and load.c read the prefixes,
 * report.c adds up.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "route/route.h"

#ifndef ROUTE_DATA_DIR
#define ROUTE_DATA_DIR "examples/data"
#endif

struct psref_class *route_class;
atomic_bool stopping;

static const char *const registries[] = {
	"iana-ipv4-special-registry.csv",
	"iana-ipv6-special-registry.csv",
};

struct options {
	const char *data_dir;
	char **files;			/* none: the registries in data_dir */
	int nfiles;
	unsigned threads, rate, seconds;
};

void
die(int status, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("route: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(status);
}

void *
must_alloc(size_t size)
{
	const size_t whole = (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	void *p = aligned_alloc(CACHE_LINE, whole);

	if (p == NULL)
		die(1, "no memory for %zu bytes", whole);
	return memset(p, 0, whole);
}

/* ---- options ---- */

static void
usage(FILE *to)
{
	fprintf(to,
	    "usage: route [-h] [-d DIR] [-s SECS] [-t N] [-w N] [FILE ...]\n"
	    "Forwards made-up packets while routes are withdrawn and announced again.\n"
	    "  -d DIR   where the IANA registries are (default %s)\n"
	    "  -s SECS  how long to run (default 3)\n"
	    "  -t N     forwarding threads (default two for each CPU)\n"
	    "  -w N     withdrawals a second, 0 as fast as possible (default 200)\n"
	    "  FILE     prefixes to use instead: one a line, or IANA's CSV\n"
	    "Exit status: 0 all checks passed, 1 one failed, 2 bad options or input.\n",
	    ROUTE_DATA_DIR);
}

static unsigned
number(int option, const char *text, unsigned min, unsigned max)
{
	char *end;

	errno = 0;
	const unsigned long n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || n < min || n > max)
		die(2, "-%c %s: not a number from %u to %u", option, text, min, max);
	return (unsigned)n;
}

static struct options
parse_options(int argc, char **argv)
{
	const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct options o = {
		.data_dir = ROUTE_DATA_DIR,
		.threads = cpus > 0 ? 2 * (unsigned)cpus : 2,
		.rate = 200,
		.seconds = 3,
	};
	int c;

	while ((c = getopt(argc, argv, "d:hs:t:w:")) != -1) {
		switch (c) {
		case 'd':
			o.data_dir = optarg;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		case 's':
			o.seconds = number(c, optarg, 1, 1000000);
			break;
		case 't':
			o.threads = number(c, optarg, 1, 4096);
			break;
		case 'w':
			o.rate = number(c, optarg, 0, 1000000);
			break;
		default:
			usage(stderr);
			exit(2);
		}
	}
	o.files = argv + optind;
	o.nfiles = argc - optind;
	return o;
}

static void
load(struct table *t, const struct options *o)
{
	char path[4096];

	for (int i = 0; i < o->nfiles; i++)
		load_prefixes(t, o->files[i]);
	if (o->nfiles > 0)
		return;
	for (size_t i = 0; i < sizeof registries / sizeof registries[0]; i++) {
		const int n = snprintf(path, sizeof path, "%s/%s", o->data_dir, registries[i]);

		if (n < 0 || (size_t)n >= sizeof path)
			die(2, "-d: the name is too long");
		load_prefixes(t, path);
	}
}

/* ---- the run ---- */

static void
start(pthread_t *thread, void *(*body)(void *), void *arg)
{
	const int error = pthread_create(thread, NULL, body, arg);

	if (error != 0)
		die(1, "pthread_create: %s", strerror(error));
}

static uint64_t
count_lookups(const struct forwarder *f, unsigned n)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += atomic_load_explicit(&f[i].lookups, memory_order_relaxed);
	return sum;
}

/* Sleeps; true if a signal came first. */
static bool
interrupted_before(uint64_t until, const sigset_t *signals)
{
	for (uint64_t now; (now = now_ns()) < until;) {
		const struct timespec left = {
			.tv_sec = (time_t)((until - now) / 1000000000u),
			.tv_nsec = (long)((until - now) % 1000000000u),
		};

		if (sigtimedwait(signals, NULL, &left) > 0)
			return true;
	}
	return false;
}

/* Lets the time pass, with a live line on a terminal. The signals, blocked everywhere, end it. */
static void
watch(const struct forwarder *f, const struct options *o, const sigset_t *signals)
{
	const bool live = isatty(STDOUT_FILENO);
	uint64_t until = now_ns(), before = 0;

	for (unsigned second = 1; second <= o->seconds; second++) {
		if (interrupted_before(until += 1000000000u, signals))
			break;
		if (live) {
			const uint64_t lookups = count_lookups(f, o->threads);

			printf("\r%6u s %12" PRIu64 " look-ups a second", second, lookups - before);
			fflush(stdout);
			before = lookups;
		}
	}
	if (live)
		printf("\r%50s\r", "");
}

int
main(int argc, char **argv)
{
	const struct options o = parse_options(argc, argv);
	struct forwarder *f = must_alloc(o.threads * sizeof *f);
	struct control *c = must_alloc(sizeof *c);
	struct table t;
	sigset_t signals;

	table_init(&t, o.threads);
	load(&t, &o);
	if ((route_class = psref_class_create("route", IPL_SOFTNET)) == NULL)
		die(1, "psref_class_create: %s", strerror(errno));

	c->table = &t;
	c->rate = o.rate;
	for (size_t i = 0; i < t.entries; i++)
		announce(c, t.entry[i]);

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);

	const uint64_t begin = now_ns();

	for (unsigned i = 0; i < o.threads; i++) {
		f[i].table = &t;
		f[i].reader = &t.reader[i];
		f[i].rng = i + 1;
		start(&f[i].thread, forward_main, &f[i]);
	}
	start(&c->thread, control_main, c);

	watch(f, &o, &signals);
	pthread_sigmask(SIG_UNBLOCK, &signals, NULL);	/* another ^C ends a run that hangs */
	atomic_store(&stopping, true);
	for (unsigned i = 0; i < o.threads; i++)
		pthread_join(f[i].thread, NULL);
	pthread_join(c->thread, NULL);

	const double seconds = (double)(now_ns() - begin) / 1e9;

	/* With a hold left over anywhere this would not end, and the class would not go quietly. */
	for (size_t i = 0; i < t.entries; i++)
		withdraw(c, t.entry[i]);
	psref_class_destroy(route_class);

	const bool good = report(&t, f, c, seconds);

	table_fini(&t);
	free(c);
	free(f);
	return good ? 0 : 1;
}
