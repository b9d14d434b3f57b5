// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics for programs: JSON (RFC 8259) of one line.

use super::{ClassStats, PoolStats, Stats, Waits};
use std::fmt::{self, Display, Formatter};

impl Stats {
    /// The same as JSON, on one line. A histogram is a list of pairs: from how many nanoseconds on, up to the double,
    /// how many waits.
    #[doc(alias = "psref_stats_dump_json")]
    pub fn to_json(&self) -> String {
        let (counts, sections, retire) = (&self.localcounts, &self.pserialize, &self.retire);
        format!(
            "{{\"version\":\"{}\",\"backend\":\"{}\",\"cross_calls\":{},\"classes\":{},\"pools\":{},\
             \"localcounts\":{{\"drains\":{},\"trydrains\":{},\"tried_well\":{}}},\"gates\":{{\"seals\":{}}},\
             \"pserialize\":{{\"performs\":{},\"grace_periods\":{}}},\
             \"retire\":{{\"batches\":{},\"ended\":{},\"outstanding\":{},\"held\":{}}}}}",
            env!("CARGO_PKG_VERSION"),
            self.backend.name(),
            self.cross_calls,
            List(&self.classes, class),
            List(&self.pools, pool),
            Of(&counts.drains, waits),
            counts.trydrains,
            counts.tried_well,
            Of(&self.seals, waits),
            Of(&sections.performs, waits),
            sections.grace_periods,
            retire.batches,
            retire.ended,
            retire.outstanding,
            retire.held,
        )
    }
}

type Write<T> = fn(&T, &mut Formatter<'_>) -> fmt::Result;

/// A value, and how it is written.
struct Of<'a, T: ?Sized>(&'a T, Write<T>);

impl<T: ?Sized> Display for Of<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        (self.1)(self.0, f)
    }
}

/// A list of them.
struct List<'a, T>(&'a [T], Write<T>);

impl<T> Display for List<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, one) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { "," })?;
            (self.1)(one, f)?;
        }
        f.write_str("]")
    }
}

/// A text in quotes.
fn text(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\0'..='\x1f' => write!(f, "\\u{:04x}", u32::from(c))?,
            _ => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

fn class(class: &ClassStats, f: &mut Formatter<'_>) -> fmt::Result {
    let ClassStats { strict, holds, slow_acquires, retired, .. } = class;
    write!(f, "{{\"name\":{},\"strict\":{strict},\"holds\":{holds},", Of(class.name.as_str(), text))?;
    write!(f, "\"slow_acquires\":{slow_acquires},\"drains\":{},\"retired\":{retired}}}", Of(&class.drains, waits))
}

fn pool(pool: &PoolStats, f: &mut Formatter<'_>) -> fmt::Result {
    let PoolStats { at, objects, object_size, out, in_magazines, misses, failures, depot_pops, depot_pushes, recalls } =
        pool;
    write!(f, "{{\"at\":\"{at:#x}\",\"objects\":{objects},\"object_size\":{object_size},\"out\":{out},")?;
    write!(f, "\"in_magazines\":{in_magazines},\"misses\":{misses},\"failures\":{failures},")?;
    write!(f, "\"depot_pops\":{depot_pops},\"depot_pushes\":{depot_pushes},\"recalls\":{recalls}}}")
}

fn pair((from, n): &(u64, u64), f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "[{from},{n}]")
}

fn waits(waits: &Waits, f: &mut Formatter<'_>) -> fmt::Result {
    let Waits { begun, waited, gave_up, ns, longest_ns, .. } = waits;
    let histogram: Vec<_> = waits.histogram().collect();
    write!(
        f,
        "{{\"begun\":{begun},\"waited\":{waited},\"gave_up\":{gave_up},\"ns\":{ns},\"longest_ns\":{longest_ns},"
    )?;
    write!(f, "\"histogram\":{}}}", List(&histogram, pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_whatever_they_are() {
        let name = "a\"b\\c\nd\u{1}ä";
        assert_eq!(Of(name, text).to_string(), "\"a\\\"b\\\\c\\u000ad\\u0001ä\"");
    }
}
