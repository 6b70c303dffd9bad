//! Follows one unit from observation to observation and tells when a run has ended, once.
//!
//! # The key
//!
//! The InvocationID is the key. systemd shows one end many times: `failed` twice (252, when the
//! start limit refuses), `failed-before-auto-restart`, `auto-restart`, `auto-restart-queued` (257),
//! only `auto-restart` (`RestartMode=direct`). The first observation in which a run is over tells
//! its end, all later ones with the same id tell nothing.
//!
//! # What may be missing
//!
//! PID 1 sends a unit's pending signal before each change of its state, so even under load each
//! state is shown at least once, with the values it had when it was left. Not shown are changes
//! within one state, states passed before a new unit was announced (also right after a
//! `daemon-reload`), and whatever was lost with the bus. Therefore:
//!
//! * Nothing hangs on seeing one particular state. A run may go from running to over, or be
//!   replaced by the next run without ever being seen to end. systemd resets `Result` and the main
//!   process's fields when a run begins, so of such an end only this is known: `NRestarts` grew, then
//!   it was unasked, or it did not, then somebody restarted the unit. A gap in `NRestarts` counts runs
//!   of which not even the id was seen.
//! * The first observation of a new run comes with the old run's state; [`Observation::is_over`]
//!   tells the two apart.
//!
//! # Who asked
//!
//! A stop or restart asked for is a job on the unit while its own work still goes on and nothing has
//! failed yet. A job is no request when
//!
//! * the run began under it: the start job of `Type=notify` is there until the service is ready;
//! * the unit was reloading under it, or the bus said that it is a start or reload job;
//! * it came when the main process had ended already: the next start, or the stop with which a death
//!   limit keeps a unit down;
//! * it came when the unit was stopping already, by `STOPPING=1`, and is a start that waits for the
//!   end. The bus says so, or the next run begins under it;
//! * systemd goes on to auto-restart: it never does so after a stop that somebody asked for.
//!
//! The order of these facts survives load: the state in which a stop is carried out is always
//! shown, with the job in it. Where the unit's last two states were not shown at all, a job present at
//! the end is taken as a request. A ward's run record knows better and overrules
//! all of this (see [`super::verdict`]), where there is one yet.
//!
//! # Before it is over
//!
//! A run on its way down may take its time: `ExecStop=`, `ExecStopPost=`, processes that are left. Where its main process has failed
//! while nothing was wanted of the unit, all that matters is known by then: the end is told at once, and that the run is over
//! later, without another end.

mod end;

pub use end::{Activity, Ended, Evidence, Findings, JobKind, Waited};

use super::observation::{InvocationId, Life, Observation, ServiceResult, Stage};
use std::collections::VecDeque;
use std::time::Duration;

/// Ends remembered for each unit, so that the run records, read later, tell none twice.
const TOLD_KEPT: usize = 128;

/// One unit's state, from the first observation on.
#[derive(Debug, Clone)]
pub struct Tracker {
    /// Ends before this are not told: they are of before the watch began.
    since: Duration,
    phase: Phase,
    /// A job whose kind the bus told.
    job: Option<(u32, JobKind)>,
    told: VecDeque<InvocationId>,
}

#[derive(Debug, Clone)]
enum Phase {
    /// Nothing was observed yet.
    Unseen,
    /// No run goes on.
    Idle { last: Option<InvocationId>, restarts: u32 },
    /// A run goes on.
    Alive(Run),
    /// A run is being brought to its end.
    Ending { run: Run, evidence: Evidence },
    /// A run is over, and it is not known yet whether its doubtful job is a stop.
    Doubtful { run: Run, last: Observation },
}

#[derive(Debug, Clone)]
struct Run {
    invocation: InvocationId,
    /// `NRestarts` of this run, for the count of those missed.
    restarts: u32,
    /// The job it began under.
    start_job: Option<u32>,
    /// The job under which it was seen reloading.
    reload_job: Option<u32>,
    /// The latest job that may have asked for its end, while its work went on.
    request: Option<u32>,
    /// A job of unknown kind that was first seen when the unit was stopping already: a stop, or a
    /// start that waits for the end.
    doubtful: Option<u32>,
    waited: Waited,
    activity: Activity,
    /// Its end was told before it was over.
    foretold: bool,
}

