//! Follows one unit from observation to observation and reports the end of each run once.
//!
//! # The key
//!
//! The InvocationID is the key. systemd shows one end many times: `failed` twice (252, when the
//! start limit refuses), `failed-before-auto-restart`, `auto-restart`, `auto-restart-queued` (257),
//! only `auto-restart` (`RestartMode=direct`). The first observation in which a run is over reports
//! its end; later ones with the same id are ignored.
//!
//! # Missing observations
//!
//! PID 1 sends a unit's pending signal before each change of its state, so even under load each
//! state is shown at least once, with the values it had when it was left. Not shown are changes
//! within one state, states passed before a new unit was announced (also right after a
//! `daemon-reload`), and signals lost with the bus. Therefore:
//!
//! * No decision depends on one particular state. A run may go from running to over, or be replaced
//!   by the next run without a visible end. systemd resets `Result` and the main process's fields
//!   when a run begins, so of such an end only this is known: if `NRestarts` grew, it was unasked;
//!   if not, the unit was restarted by request. A gap in `NRestarts` counts runs of which not even
//!   the id was seen.
//! * The first observation of a new run comes with the old run's state; [`Observation::is_over`]
//!   tells the two apart.
//!
//! # Requests
//!
//! A requested stop or restart is a job on the unit while its own work still goes on and nothing
//! has failed yet. A job is no request when
//!
//! * the run began under it: the start job of `Type=notify` is there until the service is ready;
//! * the unit was reloading under it, or the bus said that it is a start or reload job;
//! * it came when the main process had ended already: the next start, or the stop with which a
//!   death limit keeps a unit down;
//! * it came when the unit was stopping already, by `STOPPING=1`, and is a start that waits for the
//!   end. The bus says so, or the next run begins under it;
//! * systemd goes on to auto-restart: it never does so after a requested stop.
//!
//! The order of these facts survives load: the state in which a stop is carried out is always
//! shown, with the job in it. If the unit's last two states were not shown at all, a job present at
//! the end counts as a request. A ward's run record, once it exists, is more precise and overrules
//! all of this (see [`super::verdict`]).
//!
//! # Ends before the run is over
//!
//! The shutdown of a run may take time: `ExecStop=`, `ExecStopPost=`, remaining processes. If its
//! main process has failed while the unit had no job, all that matters is known by then: the end is
//! reported at once, and later, without another end, that the run is over.

mod end;
mod phase;

pub use end::{Activity, Ended, Evidence, Findings, JobKind, Waited};

use super::observation::{InvocationId, Life, Observation, ServiceResult, Stage};
use phase::{Phase, Run};
use std::collections::VecDeque;
use std::time::Duration;

/// Number of ends remembered for each unit, so that run records read later do not repeat them.
const TOLD_KEPT: usize = 128;

/// One unit's state, from the first observation on.
#[derive(Debug, Clone)]
pub struct Tracker {
    /// Time at which the watch began: earlier ends are not reported.
    since: Duration,
    phase: Phase,
    /// The last job whose kind the bus has reported.
    job: Option<(u32, JobKind)>,
    told: VecDeque<InvocationId>,
}

impl Tracker {
    /// Starts to watch an unknown unit; `since` is the monotonic time from which on ends count.
    #[must_use]
    pub fn new(since: Duration) -> Self {
        Self {
            since,
            phase: Phase::Unseen,
            job: None,
            told: VecDeque::new(),
        }
    }

