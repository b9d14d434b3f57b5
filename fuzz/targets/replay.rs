// SPDX-License-Identifier: MIT OR Apache-2.0
//! replay TARGET FILE...: plays inputs, of directories all files, without libFuzzer; by any compiler. Built with the coverage of
//! `scripts/fuzz.sh --coverage` it appends to the file $PSREF_FUZZ_COVERAGE a line for each place in the program: its address, and
//! whether any input reached it.

use arbitrary::{Arbitrary, Unstructured};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::SeqCst};

fn play<'a, T: Arbitrary<'a>>(bytes: &'a [u8], play: fn(T)) {
    if let Ok(case) = T::arbitrary_take_rest(Unstructured::new(bytes)) {
        play(case);
    }
}

fn files(place: &Path) -> Vec<PathBuf> {
    if !place.is_dir() {
        return vec![place.to_owned()];
    }
    let mut all: Vec<_> = std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let target = arguments.next().expect("usage: replay TARGET FILE...");
    let mut inputs = 0;
    for file in arguments.flat_map(|place| files(Path::new(&place))) {
        let bytes = std::fs::read(&file).unwrap();
        match target.as_str() {
            "psref" => play(&bytes, psref_fuzz::psref::play),
            "localcount" => play(&bytes, psref_fuzz::localcount::play),
            "pserialize" => play(&bytes, psref_fuzz::pserialize::play),
            "gate" => play(&bytes, psref_fuzz::gate::play),
            "objpool" => play(&bytes, psref_fuzz::objpool::play),
            "retire" => play(&bytes, psref_fuzz::retire::play),
            other => panic!("no target is called {other}"),
        }
        inputs += 1;
        note_coverage();
    }
    if let Some(file) = std::env::var_os("PSREF_FUZZ_COVERAGE") {
        write_coverage(Path::new(&file)).unwrap();
    }
    println!("{target}: {inputs} inputs");
}

// What instrumented code registers itself with, before main: a byte for each place, and its address.
static COUNTERS: AtomicPtr<u8> = AtomicPtr::new(std::ptr::null_mut());
static PLACES: AtomicPtr<[usize; 2]> = AtomicPtr::new(std::ptr::null_mut());
static HOW_MANY: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" {
    static __executable_start: u8;
}

#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(first: *mut u8, end: *mut u8) {
    COUNTERS.store(first, SeqCst);
    HOW_MANY.store(end as usize - first as usize, SeqCst);
}

#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_pcs_init(first: *mut [usize; 2], _: *mut [usize; 2]) {
    PLACES.store(first, SeqCst);
}

/// Whether any input reached it, of each place.
static REACHED: Mutex<Vec<bool>> = Mutex::new(Vec::new());

/// After each input: counters are bytes, and what is reached 256 times is 0 again.
fn note_coverage() {
    let mut reached = REACHED.lock().unwrap();
    reached.resize(HOW_MANY.load(SeqCst), false);
    for (i, reached) in reached.iter_mut().enumerate() {
        // SAFETY: an array of so many, of this program's own; a count that is lost meanwhile is counted again.
        unsafe {
            let counter = COUNTERS.load(SeqCst).add(i);
            *reached |= counter.read_volatile() != 0;
            counter.write_volatile(0);
        }
    }
}

fn write_coverage(file: &Path) -> std::io::Result<()> {
    note_coverage();
    let reached = REACHED.lock().unwrap();
    assert!(!reached.is_empty(), "built without coverage");
    let mut out = std::io::BufWriter::new(std::fs::File::options().append(true).create(true).open(file)?);
    for (i, &reached) in reached.iter().enumerate() {
        // SAFETY: an array of as many.
        let [place, _] = unsafe { *PLACES.load(SeqCst).add(i) };
        // Those of functions that the linker left out have none.
        if let Some(offset) = place.checked_sub((&raw const __executable_start) as usize) {
            writeln!(out, "{offset:#x} {}", u8::from(reached))?;
        }
    }
    out.flush()
}
