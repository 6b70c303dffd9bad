//! `ExecStopPost=`: notes how a run ended and applies the death limit; at an end that was asked for, the steps of `[OnStop]`.
//!
//! Two facts of systemd 252 and 257 carry it. While `ExecStopPost=` runs, the unit has a stop or restart job if
//! somebody asked for the end; a start job means that the start itself failed, or that a start has overtaken a stop. And a
//! stop queued from here ends the unit in `failed` with its true result and takes the automatic restart back.

use super::arguments::Arguments;
use super::limit::{Came, Decision, Site};
use super::list::{self, Phase, Run};
use super::stack::{self, Death};
use super::{begin, limit, own_lines, said, tell, this_run};
use crate::core::crash::exit_status::signal_name;
use crate::core::crash::observation::{ProcessEnd, ServiceResult};
use crate::core::crash::verdict::{no_main_process_failed, process_end};
use crate::core::recovery::series::{self, LastEnd, Verdict};
use crate::core::recovery::{Series, policy};
use crate::edge::pid1::{self, Command, Properties, Wanted};
use crate::edge::record::{End, GivenUp, RunRecord, TimedOut, Up, WardState};
use crate::edge::{clock, series_file, up};
use rustix::fs::Mode;
use std::io;

/// What [`Told::of`] reads.
pub(super) const TOLD: [&str; 5] = ["Result", "ExecMainPID", "ExecMainCode", "ExecMainStatus", super::MAIN_ENDED];

/// When the main process ended, by the wall clock as PID 1 has noted it: the ends of lines are told by no other.
const MAIN_ENDED_AT: &str = "ExecMainExitTimestamp";

/// What is asked of PID 1.
const ASKED: Wanted<'_> = Wanted {
    unit: &[
        "Id",
        "Job",
        "SubState",
        "InactiveExitTimestampMonotonic",
        "ActiveEnterTimestampMonotonic",
        "ActiveExitTimestampMonotonic",
        this_run::PROPERTY,
    ],
    own: &[
        "Type",
        "Result",
        "ExecMainCode",
        "ExecMainStatus",
        "Restart",
        "RestartUSec",
        "RestartUSecNext",
        "RestartRandomizedDelayUSec",
        "NRestarts",
        "RestartMode",
        "ExecMainPID",
        super::MAIN_STARTED,
        super::MAIN_ENDED,
        MAIN_ENDED_AT,
        "ExecCondition",
        "ExecStartPre",
        "ExecStart",
        "ExecStartPost",
        "ExecStop",
        "ExecStopPost",
    ],
};

/// What systemd also tells `ExecStopPost=` in the environment (systemd.exec(5)), where the service's user may have changed it.
pub(super) struct Told {
    /// `$SERVICE_RESULT`.
    pub(super) result: String,
    /// `$EXIT_CODE`, empty where there was no main process.
    pub(super) code: String,
    /// `$EXIT_STATUS`, likewise.
    pub(super) status: String,
}

impl Told {
    /// As PID 1 itself makes these variables of the same properties.
    pub(super) fn of(known: &Properties) -> Self {
        let at_end = known.number::<u64>(super::MAIN_ENDED).filter(|at| *at > 0);
        let main = known.number::<u32>("ExecMainPID").filter(|pid| *pid > 0).and(at_end);
        let number = |property| known.number(property).and_then(|number: u32| i32::try_from(number).ok());
        let end = main.and_then(|_| ProcessEnd::from_wait(number("ExecMainCode")?, number("ExecMainStatus")?));
        let (code, status) = end.map_or_else(Default::default, words);
        Self { result: known.text("Result").to_owned(), code, status }
    }
}

/// The end of a process as systemd's variables have it.
pub(super) fn words(end: ProcessEnd) -> (String, String) {
    let (code, status) = match end {
        ProcessEnd::Exited(status) => ("exited", status.to_string()),
        ProcessEnd::Killed(signal) => ("killed", signal_name(signal)),
        ProcessEnd::Dumped(signal) => ("dumped", signal_name(signal)),
    };
    (code.to_owned(), status)
}

