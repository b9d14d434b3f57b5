/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The ways through a device gate, inlined where PSREF_INLINE asks for it. Rules I1 to I6 of inline_section.h. */

#ifndef PSREF_INLINE_DEVICE_GATE_H
#define PSREF_INLINE_DEVICE_GATE_H

#include <psref/device_gate.h>
#include <psref/inline_section.h>

#if PSREF_INLINED

#ifdef __cplusplus
extern "C" {
#endif

PSREF_INLINE_FUNCTION int
psref_inline_call_device_gate_acquire(struct device_gate_device *dv, bool interruptible)
{
	int (*called)(struct device_gate_device *dv, bool interruptible);

	PSREF_INLINE_ADDRESS(called, "device_gate_acquire");
	return called(dv, interruptible);
}

PSREF_INLINE_FUNCTION void
psref_inline_call_device_gate_release(struct device_gate_device *dv)
{
	void (*called)(struct device_gate_device *dv);

	PSREF_INLINE_ADDRESS(called, "device_gate_release");
	called(dv);
}

PSREF_INLINE_FUNCTION void
psref_inline_call_device_gate_enter(struct device_gate_device *dv)
{
	void (*called)(struct device_gate_device *dv);

	PSREF_INLINE_ADDRESS(called, "device_gate_enter");
	called(dv);
}

PSREF_INLINE_FUNCTION void
psref_inline_call_device_gate_exit(struct device_gate_device *dv)
{
	void (*called)(struct device_gate_device *dv);

	PSREF_INLINE_ADDRESS(called, "device_gate_exit");
	called(dv);
}

PSREF_INLINE_FUNCTION int
device_gate_acquire(struct device_gate_device *dv, bool interruptible)
{
	return PSREF_INLINE_LIKELY(psref_inline_add(dv, 1)) ? 0 : psref_inline_call_device_gate_acquire(dv, interruptible);
}

PSREF_INLINE_FUNCTION void
device_gate_release(struct device_gate_device *dv)
{
	if (!PSREF_INLINE_LIKELY(psref_inline_add(dv, -1)))
		psref_inline_call_device_gate_release(dv);
}

PSREF_INLINE_FUNCTION void
device_gate_enter(struct device_gate_device *dv)
{
	if (!PSREF_INLINE_LIKELY(psref_inline_add(dv, 1)))
		psref_inline_call_device_gate_enter(dv);
}

PSREF_INLINE_FUNCTION void
device_gate_exit(struct device_gate_device *dv)
{
	if (!PSREF_INLINE_LIKELY(psref_inline_add(dv, -1)))
		psref_inline_call_device_gate_exit(dv);
}

#ifdef __cplusplus
}
#endif

#endif /* PSREF_INLINED */

#endif /* PSREF_INLINE_DEVICE_GATE_H */
