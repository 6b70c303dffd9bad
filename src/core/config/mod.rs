//! From the text of the configuration files to a [`Config`] and the list of what is wrong in them.
//!
//! Reading is total: any text gives a configuration, possibly an empty one, plus problems. What a
//! mistake costs is decided here and nowhere else (see [`problem::Cost`]).

pub mod command_line;
pub mod condition;
pub mod names;
pub mod problem;
pub mod settings;
pub mod step;
pub mod syntax;
pub mod time_span;
pub mod ward;

pub use condition::{Condition, ConditionKind, OnStepFailure};
pub use names::{UnitName, WardName};
pub use problem::{Cost, Mistake, Problem};
pub use settings::Settings;
pub use ward::{Form, OnLimit, Recovery, ReportOn, Ward};

use std::path::PathBuf;

/// Everything that was read: the settings of `unitward.conf` and the usable wards, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// `unitward.conf`, defaults filled in.
    pub settings: Settings,
    /// The wards, sorted by name, at most one for each unit.
    pub wards: Vec<Ward>,
}

/// One file of a configuration, as text: the main file or a drop-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it stands on the host, for messages and `SourcePath=`.
    pub path: PathBuf,
    /// Its whole text.
    pub text: String,
}
