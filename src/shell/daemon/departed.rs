//! The last runs of units that systemd has let go: all that is kept of such a unit.
//!
//! A unit that was let go and is loaded again has no InvocationID, so in the ordinary case nobody asks here. A
//! reload of systemd whose beginning was missed looks as if all units went and came back, with the ids they had; then
//! their ends must not be told again.

use crate::core::crash::observation::InvocationId;
use std::collections::VecDeque;

/// Runs remembered: more than a host has units that are loaded and do not run, and some 80 KB.
const KEPT: usize = 1_024;

/// A bounded memory; the oldest run is forgotten first.
#[derive(Debug, Default)]
pub(super) struct Departed {
    runs: VecDeque<InvocationId>,
}

impl Departed {
    /// Remembers the last run of a unit that goes.
    pub(super) fn remember(&mut self, invocation: InvocationId) {
        if self.knows(&invocation) {
            return;
        }
        if self.runs.len() == KEPT {
            self.runs.pop_front();
        }
        self.runs.push_back(invocation);
    }

    /// Whether the end of this run was dealt with before its unit went.
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
        let mut departed = Departed::default();
        for number in 1..=KEPT + 10 {
            departed.remember(run(number));
            departed.remember(run(number));
        }
        assert_eq!(departed.runs.len(), KEPT);
        assert!(!departed.knows(&run(10)) && departed.knows(&run(11)) && departed.knows(&run(KEPT + 10)));
    }
}
