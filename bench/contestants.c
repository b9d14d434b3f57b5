// SPDX-License-Identifier: MIT OR Apache-2.0
// Ways to hold something for a while and let go of it. One more is one more line in the table below.
//
// Every op is a function of its own, compiled like any C program, that calls the contestant in a loop. The floor's loop is
// the same as psref's but for the names it calls. What acquire answers is not looked at: after a refusal the release would
// end the program.
#include "bench.h"

#include <psref/psref.h>
#include <pthread.h>
#include <stdlib.h>

void floor_acquire(struct psref *psref, const struct psref_target *target, struct psref_class *class_);
void floor_release(struct psref *psref, const struct psref_target *target, struct psref_class *class_);

struct held {
	_Alignas(128) struct psref_target target;
	struct psref_class *class_;
};

void *psref_setup(void)
{
	struct held *held = (struct held *)aligned_alloc(128, sizeof *held);
	if (held == NULL)
		die("out of memory");
	held->class_ = psref_class_create("bench", 0);
	if (held->class_ == NULL)
		die("psref_class_create failed");
	psref_target_init(&held->target, held->class_);
	return held;
}

void psref_teardown(void *state)
{
	struct held *held = (struct held *)state;
	psref_target_destroy(&held->target, held->class_);
	psref_class_destroy(held->class_);
	free(held);
}

struct psref_class *psref_class_of(void *state)
{
	return ((struct held *)state)->class_;
}

static void floor_pairs(void *state, unsigned long turns)
{
	const struct psref_target *target = &((struct held *)state)->target;
	struct psref_class *class_ = ((struct held *)state)->class_;
	struct psref psref;
	while (turns-- > 0) {
		floor_acquire(&psref, target, class_);
		floor_release(&psref, target, class_);
	}
}

void psref_pairs(void *state, unsigned long turns)
{
	const struct psref_target *target = &((struct held *)state)->target;
	struct psref_class *class_ = ((struct held *)state)->class_;
	struct psref psref;
	while (turns-- > 0) {
		psref_acquire(&psref, target, class_);
		psref_release(&psref, target, class_);
	}
}

static void psref_four(void *state, unsigned long turns)
{
	const struct psref_target *target = &((struct held *)state)->target;
	struct psref_class *class_ = ((struct held *)state)->class_;
	struct psref psref[4];
	while (turns-- > 0) {
		psref_acquire(&psref[0], target, class_);
		psref_acquire(&psref[1], target, class_);
		psref_acquire(&psref[2], target, class_);
		psref_acquire(&psref[3], target, class_);
		psref_release(&psref[3], target, class_);
		psref_release(&psref[2], target, class_);
		psref_release(&psref[1], target, class_);
		psref_release(&psref[0], target, class_);
	}
}

// A line of its own.
struct shared {
	_Alignas(128) long count;
	pthread_mutex_t mutex;
};

static void *shared_setup(void)
{
	struct shared *shared = (struct shared *)aligned_alloc(128, sizeof *shared);
	if (shared == NULL)
		die("out of memory");
	shared->count = 0;
	pthread_mutex_init(&shared->mutex, NULL);
	return shared;
}

static void shared_teardown(void *state)
{
	struct shared *shared = (struct shared *)state;
	if (shared->count != 0)
		die("a shared count ended at %ld", shared->count);
	pthread_mutex_destroy(&shared->mutex);
	free(shared);
}

static void atomic_pairs(void *state, unsigned long turns)
{
	long *count = &((struct shared *)state)->count;
	while (turns-- > 0) {
		__atomic_add_fetch(count, 1, __ATOMIC_SEQ_CST);
		__atomic_sub_fetch(count, 1, __ATOMIC_SEQ_CST);
	}
}

static void mutex_pairs(void *state, unsigned long turns)
{
	struct shared *shared = (struct shared *)state;
	while (turns-- > 0) {
		pthread_mutex_lock(&shared->mutex);
		shared->count++;
		pthread_mutex_unlock(&shared->mutex);
		pthread_mutex_lock(&shared->mutex);
		shared->count--;
		pthread_mutex_unlock(&shared->mutex);
	}
}

const struct contestant contestants[] = {
	{ FLOOR, 1, false, psref_setup, floor_pairs, psref_teardown },
	{ PAIR, 1, false, psref_setup, psref_pairs, psref_teardown },
	{ NESTED, 4, false, psref_setup, psref_four, psref_teardown },
	{ ATOMIC, 1, false, shared_setup, atomic_pairs, shared_teardown },
	{ MUTEX, 1, true, shared_setup, mutex_pairs, shared_teardown },
};
const size_t contestant_count = COUNT(contestants);
