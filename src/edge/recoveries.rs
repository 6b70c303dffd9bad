//! From run records to recoveries: follows the trail from the run that ended one back to the death that began it.
//!
//! Each record of an automatic restart names the run whose death it answers. Records may be missing (only the newest are
//! kept) or damaged (they come from files and from the journal): the trail then begins where it breaks off, it is never
//! longer than [`LONGEST`], and no run is visited twice.

use super::death_clock::{Clock, Moment};
use super::record::{self, End, RunRecord, StepResult};
use crate::core::config::time_span::millis;
use crate::core::recovery::account::{Attempt, Ended, GivenUp, StepDone, StepOutcome, UpTimes};
use std::collections::HashSet;
use std::time::Duration;

/// Restarts of one recovery that are followed back. A ward without a death limit may need any number.
const LONGEST: usize = 1_000;

/// A recovery as the records tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The InvocationID of the run whose death began it.
    pub invocation: String,
    /// How that run ended.
    pub died: End,
    /// The restarts, oldest first.
    pub attempts: Vec<Attempt>,
    /// How it ended.
    pub ended: Ended,
}

/// The recovery that came to its end with this run, the later one where there are two; `None`: this run ended none.
#[must_use]
pub fn chain(record: &RunRecord, lookup: &dyn Fn(&str) -> Option<RunRecord>) -> Option<Chain> {
    chains(record, lookup).pop()
}

/// All recoveries that came to their end with this run, in this order and at most three: somebody asked for it while a restart
/// was waited for; it was up after a restart; its own death was one too many, or somebody asked for its end before it was up.
#[must_use]
pub fn chains(record: &RunRecord, lookup: &dyn Fn(&str) -> Option<RunRecord>) -> Vec<Chain> {
    let recovered = (record.up.is_some()).then(|| trail(record, lookup, Finish::Up)).flatten();
    let given_up = record.end.as_ref().and_then(|end| end.given_up).and_then(|given_up| {
        let ended = Finish::GivenUp(given_up.into());
        if begins_one(record) { began(record, &[], ended) } else { trail(record, lookup, ended) }
    });
    let is_early = |end: &&End| record.up.is_none() && (end.asked || end.finished);
    let early = record.end.as_ref().filter(is_early);
    let early = early.and_then(|end| trail(record, lookup, Finish::Early((end.at, end.since_boot))));
    broken_off(record, lookup).into_iter().chain(recovered).chain(given_up).chain(early).collect()
}

/// The recovery that was under way when somebody asked for this start.
fn broken_off(record: &RunRecord, lookup: &dyn Fn(&str) -> Option<RunRecord>) -> Option<Chain> {
    let last = lookup(record.breaks_off.as_ref()?)?;
    going_on(&last, lookup, Finish::Early((record.begun?, record.begun_since_boot)))
}

/// A recovery that is still going on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderWay {
    /// The InvocationID of the run whose death began it.
    pub invocation: String,
    /// How that run ended.
    pub died: End,
    /// The restarts so far, oldest first; the last one may be going on.
    pub attempts: Vec<Attempt>,
    /// Whether a restart was made, or systemd was about to make one, as the record has it. Else the death is all there is of it.
    pub has_begun: bool,
}

impl UnderWay {
    /// When it was so long before now, milliseconds since the epoch, by the clock of its death.
    #[must_use]
    pub fn told_at(&self, (epoch, boot): (u64, u64), ago: Duration) -> u64 {
        let ago = millis(ago);
        let clock = Clock { at: self.died.at, since_boot: self.died.since_boot };
        clock.tell((epoch.saturating_sub(ago), Some(boot.saturating_sub(ago)))).max(self.died.at)
    }

    /// The recovery, ended at this time, milliseconds since the epoch, before a run was up.
    #[must_use]
    pub fn ended_early(self, at: u64) -> Chain {
        let Self { invocation, died, attempts, has_begun: _ } = self;
        Chain { invocation, died, attempts, ended: Ended::Early(at) }
    }
}

