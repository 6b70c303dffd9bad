//! The deaths and recoveries among the runs, in their order.

use super::runs::{Accounts, Runs, beside};
use super::{Memory, Recalled};
use crate::core::crash::tracker::Evidence;
use crate::core::recovery::account::Ended;
use crate::edge::history::entry::Key;
use crate::edge::recoveries::{self, Chain};

/// A memory with its sort key.
struct Placed {
    place: Place,
    /// Its time, in milliseconds since the epoch: the order of two at one place.
    at: u64,
    memory: Memory,
}

/// Sort key of a memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Place in the journal.
    Journal(u64),
    /// Time of one that only the run records have.
    Records(u64),
}

impl Place {
    fn of(journal: Option<u64>, at: u64) -> Self {
        journal.map_or(Self::Records(at), Self::Journal)
    }
}

/// Returns the deaths and recoveries among the runs, in their order.
pub(super) fn remember(runs: &Runs, present: &str) -> Vec<Memory> {
    let mut memories = Vec::new();
    let answered = runs.answered();
    for (key, accounts) in runs.iter() {
        memories.extend(death(key, accounts));
        if !answered.contains(key) {
            memories.extend(unfinished(runs, present, key, accounts));
        }
        memories.extend(finished(runs, key, accounts));
    }
    // The sort is stable: of two at one place the death was pushed first, and stays first.
    memories.sort_by_key(|placed| (placed.place, placed.at));
    memories.into_iter().map(|placed| placed.memory).collect()
}

/// Returns the end of a run that was not asked for.
fn death(key: &Key, accounts: &Accounts) -> Option<Placed> {
    let ending = accounts
        .ending()
        .filter(|ending| ending.testimony.evidence == Evidence::Unasked)?;
    let at = ending.testimony.at;
    Some(Placed {
        place: Place::of(accounts.end, at),
        at,
        memory: Memory::End(Recalled {
            key: key.clone(),
            testimony: ending.testimony,
            activity: ending.activity,
            witness: ending.witness,
        }),
    })
}

/// Returns the recovery that the latest run of a unit is a part of: one of an earlier boot ended
/// with the boot.
fn unfinished(runs: &Runs, present: &str, key: &Key, accounts: &Accounts) -> Option<Placed> {
    let record = accounts.record()?;
    let open = recoveries::under_way(record, &|run| runs.record_beside(key, run))
        .filter(|open| open.has_begun)?;
    let died = beside(key, &open.invocation)?;
    let at = accounts
        .ending()
        .map(|ending| ending.testimony.at)
        .or(record.begun)
        .unwrap_or(open.died.at);
    Some(Placed {
        place: Place::of(accounts.end.or(accounts.up), at),
        at,
        memory: if key.boot == present {
            Memory::UnderWay(died, open)
        } else {
            Memory::Recovery(died, open.ended_early(at))
        },
    })
}

/// Returns the recoveries that came to their end with a run.
fn finished(runs: &Runs, key: &Key, accounts: &Accounts) -> Vec<Placed> {
    let Some(record) = accounts.record() else {
        return Vec::new();
    };
    recoveries::chains(record, &|run| runs.record_beside(key, run))
        .into_iter()
        .filter_map(|chain| {
            let died = beside(key, &chain.invocation)?;
            Some(placed(accounts, died, chain))
        })
        .collect()
}

/// Places a recovery from the death `died` where it ended with this run: when the run was up, or
/// with its end.
fn placed(accounts: &Accounts, died: Key, chain: Chain) -> Placed {
    let (place, at) = match chain.ended {
        Ended::Up => (
            accounts.up.or(accounts.end),
            chain
                .attempts
                .last()
                .and_then(|attempt| attempt.up)
                .map(|up| up.at),
        ),
        Ended::GivenUp(_) => (
            accounts.end,
            accounts.ending().map(|ending| ending.testimony.at),
        ),
        Ended::Early(at) => (accounts.end.or(accounts.up), Some(at)),
    };
    let at = at.unwrap_or(chain.died.at);
    Placed {
        place: Place::of(place, at),
        at,
        memory: Memory::Recovery(died, chain),
    }
}
