//! Tests of the dialect: continued lines, comments, headers, lines that are none.

use super::*;

/// A section's name, its line, and its keys and values with theirs.
type Expected<'a> = (&'a str, usize, &'a [(&'a str, &'a str, usize)]);

fn check(text: &str, expected: &[Expected<'_>]) {
    let file = SourceFile {
        path: std::path::Path::new("a.ward").into(),
        text: text.into(),
    };
    let (sections, problems) = split(&file);
    assert_eq!(problems, [], "{text:?}");
    let found: Vec<_> = sections
        .iter()
        .map(|s| {
            let entries: Vec<_> = s
                .entries
                .iter()
                .map(|e| (e.key.as_ref(), e.value.as_ref(), e.at.line))
                .collect();
            (s.name.as_ref(), s.at.line, entries)
        })
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, line, entries)| (*name, *line, entries.to_vec()))
        .collect();
    assert_eq!(found, expected, "{text:?}");
}

#[test]
fn order_and_repeats_are_kept_with_their_lines() {
    check(
        "[OnDeath]\nWaitFor=2s\nExecute=/a\nWaitFor=2s\nExecute=\n\n[OnDeath]\nLog=x = y : z\n",
        &[
            (
                "OnDeath",
                1,
                &[
                    ("WaitFor", "2s", 2),
                    ("Execute", "/a", 3),
                    ("WaitFor", "2s", 4),
                    ("Execute", "", 5),
                ],
            ),
            ("OnDeath", 7, &[("Log", "x = y : z", 8)]),
        ],
    );
}

#[test]
fn a_backslash_joins_lines_with_a_space_and_skips_comments_between() {
    check(
        "[A]\nK=one \\\n# no\n  two\\\n; nor this\nthree\nL=x\n",
        &[("A", 1, &[("K", "one  two three", 2), ("L", "x", 7)])],
    );
    check("[A]\nK=last\\", &[("A", 1, &[("K", "last", 2)])]);
}

#[test]
fn quotes_escapes_and_comment_marks_inside_values_stay() {
    check(
        "\u{feff}  [A]  \r\n K = \"a b\" 'c' \\x41 # no comment\r\n# comment\r\n;another\r\n",
        &[("A", 1, &[("K", "\"a b\" 'c' \\x41 # no comment", 2)])],
    );
}

#[test]
fn strays_are_named_with_their_line_and_cost_no_neighbour() {
    let text = "orphan=1\nnonsense\n[A]\nwhat is this\nk:v\nK=1\n[half\nL=2";
    let file = SourceFile {
        path: std::path::Path::new("a").into(),
        text: text.into(),
    };
    let (sections, problems) = split(&file);
    assert_eq!(
        problems.iter().map(|p| p.at.line).collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(sections.len(), 1);
    assert_eq!(
        sections[0]
            .strays
            .iter()
            .map(|s| s.at.line)
            .collect::<Vec<_>>(),
        [4, 5, 7]
    );
    assert_eq!(
        sections[0]
            .entries
            .iter()
            .map(|e| e.at.line)
            .collect::<Vec<_>>(),
        [6, 8]
    );
}

#[test]
fn any_text_is_split_without_panic() {
    for text in [
        "",
        "\\",
        "\\\n\\\n",
        "[",
        "[]",
        "[a\\]",
        "=",
        "[a]\n=",
        "[a]\nb=\\\\",
        "[a]\nb=c\\\\\nd=e",
        "\0",
        "[a]\n[a]\n[b]\n[a]\nk=1",
        "[é]\né=1",
    ] {
        let _ = split(&SourceFile {
            path: std::path::Path::new("a").into(),
            text: text.into(),
        });
    }
}
