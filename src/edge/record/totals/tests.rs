//! Tests of the totals of a ward's runs.

use super::*;
use std::fs::File;
use std::time::Duration;

fn end(at: u64, result: &str) -> End {
    End {
        result: result.into(),
        ..End::killed(at)
    }
}

fn result(step: &str, outcome: Outcome) -> StepResult {
    StepResult {
        condition: "OnDeath".into(),
        step: step.into(),
        action: "Execute".into(),
        argument: String::new(),
        outcome,
        status: 0,
        at: 0,
        ms: 1,
    }
}

/// Makes run `n` of a ward that flaps: the first was requested, each one dies, each restart
/// does two steps.
fn run(n: u64) -> RunRecord {
    let start = if n == 0 {
        StartKind::First
    } else {
        StartKind::AfterAbnormalDeath
    };
    let acted = vec![
        result("0", Outcome::Ok),
        result("1", Outcome::Ok),
        result("3", Outcome::Failed),
    ];
    let results = if n == 0 { Vec::new() } else { acted };
    let end = Some(end(
        n,
        if n.is_multiple_of(2) {
            "signal"
        } else {
            "success"
        },
    ));
    RunRecord {
        results,
        end,
        ..RunRecord::new("a", "a.service", &format!("{n:04}"), start)
    }
}

fn check(totals: &Totals, deaths: u64) {
    let counters = (
        totals.starts,
        totals.restarts(),
        totals.deaths,
        totals.crashes,
    );
    assert_eq!(counters, (1, deaths - 1, deaths, deaths.div_ceil(2)));
    let condition = &totals.conditions["OnDeath"];
    assert_eq!(condition.count, deaths - 1);
    let steps: Vec<_> = condition
        .steps
        .iter()
        .map(|(id, step)| (id.as_str(), step.done, step.failed))
        .collect();
    assert_eq!(steps, [("1", deaths - 1, 0), ("3", 0, deaths - 1)]);
    assert_eq!(totals.last_death.as_ref().unwrap().1.at, deaths - 1);
}

fn place() -> (tempfile::TempDir, WardState) {
    let place = tempfile::tempdir().unwrap();
    let state = WardState::below(place.path(), "a");
    (place, state)
}

#[test]
fn counters_are_those_of_all_runs_and_only_the_newest_records_are_kept() {
    let (place, state) = place();
    for n in 0..1_000 {
        state.save_run(&run(n)).unwrap();
        state.prune_runs(&run(n).invocation).unwrap();
        if n % 97 == 50 {
            check(&state.sum().0, n + 1);
        }
    }
    let (totals, kept) = state.sum();
    check(&totals, 1_000);
    assert_eq!(
        (kept.len(), kept[0].invocation.as_str()),
        (RUNS_KEPT, "0999")
    );
    assert_eq!(
        fs::read_dir(place.path().join("a/runs")).unwrap().count(),
        RUNS_KEPT
    );
}

#[test]
fn a_record_that_was_counted_and_is_still_there_counts_once() {
    let (_place, state) = place();
    let deaths = RUNS_KEPT as u64 + 3;
    (0..deaths).for_each(|n| state.save_run(&run(n)).unwrap());
    state.prune_runs("").unwrap();
    // As if the process had been killed before it removed the last one, which then is the
    // oldest again.
    state.save_run(&run(2)).unwrap();
    let file = File::options()
        .write(true)
        .open(state.run_path("0002"))
        .unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    check(&state.sum().0, deaths);
    state.prune_runs("").unwrap();
    check(&state.sum().0, deaths);
    assert_eq!(
        state.run("0002").unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
}

#[test]
fn damaged_totals_begin_afresh_and_a_damaged_record_goes_uncounted() {
    let (place, state) = place();
    assert_eq!(state.sum(), (Totals::default(), Vec::new()));
    state.write(FILE, b"{\"deaths\":").unwrap();
    fs::create_dir_all(place.path().join("a/runs")).unwrap();
    let garbage = place.path().join("a/runs/garbage.json");
    fs::write(&garbage, "{").unwrap();
    File::options()
        .write(true)
        .open(&garbage)
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH)
        .unwrap();
    let deaths = RUNS_KEPT as u64;
    (0..deaths).for_each(|n| state.save_run(&run(n)).unwrap());
    state.prune_runs("").unwrap();
    check(&state.sum().0, deaths);
    assert!(!garbage.exists());
}

#[test]
fn who_finds_another_at_it_leaves_it_to_him() {
    let (place, state) = place();
    let deaths = RUNS_KEPT as u64 + 1;
    (0..deaths).for_each(|n| state.save_run(&run(n)).unwrap());
    let lock = File::create(place.path().join("a").join(LOCK)).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    state.prune_runs("").unwrap();
    assert!(state.run("0000").is_ok());
    drop(lock);
    state.prune_runs("").unwrap();
    assert!(state.run("0000").is_err());
    check(&state.sum().0, deaths);
}

#[test]
fn records_from_before_the_clock_was_set_back_go_first_and_ones_own_never() {
    let (_place, state) = place();
    let date = |n: u64, at: SystemTime| {
        let file = File::options()
            .write(true)
            .open(state.run_path(&run(n).invocation))
            .unwrap();
        file.set_modified(at).unwrap();
    };
    let deaths = RUNS_KEPT as u64 + 2;
    let future = SystemTime::now() + Duration::from_secs(86_400);
    (0..deaths).for_each(|n| state.save_run(&run(n)).unwrap());
    (0..deaths - 2).for_each(|n| date(n, future + Duration::from_secs(n)));
    date(deaths - 1, SystemTime::UNIX_EPOCH);
    state.prune_runs(&run(deaths - 1).invocation).unwrap();
    let there: Vec<_> = [0, 1, 2, deaths - 2, deaths - 1]
        .map(|n| state.run(&run(n).invocation).is_ok())
        .into();
    assert_eq!(there, [false, false, true, true, true]);
    // All other records are newer than the own one.
    state.save_run(&run(0)).unwrap();
    (2..deaths - 1).for_each(|n| date(n, SystemTime::UNIX_EPOCH + Duration::from_secs(n)));
    state.prune_runs(&run(deaths - 1).invocation).unwrap();
    assert!(state.run(&run(deaths - 1).invocation).is_ok());
    assert_eq!(state.runs().len(), RUNS_KEPT);
}

#[test]
fn records_go_although_no_lock_can_be_made() {
    let (place, state) = place();
    (0..RUNS_KEPT as u64 + 3).for_each(|n| state.save_run(&run(n)).unwrap());
    fs::create_dir(place.path().join("a").join(LOCK)).unwrap();
    state.prune_runs("").unwrap();
    assert_eq!(state.runs().len(), RUNS_KEPT);
    check(&state.sum().0, RUNS_KEPT as u64 + 3);
}
