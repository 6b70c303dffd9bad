//! The line as a document: part of the list, and head of a status.

use crate::core::config::Called;
use crate::core::config::names::is_meant;
use serde::{Deserialize, Serialize};

/// One ward. The order of the fields is the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct Line {
    pub(in crate::shell) name: String,
    pub(in crate::shell) unit: String,
    pub(in crate::shell) stack: Option<String>,
    pub(in crate::shell) state: State,
    /// Cause of being down; `None`: it is not stopped, or has not run in this boot.
    #[serde(default)]
    pub(in crate::shell) down: Option<Down>,
    /// Time since which it is in this state, in milliseconds since the epoch, as all times.
    pub(in crate::shell) since: Option<u64>,
    /// True while systemd still ends what a run that died has left.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(in crate::shell) cleaning_up: bool,
    /// End of the wait before the restart.
    pub(in crate::shell) until: Option<u64>,
    pub(in crate::shell) step: Option<StepAt>,
    pub(in crate::shell) needs_reload: bool,
    pub(in crate::shell) exclusion: Option<ExclusionTold>,
    /// Number of deaths that count towards the limit now.
    pub(in crate::shell) deaths: u64,
    /// `None`: no limit.
    pub(in crate::shell) death_limit: Option<u32>,
    pub(in crate::shell) death_limit_interval_ms: Option<u64>,
    pub(in crate::shell) last_death: Option<DeathTold>,
}

impl Called for &Line {
    fn name(&self) -> &str {
        &self.name
    }

    fn has_unit(&self, name: &str) -> bool {
        is_meant(&self.unit, name)
    }
}

/// The word for where a ward stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::shell) enum State {
    /// It is up.
    Running,
    /// It has done its work.
    Done,
    /// It starts on request.
    Starting,
    /// It died and waits for its restart.
    Restarting,
    /// It died and its restart is under way.
    Recovering,
    /// It died, systemd does not restart it, and still ends what the run has left.
    Dying,
    /// It is being stopped.
    Stopping,
    /// It is a template: its instances are the wards that run.
    Template,
    /// It is down because somebody asked for it, or was never up.
    Stopped,
    /// It is down, and systemd counts that as a failure and does not restart it.
    Failed,
    /// It is kept down.
    Excluded,
    /// Its unit is masked.
    Masked,
    /// There is no unit file for the unit it adopts.
    Missing,
    /// systemd has not read the ward yet.
    NotLoaded,
    /// systemd cannot read the unit.
    Broken,
}

impl State {
    /// Returns the word for people.
    pub(in crate::shell) const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Starting => "starting",
            Self::Restarting => "restarting",
            Self::Recovering => "recovering",
            Self::Dying => "dying",
            Self::Stopping => "stopping",
            Self::Template => "template",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Excluded => "excluded",
            Self::Masked => "masked",
            Self::Missing => "missing",
            Self::NotLoaded => "not loaded",
            Self::Broken => "broken",
        }
    }
}

/// Cause for which a ward is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::shell) struct Down {
    pub(in crate::shell) by: DownBy,
    /// The unit that took it down.
    pub(in crate::shell) unit: Option<String>,
    /// Reason of its end, if it ended by itself.
    pub(in crate::shell) reason: Option<String>,
}

/// Origin of a stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::shell) enum DownBy {
    /// It was requested.
    Request,
    /// The ward itself: it ended cleanly, and systemd does not restart it after that.
    Itself,
    /// Another unit, which went down and pulled it down: `BindsTo=`, `Requires=`, `PartOf=`.
    Unit,
}

impl Line {
    /// Returns the word for the state and its cause.
    pub(in crate::shell) fn word(&self) -> &'static str {
        match (self.state, self.down.as_ref().map(|down| down.by)) {
            (State::Stopped, Some(DownBy::Itself)) => "ended by itself",
            (State::Stopped, Some(DownBy::Unit)) => "pulled down",
            (state, _) => state.word(),
        }
    }
}

/// A step that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct StepAt {
    pub(in crate::shell) condition: String,
    pub(in crate::shell) step: String,
    /// Steps of the condition.
    pub(in crate::shell) of: u64,
    pub(in crate::shell) action: String,
    pub(in crate::shell) argument: String,
    pub(in crate::shell) since: u64,
}

/// Exclusion of a ward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::shell) struct ExclusionTold {
    pub(in crate::shell) timestamp: u64,
    /// `hand`, `limit` or `unknown`.
    pub(in crate::shell) by: String,
    pub(in crate::shell) why: Option<String>,
}

/// A death.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::shell) struct DeathTold {
    pub(in crate::shell) timestamp: u64,
    pub(in crate::shell) reason: Option<String>,
    pub(in crate::shell) invocation: String,
}
