//! A model test of the outbox with a simple history, main loop and broker, for random orders of
//! events: no report is lost, none is sent again once acknowledged, none overtakes another of its
//! lane and channel, declined reports are not held, and memory stays bounded.
//!
//! The order of events is random and the same in each run: each seed makes its own.

mod world;

use world::World;

const SEEDS: u64 = 300;
const STEPS: usize = 4_000;

#[test]
fn no_report_is_lost_doubled_or_overtaken() {
    let mut seen = Seen::default();
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
        }
        world.come_to_rest();
        seen.add(&world.seen);
    }
    // The model would show nothing if these had not happened.
    let Seen {
        crashes,
        asked,
        forgotten,
        losses,
        parked,
        refused,
        unanswered,
        declined,
        shut,
    } = seen;
    assert!(
        crashes > 10_000 && asked > 2_000 && forgotten > 10_000 && forgotten < crashes - 5_000,
        "{seen:?}"
    );
    assert!(
        losses > 2_000 && parked > 50 && refused > 100 && unanswered > 100,
        "{seen:?}"
    );
    assert!(declined > 2_000 && shut > 500, "{seen:?}");
}

/// Numbers of events.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    crashes: u32,
    asked: u32,
    forgotten: u32,
    losses: u32,
    parked: u32,
    refused: u32,
    unanswered: u32,
    declined: u32,
    shut: u32,
}

impl Seen {
    fn add(&mut self, more: &Self) {
        self.crashes += more.crashes;
        self.asked += more.asked;
        self.forgotten += more.forgotten;
        self.losses += more.losses;
        self.parked += more.parked;
        self.refused += more.refused;
        self.unanswered += more.unanswered;
        self.declined += more.declined;
        self.shut += more.shut;
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}
