//! Tests of the main loop's state, from event to action, without a bus, a broker or a clock.

mod books;
mod stacks;
mod standings;
mod under_way;
mod units;

use super::super::archive::Memory;
use super::super::event::Witness;
use super::super::incident::IncidentKind;
use super::super::systemd::{Description, UnitAt, UnitState};
use super::*;
use crate::core::crash::observation::{
    InvocationId, Life, MainProcess, Observation, ProcessEnd, ServiceResult, Stage,
};
use crate::core::crash::tracker::{Evidence, JobKind};
use crate::core::crash::verdict::{FailedControl, Nature, Testimony};
use crate::edge::history::entry;

const CONF: &str = "[MQTT]\nBroker=mqtt://b:1883\n[Watch]\nUnits=x*.service\n[Reports]\nBurst=2\n";
const WARD: &str = "[Service]\nExecStart=/bin/w\n";

fn at(millis: u64) -> Now {
    Now {
        monotonic: Duration::from_millis(millis),
        boot_ms: millis,
        epoch_ms: 1_700_000_000_000 + millis,
    }
}

fn configured(conf: &str) -> Event {
    Event::Configured(Box::new(config(conf)), Box::default(), Vec::new())
}

fn config(conf: &str) -> Config {
    config_of(&[("unitward.conf", conf), ("w.ward", WARD)])
}

/// Loads the configuration in these files.
fn config_of(files: &[(&str, &str)]) -> Config {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("etc/unitward");
    std::fs::create_dir_all(&directory).unwrap();
    for (name, text) in files {
        std::fs::write(directory.join(name), text).unwrap();
    }
    let (config, problems) = crate::edge::root::load(root.path());
    assert!(
        problems.is_empty(),
        "{:?}",
        problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    );
    config
}

fn run(number: u32) -> InvocationId {
    InvocationId::parse(&format!("{number:032x}")).unwrap()
}

fn seen(number: u32, stage: Stage) -> Observation {
    let over = matches!(stage, Stage::Ended | Stage::Restarting);
    Observation {
        stage,
        invocation: Some(run(number)),
        job: None,
        result: if over {
            ServiceResult::ExitCode
        } else {
            ServiceResult::Success
        },
        life: if over { Life::None } else { Life::Main },
        main: MainProcess {
            pid: 100 + number,
            started_at: Some(3_000),
            started: 3_000,
            end: over.then_some(ProcessEnd::Exited(3)),
            ended_at: over.then_some(5_000),
        },
        restarts: 0,
        entered_active: 4_000,
        left_active: 0,
        changed_at: 5_000,
        changed: Duration::from_secs(3600),
    }
}

/// Returns the state in systemd's words.
fn state(observation: &Observation) -> UnitState {
    let (active, sub) = match observation.stage {
        Stage::Starting => ("activating", "start"),
        Stage::Running => ("active", "running"),
        Stage::Exited => ("active", "exited"),
        Stage::Reloading => ("reloading", "reload"),
        Stage::Stopping => ("deactivating", "stop"),
        Stage::Restarting => ("activating", "auto-restart"),
        Stage::Ended => ("failed", "failed"),
    };
    UnitState {
        active: active.to_owned(),
        sub: sub.to_owned(),
    }
}

fn changed(unit: &str, observation: Observation) -> Event {
    let state = state(&observation);
    Event::Bus(Sight::Changed(
        unit.to_owned(),
        Box::new(observation),
        state,
    ))
}

fn described(unit: &str, observation: Observation, failed_control: Option<FailedControl>) -> Event {
    let state = state(&observation);
    let description = Description {
        observation,
        state,
        nature: Nature::default(),
        failed_control,
    };
    Event::Bus(Sight::Described(unit.to_owned(), Box::new(description)))
}

fn boot() -> String {
    "b".repeat(32)
}

fn opened(unfinished: Vec<entry::StoredDeath>) -> Event {
    Event::Archive(Tale::Opened {
        next_seq: Some(1),
        lanes: vec!["old".into()],
        unfinished,
        told: vec![run(1_000_077)],
    })
}

fn recalled(memories: Vec<Memory>) -> Event {
    let cursor = Some("c".to_owned());
    Event::Archive(Tale::Recalled(Box::new(Recollection {
        memories,
        boot: boot(),
        cursor,
        ..Recollection::default()
    })))
}

fn is_ready(actions: &[Action]) -> bool {
    actions
        .iter()
        .any(|action| matches!(action, Action::Notify(Notice::Ready)))
}

fn is_recall(action: &Action) -> bool {
    matches!(action, Action::Order(Order::Recall))
}

