//! The account of one recovery: the death, its reason, the steps, the outcome and the durations.
//!
//! A recovery begins with the death of a run that was up, or with a first start that failed. It
//! ends when a later run is up, its steps included, when the ward is given up, or by an earlier
//! end: a stop, an exclusion, the removal of the ward, a start by hand or a shutdown. Restarts that
//! fail in between belong to it.
//!
//! Conditions that run beside the start, with `Independent=` and `[OnLimit]`, are not part of it.
//! Their services may go on for as long as they like after the ward is up again.

use super::course::Attempts;
use crate::core::crash::observation::InvocationId;

/// The death that began a recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Died {
    /// The run that ended.
    pub invocation: InvocationId,
    /// Reason of the death, in the words of a crash report.
    pub reason: String,
    /// Time of the death, in milliseconds since the epoch.
    pub at: u64,
}

/// One automatic restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempt {
    /// Time of its first line, in milliseconds since the epoch; `None`: not recorded.
    pub begun: Option<u64>,
    /// Time at which the unit was down and systemd began to wait for `RestartSec=`, likewise.
    pub down: Option<u64>,
    /// Back-off before all else, in milliseconds; 0: none.
    pub backoff_ms: u64,
    /// Its steps, in the order they ran.
    pub steps: Vec<StepDone>,
    /// Times at which it was up; `None`: it never was.
    pub up: Option<UpTimes>,
    /// Time of its end if it failed, in milliseconds since the epoch.
    pub failed_at: Option<u64>,
}

/// Record of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepDone {
    /// The condition's id, `OnDeath`.
    pub condition: String,
    /// Its keyword, `Execute`.
    pub step: String,
    /// Its argument as the ward has it; empty where it was too long to keep.
    pub argument: String,
    /// Result of the step.
    pub result: StepOutcome,
    /// Duration, in milliseconds.
    pub ms: u64,
    /// Time of its end, in milliseconds since the epoch.
    pub at: u64,
}

/// Result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepOutcome {
    /// It succeeded, or a `-` before its command makes a failure count as success.
    Ok,
    /// It failed.
    Failed,
    /// It did not run, or nobody knows how it ended: the ward was changed and systemd reloaded meanwhile.
    Dropped,
}

/// Times at which a run was up, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpTimes {
    /// Start of its main process.
    pub main: u64,
    /// End of all steps of the start.
    pub at: u64,
}

/// End of a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// A run was up.
    Up,
    /// The death limit was reached.
    GivenUp(GivenUp),
    /// It ended early, before a run was up, at this time in milliseconds since the epoch.
    Early(u64),
}

/// Action at the death limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    /// The ward stays down.
    Exclude,
    /// Its stack was restarted.
    RestartStack,
    /// The host reboots.
    Reboot,
}

/// Outcome of a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The ward is up and every step of the last restart succeeded.
    Recovered,
    /// The ward is up, but a step of the last restart failed that no `-` excused.
    StepFailed,
    /// The ward stays down.
    Excluded,
    /// Its stack was restarted.
    StackRestarted,
    /// The host reboots.
    Rebooting,
    /// It ended before the ward was up and its steps done: by a stop, an exclusion by hand, the
    /// removal of the ward, a start by hand or a shutdown.
    Ended,
}

/// Account of a recovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The ward's name.
    pub ward: String,
    /// The run whose death began it.
    pub invocation: InvocationId,
    /// Reason of the death.
    pub reason: String,
    /// Time of the death, in milliseconds since the epoch.
    pub timestamp: u64,
    /// The steps of all restarts, in the order they ran.
    pub steps: Vec<StepDone>,
    /// Outcome of the recovery.
    pub outcome: Outcome,
    /// Number of automatic restarts.
    pub restarts: u32,
    /// Time from the death until the main process of the final run started, in milliseconds;
    /// `None`: no run was up.
    pub downtime_ms: Option<u64>,
    /// Time from the death until the last step was done, in milliseconds; `None`: as above.
    pub recovery_ms: Option<u64>,
    /// Time of its end, in milliseconds since the epoch; `None`: it ended with the death that
    /// reached the limit.
    pub over: Option<u64>,
    /// The last log lines of the run that died, oldest first; `None`: not requested.
    pub log_lines: Option<Vec<String>>,
    /// Times of the attempts. They are kept on this host and not published.
    pub course: Attempts,
}

