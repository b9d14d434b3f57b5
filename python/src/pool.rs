// SPDX-License-Identifier: MIT OR Apache-2.0
//! Object pools, whose objects are buffers.
//!
//! B1. The memory of an object belongs to whoever has buffers of it, until it is pushed; it is pushed only where there are none.

use crate::errors::{ForeignObjectError, ReleasedError, may_sleep, not_made, number};
use crate::hold::warn_of_loss;
use psref::objpool::{Bytes, Piece, raw};
use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::ffi::c_int;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A fixed stock of objects of `object_size` bytes each (1 to 65,536), `nr_objs` of them (1 to 16,777,216), zeroed at first.
///
/// Taking one and giving it back are two per-CPU stores. All methods may be called by any thread.
#[pyclass(frozen, module = "psref", weakref)]
pub struct ObjPool {
    bytes: Arc<Bytes>,
    objects: usize,
}

impl ObjPool {
    /// Objects that were popped and not pushed: each keeps the pool, and so does this.
    fn out(&self) -> usize {
        Arc::strong_count(&self.bytes) - 1
    }
}

#[pymethods]
impl ObjPool {
    #[new]
    fn new(nr_objs: &Bound<'_, PyAny>, object_size: &Bound<'_, PyAny>) -> PyResult<ObjPool> {
        let objects = number("nr_objs", nr_objs, 1..=raw::OBJECTS_MAX as usize)?;
        let size = number("object_size", object_size, 1..=raw::SIZE_MAX as usize)?;
        may_sleep("ObjPool")?;
        let bytes = Bytes::new(objects, size).map_err(|e| not_made("a pool", e))?;
        Ok(ObjPool { bytes, objects })
    }

    /// Takes an object, with what its last owner left in it; None where none is free. Never waits.
    fn pop(&self) -> Option<PoolObject> {
        Some(PoolObject(Mutex::new(Owned { piece: Some(self.bytes.pop()?), buffers: 0 })))
    }

    /// Gives an object back. Never waits.
    ///
    /// Raises BufferError while it has buffers (memoryviews, arrays), ForeignObjectError for what is no object of this pool,
    /// ReleasedError for one that was pushed already.
    fn push(&self, obj: &Bound<'_, PyAny>) -> PyResult<()> {
        let Ok(object) = obj.cast::<PoolObject>() else {
            return Err(ForeignObjectError::new_err(format!(
                "pushed {}, expected an object that pop() of this pool answered",
                obj.repr()?
            )));
        };
        object.get().give_back(Some(&self.bytes))
    }

    /// What happened so far: `nr_objs` and `object_size`, `out` (objects popped and not pushed), and, counted since the pool was made,
    /// what took the slow paths.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let counted = self.bytes.statistics();
        let stats = PyDict::new(py);
        stats.set_item("nr_objs", self.objects)?;
        stats.set_item("object_size", self.bytes.size())?;
        stats.set_item("out", self.out())?;
        stats.set_item("misses", counted.misses)?;
        stats.set_item("failures", counted.failures)?;
        stats.set_item("depot_pops", counted.depot_pops)?;
        stats.set_item("depot_pushes", counted.depot_pushes)?;
        stats.set_item("recalls", counted.recalls)?;
        Ok(stats)
    }

    fn __repr__(&self) -> String {
        format!("<psref.ObjPool of {} objects of {} bytes, {} out>", self.objects, self.bytes.size(), self.out())
    }
}

/// An object that was popped: a writable buffer of bytes. Leaving the `with` block pushes it; so does its collection, with a
/// ResourceWarning.
#[pyclass(frozen, module = "psref", weakref)]
pub struct PoolObject(Mutex<Owned>);

struct Owned {
    /// None once it was pushed.
    piece: Option<Piece>,
    /// Buffers that are exported.
    buffers: usize,
}

impl PoolObject {
    fn owned(&self) -> MutexGuard<'_, Owned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pushes it; to `pool`, where one is given.
    fn give_back(&self, pool: Option<&Arc<Bytes>>) -> PyResult<()> {
        let mut owned = self.owned();
        let Some(piece) = &owned.piece else {
            return Err(ReleasedError::new_err("object pushed twice, expected one push for each pop"));
        };
        if pool.is_some_and(|pool| !Arc::ptr_eq(pool, piece.pool())) {
            return Err(ForeignObjectError::new_err(
                "pushed an object of another pool, expected one that pop() of this pool answered",
            ));
        }
        if owned.buffers != 0 {
            return Err(PyBufferError::new_err(format!(
                "object pushed while {} buffer(s) of it are in use, expected none: release the memoryviews and drop the arrays first",
                owned.buffers
            )));
        }
        owned.piece = None;
        Ok(())
    }
}

#[pymethods]
impl PoolObject {
    /// Bytes of it.
    #[getter]
    fn nbytes(&self) -> PyResult<usize> {
        match &self.owned().piece {
            Some(piece) => Ok(piece.len()),
            None => Err(ReleasedError::new_err("object used after its push, expected before")),
        }
    }

    fn __len__(&self) -> PyResult<usize> {
        self.nbytes()
    }

    /// # Safety
    /// Called by the interpreter, with a view to fill in.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let mut owned = slf.get().owned();
        let Some(piece) = &owned.piece else {
            return Err(PyBufferError::new_err("buffer of an object after its push, expected before"));
        };
        // SAFETY: the interpreter's view; B1: the memory is the owner's until the view is released, which `buffers` waits for, and
        // the view keeps this object.
        let answer = unsafe {
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), piece.as_ptr().cast(), piece.len().cast_signed(), 0, flags)
        };
        if answer != 0 {
            return Err(PyErr::fetch(slf.py()));
        }
        owned.buffers += 1;
        Ok(())
    }

    /// # Safety
    /// Called by the interpreter, once for each view that was filled in.
    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        let _ = view;
        self.owned().buffers -= 1;
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyResult<PyRef<'_, Self>> {
        slf.nbytes()?;
        Ok(slf)
    }

    #[pyo3(signature = (exc_type, exc_value, traceback, /))]
    fn __exit__(
        &self,
        exc_type: &Bound<'_, PyAny>,
        exc_value: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let _ = (exc_value, traceback);
        match self.give_back(None) {
            // An exception is on its way already: that one matters. Collection gives the object back.
            Err(_) if !exc_type.is_none() => Ok(()),
            answer => answer,
        }
    }

    fn __repr__(&self) -> String {
        let owned = self.owned();
        match &owned.piece {
            Some(piece) => format!(
                "<psref.PoolObject of {} bytes at {:#x}, {} buffer(s)>",
                piece.len(),
                piece.as_ptr().addr(),
                owned.buffers
            ),
            None => "<psref.PoolObject pushed>".to_owned(),
        }
    }
}

impl Drop for PoolObject {
    fn drop(&mut self) {
        // Buffers keep the object, so there are none.
        if self.owned().piece.take().is_some() {
            warn_of_loss("a psref.PoolObject was collected without push(); it is pushed now");
        }
    }
}
