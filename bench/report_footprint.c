// SPDX-License-Identifier: MIT OR Apache-2.0
// What is printed of memory, and of destroying beside many holds of others.
#include "bench.h"

static void print_scaling(void)
{
	printf("\n%-34s", "us, others' holds in the way");
	for (unsigned i = 0; i < HOLD_CROWDS; i++)
		printf(" %22u", crowds_of_holds[i]);
	for (size_t i = 0; scaled_at(i) != NULL; i++) {
		if (scaled_at(i)->crowd == 0)
			printf("\n%-34s", scaled_at(i)->what);
		print_value(scaled_at(i)->series, 1e3);
	}
	printf("\n");
}

static void print_bytes(double bytes)
{
	if (bytes > 0)
		printf(" %13.1f", bytes);
	else
		printf(" %13s", "-");
}

void report_footprint(const struct facts *facts)
{
	char seen[32], many[32];
	snprintf(seen, sizeof seen, "seen, %u CPUs", cpu_count());
	snprintf(many, sizeof many, "%d CPUs", MANY_CPUS);
	print_scaling();
	printf("\n%-41s %13s %13s %13s %13s %13s\n", "memory, bytes", "in the user's", "once", "a CPU used", seen, many);
	for (size_t i = 0; i < facts->footprint_count; i++) {
		const struct footprint *row = &facts->footprints[i];
		printf("%-41s", row->what);
		print_bytes(row->caller);
		print_bytes(row->once);
		print_bytes(row->cpu);
		print_bytes(row->measured);
		print_bytes(footprint_on(row, MANY_CPUS));
		printf("\n");
	}
}