    /// Processes one observation.
    #[must_use]
    pub fn observe(&mut self, now: &Observation) -> Findings {
        let phase = std::mem::replace(&mut self.phase, Phase::Unseen);
        let missed = phase.runs_missed_before(now);
        let over = phase
            .foretold()
            .filter(|run| now.is_over() || !run.is_shown_by(now));
        let over = over.map(|run| run.invocation.clone());
        let mut ended = Vec::new();
        let (phase, end) = match phase {
            Phase::Unseen => self.meet(now),
            Phase::Idle { last, restarts } if last == now.invocation => {
                (Phase::Idle { last, restarts }, None)
            }
            Phase::Idle { .. } => self.meet(now),
            Phase::Alive(run) if run.is_shown_by(now) => self.follow(run, now),
            Phase::Ending { run, evidence } if run.is_shown_by(now) => {
                self.finish(run, evidence, now)
            }
            Phase::Doubtful { run, last } if self.is_still_doubtful(&run, now) => {
                (Phase::Doubtful { run, last }, None)
            }
            Phase::Doubtful { run, last } => {
                let evidence = self.evidence_after(&run, now);
                ended.extend(self.end_of(&run, evidence, Some(last)));
                if run.is_shown_by(now) {
                    (run.idle(), None)
                } else {
                    self.meet(now)
                }
            }
            Phase::Alive(run) => {
                let evidence = if now.restarts > run.restarts {
                    Evidence::Unasked
                } else {
                    Evidence::Asked
                };
                ended.extend(self.end_of(&run, evidence, None));
                self.meet(now)
            }
            Phase::Ending { run, evidence } => {
                let evidence = if run.doubtful.is_some() {
                    Evidence::Asked
                } else {
                    evidence
                };
                ended.extend(self.end_of(&run, evidence, None));
                self.meet(now)
            }
        };
        self.phase = phase;
        ended.extend(end);
        Findings {
            ended,
            over,
            missed,
        }
    }

    /// Processes the bus' answer about a job of the unit.
    pub fn learn_job(&mut self, id: u32, kind: JobKind) {
        self.job = Some((id, kind));
        if let Phase::Ending { run, evidence } = &mut self.phase
            && run.doubtful == Some(id)
        {
            run.doubtful = None;
            if kind == JobKind::Stop {
                *evidence = Evidence::Asked;
            }
        }
    }

    /// Returns true if a job that appears now may be a request, so that its kind must be queried.
    #[must_use]
    pub fn cares_for_jobs(&self) -> bool {
        matches!(&self.phase, Phase::Alive(run) | Phase::Ending { run, .. } if run.activity == Activity::Seen)
    }

    /// Returns the time for which the unit has been watched.
    #[must_use]
    pub fn watched_for(&self, now: Duration) -> Duration {
        now.saturating_sub(self.since)
    }

    /// Records that another witness has reported the end of a run; `false`: it was reported before.
    #[must_use]
    pub fn tell(&mut self, invocation: &InvocationId) -> bool {
        if self.told.contains(invocation) {
            return false;
        }
        if self.told.len() == TOLD_KEPT {
            self.told.pop_front();
        }
        self.told.push_back(invocation.clone());
        true
    }

    /// Handles a run that is observed for the first time.
    fn meet(&mut self, now: &Observation) -> (Phase, Option<Ended>) {
        let Some(invocation) = now.invocation.clone() else {
            return (
                Phase::Idle {
                    last: None,
                    restarts: now.restarts,
                },
                None,
            );
        };
        let started = matches!(now.stage, Stage::Running | Stage::Exited | Stage::Reloading);
        let run = Run {
            invocation,
            restarts: now.restarts,
            start_job: if started { None } else { now.job },
            reload_job: None,
            request: None,
            doubtful: None,
            waited: Waited::Start,
            activity: Activity::NotSeen,
            foretold: false,
        };
        if !now.is_over() {
            return self.follow(run, now);
        }
        if now.changed < self.since {
            return (
                Phase::Idle {
                    last: Some(run.invocation),
                    restarts: run.restarts,
                },
                None,
            );
        }
        self.finish(run, Evidence::Unasked, now)
    }

    /// Handles the next observation of a run that was alive.
    fn follow(&mut self, mut run: Run, now: &Observation) -> (Phase, Option<Ended>) {
        if now.is_over() || now.stage == Stage::Stopping {
            let evidence = if self.was_asked(&run, now) {
                Evidence::Asked
            } else {
                Evidence::Unasked
            };
            return self.finish(run, evidence, now);
        }
        match now.stage {
            Stage::Running | Stage::Exited => {
                run.activity = Activity::Seen;
                run.waited = Waited::Run;
            }
            Stage::Reloading => {
                run.activity = Activity::Seen;
                run.reload_job = now.job;
            }
            Stage::Starting | Stage::Stopping | Stage::Restarting | Stage::Ended => {}
        }
        if now.is_at_work() {
            run.request = self.request(&run, now);
        }
        (Phase::Alive(run), None)
    }

