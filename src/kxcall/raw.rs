// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface in the shape of xcall(9) and softint(9): what the C names are.
#![doc(hidden)]

use super::call;
use super::helper::Kind;
use super::softint::{self, Softint};
use crate::diag::fatal;
use crate::park::Patience;
use crate::sys::errno::Errno;
use crate::vcpu::{self, Vcpu};
use crate::{lwp, pserialize};
use std::ffi::c_void;

/// `xcfunc_t`.
pub type Function = unsafe extern "C" fn(*mut c_void, *mut c_void);
/// What softint_establish is given.
pub type Handler = unsafe extern "C" fn(*mut c_void);

/// `XC_HIGHPRI`.
pub const HIGHPRI: u32 = 1;
/// In a ticket: of a call of high priority.
const HIGH_TICKET: u64 = 1 << 63;

/// `IPL_SOFTCLOCK` and `IPL_SOFTSERIAL` of `<psref/ipl.h>`.
const SOFT: std::ops::RangeInclusive<i32> = 2..=5;
const IPL_SHIFT: u32 = 1;

/// `xc_encode_ipl`: what XC_HIGHPRI_IPL adds. Only soft levels have a code; others are a fatal diagnostic.
pub fn encode_ipl(ipl: i32) -> u32 {
    if !SOFT.contains(&ipl) {
        fatal(format_args!("xc_encode_ipl: Invalid IPL: {ipl}; expected one of IPL_SOFTCLOCK to IPL_SOFTSERIAL"));
    }
    (ipl as u32) << IPL_SHIFT
}

/// Which kind of call the flags ask for.
fn kind(who: &str, flags: u32) -> Kind {
    let ipl = (flags >> IPL_SHIFT) as i32;
    match flags & HIGHPRI {
        0 if ipl == 0 => Kind::Low,
        HIGHPRI if ipl == 0 || SOFT.contains(&ipl) => Kind::High,
        _ => fatal(format_args!("{who}: flags {flags:#x}; expected 0, XC_HIGHPRI or XC_HIGHPRI_IPL(ipl)")),
    }
}

/// Where cross-calls, which wait for others, would wait for their caller, or be waited for by it.
fn check_context(who: &str) {
    let wrong = match lwp::context() {
        lwp::SOFTINT => "inside a software interrupt",
        lwp::CROSS_CALL => "inside a function of a cross-call",
        _ if lwp::is_preemption_disabled() => "with preemption disabled",
        _ if pserialize::raw::is_inside() => "inside a read section",
        _ => return,
    };
    fatal(format_args!("{who}: called {wrong}, where it would wait for its caller; expected an ordinary thread"));
}

/// X5. A grace period.
fn outlast_readers(who: &str) {
    if let Err(inside) = pserialize::raw::try_perform(Patience::FOREVER) {
        fatal(format_args!("{who}: {inside}"));
    }
}

fn ticket(kind: Kind, number: u64) -> u64 {
    number | if kind == Kind::High { HIGH_TICKET } else { 0 }
}

fn function(who: &str, function: Option<Function>) -> Function {
    function.unwrap_or_else(|| fatal(format_args!("{who}: the function is NULL")))
}

/// `xc_broadcast`.
///
/// # Safety
/// The function may be called with these arguments on any thread, until the call is done.
pub unsafe fn broadcast(flags: u32, f: Option<Function>, first: *mut c_void, second: *mut c_void) -> u64 {
    const WHO: &str = "xc_broadcast";
    let (kind, f) = (kind(WHO, flags), function(WHO, f));
    check_context(WHO);
    outlast_readers(WHO);
    ticket(kind, call::begin(WHO, kind, f, [first, second], None))
}

/// `xc_unicast`.
///
/// # Safety
/// As of [`broadcast`].
pub unsafe fn unicast(
    flags: u32,
    f: Option<Function>,
    first: *mut c_void,
    second: *mut c_void,
    cpu: *const Vcpu,
) -> u64 {
    const WHO: &str = "xc_unicast";
    let (kind, f, cpu) = (kind(WHO, flags), function(WHO, f), vcpu::raw::number_of(WHO, cpu));
    check_context(WHO);
    outlast_readers(WHO);
    ticket(kind, call::begin(WHO, kind, f, [first, second], Some(cpu)))
}

/// `xc_wait`.
pub fn wait(ticket: u64) {
    const WHO: &str = "xc_wait";
    check_context(WHO);
    let kind = if ticket & HIGH_TICKET != 0 { Kind::High } else { Kind::Low };
    call::finished(WHO, kind, ticket & !HIGH_TICKET);
}

/// `xc_barrier`.
pub fn barrier(flags: u32) {
    const WHO: &str = "xc_barrier";
    unsafe extern "C" fn nothing(_: *mut c_void, _: *mut c_void) {}
    let kind = kind(WHO, flags);
    check_context(WHO);
    outlast_readers(WHO);
    let number = call::begin(WHO, kind, nothing, [std::ptr::null_mut(); 2], None);
    call::finished(WHO, kind, number);
}

/// Calls a function on each CPU, one after the other, and waits for each; the second argument is the CPU.
///
/// # Safety
/// As of [`broadcast`].
pub(crate) unsafe fn on_each(who: &str, flags: u32, f: Function, first: *mut c_void) {
    let kind = kind(who, flags);
    check_context(who);
    outlast_readers(who);
    let all = vcpu::all();
    for cpu in 0..all.count() {
        let second = std::ptr::from_ref(all.at(cpu)).cast_mut().cast();
        let number = call::begin(who, kind, f, [first, second], Some(cpu));
        call::finished(who, kind, number);
    }
}

/// `softint_establish`.
///
/// # Safety
/// The handler may be called with the argument on any thread, until [`softint_disestablish`] returns.
pub unsafe fn softint_establish(
    flags: u32,
    handler: Option<Handler>,
    argument: *mut c_void,
) -> Result<&'static Softint, Errno> {
    let handler = handler.unwrap_or_else(|| fatal(format_args!("softint_establish: the handler is NULL")));
    softint::establish(flags, handler, argument)
}

/// `softint_schedule`.
pub fn softint_schedule(si: *const Softint) {
    softint::schedule(si);
}

/// `softint_disestablish`.
pub fn softint_disestablish(si: *const Softint) {
    check_context("softint_disestablish");
    softint::disestablish(si);
}
