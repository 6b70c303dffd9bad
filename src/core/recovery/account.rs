//! The account of one recovery: what died, why, what was done about it, what came of it and how long it took.
//!
//! A recovery begins with the death of a run that was up, or with a first start that failed. It ends when a later run
//! is up, its steps included, when the ward is given up, or when somebody ends it before: by a stop, an exclusion, the
//! removal of the ward, a start by hand or a shutdown. Restarts that fail in between belong to it.
//!
//! Not part of it: what runs beside the start, that is conditions with `Independent=` and `[OnLimit]`. Their services
//! may go on for as long as they like after the ward is back.

use super::course::Attempts;
use crate::core::crash::observation::InvocationId;

/// The death that began it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Died {
    /// The run that ended.
    pub invocation: InvocationId,
    /// Why, in the words of a crash report.
    pub reason: String,
    /// When, milliseconds since the epoch.
    pub at: u64,
}

/// One automatic restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attempt {
    /// When its first line ran, milliseconds since the epoch; `None`: nobody noted it.
    pub begun: Option<u64>,
    /// When the unit was down and systemd began to wait for `RestartSec=`, likewise.
    pub down: Option<u64>,
    /// How long it waited before all else, milliseconds; 0: it did not.
    pub backoff_ms: u64,
    /// Its steps, in the order they ran.
    pub steps: Vec<StepDone>,
    /// When it was up; `None`: it never was.
    pub up: Option<UpTimes>,
    /// When it ended, if it failed, milliseconds since the epoch.
    pub failed_at: Option<u64>,
}

/// What one step did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepDone {
    /// The condition's id, `OnDeath`.
    pub condition: String,
    /// Its keyword, `Execute`.
    pub step: String,
    /// Its argument as the ward has it; empty where it was too long to keep.
    pub argument: String,
    /// Whether it did what it should.
    pub result: StepOutcome,
    /// How long it took, milliseconds.
    pub ms: u64,
    /// When it ended, milliseconds since the epoch.
    pub at: u64,
}

/// Whether a step did what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepOutcome {
    /// It did, or a `-` before its command says that its failure does not matter.
    Ok,
    /// It did not.
    Failed,
}

/// When a run was up, milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpTimes {
    /// When its main process was started.
    pub main: u64,
    /// When all steps of the start were done.
    pub at: u64,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// A run was up.
    Up,
    /// The death limit was reached.
    GivenUp(GivenUp),
    /// It was ended at this time, milliseconds since the epoch, before a run was up.
    Early(u64),
}

/// What the death limit led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    /// The ward stays down.
    Exclude,
    /// Its stack was restarted.
    RestartStack,
    /// The host reboots.
    Reboot,
}

/// What came of a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The ward is up and every step of the last restart did what it should.
    Recovered,
    /// The ward is up, but a step of the last restart failed that no `-` excused.
    StepFailed,
    /// The ward stays down.
    Excluded,
    /// Its stack was restarted.
    StackRestarted,
    /// The host reboots.
    Rebooting,
    /// It was ended before the ward was up and its steps done: by a stop, an exclusion by hand, the removal of the ward, a
    /// start by hand or a shutdown.
    Ended,
}

/// The account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The ward's name.
    pub ward: String,
    /// The run whose death began it.
    pub invocation: InvocationId,
    /// Why that run died.
    pub reason: String,
    /// When, milliseconds since the epoch.
    pub timestamp: u64,
    /// The steps of all restarts, in the order they ran.
    pub steps: Vec<StepDone>,
    /// What came of it.
    pub outcome: Outcome,
    /// The automatic restarts it took.
    pub restarts: u32,
    /// From the death until the main process ran again for good; `None`: it never did.
    pub downtime_ms: Option<u64>,
    /// From the death until the last step was done; `None`: as above.
    pub recovery_ms: Option<u64>,
    /// When it was over, milliseconds since the epoch; `None`: with the death that was one too many.
    pub over: Option<u64>,
    /// The last log lines of the run that died, oldest first; `None`: they are not wanted.
    pub log_lines: Option<Vec<String>>,
    /// When what of it happened. It is kept on this host and not published.
    pub course: Attempts,
}

