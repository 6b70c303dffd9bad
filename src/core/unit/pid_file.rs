//! `PIDFile=` of a service that is not forking.
//!
//! systemd ignores it there, except that it removes the file at the end. With a line in
//! `ExecStartPost=` it does not ignore it: after that line the start waits for the file, and fails
//! if it does not appear (service.c, `service_load_pid_file()`). So if all such lines are ours the
//! setting is reset, and the helper removes the file: every other program that PID 1 starts as root
//! would be loaded with the variables of the unit, which its user may have a hand in.

use super::lists::HELPER;
use super::{AdoptedUnit, ServiceLines};
use crate::core::config::Ward;
use crate::core::config::command_line::quote;

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
    let path = [folder, path].concat();
    let words = [ward.name.as_str(), &path].map(quote);
    // Without variables (`:`): the unescaped name of an instance may hold one.
    let line = ["-+:", HELPER, " remove-pid-file ", &words.join(" ")].concat();
    ["PIDFile=\nExecStopPost=", &line, "\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::unit::tests::{adopted, ward};

    /// Checks the path in the helper's line; empty: there is none.
    fn check(own: &str, native: &str, path: &str) {
        let expected = match path {
            "" => String::new(),
            path => format!(
                "PIDFile=\nExecStopPost=-+:/usr/lib/unitward/unitward-step remove-pid-file w {path}\n"
            ),
        };
        let ward = ward(&format!("[Ward]\nUnit=a.service\n[Service]\n{native}"));
        assert_eq!(
            ignored(&ward, Some(&adopted(own, ""))),
            expected,
            "{own} {native}"
        );
    }

    #[test]
    fn a_pid_file_that_systemd_ignores_stays_ignored_and_is_removed() {
        check("PIDFile=/run/a.pid", "", "/run/a.pid");
        check("Type=notify\nPIDFile=%p/%i.pid", "", "%p/%i.pid");
        check("Type=simple", "PIDFile=a.pid", "/run/a.pid");
        check("PIDFile=/run/a b$X.pid", "", "\"/run/a b$X.pid\"");
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
