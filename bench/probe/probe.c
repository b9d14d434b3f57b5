// SPDX-License-Identifier: MIT OR Apache-2.0
// Not part of the benchmark: one function for each path that PSREF_INLINE inlines, for bench/asm.sh to count the instructions of.
#define PSREF_INLINE
#include <psref.h>

int probe_psref_acquire(struct psref *psref, const struct psref_target *target, struct psref_class *class_);
void probe_psref_release(struct psref *psref, const struct psref_target *target, struct psref_class *class_);
void probe_localcount_acquire(struct localcount *lc);
void probe_localcount_release(struct localcount *lc, struct kcondvar *cv, struct kmutex *interlock);
int probe_pserialize_read_enter(void);
void probe_pserialize_read_exit(int s);
void probe_device_gate_enter(struct device_gate_device *dv);
void probe_device_gate_exit(struct device_gate_device *dv);
int probe_device_gate_acquire(struct device_gate_device *dv);
void probe_device_gate_release(struct device_gate_device *dv);
void *probe_objpool_pop(struct objpool_head *head);
int probe_objpool_push(void *obj, struct objpool_head *head);

int probe_psref_acquire(struct psref *psref, const struct psref_target *target, struct psref_class *class_)
{
	return psref_acquire(psref, target, class_);
}

void probe_psref_release(struct psref *psref, const struct psref_target *target, struct psref_class *class_)
{
	psref_release(psref, target, class_);
}

void probe_localcount_acquire(struct localcount *lc)
{
	localcount_acquire(lc);
}

void probe_localcount_release(struct localcount *lc, struct kcondvar *cv, struct kmutex *interlock)
{
	localcount_release(lc, cv, interlock);
}

int probe_pserialize_read_enter(void)
{
	return pserialize_read_enter();
}

void probe_pserialize_read_exit(int s)
{
	pserialize_read_exit(s);
}

void probe_device_gate_enter(struct device_gate_device *dv)
{
	device_gate_enter(dv);
}

void probe_device_gate_exit(struct device_gate_device *dv)
{
	device_gate_exit(dv);
}

int probe_device_gate_acquire(struct device_gate_device *dv)
{
	return device_gate_acquire(dv, false);
}

void probe_device_gate_release(struct device_gate_device *dv)
{
	device_gate_release(dv);
}

void *probe_objpool_pop(struct objpool_head *head)
{
	return objpool_pop(head);
}

int probe_objpool_push(void *obj, struct objpool_head *head)
{
	return objpool_push(obj, head);
}
