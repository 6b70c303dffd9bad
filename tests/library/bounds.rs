//! The call ends in time, whatever the other side does.

use crate::build::{Library, source};
use crate::restarter::{Manner, Outcome, Restarter, play, serve};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

const ETIMEDOUT: i32 = 110;

/// Ended by the deadline, neither before nor much after it.
fn timed_out(outcome: &Outcome) {
    assert_eq!(outcome.errno, ETIMEDOUT);
    let deadline = Duration::from_millis(Library::QUICK);
    assert!(
        outcome.took >= deadline && outcome.took < 20 * deadline,
        "{outcome:?}"
    );
}

#[test]
fn a_restarter_that_does_not_answer_is_not_waited_for() {
    for manner in [Manner::Silent, Manner::Trickle] {
        let restarter = Restarter::of("x", manner);
        timed_out(&play(
            Library::Quick,
            restarter.directory(),
            &["plain", "x"],
        ));
    }
}

#[test]
fn signals_do_not_make_the_call_longer_nor_fail() {
    let restarter = Restarter::of("x", Manner::Silent);
    timed_out(&play(
        Library::Quick,
        restarter.directory(),
        &["storm", "x"],
    ));
    let restarter = Restarter::of(
        "x",
        Manner::AnswerAfter(Duration::from_millis(500), "0 done\n"),
    );
    assert_eq!(
        play(Library::Here, restarter.directory(), &["storm", "x"]).errno,
        0
    );
}

#[test]
fn a_full_queue_is_waited_for_but_not_for_ever() {
    let (directory, listener, _first) = full();
    timed_out(&play(Library::Quick, directory.path(), &["plain", "x"]));
    timed_out(&play(Library::Quick, directory.path(), &["storm", "x"]));
    drop(listener);
    let (directory, listener, _first) = full();
    let later = thread::spawn(|| {
        thread::sleep(Duration::from_millis(300));
        serve(listener, Manner::Answer("0 done\n".into()))
    });
    assert_eq!(
        play(Library::Here, directory.path(), &["storm", "x"]).errno,
        0
    );
    drop(later.join().unwrap());
}

/// A socket whose queue has no room left, and the connection that fills it.
fn full() -> (tempfile::TempDir, UnixListener, UnixStream) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x");
    let listener = UnixListener::bind(&path).unwrap();
    // The shortest queue there is has room for one.
    rustix::net::listen(&listener, 0).unwrap();
    (directory, listener, UnixStream::connect(&path).unwrap())
}

#[test]
fn the_shipped_library_gives_up_after_ten_seconds() {
    let restarter = Restarter::of("x", Manner::Silent);
    let outcome = play(Library::Here, restarter.directory(), &["plain", "x"]);
    assert_eq!(outcome.errno, ETIMEDOUT);
    assert!(
        outcome.took >= Duration::from_secs(10) && outcome.took < Duration::from_secs(15),
        "{outcome:?}"
    );
}

#[test]
fn a_thread_that_hangs_in_the_dynamic_linker_holds_nobody_up() {
    let stuck = Library::Here.folder().join("stuck.so");
    Library::Here.compile(&stuck, &[&source("stuck.c")], &["-shared", "-fPIC"]);
    let restarter = Restarter::of("x", Manner::Answer("0 done\n".into()));
    let outcome = play(
        Library::Here,
        restarter.directory(),
        &["loading", "x", path(&stuck)],
    );
    assert_eq!(outcome.errno, 0, "{outcome:?}");
    assert!(restarter.backtrace().contains(": main 0x"));
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
