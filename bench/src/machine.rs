// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a report comes from.

use crate::Machine;
use std::collections::BTreeSet;
use std::fs::read_to_string;

pub(crate) fn describe(allowed: usize) -> Machine {
    let topology = psref::topology();
    let nodes: BTreeSet<u32> = (0..possible_cpus()).filter_map(|cpu| topology.node_of(cpu)).collect();
    let now = jiff::Timestamp::now();
    Machine {
        cpu_model: cpu_model(&read_to_string("/proc/cpuinfo").unwrap_or_default()),
        cpus: read_to_string("/sys/devices/system/cpu/online").ok().and_then(|list| count(&list)).unwrap_or(allowed),
        allowed,
        // A machine whose nodes nobody knows counts as one.
        nodes: nodes.len().max(1),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        backend: psref::backend().name().to_owned(),
        why_not_rseq: psref::why_not_rseq().map(str::to_owned),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        date: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }
}

/// The highest number that a CPU may ever have, plus one; 1 where the kernel does not tell.
pub(crate) fn possible_cpus() -> usize {
    let list = read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    last(&list).map_or(1, |last| last + 1)
}

/// The 8 of `0-3,8`.
fn last(list: &str) -> Option<usize> {
    list.trim().rsplit([',', '-']).next()?.parse().ok()
}

/// x86 says `model name`, others nothing of the kind.
fn cpu_model(cpuinfo: &str) -> String {
    let named = cpuinfo.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| name.trim() == "model name");
    named.map_or(String::new(), |(_, model)| model.trim().to_owned())
}

/// How many numbers are in `0-3,8`.
fn count(list: &str) -> Option<usize> {
    let mut sum = 0;
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        sum += (last.parse::<usize>().ok()? + 1).checked_sub(first.parse().ok()?)?;
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_are_counted() {
        assert_eq!([count("0-3,8\n"), count("0"), count("0-1,4-7"), count("x")], [Some(5), Some(1), Some(6), None]);
        assert_eq!([last("0-3,8\n"), last("0"), last("0-1,4-7"), last("")], [Some(8), Some(0), Some(7), None]);
    }

    #[test]
    fn a_model_is_found_where_there_is_one() {
        assert_eq!(cpu_model("processor\t: 0\nmodel\t\t: 17\nmodel name\t: Some CPU: v2\n"), "Some CPU: v2");
        assert_eq!(cpu_model("processor\t: 0\n"), "");
    }
}
