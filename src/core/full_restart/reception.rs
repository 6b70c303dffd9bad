//! Who is answered what, and when: the restarter's callers, as a state machine.
//!
//! One full restart is under way at a time. Whoever comes while it is joins it, and so does whoever had come before it was
//! over but had not yet said what it wants. But a member that was started by it, while others still are on their way or the
//! restarter only looks whether all stay up, wishes for the next restart, which begins when this one is over. Everybody else's
//! wish has just been fulfilled. A restart script that has failed has fulfilled nobody's: who comes before all that it has set
//! going is over asks for the next restart, too.
//!
//! Invariants: every caller gets one answer and gets it in bounded time, but for those who want to know the end, who are
//! told when it comes. How many may wait at the same time, and whose, is for [`super::places`] to decide. No event is wrong in any
//! state.

use super::request::{Answer, AnswerWhen};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How long the restarter stays for the next request. A start for each would let anybody keep systemd busy.
pub const LINGER: Duration = Duration::from_secs(10);

/// How long it stays after somebody was refused. What is said of refusals is bounded for each process: a new one would begin anew.
pub const LINGER_REFUSED: Duration = Duration::from_secs(60);

/// How long a caller waits for a restart to be under way: a member must come back to its own work, to be stopped by it.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Full restarts within a minute after which no member gets another: one that asks at each start of its own would otherwise keep
/// the host at it without end. An administrator may go on.
pub const ENOUGH: usize = 5;

/// See [`ENOUGH`].
const MINUTE: Duration = Duration::from_secs(60);

/// Wishes for the next restart that are kept when their callers have been answered. It is one restart whatever their number.
pub const MOST_WISHES: usize = 256;

/// The errnos of answers (errno(3)), the same on all of Linux's platforms that Debian has.
pub mod errno {
    /// There is no such stack.
    pub const NOENT: i32 = 2;
    /// The restart failed.
    pub const IO: i32 = 5;
    /// The members have asked too often.
    pub const AGAIN: i32 = 11;
    /// Neither root nor a member.
    pub const ACCES: i32 = 13;
    /// Too many requests of the same unit or user are open.
    pub const BUSY: i32 = 16;
    /// That was no request.
    pub const INVAL: i32 = 22;
    /// The restart was not over in time, or the request did not come to its end.
    pub const TIMEDOUT: i32 = 110;
    /// It is not known yet how it goes.
    pub const INPROGRESS: i32 = 115;
    /// The inhibit file is there.
    pub const CANCELED: i32 = 125;
}

/// A caller's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallerId(pub u64);

/// What a caller has to do with the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is a process of the stack's own.
    Member,
    /// It is one in a run that has begun since systemd was told to restart, whether that is known to be under way or not.
    NewMember,
    /// It is root's.
    Outsider,
}

/// What happens. `W` is a wish: all that is known of a request but when to answer it.
#[derive(Debug)]
pub enum Event<W> {
    /// Somebody who may ask has connected.
    Arrived(CallerId, Standing),
    /// … and has said what it wants.
    Asked(CallerId, AnswerWhen, W),
    /// … or has not, or its place is another's now.
    Left(CallerId),
    /// Somebody who may not ask has connected.
    Refused,
    /// Nothing is restarted, because the inhibit file is there.
    Inhibited(String),
    /// systemd has taken the restart up, or the restart script has ended well.
    Begun,
    /// All has been started again, as far as it starts; now it must stay up.
    Started,
    /// The restart script has failed, but what it has set going is not over.
    Failed(Answer),
    /// The restart is over.
    Over(Answer),
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Action<W> {
    /// Restart the stack, unless it is inhibited.
    Restart(W),
    /// Note that one more has asked for the restart under way.
    Join(W),
    /// Look no longer whether all stays up, or has ended: the next restart waits.
    Hurry,
    /// Answer, and part.
    Answer(CallerId, Answer),
    /// End the program.
    Leave,
}

/// The state.
#[derive(Debug)]
pub struct Reception<W> {
    phase: Phase,
    /// The program does not end before.
    stays_until: Duration,
    arrived: BTreeMap<CallerId, Caller>,
    waiting: Vec<Waiting>,
    /// When the latest restarts were begun.
    begun: VecDeque<Duration>,
    /// Wishes for the restart after this one; `None`: that caller has its answer.
    next: Vec<(Option<Waiting>, W)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing is restarted.
    Idle { until: Duration },
    /// It is not known yet whether the restart is under way.
    Asking,
    /// It is.
    Begun,
    /// All was started again.
    Looking,
    /// It has failed and all have their answers; who comes now asks for the next.
    Ending,
}

/// A caller that has not said yet what it wants.
#[derive(Debug, Clone)]
struct Caller {
    arrival: Arrival,
    standing: Standing,
}

/// When it has connected.
#[derive(Debug, Clone)]
enum Arrival {
    /// While nothing was restarted, or too late to join.
    Apart,
    /// While this restart was under way.
    During,
    /// While a restart was under way that is over by now.
    Before(Answer),
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    caller: CallerId,
    when: AnswerWhen,
    until: Option<Duration>,
}

impl<W> Reception<W> {
    /// Nobody is there yet.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self::in_phase(Phase::Idle { until: now + LINGER })
    }

