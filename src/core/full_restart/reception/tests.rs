//! Tests of every event in every phase, and of callers over a whole restart.

mod bounds;

use super::errno::{AGAIN, CANCELED, INPROGRESS, IO};
use super::*;

type Seen = Vec<Action<&'static str>>;

const SECOND: Duration = Duration::from_secs(1);

fn answer(errno: i32) -> Answer {
    Answer {
        errno,
        words: "words".into(),
    }
}

/// A reception with a clock, and callers that arrive and ask at once.
struct Desk {
    reception: Reception<&'static str>,
    now: Duration,
}

impl Desk {
    fn new() -> Self {
        Self {
            reception: Reception::new(Duration::ZERO),
            now: Duration::ZERO,
        }
    }

    /// Returns one with a restart in this phase.
    fn in_phase(phase: Phase) -> Self {
        let mut desk = Self::new();
        desk.reception.phase = phase;
        desk
    }

    fn take(&mut self, event: Event<&'static str>) -> Seen {
        self.reception.step(self.now, event)
    }

    fn ask(&mut self, caller: u64, standing: Standing, when: AnswerWhen) -> Seen {
        assert_eq!(self.take(Event::Arrived(CallerId(caller), standing)), []);
        self.take(Event::Asked(CallerId(caller), when, "wish"))
    }

    fn pass(&mut self, time: Duration) -> Seen {
        self.now += time;
        self.take(Event::Tick)
    }
}

/// Returns the callers that are answered, with the errno.
fn answers(seen: &Seen) -> Vec<(u64, i32)> {
    let answered = seen.iter().filter_map(|action| match action {
        Action::Answer(caller, answer) => Some((caller.0, answer.errno)),
        Action::Restart(_) | Action::Join(_) | Action::Hurry | Action::Leave => None,
    });
    answered.collect()
}

const IDLE: Phase = Phase::Idle {
    until: Duration::from_secs(10),
};
const PHASES: [Phase; 5] = [
    IDLE,
    Phase::Asking,
    Phase::Begun,
    Phase::Looking,
    Phase::Ending,
];

#[test]
fn a_request_begins_a_restart_or_joins_the_one_under_way() {
    use AnswerWhen::{Begun, Over};
    use Standing::{Member, NewMember, Outsider};
    let restart = || vec![Action::Restart("wish")];
    let join = || vec![Action::Join("wish")];
    let joined = || {
        vec![
            Action::Join("wish"),
            Action::Answer(CallerId(1), under_way()),
        ]
    };
    let hurry = || vec![Action::Hurry];
    for (standing, when, expect) in [
        (
            Member,
            Begun,
            [restart(), join(), joined(), hurry(), hurry()],
        ),
        (Member, Over, [restart(), join(), join(), hurry(), hurry()]),
        (
            NewMember,
            Begun,
            [restart(), Vec::new(), Vec::new(), hurry(), hurry()],
        ),
        (
            NewMember,
            Over,
            [restart(), Vec::new(), Vec::new(), hurry(), hurry()],
        ),
        (
            Outsider,
            Begun,
            [restart(), join(), joined(), joined(), hurry()],
        ),
        (Outsider, Over, [restart(), join(), join(), join(), hurry()]),
    ] {
        for (phase, expect) in PHASES.into_iter().zip(expect) {
            assert_eq!(
                Desk::in_phase(phase).ask(1, standing, when),
                expect,
                "{phase:?} {standing:?} {when:?}"
            );
        }
    }
}

#[test]
fn what_a_restart_tells_is_taken_in_every_phase() {
    let event = |number| match number {
        0 => Event::Begun,
        1 => Event::Started,
        2 => Event::Over(answer(0)),
        3 => Event::Inhibited("words".into()),
        4 => Event::Left(CallerId(7)),
        5 => Event::Refused,
        6 => Event::Failed(answer(IO)),
        _ => Event::Tick,
    };
    for (number, expect) in [
        [
            IDLE,
            Phase::Begun,
            Phase::Begun,
            Phase::Looking,
            Phase::Ending,
        ],
        [
            IDLE,
            Phase::Looking,
            Phase::Looking,
            Phase::Looking,
            Phase::Ending,
        ],
        [IDLE; 5],
        [IDLE; 5],
        PHASES,
        PHASES,
        [
            IDLE,
            Phase::Ending,
            Phase::Ending,
            Phase::Ending,
            Phase::Ending,
        ],
        PHASES,
    ]
    .into_iter()
    .enumerate()
    {
        for (phase, expect) in PHASES.into_iter().zip(expect) {
            let mut desk = Desk::in_phase(phase);
            assert_eq!(desk.take(event(number)), [], "{phase:?} {number}");
            assert_eq!(desk.reception.phase, expect, "{phase:?} {number}");
        }
    }
}

