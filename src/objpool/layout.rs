// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the objects lie, and which object an address is.
//!
//! Objects are numbered 0..n in the order of their home CPUs, and these by node. Each node's objects are one area: `slots`
//! places of `stride` bytes, of which the first ones are used; the areas follow each other. So the number of a *place* is the
//! distance from the first one divided by the stride, and the *object* number leaves out the places that are not used.

use super::block::{Block, Run};
use crate::percpu::runtime::{self, Runtime};
use crate::sort;
use crate::sys::errno::{ENOMEM, Errno};
use crate::sys::map;
use std::ops::Range;

/// See the file's head. The first fields are what sections read.
#[repr(C)]
pub(crate) struct Layout {
    /// Address of place 0.
    pub(crate) base: usize,
    /// 2^64 divided by the stride, rounded up: a distance times this is less than this, mod 2^64, if and only if the stride divides the
    /// distance. (Distance = q * stride + r, stride * this = 2^64 + e with e < stride: the product is q * e + r * this. q * e is less than
    /// 2^24 * 2^16, this at least 2^48; with r > 0 the product is no less than this and does not go round.)
    pub(crate) reciprocal: u64,
    /// Bytes from the first place to behind the last object, where there is one area; else 0.
    pub(crate) span: u64,
    /// Of the stride's odd part, mod 2^64.
    pub(crate) inverse: u64,
    /// log2 of the stride's even part.
    pub(crate) twos: u32,
    /// log2 of the places in an area.
    pub(crate) area_bits: u32,
    /// Places below this are objects, where there is one area; else 0.
    pub(crate) flat: u64,
    /// Areas, where there are more than one; else 0.
    pub(crate) areas: u64,
    /// The places in an area less one.
    pub(crate) area_mask: u64,
    /// `flat` times the even part of the stride: what a distance times `inverse` is less than, if it is a multiple of the odd part.
    pub(crate) plain: u64,
    /// The even part of the stride less one: the bits that are 0 then, if the distance is a multiple of that too.
    pub(crate) odd_bits: u64,
    /// Objects of each area: address of the first of `bounds`.
    pub(crate) bounds_at: usize,
    bounds: Run<u64>,
    /// Objects before each area.
    before: Run<usize>,
    pub(crate) objects: usize,
    pub(crate) stride: usize,
    bytes: usize,
    homes: Homes,
}

/// Home CPUs: an equal share of the objects each, the first ones one more.
struct Homes {
    /// CPUs, by node.
    order: Run<u32>,
    share: usize,
    /// CPUs that have one more.
    more: usize,
}

impl Homes {
    fn new(facts: &Runtime, objects: usize, block: &mut Block) -> Result<Homes, Errno> {
        let mut order: Run<u32> = block.run(facts.cpus())?;
        (0..).zip(order.iter_mut()).for_each(|(cpu, place)| *place = cpu);
        // CPUs without a node last: what does not go round should lie where somebody runs.
        sort::by_key(&mut order, |&cpu| (facts.node_of(cpu as usize).map_or((1, 0), |node| (0, node)), cpu));
        let (share, more) = (objects / order.len(), objects % order.len());
        Ok(Homes { order, share, more })
    }

    /// Objects of the CPU at a place of the order.
    fn of(&self, place: usize) -> usize {
        self.share + usize::from(place < self.more)
    }

    /// The CPU that an object comes from, and all objects that do.
    fn home(&self, object: usize) -> (usize, Range<usize>) {
        let long = self.more * (self.share + 1);
        let (place, first) = match object.checked_sub(long) {
            None => (object / (self.share + 1), object - object % (self.share + 1)),
            Some(rest) => (self.more + rest / self.share.max(1), object - rest % self.share.max(1)),
        };
        (self.order[place] as usize, first..first + self.of(place))
    }
}

/// An empty vector with room, or ENOMEM.
pub(super) fn room<T>(n: usize) -> Result<Vec<T>, Errno> {
    let mut vector = Vec::new();
    vector.try_reserve_exact(n).map_err(|_| ENOMEM)?;
    Ok(vector)
}

impl Layout {
    /// Whether an address is an object's, where there is one area; else false. Inlined into Rust callers: what the push fast path does.
    #[cfg(any(test, all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64")))]
    #[inline(always)]
    pub(crate) fn is_plainly_object(&self, at: usize) -> bool {
        let distance = at.wrapping_sub(self.base) as u64;
        distance < self.span && distance.wrapping_mul(self.reciprocal) < self.reciprocal
    }

