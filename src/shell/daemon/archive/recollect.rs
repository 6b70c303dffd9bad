//! The catch-up: ends and recoveries in the run records and the journal that the history does not
//! have.
//!
//! Three accounts of one end may be found: the run record below `/run`, which is of this boot; the
//! copy of it that `unitward-step` put into the journal; and PID 1's own messages. The first of
//! these that exists is used, because it is the more exact one. The result is in the order of the
//! journal, which holds also where the clock was set back; what only the run records have is of
//! this boot, and comes last in the order of its time.

use crate::core::crash::observation::InvocationId;
use crate::core::crash::tracker::{Activity, Evidence};
use crate::core::crash::verdict::Testimony;
use crate::core::crash::witness::{Restarted, TargetRestart};
use crate::core::recovery::account::Ended;
use crate::edge::history::entry::{Key, Witness};
use crate::edge::history::{HistoryError, Known};
use crate::edge::journal::{self, From, JournalRun, Scan};
use crate::edge::record::{self, RunRecord, StartKind, Up};
use crate::edge::recoveries::{self, Chain, UnderWay};
use crate::edge::up;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// The result of a catch-up.
#[derive(Debug, Default)]
pub(in crate::shell::daemon) struct Recollection {
    /// Ends and recoveries, oldest first; [`forget_the_known`] removes those that the history has.
    pub(in crate::shell::daemon) memories: Vec<Memory>,
    /// Restarts of targets, likewise.
    pub(in crate::shell::daemon) restarts: Vec<HandMade>,
    /// The present boot.
    pub(in crate::shell::daemon) boot: String,
    /// Cursor of the journal at which reading ended.
    pub(in crate::shell::daemon) cursor: Option<String>,
    /// Number of ends in the journal that were left out because there were too many.
    pub(in crate::shell::daemon) left_out: usize,
    /// True if time ran out before all of the journal was read: there is more behind `cursor`.
    pub(in crate::shell::daemon) unfinished: bool,
    /// The reason for which the journal could not be read.
    pub(in crate::shell::daemon) trouble: Option<String>,
}

/// A restart of a target that the journal shows; a restarter may have made it.
#[derive(Debug)]
pub(in crate::shell::daemon) struct HandMade {
    /// The run that it ended.
    pub(in crate::shell::daemon) key: Key,
    /// Time of the restart, in milliseconds since the epoch.
    pub(in crate::shell::daemon) at: u64,
    /// Units that systemd was about to restart by itself at that moment.
    pub(in crate::shell::daemon) scheduled: Vec<String>,
}

/// One thing that happened.
#[derive(Debug)]
pub(in crate::shell::daemon) enum Memory {
    /// A run ended.
    End(Recalled),
    /// A recovery from this death came to its end.
    Recovery(Key, Chain),
    /// A recovery from this death goes on in this boot.
    UnderWay(Key, UnderWay),
}

/// The end of a run that was not asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shell::daemon) struct Recalled {
    pub(in crate::shell::daemon) key: Key,
    pub(in crate::shell::daemon) testimony: Testimony,
    /// Activity of the run: if it was ever up; a oneshot is not.
    pub(in crate::shell::daemon) activity: Activity,
    pub(in crate::shell::daemon) witness: Witness,
}

/// Sort key of a memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Place in the journal.
    Journal(u64),
    /// Time of one that only the run records have.
    Records(u64),
}

/// All accounts of one run.
#[derive(Debug, Default)]
struct Accounts {
    record: Option<(RunRecord, Witness)>,
    journal: Option<(Testimony, Activity)>,
    /// Place of the journal's first entry on the run, which is not before it was up.
    up: Option<u64>,
    /// Place of the run's end in the journal.
    end: Option<u64>,
}

impl Recollection {
    /// Returns an empty result with this reason.
    pub(super) fn failed(why: String) -> Self {
        Self {
            boot: crate::edge::boot::id(),
            trouble: Some(why),
            ..Self::default()
        }
    }
}

/// File with the time at which the package was installed on this host for the first time, or again
/// after a purge, in seconds since the epoch. Earlier deaths are not reported: they were not ours,
/// or were reported before the purge. An image of a host has no such file, and all of its first
/// boot counts.
const INSTALLED: &str = "/var/lib/unitward/installed";

