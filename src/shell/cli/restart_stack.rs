//! `unitward restart-stack`: asks for a full restart. With `--serve`, it performs full restarts.

use super::progress::while_waiting;
use super::refuse;
use crate::core::config::{Stack, StackName, left_out, nearest, time_span};
use crate::core::full_restart::program::Program;
use crate::core::full_restart::reception::errno;
use crate::core::full_restart::request::{Answer, AnswerWhen, LONGEST, Request, SOCKETS};
use crate::edge::full_restart::ask::{AskError, PATIENCE, ask};
use crate::edge::root::Files;
use crate::shell::cli::say;
use crate::shell::restarter;
use anyhow::Context as _;
use clap::Args;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Time for which the end of a restart is awaited beyond the restart's own time limit.
const MORE: Duration = Duration::from_secs(30);

/// Upper bound of the ancestors that are examined to find the caller; sudo and others are skipped.
const DEEPEST: usize = 4;

/// The command's arguments.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The stack: the stem of its file.
    #[arg(value_name = "NAME")]
    stack: String,
    /// Caller named in the report; by default the program that ran this command
    #[arg(long, value_name = "CALLER")]
    caller: Option<String>,
    /// A file with the caller's backtrace, one frame a line; "-" is standard input.
    #[arg(long, value_name = "FILE")]
    backtrace: Option<PathBuf>,
    /// Wait until the restart is over.
    #[arg(long)]
    wait: bool,
    /// Take requests on the socket that standard input is: what unitward-stack@.service runs.
    #[arg(long, hide = true, conflicts_with_all = ["caller", "backtrace", "wait"])]
    serve: bool,
}

/// Runs the command.
pub(super) fn restart_stack(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let name = match StackName::new(&arguments.stack) {
        Ok(name) => name,
        Err(why) => {
            return Ok(refuse(&format!(
                "{:?} cannot name a stack: {why}",
                arguments.stack
            )));
        }
    };
    if arguments.serve {
        return Ok(restarter::serve(&name));
    }
    let mut files = Files::list(Path::new("/"));
    let stacks = files.stacks().into_vec();
    let stack = stacks.iter().find(|stack| stack.name == name);
    if stack.is_none() && !Path::new(SOCKETS).join(name.as_str()).exists() {
        let left_out = left_out(&files.settings().1, &format!("{name}.stack"));
        return Ok(refuse(
            &left_out.unwrap_or_else(|| no_such_stack(&name, &stacks)),
        ));
    }
    let request = request(arguments)?;
    let patience = match request.answer {
        AnswerWhen::Begun => PATIENCE,
        AnswerWhen::Over => stack.map_or(Stack::TIMEOUT, |stack| stack.timeout) + MORE,
    };
    let begun = Instant::now();
    let answer = if arguments.wait {
        while_waiting(&format!("Restarting {name}"), || {
            ask(&name, &request, patience)
        })
    } else {
        ask(&name, &request, patience)
    };
    Ok(match answer {
        Ok(answer) => tell(&name, &answer, arguments.wait.then(|| begun.elapsed())),
        // The answer comes once systemd has started the service that restarts stacks. Of callers
        // other than root that service then asks which process they are.
        Err(error @ AskError::Unanswered(_))
            if !arguments.wait && rustix::process::geteuid().is_root() =>
        {
            say(&format!("Restarting {name}; {error}."));
            ExitCode::SUCCESS
        }
        Err(error @ AskError::Unanswered(_)) if !arguments.wait => {
            let lot = "Unless it is under way it is dropped, since its caller has ended: ask again";
            refuse(&format!("Failed to restart {name}: {error}. {lot}."))
        }
        Err(error) => refuse(&format!("Failed to restart {name}: {error}.")),
    })
}

