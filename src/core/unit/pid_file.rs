//! `PIDFile=` of a service that is not forking.
//!
//! systemd ignores it there, except that it removes the file at the end. With a line in
//! `ExecStartPost=` it does not ignore it: after that line the start waits for the file, and fails
//! if it does not appear (service.c, `service_load_pid_file()`). So if all such lines are ours the
//! setting is reset, and a line of ours removes the file.

use super::{AdoptedUnit, ServiceLines};
use crate::core::config::Ward;
use crate::core::config::command_line::is_plain;

/// Returns the lines that keep the file ignored; empty if systemd uses the file anyway, or none is
/// set.
pub(super) fn ignored(ward: &Ward, adopted: Option<&AdoptedUnit>) -> String {
    let service = ServiceLines::of(ward, adopted);
    let Some(path) = service.value("PIDFile") else {
        return String::new();
    };
    if service.value("Type") == Some("forking") || !service.values("ExecStartPost").is_empty() {
        return String::new();
    }
    // systemd takes a path without a leading slash relative to /run.
    let folder = if path.starts_with(['/', '%']) {
        ""
    } else {
        "/run/"
    };
    let is_simple = is_plain(&path.replace('%', ""));
    let removal = if is_simple {
        format!("ExecStopPost=-+/usr/bin/rm -f {folder}{path}\n")
    } else {
        String::new()
    };
    ["PIDFile=\n", &removal].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::unit::tests::{adopted, ward};

    fn check(own: &str, native: &str, expected: &str) {
        let ward = ward(&format!("[Ward]\nUnit=a.service\n[Service]\n{native}"));
        assert_eq!(
            ignored(&ward, Some(&adopted(own, ""))),
            expected,
            "{own} {native}"
        );
    }

    #[test]
    fn a_pid_file_that_systemd_ignores_stays_ignored_and_is_removed() {
        check(
            "PIDFile=/run/a.pid",
            "",
            "PIDFile=\nExecStopPost=-+/usr/bin/rm -f /run/a.pid\n",
        );
        check(
            "Type=notify\nPIDFile=%p/%i.pid",
            "",
            "PIDFile=\nExecStopPost=-+/usr/bin/rm -f %p/%i.pid\n",
        );
        check(
            "Type=simple",
            "PIDFile=a.pid",
            "PIDFile=\nExecStopPost=-+/usr/bin/rm -f /run/a.pid\n",
        );
        check("PIDFile=/run/a b.pid", "", "PIDFile=\n");
    }

    #[test]
    fn a_pid_file_that_systemd_heeds_stands() {
        for own in [
            "Type=forking\nPIDFile=/run/a.pid",
            "PIDFile=/run/a.pid\nExecStartPost=/b",
            "PIDFile=/run/a.pid\nPIDFile=",
            "",
        ] {
            check(own, "", "");
        }
        check("PIDFile=/run/a.pid", "Type=forking", "");
    }
}
