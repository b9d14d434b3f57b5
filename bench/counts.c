// SPDX-License-Identifier: MIT OR Apache-2.0
// Local counts, device gates and read sections; and for each a floor that takes the same arguments.
#include "held.h"
#include "ways.h"

#include <psref/pserialize.h>
#include <stdlib.h>

void floor_count(struct localcount *lc);
void floor_uncount(struct localcount *lc, struct kcondvar *cv, struct kmutex *interlock);
int floor_open(void);
void floor_close(int s);
void floor_enter(struct device_gate_device *dv);
void floor_exit(struct device_gate_device *dv);

static void *localcount_setup(void)
{
	struct counted *counted = (struct counted *)aligned_alloc(128, sizeof *counted);
	if (counted == NULL || localcount_init(&counted->count) != 0)
		die("out of memory");
	mutex_init(&counted->interlock, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&counted->cv, "bench");
	return counted;
}

static void localcount_teardown(void *state)
{
	struct counted *counted = (struct counted *)state;
	mutex_enter(&counted->interlock);
	localcount_drain(&counted->count, &counted->cv, &counted->interlock);
	mutex_exit(&counted->interlock);
	localcount_fini(&counted->count);
	cv_destroy(&counted->cv);
	mutex_destroy(&counted->interlock);
	free(counted);
}

const struct kind localcount_kind = { .setup = localcount_setup, .teardown = localcount_teardown };

void localcount_pairs(void *state, unsigned long turns)
{
	struct counted *counted = (struct counted *)state;
	while (turns-- > 0) {
		localcount_acquire(&counted->count);
		localcount_release(&counted->count, &counted->cv, &counted->interlock);
	}
}

void localcount_floor(void *state, unsigned long turns)
{
	struct counted *counted = (struct counted *)state;
	while (turns-- > 0) {
		floor_count(&counted->count);
		floor_uncount(&counted->count, &counted->cv, &counted->interlock);
	}
}

// ---- read sections

void section_pairs(void *state, unsigned long turns)
{
	(void)state;
	while (turns-- > 0)
		pserialize_read_exit(pserialize_read_enter());
}

void section_floor(void *state, unsigned long turns)
{
	(void)state;
	while (turns-- > 0)
		floor_close(floor_open());
}

// ---- device gates

static void *gate_setup(void)
{
	struct device *device = (struct device *)aligned_alloc(128, sizeof *device);
	if (device == NULL || device_gate_attach(&device->dv) != 0)
		die("out of memory");
	return device;
}

static void gate_teardown(void *state)
{
	struct device *device = (struct device *)state;
	device_gate_t *gate;
	if (device_gate_close(&device->dv, "bench", &gate) != 0)
		die("device_gate_close failed");
	device_gate_seal(&device->dv, gate);
	device_gate_detach(&device->dv);
	free(device);
}

const struct kind gate_kind = { .setup = gate_setup, .teardown = gate_teardown };

void gate_passes(void *state, unsigned long turns)
{
	struct device *device = (struct device *)state;
	while (turns-- > 0) {
		device_gate_enter(&device->dv);
		device_gate_exit(&device->dv);
	}
}

void gate_visits(void *state, unsigned long turns)
{
	struct device *device = (struct device *)state;
	while (turns-- > 0) {
		device_gate_acquire(&device->dv, false);
		device_gate_release(&device->dv);
	}
}

void gate_floor(void *state, unsigned long turns)
{
	struct device *device = (struct device *)state;
	while (turns-- > 0) {
		floor_enter(&device->dv);
		floor_exit(&device->dv);
	}
}
