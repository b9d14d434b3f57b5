// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics for people.

use super::{ClassStats, PoolStats, Stats, Waits};
use std::fmt::{self, Display, Formatter};

impl Display for Stats {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let version = env!("CARGO_PKG_VERSION");
        write!(f, "psref {version}, back end {}: {} cross-call(s)", self.backend.name(), self.cross_calls)?;
        self.classes.iter().try_for_each(|class| write!(f, "\n{class}"))?;
        self.pools.iter().try_for_each(|pool| write!(f, "\n{pool}"))?;
        let counts = &self.localcounts;
        write!(f, "\nlocalcounts: {} trydrain(s), {} drained; drains: ", counts.trydrains, counts.tried_well)?;
        write!(f, "{}\ngates: seals: {}", counts.drains, self.seals)?;
        let sections = &self.pserialize;
        write!(f, "\npserialize: {} grace period(s); performs: {}", sections.grace_periods, sections.performs)?;
        let retire = &self.retire;
        write!(
            f,
            "\nretire: {} batch(es), {} ended, {} outstanding, {} of them held",
            retire.batches, retire.ended, retire.outstanding, retire.held
        )
    }
}

impl Display for ClassStats {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let strict = if self.strict { ", strict" } else { "" };
        write!(f, "class \"{}\"{strict}: {} hold(s)", self.name.escape_default(), self.holds)?;
        write!(f, ", {} slow acquire(s), {} retired; drains: {}", self.slow_acquires, self.retired, self.drains)
    }
}

impl Display for PoolStats {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "pool {:#x}: {} object(s) of {} bytes, {} out", self.at, self.objects, self.object_size, self.out)?;
        write!(f, ", {} in magazines; {} miss(es), {} failure(s), ", self.in_magazines, self.misses, self.failures)?;
        write!(f, "{} depot pop(s), {} depot push(es), {} recalled", self.depot_pops, self.depot_pushes, self.recalls)
    }
}

impl Display for Waits {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} waited", self.begun, self.waited)?;
        if self.waited == 0 {
            return Ok(());
        }
        let [(all, of_all), (longest, of_longest)] = [self.ns, self.longest_ns].map(ms_and_us);
        write!(f, " ({} gave up), {all}.{of_all:03} ms in all, {longest}.{of_longest:03} ms longest", self.gave_up)?;
        self.histogram().try_for_each(|(from, n)| {
            write!(f, "\n    {:>7}.{:06} ms and more: {n}", from / 1_000_000, from % 1_000_000)
        })
    }
}

/// Whole numbers: that of a float takes fifteen kilobytes to write.
fn ms_and_us(ns: u64) -> (u64, u64) {
    let us = ns.saturating_add(500) / 1000;
    (us / 1000, us % 1000)
}
