// SPDX-License-Identifier: MIT OR Apache-2.0
// A way into the library called WAY: inlined with PSREF_INLINE, else called. As C++ all of the functions are inline ones that the
// compiler does not inline, the same in each source: of two the linker keeps one.
#include "ways.h"

#ifdef __cplusplus
#define SHARED inline __attribute__((noinline))
#define EXPORTED extern "C"
#else
#define SHARED static __attribute__((noinline))
#define EXPORTED
#endif

SHARED int way_acquire(struct psref *psref, const struct psref_target *target, struct psref_class *class_)
{
	return psref_acquire(psref, target, class_);
}

SHARED void way_release(struct psref *psref, const struct psref_target *target, struct psref_class *class_)
{
	psref_release(psref, target, class_);
}

SHARED void way_count(struct localcount *lc)
{
	localcount_acquire(lc);
}

SHARED void way_uncount(struct localcount *lc, struct kcondvar *cv, struct kmutex *interlock)
{
	localcount_release(lc, cv, interlock);
}

SHARED int way_enter(void)
{
	return pserialize_read_enter();
}

SHARED void way_leave(int s)
{
	pserialize_read_exit(s);
}

SHARED int way_visit(struct device_gate_device *dv)
{
	return device_gate_acquire(dv, false);
}

SHARED void way_depart(struct device_gate_device *dv)
{
	device_gate_release(dv);
}

SHARED void way_pass(struct device_gate_device *dv)
{
	device_gate_enter(dv);
}

SHARED void way_passed(struct device_gate_device *dv)
{
	device_gate_exit(dv);
}

SHARED void *way_pop(struct objpool_head *head)
{
	return objpool_pop(head);
}

SHARED int way_push(void *obj, struct objpool_head *head)
{
	return objpool_push(obj, head);
}

#define STRING(word) STRING_(word)
#define STRING_(word) #word

EXPORTED const struct way *WAY(void);
EXPORTED const struct way *WAY(void)
{
	static const struct way way = { STRING(WAY), way_acquire, way_release, way_count, way_uncount, way_enter, way_leave,
					way_visit, way_depart, way_pass, way_passed, way_pop, way_push };
	return &way;
}