/// Draws up the account of a recovery; `attempts` are its restarts, oldest first.
#[must_use]
pub fn account(ward: &str, died: Died, attempts: &[Attempt], ended: Ended) -> Account {
    let last = attempts.last();
    let up = last.and_then(|attempt| attempt.up).filter(|_| ended == Ended::Up);
    let failed = last.is_some_and(|attempt| attempt.steps.iter().any(|step| step.result == StepOutcome::Failed));
    // The clock may have been set back in between.
    let since = |at: u64| at.saturating_sub(died.at);
    Account {
        ward: ward.to_owned(),
        timestamp: died.at,
        steps: attempts.iter().flat_map(|attempt| attempt.steps.iter().cloned()).collect(),
        outcome: match ended {
            Ended::Up if failed => Outcome::StepFailed,
            Ended::Up => Outcome::Recovered,
            Ended::GivenUp(GivenUp::Exclude) => Outcome::Excluded,
            Ended::GivenUp(GivenUp::RestartStack) => Outcome::StackRestarted,
            Ended::GivenUp(GivenUp::Reboot) => Outcome::Rebooting,
            Ended::Early(_) => Outcome::Ended,
        },
        restarts: u32::try_from(attempts.len()).unwrap_or(u32::MAX),
        downtime_ms: up.map(|up| since(up.main)),
        recovery_ms: up.map(|up| since(up.at)),
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
        Died { invocation, reason: "SIG 9 (Killed)".into(), at: 10_000 }
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
        Attempt { steps: vec![step("/first", StepOutcome::Failed)], ..Attempt::default() }
    }

    fn start_at(main: u64, result: StepOutcome) -> Attempt {
        let up = Some(UpTimes { main, at: main + 500 });
        Attempt { steps: vec![step("/last", result)], up, ..Attempt::default() }
    }

    fn check(attempts: &[Attempt], ended: Ended, expect: (Outcome, u32, Option<u64>, Option<u64>)) {
        let told = account("web", died(), attempts, ended);
        assert_eq!((told.outcome, told.restarts, told.downtime_ms, told.recovery_ms), expect, "{attempts:?} {ended:?}");
        assert_eq!((told.ward.as_str(), told.timestamp), ("web", 10_000));
    }

    #[test]
    fn one_restart_with_all_its_steps_is_a_recovery() {
        check(&[start_at(10_184, StepOutcome::Ok)], Ended::Up, (Outcome::Recovered, 1, Some(184), Some(684)));
    }

    #[test]
    fn a_step_that_failed_is_told_though_the_ward_is_up() {
        check(&[start_at(10_184, StepOutcome::Failed)], Ended::Up, (Outcome::StepFailed, 1, Some(184), Some(684)));
    }

    #[test]
    fn restarts_that_failed_belong_to_the_recovery_and_only_the_last_one_decides() {
        let attempts = [failed_start(), failed_start(), start_at(12_000, StepOutcome::Ok)];
        check(&attempts, Ended::Up, (Outcome::Recovered, 3, Some(2_000), Some(2_500)));
        let steps = account("web", died(), &attempts, Ended::Up).steps;
        assert_eq!(steps.iter().map(|step| step.argument.as_str()).collect::<Vec<_>>(), ["/first", "/first", "/last"]);
    }

    #[test]
    fn who_is_given_up_never_came_up() {
        for (given_up, outcome) in [
            (GivenUp::Exclude, Outcome::Excluded),
            (GivenUp::RestartStack, Outcome::StackRestarted),
            (GivenUp::Reboot, Outcome::Rebooting),
        ] {
            check(&[], Ended::GivenUp(given_up), (outcome, 0, None, None));
            check(&[failed_start()], Ended::GivenUp(given_up), (outcome, 1, None, None));
        }
    }

    #[test]
    fn one_that_was_ended_before_the_ward_was_up_has_no_times_but_its_steps() {
        check(&[], Ended::Early(10_900), (Outcome::Ended, 0, None, None));
        let attempts = [failed_start(), start_at(10_184, StepOutcome::Ok)];
        check(&attempts, Ended::Early(10_900), (Outcome::Ended, 2, None, None));
        let told = account("web", died(), &attempts, Ended::Early(10_900));
        assert_eq!((told.steps.len(), told.over), (2, Some(10_900)));
    }

    #[test]
    fn a_clock_set_back_gives_no_time_below_zero() {
        check(&[start_at(9_000, StepOutcome::Ok)], Ended::Up, (Outcome::Recovered, 1, Some(0), Some(0)));
    }
}
