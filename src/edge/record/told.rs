//! The end of a run, as input of the verdict and in the words of a report.

use super::{End, TimedOut};
use crate::core::crash::Cause;
use crate::core::crash::observation::ServiceResult;
use crate::core::crash::reason::TimeLimits;
use crate::core::crash::tracker::{Evidence, Waited};
use crate::core::crash::verdict::{Testimony, process_end};

impl End {
    /// Converts the end to the input of the verdict.
    ///
    /// A run that has finished its work was neither requested to end nor a death: it counts as
    /// requested.
    #[must_use]
    pub fn testimony(&self) -> Testimony {
        Testimony {
            evidence: if self.asked || self.finished {
                Evidence::Asked
            } else {
                Evidence::Unasked
            },
            result: ServiceResult::parse(&self.result),
            process: process_end(&self.code, &self.status),
            pid: self.pid,
            at: self.at,
            waited: self.timed_out.map(|limit| match limit {
                TimedOut::Start => Waited::Start,
                TimedOut::Run => Waited::Run,
                TimedOut::Stop => Waited::Stop,
            }),
        }
    }

    /// Returns the cause of the end.
    #[must_use]
    pub fn cause(&self, limits: &TimeLimits) -> Cause {
        let Testimony {
            result,
            process,
            waited,
            ..
        } = self.testimony();
        Cause::new(&result, process, waited.unwrap_or(Waited::Run), limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(asked: bool, finished: bool, evidence: Evidence) {
        let (result, code, status) = ("success".into(), "exited".into(), "0".into());
        let end = End {
            asked,
            finished,
            result,
            code,
            status,
            pid: Some(7),
            ..End::killed(5)
        };
        assert_eq!(end.testimony().evidence, evidence, "{end:?}");
    }

    #[test]
    fn neither_what_was_asked_for_nor_finished_work_is_a_death() {
        check(false, false, Evidence::Unasked);
        check(true, false, Evidence::Asked);
        check(false, true, Evidence::Asked);
    }
}
