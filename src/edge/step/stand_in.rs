//! Records a death in place of the lines that PID 1 could not run.
//!
//! A unit's user, working directory or environment file may be missing. Then PID 1 can run none of
//! its lines, including those that record the start and the end of a run, and without them there is
//! no death limit. unitwardd sees each end on the bus, and if no line has recorded it, does so
//! here: with the options of the line that could not run, as PID 1 has it.
//!
//! Invariants: a death is counted once. Records of lines are left unchanged, and all writers take
//! turns; the death of a run that the next start has found unrecorded, and has counted, is
//! recognised by that start. Units without lines of Unitward are ignored.

mod line;

use super::arguments::Arguments;
use super::ending::{self, Failed, LISTS, TOLD, Told};
use super::judged::Judged;
use super::limit::{self, Counted};
use super::stack::{self, Death};
use super::stopped::{self, Demands};
use super::this_run;
use crate::core::crash::observation::{InvocationId, ProcessEnd};
use crate::core::recovery::series::{LastEnd, Verdict};
use crate::core::recovery::{Series, turned};
use crate::edge::exclusion::{self, By};
use crate::edge::pid1::{self, Wanted};
use crate::edge::record::{End, GivenUp, RunRecord, StartKind, WardState};
use crate::edge::{clock, series_file};
use line::Line;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

/// Longest wait for a unit that is given up to be down.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two queries of its state.
const PAUSE: Duration = Duration::from_millis(20);

/// A death that no line has recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unnoted {
    /// The ward's name.
    pub ward: String,
    /// Its unit.
    pub unit: String,
    /// The run that died.
    pub invocation: InvocationId,
    /// `NRestarts` in this run.
    pub restarts: u32,
    /// Observed start time of the run, in milliseconds since the epoch.
    pub begun: u64,
    /// Kind of the death.
    pub kind: LastEnd,
    /// `Result` of the run, as PID 1 gives it.
    pub result: String,
    /// End of the main process, if there was one.
    pub process: Option<ProcessEnd>,
    /// Process id of the main process.
    pub pid: Option<u32>,
    /// Time of the death, in milliseconds since the epoch.
    pub at: u64,
}

/// Pending actions after a recorded death: its journal entry, and the demands of the death limit.
/// They may take long.
#[derive(Debug)]
pub struct Consequence {
    state: WardState,
    record: RunRecord,
    /// Result of storing the death.
    noted: io::Result<()>,
    judged: Judged,
    arguments: Arguments,
}

/// Records the death; `None`: there was nothing to record.
///
/// # Errors
/// PID 1 cannot be asked, or the line's options are damaged.
pub fn note(death: &Unnoted) -> io::Result<Option<Consequence>> {
    let Some(line) = Line::of(death)? else {
        return Ok(None);
    };
    let arguments = &line.arguments;
    let state = WardState::of(&death.ward);
    let _turn = state.turn();
    // A run that the script of a full restart ends is no death, and the kind of its end is not
    // known here.
    if arguments.all("stack").any(stack::is_at_work) || was_given_up_before(&state, death) {
        return Ok(None);
    }
    let Some(noted) = noted(&state, death) else {
        return Ok(None);
    };
    let mut series = series_file::load(&state);
    let by_counter = Counted {
        now: Some(death.restarts),
        noted: series.nrestarts,
        lasted: death.lasted(),
    };
    // The line has counted the death, and was killed before it could store the end of the run or
    // meet the demands of the limit.
    let is_counted = !series.open && series.died_in.as_deref() == Some(death.invocation.as_str());
    let is_late = matches!(noted, Noted::Nothing) && has_begun_since(&state, death);
    let (mut record, missed) = match noted {
        Noted::Begun(record) => (*record, Verdict::Restart),
        Noted::Nothing if is_late => (record_of(death), Verdict::Restart),
        Noted::Nothing => begin(&mut series, death, arguments)?,
    };
    let counted = match is_counted {
        true if series.limit_at > 0 => Verdict::LimitReached,
        true => Verdict::Restart,
        false if is_late => series.late_death(clock::since_boot(), limit::of(arguments)?),
        false => count(&mut series, death, &line)?,
    };
    let mut verdict = if missed == Verdict::LimitReached {
        missed
    } else {
        counted
    };
    // If nothing can be stored, the count never grows.
    let saved = series_file::save(&state, &series);
    if saved.is_err() && verdict == Verdict::Restart {
        verdict = limit::death_by_counter(by_counter, arguments)?;
    }
    let death_now = (!is_late).then_some(death.kind);
    let judged = Judged::of(verdict, death_now, &mut series, arguments)?;
    record.end = Some(end(death, &judged, &line));
    let marked = judged.mark(&state);
    let mut noted = state.save_run(&record).and(saved);
    if !judged.is_nothing() {
        // Conditions that fire once are stored before they run.
        noted = noted.and_then(|()| series_file::save(&state, &series));
    }
    // Old records do no harm for the time being.
    let _ = state.prune_runs(death.invocation.as_str());
    Ok(Some(Consequence {
        state,
        record,
        noted: noted.and(marked),
        judged,
        arguments: line.arguments,
    }))
}

