//! Builds the library as the Makefile does, and programs with it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// A build of the library.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Library {
    /// As it is shipped.
    Shipped,
    /// With the sockets in the working directory.
    Here,
    /// The same, and calls end after [`Library::QUICK`].
    Quick,
}

impl Library {
    /// How long a call may take where the test waits for that, in milliseconds.
    pub(crate) const QUICK: u64 = 600;

    /// The folder that the library is in, as it is built.
    pub(crate) fn folder(self) -> PathBuf {
        static ONE_AT_A_TIME: Mutex<[bool; 3]> = Mutex::new([false; 3]);
        let here = "-DUNITWARD_SOCKETS='\".\"'";
        let definitions = match self {
            Self::Shipped => String::new(),
            Self::Here => here.to_owned(),
            Self::Quick => format!("{here} -DUNITWARD_DEADLINE={}", Self::QUICK),
        };
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{self:?}"));
        let mut made = ONE_AT_A_TIME.lock().unwrap();
        if !made[self as usize] {
            let mut make = Command::new("make");
            make.current_dir(env!("CARGO_MANIFEST_DIR")).args([
                "--silent",
                "library",
                "CFLAGS=-O2 -Werror",
            ]);
            make.arg(format!("CPPFLAGS={definitions}"))
                .arg(format!("CARGO_TARGET_DIR={}", place.display()));
            // `make test` is on its way while this runs; its options are not for this one.
            make.env_remove("MAKEFLAGS").env_remove("LDFLAGS");
            succeed(&mut make);
            made[self as usize] = true;
        }
        place.join("libunitward")
    }

    /// The library itself.
    pub(crate) fn file(self) -> PathBuf {
        self.folder().join("libunitward.so.0")
    }

    /// Compiles sources of `programs`, or other files, into `output`.
    pub(crate) fn compile(self, output: &Path, sources: &[&Path], options: &[&str]) {
        let folder = self.folder();
        let mut compiler = Command::new("cc");
        compiler
            .args(["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread"])
            .args(options)
            .args(sources);
        compiler.arg("-I").arg(headers()).arg("-o").arg(output);
        compiler
            .arg(format!("-Wl,-rpath,{}:$ORIGIN", folder.display()))
            .arg("-L")
            .arg(folder)
            .arg("-l:libunitward.so.0");
        succeed(&mut compiler);
    }
}

/// Where `unitward.h` is.
pub(crate) fn headers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("libunitward")
}

/// A source in `programs`.
pub(crate) fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/library/programs")
        .join(name)
}

/// Runs a tool and gives its output.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("failed to run {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
