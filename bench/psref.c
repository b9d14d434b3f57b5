// SPDX-License-Identifier: MIT OR Apache-2.0
// Passive references. What acquire answers is not looked at: after a refusal the release would end the program.
#include "held.h"
#include "ways.h"

#include <stdlib.h>

void floor_acquire(struct psref *psref, const struct psref_target *target, struct psref_class *class_);
void floor_release(struct psref *psref, const struct psref_target *target, struct psref_class *class_);

static void *setup(void)
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

static void teardown(void *state)
{
	struct held *held = (struct held *)state;
	psref_target_destroy(&held->target, held->class_);
	psref_class_destroy(held->class_);
	free(held);
}

const struct kind psref_kind = { .setup = setup, .teardown = teardown };

void floor_pairs(void *state, unsigned long turns)
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

void psref_four(void *state, unsigned long turns)
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
