// SPDX-License-Identifier: MIT OR Apache-2.0
//! Type-stable objects: recycled, never unmapped, so that whoever comes late reads an object of the same type (R7).
//! Lock-free and without malloc, so also for signal handlers (R13). Costs an object's memory for ever; what need not
//! outlive its last user belongs into a `Box`.
//!
//! Y1. An object's address, once handed out, is readable as `T` until the process ends.
//! Y2. Objects 0..made are all in memory: the slab is there before the count says so.
//! Y3. The free list's head carries a tag that moves at every change; a `next` read on the way may be stale and is used
//!     only when the compare-and-swap proves that it was not (R25).

use crate::sys::errno::Errno;

/// Types that can live here: all-zero bytes are a value, and every field may be read at any time by anybody.
///
/// # Safety
/// Both halves of that sentence; and `T` needs no drop.
pub(crate) unsafe trait Stable: Sync {
    #[cfg(loom)]
    fn fresh() -> Self;
}

#[cfg(not(loom))]
pub(crate) use real::Pool;

#[cfg(not(loom))]
mod real {
    use super::{Errno, Stable};
    use crate::sys::map;
    use crate::sys::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
    use std::ptr;

    /// Slab k holds `FIRST << k` objects.
    const FIRST: u32 = 16;
    const SLABS: usize = 20;
    const INDEX_BITS: u32 = 24;
    const NONE: u32 = (1 << INDEX_BITS) - 1;

    struct Node<T> {
        /// Index of the next free object; meaningful while this one is free.
        next: AtomicU32,
        /// This object's own index.
        index: AtomicU32,
        value: T,
    }

    /// A pool of `T`s.
    pub(crate) struct Pool<T> {
        slabs: [AtomicPtr<Node<T>>; SLABS],
        made: AtomicU32,
        /// index of the first free object plus one (0: none) | tag << 24
        free: AtomicU64,
    }

    impl<T: Stable + 'static> Pool<T> {
        /// Bytes that an object takes.
        pub(crate) const BYTES: usize = size_of::<Node<T>>();

        pub(crate) const fn new() -> Self {
            Pool {
                slabs: [const { AtomicPtr::new(ptr::null_mut()) }; SLABS],
                made: AtomicU32::new(0),
                free: AtomicU64::new(0),
            }
        }

