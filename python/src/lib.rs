// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Python module `psref._native`: a thin face of the crate `psref`. Its types are in `_native.pyi`.
//!
//! Every class is frozen: what changes in it is atomic or behind a lock that is held for a few instructions and never while Python code
//! runs, so objects may be shared between threads with the interpreter's lock or without it.

mod about;
mod count;
mod errors;
mod experiment;
mod gate;
mod hold;
mod holders;
mod pool;
mod retire;
mod section;
mod stage;
mod target;
mod threads;
mod waiting;

/// Native half of psref.
use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::about::{Topology, backend, set_strict, stats_json, this_machine, why_not_rseq};
    #[pymodule_export]
    use super::count::LocalCount;
    #[pymodule_export]
    use super::experiment::{run_experiment, strategies};
    #[pymodule_export]
    use super::gate::Gate;
    #[pymodule_export]
    use super::hold::Hold;
    #[pymodule_export]
    use super::holders::{Holder, holders};
    #[pymodule_export]
    use super::pool::{ObjPool, PoolObject};
    #[pymodule_export]
    use super::retire::{retire_barrier, retire_poll};
    #[pymodule_export]
    use super::section::{Pserialize, ReadSection};
    #[pymodule_export]
    use super::target::{Class, Target};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        psref::leave_sleeping_to_callers(); // `errors::may_sleep` asks
        super::retire::see_to_the_end(module.py())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
