//! A stack: wards that are restarted together, and what is to be said of it.

use super::command_line::CommandLine;
use super::names::{StackName, UnitName};
use super::ward::Form;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// One `NAME.stack` with its drop-ins merged.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// The file's stem.
    pub name: StackName,
    /// The main file, for `SourcePath=` and messages.
    pub path: Arc<Path>,
    /// `Name=`: what reports call it; the file's stem where nothing is given.
    pub identifier: String,
    /// Whether its unit is a target of ours or one that exists: `Unit=`.
    pub form: Form,
    /// `InhibitFile=`: while it exists nothing is restarted.
    pub inhibit_file: Option<PathBuf>,
    /// `RestartScript=`: run instead of a restart by systemd.
    pub restart_script: Option<CommandLine>,
    /// `TimeoutSec=`: how long a full restart may take.
    pub timeout: Duration,
    /// `Report=`: whether full restarts are reported.
    pub report: bool,
}

impl Stack {
    /// How long a full restart may take where `TimeoutSec=` does not say: longer than a stop and a start that both run
    /// into systemd's own limits of 90 seconds.
    pub const TIMEOUT: Duration = Duration::from_secs(300);

    /// The unit that stands for the whole stack.
    #[must_use]
    pub fn unit(&self) -> UnitName {
        match &self.form {
            Form::Defined => self.name.target(),
            Form::Adopted(unit) => unit.clone(),
        }
    }
}
