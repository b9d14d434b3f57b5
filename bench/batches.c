// SPDX-License-Identifier: MIT OR Apache-2.0
// Many targets that nobody holds, given up at once: what each costs, its function included, and how many membarriers
// all of them do. In turns of their own after the rounds: one takes as long as a round.
#include "bench.h"

#include <psref/psref.h>
#include <psref/retire.h>
#include <psref/stats.h>
#include <stdlib.h>
#include <string.h>

enum { RETIRED = 100000, DESTROYED = 1000, TURNS = 15 };

static struct psref_target targets[RETIRED], *each[DESTROYED];
static struct {
	double retire[TURNS], destroy[TURNS]; // ns a target
	double retire_calls, destroy_calls;   // membarriers, the most of all turns
} seen;

// The library's own count of interrupts of all CPUs.
static double cross_calls(void)
{
	static char json[1 << 16];
	static const char key[] = "\"cross_calls\":";
	FILE *stream = fmemopen(json, sizeof json, "w");
	if (stream == NULL)
		die("fmemopen failed");
	psref_stats_dump_json(stream);
	fclose(stream);
	const char *at = strstr(json, key);
	if (at == NULL)
		die("no count of cross-calls in the statistics");
	return atof(at + sizeof key - 1);
}

static void called(void *target)
{
	if (((struct psref_target *)target)->prt_class != NULL)
		die("a target was not at its end");
}

static void most(double *value, double now)
{
	if (now > *value)
		*value = now;
}

void batches_measure(void)
{
	struct psref_class *class_ = psref_class_create("batches", 0);
	if (class_ == NULL)
		die("psref_class_create failed");
	for (size_t turn = 0; turn < TURNS; turn++) {
		for (size_t i = 0; i < RETIRED; i++)
			psref_target_init(&targets[i], class_);
		double calls = cross_calls();
		uint64_t began = wall_ns();
		for (size_t i = 0; i < RETIRED; i++)
			if (psref_target_retire(&targets[i], class_, called, &targets[i]) != 0)
				die("psref_target_retire failed");
		psref_retire_barrier();
		seen.retire[turn] = (double)(wall_ns() - began) / RETIRED;
		most(&seen.retire_calls, cross_calls() - calls);

		for (size_t i = 0; i < DESTROYED; i++) {
			each[i] = &targets[i];
			psref_target_init(each[i], class_);
		}
		calls = cross_calls();
		began = wall_ns();
		psref_target_destroy_many(each, DESTROYED, class_);
		seen.destroy[turn] = (double)(wall_ns() - began) / DESTROYED;
		most(&seen.destroy_calls, cross_calls() - calls);
	}
	psref_class_destroy(class_);
}

static void print_batch(const char *what, const double *ns, double calls, double targets_of_it)
{
	printf("%-34s %7.1f [%.1f, %.1f] %26.0f %22.3f\n", what, quantile(ns, TURNS, 0.5), quantile(ns, TURNS, 0),
	       quantile(ns, TURNS, 1), calls, calls / targets_of_it * 1000);
}

void batches_report(void)
{
	printf("\n%-34s %22s %22s %22s\n", "many at once, held by nobody", "ns each [least, most]", "membarriers, at most", "for 1,000");
	print_batch("psref retire of 100,000", seen.retire, seen.retire_calls, RETIRED);
	print_batch("psref destroy_many of 1,000", seen.destroy, seen.destroy_calls, DESTROYED);
}
