//! What the house promises of itself: floors, dependencies, documentation.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, suffix: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).unwrap_or_else(|error| panic!("{}: {error}", at.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().ends_with(suffix) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder}");
    found
}

fn man(page: &str) -> String {
    fs::read_to_string(root().join("docs/man").join(page))
        .unwrap()
        .replace("\\-", "-")
}

#[test]
fn imports_go_downward_only() {
    for (folder, forbidden) in [
        (
            "src/core",
            &[
                "crate::edge",
                "crate::shell",
                "std::fs",
                "std::env",
                "std::process",
                "SystemTime::now",
                "Instant::now",
                "tracing::",
            ][..],
        ),
        (
            "src/edge",
            &[
                "crate::shell",
                "tokio",
                "zbus::Connection",
                "zbus::conn",
                "rumqttc",
            ],
        ),
    ] {
        for (path, text) in files(folder, ".rs") {
            let code = text.split("#[cfg(test)]").next().unwrap();
            for word in forbidden {
                assert!(!code.contains(word), "{} uses {word}", path.display());
            }
        }
    }
}

/// Whatever root starts must not depend on the environment around it. `src/edge/program.rs` says how.
#[test]
fn programs_are_started_in_one_place_and_the_environment_is_asked_in_few() {
    let variables = [
        "src/edge/program.rs",
        // Which run this is, if systemd's link says the same.
        "src/edge/step/this_run.rs",
        // The directory that PID 1 has made for the daemon, and whether its output is the journal's.
        "src/shell/daemon/cloud/credentials.rs",
        "src/shell/daemon/log.rs",
        // What a person at a terminal wants: no colours, another time zone.
        "src/shell/cli/desk.rs",
        "src/shell/cli/plan/difference.rs",
        "src/shell/cli/reports.rs",
        "src/shell/cli/reports/since.rs",
        // Where temporary files of a command go.
        "src/edge/history/read.rs",
        "src/shell/cli/check/verify.rs",
        // Whether tests write their fixtures anew.
        "src/shell/cli/desk/fixture.rs",
        "src/shell/survey/sample.rs",
    ];
    for (path, text) in files("src", ".rs")
        .into_iter()
        .chain(files("generator", ".rs"))
    {
        let name = path
            .strip_prefix(root())
            .unwrap()
            .to_string_lossy()
            .into_owned();
        if name.contains("/tests") {
            continue;
        }
        // Tests stand last in a file, as a module.
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for word in [
            "Command::new(",
            "libc::exec",
            "posix_spawn",
            "execve(",
            "fork(",
        ] {
            assert!(
                name == "src/edge/program.rs" || !code.contains(word),
                "{name} starts programs by itself: {word}"
            );
        }
        for word in [
            "env::var(",
            "env::var_os(",
            "env::vars",
            "std::env::{",
            "use std::env",
            "temp_dir(",
            "tempdir()",
            "tempfile()",
        ] {
            assert!(
                variables.contains(&name.as_str()) || !code.contains(word),
                "{name} asks the environment: {word}"
            );
        }
    }
}

#[test]
fn the_generator_and_the_helper_have_no_runtime_and_no_connection_to_a_bus_in_them() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--offline",
            "--no-default-features",
            "--edges=normal",
            "--prefix=none",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{tree:?}");
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.contains("serde_json"), "this is the tree: {tree}");
    // Without a runtime zbus has no connections, only the format of what PID 1 answers at its own socket.
    for heavy in [
        "tokio",
        "zruntime",
        "async-trait",
        "futures-core",
        "rumqttc",
        "clap",
        "rust-ini",
    ] {
        assert!(
            !tree
                .lines()
                .any(|line| line.split(' ').next() == Some(heavy)),
            "{heavy} in {tree}"
        );
    }
}

#[test]
fn every_message_is_in_its_man_page_and_in_the_catalog_and_the_other_way_round() {
    let ids = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !c.is_ascii_hexdigit());
        words
            .filter(|word| word.len() == 32)
            .map(str::to_owned)
            .collect()
    };
    let catalog =
        fs::read_to_string(root().join("units/usr/lib/systemd/catalog/unitward.catalog")).unwrap();
    let headers: String = catalog
        .lines()
        .filter(|line| line.starts_with("-- "))
        .collect();
    let mut all = BTreeSet::new();
    for (file, page) in [
        ("src/shell/daemon/messages.rs", "unitwardd.8"),
        ("src/edge/messages.rs", "unitward.1"),
        ("src/edge/full_restart/messages.rs", "unitward.1"),
        ("src/edge/step/messages.rs", "unitward-step.8"),
    ] {
        let code = ids(&fs::read_to_string(root().join(file)).unwrap());
        assert!(!code.is_empty(), "{file}");
        assert!(code.is_subset(&ids(&man(page))), "{file} in {page}");
        all.extend(code);
    }
    assert_eq!(all, ids(&headers));
}

