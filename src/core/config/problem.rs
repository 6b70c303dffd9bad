//! What can be wrong in the configuration, what each mistake costs, and how it is said.
//!
//! Every problem prints as one line, `path:line: message`, that ends with what to do or what was
//! left out. The kernel log, the journal and `unitward check` all print this same line.

use super::ward::Place;
use std::fmt;

/// One mistake and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File and line.
    pub at: Place,
    /// What is wrong.
    pub mistake: Mistake,
}

/// The smallest whole a mistake makes meaningless, and so all that it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cost {
    /// A warning: everything still stands.
    Nothing,
    /// The key; its default applies.
    Key,
    /// The condition: half a recovery is worse than none.
    Condition,
    /// The ward, the stack, or the whole of `unitward.conf`.
    Ward,
}

/// The mistakes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// A section nobody knows.
    #[error("unknown section [{section}]{}; its lines are ignored", did_you_mean(.nearest))]
    UnknownSection {
        /// As written.
        section: String,
        /// The nearest valid one.
        nearest: Option<String>,
    },
    /// A key nobody knows, outside the conditions.
    #[error("unknown key {key:?} in [{section}]{}; the line is ignored", did_you_mean(.nearest))]
    UnknownKey {
        /// The section.
        section: String,
        /// As written.
        key: String,
        /// The nearest valid one.
        nearest: Option<String>,
    },
    /// A key nobody knows, in a condition, where it may have been meant as a step.
    #[error("unknown step or key {key:?} in [{section}]{}; the whole [{section}] is ignored", did_you_mean(.nearest))]
    UnknownStep {
        /// The condition's section.
        section: String,
        /// As written.
        key: String,
        /// The nearest valid one.
        nearest: Option<String>,
    },
    /// A value that does not fit its key.
    #[error("{key}={value:?} is not valid: {why}; the default applies")]
    BadValue {
        /// The key.
        key: String,
        /// As written.
        value: String,
        /// What is expected.
        why: String,
    },
    /// A step, or a key of a condition, that makes no sense.
    #[error("{key}={value:?} is not valid: {why}; the whole [{section}] is ignored")]
    BadStep {
        /// The condition's section.
        section: String,
        /// The step's keyword.
        key: String,
        /// As written.
        value: String,
        /// What is wrong and what to write.
        why: String,
    },
    /// A condition without any step.
    #[error("[{section}] has no step; add one, such as Execute= or WaitFor=")]
    NoSteps {
        /// The condition's section.
        section: String,
    },
    /// Something of the vocabulary that this version does not do.
    #[error("{what} is not in this version of Unitward; {left_out}")]
    NotYet {
        /// The key or section.
        what: String,
        /// What is ignored because of it.
        left_out: String,
        /// What it costs.
        cost: Cost,
    },
    /// A line that is neither a section, an assignment, a comment nor empty.
    #[error("expected [Section], Key=Value or a comment, found {found:?}; the line is ignored")]
    NotALine {
        /// The beginning of the line.
        found: String,
    },
    /// The same in a condition, where it may have been meant as a step.
    #[error("expected Key=Value in [{section}], found {found:?}; the whole [{section}] is ignored")]
    NotAStep {
        /// The condition's section.
        section: String,
        /// The beginning of the line.
        found: String,
    },
    /// The same in a native `[Service]`, where systemd itself would go on without the line.
    #[error("{key}={value:?} is not valid: {why}; the ward is ignored")]
    BadNative {
        /// The key.
        key: String,
        /// As written.
        value: String,
        /// What is wrong and what to write.
        why: String,
    },
    /// An assignment before the first section.
    #[error("{key:?} stands before the first [Section]; the line is ignored")]
    OutsideSection {
        /// The key.
        key: String,
    },
    /// A file that is not text, too large, unsafe or unreadable.
    #[error("{why}; the ward, the stack or the settings in it are ignored")]
    File {
        /// What is wrong and what to do.
        why: String,
    },
    /// A ward's name that cannot name a unit.
    #[error("{name:?} cannot name a ward: {why}; rename the file")]
    WardName {
        /// The file's stem.
        name: String,
        /// The rule it breaks.
        why: super::names::BadName,
    },
    /// A ward that neither defines nor adopts a unit.
    #[error(
        "the ward guards nothing: write ExecStart= in [Service] to define a service, or Unit= in [Ward] to adopt one; the ward is ignored"
    )]
    NoForm,
    /// A ward that does both.
    #[error("the ward has both ExecStart= in [Service] and Unit= in [Ward]; keep one of them; the ward is ignored")]
    TwoForms,
    /// `[Ward] Unit=` that cannot be adopted.
    #[error("Unit={value:?} cannot be adopted: {why}; the ward is ignored")]
    BadUnit {
        /// As written.
        value: String,
        /// The rule it breaks and what to write.
        why: String,
    },
    /// Two wards for one unit.
    #[error("{unit} is guarded by {other} already; remove one of the two; this ward is ignored")]
    Twice {
        /// The unit.
        unit: String,
        /// The ward that keeps it.
        other: String,
    },
    /// A ward for the unit of a stack.
    #[error(
        "{unit} is the unit of the stack in {stack}, whose end is nobody's death; name another unit in one of the two; this ward is ignored"
    )]
    WardOfStack {
        /// The unit.
        unit: String,
        /// The stack's main file.
        stack: String,
    },
    /// `[Ward] Stack=` that names none.
    #[error("there is no stack {name:?}{}; the ward is guarded without one", or_write(.nearest, .name))]
    NoStack {
        /// As written.
        name: String,
        /// The nearest one there is.
        nearest: Option<String>,
    },
    /// A stack's name that cannot name a unit.
    #[error("{name:?} cannot name a stack: {why}; rename the file")]
    StackName {
        /// The file's stem.
        name: String,
        /// The rule it breaks.
        why: super::names::BadName,
    },
    /// `[Stack] Unit=` that cannot be adopted.
    #[error("Unit={value:?} cannot be adopted: {why}; the stack is ignored")]
    BadStackUnit {
        /// As written.
        value: String,
        /// The rule it breaks and what to write.
        why: String,
    },
    /// A stack that would take the place of a target that is there.
    #[error(
        "{target} exists already, in {file}; write Unit={target} in [Stack] to adopt it, or rename the stack; the stack is ignored"
    )]
    TargetExists {
        /// The target.
        target: String,
        /// Its unit file.
        file: String,
    },
    /// Two stacks for one unit.
    #[error("{unit} is the unit of {other} already; remove one of the two; this stack is ignored")]
    StackTwice {
        /// The unit.
        unit: String,
        /// The stack that keeps it.
        other: String,
    },
    /// Two generated files of one name.
    #[error("the unit {unit} would be written twice; rename the condition or the ward; this ward is ignored")]
    Collision {
        /// The generated unit.
        unit: String,
    },
    /// `Restart=` steps that lead back to where they began.
    #[error(
        "the steps restart each other in a circle: {circle}; a death would go round for ever; the whole [{section}] is ignored"
    )]
    Loop {
        /// The condition's section.
        section: String,
        /// The units in order, the first repeated at the end.
        circle: String,
    },
    /// Everything that leaves the configuration as it is.
    #[error("{0}")]
    Warning(String),
}

