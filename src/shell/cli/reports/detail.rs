//! Everything about one death, for people.

use super::account::{Became, Record, Step, outcome, visible};
use super::table::{counted, span, time};
use crate::core::crash::report::UNKNOWN;
use crate::edge::history::entry::{StoredRecovery, Witness};
use crate::edge::history::read::{Delivery, DeliveryState, Told, ToldRestart};
use comfy_table::{Table, TableStyle};
use jiff::tz::TimeZone;

/// Columns before the values.
const INDENT: usize = 12;

/// The text.
pub(super) fn detail(told: &Told, zone: &TimeZone) -> String {
    let death = &told.death;
    let mut text = Text(String::new());
    text.line(if told.restart.is_some() { "Stack" } else { "Ward" }, &death.name);
    text.line("Unit", &death.key.unit);
    text.line("Time", &time(death.at, zone));
    text.line("Reason", if death.reason == UNKNOWN { "unknown" } else { &death.reason });
    if told.restart.is_none() {
        text.line("PID", &death.pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string()));
    }
    text.line("Invocation", death.key.invocation.as_str());
    text.line("Boot", &death.key.boot);
    text.line("Witness", witness(death.witness));
    text.line("Report", &report(told, zone));
    match death.backtrace.as_deref().filter(|backtrace| *backtrace != UNKNOWN) {
        Some(backtrace) => text.block("Backtrace", backtrace.lines().map(str::trim).map(visible)),
        None => text.line("Backtrace", "none"),
    }
    if let Some(restart) = &told.restart {
        restarted(&mut text, restart, zone);
        return text.0;
    }
    if let Some(id) = &told.led_to {
        text.line("Led to", &format!("full restart {id}"));
    }
    match &told.recovery {
        Some(recovery) => recovered(&mut text, recovery, (told.recovery_report.as_ref(), zone)),
        None => text.line("Recovery", "none is known"),
    }
    text.0
}

fn restarted(text: &mut Text, ToldRestart { restart, end }: &ToldRestart, zone: &TimeZone) {
    text.line("Caller", &restart.caller);
    if let Some(cause) = &restart.cause {
        text.line("Because of", &format!("death {} of {}", cause.invocation, cause.unit));
    }
    match end {
        None => text.line("Outcome", "not known: under way, or nobody lived to tell"),
        Some(end) => {
            text.line("Outcome", &format!("{} {}", outcome(end.outcome), time(end.at, zone)));
            if !end.trouble.is_empty() {
                text.line("", &end.trouble);
            }
        }
    }
}

fn recovered(text: &mut Text, recovery: &StoredRecovery, told: (Option<&Delivery>, &TimeZone)) {
    let record = Record::read(&recovery.record);
    let mut line = format!("{} {}", recovery.outcome, time(recovery.at, told.1));
    if let Some(restarts) = record.restarts {
        line.push_str(&format!(", {}", counted(usize::try_from(restarts).unwrap_or(usize::MAX), "restart")));
    }
    if let Some(ms) = record.downtime_ms {
        line.push_str(&format!(", {} down", span(ms)));
    }
    if let Some(ms) = record.recovery_ms {
        line.push_str(&format!(", {} to the last step", span(ms)));
    }
    text.line("Recovery", &line);
    if let Some(delivery) = told.0 {
        text.line("", &format!("report {}", delivered(delivery, told.1)));
    }
    text.block("Steps", steps(&record.steps));
}

/// The steps in columns.
fn steps(steps: &[Step]) -> impl Iterator<Item = String> {
    let shown = |word: &Option<String>| visible(word.as_deref().unwrap_or("-"));
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    table.add_rows(steps.iter().map(|step| {
        let took = step.ms.map_or_else(|| "-".to_owned(), span);
        [shown(&step.condition), shown(&step.step), shown(&step.argument), shown(&step.result), took]
    }));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<String> = if steps.is_empty() { Vec::new() } else { table.lines().collect() };
    lines.into_iter()
}

fn report(told: &Told, zone: &TimeZone) -> String {
    let word = Became::of(told).map_or("nothing is left of it", Became::word);
    match &told.report {
        None => word.to_owned(),
        Some(delivery) if Became::of(told) == Some(Became::delivered(delivery)) => delivered(delivery, zone),
        Some(delivery) => format!("{word}, {}", delivered(delivery, zone)),
    }
}

/// `sent 2025-02-06 10:42:23.968, report-id …`.
fn delivered(delivery: &Delivery, zone: &TimeZone) -> String {
    let word = Became::delivered(delivery).word();
    let state = match &delivery.state {
        DeliveryState::Waiting => word.to_owned(),
        DeliveryState::Sent { at } => format!("{word} {}", time(*at, zone)),
        DeliveryState::Refused { at, why } => format!("{word} {} ({why})", time(*at, zone)),
    };
    format!("{state}, report-id {}", delivery.id)
}

fn witness(witness: Witness) -> &'static str {
    match witness {
        Witness::Bus => "systemd's signal on D-Bus",
        Witness::Record => "the run record",
        Witness::Journal => "the journal",
    }
}

/// Lines of a key and a value.
struct Text(String);

impl Text {
    fn line(&mut self, key: &str, value: &str) {
        let colon = if key.is_empty() { ' ' } else { ':' };
        self.0.push_str(&format!("{key:>INDENT$}{colon} {}\n", visible(value)));
    }

    /// Several values below each other.
    fn block(&mut self, key: &str, lines: impl Iterator<Item = String>) {
        let mut key = key;
        for line in lines {
            self.line(key, line.trim_end());
            key = "";
        }
    }
}
