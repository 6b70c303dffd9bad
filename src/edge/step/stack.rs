//! The ward's stack: requests its full restart, and recognises runs that such a restart has ended,
//! which are no deaths.

use crate::core::config::StackName;
use crate::core::crash::observation::InvocationId;
use crate::core::full_restart::reception::errno;
use crate::core::full_restart::request::{AnswerWhen, Cause, Request};
use crate::edge::full_restart::ask::{self, AskError};
use crate::edge::full_restart::underway;
use std::io;

/// Returns true if a full restart by a script, still under way, has ended a run with this start and
/// end, by PID 1's monotonic clock in microseconds; `died` is 0 if no main process ended.
///
/// The restart script may end processes in any way, and the kill of a process looks like a crash.
/// If systemd restarts the stack, no check is needed: its jobs tell. A process that had died before
/// died of another cause, and a run that has begun since is not ended by the restart.
pub(super) fn has_ended(stack: &str, began: u64, died: u64) -> bool {
    underway::script_since(stack).is_some_and(|since| is_its_doing(since, began, died))
}

/// Returns true if a full restart by a script is under way, which may have ended the run that has
/// just ended.
pub(super) fn is_at_work(stack: &str) -> bool {
    underway::script_since(stack).is_some()
}

fn is_its_doing(since: u64, began: u64, died: u64) -> bool {
    began < since && (died == 0 || died >= since)
}

/// A death: a unit and the run in which it died.
#[derive(Debug, Clone, Copy)]
pub(super) struct Death<'a> {
    pub(super) unit: &'a str,
    pub(super) invocation: &'a str,
}

/// Requests a full restart; on success it is under way or about to begin.
///
/// # Errors
/// The restart is refused or has failed, or the request cannot be handed over. A request that was
/// taken but not answered in time is no error.
pub(super) fn restart(
    stack: &StackName,
    caller: String,
    death: Option<Death<'_>>,
) -> io::Result<()> {
    let cause = death.and_then(|death| {
        let invocation = InvocationId::parse(death.invocation)?;
        Some(Cause {
            unit: death.unit.to_owned(),
            invocation,
        })
    });
    let request = Request {
        caller,
        cause,
        answer: AnswerWhen::Begun,
        backtrace: None,
    };
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
        for (began, died, expect) in [
            (50, 100, true),
            (50, 150, true),
            (50, 0, true),
            (50, 99, false),
            (100, 150, false),
            (120, 150, false),
        ] {
            assert_eq!(is_its_doing(100, began, died), expect, "{began} {died}");
        }
    }
}
