//! Results that PID 1 alone has: of `Execute=` steps that ran as the service, in place of their guard.
//!
//! PID 1 forgets them at a daemon-reload, all but how the line ends that runs meanwhile, and when that one began. So whoever asks
//! PID 1 in the course of a start notes what it knows by then.

use super::arguments::Arguments;
use super::line::StepLine;
use super::run::SKIPPED;
use super::{failed_steps, this_run};
use crate::core::config::time_span;
use crate::core::crash::observation::ProcessEnd;
use crate::edge::clock;
use crate::edge::pid1::{self, Command, Properties, Wanted};
use crate::edge::record::{Outcome, RunRecord, StartKind, StepResult, WardState};
use std::io;

/// The lists of commands a unit has, in the order they run.
pub(super) const LISTS: [&str; 4] = ["ExecStartPre", "ExecStart", "ExecStartPost", "ExecStopPost"];

/// `collect WARD UNIT`: adds the missing results of this run's steps to its record.
pub(super) fn collect(arguments: &Arguments) -> io::Result<()> {
    let (ward, unit) = arguments.ward_and_unit()?;
    let state = WardState::of(ward);
    let own = [&super::STATE_OF_START[..], &LISTS].concat();
    let known = pid1::ask(unit, Wanted { unit: &["SubState", this_run::PROPERTY], own: &own })?;
    let run = this_run::required(&known)?;
    let new = || RunRecord::new(ward, unit, run.as_str(), StartKind::Condition);
    let mut record = state.run(run.as_str()).unwrap_or_else(|_| new());
    add_results(&mut record, &known);
    state.save_run(&record)
}

/// `verdict WARD CONDITION STEP`: fails if that step failed, after its `Else…` steps had their turn. No start depends on a record that
/// cannot be read.
pub(super) fn verdict(arguments: &Arguments) -> io::Result<u8> {
    let (ward, condition, step) = (arguments.word(0)?, arguments.word(1)?, arguments.word(2)?);
    let state = WardState::of(ward);
    let run = if this_run::is_in_condition(ward, condition) {
        this_run::of_condition(ward, condition)
    } else {
        this_run::of_ward(&state)
    };
    // A record with an end is that of an earlier run.
    let record = run.and_then(|run| state.run(run.as_str())).ok().filter(|record| record.end.is_none());
    let Some(record) = record else { return Ok(0) };
    Ok(u8::from(failed_steps(&record).iter().any(|(c, s)| c == condition && s == step)))
}

/// Adds the results that `known` has and `record` has not, and puts all of them in the order of their lines.
pub(super) fn add_results(record: &mut RunRecord, known: &Properties) {
    let mut lines = Vec::new();
    let main = known.number(super::MAIN_STARTED).filter(|at| *at > 0).map(clock::epoch_of_monotonic);
    let mut over = record.begun.map(|begun| begun.saturating_add(record.backoff_ms.unwrap_or(0)));
    let end = record.end.as_ref().map(|end| end.at);
    let cut = Cut::of(record, known);
    for list in LISTS {
        over = over.max(main.filter(|_| list == "ExecStartPost")).max(end.filter(|_| list == "ExecStopPost"));
        for seen in known.commands(list) {
            let line = step(&seen);
            if list == "ExecStopPost" || !cut.as_ref().is_some_and(|cut| cut.passes(&seen, line.as_ref())) {
                over = over.max(visit(record, (&seen, line.as_ref()), over));
                over = over.max((seen.ended > 0).then_some(seen.ended / 1_000));
            }
            lines.extend(line);
        }
    }
    // A line that a reload has taken away since it ran was before those that are yet to come.
    record.results.sort_by_key(|result| lines.iter().position(|line| is_of(line, result)));
}

/// A start that came to nothing while its lines ran: PID 1 went on with them, and they did nothing.
struct Cut {
    /// When its main process died, in milliseconds since the epoch.
    died: Option<u64>,
}

impl Cut {
    fn of(record: &RunRecord, known: &Properties) -> Option<Self> {
        let begun = record.begun.filter(|_| record.up.is_none() && super::start_has_failed(known))?;
        let at = |key| known.number(key).filter(|at| *at > 0).map(clock::epoch_of_monotonic);
        // Before the main process starts PID 1 tells of the last one.
        let is_of_this_start = at(super::MAIN_STARTED).is_some_and(|main| main >= begun);
        let died = at(super::MAIN_ENDED).filter(|_| is_of_this_start && known.text("Type") != "oneshot");
        Some(Self { died })
    }

    /// Whether a line did nothing: it said so, or where it may not, it began after the death.
    fn passes(&self, seen: &Command, line: Option<&StepLine>) -> bool {
        let ended = seen.ended / 1_000;
        let began = seen.took.map(|took| ended.saturating_sub(time_span::millis(took)));
        let is_late = seen.end.is_some() && self.died.zip(began).is_some_and(|(died, began)| began >= died);
        // Before the death the status is the command's own, and so it is where the start depends on it.
        let may_say_so = line.is_some_and(|line| !line.required) && self.died.is_none_or(|died| ended >= died);
        is_late || (may_say_so && status(seen) == Some(SKIPPED.into()))
    }
}

