//! The reports that leave: to the journal, to the history and, if there is a broker, to the cloud.

use super::lane::{Item, Recovery};
use super::{Desk, Numbering, Row};
use crate::core::crash::reason::summed_up;
use crate::edge::history::entry::{Change, Channel, Fate, StoredReport};
use crate::shell::daemon::archive::Order;
use crate::shell::daemon::event::{Action, Now};
use crate::shell::daemon::incident::{Incident, IncidentKind};
use crate::shell::daemon::rules::Rules;

impl Desk {
    /// Reports all items that need not wait any more.
    pub(super) fn release(&mut self, rules: &Rules, now: Now) -> Vec<Action> {
        let mut items = Vec::new();
        for lane in self.lanes.values_mut() {
            while let Some(item) = lane.pop(now.monotonic) {
                items.push(item);
            }
        }
        self.lanes.retain(|_, lane| !lane.is_idle());
        items
            .into_iter()
            .flat_map(|item| match item {
                Item::Death(incident, _) => self.report(rules, *incident, Row::Stored),
                Item::Summary(last, more) => self.summary(rules, *last, more),
                Item::Recovery(recovery) => self.report_recovery(rules, *recovery),
            })
            .collect()
    }

    /// Reports an incident to the journal and, if there is a broker, to the cloud.
    pub(super) fn report(&mut self, rules: &Rules, incident: Incident, row: Row) -> Vec<Action> {
        let fate = if rules.has_cloud() {
            Fate::Reported
        } else {
            Fate::Local
        };
        let change = match row {
            Row::New => Change::Death(Box::new(incident.stored(fate))),
            Row::Stored => Change::Fate {
                key: incident.key.clone(),
                fate,
                backtrace: incident.backtrace.clone(),
                pid: incident.pid,
            },
        };
        self.send(rules, incident, change)
    }

    /// Reports a summary of `more` deaths in its turn: they came after those that still wait.
    pub(super) fn sum_up(&mut self, rules: &Rules, last: Incident, more: u32) -> Vec<Action> {
        match self.lanes.get_mut(&last.lane()) {
            Some(lane) if !lane.is_free() => {
                lane.push(Item::Summary(Box::new(last), more));
                Vec::new()
            }
            Some(_) | None => self.summary(rules, last, more),
        }
    }

    /// Reports a summary of `more` deaths.
    fn summary(&mut self, rules: &Rules, last: Incident, more: u32) -> Vec<Action> {
        let unit = last.key.unit.clone();
        let interval = rules.settings.reports.burst_interval;
        let incident = Incident {
            reason: summed_up(&last.reason, more, interval),
            kind: IncidentKind::SummedUp,
            ..last
        };
        self.send(rules, incident, Change::SummedUp { unit })
    }

    fn send(&mut self, rules: &Rules, incident: Incident, change: Change) -> Vec<Action> {
        if !rules.has_cloud() {
            return vec![
                Action::Journal(Box::new(incident)),
                Action::Order(Order::Store(vec![change])),
            ];
        }
        let report = incident.report(&rules.identity, self.take_seq());
        let changes = vec![change, Change::Report(Box::new(report.clone()))];
        vec![
            Action::Publish(Box::new(report)),
            Action::Journal(Box::new(incident)),
            Action::Order(Order::Store(changes)),
        ]
    }

    /// Reports a recovery after its death, if that was reported.
    fn report_recovery(&mut self, rules: &Rules, recovery: Recovery) -> Vec<Action> {
        let Recovery {
            death,
            account,
            record,
        } = recovery;
        if !rules.wants(&death.unit, IncidentKind::Crash) || self.quiet.knows(&death.invocation) {
            return Vec::new();
        }
        let journal = Action::JournalRecovery(Box::new((death.clone(), account.clone())));
        if !rules.has_cloud() || !rules.settings.reports.recoveries {
            return vec![journal];
        }
        let report = StoredReport {
            seq: self.take_seq(),
            id: format!("{}-recovery", death.invocation),
            payload: record,
            lane: account.ward,
            channel: Channel::Recovery,
            death,
        };
        let stored = Change::Report(Box::new(report.clone()));
        vec![
            Action::Publish(Box::new(report)),
            journal,
            Action::Order(Order::Store(vec![stored])),
        ]
    }

    fn take_seq(&mut self) -> u64 {
        let seq = self.next_seq;
        self.numbering = Numbering::Fixed;
        self.next_seq += 1;
        seq
    }
}
