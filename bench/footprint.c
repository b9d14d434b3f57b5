// SPDX-License-Identifier: MIT OR Apache-2.0
// What everything takes: in its user's structures, in the library once for all CPUs, and in the library for every CPU that uses it. The
// latter two are computed from the library's constants; where many can be made, they are seen in the size of the process, too.
#include "bench.h"
#include "sizes.h"

#include <psref/device_gate.h>
#include <psref/localcount.h>
#include <psref/objpool.h>
#include <psref/psref.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLASSES = 4096, HOLDS = 16384 };

// The class's own memory, and on every CPU its slots.
static double memory_of_class(void)
{
	static struct psref_class *classes[CLASSES];
	struct psref_target target;
	struct psref psref;
	memset(classes, 1, sizeof classes);
	double before = resident();
	for (size_t i = 0; i < CLASSES; i++)
		if ((classes[i] = psref_class_create("footprint", 0)) == NULL)
			die("psref_class_create failed");
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		cpu_pin(cpu);
		for (size_t i = 0; i < CLASSES; i++) {
			psref_target_init(&target, classes[i]);
			if (psref_acquire(&psref, &target, classes[i]) != 0)
				die("a target that nobody drains refused a hold");
			psref_release(&psref, &target, classes[i]);
		}
	}
	cpu_pin(0);
	double after = resident();
	for (size_t i = 0; i < CLASSES; i++)
		psref_class_destroy(classes[i]);
	return before > 0 ? (after - before) / CLASSES : 0;
}

// One CPU: a hold lies on one.
static double memory_of_hold(void)
{
	struct psref *held = (struct psref *)malloc(HOLDS * sizeof *held);
	struct psref_class *class_ = psref_class_create("footprint", 0);
	struct psref_target target;
	if (held == NULL || class_ == NULL)
		die("out of memory");
	memset(held, 0, HOLDS * sizeof *held);
	psref_target_init(&target, class_);
	double before = resident();
	for (size_t i = 0; i < HOLDS; i++)
		if (psref_acquire(&held[i], &target, class_) != 0)
			die("a target that nobody drains refused a hold");
	double after = resident();
	for (size_t i = 0; i < HOLDS; i++)
		psref_release(&held[i], &target, class_);
	psref_target_destroy(&target, class_);
	psref_class_destroy(class_);
	free(held);
	return before > 0 ? (after - before) / HOLDS : 0;
}

static double pages(double bytes)
{
	double page = (double)sysconf(_SC_PAGESIZE);
	return (double)(size_t)((bytes + page - 1) / page) * page;
}

size_t footprints_read(struct footprint rows[FOOTPRINTS_MOST], const struct facts *facts)
{
	const struct footprint fixed[] = {
		{ "psref: a target", sizeof(struct psref_target), 0, 0, 0, 0 },
		{ "psref: a hold", sizeof(struct psref), BYTES_SLOT, 0, memory_of_hold(), 0 },
		{ "psref: a class", 0, BYTES_CLASS, BYTES_CLASS_CPU, memory_of_class(), 0 },
		{ "localcount", sizeof(struct localcount), 0, BYTES_CELL_CPU, facts->localcount_bytes, 0 },
		// Not seen: it would use the cells again that the localcounts gave back.
		{ "device gate", sizeof(struct device_gate_device), 0, BYTES_CELL_CPU, 0, 0 },
		{ "device gate, closed: besides", 0, BYTES_GATE, 0, 0, 0 },
		{ "read sections: a thread", 0, BYTES_RECORD, 0, 0, 0 },
	};
	size_t n = COUNT(fixed);
	_Static_assert(COUNT(fixed) + POOL_SIZES <= FOOTPRINTS_MOST, "room for all");
	memcpy(rows, fixed, sizeof fixed);
	for (size_t i = 0; i < POOL_SIZES; i++, n++) {
		const struct pool_memory *m = &facts->pools[i];
		rows[n] = (struct footprint){ "", sizeof(struct objpool_head), pages((double)m->objects * BYTES_LINK),
		                              BYTES_MAGAZINE_CPU, m->bytes, m->objects };
		snprintf(rows[n].what, sizeof rows[n].what, "objpool of %zu, besides the objects", m->objects);
	}
	return n;
}

double footprint_on(const struct footprint *row, size_t cpus)
{
	return row->once + row->cpu * (double)cpus;
}
