//! Restarts a stack, by systemd or by the stack's own script, from the beginning or from the point
//! that an earlier restarter reached.

use super::{Course, Failure};
use crate::core::crash::observation::{ProcessEnd, Stage};
use crate::core::full_restart::outcome::{self, Job, Look};
use crate::core::full_restart::reception::{Event, errno};
use crate::edge::full_restart::{look, peer, underway};
use crate::edge::{clock, pid1, systemctl};
use crate::shell::restarter::process::{Ended, Process};
use std::io;
use std::time::{Duration, Instant};

/// The first pause before systemd is asked again if it is done with a restart, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(500));

/// The longest pause before systemd is asked again if it has taken the restart up: callers wait for
/// that, and a quick restart is over soon.
const TO_BE_TAKEN_UP: Duration = Duration::from_millis(20);

/// Time for which queries may fail before the state of the units counts as unknown: PID 1 may be
/// executing itself anew.
const TO_BE_SEEN: Duration = Duration::from_secs(3);

impl Course {
    /// Restarts, and waits for the end.
    pub(super) fn restart(&mut self) -> Result<(), Failure> {
        self.since = clock::monotonic();
        self.note(None);
        if let Some(script) = &self.charge.stack.restart_script {
            let process = Process::script(script, self.underway.as_ref());
            return self.follow_script(self.started(process, &script.text())?);
        }
        self.note_runs();
        match self.have_restarted() {
            // systemd executes itself anew, and it is not known how far that came.
            Err(Failure::NotBegun(why)) if systemctl::was_cut_off(&why) => {
                pid1::await_answer();
                if self.has_happened() {
                    return self.follow_unit();
                }
                self.note_runs();
                self.have_restarted()
            }
            restarted => restarted,
        }
    }

    /// Makes systemd restart the stack.
    fn have_restarted(&self) -> Result<(), Failure> {
        let process = Process::systemctl(&self.charge.stack.unit());
        self.follow_job(self.started(process, "systemctl")?)
    }

    /// Unwraps the process that restarts, and notes it for a later restarter.
    fn started(&self, process: io::Result<Process>, program: &str) -> Result<Process, Failure> {
        let process = process
            .map_err(|error| Failure::NotBegun(format!("failed to run {program}: {error}")))?;
        self.note(process.id());
        Ok(process)
    }

    /// Notes the runs that are going to be ended, as late as possible: runs that systemd starts by
    /// itself until then are ended as well.
    fn note_runs(&self) {
        let whole = self.charge.stack.unit();
        let members = self
            .charge
            .members
            .iter()
            .map(|member| member.unit.as_str());
        self.runs.note_those_of(members.chain([whole.as_str()]));
    }

    /// Waits for systemd to take the restart up, and for its end.
    fn follow_job(&self, mut process: Process) -> Result<(), Failure> {
        let unit = self.charge.stack.unit();
        let (mut pause, longest) = (PAUSES.0, TO_BE_TAKEN_UP);
        let mut queued = false;
        let ended = loop {
            let Ok(left) = self.left() else {
                process.kill();
                return Err(Failure::Late);
            };
            if let Some(ended) = process.wait(if queued { left } else { pause.min(left) }) {
                break ended;
            }
            if !queued && self.has_job() {
                queued = true;
                self.told.tell(Event::Begun);
            }
            pause = (pause * 2).min(longest);
        };
        match ended {
            Ended {
                how: None | Some(ProcessEnd::Exited(0)),
                ..
            } => Ok(()),
            // With these words systemctl reports that nothing was queued.
            Ended { said, .. } if said.starts_with("Failed to ") => {
                Err(Failure::NotBegun(refusal(&said, unit.as_str())))
            }
            // A job of some unit has failed, or systemd was executed anew and the wait ended. The
            // units' states decide.
            Ended { .. } => self.follow_unit(),
        }
    }

