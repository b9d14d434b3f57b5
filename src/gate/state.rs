// SPDX-License-Identifier: MIT OR Apache-2.0
//! The structures: a device's two words, which are the caller's memory and part of the C ABI, and a closed gate's record.

use super::misuse::Misuse;
use crate::park::Futex;
use crate::percpu::count::{Cells, Counted};
use crate::stable::{Pool, Stable};
use crate::sys::errno::{ENOMEM, Errno};
use crate::sys::sync::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::{thread, xcall};

/// What a gate is attached to: `struct device_gate_device`.
#[repr(C)]
pub struct DeviceState {
    /// Its guard, `dv_gate`:
    ///
    /// | value | meaning | who may change it to what |
    /// |---|---|---|
    /// | 0 | open: the cells count | close: a record's address; detach of a gate never closed: `DETACHED` |
    /// | an address | closed or sealed, as the record says: the total counts | detach: `DETACHED` |
    /// | `DETACHED` | no gate; poison | attach: 0 |
    pub(crate) counted: Counted,
}

pub(crate) const DETACHED: usize = 1;

#[cfg(not(loom))]
const _: () = assert!(size_of::<DeviceState>() == 16);

/// Longest wait message that reports show whole.
const NAME_MAX: usize = 32;

/// A closed gate: `device_gate_t`. Type-stable: late-comers sleep on it.
#[repr(C, align(64))]
pub struct GateState {
    /// | value | meaning | who may change it to what |
    /// |---|---|---|
    /// | `CLOSING` | late-comers wait; the cells are being summed | that close: `CLOSED` |
    /// | `CLOSED` | late-comers wait; the total counts everybody | seal: `SEALED` |
    /// | `SEALED` | late-comers are turned away | close, on another device's behalf: `CLOSING` |
    pub(crate) state: AtomicU32,
    /// What late-comers sleep on; moved by the seal.
    pub(crate) turned: Futex,
    /// Its bytes, eight to a word: reports may read them while the record is made anew.
    wmesg: [AtomicU64; NAME_MAX / 8],
}

pub(crate) const CLOSED: u32 = 1;
pub(crate) const SEALED: u32 = 2;
pub(crate) const CLOSING: u32 = 3;

// SAFETY: atomics, for which zero is a value.
unsafe impl Stable for GateState {
    #[cfg(loom)]
    fn fresh() -> Self {
        GateState { state: AtomicU32::new(0), turned: Futex::new(), wmesg: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

pub(crate) static GATES: Pool<GateState> = Pool::new();

impl GateState {
    pub(crate) fn is_sealed(&self) -> bool {
        self.state.load(Ordering::SeqCst) == SEALED
    }

    pub(crate) fn set_name(&self, name: &[u8]) {
        for (i, word) in self.wmesg.iter().enumerate() {
            let mut bytes = [0; 8];
            let rest = name.get(i * 8..).unwrap_or_default();
            let n = rest.len().min(8);
            bytes[..n].copy_from_slice(&rest[..n]);
            word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
        }
    }

    pub(crate) fn name(&self) -> [u8; NAME_MAX] {
        let mut name = [0; NAME_MAX];
        for (word, bytes) in self.wmesg.iter().zip(name.chunks_exact_mut(8)) {
            bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        name
    }
}

impl DeviceState {
    /// What has no gate.
    pub(crate) fn detached() -> Self {
        DeviceState { counted: Counted { guard: AtomicUsize::new(DETACHED), cells: AtomicUsize::new(0) } }
    }

    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// The closed or sealed gate; `None` while it is open.
    pub(crate) fn gate(&self) -> Result<Option<&'static GateState>, Misuse> {
        match self.counted.guard.load(Ordering::SeqCst) {
            0 => Ok(None),
            DETACHED => Err(Misuse::Detached { device: self.address() }),
            record => {
                let record: *const GateState = std::ptr::with_exposed_provenance(record);
                if !GATES.contains(record) {
                    return Err(Misuse::Detached { device: self.address() });
                }
                // SAFETY: one of the pool's; they are type-stable.
                Ok(Some(unsafe { &*record }))
            }
        }
    }

    pub(crate) fn cells(&self) -> Result<Cells, Misuse> {
        self.counted.cells().ok_or(Misuse::Detached { device: self.address() })
    }
}

/// # Safety
/// `device` is null or readable until the result is used no more.
pub(crate) unsafe fn device_of<'a>(device: *const DeviceState) -> Result<&'a DeviceState, Misuse> {
    // SAFETY: the caller's promise.
    unsafe { device.as_ref() }.ok_or(Misuse::Null("device"))
}

/// Puts an open gate on a device; ENOMEM leaves one whose use is noticed.
///
/// # Safety
/// `device` is null or the caller's alone to write.
pub(crate) unsafe fn attach(device: *mut DeviceState) -> Result<Result<(), Errno>, Misuse> {
    if device.is_null() {
        return Err(Misuse::Null("device"));
    }
    // SAFETY: the caller's promise; what was there needs no drop.
    let device = unsafe {
        device.write(DeviceState::detached());
        &*device
    };
    // The system's own word for "no more keys" is not one that callers of attach expect.
    Ok(device.counted.open().and_then(|()| thread::prepare().map_err(|_| ENOMEM)).inspect_err(|_| {
        device.counted.guard.store(DETACHED, Ordering::Relaxed);
        // SAFETY: nobody knows of it.
        unsafe { device.counted.free() }
    }))
}

/// Takes the gate away: one that was sealed, or one that nobody passed who has not left again.
///
/// # Safety
/// `device` is null or readable; nobody uses it any more.
pub(crate) unsafe fn detach(device: *const DeviceState) -> Result<(), Misuse> {
    // SAFETY: the caller's promise.
    let device = unsafe { device_of(device)? };
    let gate = device.gate()?;
    device.cells()?;
    let inside = match gate {
        None => {
            xcall::restart_sections();
            device.counted.sum()
        }
        Some(_) => device.cells()?.total(),
    };
    if inside != 0 || gate.is_some_and(|gate| !gate.is_sealed()) {
        return Err(Misuse::InUse { device: device.address(), inside });
    }
    // SAFETY: the caller's promise; nobody is inside.
    unsafe { retire(device, gate) };
    Ok(())
}

/// Takes the gate away whoever has not left it.
///
/// # Safety
/// `device` has a gate; nobody uses it any more, and whoever has not left never will.
pub(crate) unsafe fn abandon(device: *const DeviceState) {
    // SAFETY: the caller's promise.
    if let Ok(device) = unsafe { device_of(device) }
        && let Ok(gate) = device.gate()
    {
        // SAFETY: the caller's promise.
        unsafe { retire(device, gate) };
    }
}

/// # Safety
/// Nobody uses the device any more.
unsafe fn retire(device: &DeviceState, gate: Option<&'static GateState>) {
    device.counted.guard.store(DETACHED, Ordering::SeqCst);
    // SAFETY: nobody is inside or comes; the guard sends everybody away from the cells.
    unsafe {
        device.counted.free();
        if let Some(gate) = gate {
            GATES.give(gate);
        }
    }
}
