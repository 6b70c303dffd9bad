//! From `Keyword=argument` to an [`Action`].

use super::command_line::{CommandLine, expand};
use super::names::{StackName, UnitName};
use super::step::{Action, Awaited, RebootGuard, Wait};
use super::time_span;
use super::wrong::{Wrong, offset_in};
use std::borrow::Cow;
use std::net::SocketAddrV6;

/// Keywords of steps.
pub(super) const STEPS: [&str; 10] = [
    "Execute",
    "WaitFor",
    "Restart",
    "Start",
    "Stop",
    "Reload",
    "Signal",
    "Log",
    "RestartStack",
    "Reboot",
];

/// Keywords of steps that act only when the step above failed.
pub(super) const ELSE_STEPS: [&str; 4] = ["ElseExecute", "ElseWaitFor", "ElseSignal", "ElseLog"];

/// Steps of the vocabulary that need the registry or heartbeats.
pub(super) const LATER_STEPS: [&str; 2] = ["Status", "HeartbeatHealthy"];

/// Time limit of a wait without a given time.
const DEFAULT_WAIT: std::time::Duration = std::time::Duration::from_secs(5);

/// Reads the argument of `keyword`, one of [`STEPS`]; `own` is the ward's unit.
///
/// # Errors
/// A [`Wrong`] that says what is wrong and what to write instead.
pub(super) fn read(keyword: &str, argument: &str, own: &UnitName) -> Result<Action, Wrong> {
    let named: Cow<'_, str> = if argument.contains('%') {
        expand(argument, own).into()
    } else {
        argument.into()
    };
    match keyword {
        "Execute" => {
            CommandLine::parse(argument).map(|command| Action::Execute(command.for_unit(own)))
        }
        "Restart" if named == own.as_str() => Ok(Action::RestartSelf),
        "Start" | "Stop" | "Reload" if named == own.as_str() => {
            Err("the ward's own unit can only be restarted, by Restart=%n".into())
        }
        "Restart" | "Start" | "Stop" | "Reload" | "Signal" => {
            let read = if own.is_specified() {
                read_with(UnitName::read_specified, keyword, &named)
            } else {
                read_built_in(keyword, &named)
            };
            read.map_err(|wrong| put_back(wrong, argument, &named))
        }
        _ => read_built_in(keyword, argument),
    }
}

/// Returns what is wrong with `named` as what is wrong with `argument`, in which the name was put.
/// After the name it stands as far from the end in both.
fn put_back(wrong: Wrong, argument: &str, named: &str) -> Wrong {
    match (argument.len() + wrong.offset).checked_sub(named.len()) {
        Some(offset) if wrong.offset > 0 => Wrong { offset, ..wrong },
        _ => Wrong { offset: 0, ..wrong },
    }
}

/// Reads a step of the helper's own from a generated line, where no `%n` is left.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_built_in(keyword: &str, argument: &str) -> Result<Action, Wrong> {
    read_with(UnitName::read, keyword, argument)
}

fn read_with(
    unit: fn(&str) -> Result<UnitName, Wrong>,
    keyword: &str,
    argument: &str,
) -> Result<Action, Wrong> {
    match keyword {
        "Execute" => Err("a command is run, not read".into()),
        "Restart" => unit(argument).map(Action::Restart),
        "Start" => unit(argument).map(Action::Start),
        "Stop" => unit(argument).map(Action::Stop),
        "Reload" => unit(argument).map(Action::Reload),
        "Signal" => signal_parts(argument)
            .and_then(|(target, signal)| Ok(Action::Signal(unit(target)?, signal))),
        "WaitFor" => read_wait(argument).map(Action::WaitFor),
        "Log" => Ok(Action::Log(argument.to_owned())),
        "RestartStack" => stack(argument).map(Action::RestartStack),
        "Reboot" => read_reboot(argument),
        _ => Err("no such step".into()),
    }
}

