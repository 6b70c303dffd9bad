//! Entries as both versions of systemd-coredump wrote them, and forged ones.

use super::*;

const RECORDED: [&str; 2] = [
    include_str!("../../core/crash/recorded/coredump-252.txt"),
    include_str!("../../core/crash/recorded/coredump-257.txt"),
];

/// The user `systemd-coredump` of the hosts that were recorded.
const DUMPER: Dumper = Dumper { uid: Some(997) };

fn lines(recorded: &str) -> impl Iterator<Item = &str> {
    recorded.lines().filter(|line| !line.starts_with('#'))
}

fn line<'a>(recorded: &'a str, unit: &str) -> &'a str {
    let unit = format!("\"COREDUMP_UNIT\":\"{unit}.service\"");
    lines(recorded).find(|line| line.contains(&unit)).unwrap()
}

/// The first line about a unit, with one field another.
fn with(unit: &str, field: &str, value: &str) -> String {
    let mut entry: serde_json::Value = serde_json::from_str(line(RECORDED[0], unit)).unwrap();
    entry[field] = serde_json::from_str(value).unwrap();
    entry.to_string()
}

#[test]
fn what_both_versions_write_is_understood() {
    let invocations = [
        "13a76ad3a3964d6f845a65a83b33f480",
        "c8f9e82d8b5645f58dcce29d07564d58",
    ];
    let pids = [548, 628];
    for ((recorded, invocation), pid) in RECORDED.into_iter().zip(invocations).zip(pids) {
        let core = Core::parse(line(recorded, "odd-gone"), DUMPER).unwrap();
        assert_eq!(core.unit, "odd-gone.service");
        assert_eq!(core.invocation.unwrap().as_str(), invocation);
        assert_eq!((core.pid, core.signal), (pid, 11));
        assert!(
            (1_795_238_000_000..1_795_239_000_000).contains(&core.at_ms),
            "{}",
            core.at_ms
        );
        assert_eq!(core.boot.len(), 32);
    }
}

#[test]
fn every_entry_but_the_forged_one_is_believed() {
    for recorded in RECORDED {
        let believed: Vec<_> = lines(recorded)
            .map(|line| Core::parse(line, DUMPER).is_some())
            .collect();
        assert_eq!(believed, [vec![true; 9], vec![false]].concat());
    }
}

#[test]
fn journalctl_selects_by_what_journald_says_of_the_writer() {
    let slice = [MATCH, r"_SYSTEMD_SLICE=system-systemd\x2dcoredump.slice"];
    assert_eq!(Dumper { uid: None }.matches().collect::<Vec<_>>(), slice);
    let expect = [&slice[..], &["+", MATCH, "_UID=997"]].concat();
    assert_eq!(DUMPER.matches().collect::<Vec<_>>(), expect);
}

