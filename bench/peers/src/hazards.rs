// SPDX-License-Identifier: MIT OR Apache-2.0
//! haphazard: hazard pointers. A thread keeps one, as its documentation advises, so a hold is to protect and a release to reset.

use haphazard::{AtomicPtr, Domain, Global, HazardPointer};

/// A place with an object, which nobody replaces.
pub struct Place(AtomicPtr<u64>);

/// Makes one.
#[unsafe(no_mangle)]
pub extern "C" fn bench_haphazard() -> Box<Place> {
    Box::new(Place(AtomicPtr::from(Box::new(0))))
}

/// Frees it and the object.
#[unsafe(no_mangle)]
pub extern "C" fn bench_haphazard_free(place: Box<Place>) {
    let object = place.0.into_inner();
    // SAFETY: a box since `bench_haphazard`; nobody else has the place any more, nor a hazard pointer that protects what was in it.
    drop(unsafe { Box::from_raw(object) });
}

/// A hazard pointer for the calling thread.
#[unsafe(no_mangle)]
pub extern "C" fn bench_haphazard_join() -> Box<HazardPointer<'static>> {
    Box::new(HazardPointer::new())
}

/// Gives it back.
#[unsafe(no_mangle)]
pub extern "C" fn bench_haphazard_leave(_: Box<HazardPointer<'static>>) {}

/// Protects what is in the place.
#[unsafe(no_mangle)]
pub extern "C" fn bench_haphazard_protect(hazard: &mut HazardPointer<'static>, place: &Place) -> *const u64 {
    place.0.safe_load(hazard).map_or(std::ptr::null(), std::ptr::from_ref)
}

/// Protects nothing any more.
#[unsafe(no_mangle)]
pub extern "C" fn bench_haphazard_reset(hazard: &mut HazardPointer<'static>) {
    hazard.reset_protection();
}

/// Retires an object that nobody protects, and returns when it was freed. The crate frees now and then; this asks it to do so at once.
#[unsafe(no_mangle)]
pub extern "C" fn bench_haphazard_reclaim() {
    let domain: &Domain<Global> = Domain::global();
    // SAFETY: fresh, so nobody protects it, ever; and the domain is never dropped.
    let mut freed = unsafe { domain.retire_ptr::<u64, Box<u64>>(Box::into_raw(Box::new(0))) };
    while freed == 0 {
        freed = domain.eager_reclaim();
        if freed == 0 {
            std::thread::yield_now();
        }
    }
}