        /// An object nobody else has; in what state its last user left it, all zero when it is new.
        pub(crate) fn take(&self) -> Result<&'static T, Errno> {
            if let Some(node) = self.pop() {
                return Ok(&node.value);
            }
            self.make().map(|node| &node.value)
        }

        /// Gives an object back; from now on anybody may get it.
        ///
        /// # Safety
        /// `value` came from this pool's `take`, and the caller no longer uses it as its own.
        pub(crate) unsafe fn give(&self, value: &'static T) {
            let node = ptr::from_ref(value).addr() - std::mem::offset_of!(Node<T>, value);
            // A reference to the value reaches no further than the value: the slab's own provenance does.
            // SAFETY: every T of a pool lies in a Node, for ever (Y1).
            let node = unsafe { &*ptr::with_exposed_provenance::<Node<T>>(node) };
            let index = node.index.load(Ordering::Relaxed); // written once, before the object was first handed out
            let mut head = self.free.load(Ordering::Relaxed);
            loop {
                node.next.store(unpack(head), Ordering::Relaxed);
                // Release: whoever pops the object finds it as its last user left it.
                match self.free.compare_exchange_weak(head, pack(head, index), Ordering::Release, Ordering::Relaxed) {
                    Ok(_) => return,
                    Err(now) => head = now,
                }
            }
        }

        /// Every object ever made, in use or not.
        pub(crate) fn iter(&self) -> impl Iterator<Item = &'static T> + '_ {
            // Acquire: pairs with `make` (Y2).
            (0..self.made.load(Ordering::Acquire)).map(|i| &self.node(i).value)
        }

        /// Whether `at` is one of these objects, in use or not: for diagnostics, which may be given anything.
        pub(crate) fn contains(&self, at: *const T) -> bool {
            // Y2. Every drain asks, and there may be none: slabs that no object is in yet are not looked at.
            let mut left = self.made.load(Ordering::Acquire) as usize;
            for (k, slab) in self.slabs.iter().enumerate() {
                if left == 0 {
                    break;
                }
                let made = left.min((FIRST as usize) << k);
                let first = slab.load(Ordering::Acquire).addr() + std::mem::offset_of!(Node<T>, value);
                let offset = at.addr().wrapping_sub(first);
                if offset < made * size_of::<Node<T>>() {
                    return offset.is_multiple_of(size_of::<Node<T>>());
                }
                left -= made;
            }
            false
        }

        fn pop(&self) -> Option<&'static Node<T>> {
            let mut head = self.free.load(Ordering::Acquire);
            loop {
                let index = unpack(head);
                if index == NONE {
                    return None;
                }
                let node = self.node(index);
                // Relaxed: may be stale; the tag says so (Y3).
                let next = node.next.load(Ordering::Relaxed);
                match self.free.compare_exchange_weak(head, pack(head, next), Ordering::Acquire, Ordering::Acquire) {
                    Ok(_) => return Some(node),
                    Err(now) => head = now,
                }
            }
        }

        fn make(&self) -> Result<&'static Node<T>, Errno> {
            loop {
                let index = self.made.load(Ordering::Acquire);
                let (slab, _) = place(index);
                if index >= NONE - 1 || slab >= SLABS {
                    return Err(crate::sys::errno::ENOMEM);
                }
                self.ensure(slab)?;
                // Release: the slab is there for whoever reads the count (Y2).
                if self.made.compare_exchange(index, index + 1, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                    let node = self.node(index);
                    node.index.store(index, Ordering::Relaxed);
                    return Ok(node);
                }
            }
        }

        fn ensure(&self, slab: usize) -> Result<(), Errno> {
            if !self.slabs[slab].load(Ordering::Acquire).is_null() {
                return Ok(());
            }
            let bytes = (FIRST as usize).checked_shl(slab as u32).and_then(|n| n.checked_mul(size_of::<Node<T>>()));
            let bytes = bytes.ok_or(crate::sys::errno::ENOMEM)?;
            let memory = map::memory(bytes)?;
            memory.expose_provenance(); // for `give`
            // Release: zeroed memory before its address.
            let published =
                self.slabs[slab].compare_exchange(ptr::null_mut(), memory.cast(), Ordering::Release, Ordering::Relaxed);
            if published.is_err() {
                // SAFETY: somebody was faster; nobody knows of ours.
                unsafe { map::unmap(memory, bytes) };
            }
            Ok(())
        }

        fn node(&self, index: u32) -> &'static Node<T> {
            let (slab, within) = place(index);
            let base = self.slabs[slab].load(Ordering::Acquire);
            // SAFETY: Y2: the index is below `made`, so the slab is mapped; zero is a value of Node<T> (Stable).
            unsafe { &*base.add(within) }
        }
    }

    fn place(index: u32) -> (usize, usize) {
        let shifted = index + FIRST;
        let slab = shifted.ilog2() - FIRST.ilog2();
        (slab as usize, (shifted - (FIRST << slab)) as usize)
    }

    fn unpack(head: u64) -> u32 {
        ((head as u32) & NONE).wrapping_sub(1) & NONE
    }

    fn pack(old: u64, index: u32) -> u64 {
        let tag = (old >> INDEX_BITS).wrapping_add(1);
        tag << INDEX_BITS | u64::from(index.wrapping_add(1) & NONE)
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use std::collections::HashSet;

        // SAFETY: an atomic word.
        unsafe impl Stable for AtomicU64 {}

        #[test]
        fn objects_are_distinct_and_come_back() {
            static POOL: Pool<AtomicU64> = Pool::new();
            let all: Vec<_> = (0..1000).map(|_| POOL.take().unwrap()).collect();
            let addresses: HashSet<_> = all.iter().map(|&a| ptr::from_ref(a)).collect();
            assert_eq!(addresses.len(), 1000);
            // SAFETY: taken above and not used any more.
            all.iter().for_each(|a| unsafe { POOL.give(a) });
            let again: HashSet<_> = (0..1000).map(|_| ptr::from_ref(POOL.take().unwrap())).collect();
            assert_eq!(again, addresses);
            assert_eq!(POOL.iter().count(), 1000);
            assert!(all.iter().all(|&a| POOL.contains(a)));
            let stranger = AtomicU64::new(0);
            assert!(!POOL.contains(&raw const stranger) && !POOL.contains(ptr::null()));
            assert!(!POOL.contains(ptr::from_ref(all[0]).wrapping_byte_add(1)));
            let last = ptr::from_ref(&POOL.node(999).value);
            assert!(POOL.contains(last) && !POOL.contains(last.wrapping_byte_add(size_of::<Node<AtomicU64>>())));
        }

        #[test]
        fn no_object_is_handed_to_two_threads() {
            static POOL: Pool<AtomicU64> = Pool::new();
            let turns = if cfg!(miri) { 50 } else { 20_000 };
            std::thread::scope(|scope| {
                for me in 1..=4 {
                    scope.spawn(move || {
                        for _ in 0..turns {
                            let mine = POOL.take().unwrap();
                            assert_eq!(mine.swap(me, Ordering::Relaxed), 0);
                            assert_eq!(mine.swap(0, Ordering::Relaxed), me);
                            // SAFETY: taken above and not used any more.
                            unsafe { POOL.give(mine) };
                        }
                    });
                }
            });
            assert!(POOL.iter().count() <= 4);
        }
    }
}