/// systemd's word for the result of a run that a process's failure ends like this.
fn result_of(end: ProcessEnd) -> &'static str {
    match end {
        ProcessEnd::Exited(_) => "exit-code",
        ProcessEnd::Killed(_) => "signal",
        ProcessEnd::Dumped(_) => "core-dump",
    }
}

/// The process whose end the run's was.
#[derive(Debug, PartialEq, Eq)]
struct Failed {
    code: String,
    status: String,
    pid: Option<u32>,
    at: u64,
}

impl Failed {
    /// The main process; but where systemd calls the run failed by exit or signal and no main process failed, it was the line that
    /// failed last. And a line after the start that failed before the main process ended has had that stopped.
    fn of(told: &Told, known: &Properties) -> Self {
        let main = process_end(&told.code, &told.status);
        let failed = |line: Command| {
            let end = line.end.filter(|end| *end != ProcessEnd::Exited(0) && !line.forgiven)?;
            Some((line.ended, line.pid, end))
        };
        let lines = || ASKED.own.iter().flat_map(|list| known.commands(list));
        let is_a_lines = no_main_process_failed(&ServiceResult::parse(&told.result), main);
        let last = || lines().filter_map(failed).max_by_key(|(ended, ..)| *ended);
        let main_ended = known.number::<u64>(MAIN_ENDED_AT).unwrap_or(0);
        let stopped_it =
            |(ended, _, end): &(u64, u32, ProcessEnd)| *ended <= main_ended && result_of(*end) == told.result;
        let first = || known.commands("ExecStartPost").filter_map(failed).find(stopped_it);
        let line = if is_a_lines { last() } else { first() };
        let Some((ended, pid, end)) = line else {
            return Self {
                code: told.code.clone(),
                status: told.status.clone(),
                pid: known.number("ExecMainPID").filter(|pid| *pid > 0),
                at: time_of_death(known),
            };
        };
        let (code, status) = words(end);
        Self { code, status, pid: Some(pid), at: ended / 1_000 }
    }
}

/// When what happened to the unit last, by PID 1's monotonic clock in microseconds; 0: never.
#[derive(Debug, Clone, Copy)]
struct Stamps {
    /// It left `inactive`: the run began.
    began: u64,
    /// It became `active`.
    up: u64,
    /// It left `active`.
    left: u64,
    /// Its main process ended.
    died: u64,
}

