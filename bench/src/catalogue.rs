// SPDX-License-Identifier: MIT OR Apache-2.0
//! What there is to be measured, by name.

use crate::Error;
use crate::crew::{Outcome, Setting};
use crate::pool::{FreeList, Malloc, ObjPool, Pool, Queue, Ring, exchange};
use crate::run::Watch;
use crate::table::{Atomic, Hashed, Local, Lock, Passive, ReadersWriter, Reference, Serial, Table, lookup};
use serde::{Deserialize, Serialize};

/// What a strategy is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Look objects up in a table, hold them, let go; somebody destroys them meanwhile.
    #[default]
    Lookup,
    /// Take objects out of a stock and give them back.
    Pool,
}

impl Kind {
    /// The name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Lookup => "lookup",
            Kind::Pool => "pool",
        }
    }
}

/// One strategy, for menus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Description {
    /// What a [`Config`](crate::Config) calls it.
    pub name: &'static str,
    /// What it is for.
    pub kind: Kind,
    /// How it does it, in a sentence.
    pub says: &'static str,
}

/// Takes one sample.
pub(crate) type Measure = fn(&Setting<'_>, Watch<'_>) -> Result<Outcome, Error>;

const fn table<T: Table>(name: &'static str, says: &'static str) -> (Description, Measure) {
    (Description { name, kind: Kind::Lookup, says }, lookup::measure::<T>)
}

const fn stock<P: Pool>(name: &'static str, says: &'static str) -> (Description, Measure) {
    (Description { name, kind: Kind::Pool, says }, exchange::measure::<P>)
}

/// In the talk's order.
static ALL: [(Description, Measure); 13] = [
    table::<Serial>("serial", "use objects under the table's one lock"),
    table::<Lock>("lock", "count holds in the object, under the table's one lock, to acquire and to release"),
    table::<Hashed>("hashed", "the same with the table cut into parts, each with a lock of its own"),
    table::<Atomic>("atomic", "look up under the table's one lock, count holds by an atomic number in the object"),
    table::<ReadersWriter>(
        "rwlock",
        "look up under the table's lock for readers, count holds by an atomic number in the object",
    ),
    table::<Passive>(
        "pserialize",
        "use objects inside a read section; who destroys waits until all sections have ended",
    ),
    table::<Reference>(
        "psref",
        "look up in a read section, then keep a passive reference: a slot of the CPU names the object",
    ),
    table::<Local>(
        "localcount",
        "look up in a read section, then count holds in a cell of the CPU, one for each object and CPU",
    ),
    stock::<ObjPool>("objpool", "psref's pool: a magazine for each CPU, depots behind them"),
    stock::<Ring>(
        "ring",
        "Linux's pool, restated for user space: a ring for each CPU, each large enough for all objects",
    ),
    stock::<Malloc>("malloc", "the C library's malloc and free"),
    stock::<FreeList>("freelist", "one lock-free list of free objects"),
    stock::<Queue>("arrayqueue", "crossbeam-queue's ArrayQueue of free objects"),
];

/// Every strategy that can be measured, with what it does.
///
/// ```
/// assert!(psref_bench::strategies().iter().any(|strategy| strategy.name == "psref"));
/// ```
pub fn strategies() -> Vec<Description> {
    ALL.iter().map(|(description, _)| *description).collect()
}

fn of_kind(kind: Kind) -> impl Iterator<Item = &'static (Description, Measure)> {
    ALL.iter().filter(move |(description, _)| description.kind == kind)
}

pub(crate) fn known(kind: Kind) -> impl Iterator<Item = &'static str> {
    of_kind(kind).map(|(description, _)| description.name)
}

pub(crate) fn find(kind: Kind, name: &str) -> Option<Measure> {
    of_kind(kind).find(|(description, _)| description.name == name).map(|&(_, measure)| measure)
}