/// Returns a daemon with the answers of PID 1 and the archive, which waits for the catch-up, at
/// time 0.
fn recalling() -> State {
    let mut state = State::new(boot(), None, at(0));
    let _ = state.step(at(0), configured(CONF));
    let actions = state.step(at(0), opened(vec![]));
    assert!(
        matches!(&actions[..], [Action::Tell(Command::Behind(lanes)), Action::Order(Order::Restarts(_))] if *lanes == ["old"])
    );
    let _ = state.step(at(0), Event::Bus(Sight::Connected));
    let actions = state.step(at(0), Event::Bus(Sight::Listed(vec![])));
    assert!(matches!(&actions[..], [Action::Ask(Question::Find(unit))] if unit == "w.service"));
    let actions = state.step(
        at(0),
        Event::Bus(Sight::Unanswered(Question::Find("w.service".into()))),
    );
    assert!(
        matches!(&actions[..], [action] if is_recall(action)),
        "{actions:?}"
    );
    state
}

/// Returns a daemon that is ready, at time 0.
fn ready() -> State {
    let mut state = recalling();
    assert!(is_ready(&state.step(at(0), recalled(vec![]))));
    state
}

/// Returns the reports of ends, as `NAME REASON`; asserts that each goes to the journal and the
/// broker.
fn reports(actions: &[Action]) -> Vec<String> {
    let report = |action: &Action| match action {
        Action::Journal(incident) => Some(format!("{} {}", incident.name, incident.reason)),
        _ => None,
    };
    let journal: Vec<_> = actions.iter().filter_map(report).collect();
    let published = actions
        .iter()
        .filter(|action| matches!(action, Action::Publish(_)))
        .count();
    assert_eq!(journal.len(), published, "each report goes both ways");
    journal
}

/// Returns the first incident that is written to the journal.
fn incident(actions: &[Action]) -> &super::super::incident::Incident {
    for action in actions {
        if let Action::Journal(incident) = action {
            return incident;
        }
    }
    panic!("nothing is said: {actions:?}")
}

fn testimony(evidence: Evidence) -> Testimony {
    Testimony {
        evidence,
        result: ServiceResult::Signal,
        process: Some(ProcessEnd::Killed(9)),
        pid: Some(7),
        at: 1_700_000_000_000,
        waited: None,
    }
}

fn record(testimony: Option<Testimony>) -> Event {
    let (unit, recoveries) = ("w.service".into(), vec![]);
    Event::Record(Box::new(Witness {
        unit,
        invocation: run(1),
        testimony,
        recoveries,
        under_way: None,
    }))
}

#[test]
fn a_watched_unit_is_judged_by_the_bus_alone() {
    let mut state = ready();
    assert!(reports(&state.step(at(1), changed("x1.service", seen(1, Stage::Running)))).is_empty());
    let actions = state.step(at(2), changed("x1.service", seen(1, Stage::Ended)));
    assert_eq!(reports(&actions), ["x1 EXIT 3"]);
    assert!(
        reports(&state.step(at(3), changed("x1.service", seen(1, Stage::Restarting)))).is_empty()
    );
    let actions = state.step(at(4), changed("y.service", seen(2, Stage::Ended)));
    assert!(actions.is_empty(), "not watched: {actions:?}");
}

#[test]
fn a_ward_is_judged_by_its_run_record() {
    for (evidence, expect) in [
        (Evidence::Unasked, vec!["w SIG 9 (Killed)"]),
        (Evidence::Asked, vec![]),
    ] {
        let mut state = ready();
        let _ = state.step(at(1), changed("w.service", seen(1, Stage::Running)));
        let actions = state.step(at(2), changed("w.service", seen(1, Stage::Ended)));
        assert!(
            matches!(&actions[0], Action::ReadRecord { ward, .. } if ward == "w"),
            "{actions:?}"
        );
        assert_eq!(
            reports(&state.step(at(3), record(Some(testimony(evidence))))),
            expect
        );
        assert!(
            reports(&state.step(at(4), record(Some(testimony(evidence))))).is_empty(),
            "told once"
        );
    }
}

#[test]
fn a_ward_without_a_record_is_judged_by_the_bus() {
    let mut state = ready();
    let _ = state.step(at(1), changed("w.service", seen(1, Stage::Running)));
    let _ = state.step(at(2), changed("w.service", seen(1, Stage::Ended)));
    assert_eq!(reports(&state.step(at(3), record(None))), ["w EXIT 3"]);
}