/// Computes the account of a recovery; `attempts` are its restarts, oldest first.
#[must_use]
pub fn account(ward: &str, died: Died, attempts: &[Attempt], ended: Ended) -> Account {
    let last = attempts.last();
    let up = last
        .and_then(|attempt| attempt.up)
        .filter(|_| ended == Ended::Up);
    let failed = last.is_some_and(|attempt| {
        attempt
            .steps
            .iter()
            .any(|step| step.result != StepOutcome::Ok)
    });
    Account {
        ward: ward.to_owned(),
        timestamp: died.at,
        steps: attempts
            .iter()
            .flat_map(|attempt| attempt.steps.iter().cloned())
            .collect(),
        outcome: match ended {
            Ended::Up if failed => Outcome::StepFailed,
            Ended::Up => Outcome::Recovered,
            Ended::GivenUp(GivenUp::Exclude) => Outcome::Excluded,
            Ended::GivenUp(GivenUp::RestartStack) => Outcome::StackRestarted,
            Ended::GivenUp(GivenUp::Reboot) => Outcome::Rebooting,
            Ended::Early(_) => Outcome::Ended,
        },
        restarts: u32::try_from(attempts.len()).unwrap_or(u32::MAX),
        // The clock may have been set back in between.
        downtime_ms: up.map(|up| up.main.saturating_sub(died.at)),
        recovery_ms: up.map(|up| up.at.saturating_sub(died.at)),
        over: match ended {
            Ended::Up => up.map(|up| up.at.max(died.at)),
            Ended::Early(at) => Some(at.max(died.at)),
            Ended::GivenUp(_) => None,
        },
        log_lines: None,
        course: Attempts::of(attempts),
        invocation: died.invocation,
        reason: died.reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn died() -> Died {
        let invocation = InvocationId::parse("0123456789abcdef0123456789abcdef").unwrap();
        Died {
            invocation,
            reason: "SIG 9 (Killed)".into(),
            at: 10_000,
        }
    }

    fn step(argument: &str, result: StepOutcome) -> StepDone {
        StepDone {
            condition: "OnDeath".into(),
            step: "Execute".into(),
            argument: argument.into(),
            result,
            ms: 1,
            at: 0,
        }
    }

    fn failed_start() -> Attempt {
        Attempt {
            steps: vec![step("/first", StepOutcome::Failed)],
            ..Attempt::default()
        }
    }

    fn start_at(main: u64, result: StepOutcome) -> Attempt {
        let up = Some(UpTimes {
            main,
            at: main + 500,
        });
        Attempt {
            steps: vec![step("/last", result)],
            up,
            ..Attempt::default()
        }
    }

    fn check(attempts: &[Attempt], ended: Ended, expect: (Outcome, u32, Option<u64>, Option<u64>)) {
        let told = account("web", died(), attempts, ended);
        assert_eq!(
            (
                told.outcome,
                told.restarts,
                told.downtime_ms,
                told.recovery_ms
            ),
            expect,
            "{attempts:?} {ended:?}"
        );
        assert_eq!((told.ward.as_str(), told.timestamp), ("web", 10_000));
    }

    #[test]
    fn one_restart_with_all_its_steps_is_a_recovery() {
        check(
            &[start_at(10_184, StepOutcome::Ok)],
            Ended::Up,
            (Outcome::Recovered, 1, Some(184), Some(684)),
        );
    }

    #[test]
    fn a_step_that_failed_is_told_though_the_ward_is_up() {
        check(
            &[start_at(10_184, StepOutcome::Failed)],
            Ended::Up,
            (Outcome::StepFailed, 1, Some(184), Some(684)),
        );
    }

    #[test]
    fn restarts_that_failed_belong_to_the_recovery_and_only_the_last_one_decides() {
        let attempts = [
            failed_start(),
            failed_start(),
            start_at(12_000, StepOutcome::Ok),
        ];
        check(
            &attempts,
            Ended::Up,
            (Outcome::Recovered, 3, Some(2_000), Some(2_500)),
        );
        let steps = account("web", died(), &attempts, Ended::Up).steps;
        assert_eq!(
            steps
                .iter()
                .map(|step| step.argument.as_str())
                .collect::<Vec<_>>(),
            ["/first", "/first", "/last"]
        );
    }

    #[test]
    fn who_is_given_up_never_came_up() {
        for (given_up, outcome) in [
            (GivenUp::Exclude, Outcome::Excluded),
            (GivenUp::RestartStack, Outcome::StackRestarted),
            (GivenUp::Reboot, Outcome::Rebooting),
        ] {
            check(&[], Ended::GivenUp(given_up), (outcome, 0, None, None));
            check(
                &[failed_start()],
                Ended::GivenUp(given_up),
                (outcome, 1, None, None),
            );
        }
    }

    #[test]
    fn one_that_was_ended_before_the_ward_was_up_has_no_times_but_its_steps() {
        check(&[], Ended::Early(10_900), (Outcome::Ended, 0, None, None));
        let attempts = [failed_start(), start_at(10_184, StepOutcome::Ok)];
        check(
            &attempts,
            Ended::Early(10_900),
            (Outcome::Ended, 2, None, None),
        );
        let told = account("web", died(), &attempts, Ended::Early(10_900));
        assert_eq!((told.steps.len(), told.over), (2, Some(10_900)));
    }

    #[test]
    fn a_clock_set_back_gives_no_time_below_zero() {
        check(
            &[start_at(9_000, StepOutcome::Ok)],
            Ended::Up,
            (Outcome::Recovered, 1, Some(0), Some(0)),
        );
    }
}
