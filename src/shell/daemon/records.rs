//! Run records as witnesses: `unitward-step`'s words in the terms of the verdict.

use super::event::Witness;
use crate::core::crash::Cause;
use crate::core::crash::observation::{InvocationId, ServiceResult};
use crate::core::crash::reason::TimeLimits;
use crate::core::crash::tracker::{Evidence, Waited};
use crate::core::crash::verdict::{Testimony, process_end};
use crate::core::recovery::account::Died;
use crate::edge::record::{End, TimedOut, Up, WardState};
use crate::edge::recoveries;
use std::io;

/// What the record of one run of `unit` says, completed by when the bus has seen it up; nothing where there is no record.
///
/// # Errors
/// When there is a record and it cannot be read.
pub(super) fn read(unit: String, (ward, invocation): (&str, &InvocationId), up: Option<Up>) -> io::Result<Witness> {
    let (state, invocation) = (WardState::of(ward), invocation.clone());
    match state.run(invocation.as_str()) {
        Ok(mut record) => {
            // The line after the steps, where the unit has one, has noted more exactly when they were done.
            record.up = record.up.or(up);
            let recoveries = recoveries::chains(&record, &|earlier| state.run(earlier).ok());
            Ok(Witness { unit, invocation, testimony: record.end.as_ref().map(testimony), recoveries })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(silence(unit, invocation)),
        Err(error) => Err(error),
    }
}

/// The answer where there is no record.
pub(super) fn silence(unit: String, invocation: InvocationId) -> Witness {
    Witness { unit, invocation, testimony: None, recoveries: Vec::new() }
}

/// How a run ended.
///
/// A run that has finished its work was not asked to end, and is no death either: it counts as asked for.
pub(in crate::shell) fn testimony(end: &End) -> Testimony {
    Testimony {
        evidence: if end.asked || end.finished { Evidence::Asked } else { Evidence::Unasked },
        result: ServiceResult::parse(&end.result),
        process: process_end(&end.code, &end.status),
        pid: end.pid,
        at: end.at,
        waited: end.timed_out.map(|limit| match limit {
            TimedOut::Start => Waited::Start,
            TimedOut::Run => Waited::Run,
            TimedOut::Stop => Waited::Stop,
        }),
    }
}

/// Why a run ended.
pub(in crate::shell) fn cause(end: &End, limits: &TimeLimits) -> Cause {
    let Testimony { result, process, waited, .. } = testimony(end);
    Cause::new(&result, process, (waited.unwrap_or(Waited::Run), limits))
}

/// The death that a recovery began with: whose end it was, and how the unit's time limits read.
pub(in crate::shell) fn died((invocation, end): (&str, &End), limits: &TimeLimits) -> Option<Died> {
    let reason = cause(end, limits).to_string();
    Some(Died { invocation: InvocationId::parse(invocation)?, reason, at: end.at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(asked: bool, finished: bool, evidence: Evidence) {
        let (result, code, status) = ("success".into(), "exited".into(), "0".into());
        let (limit_reached, given_up, timed_out) = (false, None, None);
        let end =
            End { asked, finished, result, code, status, pid: Some(7), at: 5, limit_reached, given_up, timed_out };
        assert_eq!(testimony(&end).evidence, evidence, "{end:?}");
    }

    #[test]
    fn neither_what_was_asked_for_nor_finished_work_is_a_death() {
        check(false, false, Evidence::Unasked);
        check(true, false, Evidence::Asked);
        check(false, true, Evidence::Asked);
    }
}
