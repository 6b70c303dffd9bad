//! Results that only PID 1 has: of commands that ran as the service, in place of their guard.
//!
//! A daemon-reload makes PID 1 forget them, except the end, but not the beginning, of the line that
//! runs meanwhile. So every line that queries PID 1 during a start records the results known by
//! then.

use super::line::StepLine;
use super::own::SKIPPED;
use crate::core::config::time_span;
use crate::core::crash::observation::ProcessEnd;
use crate::edge::clock;
use crate::edge::pid1::{Command, Properties};
use crate::edge::record::RunRecord;

/// The lists of commands of a unit, in the order in which they run.
pub(super) const LISTS: [&str; 4] = ["ExecStartPre", "ExecStart", "ExecStartPost", "ExecStopPost"];

/// Adds the results that are in `known` but not in `record`.
pub(super) fn add_results(record: &mut RunRecord, known: &Properties) {
    let main = time_of(known, super::MAIN_STARTED);
    let mut over = record
        .begun
        .map(|begun| begun.saturating_add(record.backoff_ms.unwrap_or(0)));
    let end = record.end.as_ref().map(|end| end.at);
    let cut = Cut::of(record, known);
    for list in LISTS {
        over = over
            .max(main.filter(|_| list == "ExecStartPost"))
            .max(end.filter(|_| list == "ExecStopPost"));
        for seen in known.commands(list) {
            let line = step(&seen);
            if list == "ExecStopPost"
                || !cut
                    .as_ref()
                    .is_some_and(|cut| cut.passes(&seen, line.as_ref()))
            {
                over = over.max(visit(record, &seen, line.as_ref(), over));
                over = over.max((seen.ended > 0).then_some(seen.ended / 1_000));
            }
        }
    }
}

/// Returns the time of a change of the unit, in milliseconds since the epoch.
fn time_of(known: &Properties, property: &str) -> Option<u64> {
    known
        .number(property)
        .filter(|at| *at > 0)
        .map(clock::epoch_of_monotonic)
}

/// A start that failed while its lines ran: PID 1 continued with them, and they did nothing.
struct Cut {
    /// Time at which its main process died, in milliseconds since the epoch.
    died: Option<u64>,
}

impl Cut {
    fn of(record: &RunRecord, known: &Properties) -> Option<Self> {
        let begun = record
            .begun
            .filter(|_| record.up.is_none() && super::start_has_failed(known))?;
        // Before the main process starts, PID 1 reports the previous one.
        let is_of_this_start =
            time_of(known, super::MAIN_STARTED).is_some_and(|main| main >= begun);
        let died = time_of(known, super::MAIN_ENDED)
            .filter(|_| is_of_this_start && known.text("Type") != "oneshot");
        Some(Self { died })
    }

    /// Returns true if a line did nothing: its status says so, or it began after the death.
    fn passes(&self, seen: &Command, line: Option<&StepLine>) -> bool {
        let ended = seen.ended / 1_000;
        let began = seen
            .took
            .map(|took| ended.saturating_sub(time_span::millis(took)));
        let is_late = seen.end.is_some()
            && self
                .died
                .zip(began)
                .is_some_and(|(died, began)| began >= died);
        // Before the death the status is that of the command, and always so if the start depends on
        // the line.
        let may_say_so =
            line.is_some_and(|line| !line.required) && self.died.is_none_or(|died| ended >= died);
        is_late || (may_say_so && status(seen) == Some(SKIPPED.into()))
    }
}

/// Adds the result of a line if it is missing; `over` is the end of what ran before the line.
/// Returns the end of a step that was recorded already.
fn visit(
    record: &mut RunRecord,
    seen: &Command,
    line: Option<&StepLine>,
    over: Option<u64>,
) -> Option<u64> {
    let line = line?;
    if let Some(noted) = line.noted(record) {
        return Some(noted.at);
    }
    let is_ours = line.replaces_guard() && line.ward == record.ward;
    if let Some(status) = status(seen).filter(|_| is_ours && line.acts(record)) {
        let ended = seen.ended / 1_000;
        let ms = match seen.took {
            Some(took) => time_span::millis(took),
            // Each line begins at the end of the previous one.
            None => over.map_or(0, |over| ended.saturating_sub(over)),
        };
        record.results.push(line.result(status, ended, ms));
    }
    None
}

/// The line of a command, if it is a step.
pub(super) fn step(seen: &Command) -> Option<StepLine> {
    let [_, command, line @ ..] = seen.words.as_slice() else {
        return None;
    };
    let line = matches!(command.as_str(), "own" | "step")
        .then(|| StepLine::parse(line).ok())
        .flatten()?;
    // As written in the ward: a dollar is doubled for PID 1, which passes it on to the helper.
    let arguments = line
        .arguments
        .iter()
        .map(|word| word.replace("$$", "$"))
        .collect();
    Some(StepLine { arguments, ..line })
}