    /// Lays out and maps `objects` objects of `size` bytes; the block is that of the pool.
    pub(crate) fn new(objects: usize, size: usize, block: &mut Block) -> Result<Layout, Errno> {
        let facts = runtime::get();
        let stride = size.next_multiple_of(size_of::<usize>());
        let homes = Homes::new(facts, objects, block)?;
        // Absent CPUs have no node: where all others have the same, there is one area.
        let node = |place: usize| facts.node_of(homes.order[place] as usize).filter(|_| facts.is_numa());
        let mut nodes = room(homes.order.len())?;
        for place in 0..homes.order.len() {
            if place == 0 || node(place) != node(place - 1) {
                nodes.push(node(place));
            }
        }
        let (mut bounds, mut before) = (block.run::<u64>(nodes.len())?, block.run::<usize>(nodes.len())?);
        let mut area = 0;
        for place in 0..homes.order.len() {
            if place != 0 && node(place) != node(place - 1) {
                area += 1;
                before[area] = before[area - 1] + bounds[area - 1] as usize;
            }
            bounds[area] += homes.of(place) as u64;
        }
        let one = bounds.len() == 1;
        // As many places in an area as fill pages whole: no page has objects of two nodes.
        let longest = bounds.iter().copied().max().unwrap_or(0).max(1);
        let slots = longest.next_power_of_two().max((map::page() / size_of::<usize>()) as u64);
        let places = if one { objects as u64 } else { slots.checked_mul(bounds.len() as u64).ok_or(ENOMEM)? };
        let bytes = usize::try_from(places).ok().and_then(|n| n.checked_mul(stride)).ok_or(ENOMEM)?;
        let bytes = bytes.checked_next_multiple_of(map::page()).ok_or(ENOMEM)?;
        if !one {
            // Of what is opened area by area the kernel looks at each alone.
            map::could_give(objects.checked_mul(stride).ok_or(ENOMEM)?)?;
        }
        let memory = map::reserve_counted(bytes)?;
        let area_bits = slots.ilog2();
        let mut layout = Layout {
            base: memory.expose_provenance(),
            reciprocal: u64::MAX / stride as u64 + 1,
            span: if one { (objects * stride) as u64 } else { 0 },
            inverse: inverse((stride >> stride.trailing_zeros()) as u64),
            twos: stride.trailing_zeros(),
            area_bits,
            flat: if one { objects as u64 } else { 0 },
            areas: if one { 0 } else { bounds.len() as u64 },
            area_mask: slots - 1,
            plain: if one { (objects as u64) << stride.trailing_zeros() } else { 0 },
            odd_bits: (1 << stride.trailing_zeros()) - 1,
            bounds_at: 0,
            bounds,
            before,
            objects,
            stride,
            bytes,
            homes,
        };
        layout.bounds_at = layout.bounds.as_ptr().expose_provenance();
        layout.open(&nodes)?; // dropped, so unmapped, where that fails
        Ok(layout)
    }

    /// Makes the places of objects usable, each area's on its node.
    fn open(&self, nodes: &[Option<u32>]) -> Result<(), Errno> {
        for (area, &bound) in self.bounds.iter().enumerate() {
            let at = self.base + (area << self.area_bits) * self.stride * usize::from(self.areas != 0);
            let bytes = (bound as usize * self.stride).next_multiple_of(map::page());
            if bytes == 0 {
                continue;
            }
            let at = std::ptr::with_exposed_provenance_mut(at);
            if self.areas != 0
                && let Some(node) = nodes[area]
            {
                // SAFETY: inside the fresh reservation. A preference; refused, first touch decides.
                let _ = unsafe { map::prefer_node(at, bytes, node) };
            }
            // SAFETY: inside the fresh reservation.
            unsafe { map::open(at, bytes)? };
        }
        Ok(())
    }

    /// The number of the object at an address; `None`: there is none there.
    pub(crate) fn number(&self, at: usize) -> Option<usize> {
        let place = (at.wrapping_sub(self.base) as u64).wrapping_mul(self.inverse).rotate_right(self.twos);
        if place < self.flat {
            return Some(place as usize);
        }
        let area = place >> self.area_bits;
        if area >= self.areas {
            return None;
        }
        let within = place & self.area_mask;
        (within < self.bounds[area as usize]).then(|| self.before[area as usize] + within as usize)
    }

    /// The address of an object.
    pub(crate) fn address(&self, object: usize) -> usize {
        if self.areas == 0 {
            return self.base + object * self.stride;
        }
        let area = self.before.iter().rposition(|&before| before <= object).unwrap_or(0);
        self.base + ((area << self.area_bits) + (object - self.before[area])) * self.stride
    }

    /// The CPU that an object comes from.
    pub(crate) fn home(&self, object: usize) -> usize {
        self.homes.home(object).0
    }

