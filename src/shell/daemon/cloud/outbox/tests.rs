//! Tests of the outbox by cases; [`super::model`] tests its invariants.

use super::*;
use crate::core::crash::observation::InvocationId;
use crate::edge::history::entry::{Channel, Key};
use std::time::Duration;

/// Returns a report of this lane.
pub(super) fn report(lane: &str, seq: u64) -> StoredReport {
    let invocation = InvocationId::parse(&format!("{seq:032x}")).unwrap();
    let death = Key {
        boot: String::new(),
        unit: format!("{lane}.service"),
        invocation,
    };
    StoredReport {
        seq,
        id: seq.to_string(),
        lane: lane.into(),
        channel: Channel::Crash,
        death,
        payload: Vec::new(),
    }
}

fn holding(reports: &[(&str, u64)]) -> Outbox {
    let mut outbox = Outbox::default();
    reports
        .iter()
        .for_each(|(lane, seq)| outbox.publish(report(lane, *seq)));
    outbox
}

/// Sends all reports that may be in flight now, each with its `seq` as packet id.
pub(super) fn send(outbox: &mut Outbox, now: Instant) -> Vec<u64> {
    let mut sent = Vec::new();
    while let Some(seq) = outbox.next(now).map(|report| report.seq) {
        outbox.numbered(u16::try_from(seq).unwrap());
        sent.push(seq);
    }
    sent
}

/// Returns the bounds of the question, which must be of this lane and after this `seq`.
pub(super) fn asked(outbox: &mut Outbox, now: Instant, expect: (&str, u64)) -> Portion {
    let Some(News::Wanted { lane, after, limit }) = outbox.wanted(now) else {
        panic!("nothing is wanted")
    };
    assert_eq!((lane.as_str(), after), expect);
    Portion { after, limit }
}

fn load(outbox: &mut Outbox, lane: &str, asked: Portion, seqs: impl IntoIterator<Item = u64>) {
    outbox.loaded(
        lane,
        asked,
        seqs.into_iter().map(|seq| report(lane, seq)).collect(),
    );
}

#[test]
fn a_lost_connection_brings_back_what_was_not_acknowledged_in_order() {
    let (mut outbox, now) = (holding(&[("a", 1), ("a", 2), ("a", 3)]), Instant::now());
    assert_eq!(send(&mut outbox, now), [1, 2, 3]);
    assert_eq!(
        outbox.acknowledged(2, now).map(|report| report.seq),
        Some(2)
    );
    assert_eq!(outbox.acknowledged(2, now), None);
    assert_eq!(outbox.acknowledged(9, now), None);
    assert_eq!(outbox.lost(now, Blame::Nobody), None);
    outbox.publish(report("a", 4));
    assert_eq!(send(&mut outbox, now), [1, 3, 4]);
    assert_eq!((outbox.sent(), outbox.held()), (1, 3));
}

#[test]
fn only_so_many_are_on_their_way() {
    let (mut outbox, now) = (Outbox::default(), Instant::now());
    (1..=40).for_each(|seq| outbox.publish(report("a", seq)));
    assert_eq!(send(&mut outbox, now).len(), IN_FLIGHT);
    assert!(outbox.acknowledged(1, now).is_some());
    assert_eq!(outbox.refused(2).map(|report| report.seq), Some(2));
    assert_eq!(send(&mut outbox, now), [17, 18]);
    assert_eq!(outbox.give_up_last().map(|report| report.seq), Some(18));
    assert_eq!((outbox.sent(), outbox.held(), outbox.flying()), (1, 37, 15));
}

#[test]
fn a_crowd_of_one_lane_does_not_hold_up_another() {
    let (mut outbox, now) = (Outbox::default(), Instant::now());
    outbox.behind("crowd");
    let first = asked(&mut outbox, now, ("crowd", 0));
    load(&mut outbox, "crowd", first, 1..=first.limit as u64);
    let second = asked(&mut outbox, now, ("crowd", 16));
    load(&mut outbox, "crowd", second, 17..=16 + second.limit as u64);
    assert_eq!(outbox.wanted(now), None, "enough of one lane");
    outbox.publish(report("fresh", 10_001));
    outbox.publish(report("fresh", 10_002));
    let mut first: Vec<_> = (0..4)
        .filter_map(|_| outbox.next(now).map(|report| report.seq))
        .collect();
    first.sort_unstable();
    assert_eq!(first, [1, 2, 10_001, 10_002], "they take turns");
}

