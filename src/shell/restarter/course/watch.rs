//! The result of a restart: an errno, and words about what is wrong.

use super::{Control, Course};
use crate::core::crash::observation::Stage;
use crate::core::full_restart::outcome::{self, Look};
use crate::core::full_restart::reception::{Event, errno};
use crate::core::full_restart::watch::{Before, Conclusion, Next, Watch};
use crate::edge::full_restart::charge::MemberWard;
use crate::edge::record::{TimedOut, WardState};
use std::io;
use std::time::{Duration, Instant};

/// Pause after a query that systemd did not answer, and between two looks for ends.
const PAUSE: Duration = Duration::from_millis(500);

/// Time for which units are watched after a script has failed. The caller gets the failure within
/// five seconds, or the answer that the result is not known yet.
const TO_SETTLE: Duration = Duration::from_secs(3);

impl Course {
    /// Watches the units until their result is known.
    pub(super) fn watch(&mut self) -> (i32, String) {
        self.told.tell(Event::Started);
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.follow(left) {
            Ok((conclusion, watch)) => self.verdict(&conclusion, watch.looks()),
            Err(error) => (
                errno::IO,
                format!("it is not known what became of its units: {error}"),
            ),
        }
    }

    /// Waits for the effects of a failed script, so that they still count as this restart's doing:
    /// PID 1 may not have noticed all killed processes yet.
    pub(super) fn settle(&mut self) {
        // The result makes no difference any more.
        let _ = self.follow(TO_SETTLE);
    }

    /// Waits until the ends of all members that a failed script has killed are noted, so that they
    /// still count as its doing: commands at the end of their units may take long. The next restart
    /// does not wait for it.
    pub(super) fn await_ends(&mut self) {
        let begun = Instant::now();
        while begun.elapsed() < self.charge.stack.timeout && self.is_any_stopping() {
            if self.take_messages(PAUSE) == Some(Control::Hurry) {
                break;
            }
        }
    }

    fn is_any_stopping(&self) -> bool {
        // The first look is at the stack's own unit. If systemd does not answer, some may be
        // stopping.
        self.look().map_or(true, |looks| {
            looks
                .iter()
                .skip(1)
                .any(|look| look.stage == Stage::Stopping && self.is_ended_run(look))
        })
    }

    /// Returns true if a member's unit is still in the run that this restart ends.
    fn is_ended_run(&self, look: &Look) -> bool {
        let mut members = self.record.members.iter();
        members.any(|member| member.unit == look.unit && member.run == look.run)
    }

    /// Watches the units until they stay as they are, but not longer than `at_most`.
    fn follow(&mut self, at_most: Duration) -> io::Result<(Conclusion, Watch)> {
        let members = self
            .charge
            .members
            .iter()
            .map(|member| Before::Member(self.run_before(member)));
        let by_systemd = self.charge.stack.restart_script.is_none();
        let whole = Before::Whole(self.record.ended.clone().filter(|_| by_systemd));
        let units = [whole].into_iter().chain(members).collect();
        let begun = Instant::now();
        let mut watch = Watch::new(units, Duration::ZERO, at_most);
        loop {
            let pause = match self.look().map(|looks| watch.take(begun.elapsed(), looks)) {
                Ok(Next::Known(conclusion)) => return Ok((conclusion, watch)),
                Ok(Next::Look(pause)) => pause,
                Err(error) if begun.elapsed() >= at_most => return Err(error),
                Err(_) => PAUSE,
            };
            if self.take_messages(pause) == Some(Control::Hurry) {
                return Ok((watch.hurried(begun.elapsed()), watch));
            }
        }
    }

    fn run_before(&self, member: &MemberWard) -> Option<String> {
        let before = self
            .record
            .members
            .iter()
            .find(|before| before.unit == member.unit.as_str());
        before.and_then(|before| before.run.clone())
    }

    fn verdict(&self, Conclusion { troubles, late }: &Conclusion, looks: &[Look]) -> (i32, String) {
        let killed = self.had_to_be_killed(looks);
        if !late.is_empty() {
            let not_over = outcome::not_over(self.charge.stack.timeout);
            let all = [&late[..], troubles, &killed].concat();
            return (
                errno::TIMEDOUT,
                format!("{not_over}: {}", outcome::together(&all)),
            );
        }
        let errno = if troubles.is_empty() { 0 } else { errno::IO };
        (errno, outcome::together(&[&troubles[..], &killed].concat()))
    }

    /// Describes the members whose old run did not end on request and had to be killed.
    fn had_to_be_killed(&self, looks: &[Look]) -> Vec<String> {
        // The first look is at the stack's own unit.
        let members = self.charge.members.iter().zip(looks.iter().skip(1));
        let killed = members.filter(|(member, _)| {
            let state = WardState::of(member.ward.as_str());
            let record = self.run_before(member).and_then(|run| state.run(&run).ok());
            record
                .and_then(|record| record.end)
                .is_some_and(|end| end.timed_out == Some(TimedOut::Stop))
        });
        killed
            .map(|(member, look)| outcome::had_to_be_killed(member.unit.as_str(), look.limits.stop))
            .collect()
    }
}
