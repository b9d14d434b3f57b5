// SPDX-License-Identifier: MIT OR Apache-2.0
// The floor of every hold through a shared library: functions that take what the library's take and do nothing. A library of
// its own, so that they are called the way the library's are.

#define EMPTY(type, name, arguments, ...)  \
	type name arguments;               \
	type name arguments { __VA_ARGS__; }

struct psref;
struct psref_target;
struct psref_class;
struct localcount;
struct kcondvar;
struct kmutex;
struct device_gate_device;

// psref_acquire(), psref_release()
EMPTY(void, floor_acquire, (struct psref *psref, const struct psref_target *target, struct psref_class *class_),
      (void)psref, (void)target, (void)class_)
EMPTY(void, floor_release, (struct psref *psref, const struct psref_target *target, struct psref_class *class_),
      (void)psref, (void)target, (void)class_)

// localcount_acquire(), localcount_release()
EMPTY(void, floor_count, (struct localcount *lc), (void)lc)
EMPTY(void, floor_uncount, (struct localcount *lc, struct kcondvar *cv, struct kmutex *interlock),
      (void)lc, (void)cv, (void)interlock)

// pserialize_read_enter(), pserialize_read_exit()
EMPTY(int, floor_open, (void), return 0)
EMPTY(void, floor_close, (int s), (void)s)

// device_gate_enter(), device_gate_exit()
EMPTY(void, floor_enter, (struct device_gate_device *dv), (void)dv)
EMPTY(void, floor_exit, (struct device_gate_device *dv), (void)dv)