/// Returns the exit status of a command, 128 + n for signal n; `None` until it ends.
fn status(seen: &Command) -> Option<i32> {
    seen.end.map(|end| match end {
        ProcessEnd::Exited(status) => status,
        ProcessEnd::Killed(signal) | ProcessEnd::Dumped(signal) => 128 + signal,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::record::{End, Outcome, StartKind, StepResult, Up};
    use zbus::Variant;

    /// A list as PID 1 returns it: the steps as written in the unit, and the exit status of each
    /// that ran.
    fn seen(list: &'static str, steps: &[(&str, Option<i32>)]) -> (&'static str, Variant<'static>) {
        begun_at(100_000, list, steps)
    }

    fn begun_at(
        began: u64,
        list: &'static str,
        steps: &[(&str, Option<i32>)],
    ) -> (&'static str, Variant<'static>) {
        let command = |(step, status): &(&str, Option<i32>)| {
            let program = "/usr/lib/unitward/unitward-step".to_owned();
            let words: Vec<_> = [program.as_str(), "own", "web"]
                .into_iter()
                .chain(step.split(' '))
                .collect();
            let words: Vec<_> = words.into_iter().map(str::to_owned).collect();
            let (began, ended, code) = if status.is_some() {
                (began, 141_000, 1)
            } else {
                (0, 0, 0)
            };
            let status = status.unwrap_or(0);
            (
                program, words, true, began, began, ended, ended, 7_u32, code, status,
            )
        };
        (
            list,
            steps
                .iter()
                .map(command)
                .collect::<Vec<(_, _, _, u64, u64, u64, u64, _, _, _)>>()
                .into(),
        )
    }

    fn noted(step: &str) -> StepResult {
        let words = "web OnDeath 0 WaitFor 1s"
            .split(' ')
            .map(str::to_owned)
            .collect::<Vec<_>>();
        StepResult {
            step: step.to_owned(),
            ..StepLine::parse(&words).unwrap().result(0, 0, 0)
        }
    }

    #[test]
    fn results_of_commands_that_had_lines_of_their_own_are_added_in_their_order() {
        let known = Properties::from([
            seen(
                "ExecStartPre",
                &[("OnDeath 1 Execute /bin/umount /a", Some(0))],
            ),
            seen(
                "ExecStartPost",
                &[
                    ("OnDeath 4 Execute /bin/mount /a", Some(32)),
                    ("OnDeath 4.1 ElseExecute /bin/repair", Some(0)),
                    ("OnDeath 5 Execute /bin/true", Some(0)),
                    ("OnDeath 5.1 ElseExecute /bin/was-not-due", Some(75)),
                    ("OnDeath 6 Execute /bin/never", None),
                ],
            ),
        ]);
        let mut record = RunRecord::new("web", "web.service", "i", StartKind::AfterDeath);
        record.results = ["gone", "3", "5"].map(noted).into();
        add_results(&mut record, &known);
        let steps: Vec<_> = record
            .results
            .iter()
            .map(|result| (result.step.as_str(), result.status))
            .collect();
        assert_eq!(
            steps,
            [
                ("gone", 0),
                ("3", 0),
                ("5", 0),
                ("1", 0),
                ("4", 32),
                ("4.1", 0)
            ]
        );
        let mounted = &record.results[4];
        assert_eq!(
            (mounted.at, mounted.ms, mounted.outcome),
            (141, 41, Outcome::Failed)
        );
    }

    #[test]
    fn a_step_whose_beginning_a_reload_made_forgotten_began_when_what_came_before_was_over() {
        let check = |begun: Option<u64>, noted_at: Option<u64>, expect: u64| {
            let list = begun_at(
                0,
                "ExecStartPost",
                &[
                    ("OnDeath 1 WaitFor 1s", None),
                    ("OnDeath 2 Execute /bin/a", Some(0)),
                ],
            );
            let mut record = RunRecord::new("web", "web.service", "i", StartKind::AfterDeath);
            (record.begun, record.backoff_ms) = (begun, begun.map(|_| 30));
            record.results = noted_at
                .map(|at| StepResult { at, ..noted("1") })
                .into_iter()
                .collect();
            add_results(&mut record, &Properties::from([list]));
            assert_eq!(
                record
                    .results
                    .last()
                    .map(|last| (last.step.as_str(), last.ms)),
                Some(("2", expect))
            );
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
            assert_eq!(
                Cut { died }.passes(&seen, step(&seen).as_ref()),
                expect,
                "{died:?} {began} {words} {status:?}"
            );
        }
        let mut record = RunRecord::new("web", "web.service", "i", StartKind::AfterDeath);
        record.begun = Some(1);
        let state = |state: &'static str| Properties::from([("SubState", state.into())]);
        assert!(Cut::of(&record, &state("stop-post")).is_some());
        assert!(
            Cut::of(&record, &state("start-post")).is_none(),
            "its main process lives"
        );
        record.up = Some(Up {
            main: 1,
            at: 2,
            since_boot: None,
        });
        assert!(
            Cut::of(&record, &state("stop-post")).is_none(),
            "all of them had their turn"
        );
    }

    #[test]
    fn a_step_after_the_end_of_a_run_has_not_lasted_since_the_run_began() {
        let list = begun_at(0, "ExecStopPost", &[("OnStop 1 Execute /bin/a", Some(0))]);
        let mut record = RunRecord::new("web", "web.service", "i", StartKind::First);
        record.begun = Some(50);
        record.end = Some(End {
            asked: true,
            ..End::killed(120)
        });
        add_results(&mut record, &Properties::from([list]));
        assert_eq!(record.results[0].ms, 21);
    }
}