#[test]
fn only_what_journald_says_of_the_writer_counts() {
    for (unit, uid, dumper, believed) in [
        (
            r#""systemd-coredump@3-1-0.service""#,
            r#""1000""#,
            None,
            true,
        ),
        (
            r#""systemd-coredump@3-1-0.service""#,
            r#""1000""#,
            Some(997),
            true,
        ),
        ("null", r#""997""#, Some(997), true),
        (r#""elsewhere.service""#, r#""997""#, Some(997), true),
        ("null", r#""997""#, None, false),
        ("null", r#""0""#, Some(997), false),
        ("null", r#""1000""#, Some(997), false),
        ("null", "null", Some(997), false),
        (r#""user@1000.service""#, r#""1000""#, Some(997), false),
        (
            r#""systemd-coredump@3-1-0.socket""#,
            r#""1000""#,
            Some(997),
            false,
        ),
        (
            r#""my-systemd-coredump@3.service""#,
            r#""1000""#,
            Some(997),
            false,
        ),
    ] {
        let mut entry: serde_json::Value =
            serde_json::from_str(line(RECORDED[1], "caller")).unwrap();
        entry["_SYSTEMD_UNIT"] = serde_json::from_str(unit).unwrap();
        entry["_UID"] = serde_json::from_str(uid).unwrap();
        let core = Core::parse(&entry.to_string(), Dumper { uid: dumper });
        assert_eq!(core.is_some(), believed, "{unit} {uid} {dumper:?}");
    }
}

#[test]
fn the_dumpers_user_is_found() {
    let place = tempfile::tempdir().unwrap();
    assert_eq!(Dumper::of(place.path()), Dumper { uid: None });
    fs::create_dir(place.path().join("etc")).unwrap();
    let users = "root:x:0:0:root:/root:/bin/bash\nsystemd-coredump:!*:997:996:systemd Core Dumper:/:/usr/sbin/nologin\n";
    fs::write(place.path().join("etc/passwd"), users).unwrap();
    assert_eq!(Dumper::of(place.path()), DUMPER);
}

#[test]
fn the_journal_is_where_journald_writes() {
    let place = tempfile::tempdir().unwrap();
    assert_eq!(journal_directory(place.path()), None);
    fs::create_dir(place.path().join("etc")).unwrap();
    fs::write(place.path().join("etc/machine-id"), "0123\n").unwrap();
    assert_eq!(journal_directory(place.path()), None);
    for directory in ["var/log/journal/0123", "run/log/journal/0123"] {
        fs::create_dir_all(place.path().join(directory)).unwrap();
        fs::write(place.path().join(directory).join("system.journal"), "").unwrap();
        assert_eq!(
            journal_directory(place.path()),
            Some(place.path().join(directory))
        );
    }
}

#[test]
fn a_value_may_be_text_bytes_or_several() {
    for (value, pid) in [
        (r#""17""#, Some(17)),
        ("[49,55]", Some(17)),
        (r#"["17","18"]"#, Some(17)),
        (r#"[null,"18"]"#, Some(18)),
        ("[[49,55],[49]]", Some(17)),
        ("null", None),
        (r#""""#, None),
        (r#""-1""#, None),
    ] {
        let core = Core::parse(&with("caller", "COREDUMP_PID", value), DUMPER);
        assert_eq!(core.map(|core| core.pid), pid, "{value}");
    }
    for no_entry in [
        "",
        "{}",
        "[]",
        "null",
        "{\"MESSAGE\":",
        "{\"MESSAGE\":{}}",
        "nonsense",
    ] {
        assert_eq!(Core::parse(no_entry, DUMPER), None, "{no_entry}");
    }
    assert_eq!(
        Core::parse(&with("caller", "MESSAGE_ID", r#""39""#), DUMPER),
        None
    );
    assert_eq!(
        Core::parse(&with("caller", "COREDUMP_UNIT", r#""""#), DUMPER),
        None
    );
}

#[test]
fn a_process_without_environment_has_no_invocation() {
    for recorded in RECORDED {
        assert_eq!(
            Core::parse(line(recorded, "odd-bare"), DUMPER)
                .unwrap()
                .invocation,
            None
        );
    }
}

fn resolver() -> Resolver {
    Resolver::new(std::time::Instant::now() + std::time::Duration::from_secs(10))
}

#[test]
fn without_the_objects_the_names_are_those_of_the_entry() {
    let place = tempfile::tempdir().unwrap();
    let core = Core::parse(line(RECORDED[0], "names"), DUMPER).unwrap();
    let expect = "0 > 0x55bdc5041160: mount::tables::Ring<int, 7>::push(int*) 0 /opt/bin/names\n \
        1 > 0x55bdc5041132: mount::tables::fill(mount::tables::Ring<int, 7>&, int*) 0 /opt/bin/names\n \
        2 > 0x55bdc5041157: main 0 /opt/bin/names\n \
        3 > 0x7f87b23d624a: (null) 0 /usr/lib/x86_64-linux-gnu/libc.so.6\n \
        4 > 0x7f87b23d6305: __libc_start_main 0 /usr/lib/x86_64-linux-gnu/libc.so.6\n \
        5 > 0x55bdc5041061: _start 0 /opt/bin/names\n";
    assert_eq!(
        core.backtrace(place.path(), &resolver()).as_deref(),
        Some(expect)
    );
}

#[test]
fn an_entry_without_a_stack_has_no_backtrace() {
    let core = Core::parse(
        &with(
            "caller",
            "MESSAGE",
            r#""Process 1 (x) of user 0 dumped core.""#,
        ),
        DUMPER,
    )
    .unwrap();
    assert_eq!(core.backtrace(Path::new("/"), &resolver()), None);
}

#[test]
fn a_process_that_lived_elsewhere_is_not_looked_up_here() {
    for recorded in RECORDED {
        let core = Core::parse(line(recorded, "odd-root"), DUMPER).unwrap();
        assert_eq!(core.filesystem, Filesystem::Other);
        assert!(
            core.backtrace(Path::new("/"), &resolver())
                .unwrap()
                .contains(": reach_too_far 0 /opt/bin/levels-pie\n")
        );
        assert_eq!(
            Core::parse(line(recorded, "odd-user"), DUMPER)
                .unwrap()
                .filesystem,
            Filesystem::Host
        );
    }
    let chrooted = Core::parse(&with("caller", "COREDUMP_ROOT", r#""/srv""#), DUMPER).unwrap();
    assert_eq!(chrooted.filesystem, Filesystem::Other);
}

#[test]
fn build_ids_are_taken_from_the_packages_an_entry_names() {
    let core = Core::parse(line(RECORDED[1], "panics"), DUMPER).unwrap();
    let expect = BuildIds::from([(
        "libgcc_s.so.1".into(),
        "12eddb764a9c4e3c9ad99b3e645cbd206521af07".into(),
    )]);
    assert_eq!(build_ids(&core.packages), expect);
    for nothing in ["", "[]", "{\"x\":1}", "{\"x\":{\"buildId\":1}}"] {
        assert_eq!(build_ids(nothing), BuildIds::new(), "{nothing}");
    }
}

#[test]
fn dumps_are_handed_over_to_programs_only() {
    let root = tempfile::tempdir().unwrap();
    assert!(are_handed_over(root.path()), "the kernel does not say");
    fs::create_dir_all(root.path().join("proc/sys/kernel")).unwrap();
    for (pattern, expect) in [
        ("|/usr/lib/systemd/systemd-coredump %P", true),
        ("@@/run/systemd/coredump", true),
        ("core", false),
        ("/var/cores/%p", false),
        ("", false),
    ] {
        fs::write(
            root.path().join("proc/sys/kernel/core_pattern"),
            format!("{pattern}\n"),
        )
        .unwrap();
        assert_eq!(are_handed_over(root.path()), expect, "{pattern}");
    }
}
