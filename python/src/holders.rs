// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who holds a target.

use crate::target::Target;
use pyo3::prelude::*;

/// Somebody who holds a target.
#[pyclass(frozen, module = "psref", get_all)]
pub struct Holder {
    /// The kernel's id of the thread that acquired the hold, as threading.get_native_id() has it; None: it has ended.
    thread: Option<u32>,
    /// The name that the kernel knows of the thread; "" where there is none.
    name: String,
    /// The CPU that it was acquired on; None where that is not known (without restartable sequences).
    cpu: Option<u32>,
    /// When it was acquired, as time.monotonic() tells the time; None but in strict mode.
    since: Option<f64>,
}

#[pymethods]
impl Holder {
    fn __repr__(&self) -> String {
        let thread = self.thread.map_or_else(|| "a thread that has ended".to_owned(), |tid| format!("thread {tid}"));
        let name = if self.name.is_empty() { String::new() } else { format!(" {:?}", self.name) };
        let cpu = self.cpu.map_or_else(String::new, |cpu| format!(", acquired on CPU {cpu}"));
        let since = self.since.map_or_else(String::new, |since| format!(", since {since:.3}"));
        format!("<psref.Holder {thread}{name}{cpu}{since}>")
    }
}

/// Who holds a target: one Holder for each hold. A hint while others acquire and release; good once the target drains.
/// Of one that was retired nothing is known.
#[pyfunction]
#[pyo3(signature = (target, /))]
pub(crate) fn holders(target: &Bound<'_, Target>) -> Vec<Holder> {
    let holder = |by: &psref::Holder| Holder {
        thread: by.tid,
        name: by.name().to_owned(),
        cpu: by.cpu,
        since: by.since.map(|ns| ns as f64 * 1e-9),
    };
    target.get().held_by().iter().map(holder).collect()
}
