// SPDX-License-Identifier: MIT OR Apache-2.0
//! What to run. The names in JSON are the fields'; what is left out has its default, and what is not known is refused.

use crate::Error;
use crate::catalogue::{self, Kind};
use psref::objpool::raw;
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::fmt;

/// An experiment. Every field may be left out.
///
/// ```
/// let config = psref_bench::Config::from_json(r#"{"strategies": ["psref", "lock"], "threads": [1, 2], "seconds": 0.1}"#)?;
/// assert_eq!((config.keys, config.rounds), (1000, 5));
/// let refused = psref_bench::Config::from_json(r#"{"threads": [-1]}"#).unwrap_err();
/// assert_eq!(refused.to_string(), "threads[0]: saw -1, allowed is a whole number from 1 to 1024");
/// # Ok::<(), psref_bench::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Look-ups in a table, or pops from a pool.
    pub kind: Kind,
    /// By name, each once; none: all of this kind. See [`strategies`](crate::strategies).
    pub strategies: Vec<String>,
    /// Numbers of threads, each once; none: 1, 2, 4 and so on to the CPUs that this process may use, and twice these.
    #[serde(deserialize_with = "thread_counts")]
    pub threads: Vec<usize>,
    /// For each strategy, for all its thread counts and rounds together, warm-up aside.
    pub seconds: f64,
    /// In each every strategy has its turn, in a new order.
    #[serde(deserialize_with = "whole::<_, _, 1, ROUNDS_MAX>")]
    pub rounds: usize,
    /// Objects in the table.
    #[serde(deserialize_with = "whole::<_, _, 1, KEYS_MAX>")]
    pub keys: usize,
    /// Exponent of the popularity of keys; 0: all alike.
    pub zipf: f64,
    /// Objects destroyed and replaced, a second, by a thread of its own; 0: none.
    pub destroy_rate: f64,
    /// How long an object is held, in nanoseconds of a busy loop; 0: only as long as looking at it takes.
    #[serde(deserialize_with = "whole::<_, _, 0, HOLD_MAX>")]
    pub hold_ns: u64,
    /// Where the threads run.
    pub placement: Placement,
    /// Of the keys and of the order in the rounds.
    #[serde(deserialize_with = "whole::<_, _, 0, SEED_MAX>")]
    pub seed: u64,
    /// Objects in a pool.
    #[serde(deserialize_with = "whole::<_, _, 1, OBJECTS_MAX>")]
    pub objects: usize,
    /// Bytes of each.
    #[serde(deserialize_with = "whole::<_, _, SIZE_MIN, SIZE_MAX>")]
    pub object_size: usize,
    /// Objects that a thread pops before it pushes them back.
    #[serde(deserialize_with = "whole::<_, _, 1, OBJECTS_MAX>")]
    pub burst: usize,
}

/// Where the threads run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// Pinned, near CPUs first: a node is filled before the next.
    #[default]
    Compact,
    /// Pinned, nodes in turn.
    Spread,
    /// Wherever the kernel puts them.
    Free,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            kind: Kind::Lookup,
            strategies: Vec::new(),
            threads: Vec::new(),
            seconds: 1.0,
            rounds: 5,
            keys: 1000,
            zipf: 0.0,
            destroy_rate: 100.0,
            hold_ns: 0,
            placement: Placement::Compact,
            seed: 1,
            objects: 1024,
            object_size: 256,
            burst: 1,
        }
    }
}

const SEED_MAX: u64 = u64::MAX;
const THREADS_MAX: u64 = 1024;
const ROUNDS_MAX: u64 = 10_000;
const KEYS_MAX: u64 = 1 << 20;
const HOLD_MAX: u64 = 100_000_000;
const OBJECTS_MAX: u64 = 1 << 20;
const POOL_BYTES_MAX: u64 = 1 << 30;
/// An object says in its first word whose it is.
const SIZE_MIN: u64 = 8;
const SIZE_MAX: u64 = raw::SIZE_MAX as u64;

impl Config {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn from_json(text: &str) -> Result<Config, Error> {
        let value: Value = serde_json::from_str(text).map_err(|e| Error::Config(format!("not JSON: {e}")))?;
        if !value.is_object() {
            return Err(Error::Config(format!("configuration: {}", not_allowed(value, "an object"))));
        }
        let config: Config = serde_path_to_error::deserialize(value).map_err(|e| Error::Config(e.to_string()))?;
        // Once more: bounds that depend on other fields, and numbers that are not whole.
        config.check()?;
        Ok(config)
    }