#[test]
fn a_failed_start_waits_for_the_control_process_but_not_for_ever() {
    let mut failed = seen(1, Stage::Ended);
    failed.main = MainProcess::default();
    let control = FailedControl {
        pid: 9,
        end: ProcessEnd::Exited(32),
        at: 1,
    };
    let mut state = ready();
    let actions = state.step(at(1), changed("x.service", failed.clone()));
    assert!(
        matches!(&actions[0], Action::Ask(Question::Describe(at)) if at.unit == "x.service"),
        "{actions:?}"
    );
    assert_eq!(
        reports(&state.step(at(2), described("x.service", failed.clone(), Some(control)))),
        ["x EXIT 32"]
    );

    let no_answer = || {
        Event::Bus(Sight::Unanswered(Question::Describe(UnitAt::new(
            "x.service",
        ))))
    };
    let no_bus = || Event::Bus(Sight::Lost("it is gone".into()));
    for (event, until) in [
        (Event::Tick, 15_001),
        (no_answer(), 1_002),
        (no_bus(), 1_002),
    ] {
        let mut state = ready();
        let _ = state.step(at(1), changed("x.service", failed.clone()));
        assert!(reports(&state.step(at(2), event)).is_empty());
        assert_eq!(state.deadline(), Some(at(until).monotonic));
        assert_eq!(reports(&state.step(at(until), Event::Tick)), ["x <NA>"]);
        assert_eq!(
            state.deadline().map(|until| until > at(15_001).monotonic),
            Some(true),
            "the burst's interval"
        );
    }
}

#[test]
fn what_comes_after_an_end_that_waits_is_told_after_it() {
    let mut failed = seen(1, Stage::Ended);
    failed.main = MainProcess::default();
    let control = FailedControl {
        pid: 9,
        end: ProcessEnd::Exited(32),
        at: 1,
    };
    let mut state = ready();
    let _ = state.step(at(1), changed("x.service", failed));
    let _ = state.step(at(2), changed("x.service", seen(2, Stage::Running)));
    let crashed = seen(2, Stage::Ended);
    assert!(reports(&state.step(at(3), changed("x.service", crashed.clone()))).is_empty());
    assert_eq!(
        reports(&state.step(at(4), described("x.service", crashed, Some(control)))),
        ["x EXIT 32", "x EXIT 3"]
    );
}

#[test]
fn what_exceeds_the_burst_is_summed_up() {
    let mut state = ready();
    let mut all = Vec::new();
    for number in 1..=5 {
        let _ = state.step(
            at(u64::from(number)),
            changed("x.service", seen(number, Stage::Running)),
        );
        all.extend(state.step(
            at(u64::from(number)),
            changed("x.service", seen(number, Stage::Ended)),
        ));
    }
    assert_eq!(reports(&all), ["x EXIT 3", "x EXIT 3"]);
    let actions = state.step(at(60_001), Event::Tick);
    assert_eq!(reports(&actions), ["x EXIT 3, 3 more in 60 s"]);
    assert_eq!(incident(&actions).kind, IncidentKind::SummedUp);
}

#[test]
fn a_stop_sends_what_was_held_back_and_ends_in_bounded_time() {
    let mut state = ready();
    for number in 1..=3 {
        let _ = state.step(at(1), changed("x.service", seen(number, Stage::Running)));
        let _ = state.step(at(1), changed("x.service", seen(number, Stage::Ended)));
    }
    assert!(!state.may_end(at(2)));
    let actions = state.step(at(2), Event::Stop);
    assert_eq!(reports(&actions), ["x EXIT 3, 1 more in 60 s"]);
    assert!(matches!(
        actions.first(),
        Some(Action::Notify(Notice::Stopping))
    ));
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Tell(Command::Drain)))
    );
    assert!(!state.may_end(at(2)) && state.may_end(at(2_002)));
    assert_eq!(state.deadline(), Some(at(2_002).monotonic));
}

#[test]
fn a_reload_is_told_to_systemd_from_beginning_to_end() {
    let mut state = ready();
    let actions = state.step(at(1), Event::Hangup);
    assert!(
        matches!(
            &actions[..],
            [Action::Notify(Notice::Reloading), Action::LoadConfiguration]
        ),
        "{actions:?}"
    );
    let actions = state.step(at(2), configured("[Watch]\nUnits=y.service\n"));
    let ready = actions
        .iter()
        .position(|action| matches!(action, Action::Notify(Notice::Ready)));
    assert!(
        ready.is_some()
            && actions
                .iter()
                .any(|action| matches!(action, Action::Tell(Command::Connect(None)))),
        "{actions:?}"
    );
    assert!(
        state
            .step(at(3), changed("x.service", seen(1, Stage::Ended)))
            .is_empty(),
        "no longer watched"
    );
}

