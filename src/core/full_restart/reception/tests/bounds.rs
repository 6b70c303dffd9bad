//! Tests of what is bounded: the stay without callers, the requests that are kept, the restarts in a
//! minute.

use super::*;

#[test]
fn it_stays_for_a_while_and_leaves_when_nobody_is_there() {
    let mut desk = Desk::new();
    assert_eq!(desk.pass(LINGER - SECOND), []);
    let _ = desk.take(Event::Arrived(CallerId(1), Standing::Outsider));
    assert_eq!(desk.pass(SECOND), [], "somebody is there");
    let _ = desk.take(Event::Left(CallerId(1)));
    assert_eq!(desk.take(Event::Tick), [Action::Leave]);
    let mut desk = Desk::in_phase(Phase::Looking);
    assert_eq!(desk.pass(LINGER * 9), []);
    let _ = desk.take(Event::Over(answer(0)));
    assert_eq!(desk.reception.deadline(), Some(desk.now + LINGER));
}

#[test]
fn it_stays_a_minute_after_the_last_refusal_whatever_happens_meanwhile() {
    let mut desk = Desk::new();
    let _ = desk.take(Event::Refused);
    assert_eq!(desk.pass(LINGER * 2), []);
    let _ = desk.take(Event::Refused);
    let _ = desk.ask(1, Standing::Outsider, AnswerWhen::Over);
    let _ = desk.take(Event::Over(answer(0)));
    assert_eq!(desk.reception.deadline(), Some(desk.now + LINGER_REFUSED));
    assert_eq!(desk.pass(LINGER_REFUSED - SECOND), []);
    assert_eq!(desk.pass(SECOND), [Action::Leave]);
}

#[test]
fn wishes_that_members_leave_behind_are_bounded_and_root_is_heard_nevertheless() {
    let mut desk = Desk::in_phase(Phase::Begun);
    for caller in 0..3 * MOST_WISHES as u64 {
        assert_eq!(desk.ask(caller, Standing::NewMember, AnswerWhen::Begun), []);
        assert_eq!(answers(&desk.pass(PATIENCE)), [(caller, INPROGRESS)]);
    }
    assert_eq!(desk.reception.next.len(), MOST_WISHES);
    assert_eq!(
        answers(&desk.ask(1_000, Standing::Outsider, AnswerWhen::Begun)),
        [(1_000, 0)]
    );
    assert_eq!(desk.ask(1_001, Standing::NewMember, AnswerWhen::Over), []);
    let next = desk.take(Event::Over(answer(0)));
    assert_eq!(
        (next.len(), &next[0]),
        (MOST_WISHES, &Action::Restart("wish"))
    );
    assert_eq!(answers(&desk.take(Event::Over(answer(0)))), [(1_001, 0)]);
}

#[test]
fn members_have_enough_after_five_restarts_within_a_minute_and_root_never() {
    let mut desk = Desk::new();
    let round = |desk: &mut Desk, caller: u64, standing: Standing| {
        let seen = desk.ask(caller, standing, AnswerWhen::Begun);
        let _ = desk.take(Event::Begun);
        let _ = desk.take(Event::Over(answer(0)));
        desk.now += SECOND;
        answers(&seen)
    };
    for caller in 0..5 {
        assert_eq!(round(&mut desk, caller, Standing::Member), []);
    }
    assert_eq!(round(&mut desk, 5, Standing::Member), [(5, AGAIN)]);
    assert_eq!(round(&mut desk, 6, Standing::NewMember), [(6, AGAIN)]);
    assert_eq!(round(&mut desk, 7, Standing::Outsider), []);
    desk.now += 60 * SECOND;
    assert_eq!(round(&mut desk, 8, Standing::Member), []);
}
