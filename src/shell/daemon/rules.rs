//! The configuration in force, and the time at which it is applied.

use super::event::Now;
use super::guard::Guard;
use super::identity::Identity;
use super::incident::IncidentKind;
use crate::core::config::{ReportOn, Settings};

/// The configuration in force.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) settings: Settings,
    pub(super) identity: Identity,
    pub(super) guard: Guard,
    /// The present boot, 32 hexadecimal digits: as the kernel says, until the journal corrects it,
    /// as in a container.
    pub(super) boot: String,
}

impl Rules {
    /// Returns true if the configuration wants a report of such an incident of this unit.
    pub(super) fn wants(&self, unit: &str, kind: IncidentKind) -> bool {
        let wanted = match (kind, self.guard.reports_on(unit)) {
            (IncidentKind::FullRestart | IncidentKind::RestartTrouble, _) => {
                self.guard.stack(unit).is_none_or(|stack| stack.report)
            }
            (_, ReportOn::Death) => true,
            (IncidentKind::Crash | IncidentKind::SummedUp, ReportOn::Abnormal) => true,
            (IncidentKind::Death, ReportOn::Abnormal) | (_, ReportOn::No) => false,
        };
        wanted && self.settings.reports.crashes
    }

    /// Returns true if reports are for the cloud too.
    pub(super) fn has_cloud(&self) -> bool {
        self.settings.mqtt.wants_broker
    }
}

/// The time of an event, and the rules in force.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'r> {
    pub(super) now: Now,
    pub(super) rules: &'r Rules,
}
