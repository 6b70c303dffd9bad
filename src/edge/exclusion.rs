//! Whether a ward is excluded: kept down until somebody readmits it.
//!
//! By hand: the daemon stops the unit and leaves a mark, `/run/unitward/wards/WARD/excluded.json`. By the death limit: the
//! record of the run that ended last says so; where the line that notes the end did not run, the next start leaves a mark. Any start of the unit ends an exclusion: `unitward-step`
//! removes the mark at the first start it sees, and a unit that is up is not excluded whatever stands here.

use super::record::{GivenUp, RunRecord, StartKind, WardState};
use serde::{Deserialize, Serialize};
use std::io;

const FILE: &str = "excluded.json";

/// Why a ward is excluded by its death limit, in words.
const BY_LIMIT: &str = "its death limit was reached";

/// An exclusion in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclusion {
    /// Since when, milliseconds since the epoch.
    pub at: u64,
    /// Who decided it.
    pub by: By,
    /// Why, for people; empty where nobody said.
    pub why: String,
}

impl Exclusion {
    /// That of a ward whose death limit was reached then, milliseconds since the epoch.
    #[must_use]
    pub fn by_limit(at: u64) -> Self {
        Self { at, by: By::Limit, why: BY_LIMIT.to_owned() }
    }
}

/// Who decides an exclusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// An administrator.
    Hand,
    /// The death limit.
    Limit,
}

impl By {
    /// The word for it, in JSON and on the bus.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hand => "hand",
            Self::Limit => "limit",
        }
    }
}

/// How the ward's unit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is `inactive` or `failed`, or not loaded: nothing of it runs and no restart is waited for.
    Down,
    /// Anything else, a restart that is waited for among them.
    Up,
}

/// The mark as stored.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    at: u64,
    by: StoredBy,
    why: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StoredBy {
    Hand,
    Limit,
}

/// Whether a ward whose unit stands so is excluded, by whom and since when.
#[must_use]
pub fn of(state: &WardState, standing: Standing) -> Option<Exclusion> {
    match standing {
        Standing::Up => None,
        Standing::Down => load(state).or_else(|| by_limit(state)),
    }
}

/// The mark; none where there is none or it is damaged.
#[must_use]
pub fn load(state: &WardState) -> Option<Exclusion> {
    let stored: Stored = serde_json::from_slice(&state.read(FILE).ok()?).ok()?;
    let by = match stored.by {
        StoredBy::Hand => By::Hand,
        StoredBy::Limit => By::Limit,
    };
    Some(Exclusion { at: stored.at, by, why: stored.why })
}

/// Leaves the mark.
///
/// # Errors
/// When it cannot be written.
pub fn save(state: &WardState, exclusion: &Exclusion) -> io::Result<()> {
    let by = match exclusion.by {
        By::Hand => StoredBy::Hand,
        By::Limit => StoredBy::Limit,
    };
    let stored = Stored { at: exclusion.at, by, why: exclusion.why.clone() };
    state.write(FILE, &serde_json::to_vec(&stored)?)
}

/// Removes the mark; gives what it was.
///
/// # Errors
/// When it is there and cannot be removed.
pub fn remove(state: &WardState) -> io::Result<Option<Exclusion>> {
    let was = load(state);
    match state.remove(FILE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        removed => removed.map(|()| was),
    }
}

/// The death limit excludes with the end of a run; a run that came after it has readmitted the ward, though it may go on.
fn by_limit(state: &WardState) -> Option<Exclusion> {
    let runs = state.runs();
    let end = runs.iter().filter_map(|run| run.end.as_ref()).max_by_key(|end| end.at)?;
    let is_later = |run: &RunRecord| run.start != StartKind::Condition && run.begun.is_some_and(|begun| begun > end.at);
    let holds = end.given_up == Some(GivenUp::Exclude) && !runs.iter().any(is_later);
    holds.then(|| Exclusion::by_limit(end.at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::record::End;

    fn state(place: &tempfile::TempDir) -> WardState {
        WardState::below(place.path(), "a")
    }

    fn ended(state: &WardState, invocation: &str, (at, given_up): (u64, Option<GivenUp>)) {
        let end = End { asked: given_up.is_none(), limit_reached: given_up.is_some(), given_up, ..End::killed(at) };
        let record = RunRecord::new("a", "a.service", invocation, StartKind::First);
        state.save_run(&RunRecord { end: Some(end), ..record }).unwrap();
    }

    #[test]
    fn a_mark_holds_while_the_unit_is_down_and_until_it_is_removed() {
        let place = tempfile::tempdir().unwrap();
        let state = state(&place);
        assert_eq!((of(&state, Standing::Down), remove(&state).unwrap()), (None, None));
        let mark = Exclusion { at: 7, by: By::Hand, why: "it eats the disk".into() };
        save(&state, &mark).unwrap();
        assert_eq!(of(&state, Standing::Down), Some(mark.clone()));
        assert_eq!(of(&state, Standing::Up), None);
        assert_eq!(remove(&state).unwrap(), Some(mark));
        assert_eq!(load(&state), None);
    }

    #[test]
    fn a_damaged_mark_is_none_and_can_be_removed() {
        let place = tempfile::tempdir().unwrap();
        let state = state(&place);
        state.write(FILE, b"{").unwrap();
        assert_eq!(of(&state, Standing::Down), None);
        assert_eq!(remove(&state).unwrap(), None);
        assert!(state.read(FILE).is_err(), "it is gone");
    }

    #[test]
    fn a_death_limit_excludes_until_a_later_run() {
        let place = tempfile::tempdir().unwrap();
        let state = state(&place);
        ended(&state, "1", (5, Some(GivenUp::Exclude)));
        let exclusion = of(&state, Standing::Down).unwrap();
        assert_eq!((exclusion.at, exclusion.by), (5, By::Limit));
        assert_eq!(of(&state, Standing::Up), None);
        let later = |name, start| RunRecord { begun: Some(8), ..RunRecord::new("a", "a.service", name, start) };
        state.save_run(&later("services", StartKind::Condition)).unwrap();
        assert!(of(&state, Standing::Down).is_some(), "what [OnLimit] starts is no run of the unit");
        state.save_run(&later("2", StartKind::First)).unwrap();
        assert_eq!(of(&state, Standing::Down), None, "somebody has started it, and it has not ended");
        ended(&state, "2", (9, None));
        assert_eq!(of(&state, Standing::Down), None, "somebody has started it, and stopped it again");
        ended(&state, "3", (12, Some(GivenUp::RestartStack)));
        assert_eq!(of(&state, Standing::Down), None, "its stack was restarted");
    }
}
