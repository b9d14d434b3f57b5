// SPDX-License-Identifier: MIT OR Apache-2.0
// The floor of every hold through a shared library: functions that take what psref_acquire() and psref_release() take and do
// nothing. A library of its own, so that they are called the way the library's are.

struct psref;
struct psref_target;
struct psref_class;

void floor_acquire(struct psref *psref, const struct psref_target *target, struct psref_class *class_);
void floor_release(struct psref *psref, const struct psref_target *target, struct psref_class *class_);

void floor_acquire(struct psref *psref, const struct psref_target *target, struct psref_class *class_)
{
	(void)psref, (void)target, (void)class_;
}

void floor_release(struct psref *psref, const struct psref_target *target, struct psref_class *class_)
{
	(void)psref, (void)target, (void)class_;
}
