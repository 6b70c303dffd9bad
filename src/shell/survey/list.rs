//! The document of `unitward list`.

use super::Answer;
use super::left_out::{self, LeftOut};
use super::line::{Line, State, line};
use super::memory::{self, Memory};
use super::pid1::{self, UnitSeen};
use super::scene::{Chosen, DAEMON, Depth, Scene};
use super::watched::{self, Watched};
use crate::core::config::Stack;
use crate::core::crash::backtrace::Addresses;
use serde::{Deserialize, Serialize};
use zbus::Connection;

/// The document. The order of the fields is the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct List {
    /// Time of the answer, in milliseconds since the epoch.
    pub(in crate::shell) timestamp: u64,
    pub(in crate::shell) wards: Vec<Line>,
    pub(in crate::shell) stacks: Vec<StackLine>,
    pub(in crate::shell) daemon: Daemon,
    /// Units without a ward.
    #[serde(default)]
    pub(in crate::shell) watched: Vec<Watched>,
    /// Wards and stacks whose file is gone or has a mistake that costs the whole of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::shell) left_out: Vec<LeftOut>,
}

/// One stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct StackLine {
    pub(in crate::shell) name: String,
    /// Its name in reports.
    pub(in crate::shell) identifier: String,
    pub(in crate::shell) unit: String,
    /// State of its unit, in the words of a ward's.
    pub(in crate::shell) state: State,
    pub(in crate::shell) since: Option<u64>,
    pub(in crate::shell) needs_reload: bool,
    pub(in crate::shell) members: Vec<String>,
    /// Number of members that are running or have done their work.
    pub(in crate::shell) up: u64,
}

/// State of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct Daemon {
    /// State of its unit, in the words of a ward's.
    pub(in crate::shell) state: State,
    /// Its own status text: connection, and waiting messages.
    pub(in crate::shell) status: Option<String>,
    /// Number of reports that the broker does not have yet.
    pub(in crate::shell) reports_waiting: Option<u64>,
    /// Reason why the history cannot be read.
    pub(in crate::shell) history_problem: Option<String>,
}

/// Answers the question.
pub(super) async fn answer(bus: &Connection) -> anyhow::Result<Answer> {
    let mut scene = Scene::read();
    scene.look(bus, Depth::Line, &Chosen::All).await?;
    let daemon = scene.unit_called(DAEMON);
    let status = if daemon.is_down() {
        None
    } else {
        pid1::status_text(bus, daemon).await
    };
    let daemon = daemon_told(daemon, status, &memory::open(Addresses::Masked));
    let list = List {
        watched: watched::look(bus, &scene.config).await?,
        left_out: left_out::look(bus, &scene).await?,
        ..list(&scene, daemon)
    };
    Ok(Answer::Document(serde_json::to_string(&list)?))
}

fn list(scene: &Scene, daemon: Daemon) -> List {
    let wards = scene
        .config
        .wards
        .iter()
        .map(|ward| line(scene, ward))
        .collect();
    let stacks = scene
        .config
        .stacks
        .iter()
        .map(|stack| stack_line(scene, stack))
        .collect();
    List {
        timestamp: scene.epoch,
        wards,
        stacks,
        daemon,
        watched: Vec::new(),
        left_out: Vec::new(),
    }
}

/// Returns the line of a stack.
pub(super) fn stack_line(scene: &Scene, stack: &Stack) -> StackLine {
    let unit = scene.unit(&stack.unit());
    let members: Vec<Line> = scene.members(stack).map(|ward| line(scene, ward)).collect();
    let up = members
        .iter()
        .filter(|member| matches!(member.state, State::Running | State::Done))
        .count();
    let needs_reload = scene.stale.contains_key(&stack.unit());
    StackLine {
        name: stack.name.to_string(),
        identifier: stack.identifier.clone(),
        unit: stack.unit().to_string(),
        state: unit_state(unit, needs_reload),
        since: unit.changed,
        needs_reload,
        up: up as u64,
        members: members.into_iter().map(|member| member.name).collect(),
    }
}

/// Returns the state of a unit without a ward.
pub(super) fn unit_state(unit: &UnitSeen, needs_reload: bool) -> State {
    super::line::state(unit, &super::scene::Book::default(), needs_reload)
}

/// Returns the state of the daemon.
pub(super) fn daemon_told(unit: &UnitSeen, status: Option<String>, memory: &Memory) -> Daemon {
    let (reports_waiting, history_problem) = match memory {
        Ok(reader) => match reader.waiting() {
            Ok(count) => (Some(count), None),
            Err(error) => (None, Some(memory::whole(error))),
        },
        Err(why) => (None, Some(why.clone())),
    };
    Daemon {
        state: unit_state(unit, false),
        status,
        reports_waiting,
        history_problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::survey::sample;

    #[test]
    fn the_document_stays_as_it_is() {
        let daemon = Daemon {
            state: State::Running,
            status: Some(
                "Guarding 4 wards, watching 3 units; 5 messages sent, 2 waiting; connected to mqtt://127.0.0.1:1883"
                    .to_owned(),
            ),
            reports_waiting: Some(2),
            history_problem: None,
        };
        let watched = vec![Watched {
            name: "cron".into(),
            unit: "cron.service".into(),
            state: State::Running,
            description: Some("Regular background program processing daemon".into()),
        }];
        sample::check(
            "list.json",
            &List {
                watched,
                ..list(&sample::scene(), daemon)
            },
        );
    }
}
