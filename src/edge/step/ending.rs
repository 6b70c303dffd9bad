//! The end of a run: the values of systemd's variables, and the process whose end ended the run.

use crate::core::crash::exit_status::signal_name;
use crate::core::crash::observation::{ProcessEnd, ServiceResult};
use crate::core::crash::verdict::{no_main_process_failed, process_end};
use crate::core::unit::HELPER;
use crate::edge::clock;
use crate::edge::pid1::{Command, Properties};
use crate::edge::record::{Outcome, RunRecord};

/// Properties that [`Told::of`] reads.
pub(super) const TOLD: [&str; 5] = [
    "Result",
    "ExecMainPID",
    "ExecMainCode",
    "ExecMainStatus",
    super::MAIN_ENDED,
];

/// All lists of commands whose failure can fail a run.
pub(super) const LISTS: [&str; 6] = [
    "ExecCondition",
    "ExecStartPre",
    "ExecStart",
    "ExecStartPost",
    "ExecStop",
    "ExecStopPost",
];

/// Property: the time at which PID 1 saw the main process end, by the wall clock, in microseconds;
/// comparable with [`Command::ended`].
pub(super) const MAIN_ENDED_AT: &str = "ExecMainExitTimestamp";

/// The values that systemd also passes to `ExecStopPost=` in the environment (systemd.exec(5)),
/// which the service's user may have changed there.
pub(super) struct Told {
    /// `$SERVICE_RESULT`.
    pub(super) result: String,
    /// `$EXIT_CODE`, empty if there was no main process.
    pub(super) code: String,
    /// `$EXIT_STATUS`, empty if there was no main process.
    pub(super) status: String,
}

impl Told {
    /// Derives the variables from the properties in the same way as PID 1 does.
    pub(super) fn of(known: &Properties) -> Self {
        let at_end = known.number::<u64>(super::MAIN_ENDED).filter(|at| *at > 0);
        let main = known
            .number::<u32>("ExecMainPID")
            .filter(|pid| *pid > 0)
            .and(at_end);
        let end = main.and_then(|_| {
            ProcessEnd::from_wait(
                known.number("ExecMainCode")?,
                known.number("ExecMainStatus")?,
            )
        });
        let (code, status) = end.map_or_else(Default::default, words);
        Self {
            result: known.text("Result").to_owned(),
            code,
            status,
        }
    }
}

/// Returns the end of a process as `$EXIT_CODE` and `$EXIT_STATUS`.
pub(in crate::edge) fn words(end: ProcessEnd) -> (String, String) {
    let (code, status) = match end {
        ProcessEnd::Exited(status) => ("exited", status.to_string()),
        ProcessEnd::Killed(signal) => ("killed", signal_name(signal)),
        ProcessEnd::Dumped(signal) => ("dumped", signal_name(signal)),
    };
    (code.to_owned(), status)
}

/// Returns systemd's `Result` of a run that ends because a process fails like this.
pub(super) fn result_of(end: ProcessEnd) -> &'static str {
    match end {
        ProcessEnd::Exited(_) => "exit-code",
        ProcessEnd::Killed(_) => "signal",
        ProcessEnd::Dumped(_) => "core-dump",
    }
}

/// Returns the line with its end, if it failed and its failure is not ignored.
fn with_failure(line: Command) -> Option<(Command, ProcessEnd)> {
    let end = line
        .end
        .filter(|end| *end != ProcessEnd::Exited(0) && !line.forgiven)?;
    Some((line, end))
}

/// The process whose end ended the run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) code: String,
    pub(super) status: String,
    pub(super) pid: Option<u32>,
    pub(super) at: u64,
    pub(super) since_boot: u64,
    /// True if it was a line of ours.
    pub(super) is_ours: bool,
}

impl Failed {
    /// Determines the process: the main process; but if systemd calls the run failed by exit or
    /// signal and no main process failed, the line that failed last. A line after the start that
    /// failed before the main process ended has caused its stop.
    pub(super) fn of(told: &Told, known: &Properties) -> Self {
        let main = process_end(&told.code, &told.status);
        let line = if no_main_process_failed(&ServiceResult::parse(&told.result), main) {
            LISTS
                .iter()
                .flat_map(|list| known.commands(list))
                .filter_map(with_failure)
                .max_by_key(|(line, _)| line.ended)
        } else {
            let main_ended: u64 = known.number_or_zero(MAIN_ENDED_AT);
            known
                .commands("ExecStartPost")
                .filter_map(with_failure)
                .find(|(line, end)| line.ended <= main_ended && result_of(*end) == told.result)
        };
        let Some((line, end)) = line else {
            return Self {
                code: told.code.clone(),
                status: told.status.clone(),
                pid: known.number("ExecMainPID").filter(|pid| *pid > 0),
                at: time_of_death(known),
                since_boot: died_since_boot(known),
                is_ours: false,
            };
        };
        let (code, status) = words(end);
        let is_ours = line.words.first().is_some_and(|program| program == HELPER);
        let since_boot = clock::since_boot_of_monotonic(line.over);
        Self {
            code,
            status,
            pid: Some(line.pid),
            at: line.ended / 1_000,
            since_boot,
            is_ours,
        }
    }
}

