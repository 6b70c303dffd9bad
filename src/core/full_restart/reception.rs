//! A state machine for the restarter's callers: it decides the answers and their time.
//!
//! One full restart is under way at a time. A caller that arrives during it joins it, and so does
//! one that arrived before it was over but had not yet made its request. But a member that was
//! started by it, while others still are on their way or the restarter only watches that all stay
//! up, requests the next restart, which begins when this one is over. All other requests are
//! fulfilled by then. A restart script that has failed fulfils none: a caller that arrives before
//! all its effects are over requests the next restart, too.
//!
//! Invariants: every caller gets one answer in bounded time, except those that wait for the end,
//! which are answered at the end. The number of callers at a time is decided by [`super::places`].
//! Every event is valid in every state.

pub mod errno;

mod caller;
mod event;

pub use event::{Action, CallerId, Event, Standing};

use super::request::{Answer, AnswerWhen};
use caller::{Arrival, Caller, Waiting};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Time for which the restarter waits for the next request. A start for each request would let any
/// user keep systemd busy.
pub const LINGER: Duration = Duration::from_secs(10);

/// Time for which it stays after a refusal. Messages on refusals are bounded for each process: a
/// new one would begin anew.
pub const LINGER_REFUSED: Duration = Duration::from_secs(60);

/// Longest wait of a caller for a restart to begin: a member must resume its own work, to be
/// stopped by it.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Number of full restarts within a minute after which no member gets another: a member that
/// requests one at each of its starts would otherwise restart without end. An administrator may go
/// on.
pub const ENOUGH: usize = 5;

/// Span of [`ENOUGH`].
const MINUTE: Duration = Duration::from_secs(60);

/// Number of requests for the next restart that are kept after their callers have been answered.
/// All of them get one restart.
pub const MOST_WISHES: usize = 256;

/// State of the reception.
#[derive(Debug)]
pub struct Reception<W> {
    phase: Phase,
    /// Time before which the program does not end.
    stays_until: Duration,
    arrived: BTreeMap<CallerId, Caller>,
    waiting: Vec<Waiting>,
    /// Start times of the latest restarts.
    begun: VecDeque<Duration>,
    /// Requests for the restart after this one; `None`: that caller has its answer.
    next: Vec<(Option<Waiting>, W)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No restart.
    Idle { until: Duration },
    /// A restart was ordered, but is not known to be under way.
    Asking,
    /// The restart is under way.
    Begun,
    /// All units were started again and are watched.
    Looking,
    /// It has failed and all have their answers; new callers request the next one.
    Ending,
}

