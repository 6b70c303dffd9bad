//! The manual's files are sound, its links lead somewhere, and it speaks of the version at hand. That its commands do what it
//! says is shown on hosts: `tests/hosts/manual.rs`.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

#[path = "page/mod.rs"]
mod page;

use page::Block;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a page, by the circumstances they are for.
fn cases(of: &Path) -> BTreeMap<String, Vec<(String, String)>> {
    let mut cases: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for block in page::blocks(of) {
        if let Block::File { case, path, text } = block {
            cases.entry(case).or_default().push((path, text));
        }
    }
    cases
}

#[test]
fn every_file_of_the_manual_and_every_example_is_sound() {
    let examples = fs::read_dir(root().join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let examples = examples.map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (
            format!("/etc/unitward/{name}"),
            fs::read_to_string(path).unwrap(),
        )
    });
    let mut checked = vec![("examples".to_owned(), examples.collect::<Vec<_>>())];
    for path in page::all() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        checked.extend(
            cases(&path)
                .into_iter()
                .map(|(case, files)| (format!("{name} {case}"), files)),
        );
    }
    assert!(checked.len() > 8, "{checked:?}");
    for (title, files) in checked {
        let host = tempfile::tempdir().unwrap();
        let units = ["nginx", "mosquitto", "telldusd", "ovsdb-server"].map(|unit| {
            (
                format!("/usr/lib/systemd/system/{unit}.service"),
                "[Service]\nExecStart=/bin/true\nRestart=always\n".to_owned(),
            )
        });
        for (path, text) in files.iter().chain(&units) {
            let path = host.path().join(path.trim_start_matches('/'));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let done = Command::new(env!("CARGO_BIN_EXE_unitward"))
            .args(["check", "--root"])
            .arg(host.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned()
            + &String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{title}: {said}");
    }
}

#[test]
fn every_configuration_says_which_file_it_is() {
    for path in page::all() {
        for block in page::blocks(&path) {
            let nameless = matches!(&block, Block::Shown { language } if !["json", "text"].contains(&language.as_str()));
            assert!(!nameless, "{}: {block:?}", path.display());
        }
    }
}

#[test]
fn every_link_leads_to_a_file() {
    for path in page::all() {
        let text = fs::read_to_string(&path).unwrap();
        for target in text
            .split("](")
            .skip(1)
            .map(|rest| rest.split(')').next().unwrap())
        {
            assert!(
                target.starts_with("https://") || path.with_file_name(target).exists(),
                "{}: {target}",
                path.display()
            );
        }
    }
}

#[test]
fn every_page_is_reached_from_the_readme_and_every_command_is_told_of() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for path in page::all()
        .iter()
        .filter(|path| !path.ends_with("README.md"))
    {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(readme.contains(&format!("(docs/manual/{name})")), "{name}");
    }
    let definition = unitward::shell::cli::definition();
    for command in definition
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
    {
        assert!(
            readme.contains(&format!("unitward {}", command.get_name())),
            "{}",
            command.get_name()
        );
    }
}

#[test]
fn the_readme_and_the_crate_have_the_version_of_the_packages() {
    let changelog = fs::read_to_string(root().join("debian/changelog")).unwrap();
    let version = changelog.split(['(', ')']).nth(1).unwrap();
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(
        readme.contains(&format!("unitward_{version}_amd64.deb")),
        "{version}"
    );
}
