//! Watches the units after a full restart: all must come back and stay up.
//!
//! A unit's fate counts once it has been the same for a second. A unit on its way is awaited until
//! the deadline of the restart; one that dies and is started again and again only for a limited
//! time, as it may do so for ever.

use super::outcome::{Fate, Look, Part};
use crate::core::crash::observation::Stage;
use std::collections::BTreeSet;
use std::time::Duration;

/// Time for which a unit's state must not change.
const CALM: Duration = Duration::from_secs(1);

/// Time for which units that die again and again are watched.
const DYING: Duration = Duration::from_secs(10);

/// The first pause between two looks, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// A unit that takes part in a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Before {
    /// A member, with the run it was in; `None`: it did not run.
    Member(Option<String>),
    /// The unit that stands for the stack, likewise; `None` also if it need not be restarted.
    Whole(Option<String>),
}

/// State of the watch. Times are of a clock that does not jump.
#[derive(Debug)]
pub struct Watch {
    units: Vec<Watched>,
    looks: Vec<Look>,
    deadline: Duration,
    dying_until: Duration,
    pause: Duration,
}

#[derive(Debug)]
struct Watched {
    before: Before,
    /// The runs that it was seen in since.
    runs: BTreeSet<String>,
    state: Option<(Stage, Option<String>)>,
    /// Time since which it has been in this state.
    since: Duration,
}

/// Consequence of a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Look again after this time.
    Look(Duration),
    /// The result is known.
    Known(Conclusion),
}

/// Problems of a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conclusion {
    /// Problems with units that failed, in words.
    pub troubles: Vec<String>,
    /// Problems with units that were not done in time.
    pub late: Vec<String>,
}

impl Watch {
    /// Begins to watch these units, until `deadline` at most.
    #[must_use]
    pub fn new(units: Vec<Before>, now: Duration, deadline: Duration) -> Self {
        let units = units.into_iter().map(|before| Watched {
            before,
            runs: BTreeSet::new(),
            state: None,
            since: now,
        });
        Self {
            units: units.collect(),
            looks: Vec::new(),
            deadline,
            dying_until: now + DYING,
            pause: PAUSES.0,
        }
    }

    /// Processes a look at the units, in the order that was given.
    pub fn take(&mut self, now: Duration, looks: Vec<Look>) -> Next {
        for (unit, look) in self.units.iter_mut().zip(&looks) {
            unit.take(now, look);
        }
        self.looks = looks;
        let fates = self.fates(now);
        let on_their_way = fates.iter().any(|fate| matches!(fate, Fate::OnItsWay(_)));
        let dying = fates.iter().any(|fate| matches!(fate, Fate::Dying(_)));
        let calm = self
            .units
            .iter()
            .map(|unit| unit.since + CALM)
            .max()
            .unwrap_or(now);
        let settled = calm <= now
            && fates
                .iter()
                .all(|fate| matches!(fate, Fate::Back | Fate::Missing(_)));
        if settled || now >= self.deadline || (dying && !on_their_way && now >= self.dying_until) {
            return Next::Known(self.conclude(&fates));
        }
        let pause = self.pause.min(self.deadline - now);
        self.pause = (self.pause * 2).min(PAUSES.1);
        // If all are as they should be, only their calm is awaited.
        Next::Look(if on_their_way || dying {
            pause
        } else {
            pause.min(calm.saturating_sub(now)).max(PAUSES.0)
        })
    }

    /// Concludes from the state at `now`. Units on their way are no problem.
    #[must_use]
    pub fn hurried(&self, now: Duration) -> Conclusion {
        Conclusion {
            late: Vec::new(),
            ..self.conclude(&self.fates(now))
        }
    }

    /// Returns the last look at each unit.
    #[must_use]
    pub fn looks(&self) -> &[Look] {
        &self.looks
    }