#[test]
fn every_key_condition_and_step_is_in_its_man_page() {
    let page = man("unitward.ward.5");
    for word in [
        "OnDeath",
        "OnAbnormalDeath",
        "OnStart",
        "OnRestart",
        "OnStop",
        "OnLimit",
        "DoNow",
        "Once",
        "Independent",
        "OnStepFailure",
        "Execute",
        "WaitFor",
        "Restart",
        "Start",
        "Stop",
        "Reload",
        "Signal",
        "Log",
        "RestartStack",
        "Reboot",
        "ElseExecute",
        "ElseWaitFor",
        "ElseSignal",
        "ElseLog",
        "DelaySec",
        "MaxDelaySec",
        "ResetAfterSec",
        "DeathLimit",
        "DeathLimitIntervalSec",
        "Unit",
        "Stack",
        "Report",
    ] {
        assert!(
            page.contains(&format!("{word}=")) || page.contains(&format!("[{word}")),
            "{word} in unitward.ward(5)"
        );
    }
}

#[test]
fn every_key_of_a_stack_is_in_its_man_page_and_no_other() {
    let code = fs::read_to_string(root().join("src/core/config/read_stack.rs")).unwrap();
    let keys = code
        .split_once("const KEYS")
        .and_then(|(_, rest)| rest.split_once(';'))
        .unwrap()
        .1;
    let keys = keys
        .split(';')
        .next()
        .unwrap()
        .split('"')
        .skip(1)
        .step_by(2);
    let page = man("unitward.stack.5");
    let section = page
        .split_once(".Sh [Stack] SECTION")
        .unwrap()
        .1
        .split_once(".Sh ")
        .unwrap()
        .0;
    let described = section
        .lines()
        .filter_map(|line| line.strip_prefix(".It Li ")?.split_once('='));
    assert_eq!(
        described.map(|(key, _)| key).collect::<Vec<_>>(),
        keys.collect::<Vec<_>>()
    );
}

#[test]
fn every_setting_is_in_its_man_page_and_in_the_example() {
    let page = man("unitward.conf.5");
    let example = files("units", "unitward.conf")
        .into_iter()
        .find(|(path, _)| path.ends_with("etc/unitward/unitward.conf"));
    let (_, example) = example.expect("the example configuration");
    for word in [
        "NodeId",
        "LocationId",
        "FirmwareVersion",
        "Model",
        "Broker",
        "ClientId",
        "Username",
        "PasswordFile",
        "CAFile",
        "CertFile",
        "KeyFile",
        "CrashTopic",
        "RecoveryTopic",
        "Crashes",
        "Recoveries",
        "Burst",
        "BurstIntervalSec",
        "BacktraceTimeoutSec",
        "HistoryMaxUse",
        "HistoryMaxAge",
        "Units",
    ] {
        assert!(
            page.contains(&format!("{word}=")),
            "{word} in unitward.conf(5)"
        );
        assert!(
            example.contains(&format!("#{word}=")),
            "{word} in the example"
        );
    }
}

#[test]
fn every_file_tells_one_story() {
    for folder in ["src", "generator", "tests", "benches"] {
        for (path, text) in files(folder, ".rs") {
            let lines = text.lines().count();
            assert!(lines <= 400, "{} has {lines} lines", path.display());
            assert!(
                text.starts_with("//!"),
                "{} begins with what it is",
                path.display()
            );
        }
    }
}

#[test]
fn every_host_test_is_among_those_that_run() {
    let folder = root().join("tests/hosts");
    for (path, _) in files("tests/hosts", ".rs") {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        if stem == "main" || path.starts_with(folder.join("programs")) {
            continue;
        }
        let above = path.parent().unwrap();
        let parent = if above == folder {
            folder.join("main.rs")
        } else {
            above.with_extension("rs")
        };
        let text = fs::read_to_string(&parent).unwrap();
        let named = text
            .lines()
            .any(|line| line.trim_start_matches("pub(crate) ") == format!("mod {stem};"));
        assert!(
            named,
            "{} does not name {}",
            parent.display(),
            path.display()
        );
    }
}

/// As lintian wants it, which needs built packages to see.
#[test]
fn the_changelog_fits_a_terminal() {
    let changelog = fs::read_to_string(root().join("debian/changelog")).unwrap();
    for (at, line) in changelog
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.starts_with(" -- "))
    {
        assert!(
            line.chars().count() <= 80,
            "debian/changelog:{}: {line}",
            at + 1
        );
    }
}
