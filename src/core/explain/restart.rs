//! Explains how systemd notices a death and restarts the unit, and after which wait.

use super::{Line, Part, Subject, listed};
use crate::core::config::ward::NativeLine;
use crate::core::config::{Form, Ward, time_span};
use crate::core::recovery::backoff::Backoff;
use crate::core::unit::{ServiceLines, Sight, restart_policy};
use std::time::Duration;

/// Number of restarts in a row whose waits are listed.
const TOLD: u32 = 24;

/// Explains how a death is noticed.
pub(super) fn noticed(subject: Subject<'_>) -> Part {
    let ward = subject.ward;
    let unit = ward.unit();
    let seen = match sight(subject) {
        Sight::Main => format!("systemd notices at once when the main process of {unit} ends."),
        Sight::Last => format!(
            "systemd does not know the main process of {unit} (GuessMainPID=no). It notices when the last process is gone, and takes that \
             for a clean end."
        ),
        Sight::Nothing => {
            let why = "GuessMainPID=no, RemainAfterExit=yes";
            let text = format!(
                "systemd does not know the main process of {unit} ({why}): it notices no death of it at all."
            );
            return Part {
                heading: heading(ward),
                lines: vec![Line::Plain(text)],
            };
        }
    };
    let mut lines = vec![Line::Plain(format!(
        "{seen} An end that somebody asks for, with systemctl or by a shutdown, is no death."
    ))];
    if kind(subject) == Some("oneshot") {
        lines.push(Line::Plain(
            "It is a oneshot: to end with success means that its work is done, and is no death."
                .into(),
        ));
    }
    if let Some(span) = service(subject)
        .value("WatchdogSec")
        .filter(|span| *span != "0")
    {
        lines.push(Line::Plain(format!(
            "When it has sent no sign of life for {span}, systemd kills it: WatchdogSec=."
        )));
    }
    Part {
        heading: heading(ward),
        lines,
    }
}

fn heading(ward: &Ward) -> String {
    format!(
        "When {} dies, ward {} ({})",
        ward.unit(),
        ward.name,
        ward.path.display()
    )
}

/// What systemd sees of its end.
fn sight(subject: Subject<'_>) -> Sight {
    Sight::of(service(subject))
}

