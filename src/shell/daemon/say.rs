//! The daemon's journal entries: incidents, recoveries, and remarks on its own state.

use super::event::Remark;
use super::incident::{Incident, IncidentKind};
use super::messages;
use crate::core::config::Problem;
use crate::core::crash::report::UNKNOWN;
use crate::core::recovery::account::{Account, Outcome};
use crate::edge::history::entry::Key;
use tracing::{info, warn};

/// Warns of a mistake in the configuration.
pub(super) fn problem(problem: &Problem) {
    warn!(MESSAGE_ID = messages::CONFIGURATION, "{problem}");
}

/// Writes one incident to the journal.
///
/// `systemctl status UNIT` and `journalctl -u UNIT` look for `OBJECT_SYSTEMD_UNIT=` in entries that
/// root writes about a unit from outside of it.
pub(super) fn incident(incident: &Incident) {
    let Incident {
        key,
        name,
        kind,
        pid,
        reason,
        at,
        backtrace,
        ..
    } = incident;
    let unit = &key.unit;
    let pid = pid.map(|pid| pid.to_string()).unwrap_or_default();
    let process = if pid.is_empty() {
        String::new()
    } else {
        format!(" (process {pid})")
    };
    let (id, text) = match kind {
        IncidentKind::Crash => (
            messages::CRASH,
            format!("{unit} crashed{process}: {reason}"),
        ),
        IncidentKind::Death => (
            messages::DEATH,
            format!("{unit} ended unasked{process}: {reason}"),
        ),
        IncidentKind::SummedUp => (
            messages::SUMMED_UP,
            format!("{unit} keeps crashing: {reason}"),
        ),
        IncidentKind::FullRestart => (messages::FULL_RESTART, format!("{unit}: {reason}")),
        IncidentKind::RestartTrouble => (messages::RESTART_TROUBLE, format!("{unit}: {reason}")),
    };
    warn!(
        MESSAGE_ID = id,
        OBJECT_SYSTEMD_UNIT = unit.as_str(),
        UNITWARD_WARD = name.as_str(),
        UNITWARD_REASON = reason.as_str(),
        UNITWARD_PID = pid.as_str(),
        UNITWARD_INVOCATION_ID = key.invocation.as_str(),
        UNITWARD_TIMESTAMP = at,
        UNITWARD_BACKTRACE = backtrace.as_deref().unwrap_or_default(),
        "{text}"
    );
}

/// Writes the end of a recovery to the journal.
pub(super) fn recovery(death: &Key, account: &Account) {
    let text = recovered(&death.unit, account);
    info!(
        MESSAGE_ID = messages::RECOVERY,
        OBJECT_SYSTEMD_UNIT = death.unit.as_str(),
        UNITWARD_WARD = account.ward.as_str(),
        UNITWARD_REASON = account.reason.as_str(),
        UNITWARD_INVOCATION_ID = death.invocation.as_str(),
        UNITWARD_OUTCOME = account.outcome.word(),
        UNITWARD_DOWNTIME_MS = account.downtime_ms,
        UNITWARD_RECOVERY_MS = account.recovery_ms,
        "{text}"
    );
}

/// Returns the sentence on a recovery. Each death of a run that was up begins a recovery: earlier
/// restarts are not its own.
fn recovered(unit: &str, account: &Account) -> String {
    let Account {
        reason,
        outcome,
        restarts,
        ..
    } = account;
    match (account.downtime_ms, account.recovery_ms, restarts) {
        (Some(down), Some(whole), _) => {
            let steps = if *outcome == Outcome::StepFailed {
                ", but a step failed"
            } else {
                ""
            };
            let plural = if *restarts == 1 { "" } else { "s" };
            format!(
                "Recovered {unit} from {reason}{steps}: down for {down} ms, done after {whole} ms, \
                 {restarts} restart{plural}."
            )
        }
        (_, _, restarts) if *outcome == Outcome::Ended => {
            let after = match restarts {
                0 => String::new(),
                1 => " and a restart".to_owned(),
                _ => format!(" and {restarts} restarts"),
            };
            format!("The recovery of {unit} from {reason}{after} was ended before the unit was up.")
        }
        (_, _, 0) => format!(
            "Gave up {unit} after {reason}, one death too many: {}.",
            outcome.word()
        ),
        (_, _, 1) => format!(
            "Gave up {unit} after {reason} and a restart that failed: {}.",
            outcome.word()
        ),
        _ => format!(
            "Gave up {unit} after {reason} and {restarts} restarts that failed: {}.",
            outcome.word()
        ),
    }
}

