//! The daemon from event to action, without a bus, a broker or a clock.

use super::super::event::{IncidentKind, Witness};
use super::super::systemd::{Description, JobAt, UnitAt};
use super::*;
use crate::core::crash::observation::{InvocationId, Life, MainProcess, Observation, ProcessEnd, ServiceResult, Stage};
use crate::core::crash::tracker::{Evidence, JobKind};
use crate::core::crash::verdict::{FailedControl, Nature, Testimony};

const CONF: &str = "[MQTT]\nBroker=mqtt://b:1883\n[Watch]\nUnits=x*.service\n[Reports]\nBurst=2\n";
const WARD: &str = "[Service]\nExecStart=/bin/w\n";

fn at(millis: u64) -> Now {
    Now { monotonic: Duration::from_millis(millis), epoch_ms: 1_700_000_000_000 + millis }
}

fn configured(conf: &str) -> Event {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("etc/unitward");
    std::fs::create_dir_all(&directory).unwrap();
    for (name, text) in [("unitward.conf", conf), ("w.ward", WARD)] {
        std::fs::write(directory.join(name), text).unwrap();
    }
    let (config, problems) = crate::edge::root::load(root.path());
    assert!(problems.is_empty(), "{:?}", problems.iter().map(ToString::to_string).collect::<Vec<_>>());
    Event::Configured(Box::new(config), Box::default())
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
        result: if over { ServiceResult::ExitCode } else { ServiceResult::Success },
        life: if over { Life::None } else { Life::Main },
        main: MainProcess {
            pid: 100 + number,
            end: over.then_some(ProcessEnd::Exited(3)),
            ended_at: over.then_some(5_000),
        },
        restarts: 0,
        changed_at: 5_000,
        changed: Duration::from_secs(3600),
    }
}

fn changed(unit: &str, observation: Observation) -> Event {
    Event::Bus(Sight::Changed(unit.to_owned(), Box::new(observation)))
}

fn described(unit: &str, observation: Observation, failed_control: Option<FailedControl>) -> Event {
    let description = Description { observation, nature: Nature::default(), failed_control };
    Event::Bus(Sight::Described(unit.to_owned(), Box::new(description)))
}

/// A daemon that is ready, at time 0.
fn ready() -> State {
    let mut state = State::new(None, at(0));
    let _ = state.step(at(0), configured(CONF));
    let _ = state.step(at(0), Event::Bus(Sight::Connected));
    let actions = state.step(at(0), Event::Bus(Sight::Listed(vec![])));
    assert!(matches!(&actions[..], [Action::Ask(Question::Find(unit))] if unit == "w.service"));
    let actions = state.step(at(0), Event::Bus(Sight::Unanswered(Question::Find("w.service".into()))));
    assert!(actions.iter().any(|action| matches!(action, Action::Notify(Notice::Ready))), "{actions:?}");
    state
}

/// What is said of ends, `NAME REASON`, and to whom.
fn reports(actions: &[Action]) -> Vec<String> {
    let report = |action: &Action| match action {
        Action::Journal(incident) => Some(format!("{} {}", incident.name, incident.reason)),
        _ => None,
    };
    let journal: Vec<_> = actions.iter().filter_map(report).collect();
    let published = actions.iter().filter(|action| matches!(action, Action::Publish(_))).count();
    assert_eq!(journal.len(), published, "each report goes both ways");
    journal
}

fn testimony(evidence: Evidence) -> Testimony {
    Testimony {
        evidence,
        result: ServiceResult::Signal,
        process: Some(ProcessEnd::Killed(9)),
        pid: Some(7),
        at: 1_700_000_000_000,
    }
}

fn record(testimony: Option<Testimony>) -> Event {
    Event::Record(Witness { unit: "w.service".into(), invocation: run(1), testimony })
}

#[test]
fn a_watched_unit_is_judged_by_the_bus_alone() {
    let mut state = ready();
    assert!(reports(&state.step(at(1), changed("x1.service", seen(1, Stage::Running)))).is_empty());
    let actions = state.step(at(2), changed("x1.service", seen(1, Stage::Ended)));
    assert_eq!(reports(&actions), ["x1 EXIT 3"]);
    assert!(reports(&state.step(at(3), changed("x1.service", seen(1, Stage::Restarting)))).is_empty());
    let actions = state.step(at(4), changed("y.service", seen(2, Stage::Ended)));
    assert!(actions.is_empty(), "not watched: {actions:?}");
}