/// The recovery of which this run, a ward's latest, is a part, unless it has come to its end. Whether systemd is going to start the
/// unit again after a death is not for records to say.
#[must_use]
pub fn under_way(latest: &RunRecord, lookup: &dyn Fn(&str) -> Option<RunRecord>) -> Option<UnderWay> {
    // How it ends is not known yet: any end does.
    let chain = going_on(latest, lookup, Finish::Up);
    chain.map(|Chain { invocation, died, attempts, ended: _ }| UnderWay {
        has_begun: !attempts.is_empty() || died.restart_follows == Some(true),
        invocation,
        died,
        attempts,
    })
}

fn going_on(latest: &RunRecord, lookup: &dyn Fn(&str) -> Option<RunRecord>, ended: Finish) -> Option<Chain> {
    match &latest.end {
        None if latest.up.is_some() => None,
        None => trail(latest, lookup, ended),
        Some(end) if end.given_up.is_some() => None,
        Some(_) if begins_one(latest) => began(latest, &[], ended),
        Some(end) if end.asked || end.finished => None,
        Some(_) => trail(latest, lookup, ended),
    }
}

/// What a death is to the recovery that it is a part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// It began it.
    Beginning,
    /// It was that of a restart; the recovery began with the death of this run.
    Of(String),
    /// Nothing answers it.
    Nothing,
    /// Its record does not tell.
    NotKnown,
}

/// What the death of this run is to a recovery; `None`: it was none.
#[must_use]
pub fn part(record: &RunRecord, lookup: &dyn Fn(&str) -> Option<RunRecord>) -> Option<Part> {
    let end = record.end.as_ref().filter(|end| !end.asked && !end.finished)?;
    Some(match (begins_one(record), end.restart_follows, end.given_up) {
        (false, ..) => trail(record, lookup, Finish::Up).map_or(Part::NotKnown, |chain| Part::Of(chain.invocation)),
        (true, Some(true), _) | (true, _, Some(_)) => Part::Beginning,
        (true, Some(false), None) => Part::Nothing,
        (true, None, None) => Part::NotKnown,
    })
}

/// Whether the death of this run began a recovery, and did not merely prolong one.
fn begins_one(record: &RunRecord) -> bool {
    record.up.is_some() || record.follows.is_none()
}

/// The recovery whose last restart is `last`.
fn trail(last: &RunRecord, lookup: &dyn Fn(&str) -> Option<RunRecord>, ended: Finish) -> Option<Chain> {
    let mut restarts = vec![last.clone()];
    let mut visited = HashSet::from([last.invocation.clone()]);
    let mut before = lookup(last.follows.as_ref()?)?;
    while !begins_one(&before) && restarts.len() < LONGEST && visited.insert(before.invocation.clone()) {
        let Some(earlier) = before.follows.as_ref().and_then(|run| lookup(run)).filter(|run| run.end.is_some()) else {
            break;
        };
        restarts.push(std::mem::replace(&mut before, earlier));
    }
    restarts.reverse();
    began(&before, &restarts, ended)
}

fn began(by: &RunRecord, restarts: &[RunRecord], ended: Finish) -> Option<Chain> {
    let died = by.end.clone().filter(|end| !end.asked && !end.finished)?;
    let clock = Clock { at: died.at, since_boot: died.since_boot };
    let attempts = restarts.iter().map(|restart| attempt(restart, clock)).collect();
    let ended = match ended {
        Finish::Up => Ended::Up,
        Finish::GivenUp(given_up) => Ended::GivenUp(given_up),
        Finish::Early(at) => Ended::Early(clock.tell(at)),
    };
    Some(Chain { invocation: by.invocation.clone(), died, attempts, ended })
}

/// How a recovery ended, in the terms of a record.
#[derive(Debug, Clone, Copy)]
enum Finish {
    Up,
    GivenUp(GivenUp),
    Early(Moment),
}