impl Mistake {
    /// What it costs.
    #[must_use]
    pub fn cost(&self) -> Cost {
        match self {
            Self::Warning(_) => Cost::Nothing,
            Self::UnknownSection { .. }
            | Self::UnknownKey { .. }
            | Self::BadValue { .. }
            | Self::NotALine { .. }
            | Self::OutsideSection { .. }
            | Self::NoStack { .. } => Cost::Key,
            Self::UnknownStep { .. }
            | Self::BadStep { .. }
            | Self::NoSteps { .. }
            | Self::NotAStep { .. }
            | Self::Loop { .. } => Cost::Condition,
            Self::NotYet { cost, .. } => *cost,
            Self::BadNative { .. }
            | Self::File { .. }
            | Self::WardName { .. }
            | Self::NoForm
            | Self::TwoForms
            | Self::BadUnit { .. }
            | Self::Twice { .. }
            | Self::WardOfStack { .. }
            | Self::StackName { .. }
            | Self::BadStackUnit { .. }
            | Self::TargetExists { .. }
            | Self::StackTwice { .. }
            | Self::Collision { .. } => Cost::Ward,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:", self.at.path.display())?;
        if self.at.line > 0 {
            write!(out, "{}:", self.at.line)?;
        }
        write!(out, " {}", self.mistake)
    }
}

/// The candidate most like `word`, if any is like it at all.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate.to_owned())
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|word| format!(", did you mean {word:?}?")).unwrap_or_default()
}

fn or_write(nearest: &Option<String>, stack: &str) -> String {
    if nearest.is_some() { did_you_mean(nearest) } else { format!(", write {stack}.stack") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_despite_case_and_slips() {
        let keys = ["Execute", "WaitFor", "Restart", "Log"];
        assert_eq!(nearest("Exceute", keys).as_deref(), Some("Execute"));
        assert_eq!(nearest("waitfor", keys).as_deref(), Some("WaitFor"));
        assert_eq!(nearest("Zzz", keys), None);
    }

    #[test]
    fn a_problem_prints_as_path_line_message() {
        let at = Place { path: std::path::Path::new("/etc/unitward/a.ward").into(), line: 3 };
        let mistake = Mistake::UnknownKey { section: "Ward".into(), key: "Untit".into(), nearest: Some("Unit".into()) };
        assert_eq!(
            Problem { at, mistake }.to_string(),
            "/etc/unitward/a.ward:3: unknown key \"Untit\" in [Ward], did you mean \"Unit\"?; the line is ignored"
        );
    }
}