/// Returns the time at which PID 1 saw the main process end, in milliseconds since the epoch; now,
/// if it never ran.
fn time_of_death(known: &Properties) -> u64 {
    let died = known.number(super::MAIN_ENDED).filter(|at| *at > 0);
    died.map_or_else(clock::since_epoch, clock::epoch_of_monotonic)
}

/// Returns the same time in milliseconds since boot.
fn died_since_boot(known: &Properties) -> u64 {
    let died = known.number(super::MAIN_ENDED).filter(|at| *at > 0);
    died.map_or_else(clock::since_boot, clock::since_boot_of_monotonic)
}

/// Returns the step whose failure ended the start: the last of the ward's own that failed in it.
pub(super) fn failed_step(record: &RunRecord) -> Option<String> {
    let mut failed = record.results.iter().rev().filter(|result| {
        result.outcome == Outcome::Failed && result.step != "0" && !result.step.contains('.')
    });
    let result = failed.next()?;
    let (step, condition, action) = (&result.step, &result.condition, &result.action);
    Some(format!("step {step} of [{condition}] failed: {action}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::record::{StartKind, StepResult};

    #[test]
    fn a_run_that_no_main_process_failed_in_ended_with_the_line_that_did() {
        let line = |forgiven: bool, ended: u64, (pid, code, status): (u32, i32, i32)| {
            (
                "/bin/a",
                vec!["/bin/a"],
                forgiven,
                1_u64,
                1_u64,
                ended,
                ended,
                pid,
                code,
                status,
            )
        };
        let check = |(result, code, status): (&str, &str, &str), expect: (&str, &str, u32)| {
            let before = [
                (false, 5_000, (1, 1, 0)),
                (false, 6_000, (2, 3, 11)),
                (true, 9_000, (3, 1, 1)),
            ];
            let known = Properties::from([
                ("ExecMainPID", 77_u32.into()),
                (
                    "ExecStartPre",
                    before
                        .map(|(forgiven, ended, end)| line(forgiven, ended, end))
                        .to_vec()
                        .into(),
                ),
            ]);
            let told = Told {
                result: result.into(),
                code: code.into(),
                status: status.into(),
            };
            let failed = Failed::of(&told, &known);
            assert_eq!(
                (failed.code.as_str(), failed.status.as_str(), failed.pid),
                (expect.0, expect.1, Some(expect.2))
            );
        };
        check(("core-dump", "", ""), ("dumped", "SEGV", 2));
        check(("core-dump", "exited", "0"), ("dumped", "SEGV", 2));
        check(("exit-code", "exited", "3"), ("exited", "3", 77));
        check(("timeout", "killed", "TERM"), ("killed", "TERM", 77));
    }

    #[test]
    fn a_line_that_failed_before_the_main_process_ended_has_had_that_stopped() {
        let check =
            |main_ended: u64, result: &str, (forgiven, status): (bool, i32), expect: u32| {
                let line = (
                    "/bin/a",
                    vec!["/bin/a"],
                    forgiven,
                    1_u64,
                    1_u64,
                    5_000_u64,
                    5_u64,
                    4_u32,
                    1_i32,
                    status,
                );
                let known = Properties::from([
                    ("ExecMainPID", 77_u32.into()),
                    (MAIN_ENDED_AT, main_ended.into()),
                    ("ExecStartPost", vec![line].into()),
                ]);
                let told = Told {
                    result: result.into(),
                    code: "killed".into(),
                    status: "TERM".into(),
                };
                assert_eq!(
                    Failed::of(&told, &known).pid,
                    Some(expect),
                    "{main_ended} {result} {forgiven} {status}"
                );
            };
        check(6_000, "exit-code", (false, 6), 4);
        check(4_000, "exit-code", (false, 6), 77);
        check(6_000, "exit-code", (true, 6), 77);
        check(6_000, "exit-code", (false, 0), 77);
        check(6_000, "signal", (false, 6), 77);
        check(6_000, "timeout", (false, 6), 77);
    }

    #[test]
    fn a_step_that_failed_is_named_and_what_came_in_its_place_is_not() {
        let result = |step: &str, outcome| StepResult {
            condition: "OnDeath".into(),
            step: step.into(),
            action: "Execute".into(),
            argument: String::new(),
            outcome,
            status: 1,
            at: 5,
            ms: 1,
        };
        let mut record = RunRecord::new(
            "web",
            "web.service",
            &"a".repeat(32),
            StartKind::AfterAbnormalDeath,
        );
        assert_eq!(failed_step(&record), None);
        record.results = vec![
            result("1", Outcome::Ok),
            result("2", Outcome::Failed),
            result("2.1", Outcome::Failed),
        ];
        let told = failed_step(&record);
        assert_eq!(told.as_deref(), Some("step 2 of [OnDeath] failed: Execute"));
    }
}
