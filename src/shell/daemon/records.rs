//! Reads run records, which `unitward-step` writes, in the terms of the verdict.

use super::event::{UpSeen, Witness};
use crate::core::crash::observation::InvocationId;
use crate::edge::record::{End, WardState};
use crate::edge::{recoveries, up};
use std::io;

/// Reads the record of one run of `unit`, completed with the times at which the bus has seen it up;
/// returns [`silence`] if there is no record.
///
/// # Errors
/// There is a record and it cannot be read.
pub(super) fn read(
    unit: String,
    ward: &str,
    invocation: &InvocationId,
    up: Option<UpSeen>,
) -> io::Result<Witness> {
    let (state, invocation) = (WardState::of(ward), invocation.clone());
    match state.run(invocation.as_str()) {
        Ok(mut record) => {
            // The line after the steps, if the unit has one, has noted their end more exactly.
            record.up = record
                .up
                .or_else(|| up.map(|seen| up::at(seen.active, seen.main)));
            let lookup = |earlier: &str| state.run(earlier).ok();
            let recoveries = recoveries::chains(&record, &lookup);
            let under_way =
                recoveries::under_way(&record, &lookup).filter(|under_way| under_way.has_begun);
            let testimony = record.end.as_ref().map(End::testimony);
            Ok(Witness {
                unit,
                invocation,
                testimony,
                recoveries,
                under_way,
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(silence(unit, invocation)),
        Err(error) => Err(error),
    }
}

/// Returns the answer for a run without a record.
pub(super) fn silence(unit: String, invocation: InvocationId) -> Witness {
    Witness {
        unit,
        invocation,
        testimony: None,
        recoveries: Vec::new(),
        under_way: None,
    }
}
