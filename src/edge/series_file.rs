//! Reads and writes a ward's [`Series`]: `/run/unitward/wards/WARD/series.json`.

use super::record::WardState;
use crate::core::recovery::Series;
use crate::core::recovery::series::LastEnd;
use serde::{Deserialize, Serialize};
use std::io;

/// Name of the file.
pub(super) const FILE: &str = "series.json";

/// The series, as it is stored; times in milliseconds since boot.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    restarts: u32,
    deaths: Vec<u64>,
    nrestarts: u32,
    #[serde(default)]
    open: bool,
    up_since: Option<u64>,
    last_end: StoredEnd,
    #[serde(default)]
    died_in: Option<String>,
    #[serde(default)]
    restart_due: Option<u64>,
    #[serde(default)]
    limit_at: usize,
    spent: Vec<String>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StoredEnd {
    Unknown,
    Asked,
    Death,
    AbnormalDeath,
}

/// Returns the series of a ward; a fresh one if there is none or it is damaged.
#[must_use]
pub fn load(state: &WardState) -> Series {
    let stored = state
        .read(FILE)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Stored>(&bytes).ok());
    stored.map(Series::from).unwrap_or_default()
}

/// Replaces the series of a ward.
///
/// # Errors
/// If it cannot be written.
pub fn save(state: &WardState, series: &Series) -> io::Result<()> {
    state.write(FILE, &serde_json::to_vec(&Stored::from(series))?)
}

/// Takes back what the series of a ward says, at its readmission. That needs no room.
///
/// # Errors
/// If it is there and cannot be removed.
#[cfg(feature = "full")]
pub fn readmit(state: &WardState) -> io::Result<()> {
    let series = load(state);
    match state.remove(FILE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        removed => removed?,
    }
    if let Some(series) = series.readmitted() {
        // Without room a recovery that was under way is not told as ended.
        let _ = save(state, &series);
    }
    Ok(())
}

impl From<Stored> for Series {
    fn from(stored: Stored) -> Self {
        Self {
            restarts: stored.restarts,
            deaths: stored.deaths,
            nrestarts: stored.nrestarts,
            open: stored.open,
            up_since: stored.up_since,
            last_end: match stored.last_end {
                StoredEnd::Unknown => LastEnd::Unknown,
                StoredEnd::Asked => LastEnd::Asked,
                StoredEnd::Death => LastEnd::Death,
                StoredEnd::AbnormalDeath => LastEnd::AbnormalDeath,
            },
            died_in: stored.died_in,
            restart_due: stored.restart_due,
            limit_at: stored.limit_at,
            spent: stored.spent.into_iter().collect(),
        }
    }
}

impl From<&Series> for Stored {
    fn from(series: &Series) -> Self {
        Self {
            restarts: series.restarts,
            deaths: series.deaths.clone(),
            nrestarts: series.nrestarts,
            open: series.open,
            up_since: series.up_since,
            last_end: match series.last_end {
                LastEnd::Unknown => StoredEnd::Unknown,
                LastEnd::Asked => StoredEnd::Asked,
                LastEnd::Death => StoredEnd::Death,
                LastEnd::AbnormalDeath => StoredEnd::AbnormalDeath,
            },
            died_in: series.died_in.clone(),
            restart_due: series.restart_due,
            limit_at: series.limit_at,
            spent: series.spent.iter().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_series_is_read_back_and_a_damaged_one_begins_afresh() {
        let place = tempfile::tempdir().unwrap();
        let state = WardState::below(place.path(), "a");
        assert_eq!(load(&state), Series::default());
        let series = Series {
            restarts: 3,
            deaths: vec![1, 2],
            nrestarts: 7,
            open: true,
            up_since: Some(5),
            last_end: LastEnd::Death,
            died_in: Some("0123456789abcdef0123456789abcdef".into()),
            restart_due: Some(9),
            limit_at: 6,
            spent: ["OnDeath".to_owned()].into(),
        };
        save(&state, &series).unwrap();
        assert_eq!(load(&state), series);
        state.write(FILE, b"{\"restarts\":").unwrap();
        assert_eq!(load(&state), Series::default());
    }
}