impl<W> Reception<W> {
    /// Starts without callers and without a restart.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self::in_phase(Phase::Idle {
            until: now + LINGER,
        })
    }

    /// Starts during a restart that an earlier process began.
    #[must_use]
    pub fn resumed() -> Self {
        Self::in_phase(Phase::Asking)
    }

    fn in_phase(phase: Phase) -> Self {
        Self {
            phase,
            stays_until: Duration::ZERO,
            arrived: BTreeMap::new(),
            waiting: Vec::new(),
            begun: VecDeque::new(),
            next: Vec::new(),
        }
    }

    /// Returns the time at which a [`Event::Tick`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let idle = match self.phase {
            Phase::Idle { until } if self.arrived.is_empty() => Some(until.max(self.stays_until)),
            Phase::Idle { .. } | Phase::Asking | Phase::Begun | Phase::Looking | Phase::Ending => {
                None
            }
        };
        let impatient = self
            .waiting
            .iter()
            .chain(self.next.iter().filter_map(|(waiting, _)| waiting.as_ref()));
        impatient
            .filter_map(|waiting| waiting.until)
            .chain(idle)
            .min()
    }

    /// Processes one event.
    pub fn step(&mut self, now: Duration, event: Event<W>) -> Vec<Action<W>> {
        let mut actions = Vec::new();
        match event {
            Event::Arrived(caller, standing) => {
                self.arrived.insert(
                    caller,
                    Caller {
                        arrival: self.arrival(standing),
                        standing,
                    },
                );
            }
            Event::Asked(caller, when, wish) => {
                actions = self.asked(now, Waiting::new(caller, when, now), wish);
            }
            Event::Left(caller) => self.left(caller),
            Event::Refused => self.stays_until = now + LINGER_REFUSED,
            Event::Inhibited(words) => self.over(
                now,
                &Answer {
                    errno: errno::CANCELED,
                    words,
                },
                &mut actions,
            ),
            Event::Begun if self.phase == Phase::Asking => self.begun(Phase::Begun, &mut actions),
            Event::Started if matches!(self.phase, Phase::Asking | Phase::Begun) => {
                self.begun(Phase::Looking, &mut actions);
            }
            Event::Failed(answer) if !matches!(self.phase, Phase::Idle { .. }) => {
                self.failed(&answer, &mut actions)
            }
            Event::Begun | Event::Started | Event::Failed(_) => {}
            Event::Over(answer) => self.over(now, &answer, &mut actions),
            Event::Tick => self.tick(now, &mut actions),
        }
        if let Phase::Idle { until } = &mut self.phase
            && !actions.is_empty()
        {
            *until = now + LINGER;
        }
        actions
    }

    fn arrival(&self, standing: Standing) -> Arrival {
        match (self.phase, standing) {
            // Also before it is known to be under way: a quick member is up before that is seen.
            (Phase::Idle { .. } | Phase::Ending, _)
            | (Phase::Asking | Phase::Begun, Standing::NewMember)
            | (Phase::Looking, Standing::Member | Standing::NewMember) => Arrival::Apart,
            (Phase::Asking | Phase::Begun, Standing::Member | Standing::Outsider)
            | (Phase::Looking, Standing::Outsider) => Arrival::During,
        }
    }

    /// Handles a request; `waiting` is its caller, as one that waits for the answer.
    fn asked(&mut self, now: Duration, waiting: Waiting, wish: W) -> Vec<Action<W>> {
        let caller = waiting.caller;
        let Caller { arrival, standing } = self.arrived.remove(&caller).unwrap_or_else(|| Caller {
            arrival: self.arrival(Standing::Outsider),
            standing: Standing::Outsider,
        });
        let begins = match (self.phase, &arrival) {
            (Phase::Idle { .. }, Arrival::Apart | Arrival::During) => true,
            (_, Arrival::Before(_))
            | (Phase::Asking | Phase::Begun | Phase::Looking, Arrival::During) => false,
            (Phase::Asking | Phase::Begun | Phase::Looking, Arrival::Apart) => true,
            (Phase::Ending, Arrival::Apart | Arrival::During) => true,
        };
        if begins && standing != Standing::Outsider && self.is_enough(now) {
            let words =
                format!("{ENOUGH} full restarts within a minute are enough, ask again later");
            return vec![Action::Answer(
                caller,
                Answer {
                    errno: errno::AGAIN,
                    words,
                },
            )];
        }
        match (self.phase, arrival) {
            (_, Arrival::Before(answer)) => vec![Action::Answer(caller, answer)],
            (Phase::Idle { .. }, Arrival::Apart | Arrival::During) => {
                self.waiting.push(waiting);
                vec![self.restart(now, wish)]
            }
            (Phase::Asking, Arrival::During) => {
                self.waiting.push(waiting);
                vec![Action::Join(wish)]
            }
            (Phase::Begun | Phase::Looking, Arrival::During) => match waiting.when {
                AnswerWhen::Begun => vec![Action::Join(wish), Action::Answer(caller, under_way())],
                AnswerWhen::Over => {
                    self.waiting.push(waiting);
                    vec![Action::Join(wish)]
                }
            },
            (Phase::Asking | Phase::Begun, Arrival::Apart) => {
                self.put_off(waiting, wish);
                Vec::new()
            }
            (Phase::Looking, Arrival::Apart)
            | (Phase::Ending, Arrival::Apart | Arrival::During) => {
                self.put_off(waiting, wish);
                vec![Action::Hurry]
            }
        }
    }

    /// Forgets a caller. Its request remains.
    fn left(&mut self, caller: CallerId) {
        self.arrived.remove(&caller);
        self.waiting.retain(|waiting| waiting.caller != caller);
        for (waiting, _) in &mut self.next {
            waiting.take_if(|waiting| waiting.caller == caller);
        }
    }

    /// Keeps a request for the next restart. The first of them begins it; from [`MOST_WISHES`] on,
    /// each new one replaces another whose caller has been answered, if there is one.
    fn put_off(&mut self, waiting: Waiting, wish: W) {
        if self.next.len() >= MOST_WISHES
            && let Some(answered) = self
                .next
                .iter()
                .skip(1)
                .position(|(waiting, _)| waiting.is_none())
        {
            self.next.remove(answered + 1);
        }
        self.next.push((Some(waiting), wish));
    }

    /// Returns true if the members have had the maximum of restarts.
    fn is_enough(&mut self, now: Duration) -> bool {
        self.begun
            .retain(|begun| now.saturating_sub(*begun) < MINUTE);
        self.begun.len() >= ENOUGH
    }

    /// Begins a restart. All callers that are connected already take part in it.
    fn restart(&mut self, now: Duration, wish: W) -> Action<W> {
        self.phase = Phase::Asking;
        self.begun.push_back(now);
        for caller in self
            .arrived
            .values_mut()
            .filter(|caller| matches!(caller.arrival, Arrival::Apart))
        {
            caller.arrival = Arrival::During;
        }
        Action::Restart(wish)
    }

    /// Answers the callers that wait for the beginning only.
    fn begun(&mut self, phase: Phase, actions: &mut Vec<Action<W>>) {
        self.phase = phase;
        let told = self
            .waiting
            .extract_if(.., |waiting| waiting.when == AnswerWhen::Begun);
        actions.extend(told.map(|waiting| Action::Answer(waiting.caller, under_way())));
        if phase == Phase::Looking && !self.next.is_empty() {
            actions.push(Action::Hurry);
        }
    }

    /// Answers all callers that take part in the restart; those without a request yet get the
    /// answer later.
    fn answer_all(&mut self, answer: &Answer, actions: &mut Vec<Action<W>>) {
        actions.extend(
            self.waiting
                .drain(..)
                .map(|waiting| Action::Answer(waiting.caller, answer.clone())),
        );
        for caller in self
            .arrived
            .values_mut()
            .filter(|caller| matches!(caller.arrival, Arrival::During))
        {
            caller.arrival = Arrival::Before(answer.clone());
        }
    }

    fn failed(&mut self, answer: &Answer, actions: &mut Vec<Action<W>>) {
        self.answer_all(answer, actions);
        self.phase = Phase::Ending;
        actions.extend((!self.next.is_empty()).then_some(Action::Hurry));
    }

    fn over(&mut self, now: Duration, answer: &Answer, actions: &mut Vec<Action<W>>) {
        self.answer_all(answer, actions);
        self.phase = Phase::Idle {
            until: now + LINGER,
        };
        for (waiting, wish) in std::mem::take(&mut self.next) {
            actions.push(match self.phase {
                Phase::Idle { .. } => self.restart(now, wish),
                Phase::Asking | Phase::Begun | Phase::Looking | Phase::Ending => Action::Join(wish),
            });
            self.waiting.extend(waiting);
        }
    }

    fn tick(&mut self, now: Duration, actions: &mut Vec<Action<W>>) {
        let mut late: Vec<_> = self
            .waiting
            .extract_if(.., |waiting| waiting.is_late(now))
            .collect();
        // The request itself stays: it is for the next restart.
        late.extend(
            self.next
                .iter_mut()
                .filter_map(|(waiting, _)| waiting.take_if(|waiting| waiting.is_late(now))),
        );
        let words = "it is not known yet how the restart goes";
        let answer = Answer {
            errno: errno::INPROGRESS,
            words: words.to_owned(),
        };
        actions.extend(
            late.into_iter()
                .map(|waiting| Action::Answer(waiting.caller, answer.clone())),
        );
        let stays = self.stays_until > now || !self.arrived.is_empty();
        if matches!(self.phase, Phase::Idle { until } if until <= now && !stays) {
            actions.push(Action::Leave);
        }
    }
}

fn under_way() -> Answer {
    Answer {
        errno: 0,
        words: "the restart is under way".to_owned(),
    }
}

#[cfg(test)]
mod tests;
