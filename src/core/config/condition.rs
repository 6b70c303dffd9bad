//! Conditions: the events at which steps act. A section `[OnX]` or `[OnX name]` of a ward.

use super::step::Step;

/// One condition with its steps in the order written.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The kind of event that fires it.
    pub kind: ConditionKind,
    /// Unique within the ward and fit for a unit name: `OnDeath`, `OnDeath-mounts`, `OnDeath.2`.
    pub id: String,
    /// `DoNow=`: also at a first start.
    pub do_now: bool,
    /// `Once=`: fires once until the next manual start.
    pub once: bool,
    /// `Independent=`: runs in a service of its own and does not hold up the start.
    pub independent: bool,
    /// `OnStepFailure=`.
    pub on_step_failure: OnStepFailure,
    /// The steps.
    pub steps: Vec<Step>,
    /// Line of the section's header in the ward's file, for messages.
    pub line: usize,
}

/// The kinds of condition, named as their sections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConditionKind {
    /// The main process ended without a request.
    Death,
    /// Such an end by signal, core dump, watchdog, OOM kill, time-out or non-zero exit.
    AbnormalDeath,
    /// First start, not an automatic restart.
    Start,
    /// After a restart succeeded, its steps included.
    Restart,
    /// Stopped on request.
    Stop,
    /// The death limit was reached.
    Limit,
}

impl ConditionKind {
    /// All kinds, with the word that opens their section.
    pub const SECTIONS: [(&'static str, Self); 6] = [
        ("OnDeath", Self::Death),
        ("OnAbnormalDeath", Self::AbnormalDeath),
        ("OnStart", Self::Start),
        ("OnRestart", Self::Restart),
        ("OnStop", Self::Stop),
        ("OnLimit", Self::Limit),
    ];

    /// The word that opens its section.
    #[must_use]
    pub const fn section(self) -> &'static str {
        match self {
            Self::Death => "OnDeath",
            Self::AbnormalDeath => "OnAbnormalDeath",
            Self::Start => "OnStart",
            Self::Restart => "OnRestart",
            Self::Stop => "OnStop",
            Self::Limit => "OnLimit",
        }
    }

    /// Returns true if it fires at a death and so may hold the ward's own restart (`Restart=%n`).
    #[must_use]
    pub const fn is_death(self) -> bool {
        matches!(self, Self::Death | Self::AbnormalDeath)
    }
}

/// Effect of a failed step on the rest of the condition: `OnStepFailure=`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnStepFailure {
    /// The next step runs.
    #[default]
    Continue,
    /// The rest of the condition is skipped, the ward stays up.
    Break,
    /// The start fails and the restart policy decides.
    Fail,
}