fn attempt(record: &RunRecord, clock: Clock) -> Attempt {
    let begun = record.begun.map(|at| (at, record.begun_since_boot));
    let up = record.up.map(|up| (up, up.since_boot));
    let end = record.end.as_ref().map(|end| (end.at, end.since_boot));
    let over = up.map(|(up, since)| (up.at, since.map(|since| since.at))).or(end);
    let told = |step: StepDone| StepDone { at: clock.tell_between(step.at, (begun, over)), ..step };
    // Step 0 is no step of the ward's: it starts the service of a condition with Independent=.
    let steps = record.results.iter().filter(|result| result.step != "0");
    let steps = steps.map(|result| told(StepDone::from(result))).collect();
    Attempt {
        begun: begun.map(|at| clock.tell(at)),
        down: record.down.map(|at| clock.tell((at, record.down_since_boot))),
        backoff_ms: record.backoff_ms.unwrap_or(0),
        steps,
        up: up.map(|(up, since)| UpTimes {
            main: clock.tell((up.main, since.map(|since| since.main))),
            at: clock.tell((up.at, since.map(|since| since.at))),
        }),
        failed_at: end.filter(|_| up.is_none()).map(|at| clock.tell(at)),
    }
}

impl From<&StepResult> for StepDone {
    fn from(result: &StepResult) -> Self {
        Self {
            condition: result.condition.clone(),
            step: result.action.clone(),
            argument: result.argument.clone(),
            result: match result.outcome {
                record::Outcome::Ok => StepOutcome::Ok,
                record::Outcome::Failed => StepOutcome::Failed,
            },
            ms: result.ms,
            at: result.at,
        }
    }
}

