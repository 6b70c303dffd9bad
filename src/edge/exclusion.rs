//! Exclusions: a ward is kept down until somebody readmits it.
//!
//! An exclusion is a mark, `/run/unitward/wards/WARD/excluded.json`. While it exists PID 1 refuses
//! to start the ward's unit ([`crate::core::unit::mark_of`]). The daemon or the command writes it
//! on root's request, `unitward-step` at the death limit, in both cases before the unit is stopped.
//! Units that would start this one again and again are stopped too, and noted in the mark, so that
//! a readmission starts them.
//!
//! If the mark of a death limit could not be written, or an older version had no marks, the record
//! of the run that ended last shows the exclusion. A unit that is up is not excluded, whatever the
//! mark says: PID 1 may have refused to stop it.

use super::record::{GivenUp, StartKind, WardState};
use super::series_file;
use serde::{Deserialize, Serialize};
use std::io;

const FILE: &str = "excluded.json";

/// Reason of an exclusion by the death limit, in words.
const BY_LIMIT: &str = "its death limit was reached";

/// Reasons that stand for a mark that is empty, as one is that was made on a full disk, or cannot
/// be read. The time of its file stands for the time of the exclusion.
const EMPTY: &str =
    "the mark is empty: by whom is not known, since when by the time of the mark's file";
const DAMAGED: &str =
    "the mark is damaged: by whom is not known, since when by the time of the mark's file";

/// An exclusion in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclusion {
    /// Time of the exclusion, in milliseconds since the epoch; 0: not known.
    pub at: u64,
    /// The one who decided it.
    pub by: By,
    /// Reason, for people; empty if none was given.
    pub why: String,
    /// Sockets, timers and paths that were stopped with the unit.
    pub triggers: Vec<String>,
}

impl Exclusion {
    /// Returns the exclusion of a ward whose death limit was reached at this time, in milliseconds
    /// since the epoch.
    #[must_use]
    pub fn by_limit(at: u64) -> Self {
        Self {
            at,
            by: By::Limit,
            why: BY_LIMIT.to_owned(),
            triggers: Vec::new(),
        }
    }
}

/// The one who decides an exclusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// An administrator.
    Hand,
    /// The death limit.
    Limit,
    /// Not known: the mark is empty or damaged. It holds like that of an administrator.
    Unknown,
}

impl By {
    /// Returns the word for it, in JSON and on the bus.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hand => "hand",
            Self::Limit => "limit",
            Self::Unknown => "unknown",
        }
    }
}

/// State of the ward's unit, as far as exclusions need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is `inactive` or `failed`, or not loaded: nothing of it runs and no restart is pending.
    Down,
    /// Anything else, including a pending restart.
    Up,
}

/// The mark, as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    at: u64,
    by: StoredBy,
    why: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    triggers: Vec<String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StoredBy {
    Hand,
    Limit,
    Unknown,
}

/// Returns the exclusion of a ward whose unit is in this state; `None` if it is not excluded.
#[must_use]
pub fn of(state: &WardState, standing: Standing) -> Option<Exclusion> {
    match standing {
        Standing::Up => None,
        // A record may know more than a mark that is empty.
        Standing::Down => match load(state) {
            Some(mark) if mark.by == By::Unknown => by_limit(state).or(Some(mark)),
            mark => mark.or_else(|| by_limit(state)),
        },
    }
}

/// Reads the mark; `None` if there is none. A damaged one keeps the unit down like any other.
#[must_use]
pub fn load(state: &WardState) -> Option<Exclusion> {
    let bytes = match state.read(FILE) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(_) => Vec::new(),
    };
    let Ok(stored) = serde_json::from_slice::<Stored>(&bytes) else {
        return Some(Exclusion {
            at: state.written(FILE).unwrap_or(0),
            by: By::Unknown,
            why: if bytes.is_empty() { EMPTY } else { DAMAGED }.to_owned(),
            triggers: Vec::new(),
        });
    };
    let by = match stored.by {
        StoredBy::Hand => By::Hand,
        StoredBy::Limit => By::Limit,
        StoredBy::Unknown => By::Unknown,
    };
    Some(Exclusion {
        at: stored.at,
        by,
        why: stored.why,
        triggers: stored.triggers,
    })
}

/// Writes the mark.
///
/// # Errors
/// If it cannot be written.
pub fn save(state: &WardState, exclusion: &Exclusion) -> io::Result<()> {
    let by = match exclusion.by {
        By::Hand => StoredBy::Hand,
        By::Unknown => StoredBy::Unknown,
        By::Limit => StoredBy::Limit,
    };
    let stored = Stored {
        at: exclusion.at,
        by,
        why: exclusion.why.clone(),
        triggers: exclusion.triggers.clone(),
    };
    state
        .write(FILE, &serde_json::to_vec(&stored)?)
        .or_else(|error| save_without_room(state).map_err(|_| error))
}

/// Writes an empty mark, for a `/run` that has no room: a service fills it by its
/// `RuntimeDirectory=`. An empty file takes no room; if there is no inode either, the file of the
/// series is renamed: its counts end with the exclusion.
fn save_without_room(state: &WardState) -> io::Result<()> {
    state
        .write(FILE, &[])
        .or_else(|_| state.rename(series_file::FILE, FILE))
}

/// Writes the mark of a death limit that was reached at `now`, in milliseconds since the epoch. An
/// exclusion by a person, made meanwhile, stays as it is.
///
/// # Errors
/// If it cannot be written.
pub fn save_by_limit(state: &WardState, triggers: Vec<String>, now: u64) -> io::Result<()> {
    let mark = match load(state) {
        Some(mark) if mark.by != By::Limit => return Ok(()),
        // Triggers that were stopped before are down, and still to be started by a readmission.
        Some(mark) => Exclusion {
            triggers: merged(mark.triggers, triggers),
            ..mark
        },
        None => Exclusion {
            triggers,
            ..Exclusion::by_limit(now)
        },
    };
    save(state, &mark)
}

fn merged(mut before: Vec<String>, more: Vec<String>) -> Vec<String> {
    before.extend(more);
    before.sort_unstable();
    before.dedup();
    before
}

/// Removes the mark and returns it; `None` if there was none.
///
/// # Errors
/// If it is there and cannot be removed.
pub fn remove(state: &WardState) -> io::Result<Option<Exclusion>> {
    let was = load(state);
    match state.remove(FILE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        removed => removed.map(|()| was),
    }
}

/// Returns the exclusion that the run records show: the run that ended last reached the death
/// limit. A run that began after that end has readmitted the ward, even if it goes on.
fn by_limit(state: &WardState) -> Option<Exclusion> {
    let runs = state.runs();
    let end = runs
        .iter()
        .filter_map(|run| run.end.as_ref())
        .max_by_key(|end| end.in_order())?;
    let is_over = runs
        .iter()
        .any(|run| run.start != StartKind::Condition && run.has_begun_after(end));
    let holds = end.given_up == Some(GivenUp::Exclude) && !is_over;
    holds.then(|| Exclusion::by_limit(end.at))
}

#[cfg(test)]
mod tests;
