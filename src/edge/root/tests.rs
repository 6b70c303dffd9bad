//! Tests of the files that count.

mod trust;

use super::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};

const WARD: &str = "[Ward]\nUnit=x.service\n";

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn names(root: &Path) -> (Vec<String>, Vec<String>) {
    let (config, problems) = load(root);
    (
        config
            .wards
            .iter()
            .map(|w| w.path.display().to_string())
            .collect(),
        problems.iter().map(ToString::to_string).collect(),
    )
}

#[test]
fn etc_wins_over_run_and_usr() {
    let root = tree(&[
        ("usr/lib/unitward/a.ward", WARD),
        ("run/unitward/a.ward", WARD),
        ("etc/unitward/a.ward", WARD),
    ]);
    assert_eq!(
        names(root.path()),
        (vec!["/etc/unitward/a.ward".into()], vec![])
    );
    fs::remove_file(root.path().join("etc/unitward/a.ward")).unwrap();
    assert_eq!(
        names(root.path()),
        (vec!["/run/unitward/a.ward".into()], vec![])
    );
}

#[test]
fn an_empty_file_and_a_link_to_dev_null_mask() {
    let root = tree(&[
        ("usr/lib/unitward/a.ward", WARD),
        ("usr/lib/unitward/b.ward", WARD),
        ("etc/unitward/a.ward", ""),
    ]);
    symlink("/dev/null", root.path().join("etc/unitward/b.ward")).unwrap();
    assert_eq!(names(root.path()), (vec![], vec![]));
}

#[test]
fn drop_ins_of_all_directories_apply_by_name_and_the_first_of_a_name_wins() {
    let root = tree(&[
        ("usr/lib/unitward/a.ward", WARD),
        (
            "usr/lib/unitward/a.ward.d/10.conf",
            "[Recovery]\nDeathLimit=1\n",
        ),
        (
            "usr/lib/unitward/a.ward.d/20.conf",
            "[Recovery]\nDeathLimit=2\nDelaySec=9\n",
        ),
        (
            "etc/unitward/a.ward.d/20.conf",
            "[Recovery]\nDeathLimit=3\n",
        ),
        ("etc/unitward/a.ward.d/note.txt", "garbage"),
    ]);
    let (config, problems) = load(root.path());
    assert_eq!(problems, []);
    let recovery = &config.wards[0].recovery;
    assert_eq!((recovery.death_limit, recovery.delay.as_secs()), (3, 0));
}

