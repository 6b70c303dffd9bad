//! Results that PID 1 alone has: of `Execute=` steps that ran as the service, in place of their guard.

use super::arguments::Arguments;
use super::failed_steps;
use super::line::StepLine;
use crate::edge::clock;
use crate::edge::record::{Outcome, RunRecord, StartKind, StepResult, WardState};
use crate::edge::systemctl::{self, Properties};
use std::io;

/// The lists of commands a unit has, in the order they run.
pub(super) const LISTS: [&str; 4] = ["ExecStartPre", "ExecStart", "ExecStartPost", "ExecStopPost"];

/// `collect WARD UNIT`: adds the missing results of this run's steps to its record.
pub(super) fn collect(arguments: &Arguments, invocation: &str) -> io::Result<()> {
    let (ward, unit) = arguments.ward_and_unit()?;
    let state = WardState::of(ward);
    let mut record =
        state.run(invocation).unwrap_or_else(|_| RunRecord::new(ward, unit, invocation, StartKind::Condition));
    add_results(&mut record, &systemctl::show(unit, &LISTS)?);
    state.save_run(&record)
}

/// `verdict WARD CONDITION STEP`: fails if that step failed, after its `Else…` steps had their turn.
pub(super) fn verdict(arguments: &Arguments, invocation: &str) -> io::Result<u8> {
    let (ward, condition, step) = (arguments.word(0)?, arguments.word(1)?, arguments.word(2)?);
    let record = WardState::of(ward).run(invocation)?;
    Ok(u8::from(failed_steps(&record).iter().any(|(c, s)| c == condition && s == step)))
}

/// Adds the results that `known` has and `record` has not, and puts all of them in the order of their lines.
pub(super) fn add_results(record: &mut RunRecord, known: &Properties) {
    let lines: Vec<_> = LISTS.iter().flat_map(|list| known.all(list)).filter_map(parse).collect();
    for (line, ended) in &lines {
        let noted = record.results.iter().any(|result| is_of(line, result));
        let Some(ended) = ended.as_ref().filter(|_| line.ward == record.ward && !noted && line.acts(record)) else {
            continue;
        };
        record.results.push(result(line, ended));
    }
    // A line that a reload has taken away since it ran was before those that are yet to come.
    record.results.sort_by_key(|result| lines.iter().position(|(line, _)| is_of(line, result)));
}

fn is_of(line: &StepLine, result: &StepResult) -> bool {
    result.condition == line.place.condition && result.step == line.place.step
}

/// How PID 1 saw a command end.
struct Ended {
    status: i32,
    started: u64,
    stopped: u64,
}

/// One command as `systemctl show` prints it, if it is a step; how it ended, if that is for PID 1 alone to say.
fn parse(shown: &str) -> Option<(StepLine, Option<Ended>)> {
    let arguments = shown.split_once("argv[]=")?.1;
    let (words, fields) = arguments.split_once(" ; ignore_errors=")?;
    let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
    let [_, command, line @ ..] = words.as_slice() else { return None };
    let line = (command == "step").then(|| StepLine::parse(line).ok())??;
    let ended = if line.replaces_guard() { ended(fields) } else { None };
    Some((line, ended))
}

fn ended(fields: &str) -> Option<Ended> {
    let field = |key: &str| fields.split(" ; ").find_map(|field| field.trim_end_matches(" }").strip_prefix(key));
    let status = field("status=")?.split('/').next()?.parse::<i32>().ok()?;
    let status = match field("code=")? {
        "exited" => status,
        "killed" | "dumped" => 128 + status,
        _ => return None,
    };
    let micros = |key| field(key).and_then(stamp);
    Some(Ended { status, started: micros("start_time=")?, stopped: micros("stop_time=")? })
}

/// `[Sat 2026-11-21 02:20:31.123456 UTC]` in microseconds of its day: enough for a span, and for the day's date see [`result`].
fn stamp(text: &str) -> Option<u64> {
    let clock = text.trim_matches(['[', ']']).split(' ').nth(2)?;
    let (hms, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let seconds = hms.split(':').try_fold(0_u64, |sum, part| Some(sum * 60 + part.parse::<u64>().ok()?))?;
    Some(seconds * 1_000_000 + format!("{fraction:0<6}").parse::<u64>().ok()?)
}

fn result(line: &StepLine, ended: &Ended) -> StepResult {
    const DAY: u64 = 24 * 3600 * 1_000_000;
    let now = clock::micros_since_epoch();
    let ago = (now % DAY + DAY - ended.stopped) % DAY;
    StepResult {
        condition: line.place.condition.clone(),
        step: line.place.step.clone(),
        action: line.keyword.clone(),
        argument: line.arguments.join(" "),
        outcome: if ended.status == 0 || line.ignore_failure { Outcome::Ok } else { Outcome::Failed },
        status: ended.status,
        at: now.saturating_sub(ago) / 1_000,
        ms: (ended.stopped + DAY - ended.started) % DAY / 1_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PID 1 shows of a line: `step` as it stands in the unit, and the status it ended with, if it ran.
    fn shown(list: &str, step: &str, status: Option<i32>) -> String {
        let (start, stop, code) = match status {
            Some(_) => ("[Sat 2026-11-21 02:20:31.100000 UTC]", "[Sat 2026-11-21 02:20:31.141000 UTC]", "exited"),
            None => ("[n/a]", "[n/a]", "(null)"),
        };
        let status = status.unwrap_or(0);
        let path = "/usr/lib/unitward/unitward-step";
        format!(
            "{list}={{ path={path} ; argv[]={path} step web {step} ; ignore_errors=yes ; start_time={start} ; \
             stop_time={stop} ; pid=7 ; code={code} ; status={status} }}\n"
        )
    }

    fn noted(step: &str) -> StepResult {
        let line = "web OnDeath 0 WaitFor 1s".split(' ').map(str::to_owned).collect::<Vec<_>>();
        let line = StepLine::parse(&line).unwrap();
        StepResult { step: step.to_owned(), ..result(&line, &Ended { status: 0, started: 0, stopped: 0 }) }
    }

    #[test]
    fn results_stand_in_the_order_of_their_lines_whoever_noted_them() {
        let known = [
            shown("ExecStartPost", "OnDeath 3 WaitFor 2s", Some(0)),
            shown("ExecStartPost", "OnDeath 4 Execute /bin/mount /a", Some(32)),
            shown("ExecStartPost", "OnDeath 4.1 ElseExecute /bin/repair", Some(0)),
            shown("ExecStartPost", "OnDeath 5 Log x", Some(0)),
            shown("ExecStartPost", "OnDeath 6 Execute /bin/never", None),
            shown("ExecStartPre", "OnDeath 1 Execute /bin/umount /a", Some(0)),
        ]
        .concat();
        let mut record = RunRecord::new("web", "web.service", "i", StartKind::AfterDeath);
        record.results = ["gone", "3", "5"].map(noted).into();
        add_results(&mut record, &Properties::parse(&known));
        let steps: Vec<_> = record.results.iter().map(|result| (result.step.as_str(), result.status)).collect();
        assert_eq!(steps, [("gone", 0), ("1", 0), ("3", 0), ("4", 32), ("4.1", 0), ("5", 0)]);
        assert_eq!((record.results[3].ms, record.results[3].outcome), (41, Outcome::Failed));
    }
}