#[test]
fn what_finds_no_room_is_fetched_from_the_disk_later_and_in_order() {
    let (mut outbox, now) = (Outbox::new(LARGEST_PORTION + 2), Instant::now());
    (1..=33).for_each(|seq| outbox.publish(report("a", seq)));
    outbox.publish(report("b", 34));
    outbox.publish(report("a", 35));
    assert_eq!((outbox.held(), outbox.wanted(now)), (33, None), "full");
    for seqs in [1..=16, 17..=32] {
        assert_eq!(send(&mut outbox, now), seqs.clone().collect::<Vec<_>>());
        seqs.for_each(|seq| drop(outbox.acknowledged(u16::try_from(seq).unwrap(), now)));
    }
    let question = asked(&mut outbox, now, ("b", 33));
    assert_eq!(outbox.wanted(now), None, "room is kept for the answer");
    outbox.publish(report("b", 36));
    outbox.publish(report("a", 37));
    load(&mut outbox, "b", question, [34, 36]);
    assert_eq!(send(&mut outbox, now), [33, 34, 36]);
    [33, 34]
        .into_iter()
        .for_each(|packet| drop(outbox.acknowledged(packet, now)));
    let question = asked(&mut outbox, now, ("a", 34));
    load(&mut outbox, "a", question, [35, 37]);
    assert_eq!(send(&mut outbox, now), [35, 37]);
    [35, 36, 37]
        .into_iter()
        .for_each(|packet| drop(outbox.acknowledged(packet, now)));
    // 36 came while b was asked for, so it is looked for once more.
    let question = asked(&mut outbox, now, ("b", 35));
    load(&mut outbox, "b", question, []);
    assert_eq!(
        (outbox.wanted(now), outbox.held(), outbox.lanes.len()),
        (None, 0, 0),
        "nothing is left behind"
    );
}

#[test]
fn an_answer_that_is_lost_is_asked_for_again_and_then_does_not_count() {
    let (mut outbox, mut now) = (Outbox::default(), Instant::now());
    outbox.behind("a");
    let first = asked(&mut outbox, now, ("a", 0));
    now = outbox.question_deadline().unwrap();
    assert_eq!(outbox.wanted(now - Duration::from_millis(1)), None);
    let again = asked(&mut outbox, now, ("a", 0));
    assert_eq!(outbox.wanted(now), None);
    load(&mut outbox, "a", first, []);
    assert_eq!(outbox.held(), 0);
    load(&mut outbox, "a", again, [1]);
    load(&mut outbox, "a", again, [1, 2]);
    assert_eq!(
        (send(&mut outbox, now), outbox.question_deadline()),
        (vec![1], None)
    );
}

#[test]
fn whatever_way_a_report_comes_in_it_is_there_once() {
    let (mut outbox, now) = (holding(&[("a", 1), ("a", 2)]), Instant::now());
    outbox.publish(report("a", 1));
    assert_eq!(send(&mut outbox, now), [1, 2]);
    outbox.behind("a");
    let question = asked(&mut outbox, now, ("a", 0));
    drop(outbox.acknowledged(1, now));
    load(&mut outbox, "a", question, [1, 2, 3]);
    load(&mut outbox, "a", question, [1, 2, 3, 4]);
    outbox.publish(report("a", 1));
    outbox.publish(report("a", 3));
    assert_eq!(
        send(&mut outbox, now),
        [3],
        "1 has left, 2 is on its way, and nobody asked for the second answer"
    );
    (2..=3).for_each(|packet| drop(outbox.acknowledged(packet, now)));
    outbox.publish(report("a", 3));
    assert_eq!((outbox.held(), outbox.wanted(now)), (0, None));
}

