// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the process runs on.

use crate::errors::number;
use psref::topology::{self, Source};
use pyo3::prelude::*;
use std::collections::BTreeMap;

/// The back end of this process, chosen at first use: "rseq" (restartable sequences) or "atomic".
#[pyfunction]
pub(crate) fn backend() -> &'static str {
    psref::backend().name()
}

/// Why backend() is not "rseq", where it is not; else None.
#[pyfunction]
pub(crate) fn why_not_rseq() -> Option<&'static str> {
    psref::why_not_rseq()
}

/// Turns strict mode on or off for the classes, counts and pools that are made from now on, whatever PSREF_STRICT in
/// the environment says: since when something is held is remembered, what may sleep raises inside a read section, and
/// all is slower.
#[pyfunction]
#[pyo3(signature = (on, /))]
pub(crate) fn set_strict(on: bool) {
    psref::set_strict(on);
}

/// Statistics as JSON.
#[pyfunction]
pub(crate) fn stats_json() -> String {
    psref::stats::take().to_json()
}

/// Which CPU lies on which NUMA node, as memory is placed by; loaded once.
#[pyfunction]
#[pyo3(name = "topology")]
pub(crate) fn this_machine(py: Python<'_>) -> Topology {
    Topology(py.detach(psref::topology))
}

/// The CPUs and their NUMA nodes.
#[pyclass(frozen, module = "psref")]
pub struct Topology(&'static topology::Topology);

impl Topology {
    fn cpu(&self, cpu: &Bound<'_, PyAny>) -> PyResult<usize> {
        number("cpu", cpu, 0..=self.0.cpus() - 1)
    }
}

#[pymethods]
impl Topology {
    /// Who described the machine: "hwloc", "sysfs", or "single" (nobody: it counts as one node).
    #[getter]
    fn source(&self) -> &'static str {
        match self.0.source() {
            Source::Hwloc => "hwloc",
            Source::Sysfs => "sysfs",
            _ => "single",
        }
    }

    /// How many CPUs are possible; their ids are below this.
    #[getter]
    fn cpus(&self) -> usize {
        self.0.cpus()
    }

    /// The CPUs that each node with memory is nearest to.
    #[getter]
    fn nodes(&self) -> BTreeMap<u32, Vec<usize>> {
        let mut nodes = BTreeMap::<u32, Vec<usize>>::new();
        for cpu in 0..self.0.cpus() {
            if let Some(node) = self.0.node_of(cpu) {
                nodes.entry(node).or_default().push(cpu);
            }
        }
        nodes
    }

    /// The node nearest to a CPU that has memory; None where nothing is known.
    fn node_of(&self, cpu: &Bound<'_, PyAny>) -> PyResult<Option<u32>> {
        Ok(self.0.node_of(self.cpu(cpu)?))
    }

    /// The nodes with memory, nearest to a CPU first.
    fn nodes_near(&self, cpu: &Bound<'_, PyAny>) -> PyResult<Vec<u32>> {
        Ok(self.0.nodes_near(self.cpu(cpu)?).to_vec())
    }

    /// All other possible CPUs, nearest to a CPU first.
    fn cpus_near(&self, cpu: &Bound<'_, PyAny>) -> PyResult<Vec<usize>> {
        Ok(self.0.cpus_near(self.cpu(cpu)?))
    }

    fn __repr__(&self) -> String {
        let nodes = self.nodes();
        let known = nodes.values().map(Vec::len).sum::<usize>();
        format!(
            "<psref.Topology of {} possible CPUs, {known} of them on {} node(s), by {}>",
            self.0.cpus(),
            nodes.len(),
            self.source()
        )
    }
}
