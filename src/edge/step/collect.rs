//! Results that PID 1 alone has: of `Execute=` steps that ran as the service, in place of their guard.

use super::arguments::Arguments;
use super::failed_steps;
use super::line::StepLine;
use crate::edge::record::{Outcome, RunRecord, StartKind, StepResult, WardState};
use crate::edge::systemctl::{self, Properties};
use std::io;

/// The lists of commands a unit has, in the order they run.
const LISTS: [&str; 4] = ["ExecStartPre", "ExecStart", "ExecStartPost", "ExecStopPost"];

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

/// Adds the results that `known` has and `record` has not.
pub(super) fn add_results(record: &mut RunRecord, known: &Properties) {
    for list in LISTS {
        for shown in known.all(list) {
            let Some((line, ended)) = parse(shown) else { continue };
            let noted =
                |result: &StepResult| result.condition == line.place.condition && result.step == line.place.step;
            if line.ward == record.ward && !record.results.iter().any(noted) && line.acts(record) {
                record.results.push(result(&line, &ended));
            }
        }
    }
}

/// How PID 1 saw a command end.
struct Ended {
    status: i32,
    started: u64,
    stopped: u64,
}

/// One command as `systemctl show` prints it, if it is an `Execute=` step in place of its guard and has ended.
fn parse(shown: &str) -> Option<(StepLine, Ended)> {
    let arguments = shown.split_once("argv[]=")?.1;
    let (words, fields) = arguments.split_once(" ; ignore_errors=")?;
    let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
    let [_, command, line @ ..] = words.as_slice() else { return None };
    let line = (command == "step").then(|| StepLine::parse(line).ok())??;
    let field = |key: &str| fields.split(" ; ").find_map(|field| field.trim_end_matches(" }").strip_prefix(key));
    let status = field("status=")?.split('/').next()?.parse::<i32>().ok()?;
    let status = match field("code=")? {
        "exited" => status,
        "killed" | "dumped" => 128 + status,
        _ => return None,
    };
    let micros = |key| field(key).and_then(stamp);
    (line.replaces_guard())
        .then_some((line, Ended { status, started: micros("start_time=")?, stopped: micros("stop_time=")? }))
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
    let now = crate::edge::clock::since_epoch();
    let ago = (now * 1_000 % DAY + DAY - ended.stopped) % DAY / 1_000;
    StepResult {
        condition: line.place.condition.clone(),
        step: line.place.step.clone(),
        action: line.keyword.clone(),
        argument: line.arguments.join(" "),
        outcome: if ended.status == 0 || line.ignore_failure { Outcome::Ok } else { Outcome::Failed },
        status: ended.status,
        at: now - ago,
        ms: (ended.stopped + DAY - ended.started) % DAY / 1_000,
    }
}