/// Returns the request for the restart.
fn request(arguments: &Arguments) -> anyhow::Result<Request> {
    let caller = arguments.caller.clone().unwrap_or_else(calling_program);
    anyhow::ensure!(!caller.trim().is_empty(), "--caller= names nobody");
    Ok(Request {
        caller,
        cause: None,
        answer: if arguments.wait {
            AnswerWhen::Over
        } else {
            AnswerWhen::Begun
        },
        backtrace: arguments
            .backtrace
            .as_deref()
            .map(read_backtrace)
            .transpose()?,
    })
}

/// Prints the answer; `took` is given if the end was awaited.
fn tell(name: &StackName, answer: &Answer, took: Option<Duration>) -> ExitCode {
    match (answer.errno, took) {
        (0, Some(took)) => {
            let took = time_span::render(Duration::from_millis(time_span::millis(took)));
            say(&format!("Done in {took}: {}.", answer.words));
        }
        (0, None) => say(&format!("Restarting {name}.")),
        // The script runs, or systemd is busy; without `--wait` that is enough.
        (errno::INPROGRESS, None) => say(&format!("Restarting {name}; {}.", answer.words)),
        _ => return refuse(&format!("Failed to restart {name}: {}.", answer.words)),
    }
    ExitCode::SUCCESS
}

fn no_such_stack(name: &StackName, stacks: &[Stack]) -> String {
    let names: Vec<&str> = stacks.iter().map(|stack| stack.name.as_str()).collect();
    match nearest(name.as_str(), names.iter().copied()) {
        Some(other) => format!("There is no stack {name}, did you mean {other}?"),
        None if stacks.is_empty() => {
            format!("There is no stack {name}, nor any other: see unitward.stack(5).")
        }
        None => format!("There is no stack {name}, only {}.", names.join(", ")),
    }
}

fn read_backtrace(path: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    let most = LONGEST as u64;
    if path == Path::new("-") {
        io::stdin()
            .take(most)
            .read_to_end(&mut bytes)
            .context("failed to read standard input")?;
    } else {
        let file =
            File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
        file.take(most)
            .read_to_end(&mut bytes)
            .with_context(|| format!("failed to read {}", path.display()))?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the name of the program that has called this one, or "unitward" if it is not found.
fn calling_program() -> String {
    let mut pid = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    for _ in 0..DEEPEST {
        let Some(process) = pid else { break };
        let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        let arguments = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let arguments: Vec<_> = String::from_utf8_lossy(&arguments)
            .split_terminator('\0')
            .map(str::to_owned)
            .collect();
        let program = Program {
            name: name.trim_end(),
            arguments: &arguments,
        };
        if !program.is_a_changer() {
            return Some(program.called())
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| "unitward".to_owned());
        }
        pid = parent_of(process);
    }
    "unitward".to_owned()
}

/// Returns the parent process, from the fourth field of `/proc/PID/stat`; the second is a name in
/// brackets, which may contain any character.
fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_name_is_answered_with_the_right_one() {
        let stack = |name: &str| Stack {
            name: StackName::new(name).unwrap(),
            path: Path::new("/x").into(),
            identifier: name.to_owned(),
            form: crate::core::config::Form::Defined,
            inhibit_file: None,
            restart_script: None,
            timeout: Stack::TIMEOUT,
            report: true,
        };
        let check = |name: &str, stacks: &[&str], words: &str| {
            let stacks: Vec<_> = stacks.iter().map(|name| stack(name)).collect();
            assert_eq!(
                no_such_stack(&StackName::new(name).unwrap(), &stacks),
                words
            );
        };
        check(
            "opensinc",
            &["opensync", "shop"],
            "There is no stack opensinc, did you mean opensync?",
        );
        check(
            "x",
            &["opensync", "shop"],
            "There is no stack x, only opensync, shop.",
        );
        check(
            "x",
            &[],
            "There is no stack x, nor any other: see unitward.stack(5).",
        );
    }

    #[test]
    fn a_parent_is_found() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(
            parent_of(own),
            rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get())
        );
    }
}