    /// Handles a run that is being shut down, or is over.
    fn finish(
        &mut self,
        mut run: Run,
        mut evidence: Evidence,
        now: &Observation,
    ) -> (Phase, Option<Ended>) {
        if !now.is_over() {
            if now.result == ServiceResult::Success {
                run.waited = Waited::Stop;
                if now.life == Life::Main
                    && let Some(job) = self.request(&run, now)
                {
                    match self.kind(job) {
                        Some(_) => evidence = Evidence::Asked,
                        None => run.doubtful = Some(job),
                    }
                }
            }
            let is_plain = evidence == Evidence::Unasked
                && run.activity == Activity::Seen
                && now.has_crashed();
            let end = if is_plain {
                self.end_of(&run, evidence, Some(now.clone()))
            } else {
                None
            };
            run.foretold |= end.is_some();
            return (Phase::Ending { run, evidence }, end);
        }
        if now.stage == Stage::Restarting
            || (run.activity == Activity::Seen && now.died_before_a_stop())
        {
            evidence = Evidence::Unasked;
        } else if evidence == Evidence::Unasked && run.doubtful.is_some() {
            if self.is_still_doubtful(&run, now) {
                return (
                    Phase::Doubtful {
                        run,
                        last: now.clone(),
                    },
                    None,
                );
            }
            evidence = self.evidence_after(&run, now);
        }
        let end = self.end_of(&run, evidence, Some(now.clone()));
        (run.idle(), end)
    }

    /// Returns true if the end of a run that is over, or about to be, was requested; a doubtful job
    /// does not count.
    fn was_asked(&self, run: &Run, now: &Observation) -> bool {
        if run.request.is_some() {
            return true;
        }
        let is_carried_out = now.life == Life::Main && now.result == ServiceResult::Success;
        match now.job {
            // A requested stop has been seen while the unit was at work, unless it was merged into
            // another job.
            Some(job) if is_carried_out => {
                run.start_job == Some(job) || run.reload_job == Some(job)
            }
            Some(_) | None => self.request(run, now).is_some(),
        }
    }

    /// Returns true if the doubtful job of a run that is over still waits, and its kind is unknown.
    fn is_still_doubtful(&self, run: &Run, now: &Observation) -> bool {
        let job = run
            .doubtful
            .filter(|job| now.job == Some(*job) && self.kind(*job).is_none());
        job.is_some() && run.is_shown_by(now) && now.stage != Stage::Restarting
    }

    /// Returns the evidence for a run with a doubtful job, by the result of the job. A stop is done
    /// when the run is over; under a start the next run begins.
    fn evidence_after(&self, run: &Run, now: &Observation) -> Evidence {
        let goes_on = !run.is_shown_by(now) || now.stage == Stage::Restarting;
        match run.doubtful.and_then(|job| self.kind(job)) {
            Some(JobKind::Stop) => Evidence::Asked,
            Some(JobKind::Other) => Evidence::Unasked,
            None if goes_on => Evidence::Unasked,
            None => Evidence::Asked,
        }
    }

    /// Returns the kind of a job, if the bus has reported it.
    fn kind(&self, job: u32) -> Option<JobKind> {
        self.job.filter(|(id, _)| *id == job).map(|(_, kind)| kind)
    }

    /// Returns the end of `run`, unless it was reported before.
    fn end_of(
        &mut self,
        run: &Run,
        evidence: Evidence,
        last: Option<Observation>,
    ) -> Option<Ended> {
        let (invocation, waited, activity) = (run.invocation.clone(), run.waited, run.activity);
        self.tell(&invocation).then_some(Ended {
            invocation,
            evidence,
            waited,
            activity,
            last,
        })
    }

    /// Returns the job that requests the run's end, if there is one.
    fn request(&self, run: &Run, now: &Observation) -> Option<u32> {
        let job = now.job?;
        match self.kind(job) {
            Some(JobKind::Stop) => Some(job),
            Some(JobKind::Other) => None,
            None => (run.start_job != now.job && run.reload_job != now.job).then_some(job),
        }
    }
}
