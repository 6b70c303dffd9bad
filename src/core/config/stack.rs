//! A stack: wards that are restarted together, and its settings.

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
    /// `Name=`: the name in reports; by default the file's stem.
    pub identifier: String,
    /// The unit of the stack, from `Unit=`: a generated target or a unit that exists.
    pub form: Form,
    /// `InhibitFile=`: while this file exists, the stack is not restarted.
    pub inhibit_file: Option<PathBuf>,
    /// `RestartScript=`: run instead of a restart by systemd.
    pub restart_script: Option<CommandLine>,
    /// `TimeoutSec=`: longest duration of a full restart.
    pub timeout: Duration,
    /// `Report=`: true if full restarts are reported.
    pub report: bool,
}

impl Stack {
    /// Longest duration of a full restart without `TimeoutSec=`: longer than a stop and a start
    /// that both run into systemd's own limits of 90 seconds.
    pub const TIMEOUT: Duration = Duration::from_secs(300);

    /// Returns the unit that stands for the whole stack.
    #[must_use]
    pub fn unit(&self) -> UnitName {
        match &self.form {
            Form::Defined => self.name.target(),
            Form::Adopted(unit) => unit.clone(),
        }
    }
}
