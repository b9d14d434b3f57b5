// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables and the progress bar, for people.

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use indicatif::{ProgressBar, ProgressStyle};
use psref_bench::{Machine, Progress, Record, Report};

fn table(head: &[&str], words: usize) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Dynamic).set_header(head);
    for column in table.column_iter_mut().skip(words) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

pub(crate) fn strategies() -> Table {
    let mut table = table(&["strategy", "for", "how"], 3);
    for strategy in psref_bench::strategies() {
        table.add_row([strategy.name, strategy.kind.name(), strategy.says]);
    }
    table
}

/// The machine in a line, the records in a table.
pub(crate) fn report(report: &Report, destroys: bool) -> String {
    let mut head = vec!["strategy", "threads", "Mop/s", "quartiles", "CPU ns/op", "p50 ns", "p99 ns"];
    if destroys {
        head.extend(["destroys", "p50 us", "p99 us"]);
    }
    head.extend(["B/object", "B/hold", "B/CPU", "safe"]);
    let mut table = table(&head, 1);
    for record in &report.records {
        table.add_row(row(record, destroys));
    }
    format!("{}\n{table}", machine(&report.machine))
}

fn row(record: &Record, destroys: bool) -> Vec<String> {
    let mega = |rate: f64| format!("{:.2}", rate / 1e6);
    // A dash: nothing was found, or nothing destroyed.
    let time =
        |ns: Option<f64>, unit: f64, digits: usize| ns.map_or("-".into(), |ns| format!("{:.digits$}", ns / unit));
    let (lookup, destroy) = (record.lookup_ns, record.destroy_ns);
    let mut row = vec![
        record.strategy.clone(),
        record.threads.to_string(),
        mega(record.ops_per_s),
        format!("{} - {}", mega(record.ops_low), mega(record.ops_high)),
        time(cpu_ns(record), 1.0, 1),
        time(lookup.map(|times| times.p50), 1.0, 0),
        time(lookup.map(|times| times.p99), 1.0, 0),
    ];
    if destroys {
        row.push(record.destroys.to_string());
        row.extend([destroy.map(|times| times.p50), destroy.map(|times| times.p99)].map(|ns| time(ns, 1e3, 1)));
    }
    let memory = record.memory;
    row.extend(
        [memory.bytes_per_object, memory.bytes_per_hold, memory.bytes_per_cpu].map(|bytes| format!("{bytes:.0}")),
    );
    row.push(if record.safe { "yes".into() } else { format!("NO: {}", record.violations) });
    row
}

/// Processor time of an operation: what remains comparable on a machine that is busy with other things.
fn cpu_ns(record: &Record) -> Option<f64> {
    let ops = record.samples.iter().map(|sample| sample.ops).sum::<u64>();
    let cpu = record.samples.iter().map(|sample| sample.cpu_seconds).sum::<f64>();
    (ops > 0).then(|| cpu * 1e9 / ops as f64)
}

fn machine(machine: &Machine) -> String {
    let why = machine.why_not_rseq.as_ref().map_or(String::new(), |why| format!(" ({why})"));
    format!(
        "{}, {} of {} CPUs, nodes: {}, Linux {}, psref {} by {}{why}",
        machine.cpu_model,
        machine.allowed,
        machine.cpus,
        machine.nodes,
        machine.kernel,
        machine.version,
        machine.backend
    )
}

/// Shows on a terminal alone.
pub(crate) fn bar() -> ProgressBar {
    const PARTS: u64 = 1000;
    let style =
        ProgressStyle::with_template("{wide_bar} {percent}% {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(PARTS).with_style(style)
}

pub(crate) fn update(bar: &ProgressBar, progress: &Progress<'_>) {
    let Progress { done, strategy, threads, .. } = *progress;
    bar.set_position((done * bar.length().unwrap_or(1) as f64) as u64);
    bar.set_message(format!("{strategy}, threads: {threads}"));
}