    fn conclude(&self, fates: &[Fate]) -> Conclusion {
        let mut conclusion = Conclusion::default();
        let mut whole = None;
        for ((unit, Look { unit: name, .. }), fate) in self.units.iter().zip(&self.looks).zip(fates)
        {
            match (fate, &unit.before) {
                (Fate::Back, _) => {}
                (Fate::Missing(words) | Fate::Dying(words), _) => {
                    conclusion.troubles.push(format!("{name} {words}"))
                }
                (Fate::OnItsWay(words), Before::Member(_)) => {
                    conclusion.late.push(format!("{name} {words}"))
                }
                (Fate::OnItsWay(words), Before::Whole(_)) => {
                    whole = Some(format!("{name} {words}"))
                }
            }
        }
        // It waits for its members; only if none of them is late it is late itself.
        if conclusion.late.is_empty() {
            conclusion.late.extend(whole);
        }
        conclusion
    }

    fn fates(&self, now: Duration) -> Vec<Fate> {
        self.units
            .iter()
            .zip(&self.looks)
            .map(|(unit, look)| unit.fate(look, now))
            .collect()
    }
}

impl Watched {
    fn take(&mut self, now: Duration, look: &Look) {
        let state = Some((look.stage, look.run.clone()));
        if self.state != state {
            self.state = state;
            self.since = now;
        }
        let before = match &self.before {
            Before::Member(run) | Before::Whole(run) => run.as_ref(),
        };
        self.runs
            .extend(look.run.clone().filter(|run| before != Some(run)));
    }

