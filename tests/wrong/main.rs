//! Wrong configurations as people write them: `unitward check` finds the one mistake at its line and column, and its advice,
//! followed to the letter, mends it.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod cases;

use cases::{CASES, Case, Mend};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

/// What is installed on the host that all cases are for.
const UNITS: [(&str, &str); 7] = [
    ("multi-user.target", "[Unit]\n"),
    ("network.target", "[Unit]\n"),
    ("inetd.service", "[Service]\nExecStart=/usr/bin/sleep 1\n"),
    ("dbus.service", "[Service]\nExecStart=/usr/bin/sleep 1\n"),
    (
        "telldusd.service",
        "[Service]\nExecStart=/usr/bin/sleep 1\nRestart=on-failure\n",
    ),
    ("idle.service", "[Service]\nExecStart=/usr/bin/sleep 1\n"),
    ("getty@.service", "[Service]\nExecStart=/usr/bin/sleep 1\n"),
];

fn put(root: &Path, path: &str, text: &str, mode: u32) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    match text.strip_prefix("-> ") {
        Some(target) => symlink(target, path).unwrap(),
        None => {
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

/// A password is root's alone, unless it is a case that it is not.
fn mode_of(path: &str) -> u32 {
    if path.ends_with("/password") {
        0o600
    } else {
        0o644
    }
}

/// A host with the case's files.
fn host(case: &Case) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in UNITS {
        put(
            root.path(),
            &format!("usr/lib/systemd/system/{name}"),
            text,
            0o644,
        );
    }
    for program in ["sleep", "true", "mount", "umount"] {
        put(
            root.path(),
            &format!("usr/bin/{program}"),
            "#!/bin/sh\n",
            0o755,
        );
    }
    put(root.path(), "usr/bin/script", "#!/bin/sh\n", 0o644);
    put(
        root.path(),
        "etc/ssl/certs/ca-certificates.crt",
        "-----BEGIN CERTIFICATE-----\n",
        0o644,
    );
    for (path, text) in case.files {
        let place = path
            .strip_prefix('/')
            .map_or_else(|| format!("etc/{path}"), str::to_owned);
        put(root.path(), &place, text, mode_of(path));
    }
    root
}

fn follow(root: &Path, mend: &Mend) {
    let path = |path: &str| {
        root.join(
            path.strip_prefix('/')
                .map_or_else(|| format!("etc/{path}"), str::to_owned),
        )
    };
    match *mend {
        Mend::Write { file, wrong, right } => {
            let text = fs::read_to_string(path(file)).unwrap();
            assert!(text.contains(wrong), "{wrong:?} stands in {text:?}");
            fs::write(path(file), text.replacen(wrong, right, 1)).unwrap();
        }
        Mend::Rename(from, to) => fs::rename(path(from), path(to)).unwrap(),
        Mend::Remove(file) => fs::remove_file(path(file)).unwrap(),
        Mend::Add(file, text) => put(
            root,
            path(file).strip_prefix(root).unwrap().to_str().unwrap(),
            text,
            mode_of(file),
        ),
        Mend::Mode(file, mode) => {
            fs::set_permissions(path(file), fs::Permissions::from_mode(mode)).unwrap()
        }
    }
}

/// The lines of `unitward check`, and how it ends.
fn check(root: &Path, options: &[&str]) -> (Vec<String>, Option<i32>) {
    let done = Command::new(env!("CARGO_BIN_EXE_unitward"))
        .arg("check")
        .arg("--root")
        .arg(root)
        .args(options)
        .output()
        .unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    (
        said.lines().map(str::to_owned).collect(),
        done.status.code(),
    )
}

#[test]
fn each_mistake_is_found_at_its_place_and_the_advice_mends_it() {
    assert!(CASES.len() >= 40, "{}", CASES.len());
    let mut wrong = Vec::new();
    for case in CASES {
        let root = host(case);
        let (said, status) = check(root.path(), &[]);
        let place = format!("/etc/{} ", case.at);
        let finds = said.len() == 1
            && said[0].starts_with(&place)
            && case.says.iter().all(|words| said[0].contains(words));
        let warns = said.iter().all(|line| line.contains(" warning: "));
        if !finds || status != Some(i32::from(!warns)) {
            wrong.push(format!(
                "expected {place}{:?}, ends with {status:?}\n  {}",
                case.says,
                said.join("\n  ")
            ));
            continue;
        }
        assert_eq!(check(root.path(), &["--strict"]).1, Some(1), "{said:?}");
        follow(root.path(), &case.mend);
        let mended = check(root.path(), &["--strict"]);
        if mended != (Vec::new(), Some(0)) {
            wrong.push(format!(
                "{}\n  is not mended: {}",
                said[0],
                mended.0.join("\n  ")
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}\n{}",
        wrong.len(),
        CASES.len(),
        wrong.join("\n")
    );
}

#[test]
fn a_stray_byte_of_another_encoding_is_found_at_its_place_and_is_a_warning_in_a_comment() {
    let root = host(&Case {
        files: &[],
        at: "",
        says: &[],
        mend: Mend::Remove(""),
    });
    let settings = root.path().join("etc/unitward/unitward.conf");
    fs::create_dir_all(settings.parent().unwrap()).unwrap();
    let write = |text: &[u8]| fs::write(&settings, text).unwrap();
    write(b"[MQTT]\n# f\xfcr M\xfcnchen\nBroker=mqtt://broker:1883\n");
    let warning = "/etc/unitward/unitward.conf:2:4: warning: the comment is not UTF-8 text here; write it as UTF-8";
    assert_eq!(check(root.path(), &[]), (vec![warning.to_owned()], Some(0)));
    write(b"[MQTT]\nBroker=mqtt://broker:1883\nClientId=M\xfcnchen\n");
    let (said, status) = check(root.path(), &[]);
    assert_eq!((said.len(), status), (1, Some(1)), "{said:?}");
    assert!(
        said[0].starts_with("/etc/unitward/unitward.conf:3:1: expected"),
        "{said:?}"
    );
    assert!(
        said[0].ends_with("which is not UTF-8 text (write it as UTF-8); the line is ignored"),
        "{said:?}"
    );
    write("[MQTT]\n# für München\nBroker=mqtt://broker:1883\n".as_bytes());
    assert_eq!(check(root.path(), &[]), (Vec::new(), Some(0)));
}

#[test]
fn no_two_cases_are_the_same_mistake() {
    let messages: BTreeSet<_> = CASES.iter().map(|case| (case.at, case.says)).collect();
    assert_eq!(messages.len(), CASES.len());
}

#[test]
fn nothing_outside_the_root_is_read() {
    let outside = tempfile::tempdir().unwrap();
    put(outside.path(), "unitward/bad.ward", "nonsense\n", 0o644);
    put(
        outside.path(),
        "bad.service",
        "[Service]\nRestart=no\n",
        0o644,
    );
    let root = host(&CASES[0]);
    let etc = root.path().join("etc/unitward");
    fs::rename(&etc, root.path().join("real")).unwrap();
    // Seen from the host they lead to files in it, seen from here out of it.
    symlink("/real", &etc).unwrap();
    let elsewhere = outside.path().join("bad.service");
    symlink(
        &elsewhere,
        root.path().join("usr/lib/systemd/system/out.service"),
    )
    .unwrap();
    symlink(
        "/usr/lib/systemd/system/telldusd.service",
        root.path().join("usr/lib/systemd/system/alias.service"),
    )
    .unwrap();
    fs::write(
        root.path().join("real/out.ward"),
        "[Ward]\nUnit=alias.service\n",
    )
    .unwrap();
    symlink(
        outside.path().join("unitward/bad.ward"),
        root.path().join("real/bad.ward"),
    )
    .unwrap();
    let (said, status) = check(root.path(), &[]);
    assert_eq!(status, Some(1));
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said.iter()
            .any(|line| line.starts_with("/etc/unitward/bad.ward: the link leads nowhere")),
        "{said:?}"
    );
    assert!(
        said.iter()
            .any(|line| line.starts_with(&format!("/etc/{}", CASES[0].at))),
        "{said:?}"
    );
}

#[test]
fn without_a_root_directory_there_is_no_check() {
    let (said, status) = check(Path::new("/nonexistent/root"), &["--json"]);
    assert_eq!((said.len(), status), (0, Some(2)));
}

#[test]
fn the_json_of_a_check_has_its_shape() {
    let root = host(&CASES[0]);
    put(
        root.path(),
        "etc/unitward/twin.ward",
        "[Ward]\nUnit=web.service\n",
        0o644,
    );
    put(root.path(), "etc/unitward/lost.ward.bak", "[Ward]\n", 0o644);
    put(
        root.path(),
        "etc/unitward/all.stack",
        "[Stack]\nReport=no\n",
        0o644,
    );
    let (said, status) = check(root.path(), &["--json"]);
    assert_eq!((said.len(), status), (1, Some(1)));
    assert_eq!(said[0], include_str!("check.json").trim());
}
