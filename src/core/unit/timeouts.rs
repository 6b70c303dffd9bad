//! Extension of systemd's time-outs so that waiting steps and the back-off are not cut short.

use super::Beside;
use crate::core::config::read_native::value;
use crate::core::config::ward::NativeLine;
use crate::core::config::{Form, Mistake, Problem, TimeoutNotKnown, Ward, time_span};
use std::time::Duration;

/// systemd's default for starts and stops, unless the administrator has set another.
const DEFAULT: Duration = Duration::from_secs(90);

/// The time-outs of units that give none: `DefaultTimeoutStartSec=` and `DefaultTimeoutStopSec=`
/// (systemd-system.conf(5)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DefaultTimeouts {
    start: Timeout,
    stop: Timeout,
}

impl DefaultTimeouts {
    /// Reads the lines of `[Manager]`, in the order they apply.
    #[must_use]
    pub fn of(manager: &[NativeLine]) -> Self {
        Self {
            start: given(manager, "DefaultTimeoutStartSec"),
            stop: given(manager, "DefaultTimeoutStopSec"),
        }
    }

    fn of_phase(self, phase: Phase) -> Timeout {
        let given = match phase {
            Phase::Start => self.start,
            Phase::Stop => self.stop,
        };
        if given == Timeout::Default {
            Timeout::After(DEFAULT)
        } else {
            given
        }
    }
}

/// A start or stop time-out as a unit gives it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Timeout {
    /// Not given: systemd's default.
    #[default]
    Default,
    /// A time.
    After(Duration),
    /// `infinity`, or 0.
    Never,
}

/// The phase whose time-out is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Start,
    Stop,
}

impl Phase {
    fn key(self) -> &'static str {
        match self {
            Self::Start => "TimeoutStartSec",
            Self::Stop => "TimeoutStopSec",
        }
    }
}

/// Returns the setting that adds `growth` to the time-out, and a warning if the ward's own time-out
/// is too short or the unit's is unknown.
pub(super) fn grown(
    ward: &Ward,
    Beside {
        adopted,
        default_timeouts,
        ..
    }: Beside<'_>,
    phase: Phase,
    growth: Duration,
) -> (Option<String>, Option<Problem>) {
    if growth.is_zero() {
        return (None, None);
    }
    let key = phase.key();
    let own = given(&ward.native.service, key);
    let default = default_timeouts.of_phase(phase);
    if own != Timeout::Default {
        let is_short = matches!(own, Timeout::After(span) if span < growth);
        let warning = is_short.then(|| too_small(ward, key, default, growth));
        return (None, warning.flatten());
    }
    if matches!(ward.form, Form::Adopted(_)) && adopted.is_none() {
        return (None, unknown(ward, key, growth, default));
    }
    let kind =
        value(&ward.native.service, "Type").or(adopted.and_then(|unit| unit.kind.as_deref()));
    let base = match (&ward.form, adopted) {
        // A later drop-in takes the place of what is written, so it is no base for that.
        (Form::Adopted(_), Some(unit)) => given(&unit.lines, key),
        _ => Timeout::Default,
    };
    let base = match base {
        // A oneshot's start has no time-out unless one is given (systemd.service(5)).
        Timeout::Default if kind == Some("oneshot") && phase == Phase::Start => {
            return (None, None);
        }
        Timeout::Default => default,
        given => given,
    };
    match base {
        Timeout::After(span) => (
            Some([key, "=", &time_span::render(span + growth)].concat()),
            None,
        ),
        Timeout::Never | Timeout::Default => (None, None),
    }
}

/// Warns about a unit of another generator, whose time-out is not known when ours are written. It
/// may be longer than any we would set, so it is kept; each line has its own time, and only a
/// `growth` longer than systemd's default is in danger.
fn unknown(ward: &Ward, key: &'static str, growth: Duration, default: Timeout) -> Option<Problem> {
    let Timeout::After(default) = default else {
        return None;
    };
    (growth > default).then(|| {
        let unit = ward.unit().to_string();
        let mistake = Mistake::TimeoutNotKnown(TimeoutNotKnown {
            unit,
            key,
            growth,
            enough: default + growth,
        });
        Problem {
            at: ward.unit_at.clone(),
            mistake,
        }
    })
}

/// Warns about the ward's own time-out, in which there is no room for `growth`. systemd's default,
/// which counts without that line, grows by as much.
fn too_small(ward: &Ward, key: &str, default: Timeout, growth: Duration) -> Option<Problem> {
    let line = ward
        .native
        .service
        .iter()
        .rfind(|line| line.key == key || line.key == "TimeoutSec")?;
    let needed = match default {
        Timeout::After(default) => time_span::render(default + growth),
        Timeout::Never | Timeout::Default => "infinity".to_owned(),
    };
    let mistake = Mistake::Warning(format!(
        "{}={} is less than the steps and the back-off may take ({}); take the line out, or write {needed}",
        line.key,
        line.value,
        time_span::render(growth)
    ));
    Some(Problem {
        at: line.place_of(0),
        mistake,
    })
}

/// Returns the last of `key` and `TimeoutSec=`, which sets both.
pub(super) fn given(service: &[NativeLine], key: &str) -> Timeout {
    let last = service
        .iter()
        .rfind(|line| line.key == key || line.key == "TimeoutSec");
    match last.map(|line| line.value.as_str()) {
        None | Some("") => Timeout::Default,
        Some("infinity") => Timeout::Never,
        Some(text) => match time_span::parse(text) {
            Ok(span) if span.is_zero() => Timeout::Never,
            Ok(span) => Timeout::After(span),
            Err(_) => Timeout::Default,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::{SourceFile, syntax};
    use crate::core::unit::tests::ward;
    use std::collections::BTreeMap;
    use std::path::Path;

    #[test]
    fn the_advice_begins_with_the_hosts_own_default() {
        let ward = ward("[Service]\nExecStart=/a\nTimeoutStartSec=5\n");
        let said = |system: &str| {
            let path = Path::new("/etc/systemd/system.conf").into();
            let text = ["[Manager]\n", system].concat();
            let manager = syntax::lines_of(&SourceFile { path, text }, "Manager");
            let beside = Beside {
                adopted: None,
                stack: None,
                default_timeouts: DefaultTimeouts::of(&manager),
                of_conditions: &BTreeMap::new(),
            };
            let (line, warning) = grown(&ward, beside, Phase::Start, Duration::from_secs(30));
            assert_eq!(line, None);
            warning.expect("a warning").to_string()
        };
        for (system, end) in [
            ("", "take the line out, or write 2min"),
            (
                "DefaultTimeoutStartSec=15s\n",
                "take the line out, or write 45s",
            ),
            (
                "DefaultTimeoutStartSec=infinity\n",
                "take the line out, or write infinity",
            ),
        ] {
            assert!(said(system).ends_with(end), "{}", said(system));
        }
    }
}
