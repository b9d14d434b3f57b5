// SPDX-License-Identifier: MIT OR Apache-2.0
//! What threads decide by: the same seed, thread and turn, the same decisions, whatever the other threads did.

/// A generator for one turn of one thread.
#[derive(Clone)]
pub struct Random(u64);

fn mixed(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    /// Of turn `turn` of thread `thread`.
    pub fn of(seed: u64, thread: u64, turn: u64) -> Random {
        Random(mixed(mixed(mixed(seed) ^ thread) ^ turn))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// A number less than `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Spins for a while that is mostly short and sometimes long.
    pub fn dawdle(&mut self) {
        let longest = 1 << self.below(10);
        for _ in 0..self.below(longest) {
            std::hint::spin_loop();
        }
        if self.one_in(64) {
            std::thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    fn decisions(seed: u64, thread: u64, turn: u64) -> Vec<usize> {
        let mut random = Random::of(seed, thread, turn);
        (0..50).map(|_| random.below(1000)).collect()
    }

    #[test]
    fn the_same_seed_thread_and_turn_decide_the_same() {
        assert_eq!(decisions(1, 2, 3), decisions(1, 2, 3));
    }

    #[test]
    fn another_seed_thread_or_turn_decides_otherwise() {
        let one = decisions(1, 2, 3);
        assert!([decisions(2, 2, 3), decisions(1, 3, 3), decisions(1, 2, 4)].iter().all(|other| *other != one));
    }
}
