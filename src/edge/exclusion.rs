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

/// Reason that stands for a mark that cannot be read.
const DAMAGED: &str = "the mark of its exclusion is damaged";

/// An exclusion in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclusion {
    /// Time of the exclusion, in milliseconds since the epoch.
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
}

impl By {
    /// Returns the word for it, in JSON and on the bus.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hand => "hand",
            Self::Limit => "limit",
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
}

/// Returns the exclusion of a ward whose unit is in this state; `None` if it is not excluded.
#[must_use]
pub fn of(state: &WardState, standing: Standing) -> Option<Exclusion> {
    match standing {
        Standing::Up => None,
        Standing::Down => load(state).or_else(|| by_limit(state)),
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
            at: 0,
            by: By::Hand,
            why: DAMAGED.to_owned(),
            triggers: Vec::new(),
        });
    };
    let by = match stored.by {
        StoredBy::Hand => By::Hand,
        StoredBy::Limit => By::Limit,
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
        Some(mark) if mark.by == By::Hand => return Ok(()),
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
mod tests {
    use super::*;
    use crate::core::unit::mark_of;
    use crate::edge::record::{End, RunRecord, STATE_DIRECTORY};

    fn state(place: &tempfile::TempDir) -> WardState {
        WardState::below(place.path(), "a")
    }

    fn ended(state: &WardState, invocation: &str, at: u64, given_up: Option<GivenUp>) {
        let end = End {
            asked: given_up.is_none(),
            limit_reached: given_up.is_some(),
            given_up,
            ..End::killed(at)
        };
        save_ended(state, invocation, end);
    }

    fn save_ended(state: &WardState, invocation: &str, end: End) {
        let record = RunRecord::new("a", "a.service", invocation, StartKind::First);
        state
            .save_run(&RunRecord {
                end: Some(end),
                ..record
            })
            .unwrap();
    }

    #[test]
    fn a_mark_holds_while_the_unit_is_down_and_until_it_is_removed() {
        let place = tempfile::tempdir().unwrap();
        let state = state(&place);
        assert_eq!(
            (of(&state, Standing::Down), remove(&state).unwrap()),
            (None, None)
        );
        let triggers = vec!["a.socket".to_owned()];
        let mark = Exclusion {
            at: 7,
            by: By::Hand,
            why: "it eats the disk".into(),
            triggers,
        };
        save(&state, &mark).unwrap();
        assert_eq!(of(&state, Standing::Down), Some(mark.clone()));
        assert_eq!(of(&state, Standing::Up), None);
        assert_eq!(remove(&state).unwrap(), Some(mark));
        assert_eq!(load(&state), None);
    }

    #[test]
    fn a_damaged_mark_excludes_as_it_does_for_systemd_and_can_be_removed() {
        let place = tempfile::tempdir().unwrap();
        let state = state(&place);
        state.write(FILE, b"{").unwrap();
        assert_eq!(of(&state, Standing::Down).unwrap().why, DAMAGED);
        remove(&state).unwrap();
        assert_eq!(of(&state, Standing::Down), None);
    }

    #[test]
    fn a_file_that_only_gets_its_name_is_a_mark() {
        let place = tempfile::tempdir().unwrap();
        let state = state(&place);
        state.write(series_file::FILE, b"{}").unwrap();
        save_without_room(&state).unwrap();
        assert_eq!(load(&state).unwrap().by, By::Hand);
        remove(&state).unwrap();
        state.rename(series_file::FILE, FILE).unwrap();
        assert_eq!(load(&state).unwrap().why, DAMAGED);
    }

    #[test]
    fn the_mark_is_the_file_that_systemd_looks_for_and_an_older_one_is_read() {
        assert_eq!(mark_of("a"), format!("{STATE_DIRECTORY}/a/{FILE}"));
        let place = tempfile::tempdir().unwrap();
        let state = state(&place);
        state
            .write(FILE, br#"{"at":7,"by":"hand","why":"x"}"#)
            .unwrap();
        let mark = Exclusion {
            at: 7,
            by: By::Hand,
            why: "x".into(),
            triggers: Vec::new(),
        };
        assert_eq!(load(&state), Some(mark));
    }

    #[test]
    fn what_was_last_is_told_by_the_boots_clock_whatever_the_wall_clock_says() {
        let given_up = |at, since_boot| End {
            limit_reached: true,
            given_up: Some(GivenUp::Exclude),
            since_boot: Some(since_boot),
            ..End::killed(at)
        };
        let place = tempfile::tempdir().unwrap();
        let state = state(&place);
        // The clock was a year ahead at the first end, and was set right before the second.
        save_ended(
            &state,
            "1",
            End {
                asked: true,
                since_boot: Some(1_000),
                ..End::killed(31_536_000_000)
            },
        );
        save_ended(&state, "2", given_up(7_000, 5_000));
        assert_eq!(
            of(&state, Standing::Down).map(|exclusion| exclusion.at),
            Some(7_000)
        );
        // It goes back once more before a run that readmits the ward.
        let record = RunRecord::new("a", "a.service", "3", StartKind::First);
        state
            .save_run(&RunRecord {
                begun: Some(3_000),
                begun_since_boot: Some(6_000),
                ..record.clone()
            })
            .unwrap();
        assert_eq!(of(&state, Standing::Down), None);
        // Or forward, after a run that came before.
        let early = RunRecord {
            begun: Some(90_000),
            begun_since_boot: Some(4_000),
            ..record
        };
        state.save_run(&early).unwrap();
        assert!(of(&state, Standing::Down).is_some());
    }

    #[test]
    fn a_death_limit_excludes_until_a_later_run() {
        let place = tempfile::tempdir().unwrap();
        let state = state(&place);
        ended(&state, "1", 5, Some(GivenUp::Exclude));
        let exclusion = of(&state, Standing::Down).unwrap();
        assert_eq!((exclusion.at, exclusion.by), (5, By::Limit));
        assert_eq!(of(&state, Standing::Up), None);
        let later = |name, start| RunRecord {
            begun: Some(8),
            ..RunRecord::new("a", "a.service", name, start)
        };
        state
            .save_run(&later("services", StartKind::Condition))
            .unwrap();
        assert!(
            of(&state, Standing::Down).is_some(),
            "what [OnLimit] starts is no run of the unit"
        );
        state.save_run(&later("2", StartKind::First)).unwrap();
        assert_eq!(
            of(&state, Standing::Down),
            None,
            "somebody has started it, and it has not ended"
        );
        ended(&state, "2", 9, None);
        assert_eq!(
            of(&state, Standing::Down),
            None,
            "somebody has started it, and stopped it again"
        );
        ended(&state, "3", 12, Some(GivenUp::RestartStack));
        assert_eq!(of(&state, Standing::Down), None, "its stack was restarted");
    }
}
