/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Device gates: drivers pass them at the cost of one addition in and one out; the owner of a device closes its gate once, and
 * waits for everybody inside. After David Young's proposal on tech-kern in 2009.
 *
 * Generated from ffi/src/device_gate.rs by `make headers`.
 */

#ifndef PSREF_DEVICE_GATE_H
#define PSREF_DEVICE_GATE_H

#include <stdbool.h>
#include <stdint.h>
#include <psref/base.h>

/** A gate that was closed. Opaque. */
struct device_gate;

/** A gate that was closed. */
typedef struct device_gate device_gate_t;

/** What a gate is attached to. Embed it in the device's state. Its fields are the library's. */
struct device_gate_device {
    /** NULL while the gate is open. */
    device_gate_t *dv_gate;
    /** The cells, 8 bytes a CPU. */
    void *dv_turnstiles;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Puts an open gate on a device, before the device is made known.
 *
 * Returns 0, or ENOMEM; then nothing is leaked, and use of the gate is a fatal diagnostic.
 *
 * Context: may sleep; not in signal handlers. Costs 8 bytes a CPU. Source: device_attach_gate() of the proposal of 2009.
 *
 * Requires: the device is the caller's alone.
 */
int device_gate_attach(struct device_gate_device *dv);

/**
 * Passes the gate of a device, in a thread: until device_gate_release() no device_gate_seal() of it returns. Where the gate is
 * closed, waits until it is sealed.
 *
 * Something else keeps the device alive until this returns, or has found the gate closed and waits: a lock or a read section
 * around the look-up that found it, which the owner waits for after device_gate_seal(), not before.
 *
 * Returns 0; ENXIO once the gate is sealed; EINTR where `interruptible` and a signal handler ran, with SA_RESTART or without.
 *
 * Context: may sleep; not in signal handlers. Source: device_acquire() of the proposal of 2009.
 *
 * Requires: the device has a gate and is alive as said above.
 */
int device_gate_acquire(struct device_gate_device *dv, bool interruptible);

/**
 * Leaves, after device_gate_acquire() that answered 0, in whatever thread. The device must not be used any more.
 *
 * Context: any, signal handlers too; never sleeps. Source: device_release() of the proposal of 2009.
 *
 * Requires: the caller is inside.
 */
void device_gate_release(struct device_gate_device *dv);

/**
 * Passes the gate of a device, open or closed: for handlers, which can neither wait nor fail. The owner unhooks them between
 * device_gate_close() and device_gate_seal(), and waits for those under way.
 *
 * Context: any, signal handlers too; never sleeps. Source: device_enter() of the proposal of 2009.
 *
 * Requires: the device has a gate and is alive until this returns.
 */
void device_gate_enter(struct device_gate_device *dv);

/**
 * Leaves, after device_gate_enter(). The device must not be used any more.
 *
 * Context: any, signal handlers too; never sleeps. Source: device_exit() of the proposal of 2009.
 *
 * Requires: the caller is inside.
 */
void device_gate_exit(struct device_gate_device *dv);

/**
 * Closes the gate of a device: from now on threads wait at it. The owner then makes the device unreachable, unhooks its
 * handlers, and calls device_gate_seal(). A gate opens never again. `wmesg` shows in reports; it is copied, and cut off after 32
 * bytes; NULL is none.
 *
 * Returns 0 and the closed gate in `*gate`; ENOMEM, and the gate is as it was; or, where another has closed it, ENXIO after
 * that one has sealed it.
 *
 * Context: may sleep; not in signal handlers. Costs one membarrier. Source: the proposal of 2009.
 *
 * Requires: the device has a gate and is alive until this returns.
 */
int device_gate_close(struct device_gate_device *dv, const char *wmesg, device_gate_t **gate);

/**
 * Seals a gate that device_gate_close() closed: turns away who waits at it, with ENXIO, and waits for everybody inside. A gate that
 * is not the device's, and one sealed before, is a fatal diagnostic.
 *
 * A wait of more than PSREF_DRAIN_WARN seconds (environment; default 10) is told on standard error and goes on. In a forked
 * child, threads that did not come along never leave.
 *
 * Context: may sleep; not in signal handlers, not while being inside oneself. Source: the proposal of 2009.
 *
 * Requires: the device is alive until this returns.
 */
void device_gate_seal(struct device_gate_device *dv,
                      device_gate_t *gate);

/**
 * Takes the gate away: after device_gate_seal(), or from a device that was never made known. Somebody inside is a fatal diagnostic.
 *
 * Context: may sleep; not in signal handlers. Source: missing in the proposal of 2009.
 *
 * Requires: nobody uses the device any more.
 */
void device_gate_detach(struct device_gate_device *dv);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PSREF_DEVICE_GATE_H */


#ifdef PSREF_INLINE
#include <psref/inline_device_gate.h>
#endif
