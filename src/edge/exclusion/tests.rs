//! Tests of marks and of what the records show.

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
    for (bytes, why) in [("{", DAMAGED), ("", EMPTY)] {
        state.write(FILE, bytes.as_bytes()).unwrap();
        let mark = of(&state, Standing::Down).unwrap();
        assert_eq!((mark.by, mark.why.as_str()), (By::Unknown, why));
        assert!(mark.at > 1_000_000_000_000, "the file's time: {}", mark.at);
    }
    // The record of the last run tells that it was the death limit.
    ended(&state, "1", 5, Some(GivenUp::Exclude));
    let known = of(&state, Standing::Down).unwrap();
    assert_eq!((known.at, known.by), (5, By::Limit));
    ended(&state, "2", 6, None);
    remove(&state).unwrap();
    assert_eq!(of(&state, Standing::Down), None);
}

#[test]
fn a_file_that_only_gets_its_name_is_a_mark() {
    let place = tempfile::tempdir().unwrap();
    let state = state(&place);
    state.write(series_file::FILE, b"{}").unwrap();
    save_without_room(&state).unwrap();
    assert_eq!(load(&state).unwrap().by, By::Unknown);
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
