//! The consequences of an end: what the death limit demands, and the services of conditions that
//! are no part of a restart.

use super::arguments::Arguments;
use super::limit::{self, Decision, Site};
use super::unrestarted;
use crate::core::config::UnitName;
use crate::core::recovery::Series;
use crate::core::recovery::series::{LastEnd, Verdict};
use crate::edge::record::{GivenUp, WardState};
use crate::edge::systemctl::{self, Wait};
use std::io;

/// The consequences of one end.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// `None`: the limit is not reached.
    decision: Option<Decision>,
    /// Services that are started.
    services: Vec<String>,
}

impl Judged {
    /// Judges an end by the verdict of the death limit; `death`: its kind, if it is one and the next
    /// start is not on record yet. Conditions with `Once=` that fire are marked in `series`, which
    /// must be saved first.
    ///
    /// # Errors
    /// The line is damaged.
    pub(super) fn of(
        verdict: Verdict,
        death: Option<LastEnd>,
        series: &mut Series,
        arguments: &Arguments,
    ) -> io::Result<Self> {
        let mut services = limit::services(verdict, series, arguments);
        let decision = limit::decide(verdict, arguments)?;
        let goes_on = decision.as_ref().and_then(Decision::given_up).is_none();
        let is_left = series.restart_due.is_none() && goes_on;
        if let Some(death) = death.filter(|_| is_left) {
            services.extend(unrestarted::services(death, series, arguments)?);
        }
        Ok(Self { decision, services })
    }

    /// Returns true if nothing follows.
    pub(super) fn is_nothing(&self) -> bool {
        self.decision.is_none() && self.services.is_empty()
    }

    /// Returns true if the limit is reached.
    pub(super) fn is_limit_reached(&self) -> bool {
        self.decision.is_some()
    }

    /// Returns how the ward is given up, as the run record stores it.
    pub(super) fn given_up(&self) -> Option<GivenUp> {
        self.decision.as_ref().and_then(Decision::given_up)
    }

    /// Writes the mark of an exclusion, before anything else is stored.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn mark(&self, state: &WardState) -> io::Result<()> {
        limit::mark(state, self.decision.as_ref())
    }

    /// Starts the services and ends the restarts, or the host; neither depends on the success of
    /// the other. Returns how the ward was given up; `None`: it was not.
    ///
    /// The end of the restarts comes last: during a start of the unit it ends this very process.
    ///
    /// # Errors
    /// One of them failed.
    pub(super) fn carry_out(
        &self,
        arguments: &Arguments,
        site: Site<'_>,
    ) -> io::Result<Option<GivenUp>> {
        let started: Vec<_> = self
            .services
            .iter()
            .filter(|service| is_possible(service, arguments))
            .map(|service| systemctl::job("start", service, Wait::ForQueue))
            .collect();
        let came = match &self.decision {
            Some(decision) => limit::end_restarts(decision, arguments, site),
            None => Ok(None),
        };
        started.into_iter().fold(Ok(()), io::Result::and).and(came)
    }
}

/// Returns true if there can be a unit of this name. That of a condition's service is longer than
/// an instance's own, which may be as long as systemd allows.
fn is_possible(service: &str, arguments: &Arguments) -> bool {
    let Err(why) = UnitName::new(service) else {
        return true;
    };
    let (ward, unit) = arguments.ward_and_unit().unwrap_or_default();
    tracing::error!(
        UNITWARD_WARD = ward,
        OBJECT_SYSTEMD_UNIT = unit,
        "Failed to run the steps of a condition, the name of their service is not possible: {service} ({why})."
    );
    false
}