impl Tracker {
    /// A unit of which nothing is known; `since` is the monotonic time from which on ends count.
    #[must_use]
    pub fn new(since: Duration) -> Self {
        Self { since, phase: Phase::Unseen, job: None, told: VecDeque::new() }
    }

    /// Takes in one observation.
    #[must_use]
    pub fn observe(&mut self, now: &Observation) -> Findings {
        let phase = std::mem::replace(&mut self.phase, Phase::Unseen);
        let missed = phase.runs_missed_before(now);
        let over = phase.foretold().filter(|run| now.is_over() || !run.is_shown_by(now));
        let over = over.map(|run| run.invocation.clone());
        let mut ended = Vec::new();
        let (phase, end) = match phase {
            Phase::Unseen => self.meet(now),
            Phase::Idle { last, restarts } if last == now.invocation => (Phase::Idle { last, restarts }, None),
            Phase::Idle { .. } => self.meet(now),
            Phase::Alive(run) if run.is_shown_by(now) => self.follow(run, now),
            Phase::Ending { run, evidence } if run.is_shown_by(now) => self.finish(run, evidence, now),
            Phase::Doubtful { run, last } if self.is_still_doubtful(&run, now) => (Phase::Doubtful { run, last }, None),
            Phase::Doubtful { run, last } => {
                let evidence = self.evidence_after(&run, now);
                ended.extend(self.end_of(&run, evidence, Some(last)));
                if run.is_shown_by(now) { (run.idle(), None) } else { self.meet(now) }
            }
            Phase::Alive(run) => {
                let evidence = if now.restarts > run.restarts { Evidence::Unasked } else { Evidence::Asked };
                ended.extend(self.end_of(&run, evidence, None));
                self.meet(now)
            }
            Phase::Ending { run, evidence } => {
                let evidence = if run.doubtful.is_some() { Evidence::Asked } else { evidence };
                ended.extend(self.end_of(&run, evidence, None));
                self.meet(now)
            }
        };
        self.phase = phase;
        ended.extend(end);
        Findings { ended, over, missed }
    }

    /// Takes in what the bus answered about a job of the unit.
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

    /// Whether a job that appears now may be a request, so that its kind is worth asking for.
    #[must_use]
    pub fn cares_for_jobs(&self) -> bool {
        matches!(&self.phase, Phase::Alive(run) | Phase::Ending { run, .. } if run.activity == Activity::Seen)
    }

    /// For how long the unit has been watched.
    #[must_use]
    pub fn watched_for(&self, now: Duration) -> Duration {
        now.saturating_sub(self.since)
    }

    /// Notes that the end of a run was told by another witness; `false`: it had been told before.
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

    /// A run that is observed for the first time.
    fn meet(&mut self, now: &Observation) -> (Phase, Option<Ended>) {
        let Some(invocation) = now.invocation.clone() else {
            return (Phase::Idle { last: None, restarts: now.restarts }, None);
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
            return (Phase::Idle { last: Some(run.invocation), restarts: run.restarts }, None);
        }
        self.finish(run, Evidence::Unasked, now)
    }

