//! Units that recoveries themselves need, and units whose death cannot be seen.

use crate::core::config::step::Action;
use crate::core::config::{Mistake, Problem, Ward};
use crate::core::unit::{AdoptedUnit, ServiceLines, Sight};

/// Returns the warning about such a unit, or about one whose deaths systemd does not see.
pub(super) fn warning(ward: &Ward, adopted: Option<&AdoptedUnit>) -> Option<Problem> {
    let unit = ward.unit();
    let text = match unit.as_str() {
        "dbus.service" | "dbus-broker.service" if reboots(ward) => return None,
        "dbus.service" | "dbus-broker.service" => format!(
            "{unit} is the message bus: programs that were on it do not come back to it by themselves, so a restart leaves a host that \
             only half works; let a death reboot it, with Reboot=yes in [OnDeath]"
        ),
        "unitwardd.service" => format!(
            "{unit} reports what happens and restarts by itself (Restart=always); steps of a ward for it run, but nobody is there to tell \
             of its deaths until it is back; take the ward out"
        ),
        "systemd-journald.service" => format!(
            "{unit} keeps the records of recoveries, its own are kept in /run alone until it is back; take the ward out, systemd restarts it"
        ),
        _ => return unseen(ward, adopted),
    };
    Some(Problem {
        at: ward.unit_at.clone(),
        mistake: Mistake::Warning(text),
    })
}

fn reboots(ward: &Ward) -> bool {
    let steps = ward
        .conditions
        .iter()
        .filter(|condition| condition.kind.is_death())
        .flat_map(|condition| &condition.steps);
    steps
        .into_iter()
        .any(|step| matches!(step.action, Action::Reboot(_)))
}

/// A unit of whose main process systemd does not know which it is.
fn unseen(ward: &Ward, adopted: Option<&AdoptedUnit>) -> Option<Problem> {
    let service = ServiceLines::of(ward, adopted);
    let unit = ward.unit();
    let text = match Sight::of(service) {
        Sight::Main => return None,
        Sight::Nothing => format!(
            "systemd does not know the main process of {unit} (GuessMainPID=no, RemainAfterExit=yes), so it sees no death and nothing is \
             restarted; write PIDFile= and RemainAfterExit=no in [Service] of the ward"
        ),
        Sight::Last => format!(
            "systemd does not know the main process of {unit} (GuessMainPID=no), so it sees no death before the last process is gone, and \
             takes that for a clean end, which only Restart=always restarts; write PIDFile= in [Service] of the ward"
        ),
    };
    Some(Problem {
        at: ward.unit_at.clone(),
        mistake: Mistake::Warning(text),
    })
}
