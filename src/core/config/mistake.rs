//! The mistakes that a configuration can have, each as a sentence with advice, and their costs.
//!
//! The sentence says what is wrong, why, and what to write; most end with what is left out.

mod cost;
mod instead;

pub use instead::Applies;

use super::problem::Cost;
use super::timeout_not_known::TimeoutNotKnown;
use super::wrong::{Wrong, did_you_mean};

/// One kind of mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// An unknown section.
    #[error("unknown section [{section}]{}; its lines are ignored", did_you_mean(.nearest))]
    UnknownSection {
        /// As written.
        section: String,
        /// The nearest valid one.
        nearest: Option<String>,
    },
    /// An unknown key outside the conditions.
    #[error("unknown key {key:?} in [{section}]{}; the line is ignored", did_you_mean(.nearest))]
    UnknownKey {
        /// The section.
        section: String,
        /// As written.
        key: String,
        /// The nearest valid one.
        nearest: Option<String>,
    },
    /// A key of another section.
    #[error("{key}= belongs in [{home}], not in [{section}]; the line is ignored")]
    WrongSection {
        /// The section.
        section: String,
        /// As written.
        key: String,
        /// The section that has this key.
        home: &'static str,
    },
    /// An unknown key in a condition, where it may have been meant as a step.
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
    #[error("{key}={value:?} is not valid: {wrong}; {applies}")]
    BadValue {
        /// The key.
        key: String,
        /// As written.
        value: String,
        /// The reason, with what is expected.
        wrong: Wrong,
        /// What applies instead.
        applies: Applies,
    },
    /// An invalid word in a value of several words.
    #[error("{word:?} in {key}= is not valid: {wrong}; the word is ignored")]
    BadWord {
        /// The key.
        key: String,
        /// The word.
        word: String,
        /// The reason, with what is expected.
        wrong: Wrong,
    },
    /// A step, or a key of a condition, that makes no sense.
    #[error("{key}={value:?} is not valid: {wrong}; the whole [{section}] is ignored")]
    BadStep {
        /// The condition's section.
        section: String,
        /// The step's keyword.
        key: String,
        /// As written.
        value: String,
        /// The reason, with what to write.
        wrong: Wrong,
    },
    /// An invalid name of a condition.
    #[error("[{section}] is not valid: {why}; the whole [{section}] is ignored")]
    ConditionName {
        /// The condition's section.
        section: String,
        /// The reason, with what to write.
        why: &'static str,
    },
    /// A condition without any step.
    #[error("[{section}] has no step; add one, such as Execute= or WaitFor=")]
    NoSteps {
        /// The condition's section.
        section: String,
    },
    /// A part of the vocabulary that this version does not implement.
    #[error("{what} is not in this version of Unitward; {left_out}")]
    NotYet {
        /// The key or section.
        what: String,
        /// The part of the configuration that is ignored because of it.
        left_out: String,
        /// Cost of the mistake.
        cost: Cost,
    },
    /// A line that is neither a section, an assignment, a comment nor empty.
    #[error("expected [Section], Key=Value or # and a comment, found {found}; the line is ignored")]
    NotALine {
        /// The beginning of the line, quoted, and what is wrong with its bytes.
        found: String,
    },
    /// Such a line in a condition, where it may have been meant as a step.
    #[error("expected Key=Value in [{section}], found {found}; the whole [{section}] is ignored")]
    NotAStep {
        /// The condition's section.
        section: String,
        /// The beginning of the line, quoted, and what is wrong with its bytes.
        found: String,
    },
    /// Such a line in a native section, where systemd itself would go on without the line.
    #[error(
        "expected Key=Value in [{section}], as in a unit file, found {found}; the ward is ignored"
    )]
    NotANativeLine {
        /// The section.
        section: String,
        /// The beginning of the line, quoted, and what is wrong with its bytes.
        found: String,
    },
    /// An invalid value in a native section, where systemd itself would go on without the line.
    #[error("{key}={value:?} is not valid: {wrong}; the ward is ignored")]
    BadNative {
        /// The key.
        key: String,
        /// As written.
        value: String,
        /// The reason, with what to write.
        wrong: Wrong,
    },
    /// An assignment before the first section.
    #[error(
        "{key:?} stands before the first [Section]; write the section's name above it; the line is ignored"
    )]
    OutsideSection {
        /// The key.
        key: String,
    },
    /// A file that is not text, too large, unsafe or unreadable.
    #[error("{why}; {left_out}")]
    File {
        /// The reason, with what to do.
        why: String,
        /// What does not take effect: a ward or a stack as a whole, or the settings in the file.
        left_out: String,
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
    /// A ward without a form whose `[Service]` has a key that resembles `ExecStart=`.
    #[error(
        "unknown key {key:?} in [Service] (did you mean \"ExecStart\"?); the ward guards nothing and is ignored"
    )]
    NoStart {
        /// As written.
        key: String,
    },
    /// A ward that both defines and adopts a unit.
    #[error(
        "the ward has both ExecStart= in [Service] and Unit= in [Ward]; keep one of them; the ward is ignored"
    )]
    TwoForms,
    /// `[Ward] Unit=` that cannot be adopted.
    #[error("Unit={value:?} cannot be adopted: {wrong}; the ward is ignored")]
    BadUnit {
        /// As written.
        value: String,
        /// The rule it breaks and what to write.
        wrong: Wrong,
    },
    /// Two wards for one unit.
    #[error("{unit} is guarded by {other} already; remove one of the two; this ward is ignored")]
    Twice {
        /// The unit.
        unit: String,
        /// The ward that keeps it.
        other: String,
    },
    /// A ward that cannot stand beside that of a template or of an instance; the sentence names both.
    #[error("{0}; the ward is ignored")]
    BesideTemplate(String),
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
    /// A `[Ward] Stack=` that names no known stack.
    #[error("there is no stack {name:?}{}; the ward is guarded without one", or_write(.nearest, .name))]
    NoStack {
        /// As written.
        name: String,
        /// The nearest stack that exists.
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
    #[error("Unit={value:?} cannot be adopted: {wrong}; the stack is ignored")]
    BadStackUnit {
        /// As written.
        value: String,
        /// The rule it breaks and what to write.
        wrong: Wrong,
    },
    /// A stack that would define a target that exists already.
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
    #[error(
        "the unit {unit} would be written twice; rename the condition or the ward; this ward is ignored"
    )]
    Collision {
        /// The generated unit.
        unit: String,
    },
    /// Steps that restart their own ward's unit, directly or over other wards.
    #[error(
        "the steps restart each other in a circle: {circle}; a death would go round for ever; take this step out, or one of the others; the whole [{section}] is ignored"
    )]
    Loop {
        /// The condition's section.
        section: String,
        /// The units in order, the first repeated at the end.
        circle: String,
    },
    /// A reference to a unit that does not exist.
    #[error("{key}= names {unit}, which has no unit file{}; {advice}", did_you_mean(.nearest))]
    NoUnit {
        /// The key that names it.
        key: String,
        /// As written.
        unit: String,
        /// The nearest unit that exists.
        nearest: Option<String>,
        /// The consequence, with what to do.
        advice: &'static str,
    },
    /// Steps for which an unknown time-out may be too short.
    #[error("{0}")]
    TimeoutNotKnown(TimeoutNotKnown),
    /// A program that cannot be run.
    #[error("{program} {why}, so {key}= cannot run it{}; correct the path, or install it", did_you_mean(.nearest))]
    NoProgram {
        /// The key that names it.
        key: String,
        /// As written.
        program: String,
        /// The reason, as a predicate of the program.
        why: &'static str,
        /// Path of a program of that name.
        nearest: Option<String>,
    },
    /// A key of a native section that systemd does not know.
    #[error("{who} knows no key {key:?} in [{section}]{}; it goes on without the line", did_you_mean(.nearest))]
    UnknownNative {
        /// The systemd that does not know it, as the subject of the sentence.
        who: String,
        /// The section.
        section: String,
        /// As written.
        key: String,
        /// The nearest key that it knows.
        nearest: Option<String>,
    },
    /// A key of Unitward's own in a native section.
    #[error(
        "{key}= belongs in [{home}]; systemd does not know it in [{section}] and goes on without the line"
    )]
    Misplaced {
        /// The section.
        section: &'static str,
        /// As written.
        key: String,
        /// The section that has this key.
        home: &'static str,
    },
    /// A file that is not read.
    #[error("nobody reads this file: {why}{}", did_you_mean(.nearest))]
    Unread {
        /// The reason, with what to do.
        why: String,
        /// The name that was probably meant.
        nearest: Option<String>,
    },
    /// A unit that the host's systemd would not load.
    #[error("systemd does not load {unit}: {why}; correct it, nothing of the unit runs until then")]
    NotLoaded {
        /// The unit.
        unit: String,
        /// Why, in systemd's words.
        why: String,
    },
    /// Everything else that leaves the configuration as it is.
    #[error("{0}")]
    Warning(String),
}

impl Mistake {
    /// Returns the nearest valid word, if one resembles the wrong one.
    #[must_use]
    pub fn nearest(&self) -> Option<&str> {
        match self {
            Self::UnknownSection { nearest, .. }
            | Self::UnknownKey { nearest, .. }
            | Self::UnknownStep { nearest, .. }
            | Self::NoStack { nearest, .. }
            | Self::NoUnit { nearest, .. }
            | Self::NoProgram { nearest, .. }
            | Self::UnknownNative { nearest, .. }
            | Self::Unread { nearest, .. } => nearest.as_deref(),
            Self::BadValue { wrong, .. }
            | Self::BadWord { wrong, .. }
            | Self::BadStep { wrong, .. }
            | Self::BadNative { wrong, .. }
            | Self::BadUnit { wrong, .. }
            | Self::BadStackUnit { wrong, .. } => wrong.nearest.as_deref(),
            Self::NoStart { .. } => Some("ExecStart"),
            _ => None,
        }
    }
}

fn or_write(nearest: &Option<String>, stack: &str) -> String {
    if nearest.is_some() {
        did_you_mean(nearest)
    } else {
        format!(", write {stack}.stack")
    }
}
