// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which back end this process uses: chosen once, before first use, and never revised.

use super::errno::Errno;
use super::{membarrier, process, tls};

/// How per-CPU memory is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Restartable sequences, with membarrier on the side that destroys.
    Rseq,
    /// Ordinary atomics.
    Atomic,
}

impl Backend {
    /// The name that `PSREF_BACKEND` and `psref_backend()` use.
    pub const fn name(self) -> &'static str {
        match self {
            Backend::Rseq => "rseq",
            Backend::Atomic => "atomic",
        }
    }
}

/// What `PSREF_BACKEND` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Auto,
    Only(Backend),
}

/// The environment's wish; an unknown word is told to the caller.
pub(crate) fn wish() -> Result<Wish, String> {
    let wish = process::environment(c"PSREF_BACKEND", |text| {
        Some(match text {
            "" | "auto" => Ok(Wish::Auto),
            "rseq" => Ok(Wish::Only(Backend::Rseq)),
            "atomic" => Ok(Wish::Only(Backend::Atomic)),
            other => Err(other.to_owned()),
        })
    });
    wish.unwrap_or(Ok(Wish::Auto))
}

/// Whether sections can be used here, and why not. Registers the process for membarrier when they can.
pub(crate) fn rseq_works() -> Result<(), &'static str> {
    if !tls::has_rseq() {
        return Err("the C library has not registered rseq (glibc before 2.35, GLIBC_TUNABLES, valgrind, old kernel)");
    }
    match membarrier::register(process::kernel()) {
        Ok(()) => Ok(()),
        Err(Errno(libc::EPERM)) => Err("membarrier is refused (seccomp)"),
        Err(_) => Err("the kernel has no membarrier with restart (before 5.10)"),
    }
}
