//! Golden trees: a configuration in `tests/golden/CASE/root`, the generator's whole output in `CASE/expected`, what
//! `unitward check` says of it in `CASE/problems`. `UNITWARD_BLESS=1 cargo test --test golden` rewrites them.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(cases.len() >= 5, "the golden cases are there");
    cases
}

/// Every file below `folder` with its text, every link with `-> target`.
fn tree(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            if let Ok(target) = fs::read_link(&path) {
                found.insert(name, format!("-> {}", target.display()));
            } else if path.is_dir() {
                open.push(path);
            } else {
                found.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

fn generate(root: &Path) -> tempfile::TempDir {
    let out = tempfile::tempdir().unwrap();
    let directories = ["normal", "early", "late"].map(|name| out.path().join(name));
    for directory in &directories {
        fs::create_dir(directory).unwrap();
    }
    let done = Command::new(env!("CARGO_BIN_EXE_unitward-generator"))
        .arg("--root")
        .arg(root)
        .args(&directories)
        .output()
        .unwrap();
    assert!(done.status.success(), "the generator never fails: {done:?}");
    out
}

/// Nothing of ours is ever early.
fn without_empty_early(tree: BTreeMap<String, String>) -> BTreeMap<String, String> {
    assert!(
        !tree.keys().any(|name| name.starts_with("early/")),
        "{tree:?}"
    );
    tree
}

fn copy(from: &BTreeMap<String, String>, to: &Path) {
    let _ = fs::remove_dir_all(to);
    for (name, text) in from {
        let path = to.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("-> ") {
            Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            None => fs::write(path, text).unwrap(),
        }
    }
}

#[test]
fn the_generator_writes_the_golden_trees() {
    for case in cases() {
        let out = generate(&case.join("root"));
        let written = without_empty_early(tree(out.path()));
        if std::env::var_os("UNITWARD_BLESS").is_some() {
            copy(&written, &case.join("expected"));
        }
        assert_eq!(written, tree(&case.join("expected")), "{}", case.display());
    }
}

/// A program that PID 1 starts as root is loaded with the variables of the unit, which the service's user may choose: ours is
/// static, and so the only one.
#[test]
fn no_line_of_ours_runs_another_program_as_root() {
    let mut seen = 0;
    for case in cases() {
        let given: String = tree(&case.join("root")).into_values().collect();
        for (name, text) in tree(&case.join("expected")) {
            let commands = text.lines().filter_map(|line| {
                let (key, command) = line.split_once('=')?;
                key.starts_with("Exec").then_some(command)
            });
            for command in commands {
                let program = command.trim_start_matches(['-', '+', ':']);
                let is_roots = command[..command.len() - program.len()].contains('+');
                let is_of_the_unit = given.contains(command);
                if is_roots && !is_of_the_unit {
                    assert!(
                        program.starts_with("/usr/lib/unitward/unitward-step "),
                        "{name}: {command}"
                    );
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 80, "{seen}");
}

#[test]
fn the_same_input_gives_the_same_bytes_and_leaves_no_temporary_file() {
    for case in cases() {
        let (once, again) = (generate(&case.join("root")), generate(&case.join("root")));
        assert_eq!(tree(once.path()), tree(again.path()));
        assert!(
            !tree(once.path())
                .keys()
                .any(|name| name.contains(".unitward-")),
            "{}",
            case.display()
        );
    }
}

#[test]
fn two_generators_may_write_into_one_directory_at_once() {
    for case in cases() {
        let out = tempfile::tempdir().unwrap();
        let start = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_unitward-generator"));
            command
                .arg("--root")
                .arg(case.join("root"))
                .arg(out.path())
                .spawn()
                .unwrap()
        };
        for mut child in [start(), start(), start()] {
            assert!(child.wait().unwrap().success());
        }
        // Called with one directory, everything goes there.
        let expected = tree(&case.join("expected"));
        let flat = expected
            .into_iter()
            .map(|(name, text)| (name.split_once('/').unwrap().1.to_owned(), text));
        assert_eq!(tree(out.path()), flat.collect(), "{}", case.display());
    }
}

#[cfg(feature = "full")]
#[test]
fn check_says_what_is_wrong_with_the_golden_cases() {
    for case in cases() {
        let done = Command::new(env!("CARGO_BIN_EXE_unitward"))
            .arg("check")
            .arg("--root")
            .arg(case.join("root"))
            .output()
            .unwrap();
        let said = String::from_utf8(done.stdout).unwrap();
        let path = case.join("problems");
        if std::env::var_os("UNITWARD_BLESS").is_some() {
            fs::write(&path, &said).unwrap();
        }
        assert_eq!(
            said,
            fs::read_to_string(&path).unwrap_or_default(),
            "{}",
            case.display()
        );
    }
}

#[cfg(feature = "full")]
#[test]
fn plan_prints_what_the_generator_writes() {
    for case in cases() {
        let done = Command::new(env!("CARGO_BIN_EXE_unitward"))
            .arg("plan")
            .arg("--root")
            .arg(case.join("root"))
            .output()
            .unwrap();
        let said = String::from_utf8(done.stdout).unwrap();
        for (name, text) in tree(&case.join("expected")) {
            let name = name
                .replacen("normal/", "", 1)
                .replacen("late/", "../generator.late/", 1);
            let heading = format!("# /run/systemd/generator/{name}").replace("generator/../", "");
            let shown = if text.starts_with("-> ") {
                format!("{heading} {text}\n")
            } else {
                format!("{heading}\n{text}")
            };
            assert!(said.contains(&shown), "{}: {name}", case.display());
        }
    }
}

#[cfg(feature = "full")]
#[test]
fn the_examples_are_sound() {
    let examples = tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"));
    let root = tempfile::tempdir().unwrap();
    copy(&examples, &root.path().join("etc/unitward"));
    let done = Command::new(env!("CARGO_BIN_EXE_unitward"))
        .arg("check")
        .arg("--root")
        .arg(root.path())
        .output()
        .unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{said}");
    // The units they adopt, and a broker, are the reader's.
    let others =
        |line: &&str| !line.contains("has no unit file") && !line.contains("there is no Broker=");
    assert_eq!(said.lines().filter(others).collect::<Vec<_>>(), [""; 0]);
}
