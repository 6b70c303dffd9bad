//! The daemon's own status: readiness and the status line for systemd, facts for the bus.

use super::{Phase, State};
use crate::shell::daemon::bus::Facts;
use crate::shell::daemon::event::{Action, Notice};
use std::sync::Arc;

impl State {
    /// Returns the notices to systemd and the facts for the bus that this step has changed.
    pub(super) fn news(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.phase == Phase::Starting
            && self.resync.is_complete()
            && self.ends.recall.is_complete()
        {
            self.phase = Phase::Running;
            actions.push(Action::Notify(Notice::Ready));
        }
        let status = self.story();
        if status != self.status {
            self.status.clone_from(&status);
            actions.push(Action::Notify(Notice::Status(status)));
        }
        let facts = Facts {
            node_id: self.rules.identity.node_id.clone(),
            cloud: self.cloud.words(self.nowhere()),
            pending_reports: self.unsent,
            wards: Arc::clone(self.rules.guard.units()),
        };
        if facts != self.facts {
            self.facts.clone_from(&facts);
            actions.push(Action::Know(Box::new(facts)));
        }
        actions
    }

    /// `Guarding 12 wards, watching 3 units; 2 messages sent, 1 waiting; connected to mqtt://…`.
    fn story(&self) -> String {
        let others = self.others;
        let wards = self.rules.guard.wards();
        let ear = if self.resync.is_connected() {
            ""
        } else {
            "; not connected to systemd"
        };
        let cloud = self.cloud.story(self.unsent, self.nowhere());
        format!(
            "Guarding {wards} ward{}, watching {others} unit{}; {cloud}{ear}",
            plural(wards),
            plural(others)
        )
    }

    /// Words for the status while no broker is in use.
    fn nowhere(&self) -> &'static str {
        match (&self.rules.settings.mqtt.broker, self.rules.has_cloud()) {
            (None, true) => "Broker= cannot be understood, reports wait",
            (None, false) | (Some(_), _) => "no broker, reports stay local",
        }
    }
}

/// Returns the ending of a counted word.
fn plural(number: usize) -> &'static str {
    if number == 1 { "" } else { "s" }
}
