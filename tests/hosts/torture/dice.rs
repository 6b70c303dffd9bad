//! Chance that can be repeated: SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).

use std::time::{Duration, SystemTime};

/// Environment variable with the seed of an earlier run.
const SEED: &str = "UNITWARD_TORTURE_SEED";

/// A sequence that its seed decides.
#[derive(Debug)]
pub(super) struct Dice {
    state: u64,
}

impl Dice {
    /// Takes the seed from the environment or draws one, and prints it: the deeds are the same next time, though not the
    /// instants at which a busy machine does them.
    pub(super) fn roll_or_repeat() -> Self {
        let drawn = || {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            now.expect("it is after 1970").as_nanos() as u64 % 1_000_000
        };
        let seed = super::number_from(SEED).unwrap_or_else(drawn);
        println!("{SEED}={seed}");
        Self { state: seed }
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// A time between these two, in milliseconds.
    pub(super) fn time(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.below(most - least))
    }

    /// All of these in another order.
    pub(super) fn shuffled<T: Copy>(&mut self, all: &[T]) -> Vec<T> {
        let mut deck = all.to_vec();
        for last in (1..deck.len()).rev() {
            deck.swap(last, self.below(last as u64 + 1) as usize);
        }
        deck
    }
}
