//! Everything about one death, for people.

use super::table::{counted, span, time};
use crate::core::visible::visible;
use crate::shell::survey::reports::document::{Became, Document, FullRestart, Recovery, Step, Way};
use comfy_table::{Table, TableStyle};
use jiff::tz::TimeZone;

/// Columns before the values.
pub(super) const INDENT: usize = 12;

/// Returns the text.
pub(super) fn detail(told: &Document, zone: &TimeZone) -> String {
    let mut text = Text(String::new());
    text.line(
        if told.full_restart.is_some() {
            "Stack"
        } else {
            "Ward"
        },
        &told.ward,
    );
    text.line("Unit", &told.unit);
    text.line("Time", &time(told.timestamp, zone));
    text.line("Reason", told.reason.as_deref().unwrap_or("unknown"));
    if told.full_restart.is_none() {
        text.line(
            "PID",
            &told
                .pid
                .map_or_else(|| "unknown".to_owned(), |pid| pid.to_string()),
        );
    }
    text.line("Invocation", &told.invocation);
    text.line("Boot", &told.boot);
    text.line("Witness", witness(&told.witness));
    text.line("Report", &report(told, zone));
    match told.backtrace.as_deref() {
        Some(backtrace) => text.block("Backtrace", backtrace.lines().map(str::trim).map(visible)),
        None => text.line("Backtrace", "none"),
    }
    match told.log_lines.as_deref() {
        Some([]) => text.line("Log", "the journal has no line of this run"),
        Some(lines) => text.block("Log", lines.iter().cloned()),
        None => {}
    }
    if let Some(restart) = &told.full_restart {
        restarted(&mut text, restart, zone);
        return text.0;
    }
    if let Some(id) = &told.led_to {
        text.line("Led to", &format!("full restart {id}"));
    }
    match &told.recovery {
        Some(recovery) => recovered(&mut text, recovery, &left_down(told), zone),
        None => text.line(
            "Recovery",
            &format!("{}{}", standing(told), left_down(told)),
        ),
    }
    text.0
}

fn restarted(text: &mut Text, restart: &FullRestart, zone: &TimeZone) {
    text.line("Caller", &restart.caller);
    if let Some(cause) = &restart.cause {
        text.line(
            "Because of",
            &format!("death {} of {}", cause.invocation, cause.unit),
        );
    }
    let (Some(outcome), Some(at)) = (&restart.outcome, restart.timestamp) else {
        text.line("Outcome", "not known: under way, or nobody lived to tell");
        return;
    };
    text.line("Outcome", &format!("{outcome} {}", time(at, zone)));
    if let Some(trouble) = &restart.trouble {
        text.line("", trouble);
    }
}

/// Formats the downtime that no recovery has: `, 4s down so far`.
fn left_down(told: &Document) -> String {
    let so_far = if told.is_down { " so far" } else { "" };
    told.down_ms
        .map_or_else(String::new, |ms| format!(", {} down{so_far}", span(ms)))
}

/// Adds the recovery; `left_down`: the downtime if it has none.
fn recovered(text: &mut Text, recovery: &Recovery, left_down: &str, zone: &TimeZone) {
    let mut line = format!("{} {}", recovery.outcome, time(recovery.timestamp, zone));
    if let Some(restarts) = recovery.restarts {
        line.push_str(&format!(", {}", counted(restarts, "restart")));
    }
    if let Some(ms) = recovery.downtime_ms {
        line.push_str(&format!(", {} down", span(ms)));
    }
    line.push_str(left_down);
    if let Some(ms) = recovery.recovery_ms {
        line.push_str(&format!(", {} to the last step", span(ms)));
    }
    text.line("Recovery", &line);
    if let Some(delivered) = delivered(&recovery.way, zone) {
        text.line("", &format!("report {delivered}"));
    }
    text.block("Steps", steps(&recovery.steps));
}

/// Describes the recovery if none is stored.
fn standing(told: &Document) -> String {
    match (told.recovery_state.as_deref(), &told.recovery_of) {
        (Some("part-of"), Some(first)) => format!("part of that from death {first}"),
        (Some("under-way"), _) => "under way".to_owned(),
        (Some("not-restarted"), _) => {
            "none, systemd does not restart the unit after such a death".to_owned()
        }
        (Some("no-ward"), _) => "none, no ward guards the unit".to_owned(),
        _ => "none is known".to_owned(),
    }
}

/// Returns the steps, in columns.
fn steps(steps: &[Step]) -> impl Iterator<Item = String> {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    table.add_rows(steps.iter().map(|step| {
        let took = step.ms.map_or_else(|| "-".to_owned(), span);
        let words = [&step.condition, &step.step, &step.argument, &step.result];
        words
            .map(|word| visible(word.as_deref().unwrap_or("-")))
            .into_iter()
            .chain([took])
    }));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<String> = if steps.is_empty() {
        Vec::new()
    } else {
        table.lines().collect()
    };
    lines.into_iter()
}

fn report(told: &Document, zone: &TimeZone) -> String {
    let word = told.report.map_or("nothing is left of it", Became::word);
    match delivered(&told.way, zone) {
        None => word.to_owned(),
        Some(delivered) if told.report == told.way.became() => delivered,
        Some(delivered) => format!("{word}, {delivered}"),
    }
}

/// Formats the delivery as `sent 2025-02-06 10:42:23.968, report-id …`; `None` if there is no
/// report.
fn delivered(way: &Way, zone: &TimeZone) -> Option<String> {
    let (word, id) = (way.became()?.word(), way.report_id.as_ref()?);
    let state = match (way.report_timestamp, &way.refusal) {
        (None, _) => word.to_owned(),
        (Some(at), None) => format!("{word} {}", time(at, zone)),
        (Some(at), Some(why)) => format!("{word} {} ({why})", time(at, zone)),
    };
    Some(format!("{state}, report-id {id}"))
}

fn witness(witness: &str) -> &str {
    match witness {
        "bus" => "systemd's signal on D-Bus",
        "record" => "the run record",
        "journal" => "the journal",
        other => other,
    }
}

/// Text of lines with a key and a value.
struct Text(String);

impl Text {
    fn line(&mut self, key: &str, value: &str) {
        let colon = if key.is_empty() { ' ' } else { ':' };
        self.0
            .push_str(&format!("{key:>INDENT$}{colon} {}\n", visible(value)));
    }

    /// Adds several values, one below the other.
    fn block(&mut self, key: &str, lines: impl Iterator<Item = String>) {
        let mut key = key;
        for line in lines {
            self.line(key, line.trim_end());
            key = "";
        }
    }
}