    /// A restart is under way that an earlier process began.
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

    /// When a [`Event::Tick`] is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let idle = match self.phase {
            Phase::Idle { until } if self.arrived.is_empty() => Some(until.max(self.stays_until)),
            Phase::Idle { .. } | Phase::Asking | Phase::Begun | Phase::Looking | Phase::Ending => None,
        };
        let impatient = self.waiting.iter().chain(self.next.iter().filter_map(|(waiting, _)| waiting.as_ref()));
        impatient.filter_map(|waiting| waiting.until).chain(idle).min()
    }

    /// Takes one event.
    pub fn step(&mut self, now: Duration, event: Event<W>) -> Vec<Action<W>> {
        let mut actions = Vec::new();
        match event {
            Event::Arrived(caller, standing) => {
                self.arrived.insert(caller, Caller { arrival: self.arrival(standing), standing });
            }
            Event::Asked(caller, when, wish) => actions = self.asked(now, (caller, when), wish),
            Event::Left(caller) => self.left(caller),
            Event::Refused => self.stays_until = now + LINGER_REFUSED,
            Event::Inhibited(words) => self.over(now, &Answer { errno: errno::CANCELED, words }, &mut actions),
            Event::Begun if self.phase == Phase::Asking => self.begun(Phase::Begun, &mut actions),
            Event::Started if matches!(self.phase, Phase::Asking | Phase::Begun) => {
                self.begun(Phase::Looking, &mut actions);
            }
            Event::Failed(answer) if !matches!(self.phase, Phase::Idle { .. }) => self.failed(&answer, &mut actions),
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
            // Also before it is known to be under way: a quick member is back before that is seen.
            (Phase::Idle { .. } | Phase::Ending, _)
            | (Phase::Asking | Phase::Begun, Standing::NewMember)
            | (Phase::Looking, Standing::Member | Standing::NewMember) => Arrival::Apart,
            (Phase::Asking | Phase::Begun, Standing::Member | Standing::Outsider)
            | (Phase::Looking, Standing::Outsider) => Arrival::During,
        }
    }

    fn asked(&mut self, now: Duration, (caller, when): (CallerId, AnswerWhen), wish: W) -> Vec<Action<W>> {
        let seen = self.arrived.remove(&caller);
        let unseen = || Caller { arrival: self.arrival(Standing::Outsider), standing: Standing::Outsider };
        let Caller { arrival, standing } = seen.unwrap_or_else(unseen);
        let begins = match (self.phase, &arrival) {
            (Phase::Idle { .. }, Arrival::Apart | Arrival::During) => true,
            (_, Arrival::Before(_)) | (Phase::Asking | Phase::Begun | Phase::Looking, Arrival::During) => false,
            (Phase::Asking | Phase::Begun | Phase::Looking, Arrival::Apart) => true,
            (Phase::Ending, Arrival::Apart | Arrival::During) => true,
        };
        if begins && standing != Standing::Outsider && self.is_enough(now) {
            let words = format!("{ENOUGH} full restarts within a minute are enough, ask again later");
            return vec![Action::Answer(caller, Answer { errno: errno::AGAIN, words })];
        }
        let until = (when == AnswerWhen::Begun).then_some(now + PATIENCE);
        let waiting = Waiting { caller, when, until };
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
            (Phase::Begun | Phase::Looking, Arrival::During) => match when {
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
            (Phase::Looking, Arrival::Apart) | (Phase::Ending, Arrival::Apart | Arrival::During) => {
                self.put_off(waiting, wish);
                vec![Action::Hurry]
            }
        }
    }

    /// Forgets a caller. What it has wished for stays.
    fn left(&mut self, caller: CallerId) {
        self.arrived.remove(&caller);
        self.waiting.retain(|waiting| waiting.caller != caller);
        for (waiting, _) in &mut self.next {
            waiting.take_if(|waiting| waiting.caller == caller);
        }
    }

    /// Keeps a wish for the next restart. The first of them begins it; of the others that nobody waits for any more so many are kept.
    fn put_off(&mut self, waiting: Waiting, wish: W) {
        if self.next.len() >= MOST_WISHES
            && let Some(answered) = self.next.iter().skip(1).position(|(waiting, _)| waiting.is_none())
        {
            self.next.remove(answered + 1);
        }
        self.next.push((Some(waiting), wish));
    }

    /// Whether the members have had as many restarts as they may.
    fn is_enough(&mut self, now: Duration) -> bool {
        self.begun.retain(|begun| now.saturating_sub(*begun) < MINUTE);
        self.begun.len() >= ENOUGH
    }

    /// Begins a restart. Whoever is there already takes part in it.
    fn restart(&mut self, now: Duration, wish: W) -> Action<W> {
        self.phase = Phase::Asking;
        self.begun.push_back(now);
        for caller in self.arrived.values_mut().filter(|caller| matches!(caller.arrival, Arrival::Apart)) {
            caller.arrival = Arrival::During;
        }
        Action::Restart(wish)
    }

    /// Answers those who wanted to know no more than that.
    fn begun(&mut self, phase: Phase, actions: &mut Vec<Action<W>>) {
        self.phase = phase;
        let told = self.waiting.extract_if(.., |waiting| waiting.when == AnswerWhen::Begun);
        actions.extend(told.map(|waiting| Action::Answer(waiting.caller, under_way())));
        if phase == Phase::Looking && !self.next.is_empty() {
            actions.push(Action::Hurry);
        }
    }

    /// Answers all who take part in the restart, also those who have yet to speak.
    fn answer_all(&mut self, answer: &Answer, actions: &mut Vec<Action<W>>) {
        actions.extend(self.waiting.drain(..).map(|waiting| Action::Answer(waiting.caller, answer.clone())));
        for caller in self.arrived.values_mut().filter(|caller| matches!(caller.arrival, Arrival::During)) {
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
        self.phase = Phase::Idle { until: now + LINGER };
        for (waiting, wish) in std::mem::take(&mut self.next) {
            actions.push(match self.phase {
                Phase::Idle { .. } => self.restart(now, wish),
                Phase::Asking | Phase::Begun | Phase::Looking | Phase::Ending => Action::Join(wish),
            });
            self.waiting.extend(waiting);
        }
    }

    fn tick(&mut self, now: Duration, actions: &mut Vec<Action<W>>) {
        let is_late = |waiting: &mut Waiting| waiting.until.is_some_and(|until| until <= now);
        let mut late: Vec<_> = self.waiting.extract_if(.., is_late).collect();
        // The wish itself stays: it is for the restart that comes.
        late.extend(self.next.iter_mut().filter_map(|(waiting, _)| waiting.take_if(is_late)));
        let words = "it is not known yet how the restart goes";
        let answer = Answer { errno: errno::INPROGRESS, words: words.to_owned() };
        actions.extend(late.into_iter().map(|waiting| Action::Answer(waiting.caller, answer.clone())));
        let stays = self.stays_until > now || !self.arrived.is_empty();
        if matches!(self.phase, Phase::Idle { until } if until <= now && !stays) {
            actions.push(Action::Leave);
        }
    }
}

fn under_way() -> Answer {
    Answer { errno: 0, words: "the restart is under way".to_owned() }
}

#[cfg(test)]
mod tests;
