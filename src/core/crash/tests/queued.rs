//! Jobs that are queued for a unit that is stopping already, by `STOPPING=1`.

use super::*;

#[test]
fn a_start_that_waits_for_the_end_of_a_service_that_says_it_stops_asked_for_nothing() {
    let says = "u a active/running main pid=1\nu a deactivating/stop-sigterm main pid=1\n";
    let queued = "u a deactivating/stop-sigterm job=5 main pid=1\n";
    let dead = "u a failed/failed job=5 result=exit-code pid=1 exited=101\n";
    let next = "u b failed/failed job=5 main pid=2\nu b active/running job=5 main pid=2\n";
    let crash = ["u aaaa Crash EXIT 101"];
    check(&format!("{says}{queued}{dead}{next}"), &crash);
    // The signal may show both changes at once.
    check(
        &format!("u a active/running main pid=1\n{queued}{dead}{next}"),
        &crash,
    );
    check(
        &format!(
            "{says}{queued}{dead}{dead}u a activating/auto-restart result=exit-code pid=1 exited=101"
        ),
        &crash,
    );
    // A stop job is done when the run is over.
    check(
        &format!("{says}{queued}{dead}u a failed/failed result=exit-code pid=1 exited=101"),
        &[],
    );
    // An end that was not shown leaves no other evidence.
    check(&format!("{says}{queued}{next}"), &[]);
}

#[test]
fn the_kind_of_a_job_counts_also_when_the_unit_is_stopping_already() {
    let says = "u a active/running main pid=1\nu a deactivating/stop-sigterm main pid=1\n";
    let queued = "u a deactivating/stop-sigterm job=5 main pid=1\n";
    let dead = "u a failed/failed job=5 result=exit-code pid=1 exited=101\n";
    let after = "u b active/running main pid=2";
    let told = |before: &str, kind: JobKind, rest: &str| -> Vec<_> {
        let mut tracker = Tracker::new(Duration::ZERO);
        let mut ended = Vec::new();
        for line in lines(before) {
            ended.extend(tracker.observe(&observation(line).1).ended);
        }
        assert!(
            tracker.cares_for_jobs() || before.contains(dead),
            "{before}"
        );
        tracker.learn_job(5, kind);
        for line in lines(rest) {
            ended.extend(tracker.observe(&observation(line).1).ended);
        }
        ended.into_iter().map(|ended| ended.evidence).collect()
    };
    for (kind, evidence) in [
        (JobKind::Stop, Evidence::Asked),
        (JobKind::Other, Evidence::Unasked),
    ] {
        assert_eq!(
            told(says, kind, &format!("{queued}{dead}")),
            [evidence],
            "known before it is seen"
        );
        assert_eq!(
            told(&format!("{says}{queued}"), kind, dead),
            [evidence],
            "known before the end"
        );
        assert_eq!(
            told(&format!("{says}{queued}{dead}"), kind, after),
            [evidence],
            "known after the end"
        );
        assert_eq!(
            told(&format!("{says}{queued}"), kind, after),
            [evidence],
            "the end was not shown"
        );
    }
}
