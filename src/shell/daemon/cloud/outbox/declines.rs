//! Tests of the outbox at a broker that does not allow all topics.

use super::tests::{asked, report, send};
use super::*;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn recovery(lane: &str, seq: u64) -> StoredReport {
    StoredReport {
        channel: Channel::Recovery,
        ..report(lane, seq)
    }
}

fn acknowledge(outbox: &mut Outbox, seq: u64, now: Instant) {
    assert!(
        outbox
            .acknowledged(u16::try_from(seq).unwrap(), now)
            .is_some(),
        "{seq}"
    );
}

fn decline(outbox: &mut Outbox, seq: u64, now: Instant) {
    assert_eq!(
        outbox.declined(u16::try_from(seq).unwrap(), now),
        Some(Channel::Recovery),
        "{seq}"
    );
}

/// Returns an outbox with a shut channel: three recoveries of as many wards were declined, and two
/// more were published.
fn shut(now: Instant) -> Outbox {
    let mut outbox = Outbox::default();
    [("a", 1), ("b", 2), ("c", 3)]
        .into_iter()
        .for_each(|(lane, seq)| outbox.publish(recovery(lane, seq)));
    assert_eq!(send(&mut outbox, now), [1, 2, 3]);
    [("a", 4), ("b", 5)]
        .into_iter()
        .for_each(|(lane, seq)| outbox.publish(recovery(lane, seq)));
    (1..=3).for_each(|seq| decline(&mut outbox, seq, now));
    outbox
}

#[test]
fn crashes_go_on_however_many_recoveries_are_declined() {
    let (mut outbox, now) = (Outbox::default(), Instant::now());
    for seq in (1..=4_000_u64).step_by(2) {
        outbox.publish(recovery("w", seq));
        outbox.publish(report("w", seq + 1));
        for seq in send(&mut outbox, now) {
            if seq % 2 == 1 {
                decline(&mut outbox, seq, now)
            } else {
                acknowledge(&mut outbox, seq, now)
            }
        }
    }
    assert_eq!(
        (outbox.sent(), outbox.held(), outbox.flying()),
        (2_000, 0, 0)
    );
    assert_eq!(
        outbox.wanted(now),
        None,
        "recoveries are not asked for before their rest is over"
    );
    outbox.behind("other");
    let question = asked(&mut outbox, now, ("other", 0));
    outbox.loaded(
        "other",
        question,
        vec![recovery("other", 4_001), report("other", 4_002)],
    );
    assert_eq!(send(&mut outbox, now), [4_002]);
}

#[test]
fn a_shut_channel_is_tried_lane_by_lane_ever_later_and_at_five_minutes_at_most() {
    let mut now = Instant::now();
    let mut outbox = shut(now);
    assert_eq!(
        (outbox.held(), outbox.wanted(now), send(&mut outbox, now)),
        (0, None, vec![])
    );
    for (minutes, lane, seq) in [
        (1, "a", 1),
        (2, "b", 2),
        (4, "c", 3),
        (5, "a", 1),
        (5, "b", 2),
    ] {
        let due = now + MINUTE * minutes;
        assert_eq!(outbox.question_deadline(), Some(due));
        assert_eq!(outbox.wanted(due - Duration::from_millis(1)), None);
        now = due;
        let question = asked(&mut outbox, now, (lane, seq - 1));
        assert_eq!(outbox.wanted(now), None, "one lane is enough to know");
        outbox.loaded(lane, question, vec![recovery(lane, seq)]);
        assert_eq!(send(&mut outbox, now), [seq]);
        decline(&mut outbox, seq, now);
        assert_eq!(outbox.held(), 0);
    }
}

#[test]
fn one_that_is_acknowledged_opens_the_channel_for_all() {
    let mut now = Instant::now();
    let mut outbox = shut(now);
    now += MINUTE;
    let question = asked(&mut outbox, now, ("a", 0));
    outbox.publish(recovery("a", 6));
    outbox.publish(recovery("b", 7));
    outbox.loaded("a", question, vec![recovery("a", 1), recovery("a", 4)]);
    assert_eq!(
        send(&mut outbox, now),
        [1, 4],
        "7 waits for those of its lane that were left"
    );
    acknowledge(&mut outbox, 1, now);
    let questions: Vec<_> = std::iter::from_fn(|| outbox.wanted(now)).collect();
    let lanes = questions.iter().map(|question| match question {
        News::Wanted { lane, after, .. } => (lane.as_str(), *after),
        News::Sent(_) | News::Refused(..) => unreachable!("it is a question"),
    });
    assert_eq!(lanes.collect::<Vec<_>>(), [("a", 5), ("b", 1), ("c", 2)]);
}

#[test]
fn what_is_on_its_way_when_its_channel_is_shut_and_lost_is_not_held() {
    let now = Instant::now();
    let mut outbox = Outbox::default();
    (1..=5).for_each(|seq| outbox.publish(recovery("a", seq)));
    assert_eq!(send(&mut outbox, now), [1, 2, 3, 4, 5]);
    (1..=3).for_each(|seq| decline(&mut outbox, seq, now));
    acknowledge(&mut outbox, 4, now);
    assert_eq!(outbox.held(), 1);
    outbox.lost(now, Blame::OnTheirWay);
    assert_eq!(
        (outbox.held(), send(&mut outbox, now)),
        (0, vec![]),
        "nobody waits for a suspect that is not there"
    );
    outbox.trust(now);
    asked(&mut outbox, now, ("a", 0));
}

#[test]
fn a_question_about_later_reports_is_taken_back_when_older_ones_are_due() {
    let mut now = Instant::now();
    let mut outbox = shut(now);
    now += MINUTE - Duration::from_secs(1);
    outbox.publish(report("a", 6));
    outbox.lanes.fall_behind("a", 6);
    let later = asked(&mut outbox, now, ("a", 6));
    now += Duration::from_secs(1);
    let question = asked(&mut outbox, now, ("a", 0));
    outbox.loaded("a", later, vec![recovery("a", 7)]);
    outbox.loaded(
        "a",
        question,
        vec![
            recovery("a", 1),
            recovery("a", 4),
            report("a", 6),
            recovery("a", 7),
        ],
    );
    assert_eq!(send(&mut outbox, now), [1, 4, 6, 7]);
}

#[test]
fn killers_without_number_leave_room_for_the_others() {
    let (mut outbox, mut now, killers) =
        (Outbox::default(), Instant::now(), 3 * doubt::PARKED as u64);
    (1..=killers).for_each(|seq| outbox.publish(report("k", seq)));
    for told in 1..=killers {
        // The first loss makes sixteen reports suspects.
        while outbox.next(now).is_some() {}
        let mut parked = outbox.lost(now, Blame::OnTheirWay).map(|report| report.seq);
        while parked.is_none() {
            assert!(outbox.next(now).is_some());
            parked = outbox.lost(now, Blame::OnTheirWay).map(|report| report.seq);
        }
        assert_eq!(parked, Some(told), "each is told of");
    }
    assert_eq!(outbox.held(), doubt::PARKED);
    assert_eq!((outbox.is_drained(), outbox.wanted(now)), (true, None));
    now += 60 * MINUTE;
    assert!(
        outbox.wanted(now).is_some(),
        "they are fetched again after an hour"
    );
}