fn read_reboot(argument: &str) -> Result<Action, Wrong> {
    match argument {
        "yes" => Ok(Action::Reboot(RebootGuard::Patient)),
        "force" => Ok(Action::Reboot(RebootGuard::Force)),
        _ => {
            let why = "expected yes, or force to reboot even within ten minutes of boot";
            Err(Wrong::from(why).near(argument, ["yes", "force"]))
        }
    }
}

fn stack(argument: &str) -> Result<StackName, Wrong> {
    StackName::new(argument)
        .map_err(|why| format!("{argument:?} cannot name a stack: {why}").into())
}

/// Splits the argument into a unit and a signal's full name.
fn signal_parts(argument: &str) -> Result<(&str, String), Wrong> {
    let parts = argument.split_once(char::is_whitespace);
    let (target, signal) =
        parts.ok_or("expected a unit and a signal, as in Signal=inetd.service SIGHUP")?;
    let signal = signal.trim();
    let name = if signal.starts_with("SIG") {
        signal.to_owned()
    } else {
        format!("SIG{signal}")
    };
    if !SIGNALS.contains(&name.as_str()) {
        let why = format!("{signal:?} is not a signal; write its name, such as SIGHUP or SIGUSR1");
        return Err(Wrong {
            offset: offset_in(argument, signal),
            ..Wrong::from(why).near(&name, SIGNALS)
        });
    }
    Ok((target, name))
}

/// Signals that can be sent to a service (signal(7)), real-time signals left out.
const SIGNALS: [&str; 30] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

fn read_wait(argument: &str) -> Result<Wait, Wrong> {
    let Some((kind, rest)) = argument.split_once(':') else {
        return Ok(Wait::Pause(time_span::parse(argument)?));
    };
    let (what, limit) = match rest.split_once(char::is_whitespace) {
        Some((what, limit)) => {
            let limit = limit.trim_start();
            (
                what,
                time_span::parse(limit).map_err(|wrong| wrong.moved(offset_in(argument, limit)))?,
            )
        }
        None => (rest, DEFAULT_WAIT),
    };
    let at = offset_in(argument, what);
    let awaited = match kind {
        "path" if what.starts_with('/') => Awaited::Path(what.to_owned()),
        "path" => {
            return Err(Wrong::from("write an absolute path, as in path:/dev/nfs2 5s").moved(at));
        }
        "unit" => Awaited::Unit(UnitName::read(what).map_err(|wrong| wrong.moved(at))?),
        "bus" if is_bus_name(what) => Awaited::Bus(what.to_owned()),
        "bus" => {
            return Err(Wrong::from(
                "write a well-known bus name, as in bus:org.example.Service 5s",
            )
            .moved(at));
        }
        "tcp" => Awaited::Tcp(tcp_address(what).map_err(|why| Wrong::from(why).moved(at))?),
        "unix" if what.starts_with('/') || what.starts_with('@') => Awaited::Unix(what.to_owned()),
        "unix" => {
            return Err(
                Wrong::from("write the socket's absolute path, as in unix:/run/x.sock 5s")
                    .moved(at),
            );
        }
        "status" => return Err("waiting for a status is not in this version of Unitward".into()),
        _ => {
            let why = "expected a time, or path:, unit:, bus:, tcp: or unix: with what to wait for and a time";
            return Err(Wrong::from(why).near(
                &[kind, ":"].concat(),
                ["path:", "unit:", "bus:", "tcp:", "unix:"],
            ));
        }
    };
    Ok(Wait::Until(awaited, limit))
}

/// Checks a well-known name (D-Bus specification, "Valid Names").
fn is_bus_name(name: &str) -> bool {
    name.len() <= 255 && name.contains('.') && name.split('.').all(is_bus_name_element)
}

fn is_bus_name_element(part: &str) -> bool {
    !part.is_empty()
        && !part.starts_with(|c: char| c.is_ascii_digit())
        && part
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}

