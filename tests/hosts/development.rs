//! The packages as `make deb` has made them, and programs built with the development package. Hosts have no compiler.

use crate::host::{Access, Host};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The file of a package.
pub(crate) fn package(name: &str) -> PathBuf {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/debian");
    let folder = env::var_os("UNITWARD_TEST_PACKAGES").map_or(made, PathBuf::from);
    let files = fs::read_dir(folder)
        .expect("run make deb first")
        .flatten()
        .map(|entry| entry.path());
    let is_wanted = |path: &PathBuf| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        file.starts_with(&format!("{name}_")) && file.ends_with(".deb")
    };
    files
        .into_iter()
        .find(is_wanted)
        .unwrap_or_else(|| panic!("{name} is not there, run make deb first"))
}

/// Compiles a source of `programs` as the manual says, and puts the program on the host.
pub(crate) fn install(host: &Host, source: &str, path: &str) {
    let folder = unpacked();
    let program = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    let mut compiler = Command::new("cc");
    compiler
        .args([
            "-O1",
            "-fno-inline",
            "-fno-optimize-sibling-calls",
            "-rdynamic",
            "-o",
        ])
        .arg(&program);
    compiler.arg(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/hosts/programs")
            .join(source),
    );
    compiler.args(pkg_config(folder).split_whitespace());
    let compiled = compiler
        .output()
        .unwrap_or_else(|error| panic!("failed to run {compiler:?}: {error}"));
    assert!(
        compiled.status.success(),
        "{compiler:?}\n{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    host.write_mode(
        path,
        &fs::read(&program).unwrap(),
        Access {
            mode: 0o755,
            uid: 0,
        },
    );
}

/// The library's packages, unpacked once.
fn unpacked() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("development");
        // Of another build.
        let _ = fs::remove_dir_all(&folder);
        for name in ["libunitward0", "libunitward-dev"] {
            let unpacked = Command::new("dpkg-deb")
                .arg("--extract")
                .arg(package(name))
                .arg(&folder)
                .status()
                .unwrap();
            assert!(unpacked.success(), "{name}");
        }
        folder
    })
}

/// What `pkg-config --cflags --libs unitward` says where the packages are installed, with `folder` in front of each path.
fn pkg_config(folder: &Path) -> String {
    let libraries = fs::read_dir(folder.join("usr/lib"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    let described = libraries
        .map(|path| path.join("pkgconfig"))
        .find(|path| path.is_dir())
        .expect("it is in the package");
    let mut command = Command::new("pkg-config");
    command
        .args(["--cflags", "--libs", "unitward"])
        .env("PKG_CONFIG_LIBDIR", described);
    // By itself it leaves out what the compiler looks into anyway.
    command
        .env("PKG_CONFIG_ALLOW_SYSTEM_CFLAGS", "1")
        .env("PKG_CONFIG_ALLOW_SYSTEM_LIBS", "1");
    let output = command
        .env("PKG_CONFIG_SYSROOT_DIR", folder)
        .output()
        .expect("pkg-config is installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