impl From<record::GivenUp> for GivenUp {
    fn from(given_up: record::GivenUp) -> Self {
        match given_up {
            record::GivenUp::Exclude => Self::Exclude,
            record::GivenUp::RestartStack => Self::RestartStack,
            record::GivenUp::Reboot => Self::Reboot,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::record::{Outcome, StartKind, Up, UpSinceBoot};

    /// A run `id` that follows `follows`, with one step whose argument is its id.
    fn run(id: &str, follows: Option<&str>) -> RunRecord {
        let start = if follows.is_some() { StartKind::AfterAbnormalDeath } else { StartKind::First };
        let result = |step: &str| StepResult {
            condition: "OnDeath".into(),
            step: step.into(),
            action: "Execute".into(),
            argument: id.into(),
            outcome: Outcome::Ok,
            status: 0,
            at: 0,
            ms: 1,
        };
        RunRecord {
            follows: follows.map(str::to_owned),
            results: vec![result("1"), result("0")],
            ..RunRecord::new("web", "web.service", id, start)
        }
    }

    fn up(run: RunRecord) -> RunRecord {
        RunRecord { up: Some(Up { main: 1, at: 2, since_boot: None }), ..run }
    }

    fn died(run: RunRecord, given_up: Option<record::GivenUp>) -> RunRecord {
        let end = End { pid: Some(7), limit_reached: given_up.is_some(), given_up, ..End::killed(5) };
        RunRecord { end: Some(end), ..run }
    }

    /// What `last` ended, as "the first death: its restarts: how it ended".
    fn check(last: &RunRecord, others: &[RunRecord], expect: &[&str]) {
        let lookup = |id: &str| others.iter().chain([last]).find(|run| run.invocation == id).cloned();
        let told: Vec<_> = chains(last, &lookup)
            .iter()
            .map(|chain| {
                let steps = chain.attempts.iter().map(|attempt| {
                    assert_eq!(attempt.steps.len(), 1, "the launch of a service beside is no step");
                    attempt.steps[0].argument.as_str()
                });
                format!("{}: {}: {:?}", chain.invocation, steps.collect::<Vec<_>>().join(" "), chain.ended)
            })
            .collect();
        assert_eq!(told, expect);
        assert_eq!(
            chain(last, &lookup).map(|chain| chain.ended),
            chains(last, &lookup).last().map(|chain| chain.ended)
        );
    }

    #[test]
    fn a_run_that_is_up_after_a_death_ends_a_recovery() {
        check(&up(run("b", Some("a"))), &[died(up(run("a", None)), None)], &["a: b: Up"]);
    }

    #[test]
    fn restarts_that_failed_lie_between_the_death_and_the_end() {
        let others = [
            died(up(run("a", Some("z"))), None),
            died(run("b", Some("a")), None),
            died(run("c", Some("b")), None),
            died(up(run("z", None)), None),
        ];
        check(&up(run("d", Some("c"))), &others, &["a: b c d: Up"]);
    }

    #[test]
    fn a_first_start_that_failed_begins_a_recovery() {
        check(&up(run("b", Some("a"))), &[died(run("a", None), None)], &["a: b: Up"]);
    }

    #[test]
    fn a_death_that_was_one_too_many_ends_its_own_recovery() {
        let exclude = Some(record::GivenUp::Exclude);
        check(&died(up(run("a", None)), exclude), &[], &["a: : GivenUp(Exclude)"]);
        check(&died(run("a", None), exclude), &[], &["a: : GivenUp(Exclude)"]);
        let others = [died(up(run("a", None)), None)];
        check(&died(run("b", Some("a")), exclude), &others, &["a: b: GivenUp(Exclude)"]);
        check(&died(up(run("b", Some("a"))), exclude), &others, &["a: b: Up", "b: : GivenUp(Exclude)"]);
    }

    fn asked(run: RunRecord) -> RunRecord {
        RunRecord { end: Some(End { asked: true, ..End::killed(7) }), ..run }
    }

    #[test]
    fn a_restart_whose_end_is_asked_for_before_it_is_up_ends_a_recovery() {
        let others = [died(up(run("a", None)), None), died(run("b", Some("a")), None)];
        check(&asked(run("b", Some("a"))), &others, &["a: b: Early(7)"]);
        check(&asked(run("c", Some("b"))), &others, &["a: b c: Early(7)"]);
        check(&asked(up(run("b", Some("a")))), &others, &["a: b: Up"]);
        check(&asked(run("b", None)), &others, &[]);
        let mut skipped = asked(run("b", Some("a")));
        skipped.end = Some(End { asked: false, finished: true, ..skipped.end.unwrap() });
        check(&skipped, &others, &["a: b: Early(7)"]);
    }

    #[test]
    fn a_start_by_hand_in_place_of_a_restart_ends_a_recovery() {
        let by_hand = |id: &str| RunRecord { breaks_off: Some(id.into()), begun: Some(9), ..run("d", None) };
        let others = [died(up(run("a", None)), None), died(run("b", Some("a")), None)];
        check(&by_hand("a"), &others, &["a: : Early(9)"]);
        check(&by_hand("b"), &others, &["a: b: Early(9)"]);
        check(&by_hand("x"), &others, &[]);
        check(&by_hand("a"), &[died(up(run("a", None)), Some(record::GivenUp::Exclude))], &[]);
        check(&by_hand("a"), &[asked(up(run("a", None)))], &[]);
        let whole = died(up(by_hand("a")), Some(record::GivenUp::Exclude));
        check(&whole, &others, &["a: : Early(9)", "d: : GivenUp(Exclude)"]);
    }

    #[test]
    fn what_is_still_going_on_or_began_by_hand_ends_none() {
        let others = [died(up(run("a", None)), None)];
        check(&run("b", Some("a")), &others, &[]);
        check(&died(run("b", Some("a")), None), &others, &[]);
        check(&up(run("a", None)), &[], &[]);
        let mut asked = others;
        asked[0].end.as_mut().unwrap().asked = true;
        check(&up(run("b", Some("a"))), &asked, &[]);
    }

    #[test]
    fn a_recovery_is_under_way_until_a_run_is_up_or_given_up() {
        let others = [died(up(run("a", None)), None), died(run("b", Some("a")), None)];
        let lookup = |id: &str| others.iter().find(|run| run.invocation == id).cloned();
        let check = |latest: &RunRecord, expect: Option<(&str, usize)>| {
            let told = under_way(latest, &lookup).map(|told| (told.invocation, told.attempts.len()));
            assert_eq!(told, expect.map(|(run, attempts)| (run.to_owned(), attempts)), "{latest:?}");
        };
        check(&others[0], Some(("a", 0)));
        check(&run("b", Some("a")), Some(("a", 1)));
        check(&others[1], Some(("a", 1)));
        check(&run("c", Some("b")), Some(("a", 2)));
        check(&up(run("c", Some("b"))), None);
        check(&died(run("c", Some("b")), Some(record::GivenUp::Exclude)), None);
        check(&run("c", None), None);
        let mut asked = died(run("c", Some("b")), None);
        asked.end.as_mut().unwrap().asked = true;
        check(&asked, None);
    }

    #[test]
    fn a_death_begins_a_recovery_or_prolongs_one_or_nothing_answers_it() {
        let others = [died(up(run("a", None)), None), died(run("b", Some("a")), None)];
        let lookup = |id: &str| others.iter().find(|run| run.invocation == id).cloned();
        assert_eq!(part(&others[0], &lookup), Some(Part::Beginning));
        assert_eq!(part(&others[1], &lookup), Some(Part::Of("a".into())));
        let mut unanswered = others[0].clone();
        unanswered.end.as_mut().unwrap().restart_follows = Some(false);
        assert_eq!(part(&unanswered, &lookup), Some(Part::Nothing));
        assert_eq!(part(&asked(run("b", Some("a"))), &lookup), None);
        assert_eq!(part(&run("b", Some("a")), &lookup), None);
    }

    #[test]
    fn a_clock_that_is_set_during_a_recovery_changes_none_of_its_times() {
        const YEARS: u64 = 94_608_000_000;
        let first = End { since_boot: Some(1_000), ..End::killed(50_000) };
        let first = RunRecord { end: Some(first), ..up(run("a", None)) };
        let forward = |at: u64| at + YEARS;
        let back = |at: u64| at - 40_000;
        let kept = |at: u64| at;
        for wall in [&kept as &dyn Fn(u64) -> u64, &forward, &back] {
            let mut restart = RunRecord { begun: Some(50_200), begun_since_boot: Some(1_200), ..run("b", Some("a")) };
            restart.results[0].at = wall(50_700);
            let since_boot = Some(UpSinceBoot { main: 1_600, at: 1_900 });
            restart.up = Some(Up { main: wall(50_600), at: wall(50_900), since_boot });
            let lookup = |id: &str| (id == "a").then(|| first.clone());
            let chain = chain(&restart, &lookup).unwrap();
            let [attempt] = &chain.attempts[..] else { panic!("{chain:?}") };
            assert_eq!(attempt.up, Some(UpTimes { main: 50_600, at: 50_900 }));
            assert_eq!((attempt.begun, attempt.steps[0].at), (Some(50_200), 50_700));
            let asked = End { asked: true, since_boot: Some(2_000), ..End::killed(wall(51_000)) };
            let ended = RunRecord { up: None, end: Some(asked), ..restart };
            assert_eq!(super::chain(&ended, &lookup).unwrap().ended, Ended::Early(51_000));
        }
    }

    #[test]
    fn a_trail_that_breaks_off_begins_where_it_does() {
        check(&up(run("c", Some("b"))), &[died(run("b", Some("a")), None)], &["b: c: Up"]);
        check(&up(run("c", Some("b"))), &[], &[]);
        let unended = [died(run("b", Some("a")), None), run("a", Some("z"))];
        check(&up(run("c", Some("b"))), &unended, &["b: c: Up"]);
    }

    #[test]
    fn a_circle_comes_to_an_end() {
        let others = [died(run("a", Some("b")), None), died(run("b", Some("a")), None)];
        let lookup = |id: &str| others.iter().find(|run| run.invocation == id).cloned();
        let told = chain(&up(run("c", Some("b"))), &lookup).unwrap();
        assert!(told.attempts.len() <= 3, "{told:?}");
    }

    #[test]
    fn no_trail_is_longer_than_it_may_be() {
        let number = |id: &str| id.parse::<usize>().unwrap();
        let lookup = |id: &str| Some(died(run(id, Some(&(number(id) + 1).to_string())), None));
        let told = chain(&up(run("0", Some("1"))), &lookup).unwrap();
        assert_eq!(told.attempts.len(), LONGEST);
    }
}
