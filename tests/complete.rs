//! What there is, is described: each command and option in unitward(1), each JSON key that a fixture has, each room in the map of
//! the house, each call of the library. And the man pages are well-formed.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder.
fn files(folder: &str) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![root().join(folder)]);
    while let Some(at) = open.pop() {
        for path in fs::read_dir(&at)
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
        {
            if path.is_dir() {
                open.push(path)
            } else {
                found.push(path)
            }
        }
    }
    found
}

fn man(page: &str) -> String {
    fs::read_to_string(root().join("docs/man").join(page))
        .unwrap()
        .replace("\\-", "-")
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'))
        .collect()
}

/// The part of the synopsis that is a command's: from its line on to the next `.Nm`.
fn synopsis<'a>(page: &'a str, command: &[&str]) -> &'a str {
    let all = page
        .split_once(".Sh SYNOPSIS")
        .unwrap()
        .1
        .split_once("\n.Sh ")
        .unwrap()
        .0;
    let line = format!("\n.Cm {}\n", command.join(" "));
    let at = all.split(".Nm").find(|part| part.contains(&line));
    at.unwrap_or_else(|| {
        panic!(
            "unitward {} is not in the synopsis of unitward(1)",
            command.join(" ")
        )
    })
}

fn check_command(page: &str, command: &clap::Command, path: &[&str]) {
    let synopsis = words(synopsis(page, path));
    let described: BTreeSet<_> = page
        .lines()
        .filter(|line| line.starts_with(".It "))
        .flat_map(words)
        .collect();
    let called = path.join(" ");
    assert!(
        page.contains(&format!("\n.It Cm {called}")),
        "unitward(1) does not describe {called}"
    );
    for argument in command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set())
    {
        if let Some(long) = argument.get_long() {
            let option = format!("-{long}");
            assert!(
                synopsis.contains(option.as_str()),
                "{called} --{long} in the synopsis of unitward(1)"
            );
            assert!(
                described.contains(option.as_str()),
                "--{long} in unitward(1)"
            );
        }
        if let Some(short) = argument.get_short() {
            assert!(
                described.contains(short.to_string().as_str()),
                "-{short} in unitward(1)"
            );
        }
        for value in argument
            .get_value_names()
            .unwrap_or_default()
            .iter()
            .filter(|_| argument.get_action().takes_values())
        {
            let parts: Vec<_> = value.as_str().split('|').collect();
            assert!(
                parts.iter().all(|part| synopsis.contains(part)),
                "{called} {value} in the synopsis of unitward(1)"
            );
        }
    }
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
    {
        check_command(page, below, &[path, &[below.get_name()]].concat());
    }
}

#[test]
fn every_command_option_and_argument_is_in_the_man_page() {
    let page = man("unitward.1");
    let definition = unitward::shell::cli::definition();
    for command in definition
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
    {
        check_command(&page, command, &[command.get_name()]);
    }
}

fn keys<'a>(value: &'a Value, into: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| {
            into.insert(key);
            keys(value, into);
        }),
        Value::Array(elements) => elements.iter().for_each(|element| keys(element, into)),
        _ => {}
    }
}

#[test]
fn every_key_of_a_document_is_in_the_man_page() {
    let page = man("unitward.1");
    let literals: BTreeSet<_> = page
        .lines()
        .filter(|line| line.contains("Li "))
        .flat_map(words)
        .collect();
    let mut documents = 0;
    for path in files("src/shell")
        .into_iter()
        .chain(files("tests/fixtures/desk"))
    {
        let kind = path.extension().and_then(|extension| extension.to_str());
        if !matches!(kind, Some("json" | "jsonl")) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for document in serde_json::Deserializer::from_str(&text).into_iter::<Value>() {
            let document = document.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let mut found = BTreeSet::new();
            keys(&document, &mut found);
            let missing: Vec<_> = found.difference(&literals).collect();
            assert!(
                missing.is_empty(),
                "keys of {} are not in unitward(1): {missing:?}",
                path.display()
            );
            documents += 1;
        }
    }
    assert!(documents > 0);
}

#[test]
fn every_room_is_on_the_map_and_the_map_has_no_other() {
    let map = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    for (place, folder) in [
        ("[`core`]", "core"),
        ("[`edge`]", "edge"),
        ("`shell`", "shell"),
        ("`shell::daemon`", "shell/daemon"),
    ] {
        let begin = map
            .lines()
            .position(|line| line.starts_with(&format!("//! In {place}")))
            .unwrap();
        let rooms = map
            .lines()
            .skip(begin + 1)
            .take_while(|line| line.starts_with("//! * `"));
        let drawn: BTreeSet<_> = rooms
            .map(|line| line.split('`').nth(1).unwrap().to_owned())
            .collect();
        let entries = fs::read_dir(root().join("src").join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let there: BTreeSet<_> = entries
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        let there: BTreeSet<_> = there
            .into_iter()
            .filter(|name| name != "mod" && name != "tests")
            .collect();
        assert_eq!(drawn, there, "src/lib.rs draws the rooms of {place}");
    }
}

#[test]
fn every_call_of_the_library_is_in_its_man_page() {
    let header = fs::read_to_string(root().join("libunitward/unitward.h")).unwrap();
    let calls: BTreeSet<_> = words_with_underscores(&header)
        .filter(|word| word.starts_with("unitward_restart"))
        .collect();
    assert!(!calls.is_empty());
    let page = man("unitward_restart_stack.3");
    for call in calls {
        assert!(
            page.contains(&format!(".Nm {call}")) && page.contains(&format!(".Fn {call} \"")),
            "{call}"
        );
    }
}

fn words_with_underscores(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

#[test]
fn the_man_pages_are_well_formed() {
    for path in files("docs/man") {
        let done = Command::new("mandoc")
            .args(["-Tlint", "-Wwarning"])
            .arg(&path)
            .output();
        let done = done
            .unwrap_or_else(|error| panic!("mandoc is missing, make tools installs it: {error}"));
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stdout)
        );
    }
}
