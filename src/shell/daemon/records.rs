//! Run records as witnesses: `unitward-step`'s words in the terms of the verdict.

use super::event::{UpSeen, Witness};
use crate::core::crash::observation::InvocationId;
use crate::core::crash::reason::TimeLimits;
use crate::core::recovery::account::Died;
use crate::edge::record::{End, WardState};
use crate::edge::{recoveries, up};
use std::io;

/// What the record of one run of `unit` says, completed by when the bus has seen it up; nothing where there is no record.
///
/// # Errors
/// When there is a record and it cannot be read.
pub(super) fn read(unit: String, (ward, invocation): (&str, &InvocationId), up: Option<UpSeen>) -> io::Result<Witness> {
    let (state, invocation) = (WardState::of(ward), invocation.clone());
    match state.run(invocation.as_str()) {
        Ok(mut record) => {
            // The line after the steps, where the unit has one, has noted more exactly when they were done.
            record.up = record.up.or_else(|| up.map(|seen| up::at(seen.active, seen.main)));
            let lookup = |earlier: &str| state.run(earlier).ok();
            let recoveries = recoveries::chains(&record, &lookup);
            let under_way = recoveries::under_way(&record, &lookup).filter(|under_way| under_way.has_begun);
            let testimony = record.end.as_ref().map(End::testimony);
            Ok(Witness { unit, invocation, testimony, recoveries, under_way })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(silence(unit, invocation)),
        Err(error) => Err(error),
    }
}

/// The answer where there is no record.
pub(super) fn silence(unit: String, invocation: InvocationId) -> Witness {
    Witness { unit, invocation, testimony: None, recoveries: Vec::new(), under_way: None }
}

/// The death that a recovery began with: whose end it was, and how the unit's time limits read.
pub(in crate::shell) fn died((invocation, end): (&str, &End), limits: &TimeLimits) -> Option<Died> {
    let reason = end.cause(limits).to_string();
    Some(Died { invocation: InvocationId::parse(invocation)?, reason, at: end.at })
}
