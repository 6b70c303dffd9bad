//! A bounded set of recently handled runs, so that nothing is reported twice.
//!
//! For units that systemd has unloaded it is all that is kept. A unit that was unloaded and is
//! loaded again has no InvocationID, so usually the set is not needed. A reload of systemd whose
//! beginning was missed looks as if all units were unloaded and loaded again with the ids they had;
//! then their ends must not be reported again. A second use is the recoveries that were reported,
//! because the bus and the catch-up may both show the same one.

use crate::core::crash::observation::InvocationId;
use std::collections::VecDeque;

/// Upper bound of remembered runs: more than a host has units that are loaded and do not run, and
/// some 80 KB.
const KEPT: usize = 1_024;

/// A bounded set of runs; the oldest is forgotten first.
#[derive(Debug, Default)]
pub(super) struct Recent {
    runs: VecDeque<InvocationId>,
}

impl Recent {
    /// Remembers a run.
    pub(super) fn remember(&mut self, invocation: InvocationId) {
        if self.knows(&invocation) {
            return;
        }
        if self.runs.len() == KEPT {
            self.runs.pop_front();
        }
        self.runs.push_back(invocation);
    }

    /// Returns true if this run is in the set.
    pub(super) fn knows(&self, invocation: &InvocationId) -> bool {
        self.runs.contains(invocation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_runs_are_remembered_and_no_more_than_fit() {
        let run = |number: usize| InvocationId::parse(&format!("{number:032x}")).unwrap();
        let mut recent = Recent::default();
        for number in 1..=KEPT + 10 {
            recent.remember(run(number));
            recent.remember(run(number));
        }
        assert_eq!(recent.runs.len(), KEPT);
        assert!(!recent.knows(&run(10)) && recent.knows(&run(11)) && recent.knows(&run(KEPT + 10)));
    }
}
