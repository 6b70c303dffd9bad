//! Services that systemd-sysv-generator(8) makes of the scripts in `/etc/init.d`.
//!
//! That generator runs at the same time as ours, so its output has to be predicted. All of it but
//! dependencies follows from the script's comments.

use super::paths::{below, resolve};
use crate::core::config::ward::NativeLine;
use crate::core::config::{SourceFile, UnitName, syntax};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Returns the `[Service]` lines of the unit that systemd makes of a script; `None` if there is no
/// such script.
pub(super) fn service_lines(root: &Path, unit: &UnitName) -> Option<Vec<NativeLine>> {
    let script = script_of(root, unit)?;
    let text = String::from_utf8_lossy(&fs::read(resolve(root, &script)?).ok()?).into_owned();
    let pid_file = pid_file(&text);
    let remains = if pid_file.is_some() { "no" } else { "yes" };
    let path = script.display();
    let mut unit = format!(
        "[Service]\nType=forking\nRestart=no\nTimeoutSec=5min\nIgnoreSIGPIPE=no\nKillMode=process\nGuessMainPID=no\n\
         RemainAfterExit={remains}\n"
    );
    if let Some(pid_file) = pid_file {
        unit.extend(["PIDFile=", pid_file, "\n"]);
    }
    unit.push_str(&format!(
        "SuccessExitStatus=5 6\nExecStart={path} start\nExecStop={path} stop\n"
    ));
    Some(syntax::lines_of(
        &SourceFile {
            path: script.into(),
            text: unit,
        },
        "Service",
    ))
}

/// Returns the path of the script, which is executable; `.sh` at its end is no part of the unit's
/// name.
fn script_of(root: &Path, unit: &UnitName) -> Option<PathBuf> {
    let name = unit.is_service().then(|| unit.stem())?;
    [name.to_owned(), [name, ".sh"].concat()]
        .iter()
        .map(|name| Path::new("/etc/init.d").join(name))
        .find(|path| is_script(&below(root, path)))
}

/// Returns true if this is a file that its owner may execute.
fn is_script(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o100 != 0)
}

/// Returns the path in a comment such as `# pidfile: /run/x.pid`, as chkconfig(8) has it.
fn pid_file(text: &str) -> Option<&str> {
    let comments = text
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with('#'));
    let mut values =
        comments.filter_map(|line| line.trim_start_matches('#').trim().strip_prefix("pidfile:"));
    values
        .next()
        .map(str::trim)
        .filter(|path| path.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::read_native::value;

    #[test]
    fn a_script_becomes_the_service_that_systemd_makes_of_it() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("etc/init.d");
        fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str, mode: u32| {
            fs::write(folder.join(name), text).unwrap();
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).unwrap();
        };
        write("plain", "#!/bin/sh\n### BEGIN INIT INFO\n", 0o755);
        write(
            "known.sh",
            "#!/bin/sh\n# chkconfig: 345 20 80\n# pidfile: /run/known.pid\n",
            0o755,
        );
        write("README", "text", 0o644);
        let lines = |name: &str| service_lines(root.path(), &UnitName::new(name).unwrap());
        let plain = lines("plain.service").unwrap();
        let [timeout, remains] = ["TimeoutSec", "RemainAfterExit"].map(|key| value(&plain, key));
        assert_eq!(
            (timeout, remains, value(&plain, "PIDFile")),
            (Some("5min"), Some("yes"), None)
        );
        let known = lines("known.service").unwrap();
        let [remains, pid_file] = ["RemainAfterExit", "PIDFile"].map(|key| value(&known, key));
        assert_eq!((remains, pid_file), (Some("no"), Some("/run/known.pid")));
        assert_eq!(
            (
                lines("README.service"),
                lines("none.service"),
                lines("plain.socket")
            ),
            (None, None, None)
        );
    }
}
