//! Callers that are many, that have closed what others have open, that have little room.

use crate::build::Library;
use crate::restarter::{Manner, Restarter, play};
use std::time::Duration;

fn done() -> Restarter {
    Restarter::of("x", Manner::Answer("0 done\n".into()))
}

#[test]
fn fifty_threads_call_at_once() {
    let restarter = done();
    assert_eq!(
        play(Library::Here, restarter.directory(), &["threads", "x"]).errno,
        0
    );
    for _ in 0..50 {
        let request = restarter.request();
        let backtrace = request.backtrace.unwrap();
        assert_eq!(request.caller, "ask");
        // They end in libc, which begins threads in a function of its own.
        assert!(
            backtrace.starts_with("0 > 0x") && backtrace.contains("/libc.so.6\n"),
            "{backtrace}"
        );
    }
}

#[test]
fn a_caller_without_standard_descriptors_sends_no_noise() {
    for _ in 0..10 {
        let restarter = done();
        assert_eq!(
            play(Library::Here, restarter.directory(), &["closed", "x"]).errno,
            0
        );
        assert_eq!(restarter.request().caller, "ask");
    }
}

#[test]
fn no_memory_is_allocated() {
    assert_eq!(
        play(Library::Here, done().directory(), &["memory", "x"]).errno,
        0
    );
}

#[test]
fn the_smallest_stack_of_a_thread_is_enough() {
    let restarter = done();
    assert_eq!(
        play(Library::Here, restarter.directory(), &["little-stack", "x"]).errno,
        0
    );
    assert_eq!(restarter.request().caller, "ask");
}

#[test]
fn a_thread_that_is_cancelled_ends_after_the_call_and_leaves_nothing_open() {
    let restarter = Restarter::of(
        "x",
        Manner::AnswerAfter(Duration::from_millis(400), "13 no\n"),
    );
    assert_eq!(
        play(Library::Here, restarter.directory(), &["cancelled", "x"]).errno,
        13
    );
}
