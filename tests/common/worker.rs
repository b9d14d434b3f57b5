// SPDX-License-Identifier: MIT OR Apache-2.0
//! A thread that does what it is told, one job after the other.

use std::sync::mpsc::{Receiver, Sender, channel};

type Job = Box<dyn FnOnce() + Send>;

pub struct Worker(Sender<Job>);

impl Worker {
    pub fn start() -> Worker {
        let (jobs, job): (Sender<Job>, Receiver<Job>) = channel();
        std::thread::spawn(move || job.into_iter().for_each(|job| job()));
        Worker(jobs)
    }

    pub fn begin<R: Send + 'static>(&self, f: impl FnOnce() -> R + Send + 'static) -> Receiver<R> {
        let (answer, answered) = channel();
        self.0.send(Box::new(move || drop(answer.send(f())))).expect("the worker lives");
        answered
    }

    pub fn run<R: Send + 'static>(&self, f: impl FnOnce() -> R + Send + 'static) -> R {
        self.begin(f).recv().expect("the job ends")
    }
}
