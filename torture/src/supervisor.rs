// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program that starts a run in a process of its own, stops and continues it, outlives its crash, and ends it if it hangs.

use crate::args::Args;
use crate::failure::MARK;
use crate::faults::Fault;
use crate::random::Random;
use crate::report::Figures;
use crate::system;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn interrupted(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    INTERRUPTED.store(true, SeqCst);
}

/// From here on Ctrl-C ends the runs, not this program.
pub fn forward_interrupts() {
    system::handle(libc::SIGINT, interrupted, 0);
}

/// Whether Ctrl-C came.
pub fn is_interrupted() -> bool {
    INTERRUPTED.load(SeqCst)
}

/// What a run said at its end.
pub struct Ended {
    pub figures: Figures,
    /// What was wrong; `None`: nothing.
    pub failure: Option<String>,
}

/// How a run differs from others.
#[derive(Clone, Default)]
pub struct Run {
    pub secs: u64,
    pub seed: u64,
    pub refuse_after: Option<u64>,
    pub plant: Option<&'static str>,
    pub environment: Vec<(&'static str, String)>,
    /// What it says on standard error is kept, and shown by nobody.
    pub silent: bool,
}

fn start(args: &Args, run: &Run) -> std::io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command.arg("--run").args(["--secs", &run.secs.to_string(), "--seed", &run.seed.to_string()]);
    command.args(["--patience", &args.patience.to_string(), "--library", &args.library]);
    let faults: Vec<String> = args.faults().iter().map(|fault| fault.name()).collect();
    command.args(["--faults", &faults.join(",")]);
    if let Some(threads) = args.threads {
        command.args(["--threads", &threads.to_string()]);
    }
    if let Some(after) = run.refuse_after {
        command.args(["--refuse-after", &after.to_string()]);
    }
    if let Some(bug) = run.plant {
        command.args(["--plant", bug]);
    }
    command.arg(format!("{:?}", args.which).to_lowercase());
    // A lost wake-up that the library's own look at the clock heals would pass unnoticed.
    command.env("PSREF_DRAIN_WARN", (args.patience + 1).to_string());
    command.envs(run.environment.iter().cloned());
    command.stdout(Stdio::piped());
    if run.silent {
        command.stderr(Stdio::piped());
    }
    // SAFETY: two system calls between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            libc::signal(libc::SIGINT, libc::SIG_IGN); // until it has a handler
            Ok(())
        })
    };
    command.spawn()
}

/// Runs it to its end, whatever that is.
pub fn run(args: &Args, run: &Run) -> std::io::Result<Ended> {
    let mut child = start(args, run)?;
    // Whatever it says is read while it runs: a full pipe would stop it.
    let read = |pipe: Option<Box<dyn Read + Send>>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
            String::from_utf8_lossy(&bytes).into_owned()
        })
    };
    let said = read(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let complained = read(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let (status, stops) = see_through(args, run, &mut child)?;
    let said = said.join().unwrap_or_default();
    let complained = complained.join().unwrap_or_default();
    let mut figures: Figures = serde_json::from_str(&said).unwrap_or_default();
    if args.faults().contains(&Fault::Stop) {
        figures.add_fault(Fault::Stop, stops);
    }
    let failure = (status.map(|status| status.code()) != Some(Some(0))).then(|| {
        let line =
            |mark: &str| complained.lines().find_map(|line| line.split_once(mark).map(|(_, what)| what.to_owned()));
        let ended = status.map_or("it hung and was killed".to_owned(), |status| match status.signal() {
            Some(signal) => format!("ended by signal {signal}"),
            None => format!("exit status {}", status.code().unwrap_or_default()),
        });
        figures.failure.clone().or_else(|| line(MARK)).or_else(|| line("psref: fatal: ")).unwrap_or(ended)
    });
    Ok(Ended { figures, failure })
}

/// Waits for its end, stops and continues it meanwhile; kills it where it hangs (`None`).
fn see_through(args: &Args, run: &Run, child: &mut Child) -> std::io::Result<(Option<ExitStatus>, u64)> {
    let pid = child.id().cast_signed();
    let limit = Instant::now() + Duration::from_secs(run.secs + 4 * args.patience + 30);
    let stopping = args.faults().contains(&Fault::Stop);
    let mut stops = 0;
    for n in 0.. {
        if let Some(status) = child.try_wait()? {
            return Ok((Some(status), stops));
        }
        if Instant::now() > limit {
            child.kill()?;
            child.wait()?;
            return Ok((None, stops));
        }
        // SAFETY: our own child, not yet waited for.
        let send = |signal| unsafe { libc::kill(pid, signal) };
        // Again and again: a run that has no handler yet does not hear it.
        if is_interrupted() {
            send(libc::SIGINT);
        }
        let mut random = Random::of(run.seed, 1 << 34, n);
        if stopping && random.one_in(4) {
            send(libc::SIGSTOP);
            system::pass(Duration::from_micros(random.below(20_000) as u64));
            send(libc::SIGCONT);
            stops += 1;
        }
        system::pass(Duration::from_millis(20 + random.below(60) as u64));
    }
    unreachable!("it ends, or is killed")
}