#[test]
fn after_a_loss_suspects_go_alone_until_all_are_cleared() {
    let (mut outbox, now) = (holding(&[("a", 1), ("a", 2), ("b", 3)]), Instant::now());
    assert_eq!(send(&mut outbox, now), [1, 3, 2]);
    assert_eq!(outbox.lost(now, Blame::OnTheirWay), None);
    outbox.publish(report("c", 4));
    for alone in [1, 3, 2] {
        assert_eq!(send(&mut outbox, now), [alone]);
        assert!(
            outbox
                .acknowledged(u16::try_from(alone).unwrap(), now)
                .is_some()
        );
    }
    outbox.publish(report("c", 5));
    assert_eq!(send(&mut outbox, now), [4, 5]);
}

#[test]
fn a_report_that_kills_three_connections_in_a_row_is_parked_and_tried_again_ever_later() {
    let (mut outbox, mut now) = (holding(&[("a", 1), ("a", 2)]), Instant::now());
    assert_eq!(send(&mut outbox, now), [1, 2]);
    assert_eq!(outbox.lost(now, Blame::OnTheirWay), None);
    for strike in 1..=3 {
        assert_eq!(
            outbox.lost(now, Blame::OnTheirWay),
            None,
            "nothing was on its way"
        );
        assert_eq!(send(&mut outbox, now), [1]);
        let parked = outbox.lost(now, Blame::OnTheirWay).map(|report| report.seq);
        assert_eq!(parked, (strike == 3).then_some(1), "{strike}");
    }
    assert_eq!(
        send(&mut outbox, now),
        [2],
        "the others go first, those of its lane among them"
    );
    assert!(outbox.acknowledged(2, now).is_some() && outbox.is_drained());
    for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
        let due = now + Duration::from_secs(60 * minutes);
        assert_eq!(outbox.deadline(), Some(due), "{minutes}");
        assert_eq!(send(&mut outbox, due - Duration::from_millis(1)), [0; 0]);
        now = due;
        outbox.publish(report("a", 100 + minutes));
        assert_eq!(send(&mut outbox, now), [1], "alone");
        assert_eq!(outbox.lost(now, Blame::OnTheirWay), None, "said once");
        let other = send(&mut outbox, now);
        other
            .iter()
            .for_each(|seq| drop(outbox.acknowledged(u16::try_from(*seq).unwrap(), now)));
    }
    assert_eq!(
        (outbox.held(), outbox.sent()),
        (1, 8),
        "it is never dropped"
    );
}

#[test]
fn a_loss_that_explains_itself_makes_nobody_suspect() {
    let (mut outbox, now) = (holding(&[("a", 1)]), Instant::now());
    for _ in 0..10 {
        assert_eq!(send(&mut outbox, now), [1]);
        assert_eq!(outbox.lost(now, Blame::Nobody), None);
    }
    assert_eq!(outbox.deadline(), None);
}

#[test]
fn a_parked_report_that_gets_through_clears_the_others() {
    let (mut outbox, now) = (holding(&[("a", 1), ("b", 2)]), Instant::now());
    for seq in [1, 1, 1, 2, 2, 2] {
        assert_eq!(outbox.next(now).map(|report| report.seq), Some(seq));
        outbox.lost(now, Blame::OnTheirWay);
    }
    assert!(outbox.is_drained());
    let due = now + Duration::from_secs(60);
    assert_eq!(send(&mut outbox, due), [1]);
    outbox.lost(due, Blame::OnTheirWay);
    assert_eq!(send(&mut outbox, due), [2]);
    assert_eq!(send(&mut outbox, due), [0; 0], "still alone");
    assert!(outbox.acknowledged(2, now).is_some());
    assert_eq!(send(&mut outbox, due), [1], "two minutes before its time");
}

#[test]
fn a_trial_that_is_interrupted_is_repeated_and_still_alone() {
    let (mut outbox, now) = (holding(&[("a", 1)]), Instant::now());
    for _ in 0..3 {
        assert_eq!(send(&mut outbox, now), [1]);
        outbox.lost(now, Blame::OnTheirWay);
    }
    let due = now + Duration::from_secs(60);
    assert_eq!(send(&mut outbox, due), [1]);
    outbox.lost(due, Blame::Nobody);
    outbox.publish(report("a", 2));
    assert_eq!(
        send(&mut outbox, due),
        [1],
        "and before all others, as its time has come"
    );
    outbox.lost(due, Blame::OnTheirWay);
    assert_eq!(
        (send(&mut outbox, due), outbox.deadline()),
        (vec![2], Some(due + Duration::from_secs(120)))
    );
}

