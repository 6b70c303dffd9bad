//! The restarter's loop, with callers that come without end.

use super::*;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn who_connects_without_end_holds_up_neither_a_turn_nor_the_end_of_a_restart() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("s");
    let stack = StackName::new("no-such-stack").unwrap();
    let mut restarter = Restarter::at(UnixListener::bind(&path).unwrap(), stack).unwrap();
    let over = AtomicBool::new(false);
    let flood = || {
        while !over.load(Ordering::Relaxed) {
            UnixStream::connect(&path).unwrap();
        }
    };
    let (answer, took) = thread::scope(|scope| {
        scope.spawn(flood);
        scope.spawn(flood);
        let begun = Instant::now();
        let mut caller = UnixStream::connect(&path).unwrap();
        caller.set_nonblocking(true).unwrap();
        let mut answer = [0; 64];
        let count = loop {
            assert_eq!(restarter.turn(), Stay::Yes);
            match caller.read(&mut answer) {
                Ok(count) => break count,
                Err(_) if begun.elapsed() > Duration::from_secs(20) => break 0,
                Err(_) => {}
            }
        };
        restarter.greet_the_queue();
        let took = begun.elapsed();
        over.store(true, Ordering::Relaxed);
        // One of them may wait for room.
        restarter.greet_the_queue();
        (String::from_utf8_lossy(&answer[..count]).into_owned(), took)
    });
    assert!(answer.starts_with("2 there is no stack"), "{answer}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}
