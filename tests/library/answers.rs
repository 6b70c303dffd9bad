//! What the call returns for what it is told, and for names.

use crate::build::Library;
use crate::restarter::{Manner, Restarter, play};
use std::os::unix::net::UnixListener;
use unitward::core::config::StackName;
use unitward::core::full_restart::request::{Answer, AnswerWhen, LONGEST};

const ENOENT: i32 = 2;
const EINVAL: i32 = 22;
const ENAMETOOLONG: i32 = 36;
const EPROTO: i32 = 71;
const ECONNRESET: i32 = 104;
const ECONNREFUSED: i32 = 111;

fn errno(manner: Manner) -> i32 {
    let restarter = Restarter::of("x", manner);
    play(Library::Here, restarter.directory(), &["plain", "x"]).errno
}

#[test]
fn the_answer_is_what_the_call_returns() {
    for number in [0, 5, 13, 110, 115, 125] {
        for words in ["", "no", &"ä ".repeat(2 * LONGEST)] {
            let line = Answer {
                errno: number,
                words: words.into(),
            }
            .to_line();
            assert_eq!(errno(Manner::Answer(line)), number);
        }
    }
    assert_eq!(errno(Manner::AnswerUnread("13 who are you\n")), 13);
}

#[test]
fn what_is_no_answer_is_no_success() {
    for (answer, number) in [
        ("\n", EPROTO),
        ("0\n", EPROTO),
        (" 0 done\n", EPROTO),
        ("-5 x\n", EPROTO),
        ("+5 x\n", EPROTO),
        ("4096 x\n", EPROTO),
        ("18446744073709551616 x\n", EPROTO),
        (&"0 ".repeat(1000), EPROTO),
        ("0 do", ECONNRESET),
        ("0", ECONNRESET),
        ("", ECONNRESET),
    ] {
        assert_eq!(
            errno(Manner::Answer(answer.into())),
            number,
            "{answer:.30?}"
        );
    }
}

#[test]
fn who_is_hung_up_on_gets_an_error_whenever_that_happens_and_keeps_nothing_open() {
    let restarter = Restarter::of("x", Manner::HangUp);
    assert_eq!(
        play(Library::Here, restarter.directory(), &["many-times", "x"]).errno,
        ECONNRESET
    );
    let restarter = Restarter::of("x", Manner::AnswerUnread("13 who are you\n"));
    assert_eq!(
        play(Library::Here, restarter.directory(), &["many-times", "x"]).errno,
        13
    );
}

#[test]
fn a_stack_without_a_socket_or_a_listener_is_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(
        play(Library::Here, directory.path(), &["plain", "x"]).errno,
        ENOENT
    );
    drop(UnixListener::bind(directory.path().join("x")).unwrap());
    assert_eq!(
        play(Library::Here, directory.path(), &["many-times", "x"]).errno,
        ECONNREFUSED
    );
}

#[test]
fn the_names_of_stacks_are_the_configurations() {
    let directory = tempfile::tempdir().unwrap();
    let all = (1..=u8::MAX)
        .map(|byte| vec![b'a', byte])
        .filter_map(|name| String::from_utf8(name).ok());
    let whole = [
        "", "a", ".", "..", ".a", "a.", "../x", "/x", "opensync", "a:-_.\\9", "@", "a@", "@a", "ü",
        "ſ", "K",
    ];
    for name in all.chain(whole.map(str::to_owned)) {
        let expected = if StackName::new(&name).is_ok() {
            ENOENT
        } else {
            EINVAL
        };
        assert_eq!(
            play(Library::Here, directory.path(), &["plain", &name]).errno,
            expected,
            "{name:?}"
        );
    }
    assert_eq!(
        play(Library::Here, directory.path(), &["plain"]).errno,
        EINVAL,
        "no name at all"
    );
}

#[test]
fn a_name_may_be_as_long_as_a_socket_allows() {
    let anywhere = std::env::temp_dir();
    for (length, expected) in [
        (1, ENOENT),
        (86, ENOENT),
        (87, ENAMETOOLONG),
        (232, ENAMETOOLONG),
        (100_000, ENAMETOOLONG),
    ] {
        let name = "x".repeat(length);
        assert_eq!(
            play(Library::Shipped, &anywhere, &["plain", &name]).errno,
            expected,
            "{length}"
        );
        assert_eq!(StackName::new(&name).is_ok(), length <= 86, "{length}");
    }
}

#[test]
fn the_caller_is_who_it_says_it_is_else_its_function_else_its_program() {
    let exact = "ä".repeat(128);
    for (arguments, caller) in [
        (&["plain", "x"][..], "ask"),
        (&["by-function", "x"], "by_function"),
        (&["by-static-function", "x"], "scenes"),
        (&["named", "x"], "main"),
        (&["named", "x", ""], "main"),
        (&["named", "x", "cm (no controller)"], "cm (no controller)"),
        (
            &["named", "x", "a\nanswer=over\n\n0 > \u{7f}\t"],
            "a?answer=over??0 > ??",
        ),
        (&["named", "x", &exact], &exact),
        (
            &["named", "x", &format!("a{exact}")],
            &format!("a{}", "ä".repeat(127)),
        ),
    ] {
        let restarter = Restarter::of("x", Manner::Answer("0 done\n".into()));
        assert_eq!(
            play(Library::Here, restarter.directory(), arguments).errno,
            0
        );
        let request = restarter.request();
        assert_eq!(request.caller, caller);
        assert_eq!((request.answer, request.cause), (AnswerWhen::Begun, None));
        assert!(request.backtrace.is_some());
    }
}
