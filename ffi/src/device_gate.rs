// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<psref/device_gate.h>`: device gates.

use ::psref::gate::entry::{acquire_slow, enter_slow, exit_slow, release_slow};
use ::psref::gate::raw::{self, DeviceState, GateState};
use std::ffi::{c_char, c_int, c_void};

/// A gate that was closed. Opaque.
// Without repr(C): so cbindgen declares it and does not define it.
#[allow(non_camel_case_types)]
pub struct device_gate {
    _opaque: [u8; 0],
}

/// A gate that was closed.
#[allow(non_camel_case_types)]
pub type device_gate_t = device_gate;

/// What a gate is attached to. Embed it in the device's state. Its fields are the library's.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct device_gate_device {
    /// NULL while the gate is open.
    pub dv_gate: *mut device_gate_t,
    /// The cells, 8 bytes a CPU.
    pub dv_turnstiles: *mut c_void,
}

const _: () = {
    assert!(size_of::<device_gate_device>() == size_of::<DeviceState>());
    assert!(std::mem::offset_of!(device_gate_device, dv_gate) == ::psref::percpu::entry::COUNT_GUARD);
    assert!(std::mem::offset_of!(device_gate_device, dv_turnstiles) == ::psref::percpu::entry::COUNT_CELLS);
};

/// Puts an open gate on a device, before the device is made known.
///
/// Returns 0, or ENOMEM; then nothing is leaked, and use of the gate is a fatal diagnostic.
///
/// Context: may sleep; not in signal handlers. Costs 8 bytes a CPU. Source: device_attach_gate() of the proposal of 2009.
///
/// # Safety
/// The device is the caller's alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn device_gate_attach(dv: *mut device_gate_device) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { raw::attach(dv.cast::<DeviceState>()) }.map_or_else(|error| error.0, |()| 0)
}

/// Passes the gate of a device, in a thread: until device_gate_release() no device_gate_seal() of it returns. Where the gate is
/// closed, waits until it is sealed.
///
/// Something else keeps the device alive until this returns, or has found the gate closed and waits: a lock or a read section
/// around the look-up that found it, which the owner waits for after device_gate_seal(), not before.
///
/// Returns 0; ENXIO once the gate is sealed; EINTR where `interruptible` and a signal handler ran, with SA_RESTART or without.
///
/// Context: may sleep; not in signal handlers. Source: device_acquire() of the proposal of 2009.
///
/// # Safety
/// The device has a gate and is alive as said above.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn device_gate_acquire(dv: *mut device_gate_device, interruptible: bool) -> c_int {
    ::psref::__count_add_body!("1", "xor eax, eax", acquire_slow)
}

/// Leaves, after device_gate_acquire() that answered 0, in whatever thread. The device must not be used any more.
///
/// Context: any, signal handlers too; never sleeps. Source: device_release() of the proposal of 2009.
///
/// # Safety
/// The caller is inside.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn device_gate_release(dv: *mut device_gate_device) {
    ::psref::__count_add_body!("-1", "", release_slow)
}

/// Passes the gate of a device, open or closed: for handlers, which can neither wait nor fail. The owner unhooks them between
/// device_gate_close() and device_gate_seal(), and waits for those under way.
///
/// Context: any, signal handlers too; never sleeps. Source: device_enter() of the proposal of 2009.
///
/// # Safety
/// The device has a gate and is alive until this returns.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn device_gate_enter(dv: *mut device_gate_device) {
    ::psref::__count_add_body!("1", "", enter_slow)
}

/// Leaves, after device_gate_enter(). The device must not be used any more.
///
/// Context: any, signal handlers too; never sleeps. Source: device_exit() of the proposal of 2009.
///
/// # Safety
/// The caller is inside.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn device_gate_exit(dv: *mut device_gate_device) {
    ::psref::__count_add_body!("-1", "", exit_slow)
}

/// Closes the gate of a device: from now on threads wait at it. The owner then makes the device unreachable, unhooks its
/// handlers, and calls device_gate_seal(). A gate opens never again. `wmesg` shows in reports; it is copied, and cut off after 32
/// bytes; NULL is none.
///
/// Returns 0 and the closed gate in `*gate`; ENOMEM, and the gate is as it was; or, where another has closed it, ENXIO after
/// that one has sealed it.
///
/// Context: may sleep; not in signal handlers. Costs one membarrier. Source: the proposal of 2009.
///
/// # Safety
/// The device has a gate and is alive until this returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn device_gate_close(
    dv: *mut device_gate_device,
    wmesg: *const c_char,
    gate: *mut *mut device_gate_t,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { raw::close(dv.cast::<DeviceState>(), wmesg, gate.cast::<*const GateState>()) }
}

/// Seals a gate that device_gate_close() closed: turns away who waits at it, with ENXIO, and waits for everybody inside. A gate that
/// is not the device's, and one sealed before, is a fatal diagnostic.
///
/// A wait of more than PSREF_DRAIN_WARN seconds (environment; default 10) is told on standard error and goes on. In a forked
/// child, threads that did not come along never leave.
///
/// Context: may sleep; not in signal handlers, not while being inside oneself. Source: the proposal of 2009.
///
/// # Safety
/// The device is alive until this returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn device_gate_seal(dv: *mut device_gate_device, gate: *mut device_gate_t) {
    // SAFETY: the caller's promise.
    unsafe { raw::seal(dv.cast::<DeviceState>(), gate.cast::<GateState>()) }
}

/// Takes the gate away: after device_gate_seal(), or from a device that was never made known. Somebody inside is a fatal diagnostic.
///
/// Context: may sleep; not in signal handlers. Source: missing in the proposal of 2009.
///
/// # Safety
/// Nobody uses the device any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn device_gate_detach(dv: *mut device_gate_device) {
    // SAFETY: the caller's promise.
    unsafe { raw::detach(dv.cast::<DeviceState>()) }
}
