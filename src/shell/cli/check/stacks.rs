//! Settings of a stack that are well-formed but have no effect, or cannot work.

use super::warning;
use crate::core::config::{DescribedStack, Mistake, Place, Problem, Settings, Stack};
use crate::edge::planner::PlannedStack;
use crate::edge::{paths, root, unit_files};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The warnings about one stack.
pub(super) fn warnings(
    below: &Path,
    planned: &PlannedStack<'_>,
    settings: &Settings,
) -> Vec<Problem> {
    let DescribedStack { stack, places } = planned.described;
    let mut warnings = unsent(planned, settings);
    if planned.members.is_empty() {
        let text = format!(
            "no ward belongs to this stack; write Stack={} in [Ward] of its members",
            stack.name
        );
        warnings.push(warning(&stack.path, text));
    }
    warnings.extend(script(below, stack, &places.script));
    warnings.extend(unit_files::mask_of(below, &stack.unit()).map(|mask| {
        let unit = stack.unit();
        let text = format!(
            "{} masks {unit}, the stack's unit; it works again after systemctl unmask {unit}",
            mask.display()
        );
        Problem {
            at: places.unit.clone(),
            mistake: Mistake::Warning(text),
        }
    }));
    warnings
}

/// Warns of each of two settings elsewhere that prevents reports from leaving the host.
fn unsent(planned: &PlannedStack<'_>, settings: &Settings) -> Vec<Problem> {
    let mut off = Vec::new();
    if !settings.mqtt.wants_broker {
        off.push("there is no Broker= in [MQTT] of unitward.conf; name one there");
    }
    if !settings.reports.crashes {
        off.push("Crashes=no stands in [Reports] of unitward.conf; write Crashes=yes there");
    }
    off.retain(|_| planned.described.stack.report);
    off.into_iter()
        .map(|why| Problem {
            at: planned.described.places.report.clone(),
            mistake: Mistake::Warning(format!(
                "reports of full restarts cannot be sent: {why}, or write Report=no here"
            )),
        })
        .collect()
}

/// Warns of a script that cannot be run, or that a user other than root can replace.
fn script(below: &Path, stack: &Stack, at: &Place) -> Option<Problem> {
    let program = stack.restart_script.as_ref()?.words.first()?;
    let found = paths::resolve(below, Path::new(program)).and_then(|path| path.metadata().ok());
    let why = match found {
        None => "does not exist",
        Some(data) if !data.is_file() || data.permissions().mode() & 0o111 == 0 => {
            "is not executable"
        }
        Some(_) => {
            let text = root::in_other_hands(below, Path::new(program))?;
            let text = format!("what runs as root is not root's alone to choose: {text}");
            return Some(Problem {
                at: at.clone(),
                mistake: Mistake::Warning(text),
            });
        }
    };
    let text = format!("{program} {why}, so no full restart can succeed; correct RestartScript=");
    Some(Problem {
        at: at.clone(),
        mistake: Mistake::Warning(text),
    })
}
