//! Wards whose lines would make systemd refuse the unit that they adopt: it would not load, and
//! stay down.
//!
//! For a defined ward the configuration alone shows that; here the unit's own files count too.

use super::{AdoptedUnit, ServiceLines};
use crate::core::config::ward::NativeLine;
use crate::core::config::wrong::Wrong;
use crate::core::config::{Form, Mistake, Problem, Ward};

/// Returns a problem for the line of the ward for which systemd would refuse the unit; it costs the
/// ward.
#[must_use]
pub fn refused(ward: &Ward, adopted: &AdoptedUnit) -> Option<Problem> {
    let Form::Adopted(unit) = &ward.form else {
        return None;
    };
    let (line, why) = refusal(ServiceLines::of(ward, Some(adopted)))?;
    let wrong = Wrong::from(why.replace("UNIT", unit.as_str()));
    let mistake = Mistake::BadNative {
        key: line.key.clone(),
        value: line.value.clone(),
        wrong,
    };
    Some(Problem {
        at: line.place_of(0),
        mistake,
    })
}

/// Checks a service as systemd verifies it, for settings that a ward is likely to have.
fn refusal(service: ServiceLines<'_>) -> Option<(&NativeLine, String)> {
    let kind = service.last("Type");
    let starts = service.values("ExecStart");
    let is_oneshot = kind.map_or(starts.is_empty(), |kind| kind.value == "oneshot");
    let restart = service
        .last("Restart")
        .filter(|line| ["always", "on-success"].contains(&line.value.as_str()));
    let kept_out = [restart, service.last("RestartForceExitStatus")]
        .into_iter()
        .flatten();
    if is_oneshot {
        for line in kept_out {
            if service.is_of_ward(line) {
                let advice = if line.key == "Restart" {
                    "write on-failure"
                } else {
                    "take the line out"
                };
                return Some((
                    line,
                    format!("systemd refuses it with Type=oneshot, which UNIT has; {advice}"),
                ));
            }
            if let Some(kind) = kind.filter(|line| service.is_of_ward(line)) {
                let why = format!(
                    "systemd refuses it with {}={}, which UNIT has; take the line out",
                    line.key, line.value
                );
                return Some((kind, why));
            }
        }
    } else if starts.len() > 1 {
        let line = kind
            .into_iter()
            .chain(starts)
            .find(|line| service.is_of_ward(line))?;
        let why = "UNIT has more than one ExecStart=, which only Type=oneshot may have; take the line out";
        return Some((line, why.to_owned()));
    }
    let is_nameless =
        kind.is_some_and(|kind| kind.value == "dbus") && service.last("BusName").is_none();
    let line = kind
        .filter(|line| service.is_of_ward(line))
        .filter(|_| is_nameless)?;
    Some((
        line,
        "systemd refuses it without BusName=, which UNIT lacks; write that too, or take the line out".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::unit::tests::{adopted, ward};

    fn check(own: &str, native: &str, expected: Option<&str>) {
        let ward = ward(&format!("[Ward]\nUnit=a.service\n[Service]\n{native}"));
        let said = refused(&ward, &adopted(own, "")).map(|problem| problem.to_string());
        assert_eq!(said.as_deref(), expected, "{own} {native}");
    }

    #[test]
    fn what_systemd_would_refuse_together_is_the_wards_mistake() {
        check(
            "Type=oneshot\nExecStart=/a",
            "Restart=always",
            Some(
                "/etc/unitward/w.ward:4:9: Restart=\"always\" is not valid: systemd refuses it with Type=oneshot, which a.service has; \
             write on-failure; the ward is ignored",
            ),
        );
        check(
            "ExecStart=/a\nRestart=always",
            "Type=oneshot",
            Some(
                "/etc/unitward/w.ward:4:6: Type=\"oneshot\" is not valid: systemd refuses it with Restart=always, which a.service has; \
             take the line out; the ward is ignored",
            ),
        );
        check(
            "Type=oneshot\nExecStart=/a",
            "RestartForceExitStatus=3",
            Some(
                "/etc/unitward/w.ward:4:24: RestartForceExitStatus=\"3\" is not valid: systemd refuses it with Type=oneshot, which \
             a.service has; take the line out; the ward is ignored",
            ),
        );
        check(
            "Type=oneshot\nExecStart=/a\nExecStart=/b",
            "Type=simple",
            Some(
                "/etc/unitward/w.ward:4:6: Type=\"simple\" is not valid: a.service has more than one ExecStart=, which only \
             Type=oneshot may have; take the line out; the ward is ignored",
            ),
        );
        check(
            "ExecStart=/a",
            "Type=dbus",
            Some(
                "/etc/unitward/w.ward:4:6: Type=\"dbus\" is not valid: systemd refuses it without BusName=, which a.service lacks; write \
             that too, or take the line out; the ward is ignored",
            ),
        );
    }

    #[test]
    fn what_goes_together_or_is_not_the_wards_stands() {
        check("Type=oneshot\nExecStart=/a", "Restart=on-failure", None);
        check("Type=oneshot\nExecStart=/a\nExecStart=/b", "Nice=1", None);
        check("ExecStart=/a", "Restart=always", None);
        check(
            "Type=oneshot\nExecStart=/a",
            "Type=simple\nRestart=always",
            None,
        );
        check("Type=oneshot\nExecStart=/a\nRestart=always", "Nice=1", None);
        check("BusName=a.b\nExecStart=/a", "Type=dbus", None);
    }
}
