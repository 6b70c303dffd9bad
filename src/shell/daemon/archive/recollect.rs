//! The catch-up: ends and recoveries in the run records and the journal that the history does not
//! have.
//!
//! Three accounts of one end may be found: the run record below `/run`, which is of this boot; the
//! copy of it that `unitward-step` put into the journal; and PID 1's own messages. The first of
//! these that exists is used, because it is the more exact one. The result is in the order of the
//! journal, which holds also where the clock was set back; what only the run records have is of
//! this boot, and comes last in the order of its time.

mod order;
mod runs;

use crate::core::crash::tracker::Activity;
use crate::core::crash::verdict::Testimony;
use crate::core::crash::witness::TargetRestart;
use crate::edge::history::entry::{Key, Witness};
use crate::edge::history::{HistoryError, Known};
use crate::edge::journal::{self, From, Scan};
use crate::edge::record;
use crate::edge::recoveries::{Chain, UnderWay};
use crate::edge::up;
use runs::Runs;
use std::collections::HashSet;
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

impl HandMade {
    fn of(restart: TargetRestart) -> Self {
        let TargetRestart {
            boot,
            unit,
            ended,
            at,
            scheduled,
        } = restart;
        Self {
            key: Key {
                boot,
                unit,
                invocation: ended,
            },
            at,
            scheduled,
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
    let restarts = scan.restarts.iter().cloned().map(HandMade::of).collect();
    let mut records = record::all();
    up::complete(&mut records);
    let memories = order::remember(&Runs::collect(scan, &boot, records), &boot);
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