fn installed_at(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Reads the run records, and the journal from `cursor` on; takes minutes if the journal is large.
pub(super) fn gather(cursor: Option<&str>) -> Recollection {
    let from = cursor.map_or_else(
        || From::Boot(installed_at(Path::new(INSTALLED))),
        From::Cursor,
    );
    let (scan, trouble) = match journal::scan(from) {
        Ok(scan) => (scan, None),
        Err(error) => (Scan::default(), Some(error.to_string())),
    };
    let (cursor, left_out, unfinished) = (scan.cursor.clone(), scan.left_out, scan.unfinished);
    let boot = scan.boot.clone().unwrap_or_else(crate::edge::boot::id);
    let hand_made = |restart: &TargetRestart| {
        let TargetRestart {
            boot,
            unit,
            ended,
            at,
            scheduled,
        } = restart.clone();
        HandMade {
            key: Key {
                boot,
                unit,
                invocation: ended,
            },
            at,
            scheduled,
        }
    };
    let restarts = scan.restarts.iter().map(hand_made).collect();
    let mut records = record::all();
    up::complete(&mut records);
    let memories = remember(&side_by_side(scan, (&boot, records)), &boot);
    Recollection {
        memories,
        restarts,
        boot,
        cursor,
        left_out,
        unfinished,
        trouble,
    }
}

/// Collects the accounts of each run.
fn side_by_side(scan: Scan, (present, records): (&str, Vec<RunRecord>)) -> BTreeMap<Key, Accounts> {
    let mut runs: BTreeMap<Key, Accounts> = BTreeMap::new();
    for JournalRun {
        boot,
        record,
        first,
        last,
    } in scan.runs
    {
        if let Some(invocation) = InvocationId::parse(&record.invocation) {
            let accounts = runs
                .entry(Key {
                    boot,
                    unit: record.unit.clone(),
                    invocation,
                })
                .or_default();
            (accounts.up, accounts.end) = (Some(first), record.end.as_ref().map(|_| last));
            accounts.record = Some((record, Witness::Journal));
        }
    }
    for end in scan.ends {
        let accounts = runs
            .entry(Key {
                boot: end.boot,
                unit: end.unit,
                invocation: end.invocation,
            })
            .or_default();
        accounts.end = Some(end.place);
        accounts.journal = Some((end.testimony, end.activity));
    }
    for Restarted {
        boot,
        unit,
        invocation,
        follows,
        at,
        place,
    } in scan.restarted
    {
        // The run that died has a record if it is a ward's. A run that is up has no copy of its
        // record in the journal while it goes on, and a power cut takes the record with all of
        // /run.
        let died = |runs: &BTreeMap<Key, Accounts>| {
            let key = Key {
                boot: boot.clone(),
                unit: unit.clone(),
                invocation: follows.clone(),
            };
            runs.get(&key)
                .and_then(|accounts| Some(accounts.record.as_ref()?.0.ward.clone()))
        };
        let Some(ward) = died(&runs) else { continue };
        let accounts = runs
            .entry(Key {
                boot,
                unit: unit.clone(),
                invocation: invocation.clone(),
            })
            .or_default();
        accounts.up = Some(accounts.up.map_or(place, |up| up.min(place)));
        let record = || RunRecord {
            follows: Some(follows.to_string()),
            ..RunRecord::new(
                &ward,
                &unit,
                invocation.as_str(),
                StartKind::AfterAbnormalDeath,
            )
        };
        let (record, _) = accounts
            .record
            .get_or_insert_with(|| (record(), Witness::Journal));
        record.up = record.up.or(Some(Up {
            main: at,
            at,
            since_boot: None,
        }));
    }
    for record in records {
        if let Some(invocation) = InvocationId::parse(&record.invocation) {
            let key = Key {
                boot: present.to_owned(),
                unit: record.unit.clone(),
                invocation,
            };
            runs.entry(key).or_default().record = Some((record, Witness::Record));
        }
    }
    runs
}

/// Returns the deaths and recoveries among the runs, in their order.
fn remember(runs: &BTreeMap<Key, Accounts>, present: &str) -> Vec<Memory> {
    let mut memories = Vec::new();
    let answered = answered(runs);
    for (key, accounts) in runs {
        let end = accounts
            .ending()
            .filter(|(testimony, ..)| testimony.evidence == Evidence::Unasked);
        if let Some((testimony, activity, witness)) = end {
            let place = Place::of(accounts.end, testimony.at);
            memories.push((
                place,
                testimony.at,
                Memory::End(Recalled {
                    key: key.clone(),
                    testimony,
                    activity,
                    witness,
                }),
            ));
        }
        let lookup = |invocation: &str| {
            let invocation = InvocationId::parse(invocation)?;
            let accounts = runs.get(&Key {
                invocation,
                ..key.clone()
            })?;
            accounts.record.as_ref().map(|(record, _)| record.clone())
        };
        let record = accounts.record.as_ref().map(|(record, _)| record);
        let last = record.filter(|_| !answered.contains(key));
        if let Some(open) = last
            .and_then(|record| recoveries::under_way(record, &lookup))
            .filter(|open| open.has_begun)
            && let Some(invocation) = InvocationId::parse(&open.invocation)
        {
            let key = Key {
                invocation,
                ..key.clone()
            };
            let at = accounts.ending().map(|(testimony, ..)| testimony.at);
            let at = at
                .or(record.and_then(|record| record.begun))
                .unwrap_or(open.died.at);
            let place = Place::of(accounts.end.or(accounts.up), at);
            let memory = if key.boot == present {
                Memory::UnderWay(key, open)
            } else {
                Memory::Recovery(key, open.ended_early(at))
            };
            memories.push((place, at, memory));
        }
        for chain in record
            .map(|record| recoveries::chains(record, &lookup))
            .unwrap_or_default()
        {
            let (place, at) = accounts.over(&chain);
            if let Some(invocation) = InvocationId::parse(&chain.invocation) {
                memories.push((
                    place,
                    at,
                    Memory::Recovery(
                        Key {
                            invocation,
                            ..key.clone()
                        },
                        chain,
                    ),
                ));
            }
        }
    }
    // The sort is stable: of two at one place the death was pushed first, and stays first.
    memories.sort_by_key(|(place, at, _)| (*place, *at));
    memories.into_iter().map(|(.., memory)| memory).collect()
}

/// Returns the runs that a later run's record names.
fn answered(runs: &BTreeMap<Key, Accounts>) -> HashSet<Key> {
    let records = runs
        .iter()
        .filter_map(|(key, accounts)| Some((key, &accounts.record.as_ref()?.0)));
    let named = records.flat_map(|(key, record)| {
        let runs = [record.follows.as_deref(), record.breaks_off.as_deref()];
        runs.into_iter().flatten().map(move |run| (key, run))
    });
    named
        .filter_map(|(key, run)| {
            Some(Key {
                invocation: InvocationId::parse(run)?,
                ..key.clone()
            })
        })
        .collect()
}

impl Place {
    fn of(journal: Option<u64>, at: u64) -> Self {
        journal.map_or(Self::Records(at), Self::Journal)
    }
}

impl Accounts {
    /// Returns the end of the run by the best account of it.
    fn ending(&self) -> Option<(Testimony, Activity, Witness)> {
        let noted = self.record.as_ref().and_then(|(record, witness)| {
            Some((record.end.as_ref()?.testimony(), Activity::Seen, *witness))
        });
        noted.or_else(|| {
            let (testimony, activity) = self.journal.clone()?;
            Some((testimony, activity, Witness::Journal))
        })
    }

    /// Returns the place and time at which a recovery ended with this run: when it was up, or with
    /// its end.
    fn over(&self, chain: &Chain) -> (Place, u64) {
        let (place, at) = match chain.ended {
            Ended::Up => (
                self.up.or(self.end),
                chain
                    .attempts
                    .last()
                    .and_then(|attempt| attempt.up)
                    .map(|up| up.at),
            ),
            Ended::GivenUp(_) => (self.end, self.ending().map(|(testimony, ..)| testimony.at)),
            Ended::Early(at) => (self.end.or(self.up), Some(at)),
        };
        let at = at.unwrap_or(chain.died.at);
        (Place::of(place, at), at)
    }
}

/// Removes what the history has.
///
/// # Errors
/// The history cannot be read; what was removed before that stays removed.
pub(super) fn forget_the_known(
    history: Known<'_>,
    told: &mut Recollection,
) -> Result<(), HistoryError> {
    let Recollection {
        memories, restarts, ..
    } = told;
    let ended = restarts.iter().map(|restart| restart.key.clone()).collect();
    let unknown_restarts: HashSet<Key> = history.unknown_restarts(ended)?.into_iter().collect();
    restarts.retain(|restart| unknown_restarts.contains(&restart.key));
    let ends = memories.iter().filter_map(|memory| match memory {
        Memory::End(recalled) => Some(recalled.key.clone()),
        Memory::Recovery(..) | Memory::UnderWay(..) => None,
    });
    let unknown_deaths: HashSet<Key> = history
        .unknown_deaths(ends.collect())?
        .into_iter()
        .collect();
    let recovered = memories.iter().filter_map(Memory::recovered);
    let unknown_recoveries: HashSet<Key> = history
        .unknown_recoveries(recovered.collect())?
        .into_iter()
        .collect();
    memories.retain(|memory| match memory {
        Memory::End(recalled) => unknown_deaths.contains(&recalled.key),
        Memory::Recovery(..) | Memory::UnderWay(..) => memory
            .recovered()
            .is_some_and(|key| unknown_recoveries.contains(&key)),
    });
    Ok(())
}

impl Memory {
    /// Returns the death of a recovery.
    fn recovered(&self) -> Option<Key> {
        match self {
            Self::End(_) => None,
            Self::Recovery(key, _) | Self::UnderWay(key, _) => Some(key.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
