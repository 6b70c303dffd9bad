//! The list runner: runs the steps of one line, each command as a child process.
//!
//! The run's record is written before and after each step, so that a running step is recorded
//! whatever happens to this process, to PID 1 or to the configuration.

use super::arguments::Arguments;
use super::line::StepLine;
use super::{act, identity, own_lines, start_has_failed, this_run};
use crate::core::config::{ConditionKind, time_span};
use crate::core::recovery::list;
use crate::edge::clock;
use crate::edge::pid1::{self, Properties, Wanted};
use crate::edge::program::{Life, TIED};
use crate::edge::record::{KILLED, Outcome, RunRecord, StepResult, WardState};
use rustix::fs::Mode;
use std::io;
use std::time::{Duration, Instant};

/// Time for which PID 1's last answer about the start stays valid.
const FRESH: Duration = Duration::from_millis(20);

/// Parses a line into the words before the first step and the steps.
///
/// # Errors
/// The line is damaged.
pub(super) fn read(words: &[String]) -> io::Result<(Arguments, Vec<StepLine>)> {
    let (head, entries) = list::split(words);
    let arguments = Arguments::parse(head);
    let ward = arguments.word(0)?;
    let lines = entries
        .into_iter()
        .map(|entry| StepLine::of(ward, entry))
        .collect::<io::Result<_>>()?;
    Ok((arguments, lines))
}

/// The part of a unit's life that a list belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// A start of the ward's unit, which may fail meanwhile.
    Start,
    /// A stop of the ward's unit.
    Stop,
    /// A run of a condition's own service.
    Condition,
}

/// Context in which a line runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site {
    pub(super) phase: Phase,
    /// Umask of the service, for its commands.
    pub(super) umask: Mode,
    /// Life time of its commands.
    pub(super) life: Life,
}

impl Site {
    /// Makes the context of a line with these options.
    pub(super) fn new(phase: Phase, umask: Mode, arguments: &Arguments) -> Self {
        let life = if arguments.has(TIED) {
            Life::Tied
        } else {
            Life::Own
        };
        Self { phase, umask, life }
    }
}

/// A run of the unit in which lists are run.
pub(super) struct Run<'a> {
    pub(super) state: &'a WardState,
    pub(super) record: RunRecord,
    /// The unit that contains this line.
    pub(super) unit: String,
    /// The ward's unit, if the line belongs to a condition's own service.
    pub(super) ward_unit: Option<String>,
    pub(super) site: Site,
    /// True if the unit's commands run as root; `None`: PID 1 did not tell.
    pub(super) is_roots: Option<bool>,
    /// Time of PID 1's last answer about the start.
    looked: Option<Instant>,
    is_over: bool,
}

impl<'a> Run<'a> {
    /// Makes a run of the ward's unit.
    pub(super) fn new(state: &'a WardState, record: RunRecord, site: Site) -> Self {
        Self {
            state,
            unit: record.unit.clone(),
            ward_unit: None,
            record,
            site,
            is_roots: None,
            looked: None,
            is_over: false,
        }
    }

    /// Loads the present run of a step's line, which belongs to the ward's unit or to a condition's
    /// own service.
    ///
    /// # Errors
    /// The run is not recorded, or its record cannot be read.
    pub(super) fn of_line(line: &StepLine, state: &'a WardState, umask: Mode) -> io::Result<Self> {
        if line.own_service {
            return this_run::condition_run(state, &line.ward, &line.place.condition, umask);
        }
        let record = state.run(this_run::of_ward(state)?.as_str())?;
        let phase = if line.place.kind() == Some(ConditionKind::Stop) {
            Phase::Stop
        } else {
            Phase::Start
        };
        Ok(Self::new(
            state,
            record,
            Site {
                phase,
                umask,
                life: Life::Own,
            },
        ))
    }

    /// Updates the run from PID 1's latest answer about the start.
    pub(super) fn hear(&mut self, known: &Properties) {
        self.looked = Some(Instant::now());
        let other =
            this_run::known(known).is_some_and(|run| run.as_str() != self.record.invocation);
        self.is_over |= other || start_has_failed(known);
        self.is_roots = identity::is_roots(known).or(self.is_roots);
    }

    /// Returns true if the start has failed, so that its remaining steps must not run.
    pub(super) fn is_over(&mut self) -> bool {
        let is_known = self.looked.is_some_and(|at| at.elapsed() < FRESH);
        if self.site.phase == Phase::Start && !self.is_over && !is_known {
            let own = [&super::STATE_OF_START[..], &identity::PROPERTIES].concat();
            let wanted = Wanted {
                unit: &["SubState", this_run::PROPERTY],
                own: &own,
            };
            // If PID 1 cannot be asked, the start is assumed to go on.
            self.hear(&pid1::ask(&self.record.unit, wanted).unwrap_or_default());
        }
        self.is_over
    }