#[test]
fn readiness_waits_for_the_bus_the_first_resync_and_the_books() {
    let mut state = State::new(boot(), Some(Duration::from_secs(10)), at(0));
    assert!(!is_ready(&state.step(at(0), configured(CONF))));
    assert!(!is_ready(
        &state.step(at(0), Event::Bus(Sight::Lost("no bus".into())))
    ));
    let actions = state.step(at(10_000), Event::Tick);
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Notify(Notice::Watchdog))),
        "it lives all the same"
    );
    assert!(!is_ready(
        &state.step(at(10_001), Event::Bus(Sight::Connected))
    ));
    let at_x = UnitAt::new("x.service");
    assert!(!is_ready(&state.step(
        at(10_002),
        Event::Bus(Sight::Listed(vec![at_x, UnitAt::new("w.service")]))
    )));
    assert!(!is_ready(&state.step(
        at(10_003),
        described("x.service", seen(1, Stage::Running), None)
    )));
    let actions = state.step(
        at(10_004),
        described("w.service", seen(2, Stage::Running), None),
    );
    assert!(
        !is_ready(&actions) && !actions.iter().any(is_recall),
        "the archive is not open: {actions:?}"
    );
    assert!(state.step(at(10_005), opened(vec![])).iter().any(is_recall));
    assert!(is_ready(&state.step(at(10_006), recalled(vec![]))));
}

#[test]
fn whatever_may_have_hidden_signals_leads_to_asking_for_all() {
    for sight in [Sight::Overflow, Sight::ManagerReplaced, Sight::Connected] {
        let mut state = ready();
        let text = format!("{sight:?}");
        let mut actions = state.step(at(1), Event::Bus(sight));
        actions.extend(state.step(at(1_001), Event::Tick));
        assert!(
            actions
                .iter()
                .any(|action| matches!(action, Action::Ask(Question::Units))),
            "{text}: {actions:?}"
        );
    }
}

#[test]
fn a_daemon_reload_reads_the_configuration_again_and_then_asks_for_all() {
    let mut state = ready();
    let _ = state.step(at(1), Event::Bus(Sight::ReloadBegins));
    let actions = state.step(at(2), Event::Bus(Sight::ReloadEnds));
    assert!(
        matches!(&actions[..], [Action::LoadConfiguration]),
        "{actions:?}"
    );
    let mut actions = state.step(at(3), configured(CONF));
    actions.extend(state.step(at(1_003), Event::Tick));
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Ask(Question::Units))),
        "{actions:?}"
    );
}

#[test]
fn the_kind_of_a_job_is_asked_for_only_where_it_matters() {
    let job = || JobAt {
        unit: "x.service".into(),
        id: 3,
        path: "/org/freedesktop/systemd1/job/3".into(),
    };
    let mut state = ready();
    assert!(
        state
            .step(at(1), Event::Bus(Sight::JobQueued(job())))
            .is_empty(),
        "nothing runs"
    );
    let actions = state.step(at(1), changed("x.service", seen(1, Stage::Running)));
    assert!(
        matches!(
            &actions[..],
            [Action::Ask(Question::Describe(_)), Action::Notify(_)]
        ),
        "a stranger: {actions:?}"
    );
    let actions = state.step(at(2), Event::Bus(Sight::JobQueued(job())));
    assert!(
        matches!(&actions[..], [Action::Ask(Question::JobType(_))]),
        "{actions:?}"
    );
    let _ = state.step(at(3), Event::Bus(Sight::JobKnown(job(), JobKind::Other)));
    let reloading = Observation {
        job: Some(3),
        ..seen(1, Stage::Running)
    };
    let _ = state.step(at(4), changed("x.service", reloading));
    let dead = Observation {
        job: Some(3),
        ..seen(1, Stage::Ended)
    };
    assert_eq!(
        reports(&state.step(at(5), changed("x.service", dead))),
        ["x EXIT 3"]
    );
}

#[test]
fn a_ward_named_by_an_alias_is_known_by_the_units_own_name() {
    let mut state = ready();
    let _ = state.step(at(1), Event::Bus(Sight::ManagerReplaced));
    let _ = state.step(at(1), Event::Bus(Sight::Listed(vec![])));
    let actions = state.step(
        at(2),
        Event::Bus(Sight::Found(
            "w.service".into(),
            UnitAt::new("real.service"),
        )),
    );
    assert!(
        matches!(&actions[..], [Action::Watch(list), Action::Ask(_)] if list.covers("real.service")),
        "{actions:?}"
    );
    let _ = state.step(at(3), changed("real.service", seen(1, Stage::Running)));
    let actions = state.step(at(4), changed("real.service", seen(1, Stage::Ended)));
    assert!(
        matches!(&actions[0], Action::ReadRecord { ward, .. } if ward == "w"),
        "{actions:?}"
    );
}

#[test]
fn the_status_tells_the_story() {
    let mut state = State::new(boot(), None, at(0));
    let actions = state.step(at(0), configured(CONF));
    let status = actions.iter().find_map(|action| match action {
        Action::Notify(Notice::Status(text)) => Some(text.as_str()),
        _ => None,
    });
    let expect = "Guarding 1 ward, watching 0 units; 0 messages sent, 0 waiting; no broker, reports stay local; \
                  not connected to systemd";
    assert_eq!(status, Some(expect));
}
