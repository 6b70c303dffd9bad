//! Reports of full restarts: the signals, incidents and rows of their begins and ends.

use super::noted::Noted;
use super::{Stacks, Suspect};
use crate::core::full_restart::{self, BY_HAND, RestartOutcome};
use crate::edge::full_restart::record::RestartEnd;
use crate::edge::history::entry::{Change, RestartKnown, StoredRestart, StoredRestartEnd, Witness};
use crate::shell::daemon::archive::Order;
use crate::shell::daemon::desk::{Core, Desk, Judged, Tense};
use crate::shell::daemon::event::Action;
use crate::shell::daemon::incident::{Incident, IncidentKind};
use crate::shell::daemon::rules::Scene;
use crate::shell::daemon::standings::announce;
use crate::shell::news::{self, News};

/// Age from which a restart counts as past, in milliseconds.
const PRESENT: u64 = 5_000;

impl Stacks {
    /// Reports a restart, unless that was done, and stores it.
    pub(super) fn tell(
        &mut self,
        scene: Scene<'_>,
        desk: &mut Desk,
        noted: &Noted<'_>,
    ) -> Vec<Action> {
        let Noted { key, record, known } = noted;
        let mut actions = Vec::new();
        if *known == RestartKnown::No && !self.told.knows(&key.invocation) {
            self.told.remember(key.invocation.clone());
            let reason = full_restart::restarted(&record.name, &record.caller);
            let incident = noted.incident(IncidentKind::FullRestart, reason);
            actions.push(begun(&record.stack, &record.caller, &incident));
            actions.extend(receive(scene, desk, incident));
        }
        // Also where the death's row was stored and this was not: the daemon may have been killed
        // in between.
        actions.push(store(vec![Change::Restart(Box::new(noted.stored()))]));
        actions
    }

    /// Reports a restart that was requested of systemd directly. Its id is the run it ended, and it
    /// is over.
    pub(super) fn tell_by_hand(
        &mut self,
        scene: Scene<'_>,
        desk: &mut Desk,
        suspect: Suspect,
    ) -> Vec<Action> {
        let Suspect { key, at, witness } = suspect;
        let Some(stack) = scene.rules.guard.stack(&key.unit) else {
            return Vec::new();
        };
        if self.told.knows(&key.invocation) {
            return Vec::new();
        }
        self.told.remember(key.invocation.clone());
        let incident = Incident {
            key: key.clone(),
            name: stack.identifier.clone(),
            kind: IncidentKind::FullRestart,
            pid: None,
            reason: full_restart::restarted(&stack.identifier, BY_HAND),
            at,
            backtrace: None,
            witness,
        };
        let restart = StoredRestart {
            death: key.clone(),
            stack: stack.name.clone(),
            caller: BY_HAND.to_owned(),
            ended: Some(key.invocation.clone()),
            cause: None,
        };
        let mut actions = vec![begun(&stack.name, BY_HAND, &incident)];
        actions.push(over(&stack.name, RestartOutcome::Restarted, ""));
        // PID 1's own job was done; the journal does not have the exact time.
        let at = if witness == Witness::Bus {
            scene.now.epoch_ms
        } else {
            at
        };
        let end = StoredRestartEnd {
            at,
            outcome: RestartOutcome::Restarted,
            trouble: String::new(),
        };
        actions.extend(receive(scene, desk, incident));
        actions.push(store(vec![
            Change::Restart(Box::new(restart)),
            Change::RestartOver { death: key, end },
        ]));
        actions
    }
}

/// Reports the end of a restart.
pub(super) fn tell_end(
    scene: Scene<'_>,
    desk: &mut Desk,
    noted: &Noted<'_>,
    end: &RestartEnd,
) -> Vec<Action> {
    let record = noted.record;
    let trouble = match end.outcome {
        RestartOutcome::Failed => Some(full_restart::failed(
            &record.name,
            &record.caller,
            &end.trouble,
        )),
        RestartOutcome::Restarted if end.trouble.is_empty() => None,
        RestartOutcome::Restarted => Some(full_restart::troubled(
            &record.name,
            &record.caller,
            &end.trouble,
        )),
    };
    let told = trouble.map(|reason| {
        let incident = Incident {
            at: end.at,
            ..noted.incident(IncidentKind::RestartTrouble, reason)
        };
        desk.follow_up(scene, incident)
    });
    let mut actions = vec![over(&record.stack, end.outcome, &end.trouble)];
    actions.extend(told.unwrap_or_default());
    let end = StoredRestartEnd {
        at: end.at,
        outcome: end.outcome,
        trouble: end.trouble.clone(),
    };
    let death = noted.key.clone();
    actions.push(store(vec![Change::RestartOver { death, end }]));
    actions
}

/// Returns the signal for the begin of a restart.
fn begun(stack: &str, caller: &str, incident: &Incident) -> Action {
    announce(News::FullRestart(news::FullRestart {
        stack: stack.to_owned(),
        caller: caller.to_owned(),
        reason: incident.reason.clone(),
        at: incident.at,
    }))
}

/// Returns the signal for the end of a restart.
fn over(stack: &str, outcome: RestartOutcome, trouble: &str) -> Action {
    let (outcome, trouble) = (outcome.word().to_owned(), trouble.to_owned());
    announce(News::FullRestartOver(news::FullRestartOver {
        stack: stack.to_owned(),
        outcome,
        trouble,
    }))
}

/// Hands an incident to the desk, as one of the past if it is old.
fn receive(scene: Scene<'_>, desk: &mut Desk, incident: Incident) -> Vec<Action> {
    let age = scene.now.epoch_ms.saturating_sub(incident.at);
    let tense = if age < PRESENT {
        Tense::Present
    } else {
        Tense::Past
    };
    desk.receive(
        scene,
        Judged {
            incident,
            core: Core::None,
            tense,
        },
    )
}

fn store(changes: Vec<Change>) -> Action {
    Action::Order(Order::Store(changes))
}
