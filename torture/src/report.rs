// SPDX-License-Identifier: MIT OR Apache-2.0
//! Figures of a run: collected where the run is, added up and shown by the program that started it.

use crate::board::{self, Count, MIXES};
use crate::faults::{self, Fault};
use crate::mix::NAMES;
use crate::world::World;
use comfy_table::{Cell, CellAlignment, Table};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Instant;

/// What happened.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Figures {
    pub seed: u64,
    pub backend: String,
    /// Back ends, and membarrier refused or not: how many runs of each.
    pub configurations: BTreeMap<String, u64>,
    pub seconds: f64,
    pub threads: u64,
    /// Holds, sections, passes, objects: by primitive.
    pub operations: BTreeMap<String, u64>,
    /// Drains, performs, seals and ends: by primitive.
    pub ends: BTreeMap<String, u64>,
    /// What else was counted.
    pub counts: BTreeMap<String, u64>,
    pub faults: BTreeMap<String, u64>,
    /// Planted bugs: caught, and all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub planted: Option<(u64, u64)>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failure: Option<String>,
}

static RUN: OnceLock<(&'static World, Instant, String)> = OnceLock::new();

/// The run whose figures these are begins.
pub fn begin(world: &'static World, configuration: String) {
    let _ = RUN.set((world, Instant::now(), configuration));
}

fn collect() -> Figures {
    let Some((world, began, configuration)) = RUN.get() else { return Figures::default() };
    let sum = |what| (0..MIXES).map(|mix| board::total(mix, what)).sum::<u64>();
    let by_mix = |what| world.mixes.iter().map(|&(n, _)| (NAMES[n].to_owned(), board::total(n, what))).collect();
    let mut counts: BTreeMap<String, u64> = [
        ("copies and clones", sum(Count::Copies)),
        ("handed to other threads", sum(Count::Handed)),
        ("waits given up", sum(Count::GaveUp)),
        ("threads born", sum(Count::Births)),
        ("elements seen at age 0", sum(Count::Young)),
        ("elements seen at age 1", sum(Count::Old)),
        ("pops that found nothing", sum(Count::None)),
        ("times that too much was retired", sum(Count::Floods)),
        ("moves to another CPU", sum(Count::Moves)),
    ]
    .map(|(name, n)| (name.to_owned(), n))
    .into();
    #[cfg(feature = "inject")]
    counts.extend([
        ("sections restarted".to_owned(), psref::inject::restarts()),
        ("slow paths".to_owned(), psref::inject::slow_paths()),
        ("membarriers of the library".to_owned(), psref::inject::barriers()),
    ]);
    for statistics in world.mixes.iter().filter_map(|(_, mix)| mix.statistics()) {
        counts.insert("pool misses".to_owned(), statistics.misses);
        counts.insert("objects recalled".to_owned(), statistics.recalls);
    }
    Figures {
        seed: world.seed,
        backend: psref::backend().name().to_owned(),
        configurations: [(configuration.clone(), 1)].into(),
        seconds: began.elapsed().as_secs_f64(),
        threads: world.threads as u64,
        operations: by_mix(Count::Operations),
        ends: by_mix(Count::Ends),
        counts,
        faults: faults::ALL.iter().filter(|f| world.faults.contains(f)).map(|f| (f.name(), f.counted())).collect(),
        planted: None,
        failure: None,
    }
}

static FINAL: OnceLock<Figures> = OnceLock::new();

/// Keeps the figures as they are now, while everything that is asked for them is there.
pub fn keep() {
    let _ = FINAL.set(collect());
}

/// Writes the figures for the program that started this one.
pub fn emit(failure: Option<String>) {
    let mut figures = FINAL.get().cloned().unwrap_or_else(collect);
    figures.failure = failure;
    println!("{}", serde_json::to_string(&figures).unwrap_or_default());
}

/// Sums so far, for the live line.
pub fn so_far() -> (u64, u64) {
    let sum = |what| (0..MIXES).map(|mix| board::total(mix, what)).sum();
    (sum(Count::Operations), sum(Count::Ends))
}

fn add(to: &mut BTreeMap<String, u64>, from: BTreeMap<String, u64>) {
    from.into_iter().for_each(|(name, n)| *to.entry(name).or_default() += n);
}

impl Figures {
    /// Adds another run's.
    pub fn add(&mut self, other: Figures) {
        self.backend = other.backend;
        self.seconds += other.seconds;
        self.threads = other.threads;
        add(&mut self.configurations, other.configurations);
        add(&mut self.operations, other.operations);
        add(&mut self.ends, other.ends);
        add(&mut self.counts, other.counts);
        add(&mut self.faults, other.faults);
        self.failure = self.failure.take().or(other.failure);
    }

    /// Adds faults of a kind.
    pub fn add_fault(&mut self, fault: Fault, n: u64) {
        *self.faults.entry(fault.name()).or_default() += n;
    }

    fn all_ends(&self) -> u64 {
        self.ends.values().sum()
    }

    /// For people.
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        let mut row = |name: &str, figure: String| {
            table.add_row(vec![Cell::new(name), Cell::new(figure).set_alignment(CellAlignment::Right)]);
        };
        row("seed", self.seed.to_string());
        row("back end", self.backend.clone());
        row("threads", self.threads.to_string());
        for (name, n) in &self.configurations {
            row(&format!("runs: {name}"), n.to_string());
        }
        row("seconds", format!("{:.1}", self.seconds));
        for (name, n) in &self.operations {
            row(&format!("operations, {name}"), n.to_string());
        }
        for (name, n) in &self.ends {
            row(&format!("drains and other ends, {name}"), n.to_string());
        }
        for (name, n) in self.counts.iter().filter(|(_, n)| **n > 0) {
            row(name, n.to_string());
        }
        for (name, n) in &self.faults {
            row(&format!("fault: {name}"), n.to_string());
        }
        if let Some((caught, all)) = self.planted {
            row("planted bugs caught", format!("{caught}/{all}"));
        }
        match (&self.failure, self.all_ends()) {
            (Some(_), _) => row("failures", "1".to_owned()),
            (None, 0) => row("failures", "0".to_owned()),
            (None, n) => {
                row("failures", "0".to_owned());
                row("95 % bound, failures an end", format!("{:.1e}", 3.0 / n as f64));
            }
        }
        table
    }
}
