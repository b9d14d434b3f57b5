// SPDX-License-Identifier: MIT OR Apache-2.0
// What drain and perform cost while others' holds lie in their way: of other targets of the same class, on every CPU, so many in all.
// They stay where they are, and nobody runs; what is waited for is held by nobody. A drain looks at every slot of its class, a
// localcount's and a perform at none: their lines show that.
#include "bench.h"

#include <psref/kmutex.h>
#include <psref/localcount.h>
#include <psref/pserialize.h>
#include <psref/psref.h>

enum { SCALED_CALLS = 16 };

const unsigned crowds_of_holds[HOLD_CROWDS] = { 0, 1, 32, 1000 };

// One number of holds. A class of its own for each: a class that once had many holds keeps the room for them.
static struct field {
	unsigned holds;
	struct psref_class *class_;
	struct psref_target other, target;
	struct psref held[1000];
} fields[HOLD_CROWDS];

static struct localcount count;
static kmutex_t interlock;
static kcondvar_t cv;

static uint64_t drain(struct field *field)
{
	psref_target_init(&field->target, field->class_);
	uint64_t began = wall_ns();
	psref_target_destroy(&field->target, field->class_);
	return wall_ns() - began;
}

static uint64_t localcount(struct field *field)
{
	(void)field;
	if (localcount_init(&count) != 0)
		die("out of memory");
	mutex_enter(&interlock);
	uint64_t began = wall_ns();
	localcount_drain(&count, &cv, &interlock);
	uint64_t took = wall_ns() - began;
	mutex_exit(&interlock);
	localcount_fini(&count);
	return took;
}

static uint64_t perform(struct field *field)
{
	(void)field;
	uint64_t began = wall_ns();
	pserialize_perform(NULL);
	return wall_ns() - began;
}

static const struct {
	const char *name;
	uint64_t (*call)(struct field *field);
} waits[] = { { "psref drain", drain }, { "localcount drain", localcount }, { "perform", perform } };
_Static_assert(COUNT(waits) == SCALED, "one line each");

static struct scaled all[SCALED * HOLD_CROWDS];

const struct scaled *scaled_at(size_t i)
{
	return i < COUNT(all) ? &all[i] : NULL;
}

static size_t take(struct series *series, double *samples, size_t room)
{
	const struct scaled *scaled = (const struct scaled *)series->what;
	struct field *field = &fields[scaled->crowd];
	// In as many parts as there are CPUs, the last of them on the CPU of the thread that measures.
	unsigned n = 0;
	for (unsigned left = cpu_count(); left-- > 0;) {
		cpu_pin(left);
		for (unsigned end = field->holds * (cpu_count() - left) / cpu_count(); n < end; n++)
			if (psref_acquire(&field->held[n], &field->other, field->class_) != 0)
				die("a target that nobody drains refused a hold");
	}
	size_t i = 0;
	for (; i < SCALED_CALLS && i < room; i++)
		samples[i] = (double)waits[scaled->wait].call(field);
	while (n-- > 0)
		psref_release(&field->held[n], &field->other, field->class_);
	return i;
}

void scaling_add(void)
{
	mutex_init(&interlock, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&cv, "scaling");
	for (unsigned crowd = 0; crowd < HOLD_CROWDS; crowd++) {
		struct field *field = &fields[crowd];
		field->holds = crowds_of_holds[crowd];
		field->class_ = psref_class_create("scaling", 0);
		if (field->class_ == NULL || field->holds > COUNT(field->held))
			die("no class for %u holds", field->holds);
		psref_target_init(&field->other, field->class_);
		for (unsigned wait = 0; wait < SCALED; wait++) {
			struct scaled *scaled = &all[wait * HOLD_CROWDS + crowd];
			scaled->wait = wait;
			scaled->crowd = crowd;
			scaled->what = waits[wait].name;
			snprintf(scaled->name, sizeof scaled->name, "%s, %u held", waits[wait].name, field->holds);
			scaled->series = series_add(scaled->name, 1, 1, take, scaled);
		}
	}
}

void scaling_remove(void)
{
	for (unsigned crowd = 0; crowd < HOLD_CROWDS; crowd++) {
		psref_target_destroy(&fields[crowd].other, fields[crowd].class_);
		psref_class_destroy(fields[crowd].class_);
	}
	cv_destroy(&cv);
	mutex_destroy(&interlock);
}