#[test]
fn six_who_ask_at_the_same_time_are_one_restart() {
    let mut desk = Desk::new();
    for caller in 1..=6 {
        let _ = desk.take(Event::Arrived(CallerId(caller), Standing::Member));
    }
    let first = desk.take(Event::Asked(CallerId(1), AnswerWhen::Begun, "first"));
    assert_eq!(first, [Action::Restart("first")]);
    for caller in 2..=4 {
        assert_eq!(
            desk.take(Event::Asked(CallerId(caller), AnswerWhen::Begun, "too")),
            [Action::Join("too")]
        );
    }
    assert_eq!(
        answers(&desk.take(Event::Begun)),
        [(1, 0), (2, 0), (3, 0), (4, 0)]
    );
    assert_eq!(
        answers(&desk.take(Event::Asked(CallerId(5), AnswerWhen::Begun, "too"))),
        [(5, 0)]
    );
    let _ = desk.take(Event::Started);
    assert_eq!(desk.take(Event::Over(answer(0))), []);
    // It arrived in time and makes its request only now.
    let late = desk.take(Event::Asked(CallerId(6), AnswerWhen::Over, "too"));
    assert_eq!(late, [Action::Answer(CallerId(6), answer(0))]);
}

#[test]
fn a_member_that_was_started_anew_gets_a_restart_of_its_own() {
    let mut desk = Desk::in_phase(Phase::Looking);
    assert_eq!(
        desk.ask(1, Standing::Member, AnswerWhen::Begun),
        [Action::Hurry]
    );
    assert_eq!(
        desk.ask(2, Standing::Member, AnswerWhen::Over),
        [Action::Hurry]
    );
    let next = desk.take(Event::Over(answer(IO)));
    assert_eq!(
        next,
        [Action::Restart("wish"), Action::Join("wish")],
        "what was before is not theirs"
    );
    assert_eq!(answers(&desk.take(Event::Begun)), [(1, 0)]);
    assert_eq!(answers(&desk.take(Event::Over(answer(0)))), [(2, 0)]);
}

#[test]
fn a_member_that_was_started_anew_waits_for_those_that_are_slower() {
    let mut desk = Desk::in_phase(Phase::Begun);
    assert_eq!(desk.ask(1, Standing::NewMember, AnswerWhen::Over), []);
    assert_eq!(desk.ask(2, Standing::NewMember, AnswerWhen::Begun), []);
    assert_eq!(
        answers(&desk.ask(3, Standing::Member, AnswerWhen::Begun)),
        [(3, 0)],
        "an old one joins"
    );
    assert_eq!(answers(&desk.pass(PATIENCE)), [(2, INPROGRESS)]);
    assert_eq!(desk.take(Event::Started), [Action::Hurry]);
    assert_eq!(
        desk.take(Event::Over(answer(0))),
        [Action::Restart("wish"), Action::Join("wish")]
    );
    assert_eq!(desk.take(Event::Begun), []);
    assert_eq!(answers(&desk.take(Event::Over(answer(IO)))), [(1, IO)]);
}

#[test]
fn a_member_that_is_back_before_the_restart_is_known_to_be_under_way_gets_the_next() {
    let mut desk = Desk::new();
    let _ = desk.ask(1, Standing::Outsider, AnswerWhen::Begun);
    let _ = desk.take(Event::Arrived(CallerId(2), Standing::NewMember));
    assert_eq!(desk.ask(3, Standing::NewMember, AnswerWhen::Over), []);
    assert_eq!(
        desk.ask(4, Standing::Member, AnswerWhen::Begun),
        [Action::Join("wish")],
        "an old one joins"
    );
    assert_eq!(answers(&desk.take(Event::Begun)), [(1, 0), (4, 0)]);
    assert_eq!(
        desk.take(Event::Asked(CallerId(2), AnswerWhen::Begun, "next")),
        []
    );
    assert_eq!(desk.take(Event::Started), [Action::Hurry]);
    assert_eq!(
        desk.take(Event::Over(answer(0))),
        [Action::Restart("wish"), Action::Join("next")]
    );
    assert_eq!(answers(&desk.take(Event::Begun)), [(2, 0)]);
    assert_eq!(answers(&desk.take(Event::Over(answer(IO)))), [(3, IO)]);
}