    /// The next observation of a run that was alive.
    fn follow(&mut self, mut run: Run, now: &Observation) -> (Phase, Option<Ended>) {
        if now.is_over() || now.stage == Stage::Stopping {
            let evidence = if self.was_asked(&run, now) { Evidence::Asked } else { Evidence::Unasked };
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

    /// A run that is on its way down or has arrived there.
    fn finish(&mut self, mut run: Run, mut evidence: Evidence, now: &Observation) -> (Phase, Option<Ended>) {
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
            let is_plain = evidence == Evidence::Unasked && run.activity == Activity::Seen && now.has_crashed();
            let end = if is_plain { self.end_of(&run, evidence, Some(now.clone())) } else { None };
            run.foretold |= end.is_some();
            return (Phase::Ending { run, evidence }, end);
        }
        if now.stage == Stage::Restarting || (run.activity == Activity::Seen && now.died_before_a_stop()) {
            evidence = Evidence::Unasked;
        } else if evidence == Evidence::Unasked && run.doubtful.is_some() {
            if self.is_still_doubtful(&run, now) {
                return (Phase::Doubtful { run, last: now.clone() }, None);
            }
            evidence = self.evidence_after(&run, now);
        }
        let end = self.end_of(&run, evidence, Some(now.clone()));
        (run.idle(), end)
    }

    /// Whether a run that is at its end, or about to be, was asked to end; not by a job of which
    /// that is doubtful.
    fn was_asked(&self, run: &Run, now: &Observation) -> bool {
        if run.request.is_some() {
            return true;
        }
        let is_carried_out = now.life == Life::Main && now.result == ServiceResult::Success;
        match now.job {
            // A stop asked for while the unit was at work has been seen then, unless it was merged
            // into another job.
            Some(job) if is_carried_out => run.start_job == Some(job) || run.reload_job == Some(job),
            Some(_) | None => self.request(run, now).is_some(),
        }
    }

    /// Whether the doubtful job of a run that is over still waits, and nothing has told its kind.
    fn is_still_doubtful(&self, run: &Run, now: &Observation) -> bool {
        let job = run.doubtful.filter(|job| now.job == Some(*job) && self.kind(*job).is_none());
        job.is_some() && run.is_shown_by(now) && now.stage != Stage::Restarting
    }

    /// Who asked for the end of a run with a doubtful job, by what came of the job. A stop is done
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

    /// What the bus said of a job.
    fn kind(&self, job: u32) -> Option<JobKind> {
        self.job.filter(|(id, _)| *id == job).map(|(_, kind)| kind)
    }

    /// The end of `run`, unless it was told before.
    fn end_of(&mut self, run: &Run, evidence: Evidence, last: Option<Observation>) -> Option<Ended> {
        let (invocation, waited, activity) = (run.invocation.clone(), run.waited, run.activity);
        self.tell(&invocation).then_some(Ended { invocation, evidence, waited, activity, last })
    }

    /// The job that asks for the run's end, if there is one.
    fn request(&self, run: &Run, now: &Observation) -> Option<u32> {
        let job = now.job?;
        match self.kind(job) {
            Some(JobKind::Stop) => Some(job),
            Some(JobKind::Other) => None,
            None => (run.start_job != now.job && run.reload_job != now.job).then_some(job),
        }
    }
}

impl Phase {
    /// The run that goes on though its end was told.
    fn foretold(&self) -> Option<&Run> {
        match self {
            Self::Ending { run, .. } if run.foretold => Some(run),
            Self::Unseen | Self::Idle { .. } | Self::Alive(_) | Self::Ending { .. } | Self::Doubtful { .. } => None,
        }
    }

    /// How many runs there were between the latest one known and the one shown now.
    fn runs_missed_before(&self, now: &Observation) -> u32 {
        let before = match self {
            Self::Unseen | Self::Idle { last: None, .. } => return 0,
            Self::Idle { last: Some(id), restarts } => (id, *restarts),
            Self::Alive(run) | Self::Ending { run, .. } | Self::Doubtful { run, .. } => (&run.invocation, run.restarts),
        };
        if now.invocation.as_ref().is_none_or(|id| id == before.0) {
            return 0;
        }
        now.restarts.saturating_sub(before.1).saturating_sub(1)
    }
}

impl Run {
    fn idle(self) -> Phase {
        Phase::Idle { last: Some(self.invocation), restarts: self.restarts }
    }

    fn is_shown_by(&self, now: &Observation) -> bool {
        now.invocation.as_ref() == Some(&self.invocation)
    }
}