/// Returns true if the limit was reached before, and this run was under way or came by itself
/// before the unit was stopped for good. A start by hand ends the exclusion.
fn was_given_up_before(state: &WardState, death: &Unnoted) -> bool {
    exclusion::load(state)
        .is_some_and(|mark| mark.by == By::Limit && (death.begun <= mark.at || death.restarts > 0))
}

impl Unnoted {
    /// Returns the observed duration of the run.
    fn lasted(&self) -> Duration {
        Duration::from_millis(self.at.saturating_sub(self.begun))
    }
}

impl Consequence {
    /// Returns true if the actions may take long.
    #[must_use]
    pub fn takes_long(&self) -> bool {
        !self.judged.is_nothing()
    }

    /// Carries the actions out, and waits until a unit that is given up is down, so that its state
    /// is final on return.
    ///
    /// # Errors
    /// The death could not be stored, or the demands of the limit cannot be met.
    pub fn carry_out(self) -> io::Result<()> {
        let Self {
            state,
            mut record,
            noted,
            judged,
            arguments,
        } = self;
        let is_excluded = judged.given_up() == Some(GivenUp::Exclude);
        let (unit, invocation) = (record.unit.clone(), record.invocation.clone());
        let death = Death {
            unit: &unit,
            invocation: &invocation,
        };
        let demands = Demands {
            judged: &judged,
            arguments: &arguments,
            death,
        };
        let done = stopped::finish(&state, &mut record, demands);
        if is_excluded {
            await_down(&unit);
        }
        done.and(noted)
    }
}

/// State of the run's record.
enum Noted {
    /// The first line has recorded the start of the run.
    Begun(Box<RunRecord>),
    /// There is no record.
    Nothing,
}

/// Returns the state of the run's record; `None`: its end is recorded, the next start has counted
/// it, or the record cannot be read.
fn noted(state: &WardState, death: &Unnoted) -> Option<Noted> {
    match state.run(death.invocation.as_str()) {
        Ok(record) => {
            let is_open =
                record.end.is_none() && state.current().as_ref() == Some(&death.invocation);
            is_open.then(|| Noted::Begun(Box::new(record)))
        }
        Err(error) => (error.kind() == ErrorKind::NotFound).then_some(Noted::Nothing),
    }
}

/// Updates the series as the first line would have done at the start, and returns the record that
/// it would have made. The verdict concerns an earlier death that was not recorded either.
fn begin(
    series: &mut Series,
    death: &Unnoted,
    arguments: &Arguments,
) -> io::Result<(RunRecord, Verdict)> {
    let missed = series.missed_an_end(Some(death.restarts));
    let verdict = if missed {
        limit::death(series, LastEnd::AbnormalDeath, arguments)?
    } else {
        Verdict::Restart
    };
    let start = series.start(Some(death.restarts), false);
    let record = RunRecord {
        restarts: series.restarts,
        follows: series.answers(start, missed),
        start: super::begin::kind(start),
        ..record_of(death)
    };
    Ok((record, verdict))
}