#[test]
fn all_who_wait_are_told_that_it_failed_or_is_inhibited() {
    for (event, errno) in [
        (Event::Over(answer(IO)), IO),
        (Event::Inhibited("words".into()), CANCELED),
    ] {
        let mut desk = Desk::new();
        let _ = desk.ask(1, Standing::Member, AnswerWhen::Begun);
        let _ = desk.ask(2, Standing::Outsider, AnswerWhen::Over);
        assert_eq!(answers(&desk.take(event)), [(1, errno), (2, errno)]);
    }
}

#[test]
fn who_asks_while_a_failed_restart_comes_to_its_end_gets_the_next_and_hurries_it() {
    let mut desk = Desk::new();
    let _ = desk.ask(1, Standing::Member, AnswerWhen::Begun);
    let _ = desk.take(Event::Arrived(CallerId(2), Standing::Outsider));
    assert_eq!(answers(&desk.take(Event::Failed(answer(IO)))), [(1, IO)]);
    assert_eq!(
        answers(&desk.take(Event::Asked(CallerId(2), AnswerWhen::Over, "too"))),
        [(2, IO)],
        "it had come in time"
    );
    assert_eq!(desk.pass(LINGER * 2), [], "it is not over");
    assert_eq!(
        desk.ask(3, Standing::Outsider, AnswerWhen::Over),
        [Action::Hurry]
    );
    assert_eq!(
        desk.take(Event::Over(answer(IO))),
        [Action::Restart("wish")]
    );
    assert_eq!(answers(&desk.take(Event::Over(answer(0)))), [(3, 0)]);
}

#[test]
fn who_wants_to_know_the_beginning_waits_five_seconds_at_most() {
    let mut desk = Desk::new();
    let _ = desk.ask(1, Standing::Member, AnswerWhen::Begun);
    let _ = desk.ask(2, Standing::Outsider, AnswerWhen::Over);
    assert_eq!(desk.reception.deadline(), Some(PATIENCE));
    assert_eq!(desk.pass(PATIENCE - SECOND), []);
    assert_eq!(answers(&desk.pass(SECOND)), [(1, INPROGRESS)]);
    assert_eq!(
        desk.reception.deadline(),
        None,
        "who wants to know the end waits for it"
    );
    assert_eq!(desk.take(Event::Begun), [], "nobody is answered twice");
    assert_eq!(answers(&desk.take(Event::Over(answer(0)))), [(2, 0)]);
}

#[test]
fn who_waits_for_the_next_restart_waits_no_longer_either() {
    let mut desk = Desk::in_phase(Phase::Looking);
    let _ = desk.ask(1, Standing::Member, AnswerWhen::Begun);
    assert_eq!(answers(&desk.pass(PATIENCE)), [(1, INPROGRESS)]);
    assert_eq!(
        desk.take(Event::Over(answer(0))),
        [Action::Restart("wish")],
        "the wish stands"
    );
    assert_eq!(desk.take(Event::Begun), []);
}

#[test]
fn who_loses_its_place_is_not_answered_again_and_its_wish_stays() {
    let mut desk = Desk::in_phase(Phase::Looking);
    assert_eq!(
        desk.ask(1, Standing::Member, AnswerWhen::Over),
        [Action::Hurry]
    );
    assert_eq!(
        desk.ask(2, Standing::Outsider, AnswerWhen::Over),
        [Action::Join("wish")]
    );
    let _ = desk.take(Event::Left(CallerId(1)));
    let _ = desk.take(Event::Left(CallerId(2)));
    assert_eq!(desk.take(Event::Over(answer(0))), [Action::Restart("wish")]);
    assert_eq!(desk.take(Event::Over(answer(0))), []);
}