impl Stamps {
    fn of(known: &Properties) -> Self {
        let at = |key: &str| known.number(key).unwrap_or(0);
        Self {
            began: at("InactiveExitTimestampMonotonic"),
            up: at("ActiveEnterTimestampMonotonic"),
            left: at("ActiveExitTimestampMonotonic"),
            died: at("ExecMainExitTimestampMonotonic"),
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Somebody asked for it.
    Asked,
    /// There was nothing more to do.
    Finished,
    /// A clean end nobody asked for.
    Death,
    /// A crash.
    AbnormalDeath,
}

impl Kind {
    fn is_death(self) -> bool {
        matches!(self, Self::Death | Self::AbnormalDeath)
    }
}

/// `stopped WARD UNIT [--stack=] [--death-limit= --within= --on-limit= --run=… --run-once=…] --reset-after= [--step=…]`
pub(super) fn stopped(words: &[String], umask: Mode) -> io::Result<u8> {
    let (arguments, lines) = list::read(words)?;
    let state = WardState::of(arguments.word(0)?);
    let Some((record, done)) = note_end(&arguments, &state)? else { return Ok(0) };
    let unit = record.unit.clone();
    let status = Run::new((&state, &unit), record, (Phase::Stop, umask)).whole(&lines);
    done.map(|()| status)
}

/// Notes the end and does what follows from it; gives the record, and what could not be done; `None`: of a start that `begin` has
/// refused.
fn note_end(arguments: &Arguments, state: &WardState) -> io::Result<Option<(RunRecord, io::Result<()>)>> {
    let (ward, unit) = arguments.ward_and_unit()?;
    let (known, job) = pid1::ask_with_job(unit, ASKED)?;
    let run = this_run::required(&known)?;
    let invocation = run.as_str();
    if begin::has_refused(state, &run, &known) {
        return Ok(None);
    }
    let told = Told::of(&known);
    let asked = asked(&told, (&known, job.as_deref())) || was_restarted_with_its_stack(&told, arguments, &known);
    let kind = kind_of_end(&told, &known, asked);
    let mut record = state.run(invocation).unwrap_or_else(|_| super::lost(ward, unit, (&run, &known)));
    let turn = state.turn();
    let mut series = series_file::load(state);
    complete(&mut record, &mut series, (kind, &known));
    let mut verdict = note(&mut series, kind, arguments)?;
    series.ended(known.number("NRestarts"));
    series.died_in = kind.is_death().then(|| invocation.to_owned());
    series.restart_due = restart_due(kind, &known);
    let mut services = services(verdict, &mut series, arguments);
    let mut saved = series_file::save(state, &series);
    // A full disk must not make a limit that is never reached.
    if saved.is_err() && kind.is_death() && verdict == Verdict::Restart {
        verdict = limit::death_by_counter(known.number("NRestarts"), arguments);
        services = self::services(verdict, &mut series, arguments);
    }
    let decision = (verdict == Verdict::LimitReached).then(|| limit::decide(arguments)).transpose()?;
    own_lines::add_results(&mut record, &known);
    let timed_out = timed_out(&told, &known, kind);
    let failed = Failed::of(&told, &known);
    record.end = Some(End {
        asked: kind == Kind::Asked,
        finished: kind == Kind::Finished,
        result: told.result,
        code: failed.code,
        status: failed.status,
        pid: failed.pid,
        at: failed.at,
        limit_reached: decision.is_some(),
        given_up: decision.as_ref().and_then(Decision::given_up),
        timed_out,
    });
    if state.current().as_ref() != Some(&run) {
        // The lines of [OnStop] go by it.
        saved = saved.and(state.set_current(&run));
    }
    drop(turn);
    let death = Death { unit: super::name(unit, &known), invocation };
    let done = finish(state, &mut record, (decision, &services), (arguments, death)).and(saved);
    Ok(Some((record, done)))
}

/// Saves the record of a run that has ended, tells of it and does what the death limit demands.
pub(super) fn finish(
    state: &WardState,
    record: &mut RunRecord,
    (decision, services): (Option<Decision>, &[&str]),
    (arguments, death): (&Arguments, Death<'_>),
) -> io::Result<()> {
    // Whether the stack is restarted is known only when it was asked for. The record is saved before all the same, for whoever is
    // asked may end this very process.
    let is_open = decision.as_ref().and_then(Decision::given_up) == Some(GivenUp::RestartStack);
    if !is_open {
        tell::ended(record);
    }
    let mut saved = state.save_run(record);
    let Some(decision) = decision else { return saved };
    let came = limit::carry_out(&decision, services, arguments, Site::Ended(death));
    if matches!(came, Ok(Came::ToExclusion))
        && let Some(end) = &mut record.end
    {
        end.given_up = Some(GivenUp::Exclude);
        saved = state.save_run(record);
    }
    if is_open {
        tell::ended(record);
    }
    came.map(drop).and(saved)
}

/// Before when systemd does not start the unit again after this end; `None`: it does not by itself.
fn restart_due(kind: Kind, known: &Properties) -> Option<u64> {
    let is_restarted = kind.is_death() && policy::restarts(known.text("Restart"), known.text("Result"));
    // What the next wait is systemd says since version 254; where it adds a random time, since 262, the least is known.
    let is_random = known.number("RestartRandomizedDelayUSec").is_some_and(|most: u64| most > 0);
    let next = known.number("RestartUSecNext").filter(|_| !is_random).or(known.number("RestartUSec"));
    is_restarted.then(|| series::restart_due(clock::monotonic(), next.unwrap_or(0)))
}

/// What `[OnLimit]` starts, if the limit was reached.
fn services<'a>(verdict: Verdict, series: &mut Series, arguments: &'a Arguments) -> Vec<&'a str> {
    if verdict == Verdict::LimitReached { limit::services(series, arguments) } else { Vec::new() }
}

/// Notes when the run was up, where no line of the unit has.
fn complete(record: &mut RunRecord, series: &mut Series, (kind, known): (Kind, &Properties)) {
    let Stamps { up, .. } = Stamps::of(known);
    let was_up = was_up(record.begun, known);
    if was_up {
        series.up_since.get_or_insert_with(|| clock::since_boot_of_monotonic(up));
    }
    let at = || if was_up { Some(up::at(up, main_started(known))) } else { work_done(kind, known) };
    record.up = record.up.or_else(at);
}

/// Whether the unit became `active` in this run.
///
/// With `RestartMode=direct` it does not become `inactive` between two runs, and the time at which it left that tells nothing. The
/// run's first line does, unless the clock was set meanwhile.
fn was_up(begun: Option<u64>, known: &Properties) -> bool {
    let Stamps { began, up, .. } = Stamps::of(known);
    let is_direct = known.text("RestartMode") == "direct";
    let is_later = || begun.is_none_or(|begun| clock::epoch_of_monotonic(up) >= begun);
    0 < up && began <= up && (!is_direct || is_later())
}

/// When a oneshot that was never `active` had done its work.
fn work_done(kind: Kind, known: &Properties) -> Option<Up> {
    let Stamps { died, .. } = Stamps::of(known);
    let is_done = kind == Kind::Finished && known.text("Result") == "success" && died > 0;
    is_done.then(|| up::at(died, main_started(known)))
}

fn main_started(known: &Properties) -> u64 {
    known.number(super::MAIN_STARTED).unwrap_or(0)
}

/// Which time limit struck. A unit that had been up and whose main process ended before it was stopped was only waited
/// for: for other processes, or for `ExecStop=`.
fn timed_out(told: &Told, known: &Properties, kind: Kind) -> Option<TimedOut> {
    let Stamps { began, up, left, died } = Stamps::of(known);
    if told.result != "timeout" {
        return None;
    }
    let died_first = died > 0 && died <= left;
    Some(match kind {
        Kind::Asked => TimedOut::Stop,
        _ if up < began => TimedOut::Start,
        _ if died_first => TimedOut::Stop,
        Kind::Finished | Kind::Death | Kind::AbnormalDeath => TimedOut::Run,
    })
}

/// Whether a stop or restart is under way that somebody, or the shutdown, asked for; by the type of the unit's job, if it has one.
fn asked(told: &Told, (known, job): (&Properties, Option<&str>)) -> bool {
    match job {
        Some("stop" | "restart" | "try-restart") => !died_before_the_stop(known) && !died_in_a_start(told, known),
        // A job that is over meanwhile was one, too.
        _ => known.job().is_some() && a_stop_was_overtaken(told, known),
    }
}

/// Whether a full restart of the ward's stack has ended this run, by whatever means but those by which processes die of their
/// own faults.
fn was_restarted_with_its_stack(told: &Told, arguments: &Arguments, known: &Properties) -> bool {
    let Stamps { began, died, .. } = Stamps::of(known);
    !is_a_fault(told) && arguments.all("stack").any(|stack| stack::has_ended(stack, began, died))
}

/// Whether the process died in a way that nobody's request causes.
fn is_a_fault(told: &Told) -> bool {
    const FAULTS: [&str; 7] = ["SEGV", "ABRT", "BUS", "ILL", "FPE", "SYS", "TRAP"];
    matches!(told.result.as_str(), "core-dump" | "watchdog" | "oom-kill") || FAULTS.contains(&told.status.as_str())
}

/// Whether the stop that is wanted now came too late: the unit left `active` because its main process had ended, and not to be
/// stopped. At a shutdown the stop of a unit waits for those that come after it, and the unit may crash meanwhile.
///
/// A unit that stays up after its process has ended leaves `active` at some later time.
fn died_before_the_stop(known: &Properties) -> bool {
    const AT_ONCE: u64 = 1_000_000;
    let Stamps { began, up, left, died } = Stamps::of(known);
    0 < began && began <= up && up <= died && died <= left && left - died < AT_ONCE
}

/// Whether the host goes down, the unit had not come up, and its main process ended in a way that no stop's signal causes. No
/// time tells there which came first; but at a shutdown the stop is wanted of every unit, also of one that has just crashed.
fn died_in_a_start(told: &Told, known: &Properties) -> bool {
    let Stamps { began, up, .. } = Stamps::of(known);
    let failed = matches!(told.result.as_str(), "signal" | "exit-code" | "core-dump");
    let stopped = told.code == "killed" && matches!(told.status.as_str(), "TERM" | "INT" | "HUP" | "PIPE");
    up < began && failed && !stopped && pid1::is_going_down()
}

/// Whether the unit was being stopped before its main process ended, though the stop job is no more: a start has taken its
/// place. systemd's own reasons to stop a unit name themselves in the result.
///
/// `STOPPING=1` looks like a stop, and anybody may have a start queued where the service has a name on the bus. What PID 1 has said
/// tells the two apart.
fn a_stop_was_overtaken(told: &Told, known: &Properties) -> bool {
    let Stamps { began, up, left, died } = Stamps::of(known);
    let of_itself = matches!(told.result.as_str(), "watchdog" | "timeout" | "oom-kill" | "resources" | "protocol");
    let may_be = !of_itself && !is_a_fault(told) && began > 0 && began <= up && up <= left && left < died;
    may_be && this_run::known(known).is_some_and(|run| said::is_stopping(known.text("Id"), run.as_str()))
}

fn kind_of_end(told: &Told, known: &Properties, asked: bool) -> Kind {
    match told.result.as_str() {
        _ if asked => Kind::Asked,
        // ExecCondition= said that there is nothing to do.
        "exec-condition" => Kind::Finished,
        "success" if known.text("Type") == "oneshot" => Kind::Finished,
        "success" => Kind::Death,
        _ => Kind::AbnormalDeath,
    }
}

fn note(series: &mut Series, kind: Kind, arguments: &Arguments) -> io::Result<Verdict> {
    match kind {
        Kind::Asked | Kind::Finished => {
            series.asked();
            Ok(Verdict::Restart)
        }
        Kind::Death => limit::death(series, LastEnd::Death, arguments),
        Kind::AbnormalDeath => limit::death(series, LastEnd::AbnormalDeath, arguments),
    }
}

/// When the main process ended, as PID 1 saw it; now, where it never ran.
fn time_of_death(known: &Properties) -> u64 {
    match Stamps::of(known).died {
        0 => clock::since_epoch(),
        died => clock::epoch_of_monotonic(died),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_out_is_that_of_the_phase_it_struck_in() {
        let stamps = |began: u64, up: u64, left: u64, died: u64| {
            Properties::from([
                ("InactiveExitTimestampMonotonic", began.into()),
                ("ActiveEnterTimestampMonotonic", up.into()),
                ("ActiveExitTimestampMonotonic", left.into()),
                ("ExecMainExitTimestampMonotonic", died.into()),
            ])
        };
        let check = |known: Properties, kind: Kind, expect: TimedOut| {
            let told = |result: &str| Told { result: result.into(), code: "killed".into(), status: "TERM".into() };
            assert_eq!(timed_out(&told("timeout"), &known, kind), Some(expect), "{known:?}");
            assert_eq!(timed_out(&told("signal"), &known, kind), None);
        };
        check(stamps(50, 0, 0, 60), Kind::AbnormalDeath, TimedOut::Start);
        check(stamps(50, 10, 20, 60), Kind::AbnormalDeath, TimedOut::Start);
        check(stamps(50, 51, 60, 61), Kind::AbnormalDeath, TimedOut::Run);
        check(stamps(50, 51, 60, 0), Kind::AbnormalDeath, TimedOut::Run);
        check(stamps(50, 51, 60, 60), Kind::AbnormalDeath, TimedOut::Stop);
        check(stamps(50, 51, 60, 61), Kind::Asked, TimedOut::Stop);
        check(stamps(50, 0, 0, 61), Kind::Asked, TimedOut::Stop);
    }

    #[test]
    fn a_run_was_up_whose_unit_became_active_in_it() {
        let now = clock::monotonic();
        let known = |began: u64, up: u64, mode: &'static str| {
            let at = |ago: u64| if ago == 0 { 0 } else { now - ago * 1_000_000 };
            Properties::from([
                ("InactiveExitTimestampMonotonic", at(began).into()),
                ("ActiveEnterTimestampMonotonic", at(up).into()),
                ("RestartMode", mode.into()),
            ])
        };
        let begun = Some(clock::epoch_of_monotonic(now - 50_000_000));
        for (began, up, mode, expect) in [
            (50, 40, "normal", true),
            (50, 60, "normal", false),
            (50, 0, "", false),
            // Of a run before.
            (90, 80, "direct", false),
            (90, 40, "direct", true),
        ] {
            assert_eq!(was_up(begun, &known(began, up, mode)), expect, "{began} {up} {mode}");
        }
        assert!(was_up(None, &known(90, 80, "direct")), "nobody noted when it began");
    }

    #[test]
    fn a_run_that_no_main_process_failed_in_ended_with_the_line_that_did() {
        let line = |forgiven: bool, ended: u64, (pid, code, status): (u32, i32, i32)| {
            ("/bin/a", vec!["/bin/a"], forgiven, 1_u64, 1_u64, ended, ended, pid, code, status)
        };
        let check = |(result, code, status): (&str, &str, &str), expect: (&str, &str, u32)| {
            let before = [(false, 5_000, (1, 1, 0)), (false, 6_000, (2, 3, 11)), (true, 9_000, (3, 1, 1))];
            let known = Properties::from([
                ("ExecMainPID", 77_u32.into()),
                ("ExecStartPre", before.map(|(forgiven, ended, end)| line(forgiven, ended, end)).to_vec().into()),
            ]);
            let told = Told { result: result.into(), code: code.into(), status: status.into() };
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
        let check = |main_ended: u64, result: &str, (forgiven, status): (bool, i32), expect: u32| {
            let line = ("/bin/a", vec!["/bin/a"], forgiven, 1_u64, 1_u64, 5_000_u64, 5_u64, 4_u32, 1_i32, status);
            let known = Properties::from([
                ("ExecMainPID", 77_u32.into()),
                (MAIN_ENDED_AT, main_ended.into()),
                ("ExecStartPost", vec![line].into()),
            ]);
            let told = Told { result: result.into(), code: "killed".into(), status: "TERM".into() };
            assert_eq!(Failed::of(&told, &known).pid, Some(expect), "{main_ended} {result} {forgiven} {status}");
        };
        check(6_000, "exit-code", (false, 6), 4);
        check(4_000, "exit-code", (false, 6), 77);
        check(6_000, "exit-code", (true, 6), 77);
        check(6_000, "exit-code", (false, 0), 77);
        check(6_000, "signal", (false, 6), 77);
        check(6_000, "timeout", (false, 6), 77);
    }
}