#[test]
fn a_ward_is_judged_by_its_run_record() {
    for (evidence, expect) in [(Evidence::Unasked, vec!["w SIG 9 (Killed)"]), (Evidence::Asked, vec![])] {
        let mut state = ready();
        let _ = state.step(at(1), changed("w.service", seen(1, Stage::Running)));
        let actions = state.step(at(2), changed("w.service", seen(1, Stage::Ended)));
        assert!(matches!(&actions[0], Action::ReadRecord { ward, .. } if ward == "w"), "{actions:?}");
        assert_eq!(reports(&state.step(at(3), record(Some(testimony(evidence))))), expect);
        assert!(reports(&state.step(at(4), record(Some(testimony(evidence))))).is_empty(), "told once");
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
fn records_tell_what_the_bus_did_not_and_nothing_from_before_the_watch() {
    let mut state = ready();
    let age = |millis: u64| Testimony { at: at(millis).epoch_ms, ..testimony(Evidence::Unasked) };
    let before = Testimony { at: at(0).epoch_ms - 10, ..testimony(Evidence::Unasked) };
    let ends = vec![(run(1), before), (run(2), age(50)), (run(3), Testimony { evidence: Evidence::Asked, ..age(60) })];
    let actions = state.step(at(100), Event::Records("w.service".into(), ends.clone()));
    assert_eq!(reports(&actions), ["w SIG 9 (Killed)"]);
    assert!(reports(&state.step(at(200), Event::Records("w.service".into(), ends))).is_empty());
}

#[test]
fn a_failed_start_waits_for_the_control_process_but_not_for_ever() {
    let mut failed = seen(1, Stage::Ended);
    failed.main = MainProcess::default();
    let control = FailedControl { pid: 9, end: ProcessEnd::Exited(32), at: 1 };
    let mut state = ready();
    let actions = state.step(at(1), changed("x.service", failed.clone()));
    assert!(matches!(&actions[0], Action::Ask(Question::Describe(at)) if at.unit == "x.service"), "{actions:?}");
    assert_eq!(reports(&state.step(at(2), described("x.service", failed.clone(), Some(control)))), ["x EXIT 32"]);

    let mut state = ready();
    let _ = state.step(at(1), changed("x.service", failed));
    assert_eq!(state.deadline(), Some(at(1_001).monotonic));
    assert_eq!(reports(&state.step(at(1_001), Event::Tick)), ["x <NA>"]);
    assert_eq!(state.deadline().map(|until| until > at(1_001).monotonic), Some(true), "the burst's interval");
}

#[test]
fn what_exceeds_the_burst_is_summed_up() {
    let mut state = ready();
    let mut all = Vec::new();
    for number in 1..=5 {
        let _ = state.step(at(u64::from(number)), changed("x.service", seen(number, Stage::Running)));
        all.extend(state.step(at(u64::from(number)), changed("x.service", seen(number, Stage::Ended))));
    }
    assert_eq!(reports(&all), ["x EXIT 3", "x EXIT 3"]);
    let actions = state.step(at(60_001), Event::Tick);
    assert_eq!(reports(&actions), ["x EXIT 3, 3 more in 60 s"]);
    let Some(Action::Journal(incident)) = actions.first() else { panic!("{actions:?}") };
    assert_eq!(incident.kind, IncidentKind::SummedUp);
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
    assert!(matches!(actions.first(), Some(Action::Notify(Notice::Stopping))));
    assert!(actions.iter().any(|action| matches!(action, Action::Drain)));
    assert!(!state.may_end(at(2)) && state.may_end(at(2_002)));
    assert_eq!(state.deadline(), Some(at(2_002).monotonic));
}

#[test]
fn a_reload_is_told_to_systemd_from_beginning_to_end() {
    let mut state = ready();
    let actions = state.step(at(1), Event::Hangup);
    assert!(matches!(&actions[..], [Action::Notify(Notice::Reloading), Action::LoadConfiguration]), "{actions:?}");
    let actions = state.step(at(2), configured("[Watch]\nUnits=y.service\n"));
    let ready = actions.iter().position(|action| matches!(action, Action::Notify(Notice::Ready)));
    assert!(ready.is_some() && actions.iter().any(|action| matches!(action, Action::Connect(None))), "{actions:?}");
    assert!(state.step(at(3), changed("x.service", seen(1, Stage::Ended))).is_empty(), "no longer watched");
}

#[test]
fn readiness_waits_for_the_bus_and_the_first_resync_only() {
    let mut state = State::new(Some(Duration::from_secs(10)), at(0));
    let is_ready = |actions: &[Action]| actions.iter().any(|action| matches!(action, Action::Notify(Notice::Ready)));
    assert!(!is_ready(&state.step(at(0), configured(CONF))));
    assert!(!is_ready(&state.step(at(0), Event::Bus(Sight::Lost("no bus".into())))));
    let actions = state.step(at(10_000), Event::Tick);
    assert!(actions.iter().any(|action| matches!(action, Action::Notify(Notice::Watchdog))), "it lives all the same");
    assert!(!is_ready(&state.step(at(10_001), Event::Bus(Sight::Connected))));
    let at_x = UnitAt::new("x.service");
    assert!(!is_ready(&state.step(at(10_002), Event::Bus(Sight::Listed(vec![at_x, UnitAt::new("w.service")])))));
    assert!(!is_ready(&state.step(at(10_003), described("x.service", seen(1, Stage::Running), None))));
    let actions = state.step(at(10_004), described("w.service", seen(2, Stage::Running), None));
    assert!(is_ready(&actions));
    assert!(actions.iter().any(|action| matches!(action, Action::ReadRecords { ward, .. } if ward == "w")));
}

#[test]
fn whatever_may_have_hidden_signals_leads_to_asking_for_all() {
    for sight in [Sight::Overflow, Sight::ManagerReplaced, Sight::Connected] {
        let mut state = ready();
        let text = format!("{sight:?}");
        let mut actions = state.step(at(1), Event::Bus(sight));
        actions.extend(state.step(at(1_001), Event::Tick));
        assert!(actions.iter().any(|action| matches!(action, Action::Ask(Question::Units))), "{text}: {actions:?}");
    }
}

#[test]
fn a_daemon_reload_reads_the_configuration_again_and_then_asks_for_all() {
    let mut state = ready();
    let _ = state.step(at(1), Event::Bus(Sight::ReloadBegins));
    let actions = state.step(at(2), Event::Bus(Sight::ReloadEnds));
    assert!(matches!(&actions[..], [Action::LoadConfiguration]), "{actions:?}");
    let mut actions = state.step(at(3), configured(CONF));
    actions.extend(state.step(at(1_003), Event::Tick));
    assert!(actions.iter().any(|action| matches!(action, Action::Ask(Question::Units))), "{actions:?}");
}

#[test]
fn the_kind_of_a_job_is_asked_for_only_where_it_matters() {
    let job = || JobAt { unit: "x.service".into(), id: 3, path: "/org/freedesktop/systemd1/job/3".into() };
    let mut state = ready();
    assert!(state.step(at(1), Event::Bus(Sight::JobQueued(job()))).is_empty(), "nothing runs");
    let actions = state.step(at(1), changed("x.service", seen(1, Stage::Running)));
    assert!(matches!(&actions[..], [Action::Ask(Question::Describe(_)), Action::Notify(_)]), "a stranger: {actions:?}");
    let actions = state.step(at(2), Event::Bus(Sight::JobQueued(job())));
    assert!(matches!(&actions[..], [Action::Ask(Question::JobType(_))]), "{actions:?}");
    let _ = state.step(at(3), Event::Bus(Sight::JobKnown(job(), JobKind::Other)));
    let reloading = Observation { job: Some(3), ..seen(1, Stage::Running) };
    let _ = state.step(at(4), changed("x.service", reloading));
    let dead = Observation { job: Some(3), ..seen(1, Stage::Ended) };
    assert_eq!(reports(&state.step(at(5), changed("x.service", dead))), ["x EXIT 3"]);
}

#[test]
fn a_ward_named_by_an_alias_is_known_by_the_units_own_name() {
    let mut state = ready();
    let _ = state.step(at(1), Event::Bus(Sight::ManagerReplaced));
    let _ = state.step(at(1), Event::Bus(Sight::Listed(vec![])));
    let actions = state.step(at(2), Event::Bus(Sight::Found("w.service".into(), UnitAt::new("real.service"))));
    assert!(
        matches!(&actions[..], [Action::Watch(list), Action::Ask(_)] if list.covers("real.service")),
        "{actions:?}"
    );
    let _ = state.step(at(3), changed("real.service", seen(1, Stage::Running)));
    let actions = state.step(at(4), changed("real.service", seen(1, Stage::Ended)));
    assert!(matches!(&actions[0], Action::ReadRecord { ward, .. } if ward == "w"), "{actions:?}");
}

fn removed(unit: &str) -> Event {
    Event::Bus(Sight::Removed(unit.to_owned()))
}

/// Whether the daemon knows any unit without a ward, as its status tells.
fn watches_none(state: &State) -> bool {
    state.ends.without_ward(&state.rules.guard) == 0
}

#[test]
fn transient_units_without_number_leave_nothing_behind() {
    let mut state = ready();
    let mut told = 0;
    for number in 1..=10_000 {
        let (now, unit) = (at(u64::from(number) * 100), format!("x-run-u{number}.service"));
        let _ = state.step(now, changed(&unit, seen(number, Stage::Running)));
        told += reports(&state.step(now, changed(&unit, seen(number, Stage::Ended)))).len();
        assert!(reports(&state.step(now, removed(&unit))).is_empty());
        assert!(watches_none(&state), "{unit}");
    }
    assert_eq!(told, 10_000);
    let _ = state.step(at(2_000_000), Event::Tick);
    assert_eq!((state.deadline(), state.ends.size()), (None, 0));
}

#[test]
fn what_is_not_listed_any_more_is_forgotten_and_a_run_lost_with_it_is_said() {
    let mut state = ready();
    for number in 1..=1_000 {
        let stage = if number == 7 { Stage::Running } else { Stage::Ended };
        let _ = state.step(at(1), changed(&format!("x{number}.service"), seen(number, stage)));
    }
    let _ = state.step(at(2), Event::Bus(Sight::ManagerReplaced));
    let actions = state.step(at(3), Event::Bus(Sight::Listed(vec![UnitAt::new("x1.service")])));
    let said: Vec<_> = actions.iter().filter(|action| matches!(action, Action::Say(_))).collect();
    assert!(matches!(&said[..], [Action::Say(Remark::Missed(unit, 1))] if unit == "x7.service"), "{said:?}");
    assert_eq!(state.ends.without_ward(&state.rules.guard), 1);
}

#[test]
fn a_unit_that_goes_and_comes_back_with_an_old_run_is_not_told_twice() {
    let mut state = ready();
    let _ = state.step(at(1), changed("x.service", seen(1, Stage::Running)));
    assert_eq!(reports(&state.step(at(2), changed("x.service", seen(1, Stage::Ended)))), ["x EXIT 3"]);
    let _ = state.step(at(3), removed("x.service"));
    assert!(watches_none(&state));
    assert!(reports(&state.step(at(4), described("x.service", seen(1, Stage::Ended), None))).is_empty());
    let _ = state.step(at(5), changed("x.service", seen(2, Stage::Running)));
    assert_eq!(reports(&state.step(at(6), changed("x.service", seen(2, Stage::Ended)))), ["x EXIT 3"]);
}

#[test]
fn a_unit_stays_known_while_it_runs_while_systemd_reloads_and_while_it_has_a_ward() {
    let mut state = ready();
    let _ = state.step(at(1), changed("x.service", seen(1, Stage::Running)));
    let _ = state.step(at(2), removed("x.service"));
    assert!(!watches_none(&state), "it runs");
    let _ = state.step(at(3), changed("x.service", seen(1, Stage::Ended)));
    let _ = state.step(at(4), Event::Bus(Sight::ReloadBegins));
    let _ = state.step(at(5), removed("x.service"));
    assert!(!watches_none(&state), "systemd reloads");
    let _ = state.step(at(6), changed("w.service", seen(2, Stage::Running)));
    let _ = state.step(at(6), changed("w.service", seen(2, Stage::Ended)));
    let _ = state.step(at(7), record(None));
    let _ = state.step(at(8), Event::Bus(Sight::ReloadEnds));
    let _ = state.step(at(8), configured(CONF));
    let _ = state.step(at(9), removed("w.service"));
    let actions = state.step(at(10), changed("w.service", seen(2, Stage::Ended)));
    assert!(!actions.iter().any(|action| matches!(action, Action::ReadRecord { .. })), "{actions:?}");
}

#[test]
fn a_failed_start_of_a_unit_that_has_gone_waits_for_no_word() {
    let mut failed = seen(1, Stage::Ended);
    failed.main = MainProcess::default();
    let mut state = ready();
    assert!(reports(&state.step(at(1), changed("x.service", failed))).is_empty());
    assert_eq!(reports(&state.step(at(2), removed("x.service"))), ["x <NA>"]);
    assert!(watches_none(&state));
}

#[test]
fn the_status_tells_the_story() {
    let mut state = State::new(None, at(0));
    let actions = state.step(at(0), configured(CONF));
    let status = actions.iter().find_map(|action| match action {
        Action::Notify(Notice::Status(text)) => Some(text.as_str()),
        _ => None,
    });
    let expect = "Guarding 1 ward, watching 0 units; 0 reports sent, 0 waiting; no broker, reports stay local; \
                  not connected to systemd";
    assert_eq!(status, Some(expect));
}
