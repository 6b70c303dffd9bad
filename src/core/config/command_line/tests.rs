//! Tests of commands: prefixes, quotes, specifiers, words of a shell.

use super::*;

fn check(text: &str, expected: &[&str]) {
    assert_eq!(
        CommandLine::parse(text).map(|c| c.words),
        Ok(expected.iter().map(|w| (*w).to_owned()).collect()),
        "{text}"
    );
}

#[test]
fn what_only_a_shell_understands_is_found() {
    let check = |text: &str, expect: Option<(usize, &str)>| {
        let found = shell_word(text);
        let found = found
            .as_ref()
            .map(|wrong| (wrong.offset, wrong.why.split('"').nth(1).unwrap()));
        assert_eq!(found, expect, "{text}");
    };
    check("/bin/a | /bin/b", Some((7, "|")));
    check("/bin/a && /bin/b", Some((7, "&&")));
    check("-/bin/a >/dev/null 2>&1", Some((8, ">/dev/null")));
    check("/bin/a 2>&1", Some((7, "2>&1")));
    check("/bin/a &", Some((7, "&")));
    check("/bin/a x; /bin/b", Some((7, "x;")));
    check("/bin/kill $(cat /run/a.pid)", Some((10, "$(cat")));
    check("/bin/sh -c 'a | b' > c", Some((19, ">")));
    for fine in [
        "/bin/sh -c 'a | b > c; d'",
        "/usr/bin/expr 1 '|' 2",
        "/usr/bin/find /a -exec /bin/b {} \\;",
        "/usr/sbin/nft add chain x y { type filter hook input priority 0; }",
        "/bin/a a|b a>b a&b ${B} $C --x=>y \\| \"> b\"",
        "",
    ] {
        check(fine, None);
    }
}

#[test]
fn words_are_split_as_systemd_splits_them() {
    check(
        "/bin/mount -t nfs 10.0.0.1:/a  /b",
        &["/bin/mount", "-t", "nfs", "10.0.0.1:/a", "/b"],
    );
    check("/bin/sh -c 'a; b \"c\"'", &["/bin/sh", "-c", "a; b \"c\""]);
    check(
        "/bin/echo \"a\\\\b\" \\x41 '' x\\sy $HOME ${X} %n 100%%",
        &[
            "/bin/echo",
            "a\\b",
            "A",
            "",
            "x y",
            "$HOME",
            "${X}",
            "%n",
            "100%%",
        ],
    );
    check("/bin/echo \\; a;b", &["/bin/echo", ";", "a;b"]);
}

#[test]
fn prefixes_are_minus_and_plus_only() {
    let command = CommandLine::parse("-+/bin/true").unwrap();
    assert!(command.ignore_failure && command.privileged);
    for bad in [
        "@/bin/true",
        "!/bin/true",
        ":/bin/true",
        "-",
        "",
        "mount /a",
        "./a",
        "/bin/",
        "/bin/a ; /bin/b",
        "/bin/a 'x",
        "/bin/a \\q",
        "/bin/a 5%",
        "/bin/a %Z",
        "/bin/a \\x0a",
        "/bin/a \\xzz",
        "/bin/a \\",
    ] {
        assert!(CommandLine::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn quoted_words_are_read_back_unchanged() {
    for word in [
        "a",
        "",
        "a b",
        "\"",
        "'",
        "\\",
        ";",
        "a;b",
        "é",
        "tab\there",
        "#x",
        "$X",
        "%%n",
        "-",
        "a\\x41",
    ] {
        assert_eq!(
            split_words(&quote(word)),
            Ok(vec![word.to_owned()]),
            "{word:?}"
        );
    }
    assert!(!quote("a\nb").contains('\n'));
}

#[test]
fn specifiers_that_name_the_unit_are_replaced() {
    let unit = UnitName::new("web@1.service").unwrap();
    let command = CommandLine::parse("/bin/echo %n %N %p %i %H %%n")
        .unwrap()
        .for_unit(&unit);
    assert_eq!(
        command.words[1..],
        ["web@1.service", "web@1", "web", "1", "%H", "%%n"]
    );
}
