//! A step as the words of a line, which the helper reads and `systemctl cat` shows.

use crate::core::config::command_line::{CommandLine, literal, quote};
use crate::core::config::step::{Action, Awaited, RebootGuard, Wait};
use crate::core::config::{Ward, time_span};
use crate::core::recovery::list;

/// Returns a step's keyword and argument, nearly as in the ward's file.
#[must_use]
pub fn words(action: &Action) -> String {
    match action {
        Action::Execute(command) => ["Execute ", &command.text()].concat(),
        Action::WaitFor(wait) => ["WaitFor ", &wait_words(wait)].concat(),
        // Not a step of the helper's; the arm completes the match.
        Action::RestartSelf => "Restart %n".to_owned(),
        Action::Restart(unit) => ["Restart ", &*quote(unit.as_str())].concat(),
        Action::Start(unit) => ["Start ", &*quote(unit.as_str())].concat(),
        Action::Stop(unit) => ["Stop ", &*quote(unit.as_str())].concat(),
        Action::Reload(unit) => ["Reload ", &*quote(unit.as_str())].concat(),
        Action::Signal(unit, signal) => format!("Signal {} {signal}", quote(unit.as_str())),
        Action::Log(text) => format!("Log {}", quote(&list::guarded(&literal(text)))),
        Action::RestartStack(stack) => ["RestartStack ", &*quote(stack.as_str())].concat(),
        Action::Reboot(RebootGuard::Patient) => "Reboot yes".to_owned(),
        Action::Reboot(RebootGuard::Force) => "Reboot force".to_owned(),
    }
}

/// Returns the words for the helper. It replaces the variables in a command itself: replaced by PID
/// 1, from an environment file of the service for example, they could look like the beginning of
/// another step.
///
/// Of a template's ward the lines leave the name of the instance open.
pub(super) fn helper_words(action: &Action, ward: &Ward) -> String {
    let Action::Execute(command) = action else {
        return words(action);
    };
    let guarded = if ward.name.is_open() {
        list::guarded_in_template
    } else {
        list::guarded
    };
    let mut text = String::from("Execute");
    for word in &command.words {
        text.extend([" ", &quote(&guarded(&word.replace('$', "$$")))]);
    }
    text
}

/// Returns the command that a step runs, if it runs one.
pub(super) fn command_of(action: &Action) -> Option<&CommandLine> {
    if let Action::Execute(command) = action {
        Some(command)
    } else {
        None
    }
}

fn wait_words(wait: &Wait) -> String {
    let (what, limit) = match wait {
        Wait::Pause(span) => return time_span::render(*span),
        Wait::Until(what, limit) => (what, limit),
    };
    let what = match what {
        Awaited::Path(path) => format!("path:{path}"),
        Awaited::Unit(unit) => format!("unit:{unit}"),
        Awaited::Bus(name) => format!("bus:{name}"),
        Awaited::Tcp(address) => format!("tcp:{address}"),
        Awaited::Unix(path) => format!("unix:{path}"),
    };
    format!("{} {}", quote(&literal(&what)), time_span::render(*limit))
}
