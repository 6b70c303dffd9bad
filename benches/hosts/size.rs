//! Measures the sizes of the packages, and of the programs in them. They are stripped: debhelper
//! does that, and it is checked.

use super::Bench;
use super::results::{Figures, Row};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Measures the packages that `make deb` made.
pub(crate) fn measure(bench: &mut Bench) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/debian");
    let mut packages: Vec<_> = entries(&folder)
        .into_iter()
        .filter(|file| ends_with(file, ".deb"))
        .collect();
    packages.sort();
    assert!(!packages.is_empty(), "no packages: make deb");
    for package in packages
        .iter()
        .filter(|file| !name(file).contains("-dbgsym_"))
    {
        let (short, _) = name(package)
            .split_once('_')
            .map(|(a, b)| (a.to_owned(), b))
            .expect("NAME_VERSION_ARCH.deb");
        put(bench, &format!("size/{short}.deb"), package);
        let place = tempfile::tempdir().expect("a place to work");
        let status = Command::new("dpkg-deb")
            .arg("--extract")
            .arg(package)
            .arg(place.path())
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "{}: not extracted",
            package.display()
        );
        let mut programs = Vec::new();
        collect(place.path(), &mut programs);
        programs.sort();
        for program in programs {
            must_be_stripped(&program);
            put(bench, &format!("size/{}", name(&program)), &program);
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "some megabytes")]
fn put(bench: &mut Bench, name: &str, file: &Path) {
    let size = fs::metadata(file).expect("it is there").len() as f64;
    bench.results.put(Row::new(
        name,
        ("both", "KB"),
        Figures::one(size / 1e3),
        None,
    ));
}

fn must_be_stripped(program: &Path) {
    let sections = Command::new("readelf")
        .args(["--section-headers", "--wide"])
        .arg(program)
        .output();
    let sections = String::from_utf8_lossy(&sections.expect("readelf").stdout).into_owned();
    assert!(
        !sections.contains(".symtab") && !sections.contains(".debug_"),
        "{} is not stripped",
        program.display()
    );
}

/// Collects the ELF files below a folder.
fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in entries(folder) {
        let Ok(data) = fs::symlink_metadata(&path) else {
            continue;
        };
        if data.is_dir() {
            collect(&path, found);
        } else if data.is_file() && fs::read(&path).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF"))
        {
            found.push(path);
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .expect("a folder")
        .flatten()
        .map(|entry| entry.path())
        .collect()
}

fn name(file: &Path) -> &str {
    file.file_name()
        .and_then(|name| name.to_str())
        .expect("a name")
}

fn ends_with(file: &Path, end: &str) -> bool {
    name(file).ends_with(end)
}
