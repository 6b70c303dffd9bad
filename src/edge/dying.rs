//! A death that PID 1 shows while it still ends what the run has left: other processes of the unit, `ExecStop=`. The line that records
//! the end runs after that, up to `TimeoutStopSec=` later.

use super::clock;
use super::pid1::PropertiesOf;
use super::record::{End, RunRecord};
use super::step::words;
use super::up::{MAIN_ENDED, MAIN_STARTED};
use crate::core::crash::observation::ProcessEnd;
use crate::core::recovery::policy;

/// Property with the time at which the unit began to start.
const BEGAN: &str = "InactiveExitTimestampMonotonic";

/// The properties of a unit that [`Shown::of`] reads.
pub const OF_UNIT: [&str; 4] = ["ActiveState", "InvocationID", "Job", BEGAN];

/// The properties of a service that it reads.
pub const OF_SERVICE: [&str; 8] = [
    "Type",
    "Result",
    "Restart",
    "ExecMainPID",
    "ExecMainCode",
    "ExecMainStatus",
    MAIN_STARTED,
    MAIN_ENDED,
];

/// What PID 1 shows of a unit that goes down without a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// `Type=`.
    pub kind: String,
    /// `Result` so far.
    pub result: String,
    /// `Restart=`.
    pub restart: String,
    /// Id of the main process, if there was one.
    pub pid: Option<u32>,
    /// `ExecMainCode` and `ExecMainStatus`, if it has ended.
    pub process: Option<ProcessEnd>,
    /// End of the main process, by PID 1's monotonic clock in microseconds; 0: it has not ended.
    pub ended: u64,
    /// Run that goes down.
    pub invocation: String,
}

impl Shown {
    /// Reads the properties; `None`: the unit does not go down, or was asked to.
    #[must_use]
    pub fn of(known: &PropertiesOf<'_>) -> Option<Self> {
        if known.text("ActiveState") != "deactivating" || known.job().is_some() {
            return None;
        }
        // PID 1 keeps the main process of the run before until it starts another one.
        let has_begun: u64 = known.number_or_zero(BEGAN);
        let is_this_runs = known.number_or_zero::<u64>(MAIN_STARTED) >= has_begun;
        let process = known.process_end("ExecMainCode", "ExecMainStatus");
        Some(Self {
            kind: known.text("Type").to_owned(),
            result: known.text("Result").to_owned(),
            restart: known.text("Restart").to_owned(),
            pid: known
                .number("ExecMainPID")
                .filter(|pid| *pid > 0 && is_this_runs),
            process: process.filter(|_| is_this_runs),
            ended: known.number_or_zero(MAIN_ENDED),
            invocation: known.id("InvocationID")?,
        })
    }

    /// Returns the death, as the record will have it; `None`: it has finished its work, or the
    /// cause of its end is not known before its lines are over.
    #[must_use]
    pub fn death(&self) -> Option<End> {
        let process = self.process.filter(|_| self.ended > 0);
        let is_cut_off = matches!(self.result.as_str(), "watchdog" | "oom-kill");
        let is_death = match self.result.as_str() {
            "success" => self.kind != "oneshot" && process.is_some(),
            "exec-condition" => false,
            _ => process.is_some() || is_cut_off,
        };
        if !is_death {
            return None;
        }
        let (code, status) = process.map(words).unwrap_or_default();
        let (at, since_boot) = if self.ended > 0 {
            let since_boot = clock::since_boot_of_monotonic(self.ended);
            (clock::epoch_of_monotonic(self.ended), since_boot)
        } else {
            (clock::since_epoch(), clock::since_boot())
        };
        Some(End {
            asked: false,
            finished: false,
            result: self.result.clone(),
            code,
            status,
            pid: self.pid,
            at,
            since_boot: Some(since_boot),
            limit_reached: false,
            given_up: None,
            timed_out: None,
            pulled_by: None,
            step: None,
            restart_follows: Some(policy::restarts(&self.restart, &self.result)),
        })
    }

    /// Adds the death to the record of this run, if its end is not recorded. Returns the record's
    /// new end.
    pub fn complete<'a>(&self, record: &'a mut RunRecord) -> Option<&'a End> {
        if record.end.is_some() || record.invocation != self.invocation {
            return None;
        }
        record.end = self.death();
        record.end.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(result: &str, process: Option<ProcessEnd>) -> Shown {
        Shown {
            kind: "simple".into(),
            result: result.into(),
            restart: "on-failure".into(),
            pid: Some(7),
            process,
            ended: u64::from(process.is_some()) * 5_000_000,
            invocation: "ab".repeat(16),
        }
    }

    #[test]
    fn a_main_process_that_has_ended_by_itself_has_died_though_others_of_the_unit_run() {
        let check = |shown: &Shown, expect: Option<(&str, &str, bool)>| {
            let death = shown.death();
            let told = death.as_ref().map(|end| {
                let follows = end.restart_follows == Some(true);
                (end.code.as_str(), end.status.as_str(), follows)
            });
            assert_eq!(told, expect, "{shown:?}");
        };
        let exit = |status| Some(ProcessEnd::Exited(status));
        check(&shown("exit-code", exit(3)), Some(("exited", "3", true)));
        let killed = shown("signal", Some(ProcessEnd::Killed(9)));
        check(&killed, Some(("killed", "KILL", true)));
        check(&shown("success", exit(0)), Some(("exited", "0", false)));
        check(&shown("success", None), None);
        check(&shown("watchdog", None), Some(("", "", true)));
        check(&shown("exit-code", None), None);
        let mut done = shown("success", exit(0));
        done.kind = "oneshot".into();
        check(&done, None);
    }

    #[test]
    fn only_a_unit_that_goes_down_without_a_job_shows_a_death() {
        let known = |state: &'static str| {
            PropertiesOf::from([
                ("ActiveState", state.into()),
                ("InvocationID", vec![0xab_u8; 16].into()),
                ("Result", "exit-code".into()),
                ("ExecMainCode", 1_i32.into()),
                ("ExecMainStatus", 3_i32.into()),
                (MAIN_ENDED, 5_000_000_u64.into()),
            ])
        };
        assert_eq!(Shown::of(&known("active")), None);
        let shown = Shown::of(&known("deactivating")).unwrap();
        assert_eq!(shown.invocation, "ab".repeat(16));
        let mut record = RunRecord::new(
            "web",
            "web.service",
            &shown.invocation,
            crate::edge::record::StartKind::First,
        );
        assert_eq!(shown.complete(&mut record).unwrap().status, "3");
        assert_eq!(shown.complete(&mut record), None, "it has an end");
    }
}