/// A record of the run that knows nothing of those before it.
fn record_of(death: &Unnoted) -> RunRecord {
    let start = if death.restarts > 0 {
        StartKind::AfterAbnormalDeath
    } else {
        StartKind::First
    };
    let record = RunRecord::new(&death.ward, &death.unit, death.invocation.as_str(), start);
    RunRecord {
        restarts: death.restarts,
        begun: Some(death.begun),
        ..record
    }
}

/// True if a later run has begun and is on record: the series then describes that run.
fn has_begun_since(state: &WardState, death: &Unnoted) -> bool {
    let present = state.current().and_then(|run| state.run(run.as_str()).ok());
    present.is_some_and(|run| run.begun.is_some_and(|begun| begun > death.begun))
}

/// Counts the death.
fn count(series: &mut Series, death: &Unnoted, line: &Line) -> io::Result<Verdict> {
    let verdict = limit::death(series, death.kind, &line.arguments)?;
    series.ended(Some(death.restarts));
    series.died_in = Some(death.invocation.to_string());
    // systemd's restart delay is not known here; a start before this time is no turned restart.
    series.restart_due = line
        .restarts
        .then(|| turned::restart_due(clock::monotonic(), 0));
    Ok(verdict)
}

fn end(death: &Unnoted, judged: &Judged, line: &Line) -> End {
    let given_up = judged.given_up();
    let (code, status) = death.process.map_or_else(Default::default, ending::words);
    let failed = failed_line(death);
    let since_boot = Some(match &failed {
        Some(failed) => failed.since_boot,
        // Its age, by the clock that it was reported by.
        None => clock::since_boot().saturating_sub(clock::since_epoch().saturating_sub(death.at)),
    });
    let seen = Failed {
        code,
        status,
        pid: death.pid,
        at: death.at,
        since_boot: 0,
        is_ours: false,
    };
    let Failed {
        code,
        status,
        pid,
        at,
        ..
    } = failed.unwrap_or(seen);
    End {
        asked: false,
        finished: false,
        result: death.result.clone(),
        code,
        status,
        pid,
        at,
        since_boot,
        limit_reached: judged.is_limit_reached(),
        given_up,
        timed_out: None,
        step: None,
        pulled_by: None,
        restart_follows: Some(line.restarts && given_up.is_none()),
    }
}

/// Returns the line whose failure caused the death, if no main process was seen to end and the next
/// run has not begun.
fn failed_line(death: &Unnoted) -> Option<Failed> {
    if death.process.is_some() {
        return None;
    }
    let own = [&TOLD[..], &LISTS].concat();
    let known = pid1::ask(
        &death.unit,
        Wanted {
            unit: &[this_run::PROPERTY],
            own: &own,
        },
    )
    .ok()?;
    let is_same = this_run::known(&known).as_ref() == Some(&death.invocation);
    let failed = Failed::of(&Told::of(&known), &known);
    (is_same && !failed.code.is_empty()).then_some(failed)
}

/// Waits until the unit is down, at most [`PATIENCE`].
fn await_down(unit: &str) {
    let until = Instant::now() + PATIENCE;
    while !is_down(unit) && Instant::now() < until {
        std::thread::sleep(PAUSE);
    }
}

fn is_down(unit: &str) -> bool {
    let wanted = Wanted {
        unit: &["ActiveState"],
        own: &[],
    };
    pid1::ask(unit, wanted)
        .is_ok_and(|shown| matches!(shown.text("ActiveState"), "inactive" | "failed"))
}

#[cfg(test)]
mod tests;