    /// The same, and the numbers of all objects that come from there: who has many to ask for divides once a home.
    pub(crate) fn home_of_all(&self, object: usize) -> (usize, Range<usize>) {
        self.homes.home(object)
    }
}

impl Drop for Layout {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`; whoever ends a pool says that nobody uses its objects.
        unsafe { map::unmap(std::ptr::with_exposed_provenance_mut(self.base), self.bytes) }
    }
}

/// Of an odd number, mod 2^64: Newton's steps double the bits that are right.
fn inverse(odd: u64) -> u64 {
    let mut x = odd; // right in three bits
    for _ in 0..5 {
        x = x.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(x)));
    }
    x
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// With a block that stays.
    fn of(objects: usize, size: usize) -> Layout {
        let mut block = std::mem::ManuallyDrop::new(Block::new(objects).unwrap());
        Layout::new(objects, size, &mut block).unwrap()
    }

    #[test]
    fn an_inverse_times_its_number_is_one() {
        for odd in (1..10_000).step_by(2).chain([u64::MAX, u64::MAX / 3, 0x1234_5678_9abc_def1]) {
            assert_eq!(inverse(odd).wrapping_mul(odd), 1, "{odd}");
        }
    }

    #[test]
    fn addresses_and_numbers_are_inverse_and_nothing_else_is_an_object() {
        for (objects, size) in [(1, 1), (7, 24), (1000, 280), (513, 4096), (100, 65536), (33, 8)] {
            let layout = of(objects, size);
            let number = |at: usize| {
                let number = layout.number(at);
                assert_eq!(layout.is_plainly_object(at), number.is_some() && layout.areas == 0, "{at:#x}");
                number
            };
            for object in 0..objects {
                let at = layout.address(object);
                assert_eq!(number(at), Some(object));
                assert_eq!(number(at + 1), None);
                assert_eq!(number(at + layout.stride - 1), None);
                if layout.stride > 8 {
                    assert_eq!(number(at + 8), None);
                }
                assert!(layout.home(object) < runtime::get().cpus());
            }
            assert_eq!(number(layout.base.wrapping_sub(layout.stride)), None);
            assert_eq!(number(layout.address(objects - 1) + layout.stride), None);
            for foreign in [0, 8, usize::MAX, usize::MAX & !7, &raw const layout as usize] {
                assert_eq!(number(foreign), None, "{foreign:#x}");
            }
        }
    }

    /// Touched by one thread on whatever CPU it runs, so first touch alone would put all of them on one node. On a machine
    /// of one node there is little to see: scripts/verify-numa.sh runs this on emulated ones.
    #[test]
    #[cfg_attr(miri, ignore = "asks the kernel")]
    fn every_object_lies_on_the_node_of_its_home() {
        let facts = runtime::get();
        for (objects, size) in [(100, 280), (1000, 64), (37, 8192)] {
            let layout = of(objects, size);
            for object in 0..objects {
                let Some(node) = facts.node_of(layout.home(object)) else { continue };
                for at in [layout.address(object), layout.address(object) + layout.stride - 8] {
                    let place: *mut u64 = std::ptr::with_exposed_provenance_mut(at);
                    // SAFETY: a word of an object that is nobody's.
                    unsafe { place.write(1) };
                    match map::node_at(place.cast()) {
                        Ok(is) => assert_eq!(is, node, "object {object} of {objects}"),
                        Err(Errno(libc::ENOSYS)) => return, // a kernel without NUMA
                        Err(e) => panic!("get_mempolicy: {e}"),
                    }
                }
            }
        }
    }

    #[test]
    fn a_home_has_a_run_of_numbers() {
        // Every object with every other: Miri gets fewer.
        let numbers: &[usize] = if cfg!(miri) { &[1, 2, 3, 65] } else { &[1, 2, 3, 64, 65, 1001] };
        for &objects in numbers {
            let layout = of(objects, 8);
            for object in 0..objects {
                let (home, all) = layout.home_of_all(object);
                assert!(all.contains(&object) && all.end <= objects, "{object} of {objects}: {all:?}");
                let same = |other: usize| layout.home(other) == home;
                assert!(
                    (0..objects).all(|other| same(other) == all.contains(&other)),
                    "{object} of {objects}: {all:?}"
                );
            }
        }
    }

    #[test]
    fn every_cpu_is_home_to_its_share() {
        let layout = of(1001, 64);
        let cpus = runtime::get().cpus();
        let mut homes = vec![0; cpus];
        (0..1001).for_each(|object| homes[layout.home(object)] += 1);
        assert!(homes.iter().all(|&n| n == 1001 / cpus || n == 1001 / cpus + 1));
    }
}