#[cfg(loom)]
pub(crate) use model::Pool;

/// loom's atomics are no plain memory: objects are made one by one, anew in every execution. What orders givers, takers and
/// those who look at all is one count, of all pools; a model's thread goes on after its access to it, so the lists keep step.
#[cfg(loom)]
mod model {
    use super::{Errno, Stable};
    use crate::sys::sync_loom::made;
    use std::sync::Mutex;

    struct Lists<T: 'static> {
        execution: u64,
        /// With the value of the count that each was made at.
        all: Vec<(usize, &'static T)>,
        free: Vec<&'static T>,
    }

    pub(crate) struct Pool<T: 'static>(Mutex<Lists<T>>);

    impl<T: Stable + 'static> Pool<T> {
        pub(crate) const fn new() -> Self {
            Pool(Mutex::new(Lists { execution: 0, all: Vec::new(), free: Vec::new() }))
        }

        fn lists<R>(&self, f: impl FnOnce(&mut Lists<T>) -> R) -> R {
            let mut lists = self.0.lock().unwrap();
            if lists.execution != made::execution() {
                *lists = Lists { execution: made::execution(), all: Vec::new(), free: Vec::new() };
            }
            f(&mut lists)
        }

        pub(crate) fn take(&self) -> Result<&'static T, Errno> {
            let fresh: &'static T = Box::leak(Box::new(T::fresh()));
            let number = made::change(1);
            Ok(self.lists(|lists| {
                lists.free.pop().unwrap_or_else(|| {
                    lists.all.push((number, fresh));
                    fresh
                })
            }))
        }

        /// # Safety
        /// As in the real pool.
        pub(crate) unsafe fn give(&self, value: &'static T) {
            made::change(0);
            self.lists(|lists| lists.free.push(value));
        }

        pub(crate) fn iter(&self) -> impl Iterator<Item = &'static T> + '_ {
            let seen = made::seen();
            let all: Vec<_> =
                self.lists(|lists| lists.all.iter().filter(|(n, _)| *n < seen).map(|&(_, t)| t).collect());
            all.into_iter()
        }

        pub(crate) fn contains(&self, at: *const T) -> bool {
            !at.is_null()
        }
    }
}
