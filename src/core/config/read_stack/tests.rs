//! Tests of stacks as read, with the mistakes in them.

use super::*;
use std::path::Path;

fn read_texts(texts: &[&str]) -> (Option<Stack>, Place, Vec<String>) {
    let paths = [
        "opensync.stack",
        "opensync.stack.d/1.conf",
        "opensync.stack.d/2.conf",
    ];
    let file = |(path, text): (&&str, &&str)| SourceFile {
        path: Path::new(path).into(),
        text: (*text).to_owned(),
    };
    let files: Vec<_> = paths.iter().zip(texts).map(file).collect();
    let name = StackName::new("opensync").unwrap();
    let (stack, places, problems) = read(&name, &files).unwrap();
    (
        stack,
        places.report,
        problems.iter().map(ToString::to_string).collect(),
    )
}

fn good(texts: &[&str]) -> Stack {
    let (stack, _, problems) = read_texts(texts);
    assert_eq!(problems, [""; 0], "{texts:?}");
    stack.unwrap()
}

fn words(value: &str) -> Vec<String> {
    good(&[&format!(
        "[Stack]\nUnit=sync@1.service\nRestartScript={value}\n"
    )])
    .restart_script
    .unwrap()
    .words
}

#[test]
fn a_stack_needs_nothing_but_a_name() {
    for text in [
        "[Stack]\n",
        "# all as usual\n",
        "[Stack]\nName=\nUnit=\nInhibitFile=\nRestartScript=\nReport=\nTimeoutSec=\n",
    ] {
        let stack = good(&[text]);
        assert_eq!(
            (stack.identifier.as_str(), stack.unit().as_str()),
            ("opensync", "opensync.target"),
            "{text}"
        );
        assert_eq!((stack.inhibit_file, stack.restart_script), (None, None));
        assert_eq!(
            (stack.timeout, stack.report),
            (Duration::from_secs(300), true)
        );
    }
}

#[test]
fn every_key_is_read_and_drop_ins_override_and_reset() {
    let main = "[Stack]\nName=OpenSync\nUnit=opensync.service\nInhibitFile=/opt/tb/cm-disable-fatal\n\
                RestartScript=/usr/bin/restart.sh %n\nTimeoutSec=1min 30s\nReport=no\n[X-Vendor]\nwhatever=1\n";
    let stack = good(&[main]);
    assert_eq!(
        (stack.identifier.as_str(), stack.unit().as_str()),
        ("OpenSync", "opensync.service")
    );
    assert_eq!(stack.inhibit_file, Some("/opt/tb/cm-disable-fatal".into()));
    assert_eq!(
        stack.restart_script.unwrap().words,
        ["/usr/bin/restart.sh", "opensync.service"]
    );
    assert_eq!(
        (stack.timeout, stack.report),
        (Duration::from_secs(90), false)
    );
    let stack = good(&[
        main,
        "[Stack]\nUnit=sync.target\nRestartScript=\nTimeoutSec=7\n",
        "[Stack]\nReport=yes\n",
    ]);
    assert_eq!(
        (stack.identifier.as_str(), stack.unit().as_str()),
        ("OpenSync", "sync.target")
    );
    assert_eq!(
        (stack.restart_script, stack.timeout, stack.report),
        (None, Duration::from_secs(7), true)
    );
}

#[test]
fn the_words_of_a_script_are_those_that_are_run() {
    assert_eq!(
        words("/bin/x %n %N %p %i 100%% $$HOME 'a b'"),
        [
            "/bin/x",
            "sync@1.service",
            "sync@1",
            "sync",
            "1",
            "100%",
            "$HOME",
            "a b"
        ]
    );
}

#[test]
fn the_line_of_its_reports_is_that_of_report_or_of_the_section() {
    let place = |texts: &[&str]| {
        let (_, at, _) = read_texts(texts);
        (at.path.display().to_string(), at.line)
    };
    assert_eq!(
        place(&["\n[Stack]\nName=x\n"]),
        ("opensync.stack".into(), 2)
    );
    assert_eq!(
        place(&["[Stack]\nReport=no\n", "[Stack]\nName=x\nReport=yes\n"]),
        ("opensync.stack.d/1.conf".into(), 3)
    );
    assert_eq!(place(&["# nothing\n"]), ("opensync.stack".into(), 0));
}

/// Reads a stack with a mistake in the third line: the words that the message must name, and
/// true if a stack remains.
fn check(line: &str, words: &[&str], left: bool) {
    let (stack, _, problems) = read_texts(&[&format!("[Stack]\nName=OpenSync\n{line}\n")]);
    assert_eq!(problems.len(), 1, "{line}: {problems:?}");
    assert!(
        problems[0].starts_with("opensync.stack:3:"),
        "{line}: {problems:?}"
    );
    for word in words {
        assert!(problems[0].contains(word), "{line}: {word} in {problems:?}");
    }
    assert_eq!(stack.is_some(), left, "{line}");
    let name = stack.map(|stack| {
        (
            stack.identifier,
            stack.restart_script,
            stack.inhibit_file,
            stack.timeout,
        )
    });
    assert!(
        name.is_none_or(|left| left == ("OpenSync".into(), None, None, Stack::TIMEOUT)),
        "{line}"
    );
}

#[test]
fn a_bad_key_costs_its_key() {
    for (line, words) in [
        ("Nmae=x", &["did you mean \"Name\"?"][..]),
        ("InhibitFile=fatal", &["absolute path"]),
        ("TimeoutSec=0", &["TimeoutSec", "5min"]),
        ("TimeoutSec=infinity", &["for ever"]),
        ("Report=maybe", &["yes or no"]),
        ("RestartScript=-/bin/x", &["no prefix", "runs as root"]),
        ("RestartScript=+/bin/x", &["no prefix"]),
        ("RestartScript=@/bin/x y", &["no prefix"]),
        ("RestartScript=restart.sh", &["absolute path"]),
        ("RestartScript=/bin/a ; /bin/b", &["second command"]),
        ("RestartScript=/bin/a %H", &["%H", "%%"]),
        ("RestartScript=/bin/a $HOME", &["$HOME", "$$"]),
        ("RestartScript=/bin/a 5$", &["$$"]),
        ("what is this", &["Key=Value"]),
        ("[Stak]", &["did you mean \"Stack\"?"]),
    ] {
        check(line, words, true);
    }
    check(&format!("Name={}", "n".repeat(256)), &["255 bytes"], true);
}

#[test]
fn a_unit_that_cannot_stand_for_it_costs_the_stack() {
    for (line, word) in [
        ("Unit=opensync", "suffix"),
        ("Unit=opensync.socket", "only a .target or a .service"),
        ("Unit=opensync@.service", "template"),
    ] {
        check(line, &[word, "the stack is ignored"], false);
    }
}
