// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an oracle may be wrong about, and all of it.

/// The type `Mutant`: `None`, and those named.
macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Mutant {
            None,
            $($(#[$doc])* $name,)+
        }

        impl Mutant {
            /// All but `None`.
            const ALL: &[Mutant] = &[$(Mutant::$name),+];
        }
    };
}