    /// Waits for the end of a script, or ends it.
    fn follow_script(&self, mut process: Process) -> Result<(), Failure> {
        let ended = self.left().ok().and_then(|left| process.wait(left));
        match ended {
            Some(Ended {
                how: None | Some(ProcessEnd::Exited(0)),
                ..
            }) => Ok(()),
            Some(Ended { how: Some(end), .. }) => {
                Err(Failure::Script(errno::IO, outcome::script_ended(end)))
            }
            None => {
                process.end_group();
                Err(Failure::Script(
                    errno::TIMEDOUT,
                    outcome::script_killed(self.charge.stack.timeout),
                ))
            }
        }
    }

    fn left(&self) -> Result<Duration, Failure> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            Err(Failure::Late)
        } else {
            Ok(left)
        }
    }

    /// Returns true if systemd has a job for the stack's unit.
    fn has_job(&self) -> bool {
        let looks = look::at(&[self.charge.stack.unit().as_str()], self.since).unwrap_or_default();
        looks.first().is_some_and(|look| look.job == Job::Pending)
    }

    /// Finds the point that an earlier restarter reached, and does the rest.
    pub(super) fn take_over(&mut self) -> Result<(), Failure> {
        let note = underway::last_note(&self.record.stack).filter(|note| note.id == self.record.id);
        self.since = note.as_ref().map_or(self.since, |note| note.since);
        let by = note.and_then(|note| note.by);
        let own = format!("unitward-stack@{}.service", self.record.stack);
        let process = by
            .filter(|pid| peer::unit_of(*pid).as_deref() == Some(&own))
            .and_then(Process::left_over);
        let script = self.charge.stack.restart_script.is_some();
        match process {
            Some(process) if script => self.follow_script(process),
            Some(process) => {
                self.follow_job(process)?;
                self.follow_unit()
            }
            // It was run, and its end is not known; the members' states decide.
            None if script && by.is_some() => Ok(()),
            None if !script && self.has_happened() => self.follow_unit(),
            None => self.restart(),
        }
    }

    /// Looks at the units, and tries again for a while if PID 1 is too busy to answer at once.
    pub(super) fn look_patiently(&self) -> io::Result<Vec<Look>> {
        let until = Instant::now() + TO_BE_SEEN;
        loop {
            let looks = self.look();
            if looks.is_ok() || Instant::now() >= until {
                return looks;
            }
            std::thread::sleep(PAUSES.1);
        }
    }

    /// Returns true if systemd has restarted the stack, or is about to.
    fn has_happened(&self) -> bool {
        // If systemd does not answer at all, one restart too many is better than none.
        self.look_patiently()
            .unwrap_or_default()
            .first()
            .is_some_and(|look| match &self.record.ended {
                _ if look.job == Job::Pending => true,
                Some(ended) => look.run.as_ref() != Some(ended),
                None => look.stage != Stage::Ended,
            })
    }

    /// Waits until systemd is done with the stack's unit, if there is no process to wait for.
    fn follow_unit(&self) -> Result<(), Failure> {
        self.told.tell(Event::Begun);
        let (mut pause, longest) = PAUSES;
        while self.has_job() {
            std::thread::sleep(pause.min(self.left()?));
            pause = (pause * 2).min(longest);
        }
        Ok(())
    }
}

/// Returns systemctl's reason of a refusal, without its words about the request.
fn refusal(said: &str, unit: &str) -> String {
    let why = said
        .strip_prefix(&format!("Failed to restart {unit}: "))
        .unwrap_or(said);
    format!("systemd refused it: {}", why.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_without_what_was_wanted() {
        for (said, told) in [
            (
                "Failed to restart x.target: Unit x.target not found.",
                "systemd refused it: Unit x.target not found",
            ),
            (
                "Failed to connect to bus: No such file",
                "systemd refused it: Failed to connect to bus: No such file",
            ),
        ] {
            assert_eq!(refusal(said, "x.target"), told);
        }
    }
}
