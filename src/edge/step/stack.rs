//! The ward's stack: what its full restart ends is no death, and it is asked for one.

use crate::core::config::StackName;
use crate::core::crash::observation::InvocationId;
use crate::core::full_restart::reception::errno;
use crate::core::full_restart::request::{AnswerWhen, Cause, Request};
use crate::edge::full_restart::ask::{self, AskError};
use crate::edge::full_restart::underway;
use std::io;

/// Whether a full restart that is under way has ended a run which began and ended at these times, by PID 1's monotonic clock in
/// microseconds; 0: it never had a main process that ended.
///
/// Its restart script may do so in any way, and the kill of a process looks like a crash. Where systemd restarts there is no need
/// to ask: its jobs tell. Who had died before has died of something else, and a run that has begun since is none that it ends.
pub(super) fn has_ended(stack: &str, began: u64, died: u64) -> bool {
    underway::script_since(stack).is_some_and(|since| is_its_doing(since, began, died))
}

/// Whether a full restart by a script is under way, which may have ended what has just ended.
pub(super) fn is_at_work(stack: &str) -> bool {
    underway::script_since(stack).is_some()
}

fn is_its_doing(since: u64, began: u64, died: u64) -> bool {
    began < since && (died == 0 || died >= since)
}

/// A unit and the run in which it died.
#[derive(Debug, Clone, Copy)]
pub(super) struct Death<'a> {
    pub(super) unit: &'a str,
    pub(super) invocation: &'a str,
}

/// Asks for a full restart; it is under way when this returns, or about to be.
///
/// # Errors
/// When it is refused, has failed or nobody answers.
pub(super) fn restart(stack: &StackName, caller: String, death: Option<Death<'_>>) -> io::Result<()> {
    let cause = death.and_then(|death| {
        let invocation = InvocationId::parse(death.invocation)?;
        Some(Cause { unit: death.unit.to_owned(), invocation })
    });
    let request = Request { caller, cause, answer: AnswerWhen::Begun, backtrace: None };
    match ask::ask(stack, &request, ask::PATIENCE) {
        Ok(answer) if matches!(answer.errno, 0 | errno::INPROGRESS) => Ok(()),
        Ok(answer) => Err(io::Error::other(answer.words)),
        Err(error @ AskError::Unanswered(_)) => {
            tracing::warn!(
                UNITWARD_STACK = stack.as_str(),
                "Stack {stack} is restarted later: {error}; the request is read once unitward-stack@{stack}.service is up."
            );
            Ok(())
        }
        Err(error) => Err(io::Error::other(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_restart_ends_runs_that_began_before_it_and_lasted_until_it() {
        for (began, died, expect) in
            [(50, 100, true), (50, 150, true), (50, 0, true), (50, 99, false), (100, 150, false), (120, 150, false)]
        {
            assert_eq!(is_its_doing(100, began, died), expect, "{began} {died}");
        }
    }
}