    /// Adds the results of commands that PID 1 has run in lines of their own.
    pub(super) fn fetch(&mut self) {
        let own = [&super::STATE_OF_START[..], &own_lines::LISTS].concat();
        let wanted = Wanted {
            unit: &["SubState", this_run::PROPERTY],
            own: &own,
        };
        let Ok(known) = pid1::ask(&self.unit, wanted) else {
            return;
        };
        if self.site.phase == Phase::Start {
            self.hear(&known);
        }
        if this_run::known(&known).is_some_and(|run| run.as_str() == self.record.invocation) {
            own_lines::add_results(&mut self.record, &known);
            self.save();
        }
    }

    /// Runs the steps that act; returns the status of a failed step that the start depends on, else
    /// 0.
    pub(super) fn steps(&mut self, lines: &[StepLine]) -> u8 {
        for line in lines {
            if line.is_verdict() {
                match self.status_of_failed(line) {
                    0 => continue,
                    status => return status,
                }
            }
            if !line.acts(&self.record) {
                continue;
            }
            if self.is_over() {
                return 0;
            }
            let status = self.step(line);
            if status != 0 && line.required {
                return status;
            }
        }
        0
    }

    /// Runs the steps that act and returns the exit status of the line.
    pub(super) fn whole(&mut self, lines: &[StepLine]) -> u8 {
        match self.steps(lines) {
            0 => self.exit_status(lines),
            status => status,
        }
    }

    /// Returns the exit status of the line for `systemctl status`: 0, or, if the start does not
    /// depend on any step, the status of the first failed one.
    pub(super) fn exit_status(&self, lines: &[StepLine]) -> u8 {
        if lines.iter().any(|line| line.required || line.is_verdict()) {
            return 0;
        }
        lines
            .iter()
            .map(|line| self.status_of_failed(line))
            .find(|status| *status > 0)
            .unwrap_or(0)
    }

    fn step(&mut self, line: &StepLine) -> u8 {
        let begun = Instant::now();
        // If this process is killed, the step is recorded as failed: later steps depend on that.
        let noted = self.record.results.len();
        self.record.results.push(result_since(begun, line, KILLED));
        self.save();
        let status = act::act(line, self);
        self.record.results[noted] = result_since(begun, line, status.into());
        self.save();
        self.looked = None;
        status
    }

    /// Returns the status of the step that this entry names, 0 if it did not fail.
    fn status_of_failed(&self, line: &StepLine) -> u8 {
        let failed = line
            .noted(&self.record)
            .filter(|result| result.outcome == Outcome::Failed);
        failed.map_or(0, |result| {
            u8::try_from(result.status)
                .ok()
                .filter(|status| *status > 0)
                .unwrap_or(1)
        })
    }

    /// Writes the record. If that fails, the steps go on: the record in memory holds everything
    /// that they need.
    pub(super) fn save(&self) {
        if let Err(error) = self.state.save_run(&self.record) {
            let ward = &self.record.ward;
            tracing::warn!(
                UNITWARD_WARD = ward,
                "Failed to write the record of a run of ward {ward}: {error}"
            );
        }
    }
}

/// Makes the result of a step that began then and ends now.
fn result_since(begun: Instant, line: &StepLine, status: i32) -> StepResult {
    line.result(
        status,
        clock::since_epoch(),
        time_span::millis(begun.elapsed()),
    )
}

/// `steps WARD UNIT [--fetch] [--step=…]`: runs steps between or after commands that have lines of
/// their own.
pub(super) fn steps(words: &[String], umask: Mode) -> io::Result<u8> {
    let (arguments, lines) = read(words)?;
    let state = WardState::of(arguments.word(0)?);
    let record = state.run(this_run::of_ward(&state)?.as_str())?;
    let phase = if record.end.is_some() {
        Phase::Stop
    } else {
        Phase::Start
    };
    Ok(run_list(
        Run::new(&state, record, Site::new(phase, umask, &arguments)),
        &arguments,
        &lines,
    ))
}

/// `condition WARD CONDITION --unit=UNIT [--fetch] [--step=…]`: runs steps of a condition in its
/// own service.
pub(super) fn condition(words: &[String], umask: Mode) -> io::Result<u8> {
    let (arguments, lines) = read(words)?;
    let (ward, condition) = (arguments.word(0)?, arguments.word(1)?);
    let state = WardState::of(ward);
    let run = this_run::condition_run(&state, ward, condition, umask)?;
    let ward_unit = arguments.all("unit").next().map(str::to_owned);
    Ok(run_list(Run { ward_unit, ..run }, &arguments, &lines))
}

fn run_list(mut run: Run<'_>, arguments: &Arguments, lines: &[StepLine]) -> u8 {
    if arguments.has("fetch") {
        run.fetch();
    }
    run.whole(lines)
}
