//! A ward: one guarded service and its recovery.

use super::condition::Condition;
use super::names::{StackName, UnitName, WardName};
use super::place::{Place, Written};
use super::syntax::Entry;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// One `NAME.ward` with its drop-ins merged.
#[derive(Debug, Clone, PartialEq)]
pub struct Ward {
    /// The file's stem.
    pub name: WardName,
    /// The main file, for `SourcePath=` and messages.
    pub path: Arc<Path>,
    /// The drop-ins, in the order they apply.
    pub drop_ins: Vec<Arc<Path>>,
    /// The origin of the service: generated for the ward, or existing.
    pub form: Form,
    /// Native lines, which are copied unchanged.
    pub native: Native,
    /// Place that names the unit: the value of `Unit=`, else the file.
    pub unit_at: Place,
    /// `[Ward] Stack=`.
    pub stack: Option<StackName>,
    /// `[Ward] Report=`.
    pub report: ReportOn,
    /// `[Recovery]`.
    pub recovery: Recovery,
    /// The conditions, in the order written.
    pub conditions: Vec<Condition>,
}

impl Ward {
    /// Returns the unit that is guarded.
    #[must_use]
    pub fn unit(&self) -> UnitName {
        match &self.form {
            Form::Defined => self.name.service(),
            Form::Adopted(unit) => unit.clone(),
        }
    }
}

/// Origin of the unit of a ward or stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// The ward has `[Service] ExecStart=`: the generator writes `NAME.service`.
    Defined,
    /// The ward has `[Ward] Unit=`: the generator writes a drop-in for that unit.
    Adopted(UnitName),
}

impl Form {
    /// Replaces an alias by the unit's own name.
    pub(super) fn adopt_by_own_name(
        &mut self,
        own_name: impl FnOnce(&UnitName) -> Option<UnitName>,
    ) {
        if let Self::Adopted(unit) = self
            && let Some(own) = own_name(unit)
        {
            *unit = own;
        }
    }
}

/// The native sections' lines, in order, repeats and resets (empty values) kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Native {
    /// `[Unit]`.
    pub unit: Vec<NativeLine>,
    /// `[Service]`.
    pub service: Vec<NativeLine>,
    /// `[Install]`.
    pub install: Vec<NativeLine>,
}

/// `KEY=VALUE` of a native section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeLine {
    /// The key as written.
    pub key: String,
    /// The value with its continuation lines joined by spaces, as systemd joins them.
    pub value: String,
    /// Place of the key.
    pub at: Place,
    /// Location of the value.
    pub written: Written,
}

impl NativeLine {
    /// Returns the place `offset` bytes into the value.
    #[must_use]
    pub fn place_of(&self, offset: usize) -> Place {
        self.written.place_of(&self.at.path, &self.value, offset)
    }
}

impl From<&Entry<'_>> for NativeLine {
    fn from(entry: &Entry<'_>) -> Self {
        Self {
            key: entry.key.to_string(),
            value: entry.value.to_string(),
            at: entry.at.clone(),
            written: entry.written.clone(),
        }
    }
}

/// The deaths that are reported: `[Ward] Report=`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReportOn {
    /// Crashes only: signal, core dump, watchdog, OOM kill, time-out, non-zero exit.
    #[default]
    Abnormal,
    /// Crashes and clean ends without a request.
    Death,
    /// Nothing.
    No,
}

/// `[Recovery]`: delay, back-off and death limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// `DelaySec=`: delay before the first restart.
    pub delay: Duration,
    /// `MaxDelaySec=`: upper bound of the back-off; zero: no back-off.
    pub max_delay: Duration,
    /// `ResetAfterSec=`: time up after which back-off and death count start anew.
    pub reset_after: Duration,
    /// `DeathLimit=`: number of deaths that are tolerated …; zero: no limit.
    pub death_limit: u32,
    /// … `DeathLimitIntervalSec=` within this time.
    pub death_limit_interval: Duration,
    /// `OnLimit=`: action at the next death.
    pub on_limit: OnLimit,
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            max_delay: Duration::from_secs(30),
            reset_after: Duration::from_secs(600),
            death_limit: 5,
            death_limit_interval: Duration::from_secs(60),
            on_limit: OnLimit::Exclude,
        }
    }
}

/// Action at the death limit, beside the `[OnLimit]` steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnLimit {
    /// The unit ends in `failed` and stays there until it is started by request.
    #[default]
    Exclude,
    /// The ward's stack is restarted; only where [`Ward::stack`] names one.
    RestartStack,
    /// The host reboots, unless it booted less than ten minutes ago.
    Reboot,
    /// Nothing but the `[OnLimit]` steps; restarts go on.
    None,
}