/// Checks a host and a port; the host is an address or a name.
fn tcp_address(text: &str) -> Result<String, &'static str> {
    let (host, _) = text
        .rsplit_once(':')
        .filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
        .ok_or("write a host and a port, as in tcp:127.0.0.1:111 5s")?;
    match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
        Some(None) => Err(
            "the bracket is not closed; write the IPv6 address in brackets, as in tcp:[::1]:111 5s",
        ),
        Some(Some(_)) if text.parse::<SocketAddrV6>().is_ok() => Ok(text.to_owned()),
        None if !host.contains(['[', ']']) => Ok(text.to_owned()),
        _ => Err(
            "only an IPv6 address stands in brackets, as in tcp:[::1]:111 5s; write a name without them",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn own() -> UnitName {
        UnitName::new("a.service").unwrap()
    }

    #[test]
    fn every_kind_of_wait_is_read() {
        let until = |awaited, seconds| {
            Ok(Action::WaitFor(Wait::Until(
                awaited,
                Duration::from_secs(seconds),
            )))
        };
        for (text, expected) in [
            (
                "2s",
                Ok(Action::WaitFor(Wait::Pause(Duration::from_secs(2)))),
            ),
            (
                "path:/dev/nfs2 7s",
                until(Awaited::Path("/dev/nfs2".into()), 7),
            ),
            (
                "path:/dev/nfs2",
                until(Awaited::Path("/dev/nfs2".into()), 5),
            ),
            (
                "unit:x.service 1min",
                until(Awaited::Unit(UnitName::new("x.service").unwrap()), 60),
            ),
            ("bus:org.x 5s", until(Awaited::Bus("org.x".into()), 5)),
            (
                "tcp:127.0.0.1:111 5s",
                until(Awaited::Tcp("127.0.0.1:111".into()), 5),
            ),
            ("tcp:[::1]:80", until(Awaited::Tcp("[::1]:80".into()), 5)),
            (
                "tcp:[fe80::1%2]:80",
                until(Awaited::Tcp("[fe80::1%2]:80".into()), 5),
            ),
            (
                "tcp:localhost:80",
                until(Awaited::Tcp("localhost:80".into()), 5),
            ),
            (
                "unix:/run/x.sock 5s",
                until(Awaited::Unix("/run/x.sock".into()), 5),
            ),
        ] {
            assert_eq!(read("WaitFor", text, &own()), expected, "{text}");
        }
    }

    #[test]
    fn restarting_oneself_marks_the_place_of_the_restart() {
        assert_eq!(read("Restart", "%n", &own()), Ok(Action::RestartSelf));
        assert_eq!(
            read("Restart", "a.service", &own()),
            Ok(Action::RestartSelf)
        );
        assert_eq!(
            read("Restart", "b.service", &own()),
            Ok(Action::Restart(UnitName::new("b.service").unwrap()))
        );
    }

    #[test]
    fn wrong_arguments_are_refused_with_advice() {
        for (keyword, argument) in [
            ("WaitFor", "soon"),
            ("WaitFor", "path:dev 5s"),
            ("WaitFor", "path:/dev soon"),
            ("WaitFor", "bus:nodots"),
            ("WaitFor", "bus:a..b"),
            ("WaitFor", "tcp:host"),
            ("WaitFor", "tcp:host:0"),
            ("WaitFor", "tcp:[::1]"),
            ("WaitFor", "tcp:[::1:80"),
            ("WaitFor", "tcp:::1]:80"),
            ("WaitFor", "tcp:[localhost]:80"),
            ("WaitFor", "tcp:[127.0.0.1]:80"),
            ("WaitFor", "unix:x"),
            ("WaitFor", "status:g/i 5s"),
            ("WaitFor", "moon:full"),
            ("Restart", "inetd"),
            ("Start", "a.service"),
            ("Stop", "%n"),
            ("Signal", "a.service"),
            ("Signal", "a.service SIGNO"),
            ("RestartStack", "open sync"),
            ("RestartStack", "open@sync"),
            ("Reboot", "perhaps"),
            ("Execute", "mount"),
        ] {
            assert!(
                read(keyword, argument, &own()).is_err(),
                "{keyword}={argument}"
            );
        }
        assert_eq!(
            read("Signal", "%n HUP", &own()),
            Ok(Action::Signal(own(), "SIGHUP".into()))
        );
    }
}
