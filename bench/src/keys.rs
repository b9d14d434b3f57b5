// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which objects are looked up, drawn before the clock runs: the loop only reads a list, and every strategy reads the same.

use crate::Config;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Zipf};

/// For each thread a list, a power of two long, that it goes round in.
#[derive(Debug)]
pub(crate) struct Keys(Vec<Box<[u32]>>);

/// Long enough for every key to come up a few times, short enough to leave the cache to the objects.
const LENGTH: std::ops::RangeInclusive<usize> = 1 << 12..=1 << 16;

impl Keys {
    /// Draws for `threads` threads.
    pub fn draw(config: &Config, threads: usize) -> Keys {
        let length = (4 * config.keys).next_power_of_two().clamp(*LENGTH.start(), *LENGTH.end());
        let mut dice = StdRng::seed_from_u64(config.seed);
        // Popular keys are not neighbours in the table.
        let mut of_rank: Vec<u32> = (0..config.keys as u32).collect();
        of_rank.shuffle(&mut dice);
        // Refused: a number of keys or an exponent that the configuration's check refuses too.
        let zipf = if config.zipf > 0.0 { Zipf::new(config.keys as f64, config.zipf).ok() } else { None };
        let mut draw = || match &zipf {
            Some(zipf) => of_rank[(zipf.sample(&mut dice) as usize).clamp(1, config.keys) - 1],
            None => dice.random_range(0..config.keys as u32),
        };
        Keys((0..threads).map(|_| (0..length).map(|_| draw()).collect()).collect())
    }

    pub fn of(&self, thread: usize) -> Walk<'_> {
        Walk { keys: &self.0[thread], at: 0 }
    }
}

/// A place in a list.
pub(crate) struct Walk<'a> {
    keys: &'a [u32],
    at: usize,
}

impl Walk<'_> {
    #[inline]
    pub fn next(&mut self) -> usize {
        self.at = (self.at + 1) & (self.keys.len() - 1);
        self.keys[self.at] as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(zipf: f64) -> Vec<usize> {
        let config = Config { keys: 100, zipf, ..Config::default() };
        let keys = Keys::draw(&config, 1);
        let mut counts = vec![0; 100];
        let mut walk = keys.of(0);
        for _ in 0..keys.0[0].len() {
            counts[walk.next()] += 1;
        }
        counts.sort_unstable();
        counts
    }

    #[test]
    fn without_an_exponent_all_keys_are_alike() {
        let counts = counts(0.0);
        assert!(counts[0] > 0 && counts[99] < 3 * counts[50], "{counts:?}");
    }

    #[test]
    fn with_an_exponent_of_one_the_first_key_comes_twice_as_often_as_the_second() {
        let counts = counts(1.0);
        let ratio = counts[99] as f64 / counts[98] as f64;
        assert!((1.6..2.5).contains(&ratio), "{counts:?}");
    }

    #[test]
    fn the_same_seed_draws_the_same_keys_and_threads_have_their_own() {
        let config = Config { keys: 100, ..Config::default() };
        let (one, other) = (Keys::draw(&config, 2), Keys::draw(&config, 2));
        assert_eq!(one.0, other.0);
        assert_ne!(one.0[0], one.0[1]);
        assert_ne!(one.0, Keys::draw(&Config { seed: 2, ..config }, 2).0);
    }
}
