// SPDX-License-Identifier: MIT OR Apache-2.0
//! libpsref.so as a plug-in's dependency: loaded, used by threads, and closed while these live on. What the kernel remembers of a
//! thread's last section then points into it; a library that goes away kills the process.

use crate::failure::fail;
use crate::faults::Fault;
use std::ffi::{CStr, CString, c_char, c_int, c_void};

type Create = unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void;
type Init = unsafe extern "C" fn(*mut c_void, *mut c_void);
type Acquire = unsafe extern "C" fn(*mut c_void, *const c_void, *mut c_void) -> c_int;
type Release = unsafe extern "C" fn(*mut c_void, *const c_void, *mut c_void);
type Destroy = unsafe extern "C" fn(*mut c_void, *mut c_void);
type DestroyClass = unsafe extern "C" fn(*mut c_void);

/// Whether there is such a library.
pub fn is_there(library: &CString) -> bool {
    // SAFETY: a terminated name; what the library does when it is loaded is what it is for.
    let handle = unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if handle.is_null() {
        return false;
    }
    // SAFETY: opened above.
    unsafe { libc::dlclose(handle) };
    true
}

/// Once: open, hold and release by it on this thread and on one that lives on for a while, close, and go on.
pub fn load_use_and_close(library: &CString) {
    // SAFETY: as above.
    let handle = unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
    if handle.is_null() {
        fail(format_args!("{}: it was there, and cannot be opened any more", library.to_string_lossy()));
    }
    let handle = handle.expose_provenance();
    let (closed, is_closed) = std::sync::mpsc::channel();
    let (used, is_used) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            use_it(handle);
            let _ = used.send(());
            let _ = is_closed.recv();
            // Preempted or not, the kernel looks at what this thread has left behind.
            (0..100).for_each(|_| std::thread::yield_now());
        });
        use_it(handle);
        let _ = is_used.recv();
        // SAFETY: opened above; nobody uses it any more.
        unsafe { libc::dlclose(std::ptr::with_exposed_provenance_mut(handle)) };
        let _ = closed.send(());
        (0..100).for_each(|_| std::thread::yield_now());
    });
    Fault::Unload.count();
}

fn use_it(handle: usize) {
    let find = |name: &CStr| {
        // SAFETY: an open library and a terminated name.
        let at = unsafe { libc::dlsym(std::ptr::with_exposed_provenance_mut(handle), name.as_ptr()) };
        if at.is_null() {
            fail(format_args!("the library has no {}", name.to_string_lossy()));
        }
        at
    };
    // Room for a `struct psref_target` and for a `struct psref`.
    let (mut target, mut hold) = ([0_u64; 2], [0_u64; 5]);
    let (target, hold) = ((&raw mut target).cast::<c_void>(), (&raw mut hold).cast::<c_void>());
    // SAFETY: the names' signatures, as <psref/psref.h> has them; each is called as psref(9) asks for.
    unsafe {
        let create: Create = std::mem::transmute(find(c"psref_class_create"));
        let init: Init = std::mem::transmute(find(c"psref_target_init"));
        let acquire: Acquire = std::mem::transmute(find(c"psref_acquire"));
        let release: Release = std::mem::transmute(find(c"psref_release"));
        let destroy: Destroy = std::mem::transmute(find(c"psref_target_destroy"));
        let destroy_class: DestroyClass = std::mem::transmute(find(c"psref_class_destroy"));
        let class = create(c"plug-in".as_ptr(), 0);
        init(target, class);
        for _ in 0..50 {
            if acquire(hold, target, class) != 0 {
                fail(format_args!("a target that nobody drains refuses an acquire, by the shared library"));
            }
            release(hold, target, class);
        }
        destroy(target, class);
        destroy_class(class);
    }
}
