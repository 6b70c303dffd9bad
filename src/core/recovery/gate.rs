//! The decision that the helper makes before each step: act or not.

use super::series::Start;
use crate::core::config::ConditionKind;

/// A step's place and the relevant keys of its condition, as given in the generated line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The condition's id.
    pub condition: String,
    /// `3` for the third step, `3.1` for the first `Else…` step below it.
    pub step: String,
    /// `DoNow=`.
    pub do_now: bool,
    /// `OnStepFailure=break`.
    pub breaks: bool,
}

/// The past of a run, as far as it matters for a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past<'a> {
    /// The kind of start; `None` in a condition's own service, which runs because the condition
    /// fired.
    pub start: Option<Start>,
    /// True if the run has ended by request.
    pub asked_to_stop: bool,
    /// Conditions with `Once=` that have fired.
    pub spent: &'a [String],
    /// Steps that have failed: condition and step.
    pub failed: &'a [(String, String)],
}

impl Place {
    /// Returns the kind of condition that the id belongs to.
    #[must_use]
    pub fn kind(&self) -> Option<ConditionKind> {
        kind_of(&self.condition)
    }

    /// Returns true if the step acts.
    #[must_use]
    pub fn acts(&self, past: Past<'_>) -> bool {
        if let Some((above, _)) = self.step.split_once('.') {
            // An Else… step depends only on the failure of the step above it.
            return past
                .failed
                .iter()
                .any(|(condition, step)| *condition == self.condition && step == above);
        }
        let broken = self.breaks
            && past
                .failed
                .iter()
                .any(|(condition, step)| *condition == self.condition && !step.contains('.'));
        self.fires(past) && !broken && !past.spent.contains(&self.condition)
    }

    fn fires(&self, past: Past<'_>) -> bool {
        let Some(start) = past.start else { return true };
        match self.kind() {
            Some(ConditionKind::Death) => start.is_restart() || self.do_now,
            Some(ConditionKind::AbnormalDeath) => start == Start::AfterAbnormalDeath || self.do_now,
            Some(ConditionKind::Start) => start == Start::First,
            Some(ConditionKind::Restart) => {
                start.is_restart() && !past.failed.iter().any(|(id, _)| !is_restart(id))
            }
            Some(ConditionKind::Stop) => past.asked_to_stop,
            Some(ConditionKind::Limit) | None => false,
        }
    }
}

/// Returns the kind of condition that an id belongs to.
#[must_use]
pub fn kind_of(id: &str) -> Option<ConditionKind> {
    let word = id.split(['-', '.']).next().unwrap_or_default();
    ConditionKind::SECTIONS
        .iter()
        .find(|(section, _)| *section == word)
        .map(|(_, kind)| *kind)
}

fn is_restart(id: &str) -> bool {
    kind_of(id) == Some(ConditionKind::Restart)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(condition: &str, step: &str) -> Place {
        Place {
            condition: condition.into(),
            step: step.into(),
            do_now: false,
            breaks: false,
        }
    }

    fn past(start: Start) -> Past<'static> {
        Past {
            start: Some(start),
            asked_to_stop: false,
            spent: &[],
            failed: &[],
        }
    }

    #[test]
    fn each_condition_fires_at_its_kind_of_start() {
        use Start::{AfterAbnormalDeath, AfterDeath, First};
        for (condition, fires_at) in [
            ("OnDeath", vec![AfterDeath, AfterAbnormalDeath]),
            ("OnDeath-mounts", vec![AfterDeath, AfterAbnormalDeath]),
            ("OnDeath.2", vec![AfterDeath, AfterAbnormalDeath]),
            ("OnAbnormalDeath", vec![AfterAbnormalDeath]),
            ("OnStart", vec![First]),
            ("OnRestart", vec![AfterDeath, AfterAbnormalDeath]),
            ("OnStop", vec![]),
            ("OnLimit", vec![]),
            ("Nonsense", vec![]),
        ] {
            for start in [First, AfterDeath, AfterAbnormalDeath] {
                let acts = place(condition, "1").acts(past(start));
                assert_eq!(acts, fires_at.contains(&start), "{condition} at {start:?}");
            }
        }
    }

    #[test]
    fn do_now_acts_at_a_first_start_too() {
        assert!(
            Place {
                do_now: true,
                ..place("OnDeath", "1")
            }
            .acts(past(Start::First))
        );
    }

    #[test]
    fn in_its_own_service_every_condition_acts() {
        assert!(place("OnLimit", "1").acts(Past {
            start: None,
            ..past(Start::First)
        }));
    }

    #[test]
    fn an_else_step_acts_only_after_the_step_above_failed() {
        let failed = [("OnDeath".to_owned(), "2".to_owned())];
        let past = Past {
            failed: &failed,
            ..past(Start::AfterDeath)
        };
        assert!(place("OnDeath", "2.1").acts(past));
        assert!(!place("OnDeath", "1.1").acts(past));
        assert!(!place("OnDeath-x", "2.1").acts(past));
    }

    #[test]
    fn break_skips_the_rest_of_its_own_condition_but_not_the_else_steps() {
        let failed = [("OnDeath".to_owned(), "2".to_owned())];
        let past = Past {
            failed: &failed,
            ..past(Start::AfterDeath)
        };
        let breaking = |condition, step| Place {
            breaks: true,
            ..place(condition, step)
        };
        assert!(!breaking("OnDeath", "3").acts(past));
        assert!(breaking("OnDeath", "2.1").acts(past));
        assert!(breaking("OnDeath-x", "3").acts(past));
        assert!(
            place("OnDeath", "3").acts(past),
            "without break the rest goes on"
        );
    }

    #[test]
    fn on_restart_needs_every_step_to_have_succeeded() {
        let failed = [("OnDeath".to_owned(), "2".to_owned())];
        assert!(!place("OnRestart", "1").acts(Past {
            failed: &failed,
            ..past(Start::AfterDeath)
        }));
        let failed = [("OnRestart".to_owned(), "1".to_owned())];
        assert!(
            place("OnRestart", "2").acts(Past {
                failed: &failed,
                ..past(Start::AfterDeath)
            }),
            "its own do not count"
        );
    }

    #[test]
    fn a_spent_condition_keeps_still() {
        let spent = ["OnDeath".to_owned()];
        assert!(!place("OnDeath", "1").acts(Past {
            spent: &spent,
            ..past(Start::AfterDeath)
        }));
        assert!(place("OnDeath-b", "1").acts(Past {
            spent: &spent,
            ..past(Start::AfterDeath)
        }));
    }

    #[test]
    fn on_stop_fires_when_the_end_was_asked_for() {
        assert!(place("OnStop", "1").acts(Past {
            asked_to_stop: true,
            ..past(Start::AfterDeath)
        }));
        assert!(!place("OnStop", "1").acts(past(Start::AfterDeath)));
    }
}