#[test]
fn a_suspect_that_gets_through_after_all_clears_the_parked() {
    let (mut outbox, now) = (holding(&[("a", 1), ("b", 2)]), Instant::now());
    for seq in [1, 1, 1, 2] {
        assert_eq!(outbox.next(now).map(|report| report.seq), Some(seq));
        outbox.lost(now, Blame::OnTheirWay);
    }
    assert_eq!(send(&mut outbox, now), [2]);
    assert!(outbox.acknowledged(2, now).is_some());
    assert_eq!(send(&mut outbox, now), [1]);
}

#[test]
fn a_declined_report_waits_while_others_go_and_is_tried_within_minutes() {
    let (mut outbox, mut now) = (holding(&[("a", 1), ("a", 2), ("b", 3)]), Instant::now());
    assert_eq!(send(&mut outbox, now), [1, 3, 2]);
    assert_eq!(outbox.declined(1, now), Some(Channel::Crash));
    assert_eq!(outbox.declined(3, now), Some(Channel::Crash));
    assert!(outbox.acknowledged(2, now).is_some());
    assert_eq!(send(&mut outbox, now), [0; 0]);
    now += Duration::from_secs(60);
    for declined in [1, 3] {
        assert_eq!(send(&mut outbox, now), [declined], "alone");
        assert!(
            outbox
                .declined(u16::try_from(declined).unwrap(), now)
                .is_some()
        );
        assert_eq!(
            send(&mut outbox, now),
            [0; 0],
            "the other is not asked about at once"
        );
        now += Duration::from_secs(60);
    }
    for _ in 0..20 {
        let due = outbox.deadline().unwrap();
        assert!(due <= now + Duration::from_secs(300));
        now = due.max(now);
        let tried = send(&mut outbox, now);
        assert_eq!(tried.len(), 1);
        assert!(
            outbox
                .declined(u16::try_from(tried[0]).unwrap(), now)
                .is_some()
        );
    }
    now += Duration::from_secs(300);
    let tried = send(&mut outbox, now);
    assert!(
        outbox
            .acknowledged(u16::try_from(tried[0]).unwrap(), now)
            .is_some()
    );
    assert_eq!(send(&mut outbox, now).len(), 1, "the other follows at once");
}

#[test]
fn another_broker_is_met_without_suspicion() {
    let (mut outbox, now) = (holding(&[("a", 1), ("b", 2), ("b", 3)]), Instant::now());
    for _ in 0..3 {
        assert_eq!(outbox.next(now).map(|report| report.seq), Some(1));
        outbox.lost(now, Blame::OnTheirWay);
    }
    assert_eq!(send(&mut outbox, now), [2, 3]);
    outbox.lost(now, Blame::OnTheirWay);
    outbox.trust(now);
    assert_eq!(
        send(&mut outbox, now),
        [1],
        "what was parked is tried at once, alone"
    );
    assert!(outbox.acknowledged(1, now).is_some());
    assert_eq!(send(&mut outbox, now), [2, 3]);
}

#[test]
fn lanes_without_number_leave_nothing_behind() {
    let (mut outbox, now) = (Outbox::default(), Instant::now());
    for seq in 1..=3_000_u64 {
        let lane = format!("run-{seq}");
        outbox.publish(report(&lane, seq));
        assert!(outbox.next(now).is_some());
        outbox.numbered(1);
        outbox.behind(&lane);
        let question = asked(&mut outbox, now, (&lane, 0));
        assert!(outbox.acknowledged(1, now).is_some());
        load(&mut outbox, &lane, question, [seq]);
    }
    assert_eq!(
        (outbox.lanes.len(), outbox.held(), outbox.departed.len()),
        (0, 0, REMEMBERED * WINDOW)
    );
}
