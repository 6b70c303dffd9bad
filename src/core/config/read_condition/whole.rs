//! Checks of whole conditions: lines that are valid by themselves, but not together.

use super::Conditions;
use super::draft::Draft;
use crate::core::config::condition::{ConditionKind, OnStepFailure};
use crate::core::config::place::Place;
use crate::core::config::problem::{Mistake, Problem};
use crate::core::config::step::Action;
use crate::core::config::wrong::Wrong;

impl Conditions<'_> {
    /// Checks a condition as a whole, after all its lines are known.
    pub(super) fn check_whole(&mut self, index: usize) {
        let draft = &self.drafts[index];
        let Draft {
            condition, header, ..
        } = draft;
        if draft.cleared || draft.broken {
            return;
        }
        if condition.kind == ConditionKind::Stop && condition.on_step_failure == OnStepFailure::Fail
        {
            return self.fails_no_start(index);
        }
        if condition.steps.is_empty() {
            return self.breaks(
                index,
                draft.at.clone(),
                Mistake::NoSteps {
                    section: header.clone(),
                },
            );
        }
        let Some(Misplaced {
            key,
            value,
            at,
            why,
        }) = misplaced(draft)
        else {
            return;
        };
        let at = at.clone();
        let (section, wrong) = (header.clone(), Wrong::from(why));
        self.breaks(
            index,
            at,
            Mistake::BadStep {
                section,
                key: key.into(),
                value: value.into(),
                wrong,
            },
        );
    }

    /// Turns `fail` in `[OnStop]` into `break`: a stop depends on no step, since the unit's own
    /// lines that follow must run.
    fn fails_no_start(&mut self, index: usize) {
        let draft = &mut self.drafts[index];
        draft.condition.on_step_failure = OnStepFailure::Break;
        let at = draft.place_of("OnStepFailure").unwrap_or(&draft.at).clone();
        let text =
            "OnStepFailure=fail in [OnStop] has no start to fail, and counts as break; write break";
        self.problems.push(Problem {
            at,
            mistake: Mistake::Warning(text.to_owned()),
        });
        self.check_whole(index);
    }
}

/// A line of a condition that is valid by itself, but not in this one.
struct Misplaced<'d> {
    key: &'static str,
    value: &'static str,
    at: &'d Place,
    /// The reason, with what to do.
    why: &'static str,
}

/// Returns the first such line.
fn misplaced(draft: &Draft) -> Option<Misplaced<'_>> {
    let condition = &draft.condition;
    let mut restarts = condition
        .steps
        .iter()
        .filter(|step| step.action == Action::RestartSelf)
        .map(|step| &step.at);
    let (first, second) = (restarts.next(), restarts.next());
    let (key, value, at, why) = match (first, second) {
        (Some(at), _) if !condition.kind.is_death() => (
            "Restart",
            "%n",
            Some(at),
            "the ward's own restart has its place in [OnDeath] and [OnAbnormalDeath] only; take the line out",
        ),
        (_, at @ Some(_)) => (
            "Restart",
            "%n",
            at,
            "the ward restarts once; keep one of these lines",
        ),
        (at @ Some(_), None) if condition.independent => (
            "Restart",
            "%n",
            at,
            "an independent condition runs beside the restart; take the line out",
        ),
        _ if condition.do_now && !condition.kind.is_death() => (
            "DoNow",
            "yes",
            draft.place_of("DoNow"),
            "it belongs in [OnDeath] and [OnAbnormalDeath]; other conditions need no such exception, take the line out",
        ),
        _ if condition.independent && condition.kind == ConditionKind::Stop => (
            "Independent",
            "yes",
            draft.place_of("Independent"),
            "a stop does not wait for a start; take the line out",
        ),
        _ => return None,
    };
    Some(Misplaced {
        key,
        value,
        at: at.unwrap_or(&draft.at),
        why,
    })
}