    /// Whether it can be run.
    ///
    /// # Errors
    /// [`Error::Config`]: the first field that cannot be as it is.
    pub fn check(&self) -> Result<(), Error> {
        for (i, name) in self.strategies.iter().enumerate() {
            if !catalogue::known(self.kind).any(|known| known == name) {
                let known = catalogue::known(self.kind).collect::<Vec<_>>().join(", ");
                let kind = self.kind.name();
                let why = not_allowed(format_args!("{name:?}"), &format!("for kind \"{kind}\" one of {known}"));
                return Err(Error::Config(format!("strategies[{i}]: {why}")));
            }
        }
        once("strategies", &self.strategies)?;
        for (i, threads) in self.threads.iter().enumerate() {
            within(*threads as u64, 1, THREADS_MAX).map_err(|why| Error::Config(format!("threads[{i}]: {why}")))?;
        }
        once("threads", &self.threads)?;
        let fields = [
            ("seconds", between(self.seconds, 1e-3, 86_400.0)),
            ("rounds", within(self.rounds as u64, 1, ROUNDS_MAX)),
            ("keys", within(self.keys as u64, 1, KEYS_MAX)),
            ("zipf", between(self.zipf, 0.0, 10.0)),
            ("destroy_rate", between(self.destroy_rate, 0.0, 1e6)),
            ("hold_ns", within(self.hold_ns, 0, HOLD_MAX)),
            ("objects", within(self.objects as u64, 1, OBJECTS_MAX)),
            ("object_size", within(self.object_size as u64, SIZE_MIN, SIZE_MAX)),
            ("burst", within(self.burst as u64, 1, self.objects as u64)),
        ];
        let bytes = (self.objects as u64).saturating_mul(self.object_size as u64);
        let too_much = not_allowed(
            format_args!("{bytes} bytes with {} objects", self.objects),
            &format!("{POOL_BYTES_MAX} in all"),
        );
        let whole = ("object_size", if bytes > POOL_BYTES_MAX { Err(too_much) } else { Ok(()) });
        for (field, verdict) in fields.into_iter().chain([whole]) {
            verdict.map_err(|why| Error::Config(format!("{field}: {why}")))?;
        }
        Ok(())
    }

    /// The same with every choice made that was left open.
    pub(crate) fn settled(&self, cpus: usize) -> Config {
        let mut config = self.clone();
        if config.strategies.is_empty() {
            config.strategies = catalogue::known(self.kind).map(str::to_owned).collect();
        }
        if config.threads.is_empty() {
            let powers = std::iter::successors(Some(1), |n| Some(n * 2)).take_while(|&n| n < cpus);
            config.threads = powers.chain([cpus, 2 * cpus]).filter(|&n| n as u64 <= THREADS_MAX).collect();
        }
        config
    }
}

fn not_allowed(seen: impl fmt::Display, allowed: &str) -> String {
    format!("saw {seen}, allowed is {allowed}")
}

fn whole_numbers(low: u64, high: u64) -> String {
    format!("a whole number from {low} to {high}")
}

fn within(seen: u64, low: u64, high: u64) -> Result<(), String> {
    if (low..=high).contains(&seen) { Ok(()) } else { Err(not_allowed(seen, &whole_numbers(low, high))) }
}

fn between(seen: f64, low: f64, high: f64) -> Result<(), String> {
    // False for what is not a number.
    let inside = seen >= low && seen <= high;
    if inside { Ok(()) } else { Err(not_allowed(seen, &format!("a number from {low} to {high}"))) }
}

fn once<T: PartialEq + fmt::Debug>(field: &str, list: &[T]) -> Result<(), Error> {
    match list.iter().enumerate().find(|(i, item)| list[..*i].contains(item)) {
        None => Ok(()),
        Some((i, item)) => Err(Error::Config(format!("{field}[{i}]: saw {item:?} again, allowed is each once"))),
    }
}

/// A whole number between two bounds, refused where it is read, so that the message names the field by its path.
struct Whole<const LOW: u64, const HIGH: u64>(u64);

impl<const LOW: u64, const HIGH: u64> Visitor<'_> for Whole<LOW, HIGH> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {LOW} to {HIGH}")
    }

    fn visit_u64<E: serde::de::Error>(self, seen: u64) -> Result<Self, E> {
        within(seen, LOW, HIGH).map(|()| Whole(seen)).map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, seen: i64) -> Result<Self, E> {
        match u64::try_from(seen) {
            Ok(seen) => self.visit_u64(seen),
            Err(_) => Err(E::custom(not_allowed(seen, &whole_numbers(LOW, HIGH)))),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, seen: f64) -> Result<Self, E> {
        Err(E::custom(not_allowed(seen, &whole_numbers(LOW, HIGH))))
    }
}

impl<'de, const LOW: u64, const HIGH: u64> Deserialize<'de> for Whole<LOW, HIGH> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Whole(LOW))
    }
}

fn whole<'de, D, T, const LOW: u64, const HIGH: u64>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
    T::Error: fmt::Display,
{
    T::try_from(Whole::<LOW, HIGH>::deserialize(from)?.0).map_err(D::Error::custom)
}

fn thread_counts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<usize>, D::Error> {
    let all = Vec::<Whole<1, THREADS_MAX>>::deserialize(from)?;
    all.into_iter().map(|n| usize::try_from(n.0).map_err(D::Error::custom)).collect()
}
