//! Run records as witnesses: `unitward-step`'s words in the terms of the verdict.

use crate::core::crash::observation::{InvocationId, ServiceResult};
use crate::core::crash::tracker::Evidence;
use crate::core::crash::verdict::{Testimony, process_end};
use crate::edge::record::{End, STATE_DIRECTORY, WardState};
use std::fs;
use std::io;
use std::path::Path;

/// What the record of one run says about its end; `None` where there is no record, or it has no end.
///
/// # Errors
/// When there is a record and it cannot be read.
pub(super) fn read(ward: &str, invocation: &InvocationId) -> io::Result<Option<Testimony>> {
    match WardState::of(ward).run(invocation.as_str()) {
        Ok(record) => Ok(record.end.as_ref().map(testimony)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// All ends that a ward's records tell, oldest first. Damaged records tell none.
pub(super) fn read_all(ward: &str) -> Vec<(InvocationId, Testimony)> {
    let Ok(directory) = fs::read_dir(Path::new(STATE_DIRECTORY).join(ward).join("runs")) else { return Vec::new() };
    let invocations = directory.flatten().filter_map(|entry| {
        let name = entry.file_name();
        InvocationId::parse(name.to_str()?.strip_suffix(".json")?)
    });
    let mut ends: Vec<_> = invocations
        .filter_map(|invocation| {
            let testimony = read(ward, &invocation).ok()??;
            Some((invocation, testimony))
        })
        .collect();
    ends.sort_by_key(|(_, testimony)| testimony.at);
    ends
}

/// A run that has finished its work was not asked to end, and is no death either: it counts as asked for.
fn testimony(end: &End) -> Testimony {
    Testimony {
        evidence: if end.asked || end.finished { Evidence::Asked } else { Evidence::Unasked },
        result: ServiceResult::parse(&end.result),
        process: process_end(&end.code, &end.status),
        pid: end.pid,
        at: end.at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(asked: bool, finished: bool, evidence: Evidence) {
        let (result, code, status) = ("success".into(), "exited".into(), "0".into());
        let end = End { asked, finished, result, code, status, pid: Some(7), at: 5, limit_reached: false };
        assert_eq!(testimony(&end).evidence, evidence, "{end:?}");
    }

    #[test]
    fn neither_what_was_asked_for_nor_finished_work_is_a_death() {
        check(false, false, Evidence::Unasked);
        check(true, false, Evidence::Asked);
        check(false, true, Evidence::Asked);
    }
}
