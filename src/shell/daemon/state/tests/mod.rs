//! Tests of the main loop's state, from event to action, without a bus, a broker or a clock.

mod books;
mod ends;
mod life;
mod stacks;
mod standings;
mod under_way;
mod units;

use super::super::archive::{Memory, Recollection};
use super::super::event::Witness;
use super::super::incident::IncidentKind;
use super::super::systemd::{Description, JobAt, Question, StackSeen, UnitAt, UnitState};
use super::*;
use crate::core::crash::observation::{
    InvocationId, Life, MainProcess, Observation, ProcessEnd, ServiceResult, Stage,
};
use crate::core::crash::tracker::{Evidence, JobKind};
use crate::core::crash::verdict::{FailedControl, Nature, Testimony};
use crate::edge::history::entry::{self, Change};

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
