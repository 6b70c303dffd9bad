//! Tests of the search for unit files.

use super::*;
use crate::core::unit::Timeout;
use std::time::Duration;

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn drop_ins_and_templates_are_read_in_systemds_order() {
    let root = tempfile::tempdir().unwrap();
    write(
        root.path(),
        "usr/lib/systemd/system/web@.service",
        "[Service]\nType=notify\nTimeoutSec=5\nRestart=no\n",
    );
    write(
        root.path(),
        "etc/systemd/system/web@1.service.d/b.conf",
        "[Service]\nTimeoutStartSec=infinity\nRestart=always\n",
    );
    write(
        root.path(),
        "usr/lib/systemd/system/web@.service.d/a.conf",
        "[Service]\nRestart=on-abort\n",
    );
    let unit = read(root.path(), &UnitName::new("web@1.service").unwrap()).unwrap();
    assert_eq!(unit.restart.as_deref(), Some("always"));
    assert_eq!(unit.kind.as_deref(), Some("notify"));
    assert_eq!(
        (unit.start, unit.stop),
        (Timeout::Never, Timeout::After(Duration::from_secs(5)))
    );
}

#[test]
fn drop_ins_of_all_services_and_of_a_prefix_apply_too_the_most_specific_of_a_name_alone() {
    let root = tempfile::tempdir().unwrap();
    let nice =
        |path: &str, value: &str| write(root.path(), path, &format!("[Service]\nNice={value}\n"));
    nice("usr/lib/systemd/system/a-b-c@.service", "0");
    nice("etc/systemd/system/service.d/10-all.conf", "1");
    nice("etc/systemd/system/service.d/20-mid.conf", "-1");
    nice("usr/lib/systemd/system/a-.service.d/20-mid.conf", "2");
    nice("usr/lib/systemd/system/a-b-.service.d/30-own.conf", "-2");
    nice("etc/systemd/system/a-.service.d/30-own.conf", "3");
    nice("etc/systemd/system/a-b-c@.service.d/50-unitward.conf", "4");
    nice("etc/systemd/system/a-b-c@x.service.d/60-late.conf", "5");
    nice("etc/systemd/system/a-b-c-.service.d/40-not.conf", "-3");
    nice("usr/lib/systemd/system/a-@.service.d/45-template.conf", "6");
    let unit = read(root.path(), &UnitName::new("a-b-c@x.service").unwrap()).unwrap();
    let values = |lines: &[NativeLine]| {
        lines
            .iter()
            .map(|line| line.value.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(values(&unit.lines), ["0", "1", "2", "3", "6", "4"]);
    assert_eq!(values(&unit.later), ["5"]);
}

#[test]
fn a_mask_hides_a_unit_and_is_none() {
    let root = tempfile::tempdir().unwrap();
    let target = UnitName::new("a.target").unwrap();
    let found =
        |root: &Path| [file_of(root, &target), mask_of(root, &target)].map(|path| path.is_some());
    assert_eq!(found(root.path()), [false, false]);
    write(root.path(), "usr/lib/systemd/system/a.target", "[Unit]\n");
    assert_eq!(found(root.path()), [true, false]);
    write(root.path(), "etc/systemd/system/b.target", "[Unit]\n");
    std::os::unix::fs::symlink("/dev/null", root.path().join("etc/systemd/system/a.target"))
        .unwrap();
    assert_eq!(found(root.path()), [true, true]);
    fs::remove_file(root.path().join("usr/lib/systemd/system/a.target")).unwrap();
    assert_eq!(found(root.path()), [false, true]);
}

#[test]
fn what_another_generator_wrote_is_known_to_who_asks_a_host_that_is_up_and_never_to_a_generator() {
    let root = tempfile::tempdir().unwrap();
    let unit = UnitName::new("quad.service").unwrap();
    write(
        root.path(),
        "run/systemd/generator/quad.service.d/50-unitward.conf",
        &format!("{HEADING}x\n[Service]\nNice=1\n"),
    );
    assert_eq!(elsewhere(root.path(), &unit), None);
    write(
        root.path(),
        "run/systemd/generator/quad.service",
        "[Service]\nTimeoutStartSec=900\nRestart=always\n",
    );
    write(
        root.path(),
        "etc/systemd/system/quad.service.d/60.conf",
        "[Service]\nRestart=no\n",
    );
    assert_eq!(read(root.path(), &unit), None);
    let found = elsewhere(root.path(), &unit).unwrap();
    assert_eq!(
        (found.lines.len(), found.restart.as_deref()),
        (2, Some("no"))
    );
    write(
        root.path(),
        "run/systemd/generator/web.service",
        &format!("{HEADING}x\n[Service]\n"),
    );
    assert_eq!(
        elsewhere(root.path(), &UnitName::new("web.service").unwrap()),
        None
    );
    write(
        root.path(),
        "run/systemd/generator.late/lsb.service",
        "[Service]\n",
    );
    assert_eq!(
        read(root.path(), &UnitName::new("lsb.service").unwrap()),
        None
    );
}

#[test]
fn a_unit_without_a_file_is_not_there() {
    let root = tempfile::tempdir().unwrap();
    write(
        root.path(),
        "etc/systemd/system/a.service.d/b.conf",
        "[Service]\n",
    );
    assert_eq!(
        read(root.path(), &UnitName::new("a.service").unwrap()),
        None
    );
}
