// SPDX-License-Identifier: MIT OR Apache-2.0
// What holding and destroying cost with psref, in one interleaved run: rounds of short slices, the series in a new order in
// every round, so that whatever else the machine does falls on all of them alike. Compares: pairs of acquire and release with
// two calls of an empty function (the floor), with shared counts and with other libraries; drains and performs with the one
// membarrier that they need, and with what other libraries do; a waking drain with a bare futex. See README.md.
#include "bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "usage: bench [--quick] [--seconds N] [--json FILE]\n"
                            "  --quick      a few seconds, to see that everything runs\n"
                            "  --seconds N  how long the rounds go on (120)\n"
                            "  --json FILE  writes all figures there as well\n";

void die(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fprintf(stderr, "bench: ");
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	va_end(arguments);
	exit(1);
}

// xorshift64*: the same orders in every run.
static uint64_t random_number(void)
{
	static uint64_t state = 88172645463325252u;
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (state * 2685821657736338717u) >> 16;
}

static void one_round(size_t number, size_t *order, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t j = random_number() % i, other = order[j];
		order[j] = order[i - 1];
		order[i - 1] = other;
	}
	for (size_t i = 0; i < count; i++) {
		struct series *series = series_at(order[i]);
		if (number % series->every == 0)
			series_measure(series);
		else
			series_skip(series);
	}
}

static void all_rounds(double seconds)
{
	size_t order[SERIES_MOST], count = 0;
	for (size_t i = 0; series_at(i) != NULL && count < COUNT(order); i++)
		if (series_at(i)->take != NULL)
			order[count++] = i;
	uint64_t end = wall_ns() + (uint64_t)(seconds * 1e9);
	for (size_t number = 0; number < NOT_OFTEN || wall_ns() < end; number++)
		one_round(number, order, count);
}

int main(int argc, char **argv)
{
	double seconds = 120;
	FILE *json = NULL;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--first-use") == 0) {
			return first_use_child();
		} else if (strcmp(argv[i], "--quick") == 0) {
			seconds = 2;
			long_slice_ns /= 8;
		} else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc) {
			seconds = atof(argv[++i]);
		} else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
			json = fopen(argv[++i], "w");
			if (json == NULL)
				die("%s: %s", argv[i], strerror(errno));
		} else {
			fprintf(stderr, "%s", usage);
			return 2;
		}
	}

	struct facts facts;
	facts_read(&facts);
	workers_start();
	cpu_pin(0);
	pairs_add();
	handed_add();
	destroy_add();
	wakes_add();
	scaling_add();
	first_use_add("/proc/self/exe");
	uint64_t began = wall_ns();
	all_rounds(seconds);
	double took = (double)(wall_ns() - began) / 1e9;
	facts_read_load(&facts.load[1]);
	workers_stop();
	pairs_remove();
	handed_remove();
	destroy_remove();
	wakes_remove();
	scaling_remove();
	batches_measure();
	facts.localcount_bytes = memory_of_localcount();
	memory_of_pools(facts.pools);
	facts.footprint_count = footprints_read(facts.footprints, &facts);

	report_print(&facts, took);
	if (json != NULL) {
		json_write(json, &facts);
		if (fclose(json) != 0)
			die("the figures could not be written: %s", strerror(errno));
	}
	return 0;
}