#[test]
fn unsafe_and_unreadable_files_are_refused_with_advice() {
    let root = tree(&[
        ("etc/unitward/a.ward", WARD),
        ("etc/unitward/big.ward", &"#".repeat(1 << 21)),
    ]);
    let folder = root.path().join("etc/unitward");
    fs::set_permissions(folder.join("a.ward"), fs::Permissions::from_mode(0o664)).unwrap();
    fs::write(folder.join("binary.ward"), b"[Ward]\n\xff\xfe\0").unwrap();
    fs::create_dir(folder.join("folder.ward")).unwrap();
    symlink("nowhere", folder.join("link.ward")).unwrap();
    symlink("loop.ward", folder.join("loop.ward")).unwrap();
    let (wards, problems) = names(root.path());
    assert_eq!(wards, [""; 0]);
    let expected = [
        "a.ward: others",
        "big.ward: the file has",
        "folder.ward: this is not",
        "link.ward: the link",
        "loop.ward: the link",
        "binary.ward:2:3: the file holds a NUL byte",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    for (said, words) in problems.iter().zip(expected) {
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn bytes_that_are_not_utf_8_cost_their_line_and_a_comment_nothing() {
    let root = tree(&[("etc/unitward/a.ward", "")]);
    let folder = root.path().join("etc/unitward");
    let settings =
        b"# f\xfcr M\xfcnchen\n[Node]\nNodeId=M\xfcnchen\n[MQTT]\nBroker=mqtt://broker:1883\n";
    fs::write(folder.join("unitward.conf"), settings).unwrap();
    let steps = b"[OnDeath]\nLog=M\xfcnchen\n[OnStop]\nLog=\xc3\xbc\n".as_slice();
    fs::write(folder.join("a.ward"), [WARD.as_bytes(), steps].concat()).unwrap();
    let (config, problems) = load(root.path());
    let said: Vec<_> = problems.iter().map(Problem::sentence).collect();
    let expected = [
        "/etc/unitward/unitward.conf:1:4: warning: the comment is not UTF-8 text here; write it as UTF-8",
        "/etc/unitward/unitward.conf:3:1: expected [Section], Key=Value or # and a comment, found \"NodeId=M\u{fffd}nchen\", \
         which is not UTF-8 text (write it as UTF-8); the line is ignored",
        "/etc/unitward/a.ward:4:1: expected Key=Value in [OnDeath], found \"Log=M\u{fffd}nchen\", \
         which is not UTF-8 text (write it as UTF-8); the whole [OnDeath] is ignored",
    ];
    assert_eq!(said, expected);
    assert!(config.settings.mqtt.broker.is_some());
    assert_eq!(
        config.wards[0]
            .conditions
            .iter()
            .map(|one| one.id.as_str())
            .collect::<Vec<_>>(),
        ["OnStop"]
    );
}

#[test]
fn an_unsafe_drop_in_costs_its_ward() {
    let root = tree(&[
        ("etc/unitward/a.ward", WARD),
        ("etc/unitward/a.ward.d/x.conf", "[Recovery]\nDeathLimit=1\n"),
    ]);
    let drop_in = root.path().join("etc/unitward/a.ward.d/x.conf");
    fs::set_permissions(drop_in, fs::Permissions::from_mode(0o666)).unwrap();
    let (wards, problems) = names(root.path());
    assert_eq!((wards.len(), problems.len()), (0, 1), "{problems:?}");
}

#[test]
fn an_unsafe_drop_in_folder_costs_its_ward_too() {
    let root = tree(&[
        ("etc/unitward/a.ward", WARD),
        ("etc/unitward/a.ward.d/x.conf", "[Recovery]\nDeathLimit=1\n"),
    ]);
    let folder = root.path().join("etc/unitward/a.ward.d");
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    let (wards, problems) = names(root.path());
    assert_eq!((wards.len(), problems.len()), (0, 1), "{problems:?}");
}

#[test]
fn drop_ins_alone_make_settings_unless_the_main_file_masks_them() {
    let root = tree(&[("etc/unitward/unitward.conf.d/x.conf", "[Node]\nNodeId=x\n")]);
    assert_eq!(
        load(root.path()).0.settings.node.node_id.as_deref(),
        Some("x")
    );
    fs::write(root.path().join("etc/unitward/unitward.conf"), "").unwrap();
    assert_eq!(load(root.path()).0.settings.node.node_id, None);
}

#[test]
fn an_alias_is_adopted_by_the_units_own_name() {
    let root = tree(&[
        ("usr/lib/systemd/system/real.service", "[Service]\n"),
        ("etc/unitward/a.ward", "[Ward]\nUnit=alias.service\n"),
        ("etc/unitward/b.ward", "[Ward]\nUnit=real.service\n"),
    ]);
    fs::create_dir_all(root.path().join("etc/systemd/system")).unwrap();
    symlink(
        "/usr/lib/systemd/system/real.service",
        root.path().join("etc/systemd/system/alias.service"),
    )
    .unwrap();
    let (config, problems) = load(root.path());
    assert_eq!(
        config
            .wards
            .iter()
            .map(|w| w.unit().to_string())
            .collect::<Vec<_>>(),
        ["real.service"]
    );
    assert!(
        problems[0]
            .to_string()
            .contains("real.service is guarded by /etc/unitward/a.ward"),
        "{problems:?}"
    );
}

#[test]
fn the_ward_that_defines_a_unit_has_it_whichever_name_sorts_first() {
    let adopts = "[Ward]\nUnit=m.service\n";
    for adopter in ["a", "z"] {
        let path = format!("etc/unitward/{adopter}.ward");
        let root = tree(&[
            ("etc/unitward/m.ward", "[Service]\nExecStart=/bin/true\n"),
            (&path, adopts),
        ]);
        let (wards, problems) = names(root.path());
        assert_eq!(wards, ["/etc/unitward/m.ward"]);
        let said = format!("/{path}:2:6: m.service is guarded by /etc/unitward/m.ward already");
        assert!(
            problems.len() == 1 && problems[0].starts_with(&said),
            "{problems:?}"
        );
    }
    let root = tree(&[
        ("etc/unitward/a.ward", adopts),
        ("etc/unitward/m.ward", WARD),
        ("etc/unitward/z.ward", adopts),
    ]);
    assert_eq!(
        names(root.path()).0,
        ["/etc/unitward/a.ward", "/etc/unitward/m.ward"]
    );
}

#[test]
fn a_folder_that_others_may_write_is_not_trusted() {
    let root = tree(&[("etc/unitward/a.ward", WARD)]);
    fs::set_permissions(
        root.path().join("etc/unitward"),
        fs::Permissions::from_mode(0o777),
    )
    .unwrap();
    let (wards, problems) = names(root.path());
    assert_eq!((wards.len(), problems.len()), (0, 1), "{problems:?}");
}

#[test]
fn links_stay_inside_the_root() {
    let root = tree(&[("usr/share/a.ward", WARD), ("etc/unitward/x", "")]);
    symlink("/usr/share/a.ward", root.path().join("etc/unitward/a.ward")).unwrap();
    assert_eq!(
        names(root.path()),
        (vec!["/etc/unitward/a.ward".into()], vec![])
    );
}

#[test]
fn a_stack_has_the_search_path_the_masks_and_the_drop_ins_of_a_ward() {
    let root = tree(&[
        ("usr/lib/unitward/a.stack", "[Stack]\nName=vendor\n"),
        (
            "usr/lib/unitward/a.stack.d/10.conf",
            "[Stack]\nTimeoutSec=1\nReport=no\n",
        ),
        ("etc/unitward/a.stack", "[Stack]\nName=admin\n"),
        ("etc/unitward/a.stack.d/20.conf", "[Stack]\nReport=yes\n"),
        ("usr/lib/unitward/masked.stack", "[Stack]\n"),
        ("etc/unitward/masked.stack", ""),
        ("etc/unitward/m.ward", "[Ward]\nUnit=m.service\nStack=a\n"),
    ]);
    let (config, problems) = load(root.path());
    assert_eq!(problems, []);
    let stacks: Vec<_> = config
        .stacks
        .iter()
        .map(|stack| (stack.identifier.as_str(), stack.report))
        .collect();
    assert_eq!(stacks, [("admin", true)]);
    assert_eq!(config.stacks[0].timeout.as_secs(), 1);
    assert_eq!(config.wards[0].stack.as_ref(), Some(&config.stacks[0].name));
}

#[test]
fn an_unsafe_drop_in_costs_its_stack_and_leaves_its_members_guarded() {
    let root = tree(&[
        ("etc/unitward/a.stack", "[Stack]\n"),
        (
            "etc/unitward/a.stack.d/x.conf",
            "[Stack]\nRestartScript=/tmp/x\n",
        ),
        ("etc/unitward/m.ward", "[Ward]\nUnit=m.service\nStack=a\n"),
    ]);
    let drop_in = root.path().join("etc/unitward/a.stack.d/x.conf");
    fs::set_permissions(drop_in, fs::Permissions::from_mode(0o666)).unwrap();
    let (config, problems) = load(root.path());
    assert_eq!((config.stacks.len(), config.wards.len()), (0, 1));
    let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert!(
        said.len() == 2 && said[0].contains("x.conf: others"),
        "{said:?}"
    );
    assert!(
        said[1].contains("/etc/unitward/m.ward:3:7: there is no stack \"a\""),
        "{said:?}"
    );
}

#[test]
fn a_stack_adopts_a_target_by_its_own_name_and_hides_none() {
    let root = tree(&[
        ("usr/lib/systemd/system/real.target", "[Unit]\n"),
        ("etc/unitward/a.stack", "[Stack]\nUnit=alias.target\n"),
        ("etc/unitward/b.stack", "[Stack]\nUnit=real.target\n"),
        ("etc/unitward/real.stack", "[Stack]\n"),
    ]);
    symlink(
        "real.target",
        root.path().join("usr/lib/systemd/system/alias.target"),
    )
    .unwrap();
    let (config, problems) = load(root.path());
    assert_eq!(
        config
            .stacks
            .iter()
            .map(|stack| stack.unit().to_string())
            .collect::<Vec<_>>(),
        ["real.target"]
    );
    let said: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert!(
        said.len() == 2 && said[0].contains("real.target is the unit of /etc/unitward/a.stack"),
        "{said:?}"
    );
    assert!(
        said[1].contains("exists already, in /usr/lib/systemd/system/real.target"),
        "{said:?}"
    );
}
