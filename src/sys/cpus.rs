// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which CPU ids can ever occur: up to the highest *possible* id, whatever is online, allowed or missing in between.

/// Highest possible CPU id plus one.
pub(crate) fn possible() -> usize {
    if cfg!(loom) {
        return 1; // and the stripe for threads without a section: enough for two threads to keep apart
    }
    if cfg!(miri) {
        return 2;
    }
    std::fs::read_to_string("/sys/devices/system/cpu/possible")
        .ok()
        .and_then(|list| highest(&list))
        .map_or_else(configured, |id| id + 1)
}

/// The CPU that the calling thread runs on, which may be another one at once. No system call where the kernel has a faster way.
pub(crate) fn current() -> u32 {
    if cfg!(any(loom, miri)) {
        return 0;
    }
    // SAFETY: no arguments, touches no memory of ours; -1 where the kernel cannot tell.
    u32::try_from(unsafe { libc::sched_getcpu() }).unwrap_or(0)
}

/// The last number of a list such as "0-3,8": the kernel prints them in ascending order.
fn highest(list: &str) -> Option<usize> {
    list.trim().rsplit([',', '-']).next()?.parse().ok()
}

fn configured() -> usize {
    // Without sysfs: what the system says is configured, and room for ids beyond it. Sections bound-check (R14), so a CPU
    // past the end costs speed only.
    // SAFETY: takes a number, touches no memory of ours.
    let n = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_CONF) };
    usize::try_from(n).unwrap_or(1).max(1).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_id_of_a_list_counts_gaps_and_all() {
        assert_eq!(highest("0\n"), Some(0));
        assert_eq!(highest("0-3\n"), Some(3));
        assert_eq!(highest("0-3,8-11\n"), Some(11));
        assert_eq!(highest("0,64\n"), Some(64));
        assert_eq!(highest("\n"), None);
        assert_eq!(highest("junk"), None);
    }
}
