//! Tests of the connections at a stack's socket.

use super::*;
use crate::core::full_restart::places::Pool;

fn at_work() -> (Connections, std::path::PathBuf, tempfile::TempDir) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("s");
    (
        Connections::new(UnixListener::bind(&path).unwrap()).unwrap(),
        path,
        place,
    )
}

#[test]
fn a_caller_is_heard_to_its_end_and_answered() {
    let (mut connections, path, _place) = at_work();
    let mut client = UnixStream::connect(&path).unwrap();
    let (caller, peer) = connections.accept().unwrap();
    assert_eq!(peer.pid, std::process::id());
    client.write_all(b"half").unwrap();
    assert!(connections.read().is_empty(), "there may be more");
    client.write_all(b" and half").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let news = connections.read();
    assert!(
        matches!(&news[..], [News::Said(who, _, text)] if *who == caller && text == b"half and half")
    );
    connections.answer(
        caller,
        &Answer {
            errno: 0,
            words: "well".into(),
        },
    );
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    assert_eq!(text, "0 well\n");
}

#[test]
fn who_says_nothing_or_too_much_is_done_with() {
    let (mut connections, path, _place) = at_work();
    drop(UnixStream::connect(&path).unwrap());
    let (silent, _) = connections.accept().unwrap();
    assert!(matches!(connections.read()[..], [News::Left(caller)] if caller == silent));
    let mut talker = UnixStream::connect(&path).unwrap();
    talker.set_nonblocking(true).unwrap();
    let (endless, _) = connections.accept().unwrap();
    let mut said = Vec::new();
    while said.is_empty() {
        let _ = talker.write(&[b'x'; 4096]);
        said = connections.read();
    }
    assert!(
        matches!(&said[..], [News::Said(caller, _, text)] if *caller == endless && text.len() > LONGEST)
    );
}

#[test]
fn a_slow_caller_has_its_time_and_no_more() {
    let (mut connections, path, _place) = at_work();
    let mut client = UnixStream::connect(&path).unwrap();
    let (caller, _) = connections.accept().unwrap();
    client.write_all(b"unfinished").unwrap();
    assert!(connections.read().is_empty());
    connections.reading.get_mut(&caller).unwrap().until = Instant::now();
    assert!(matches!(connections.read()[..], [News::BrokeOff(who)] if who == caller));
    connections.answer(
        caller,
        &Answer {
            errno: 110,
            words: "late".into(),
        },
    );
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    assert_eq!(text, "110 late\n");
}

#[test]
fn the_refused_take_no_place_and_get_their_answer() {
    let (mut connections, path, _place) = at_work();
    let mut clients: Vec<_> = (0..MOST_DISMISSED + 9)
        .map(|_| UnixStream::connect(&path).unwrap())
        .collect();
    for _ in &clients {
        let (caller, _) = connections.accept().unwrap();
        connections.dismiss(
            caller,
            &Answer {
                errno: 13,
                words: "no".into(),
            },
        );
    }
    assert!(connections.accept().is_none());
    assert_eq!(connections.dismissed.len(), MOST_DISMISSED);
    for client in &mut clients {
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text, "13 no\n");
    }
    drop(clients);
    assert!(connections.read().is_empty() && connections.dismissed.is_empty());
}

#[test]
fn connections_are_taken_however_many_are_read() {
    let (mut connections, path, _place) = at_work();
    let holder = || Holder {
        pool: Pool::Members,
        unit: "web.service".into(),
        user: 7,
    };
    let mut held: Vec<_> = (0..100)
        .map(|_| UnixStream::connect(&path).unwrap())
        .collect();
    let mut placed = 0;
    while let Some((caller, _)) = connections.accept() {
        match connections.give_place(caller, holder()) {
            Verdict::Taken => placed += 1,
            Verdict::TakenFrom(_) => panic!("there is nobody else"),
            Verdict::Refused => connections.dismiss(
                caller,
                &Answer {
                    errno: 16,
                    words: "busy".into(),
                },
            ),
        }
    }
    assert_eq!((placed, connections.reading.len()), (32, 32));
    for refused in &mut held[placed..] {
        let mut text = String::new();
        refused.read_to_string(&mut text).unwrap();
        assert_eq!(text, "16 busy\n");
    }
    drop(held);
    assert_eq!(connections.read().len(), placed);
    let _another = UnixStream::connect(&path).unwrap();
    let (caller, _) = connections.accept().unwrap();
    assert_eq!(
        connections.give_place(caller, holder()),
        Verdict::Taken,
        "who has left has no place"
    );
}
