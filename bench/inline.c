// SPDX-License-Identifier: MIT OR Apache-2.0
// The library's fast paths as inlined code: the loops of psref.c, counts.c and pools.c again.
#define PSREF_INLINE
#include "held.h"
#include "stock.h"

#include <psref/objpool.h>
#include <psref/pserialize.h>

void psref_inline_pairs(void *state, unsigned long turns)
{
	const struct psref_target *target = &((struct held *)state)->target;
	struct psref_class *class_ = ((struct held *)state)->class_;
	struct psref psref;
	while (turns-- > 0) {
		psref_acquire(&psref, target, class_);
		psref_release(&psref, target, class_);
	}
}

void psref_inline_four(void *state, unsigned long turns)
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

void localcount_inline_pairs(void *state, unsigned long turns)
{
	struct counted *counted = (struct counted *)state;
	while (turns-- > 0) {
		localcount_acquire(&counted->count);
		localcount_release(&counted->count, &counted->cv, &counted->interlock);
	}
}

void section_inline_pairs(void *state, unsigned long turns)
{
	(void)state;
	while (turns-- > 0)
		pserialize_read_exit(pserialize_read_enter());
}

void gate_inline_passes(void *state, unsigned long turns)
{
	struct device *device = (struct device *)state;
	while (turns-- > 0) {
		device_gate_enter(&device->dv);
		device_gate_exit(&device->dv);
	}
}

void gate_inline_visits(void *state, unsigned long turns)
{
	struct device *device = (struct device *)state;
	while (turns-- > 0) {
		device_gate_acquire(&device->dv, false);
		device_gate_release(&device->dv);
	}
}

STOCK(objpool_inline, struct objpool_head *, objpool_pop(stock), objpool_push(object, stock))
