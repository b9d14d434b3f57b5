/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Device gates under the names of the proposal of 2009. It defines struct device, to be embedded: not together with
 * NetBSD's <sys/device.h>, whose device_acquire() and device_release() are others.
 */
#ifndef PSREF_NETBSD_SYS_DEVICE_GATE_H
#define PSREF_NETBSD_SYS_DEVICE_GATE_H

#include <lib/libkern/libkern.h>
#include <psref/device_gate.h>

/** What a gate is attached to. Its fields are the library's. */
struct device {
	/** NULL while the gate is open. */
	device_gate_t *dv_gate;
	/** The cells, 8 bytes a CPU. */
	void *dv_turnstiles;
};
typedef struct device *device_t;

CTASSERT(sizeof(struct device) == sizeof(struct device_gate_device));
CTASSERT(offsetof(struct device, dv_gate) == offsetof(struct device_gate_device, dv_gate));
CTASSERT(offsetof(struct device, dv_turnstiles) == offsetof(struct device_gate_device, dv_turnstiles));

#ifdef __cplusplus
extern "C" {
#endif

/* The same thing by the library's name. (Not an interface.) */
static inline struct device_gate_device *
psref_netbsd_device(device_t dv)
{
	return (struct device_gate_device *)(void *)dv;
}

/** device_gate_attach(): 0, or ENOMEM. */
static inline int
device_attach_gate(device_t dv)
{
	return device_gate_attach(psref_netbsd_device(dv));
}

/** device_gate_detach(). The proposal forgot it. */
static inline void
device_detach_gate(device_t dv)
{
	device_gate_detach(psref_netbsd_device(dv));
}

/** device_gate_acquire(): 0, ENXIO or EINTR. */
static inline int
device_acquire(device_t dv, bool interruptible)
{
	return device_gate_acquire(psref_netbsd_device(dv), interruptible);
}

/** device_gate_release(). */
static inline void
device_release(device_t dv)
{
	device_gate_release(psref_netbsd_device(dv));
}

/** device_gate_enter(). */
static inline void
device_enter(device_t dv)
{
	device_gate_enter(psref_netbsd_device(dv));
}

/** device_gate_exit(). */
static inline void
device_exit(device_t dv)
{
	device_gate_exit(psref_netbsd_device(dv));
}

#ifdef __cplusplus
}
#endif

/*
 * These two have the same name here and there, and take both sorts of device.
 */
#define _PSREF_NETBSD_DEVICE(dv) ((struct device_gate_device *)((void)sizeof((dv)->dv_turnstiles), (void *)(dv)))
/** The library's device_gate_close(): 0, ENOMEM or ENXIO. */
#define device_gate_close(dv, wmesg, gate) device_gate_close(_PSREF_NETBSD_DEVICE(dv), wmesg, gate)
/** The library's device_gate_seal(). */
#define device_gate_seal(dv, gate) device_gate_seal(_PSREF_NETBSD_DEVICE(dv), gate)

#endif
