//! State of the recovery from a death if none is stored: there is none, for a reason, or it is
//! under way.
//!
//! For deaths of this boot, the run records have it. For older ones, the list itself shows if they
//! were part of an earlier recovery; otherwise their state is no longer known.

use super::document::{Document, Standing};
use crate::edge::record::{self, WardState};
use crate::edge::recoveries::{self, Part};
use crate::edge::root::Files;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// Sets the state of these deaths, which are in the order of their times; `root` is the directory
/// below which the wards are.
pub(in crate::shell) fn tell(documents: &mut [Document], root: &Path) {
    if !documents.iter().any(is_open) {
        return;
    }
    let mut wards: HashSet<String> = Files::list(root).ward_names().map(str::to_owned).collect();
    let is_here = root == Path::new("/");
    if is_here {
        wards.extend(record::wards());
    }
    let parts = parts(documents);
    for document in documents.iter_mut().filter(|document| is_open(document)) {
        let template = document
            .ward
            .split_once('@')
            .map(|(prefix, _)| [prefix, "@"].concat());
        let is_ward = wards.contains(&document.ward)
            || template.is_some_and(|template| wards.contains(&template));
        let standing = if is_ward {
            let earlier = parts.get(&document.invocation).cloned();
            is_here
                .then(|| recorded(&document.ward, &document.invocation))
                .flatten()
                .or(earlier.map(Standing::PartOf))
                .unwrap_or(Standing::NotKnown)
        } else {
            Standing::NoWard
        };
        document.stand(standing);
    }
}

/// Returns true if the document lacks the state: nothing is stored of what followed the death.
fn is_open(document: &Document) -> bool {
    document.recovery.is_none() && document.full_restart.is_none()
}

/// Returns the state of the recovery from this death by the run records; `None`: they do not know
/// the run.
fn recorded(ward: &str, invocation: &str) -> Option<Standing> {
    let state = WardState::of(ward);
    let run = state.run(invocation).ok()?;
    let lookup = |run: &str| state.run(run).ok();
    // The line that records the end runs once systemd has ended what the run has left.
    let is_latest = || {
        state
            .latest_run()
            .is_some_and(|latest| latest.invocation == invocation)
    };
    if run.end.is_none() && is_latest() {
        return Some(match recoveries::part_without_end(&run, &lookup) {
            Part::Of(first) => Standing::PartOf(first),
            Part::Beginning | Part::Nothing | Part::NotKnown => Standing::UnderWay,
        });
    }
    Some(match recoveries::part(&run, &lookup)? {
        Part::Of(first) => Standing::PartOf(first),
        Part::Nothing => Standing::NotRestarted,
        Part::Beginning => Standing::UnderWay,
        Part::NotKnown => return None,
    })
}

/// Maps deaths during a recovery from an earlier death of the same unit to the run of that death.
fn parts(documents: &[Document]) -> HashMap<String, String> {
    let mut parts = HashMap::new();
    let mut latest: HashMap<(&str, &str), (&str, u64)> = HashMap::new();
    for document in documents {
        let unit = (document.unit.as_str(), document.boot.as_str());
        match &document.recovery {
            Some(recovery) => {
                latest.insert(unit, (&document.invocation, recovery.timestamp));
            }
            None => {
                if let Some((first, _)) = latest
                    .get(&unit)
                    .filter(|(_, over)| document.timestamp <= *over)
                {
                    parts.insert(document.invocation.clone(), (*first).to_owned());
                }
            }
        }
    }
    parts
}
