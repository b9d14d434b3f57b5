// SPDX-License-Identifier: MIT OR Apache-2.0
//! What scripts/asan.sh must see: memory used after an end that came too early, and memory that is lost. Run by it alone; without
//! AddressSanitizer nothing is noticed.

/// A batch that does not look who holds its targets frees what a guard still shows.
#[cfg(feature = "inject")]
#[test]
#[ignore = "only AddressSanitizer notices"]
fn what_ends_while_it_is_held_is_reported() {
    psref::inject::plant(&[psref::inject::Bug::HoldersIgnored]);
    let class = psref::Class::new("held").unwrap();
    let target = psref::Target::new(&class, vec![1_u64; 100]);
    let guard = target.acquire().unwrap();
    target.retire(drop).unwrap();
    psref::retire::barrier();
    // Read as long as it was right to.
    assert_eq!(guard.len(), 100);
    std::process::exit(0); // its release would wait for what is not there
}

/// A target that nobody ends is its value lost.
#[test]
#[ignore = "only LeakSanitizer notices"]
fn what_is_never_ended_is_reported() {
    let class = psref::Class::new("lost").unwrap();
    std::mem::forget(psref::Target::new(&class, vec![1_u64; 100]));
}