/// The lines in force: those of its files, of the ward, and of later drop-ins.
fn service(subject: Subject<'_>) -> ServiceLines<'_> {
    ServiceLines::of(subject.ward, subject.adopted)
}

/// Returns true if systemd notices a death of it.
pub(super) fn is_seen(subject: Subject<'_>) -> bool {
    sight(subject) != Sight::Nothing
}

fn kind(subject: Subject<'_>) -> Option<&str> {
    service(subject)
        .value("Type")
        .or(subject.adopted.and_then(|unit| unit.kind.as_deref()))
}

/// Returns the effective `Restart=`.
pub(super) fn policy(subject: Subject<'_>) -> &str {
    restart_policy(subject.ward, subject.adopted).unwrap_or("no")
}

/// Returns a sentence about a line of a drop-in that is read after what we write; else nothing.
fn last_word(subject: Subject<'_>, line: &NativeLine) -> String {
    if service(subject).is_later(line) {
        let place = line.at.to_string();
        format!(
            " It stands in {}, which has the last word.",
            place.trim_end_matches(':')
        )
    } else {
        String::new()
    }
}

/// Returns true if systemd ever starts it again.
pub(super) fn is_restarted(subject: Subject<'_>) -> bool {
    let policy = policy(subject);
    match sight(subject) {
        Sight::Main => !matches!(policy, "no" | ""),
        Sight::Last => matches!(policy, "always" | "on-success"),
        Sight::Nothing => false,
    }
}

const CRASH: &str =
    "After a crash (a signal, a core dump, the watchdog, a time-out, an exit status other than 0)";
const CLEAN: &str = "After a clean end (exit status 0, or SIGHUP, SIGINT, SIGTERM or SIGPIPE)";

/// Whether systemd starts it again after a crash, and after a clean end.
fn verdicts(policy: &str) -> [(&'static str, &'static str); 2] {
    let [crash, clean] = match policy {
        "always" => ["it is started again", "it is started again"],
        "on-failure" => ["it is started again", "it stays down"],
        "on-success" => ["it stays down", "it is started again"],
        "on-abnormal" => [
            "it is started again, but not after an exit status",
            "it stays down",
        ],
        "on-abort" => [
            "it is started again only if a signal or core dump ended it",
            "it stays down",
        ],
        "on-watchdog" => [
            "it is started again only if the watchdog ended it",
            "it stays down",
        ],
        _ => ["it stays down", "it stays down"],
    };
    [(CRASH, crash), (CLEAN, clean)]
}

/// Explains after which ends systemd starts it again.
pub(super) fn comes_back(subject: Subject<'_>) -> Part {
    let policy = policy(subject);
    let seen = sight(subject);
    let told = verdicts(policy)
        .into_iter()
        .filter(|(after, _)| seen == Sight::Main || *after == CLEAN);
    let mut lines: Vec<_> = told
        .map(|(after, what)| Line::Plain(format!("{after} {what}.")))
        .collect();
    if !is_restarted(subject) {
        let (why, advice) = match seen {
            Sight::Nothing => ("systemd sees no death", "PIDFile= and RemainAfterExit=no"),
            Sight::Last if !matches!(policy, "no" | "") => ("systemd sees no crash", "PIDFile="),
            Sight::Main | Sight::Last => ("Restart=no", "Restart=on-failure"),
        };
        let last = service(subject)
            .last("Restart")
            .map(|line| last_word(subject, line));
        let text = match last.filter(|last| !last.is_empty() && seen == Sight::Main) {
            Some(last) => format!(
                "Nothing starts it again: {why}.{last} To have it restarted take that line out."
            ),
            None => format!(
                "Nothing starts it again: {why}. To have it restarted write {advice} in [Service] of the ward."
            ),
        };
        lines = vec![Line::Plain(text)];
    } else if let Some(line) = service(subject).last("Restart") {
        let last = last_word(subject, line);
        if !last.is_empty() {
            lines.push(Line::Plain(format!("Restart={policy} is in force.{last}")));
        }
    }
    for key in [
        "RestartPreventExitStatus",
        "RestartForceExitStatus",
        "SuccessExitStatus",
    ] {
        let standing = service(subject).values(key);
        lines.extend(standing.into_iter().map(|line| {
            let (value, last) = (&line.value, last_word(subject, line));
            Line::Plain(format!("{key}={value} makes exceptions.{last}"))
        }));
    }
    Part {
        heading: format!("Whether it comes back: Restart={policy}"),
        lines,
    }
}

/// Explains the wait before a restart.
pub(super) fn waits(subject: Subject<'_>) -> Part {
    let (ward, recovery) = (subject.ward, &subject.ward.recovery);
    let heading = "How long it waits".to_owned();
    if !is_restarted(subject) {
        return Part {
            heading,
            lines: Vec::new(),
        };
    }
    let systemd = match (service(subject).last("RestartSec"), &ward.form) {
        (Some(line), _) => format!(
            "systemd itself waits {} first: RestartSec=.{}",
            line.value,
            last_word(subject, line)
        ),
        (None, Form::Defined) => "systemd itself adds no wait: RestartSec=0.".to_owned(),
        (None, Form::Adopted(_)) => {
            "systemd itself waits as long as RestartSec= of the unit says, 100ms if it says nothing.".to_owned()
        }
    };
    let backoff = Backoff {
        delay: recovery.delay,
        max_delay: recovery.max_delay,
    };
    let mut lines = vec![Line::Plain(series(backoff)), Line::Plain(systemd)];
    let reset = time_span::render(recovery.reset_after);
    lines.push(Line::Plain(format!(
        "Once it has been up for {reset}, the count begins again. A start by hand begins it too."
    )));
    Part { heading, lines }
}

/// Renders one wait.
fn rendered(wait: Duration) -> String {
    if wait.is_zero() {
        "no time".to_owned()
    } else {
        time_span::render(wait)
    }
}

/// Renders the waits in a row, as far as they grow.
fn series(backoff: Backoff) -> String {
    let longest = backoff.wait(u32::MAX);
    if backoff.wait(1) == longest {
        return format!("Every restart waits {}.", rendered(longest));
    }
    let waits: Vec<_> = (1..=TOLD)
        .map(|restart| backoff.wait(restart))
        .take_while(|wait| *wait < longest)
        .collect();
    let grown: Vec<String> = waits.iter().skip(1).map(|wait| rendered(*wait)).collect();
    let first = format!("The first restart waits {}", rendered(backoff.wait(1)));
    if grown.is_empty() {
        return format!("{first}, each one that follows {}.", rendered(longest));
    }
    format!(
        "{first}, those that follow {}, then {} each.",
        listed(&grown),
        rendered(longest)
    )
}
