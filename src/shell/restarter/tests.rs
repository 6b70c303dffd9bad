//! The restarter's loop, with callers that come without end.

use super::*;
use crate::core::full_restart::reception::LINGER;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Ends the flood, also when an assertion fails: the threads of a scope are waited for.
struct EndOfFlood<'a>(&'a AtomicBool);

impl Drop for EndOfFlood<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn who_connects_without_end_holds_up_neither_a_turn_nor_the_end_of_a_restart() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("s");
    let stack = StackName::new("no-such-stack").unwrap();
    let mut restarter = Restarter::at(UnixListener::bind(&path).unwrap(), stack).unwrap();
    let over = AtomicBool::new(false);
    // A restarter without requests ends after that.
    let bound = LINGER - Duration::from_secs(1);
    let flood = || {
        // Without waiting for room in the queue: the end must be seen.
        while !over.load(Ordering::Relaxed) {
            let socket = rustix::net::socket_with(
                AddressFamily::UNIX,
                SocketType::STREAM,
                SocketFlags::NONBLOCK,
                None,
            );
            let address = SocketAddrUnix::new(&path).unwrap();
            if rustix::net::connect(socket.unwrap(), &address).is_err() {
                thread::yield_now();
            }
        }
    };
    let (answer, took) = thread::scope(|scope| {
        let _end = EndOfFlood(&over);
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
                Err(_) if begun.elapsed() > bound => break 0,
                Err(_) => {}
            }
        };
        restarter.greet_the_queue();
        let took = begun.elapsed();
        (String::from_utf8_lossy(&answer[..count]).into_owned(), took)
    });
    assert!(answer.starts_with("2 there is no stack"), "{answer}");
    assert!(took < bound, "{took:?}");
}
