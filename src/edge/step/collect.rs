//! Results that PID 1 alone has: of `Execute=` steps that ran as the service, in place of their guard.

use super::arguments::Arguments;
use super::failed_steps;
use super::line::StepLine;
use super::run::SKIPPED;
use crate::core::config::time_span;
use crate::core::crash::observation::ProcessEnd;
use crate::edge::pid1::{self, Command, Properties, Wanted};
use crate::edge::record::{Outcome, RunRecord, StartKind, StepResult, WardState};
use std::io;

/// The lists of commands a unit has, in the order they run.
pub(super) const LISTS: [&str; 4] = ["ExecStartPre", "ExecStart", "ExecStartPost", "ExecStopPost"];

/// `collect WARD UNIT`: adds the missing results of this run's steps to its record.
pub(super) fn collect(arguments: &Arguments, invocation: &str) -> io::Result<()> {
    let (ward, unit) = arguments.ward_and_unit()?;
    let state = WardState::of(ward);
    let mut record =
        state.run(invocation).unwrap_or_else(|_| RunRecord::new(ward, unit, invocation, StartKind::Condition));
    add_results(&mut record, &pid1::ask(unit, Wanted { unit: &[], own: &LISTS })?);
    state.save_run(&record)
}

/// `verdict WARD CONDITION STEP`: fails if that step failed, after its `Else…` steps had their turn. No start depends on a record that
/// cannot be read.
pub(super) fn verdict(arguments: &Arguments, invocation: &str) -> io::Result<u8> {
    let (ward, condition, step) = (arguments.word(0)?, arguments.word(1)?, arguments.word(2)?);
    let Ok(record) = WardState::of(ward).run(invocation) else { return Ok(0) };
    Ok(u8::from(failed_steps(&record).iter().any(|(c, s)| c == condition && s == step)))
}

/// Adds the results that `known` has and `record` has not, and puts all of them in the order of their lines.
pub(super) fn add_results(record: &mut RunRecord, known: &Properties) {
    let lines: Vec<_> =
        LISTS.iter().flat_map(|list| known.commands(list)).filter_map(|seen| Some((step(&seen)?, seen))).collect();
    for (line, seen) in &lines {
        let noted = record.results.iter().any(|result| is_of(line, result));
        // A guard that did not find the record has noted nothing in it, whatever its step.
        let is_missing = line.replaces_guard() || status(seen) == Some(SKIPPED.into());
        let is_ours = is_missing && line.ward == record.ward;
        if let Some(status) = status(seen).filter(|_| is_ours && !noted && line.acts(record)) {
            record.results.push(result(line, (seen, status)));
        }
    }
    // A line that a reload has taken away since it ran was before those that are yet to come.
    record.results.sort_by_key(|result| lines.iter().position(|(line, _)| is_of(line, result)));
}

fn is_of(line: &StepLine, result: &StepResult) -> bool {
    result.condition == line.place.condition && result.step == line.place.step
}

/// The line of a command, if it is a step.
fn step(seen: &Command) -> Option<StepLine> {
    let [_, command, line @ ..] = seen.words.as_slice() else { return None };
    (command == "step").then(|| StepLine::parse(line).ok()).flatten()
}

/// The exit status of a command, that of a signal as shells number it; `None` while it has not ended.
fn status(seen: &Command) -> Option<i32> {
    seen.end.map(|end| match end {
        ProcessEnd::Exited(status) => status,
        ProcessEnd::Killed(signal) | ProcessEnd::Dumped(signal) => 128 + signal,
    })
}

fn result(line: &StepLine, (seen, status): (&Command, i32)) -> StepResult {
    StepResult {
        condition: line.place.condition.clone(),
        step: line.place.step.clone(),
        action: line.keyword.clone(),
        argument: line.arguments.join(" "),
        outcome: if status == 0 || line.ignore_failure { Outcome::Ok } else { Outcome::Failed },
        status,
        at: seen.ended / 1_000,
        ms: time_span::millis(seen.took),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use zbus::Variant;

    /// What PID 1 knows of a list: the steps as they stand in the unit, and the status each ended with, if it ran.
    fn seen(list: &'static str, steps: &[(&str, Option<i32>)]) -> (&'static str, Variant<'static>) {
        let command = |(step, status): &(&str, Option<i32>)| {
            let program = "/usr/lib/unitward/unitward-step".to_owned();
            let words: Vec<_> = [program.as_str(), "step", "web"].into_iter().chain(step.split(' ')).collect();
            let words: Vec<_> = words.into_iter().map(str::to_owned).collect();
            let (began, ended, code) = if status.is_some() { (100_000, 141_000, 1) } else { (0, 0, 0) };
            let status = status.unwrap_or(0);
            (program, words, true, began, began, ended, ended, 7_u32, code, status)
        };
        (list, steps.iter().map(command).collect::<Vec<(_, _, _, u64, u64, u64, u64, _, _, _)>>().into())
    }

    fn noted(step: &str) -> StepResult {
        let words = "web OnDeath 0 WaitFor 1s".split(' ').map(str::to_owned).collect::<Vec<_>>();
        let seen = Command {
            words: Vec::new(),
            forgiven: true,
            pid: 7,
            end: Some(ProcessEnd::Exited(0)),
            ended: 0,
            took: Duration::ZERO,
        };
        StepResult { step: step.to_owned(), ..result(&StepLine::parse(&words).unwrap(), (&seen, 0)) }
    }

    #[test]
    fn results_stand_in_the_order_of_their_lines_whoever_noted_them() {
        let known = Properties::from([
            seen("ExecStartPre", &[("OnDeath 1 Execute /bin/umount /a", Some(0))]),
            seen(
                "ExecStartPost",
                &[
                    ("OnDeath 3 WaitFor 2s", Some(0)),
                    ("OnDeath 4 Execute /bin/mount /a", Some(32)),
                    ("OnDeath 4.1 ElseExecute /bin/repair", Some(0)),
                    ("OnDeath 5 Log x", Some(0)),
                    ("OnDeath 5.1 ElseLog was-not-due", Some(75)),
                    ("OnDeath 6 Execute /bin/never", None),
                    ("OnDeath 7 Log was-skipped", Some(75)),
                ],
            ),
        ]);
        let mut record = RunRecord::new("web", "web.service", "i", StartKind::AfterDeath);
        record.results = ["gone", "3", "5"].map(noted).into();
        add_results(&mut record, &known);
        let steps: Vec<_> = record.results.iter().map(|result| (result.step.as_str(), result.status)).collect();
        assert_eq!(steps, [("gone", 0), ("1", 0), ("3", 0), ("4", 32), ("4.1", 0), ("5", 0), ("7", 75)]);
        let mounted = &record.results[3];
        assert_eq!((mounted.at, mounted.ms, mounted.outcome), (141, 41, Outcome::Failed));
    }
}