/// Adds the result of a line if it is missing; what came before the line was over at `over`. Gives when a step that was noted ended.
fn visit(record: &mut RunRecord, (seen, line): (&Command, Option<&StepLine>), over: Option<u64>) -> Option<u64> {
    let line = line?;
    if let Some(noted) = record.results.iter().find(|result| is_of(line, result)) {
        return Some(noted.at);
    }
    // A guard that did not find the record has noted nothing in it, whatever its step.
    let is_missing = line.replaces_guard() || status(seen) == Some(SKIPPED.into());
    let is_ours = is_missing && line.ward == record.ward;
    if let Some(status) = status(seen).filter(|_| is_ours && line.acts(record)) {
        // Each line begins when the one before it is over.
        let since_then = || over.map_or(0, |over| (seen.ended / 1_000).saturating_sub(over));
        let ms = seen.took.map_or_else(since_then, time_span::millis);
        record.results.push(result(line, (seen, status), ms));
    }
    None
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

fn result(line: &StepLine, (seen, status): (&Command, i32), ms: u64) -> StepResult {
    StepResult {
        condition: line.place.condition.clone(),
        step: line.place.step.clone(),
        action: line.keyword.clone(),
        argument: line.arguments.join(" "),
        outcome: if status == 0 || line.ignore_failure { Outcome::Ok } else { Outcome::Failed },
        status,
        at: seen.ended / 1_000,
        ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::record::{End, Up};
    use zbus::Variant;

    /// What PID 1 knows of a list: the steps as they stand in the unit, and the status each ended with, if it ran.
    fn seen(list: &'static str, steps: &[(&str, Option<i32>)]) -> (&'static str, Variant<'static>) {
        begun_at(100_000, list, steps)
    }

    fn begun_at(began: u64, list: &'static str, steps: &[(&str, Option<i32>)]) -> (&'static str, Variant<'static>) {
        let command = |(step, status): &(&str, Option<i32>)| {
            let program = "/usr/lib/unitward/unitward-step".to_owned();
            let words: Vec<_> = [program.as_str(), "step", "web"].into_iter().chain(step.split(' ')).collect();
            let words: Vec<_> = words.into_iter().map(str::to_owned).collect();
            let (began, ended, code) = if status.is_some() { (began, 141_000, 1) } else { (0, 0, 0) };
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
            took: None,
        };
        StepResult { step: step.to_owned(), ..result(&StepLine::parse(&words).unwrap(), (&seen, 0), 0) }
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

    #[test]
    fn a_step_whose_beginning_a_reload_made_forgotten_began_when_what_came_before_was_over() {
        let check = |begun: Option<u64>, noted_at: Option<u64>, expect: u64| {
            let list =
                begun_at(0, "ExecStartPost", &[("OnDeath 1 WaitFor 1s", None), ("OnDeath 2 Execute /bin/a", Some(0))]);
            let mut record = RunRecord::new("web", "web.service", "i", StartKind::AfterDeath);
            (record.begun, record.backoff_ms) = (begun, begun.map(|_| 30));
            record.results = noted_at.map(|at| StepResult { at, ..noted("1") }).into_iter().collect();
            add_results(&mut record, &Properties::from([list]));
            assert_eq!(record.results.last().map(|last| (last.step.as_str(), last.ms)), Some(("2", expect)));
        };
        check(Some(50), Some(101), 40);
        check(Some(50), None, 61);
        check(Some(500), None, 0);
        check(None, None, 0);
    }

    #[test]
    fn what_has_no_turn_once_the_start_has_come_to_nothing_is_passed_over() {
        let (plain, required) = ("OnDeath 1 Execute /a", "OnDeath 1 --required Execute /a");
        for (died, began, words, status, expect) in [
            (Some(120), 100_000, plain, Some(0), false),
            (Some(120), 130_000, plain, Some(0), true),
            (Some(120), 100_000, plain, Some(75), true),
            (Some(150), 100_000, plain, Some(75), false),
            (Some(120), 100_000, required, Some(75), false),
            (Some(120), 130_000, required, Some(0), true),
            (Some(120), 130_000, plain, None, false),
            (None, 130_000, plain, Some(0), false),
            (None, 130_000, plain, Some(75), true),
            (None, 130_000, required, Some(75), false),
        ] {
            let known = Properties::from([begun_at(began, "ExecStartPost", &[(words, status)])]);
            let seen = known.commands("ExecStartPost").next().unwrap();
            assert_eq!(Cut { died }.passes(&seen, step(&seen).as_ref()), expect, "{died:?} {began} {words} {status:?}");
        }
        let mut record = RunRecord::new("web", "web.service", "i", StartKind::AfterDeath);
        record.begun = Some(1);
        let state = |state: &'static str| Properties::from([("SubState", state.into())]);
        assert!(Cut::of(&record, &state("stop-post")).is_some());
        assert!(Cut::of(&record, &state("start-post")).is_none(), "its main process lives");
        record.up = Some(Up { main: 1, at: 2 });
        assert!(Cut::of(&record, &state("stop-post")).is_none(), "all of them had their turn");
    }

    #[test]
    fn a_step_after_the_end_of_a_run_has_not_lasted_since_the_run_began() {
        let list = begun_at(0, "ExecStopPost", &[("OnStop 1 Execute /bin/a", Some(0))]);
        let mut record = RunRecord::new("web", "web.service", "i", StartKind::First);
        record.begun = Some(50);
        record.end = Some(End { asked: true, ..End::killed(120) });
        add_results(&mut record, &Properties::from([list]));
        assert_eq!(record.results[0].ms, 21);
    }
}