/// Warns that reports do not identify this host.
pub(super) fn nameless() {
    warn!(
        MESSAGE_ID = messages::CONFIGURATION,
        "This host has no id, its reports have the nodeId \"{UNKNOWN}\": write NodeId= in [Node] of unitward.conf, or let \
         \"systemd-machine-id-setup\" make /etc/machine-id."
    );
}

/// Writes a remark of the state.
pub(super) fn remark(remark: &Remark) {
    match remark {
        Remark::Listening => info!("Listening to systemd."),
        Remark::BusLost(error) => warn!("Lost the connection to systemd, trying again: {error}"),
        Remark::Overflow => {
            warn!(
                MESSAGE_ID = messages::RESYNC,
                "More changes of units than could be taken in, asking for all units anew."
            );
        }
        Remark::RecallLate => {
            warn!("What happened before is not known in time, going on without it.")
        }
        Remark::RecallUnfinished => {
            info!("The journal takes long to read, reading the rest of it next.")
        }
        Remark::TooMany(ends) => {
            warn!(
                MESSAGE_ID = messages::RESYNC,
                "The journal tells of more ends than can be taken in, the {ends} oldest are left out."
            );
        }
        Remark::NoJournal(why) => {
            warn!(
                "Failed to read the journal, crashes that no signal and no run record told are not known: {why}"
            );
        }
        Remark::ResyncLate => warn!("systemd does not answer, asking again."),
        Remark::Guarding(wards, patterns) => {
            info!(
                "Configuration read: wards: {wards}, patterns of other units to watch: {patterns}."
            );
        }
        Remark::LeftBehind(reports) => {
            info!(
                "Stopping with {reports} reports that the broker has not taken; they wait in the history."
            );
        }
        Remark::Inhibited(unit) => {
            info!("{unit} was restarted by hand while its InhibitFile= exists, not reporting it.")
        }
        Remark::BadPattern(pattern) => {
            warn!(
                MESSAGE_ID = messages::CONFIGURATION,
                "Units= has {pattern:?}, which is not a pattern, ignoring."
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::crash::observation::InvocationId;
    use crate::core::recovery::account::{Attempt, Died, Ended, GivenUp, UpTimes, account};

    fn check(attempts: &[Attempt], ended: Ended, expect: &str) {
        let invocation = InvocationId::parse("0123456789abcdef0123456789abcdef").unwrap();
        let died = Died {
            invocation,
            reason: "EXIT 3".into(),
            at: 1_000,
        };
        assert_eq!(
            recovered("web.service", &account("web", died, attempts, ended)),
            expect
        );
    }

    #[test]
    fn a_recovery_is_told_with_its_own_restarts_only() {
        let failed = Attempt::default;
        let up = Attempt {
            up: Some(UpTimes {
                main: 1_184,
                at: 1_684,
            }),
            ..failed()
        };
        let given_up = Ended::GivenUp(GivenUp::Exclude);
        let told = "Recovered web.service from EXIT 3: down for 184 ms, done after 684 ms";
        check(
            std::slice::from_ref(&up),
            Ended::Up,
            &format!("{told}, 1 restart."),
        );
        check(&[failed(), up], Ended::Up, &format!("{told}, 2 restarts."));
        check(
            &[],
            given_up,
            "Gave up web.service after EXIT 3, one death too many: excluded.",
        );
        check(
            &[failed()],
            given_up,
            "Gave up web.service after EXIT 3 and a restart that failed: excluded.",
        );
        let twice = "Gave up web.service after EXIT 3 and 2 restarts that failed: excluded.";
        check(&[failed(), failed()], given_up, twice);
        let ended = "The recovery of web.service from EXIT 3";
        check(
            &[],
            Ended::Early(2_000),
            &format!("{ended} was ended before the unit was up."),
        );
        check(
            &[failed()],
            Ended::Early(2_000),
            &format!("{ended} and a restart was ended before the unit was up."),
        );
    }
}