    /// Returns the fate that a look shows; a unit that is up again after a further death counts as
    /// dying until its state has been calm.
    fn fate(&self, look: &Look, now: Duration) -> Fate {
        let part = match &self.before {
            Before::Member(run) => Part::Member(run.as_deref()),
            Before::Whole(run) => Part::Whole(run.as_deref()),
        };
        match look.fate(part) {
            Fate::Back | Fate::OnItsWay(_) if self.runs.len() > 1 && now < self.since + CALM => {
                Fate::Dying("keeps dying".to_owned())
            }
            fate => fate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::{Job, Load, Work};
    use super::*;
    use crate::core::crash::observation::{ProcessEnd, ServiceResult};
    use crate::core::crash::reason::TimeLimits;

    const DEADLINE: Duration = Duration::from_secs(300);

    fn look(stage: Stage, run: &str) -> Look {
        Look {
            unit: "cm.service".into(),
            load: Load::Loaded,
            stage,
            run: Some(run.into()),
            job: Job::None,
            work: Work::Lasting,
            result: ServiceResult::Success,
            process: None,
            limits: TimeLimits::default(),
        }
    }

    fn failed(run: &str) -> Look {
        let result = ServiceResult::ExitCode;
        Look {
            result,
            process: Some(ProcessEnd::Exited(1)),
            ..look(Stage::Ended, run)
        }
    }

    /// Passes a unit through these states, each until the time given with it; the last one lasts.
    fn check(states: &[(u64, Look)]) -> (u64, Conclusion) {
        let mut watch = Watch::new(
            vec![Before::Member(Some("old".into()))],
            Duration::ZERO,
            DEADLINE,
        );
        let mut now = Duration::ZERO;
        loop {
            let (_, state) = states
                .iter()
                .find(|(until, _)| now < Duration::from_millis(*until))
                .unwrap_or_else(|| states.last().expect("there is one"));
            match watch.take(now, vec![state.clone()]) {
                Next::Known(conclusion) => {
                    return (u64::try_from(now.as_millis()).unwrap(), conclusion);
                }
                Next::Look(pause) => {
                    assert!(!pause.is_zero() || now == DEADLINE, "it never spins");
                    now += pause;
                }
            }
        }
    }

    fn trouble(words: &str) -> Conclusion {
        Conclusion {
            troubles: vec![words.to_owned()],
            late: Vec::new(),
        }
    }

    #[test]
    fn who_is_back_for_a_second_is_back() {
        let (took, conclusion) = check(&[(0, look(Stage::Running, "new"))]);
        assert!((1_000..1_300).contains(&took), "{took}");
        assert_eq!(conclusion, Conclusion::default());
    }

    #[test]
    fn who_is_slow_is_waited_for() {
        let (took, conclusion) = check(&[
            (40_000, look(Stage::Starting, "new")),
            (0, look(Stage::Running, "new")),
        ]);
        assert!((41_000..44_000).contains(&took), "{took}");
        assert_eq!(conclusion, Conclusion::default());
    }

    #[test]
    fn who_dies_within_the_second_is_found_out() {
        let (took, conclusion) = check(&[(700, look(Stage::Running, "new")), (0, failed("new"))]);
        assert!(took < 2_500, "{took}");
        assert_eq!(conclusion, trouble("cm.service did not come back (EXIT 1)"));
    }

    #[test]
    fn who_comes_back_at_the_second_attempt_is_back() {
        let (_, conclusion) = check(&[
            (200, look(Stage::Running, "new")),
            (
                400,
                Look {
                    stage: Stage::Restarting,
                    ..failed("new")
                },
            ),
            (0, look(Stage::Running, "newer")),
        ]);
        assert_eq!(conclusion, Conclusion::default());
    }

    #[test]
    fn who_keeps_dying_is_not_watched_for_ever() {
        let lives = |number: u64| {
            let (up, run) = (number * 600, format!("run {number}"));
            [
                (up + 300, look(Stage::Running, &run)),
                (
                    up + 600,
                    Look {
                        stage: Stage::Restarting,
                        ..failed(&run)
                    },
                ),
            ]
        };
        let states: Vec<_> = (0..600).flat_map(lives).collect();
        let (took, conclusion) = check(&states);
        assert!((10_000..13_000).contains(&took), "{took}");
        assert_eq!(conclusion.troubles.len(), 1);
        assert!(
            conclusion.troubles[0].starts_with("cm.service keeps dying"),
            "{conclusion:?}"
        );
        let starts: Vec<_> = (0..600)
            .map(|n: u64| (n * 600, look(Stage::Starting, &format!("run {n}"))))
            .collect();
        assert_eq!(
            check(&starts).1,
            trouble("cm.service keeps dying"),
            "it never gets up"
        );
    }

    #[test]
    fn who_is_not_done_in_time_is_late() {
        let (took, conclusion) = check(&[(0, look(Stage::Stopping, "old"))]);
        assert_eq!(took, 300_000);
        let late = vec!["cm.service is still stopping".to_owned()];
        assert_eq!(
            conclusion,
            Conclusion {
                troubles: Vec::new(),
                late
            }
        );
        let waiting = || Look {
            unit: "x.target".into(),
            job: Job::Pending,
            ..look(Stage::Running, "old")
        };
        let late = |member: Look| {
            let mut watch = Watch::new(
                vec![Before::Whole(None), Before::Member(None)],
                Duration::ZERO,
                Duration::ZERO,
            );
            match watch.take(Duration::ZERO, vec![waiting(), member]) {
                Next::Known(conclusion) => conclusion.late,
                Next::Look(_) => Vec::new(),
            }
        };
        assert_eq!(
            late(look(Stage::Stopping, "old")),
            ["cm.service is still stopping"],
            "for which the whole waits"
        );
        assert_eq!(
            late(look(Stage::Running, "new")),
            ["x.target still waits to be restarted"]
        );
    }

    #[test]
    fn in_a_hurry_only_what_is_certain_counts() {
        let mut watch = Watch::new(
            vec![Before::Member(None), Before::Whole(None)],
            Duration::ZERO,
            DEADLINE,
        );
        let _ = watch.take(
            Duration::ZERO,
            vec![look(Stage::Starting, "new"), failed("new")],
        );
        assert_eq!(
            watch.hurried(Duration::ZERO),
            trouble("cm.service did not come back (EXIT 1)")
        );
        assert_eq!(watch.looks().len(), 2);
    }
}
