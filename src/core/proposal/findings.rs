//! Properties of a unit that matter for recoveries, in words.

use super::{Found, Main};
use crate::core::config::time_span::render;
use crate::core::explain::listed;

/// Returns the sentences.
pub(super) fn findings(found: &Found) -> Vec<String> {
    let parts = [
        instance(found),
        main_process(found),
        found.watchdog.map(|span| {
            format!(
                "WatchdogSec={}: systemd kills it when it has been silent for so long. That is a death like any other.",
                render(span)
            )
        }),
        triggered(found),
        bound(found),
        restarted_with(found),
        user(found),
    ];
    parts.into_iter().flatten().collect()
}

fn instance(found: &Found) -> Option<String> {
    let unit = &found.unit;
    let template = format!("{}@.{}", unit.prefix(), unit.suffix());
    (!unit.instance().is_empty())
        .then(|| format!("An instance of {template}: this ward guards {unit} alone, other instances need their own."))
}

/// Describes the process whose end is a death.
fn main_process(found: &Found) -> Option<String> {
    let Found { kind, pid_file, .. } = found;
    Some(match kind.as_str() {
        "oneshot" if found.remains => {
            "Type=oneshot with RemainAfterExit=yes: no process is watched once it is up, so only a start that fails is a \
             death."
                .to_owned()
        }
        "oneshot" => "Type=oneshot: to end with success is no death; a run that fails is one.".to_owned(),
        _ if found.main == Main::Unknown => format!(
            "Type={kind}: it is up and systemd knows no main process of it, so nobody sees it die. Give it a PIDFile=, or a \
             Type= whose main process stays in the foreground."
        ),
        "forking" if pid_file.is_empty() => {
            "Type=forking without PIDFile=: systemd guesses which process is the main one. Its end is the death.".to_owned()
        }
        "forking" => format!("Type=forking, PIDFile={pid_file}: the end of the process that is named there is the death."),
        _ => return None,
    })
}

fn triggered(found: &Found) -> Option<String> {
    let triggers = &found.triggers;
    let is_one = triggers.len() == 1;
    let is_socket =
        !triggers.is_empty() && triggers.iter().all(|trigger| trigger.ends_with(".socket"));
    let waits = if is_socket {
        " Connections wait while it is restarted."
    } else {
        ""
    };
    let them = if is_one { "it" } else { "them" };
    (!triggers.is_empty()).then(|| {
        format!(
            "Started by {}.{waits} Excluding the ward stops {them} too.",
            listed(triggers)
        )
    })
}

fn bound(found: &Found) -> Option<String> {
    let bound = &found.bound;
    let (is, one) = if bound.len() == 1 {
        ("is", "it")
    } else {
        ("are", "each of them")
    };
    (!bound.is_empty()).then(|| {
        format!(
            "{} {is} bound to it (BindsTo=): each death stops {one}, and only a step starts {one} again. \"unitward check\" \
             names the step.",
            listed(bound)
        )
    })
}

fn restarted_with(found: &Found) -> Option<String> {
    let units = &found.restarted_with;
    let are = if units.len() == 1 { "is" } else { "are" };
    (!units.is_empty()).then(|| {
        format!(
            "{} {are} restarted with it (Requires=, Requisite=, PartOf=).",
            listed(units)
        )
    })
}

fn user(found: &Found) -> Option<String> {
    let user = &found.user;
    (!["", "root", "0"].contains(&user.as_str())).then(|| {
        format!("User={user}: commands of steps run as {user}, as the service does. Execute=+/path runs one as root.")
    })
}
