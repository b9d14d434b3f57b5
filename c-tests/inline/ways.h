// SPDX-License-Identifier: MIT OR Apache-2.0
// One way into the library: all its fast paths as functions of one source that was built in one manner. The test mixes them.
#ifndef PSREF_C_TESTS_INLINE_WAYS_H
#define PSREF_C_TESTS_INLINE_WAYS_H

#include <psref.h>

#ifdef __cplusplus
extern "C" {
#endif

struct way {
	const char *name;
	int (*acquire)(struct psref *psref, const struct psref_target *target, struct psref_class *class_);
	void (*release)(struct psref *psref, const struct psref_target *target, struct psref_class *class_);
	void (*count)(struct localcount *lc);
	void (*uncount)(struct localcount *lc, struct kcondvar *cv, struct kmutex *interlock);
	int (*enter)(void);
	void (*leave)(int s);
	int (*visit)(struct device_gate_device *dv);
	void (*depart)(struct device_gate_device *dv);
	void (*pass)(struct device_gate_device *dv);
	void (*passed)(struct device_gate_device *dv);
	void *(*pop)(struct objpool_head *head);
	int (*push)(void *obj, struct objpool_head *head);
};

#ifdef __cplusplus
}
#endif

#endif
