// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests of read sections share: a thread that reads until it is told, and one that performs.
#![allow(dead_code, reason = "each test program uses its part")]

use crate::asleep::{sleeps, tid};
use crate::common::until;
use psref::{GaveUp, Patience, Pserialize, ReadSection};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Scope, ScopedJoinHandle};

/// A thread inside a section, until it is told to leave or forgotten.
pub struct Reader {
    go: Sender<()>,
    left: Receiver<()>,
}

impl Reader {
    pub fn start<'s>(scope: &'s Scope<'s, '_>) -> Reader {
        let ((go, gone), (entered, is_inside), (leaves, left)) = (channel(), channel(), channel());
        scope.spawn(move || {
            let reading = ReadSection::enter();
            entered.send(()).unwrap();
            let _ = gone.recv();
            drop(reading);
            let _ = leaves.send(());
        });
        is_inside.recv().unwrap();
        Reader { go, left }
    }

    pub fn leave(self) {
        self.go.send(()).unwrap();
        self.left.recv().unwrap();
    }
}

/// A thread that performs; here once it sleeps.
pub fn performer<'s, 'e>(
    scope: &'s Scope<'s, 'e>,
    psz: &'e Pserialize,
    patience: Patience,
) -> ScopedJoinHandle<'s, Result<(), GaveUp>> {
    let (tells, told) = channel();
    let performer = scope.spawn(move || {
        tells.send(tid()).unwrap();
        psz.perform_within(patience).unwrap()
    });
    let tid = told.recv().unwrap();
    until("the performer to sleep", || sleeps(tid) || performer.is_finished());
    performer
}
