//! From observations to verdicts: made-up sequences here, those of real hosts in [`recordings`].
//!
//! One line is one observation, as in the recordings: `UNIT RUN STATE [job=ID] [result=WORD]
//! [main|control] [pid=N] [exited=N|killed=N|dumped=N] [n=RESTARTS] [t=MICROSECONDS]
//! [left=MICROSECONDS]`. `RUN` is `-` for a unit that never ran.

mod early;
mod judgement;
mod queued;
mod recordings;

use super::observation::{
    InvocationId, Life, MainProcess, Observation, ProcessEnd, ServiceResult, Stage,
};
use super::reason::TimeLimits;
use super::tracker::{Ended, Evidence, Findings, JobKind, Tracker, Waited};
use super::verdict::{Nature, Verdict, judge};
use std::collections::BTreeMap;
use std::time::Duration;

fn run(name: &str) -> InvocationId {
    InvocationId::parse(&name.repeat(32)[..32])
        .unwrap_or_else(|| panic!("{name} is not hexadecimal"))
}

fn observation(line: &str) -> (String, Observation) {
    let words: Vec<_> = line.split_whitespace().collect();
    let (active, sub) = words[2].split_once('/').unwrap();
    let value = |key: &str| {
        words
            .iter()
            .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    };
    let number = |key: &str| value(key).map(|text| text.parse::<u32>().unwrap());
    let status = |key: &str| value(key).map(|text| text.parse().unwrap());
    let end = status("exited")
        .map(ProcessEnd::Exited)
        .or(status("killed").map(ProcessEnd::Killed))
        .or(status("dumped").map(ProcessEnd::Dumped));
    let time = u64::from(number("t").unwrap_or(0));
    let now = Observation {
        stage: Stage::of(active, sub),
        invocation: (words[1] != "-").then(|| run(words[1])),
        job: number("job"),
        result: ServiceResult::parse(value("result").unwrap_or("success")),
        life: match (words.contains(&"main"), words.contains(&"control")) {
            (true, _) => Life::Main,
            (false, true) => Life::Control,
            (false, false) => Life::None,
        },
        main: MainProcess {
            pid: number("pid").unwrap_or(0),
            started_at: None,
            started: 0,
            end,
            ended_at: end.map(|_| time),
        },
        restarts: number("n").unwrap_or(0),
        entered_active: 0,
        left_active: number("left").unwrap_or(0).into(),
        changed_at: time,
        changed: Duration::from_micros(time),
    };
    (words[0].to_owned(), now)
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Returns every end that was not requested, as `UNIT RUN Verdict reason`.
fn told(observations: &[(String, Observation)]) -> Vec<String> {
    let second = Some(Duration::from_secs(1));
    let limits = TimeLimits {
        watchdog: second,
        start: second,
        run: second,
        stop: second,
    };
    let nature = Nature { kind: None, limits };
    let mut trackers = BTreeMap::new();
    let mut told = Vec::new();
    for (unit, now) in observations {
        let tracker = trackers
            .entry(unit.clone())
            .or_insert_with(|| Tracker::new(Duration::ZERO));
        for ended in tracker.observe(now).ended {
            let death = judge(&ended, None, &nature, None);
            if death.verdict != Verdict::Requested {
                let run = &ended.invocation.as_str()[..4];
                told.push(format!("{unit} {run} {:?} {}", death.verdict, death.cause));
            }
        }
    }
    told
}

fn check(text: &str, expect: &[&str]) {
    let observations: Vec<_> = lines(text).map(observation).collect();
    assert_eq!(told(&observations), expect, "{text}");
}

/// The observations that each state meets.
const STAGES: [&str; 12] = [
    "u a activating/start job=1 main pid=1",
    "u a active/running main pid=1",
    "u a active/exited pid=1 exited=0",
    "u a reloading/reload job=3 main pid=1",
    "u a deactivating/stop-sigterm job=2 main pid=1",
    "u a activating/auto-restart result=signal pid=1 killed=9 t=9",
    "u a failed/failed result=signal pid=1 killed=9 t=9",
    "u a failed/failed job=2 result=exit-code pid=1 exited=3 t=9",
    "u a inactive/dead pid=1 exited=0 t=9",
    "u b active/running main pid=2 n=1 t=9",
    "u b active/running main pid=2 t=9",
    "u - inactive/dead",
];

/// Checks the result of one more observation in each state: `.` nothing, else the first letter of
/// the verdict.
#[test]
fn every_state_meets_every_stage() {
    let states = [
        ("never seen", ""),
        ("idle", "u - inactive/dead"),
        (
            "ended",
            "u a active/running main pid=1\nu a failed/failed result=signal pid=1 killed=9",
        ),
        ("starting", "u a activating/start job=1 main pid=1"),
        ("running", "u a active/running main pid=1"),
        (
            "asked",
            "u a active/running main pid=1\nu a active/running job=2 main pid=1",
        ),
        (
            "stopping",
            "u a active/running main pid=1\nu a deactivating/stop-sigterm job=2 main pid=1",
        ),
        (
            "dying",
            "u a active/running main pid=1\nu a deactivating/stop-post result=signal control pid=1 killed=9",
        ),
    ];
    let expect = [
        ".....CCCR...", // never seen: the last clean end may be a oneshot's
        ".....CCCR...",
        "............",
        ".....CCRRCRR",
        ".....CCRDCRR",
        ".....CRRRCRR",
        ".....CR.RRRR", // the kind of its job shows by what comes next
        ".....CCCDCCC",
    ];
    for ((state, before), expect) in states.iter().zip(expect) {
        for (stage, expect) in STAGES.iter().zip(expect.chars()) {
            let mut tracker = Tracker::new(Duration::ZERO);
            for line in lines(before) {
                let _ = tracker.observe(&observation(line).1);
            }
            let ended = tracker.observe(&observation(stage).1).ended;
            let verdicts: String = ended.iter().map(letter).collect();
            assert_eq!(
                verdicts,
                expect.to_string().replace('.', ""),
                "{state}: {stage}"
            );
        }
    }
}

fn letter(ended: &Ended) -> char {
    match judge(ended, None, &Nature::default(), None).verdict {
        Verdict::Crash => 'C',
        Verdict::Death => 'D',
        Verdict::Requested => 'R',
    }
}

#[test]
fn a_death_limit_that_stops_the_unit_after_its_death_asked_for_nothing() {
    check(
        "u a active/running main pid=1
         u a deactivating/stop-post result=exit-code control pid=1 exited=3
         u a deactivating/stop-post job=7 result=exit-code control pid=1 exited=3
         u a failed/failed job=7 result=exit-code pid=1 exited=3",
        &["u aaaa Crash EXIT 3"],
    );
}

#[test]
fn a_start_job_asks_for_no_end_but_a_stop_during_the_start_does() {
    check(
        "u a inactive/dead job=1 main pid=1
         u a activating/start job=1 main pid=1
         u a failed/failed job=1 result=exit-code pid=1 exited=4",
        &["u aaaa Crash EXIT 4"],
    );
    check(
        "u a activating/start job=1 main pid=1
         u a activating/start job=2 main pid=1
         u a deactivating/stop-sigterm job=2 main pid=1
         u a failed/failed job=2 result=exit-code pid=1 exited=4",
        &[],
    );
    // A restart while the start job runs is merged into it and keeps its id.
    check(
        "u a activating/start job=1 main pid=1
         u a deactivating/stop-sigterm job=1 main pid=1
         u a failed/failed job=1 result=exit-code pid=1 exited=4",
        &[],
    );
}

#[test]
fn a_service_that_says_it_stops_was_not_asked_until_somebody_does() {
    let stopping = "u a active/running main pid=1\nu a deactivating/stop-sigterm main pid=1\n";
    let dead = "u a failed/failed result=exit-code pid=1 exited=3";
    check(&format!("{stopping}{dead}"), &["u aaaa Crash EXIT 3"]);
    check(
        &format!("{stopping}u a deactivating/stop-sigterm job=5 main pid=1\n{dead}"),
        &[],
    );
}

#[test]
fn a_stop_that_follows_a_reload_of_systemd_at_once_is_a_request() {
    // A unit that was not announced again yet shows only its last state.
    check(
        "u a active/running main pid=1
         u a failed/failed job=9 result=exit-code pid=1 exited=3
         u a failed/failed result=exit-code pid=1 exited=3",
        &[],
    );
}

#[test]
fn a_reload_job_is_no_request() {
    check(
        "u a active/running main pid=1
         u a active/running job=3 main pid=1
         u a reloading/reload job=3 main pid=1
         u a failed/failed job=3 result=signal pid=1 killed=11",
        &["u aaaa Crash SIG 11 (Segmentation fault)"],
    );
    let mut tracker = Tracker::new(Duration::ZERO);
    let mut see = |line: &str, kind: Option<JobKind>| {
        if let Some(kind) = kind {
            tracker.learn_job(3, kind);
        }
        tracker
            .observe(&observation(line).1)
            .ended
            .first()
            .map(|ended| ended.evidence)
    };
    assert_eq!(see("u a active/running main pid=1", None), None);
    assert_eq!(see("u a active/running job=3 main pid=1", None), None);
    let dead = "u a failed/failed job=3 result=signal pid=1 killed=11";
    assert_eq!(
        see("u a active/running job=3 main pid=1", Some(JobKind::Other)),
        None
    );
    assert_eq!(see(dead, None), Some(Evidence::Unasked));
}

#[test]
fn runs_that_were_never_seen_are_counted() {
    let check = |text: &str, expect: (usize, u32)| {
        let mut tracker = Tracker::new(Duration::ZERO);
        let findings: Vec<Findings> = lines(text)
            .map(|line| tracker.observe(&observation(line).1))
            .collect();
        let ended = findings.iter().map(|found| found.ended.len()).sum();
        let missed = findings.iter().map(|found| found.missed).sum();
        assert_eq!((ended, missed), expect, "{text}");
    };
    check(
        "u a active/running main pid=1 n=3\nu b active/running main pid=2 n=4",
        (1, 0),
    );
    check(
        "u a active/running main pid=1 n=3\nu b active/running main pid=2 n=7",
        (1, 3),
    );
    check(
        "u a active/running main pid=1 n=3\nu b active/running main pid=2",
        (1, 0),
    );
    check(
        "u a active/running main pid=1
         u a failed/failed result=signal pid=1 killed=9
         u b active/running main pid=2 n=1
         u b failed/failed result=signal pid=2 killed=9 n=1
         u c active/running main pid=3 n=4",
        (2, 2),
    );
}

#[test]
fn a_run_told_by_its_record_is_not_told_again() {
    let mut tracker = Tracker::new(Duration::ZERO);
    let _ = tracker.observe(&observation("u a active/running main pid=1").1);
    assert!(tracker.tell(&run("a")) && !tracker.tell(&run("a")));
    let after = tracker.observe(&observation("u a failed/failed result=signal pid=1 killed=9").1);
    assert_eq!(after, Findings::default());
}

#[test]
fn who_died_before_the_stop_had_begun_was_not_asked() {
    let seen = |died: u64, left: u64| Observation {
        stage: Stage::Ended,
        invocation: InvocationId::parse(&"a".repeat(32)),
        job: Some(9),
        result: ServiceResult::ExitCode,
        life: Life::None,
        main: MainProcess {
            pid: 1,
            end: Some(ProcessEnd::Exited(3)),
            ended_at: Some(died),
            ..MainProcess::default()
        },
        restarts: 0,
        entered_active: 0,
        left_active: left,
        changed_at: left,
        changed: Duration::from_secs(100),
    };
    let running = Observation {
        stage: Stage::Running,
        result: ServiceResult::Success,
        life: Life::Main,
        main: MainProcess {
            pid: 1,
            ..MainProcess::default()
        },
        ..seen(0, 0)
    };
    for (died, left, evidence) in [
        (5_000_000, 5_000_100, Evidence::Unasked),
        (5_000_000, 4_999_000, Evidence::Asked),
        (5_000_000, 9_000_000, Evidence::Asked),
        (5_000_000, 0, Evidence::Asked),
    ] {
        let mut tracker = Tracker::new(Duration::ZERO);
        let _ = tracker.observe(&running);
        let findings = tracker.observe(&seen(died, left));
        assert_eq!(
            findings.ended[0].evidence, evidence,
            "died {died}, left {left}"
        );
    }
}

#[test]
fn a_run_that_never_was_has_no_name() {
    assert_eq!(InvocationId::parse(&"0".repeat(32)), None);
    assert_eq!(InvocationId::from_bytes(&[0; 16]), None);
    assert!(InvocationId::parse("00000000000000000000000000000001").is_some());
}
