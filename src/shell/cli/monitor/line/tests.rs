//! Tests of the output for each signal.

use super::*;

const AT: u64 = 1_738_838_543_963;
const RUN: &str = "0123456789abcdef0123456789abcdef";

fn every_kind() -> Vec<News> {
    let ward = || "web".to_owned();
    let words = |text: &str| text.to_owned();
    vec![
        News::Death(Death {
            ward: ward(),
            unit: words("web.service"),
            invocation: words(RUN),
            reason: words("SIG 9 (Killed)"),
            pid: 1234,
            at: AT,
            crash: true,
        }),
        News::Recovery(Recovery {
            ward: ward(),
            invocation: words(RUN),
            outcome: words("recovered"),
            restarts: 1,
            downtime_ms: 184,
            recovery_ms: 4_312,
        }),
        News::Recovery(Recovery {
            ward: ward(),
            invocation: words(RUN),
            outcome: words("excluded"),
            restarts: 5,
            downtime_ms: 0,
            recovery_ms: 0,
        }),
        News::Excluded(Excluded {
            ward: ward(),
            by: words("hand"),
            why: words("it eats the disk"),
        }),
        News::Readmitted(Readmitted {
            ward: ward(),
            by: words("start"),
        }),
        News::StateChanged(StateChanged {
            ward: ward(),
            unit: words("web.service"),
            state: words("active"),
            substate: words("running"),
        }),
        News::FullRestart(FullRestart {
            stack: words("opensync"),
            caller: words("cm"),
            reason: words("OpenSync restarted by cm"),
            at: AT,
        }),
        News::FullRestartOver(FullRestartOver {
            stack: words("opensync"),
            outcome: words("failed"),
            trouble: words("wm.service did not come back"),
        }),
    ]
}

#[test]
fn json_has_these_keys_in_this_order_for_ever() {
    let news = every_kind();
    let lines = news.iter().map(|news| Line {
        at: AT,
        what: What::News(news),
    });
    let presence = [Presence::Gone, Presence::Here].map(|presence| Line {
        at: AT,
        what: What::Presence(presence),
    });
    let found: String = lines
        .chain(presence)
        .map(|line| line.to_json() + "\n")
        .collect();
    assert_eq!(
        found,
        include_str!("../fixtures/monitor.jsonl"),
        "found:\n{found}"
    );
}

#[test]
fn every_key_and_event_is_in_the_man_page() {
    let page = include_str!("../../../../../docs/man/unitward.1").replace("\\-", "-");
    let section = page
        .split_once(".Sh EVENTS")
        .unwrap()
        .1
        .split_once(".Sh ")
        .unwrap()
        .0;
    let words: Vec<&str> = section.split([' ', '\n']).collect();
    for line in include_str!("../fixtures/monitor.jsonl").lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        for key in object
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .chain(object["event"].as_str())
        {
            assert!(words.contains(&key), "{key} in EVENTS of unitward(1)");
        }
    }
}

#[test]
fn people_read_who_and_what() {
    let said: Vec<_> = every_kind().iter().map(words).collect();
    assert_eq!(
        said,
        [
            "crashed: SIG 9 (Killed), process 1234",
            "recovered: down for 184ms, done after 4s 312ms, 1 restart",
            "given up after 5 restarts: excluded",
            "excluded by hand: it eats the disk",
            "readmitted by start",
            "web.service is active (running)",
            "OpenSync restarted by cm",
            "full restart is over: failed: wm.service did not come back",
        ]
    );
}

#[test]
fn text_from_elsewhere_does_nothing_to_the_terminal() {
    let odd = News::Readmitted(Readmitted {
        ward: "\u{1b}[2J".into(),
        by: "a\nb".into(),
    });
    let printed = Line {
        at: AT,
        what: What::News(&odd),
    }
    .to_string();
    assert!(!printed.contains(['\u{1b}', '\n']), "{printed}");
}
