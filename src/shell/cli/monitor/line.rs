//! One line of `unitward monitor`: for people, and as JSON.
//!
//! Invariants: the keys of the JSON and their words never change, keys may be added. An exclusion has Luos's key `dead_service`
//! too, in the form of its gates before 3.0, a name: the numbers that came after that mean nothing outside of a Luos network.

use crate::core::visible::visible;
use crate::edge::clock;
use crate::shell::cli::reports::table::{counted, span, time};
use crate::shell::news::{
    Death, Excluded, FullRestart, FullRestartOver, News, Readmitted, Recovery, StateChanged,
};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::fmt;

/// Columns before the words, if the subject fits into its column.
pub(super) const INDENT: usize = 43;

/// Presence of the daemon on the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Here,
    Gone,
}

/// One event.
pub(super) struct Line<'n> {
    /// Time, in milliseconds since the epoch.
    at: u64,
    what: What<'n>,
}

enum What<'n> {
    News(&'n News),
    Presence(Presence),
}

/// The JSON object: the signal's fields between fields that all events have and those of one kind.
#[derive(Serialize)]
struct Object<'n, B> {
    event: &'static str,
    #[serde(flatten)]
    body: &'n B,
    /// Time of the event, if the signal has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dead_service: Option<&'n str>,
}

/// A body without fields.
#[derive(Serialize)]
struct Nothing {}

impl<'n> Line<'n> {
    /// Makes the line of a signal that has just been received.
    pub(super) fn of(news: &'n News) -> Self {
        Self {
            at: news.at(clock::since_epoch()),
            what: What::News(news),
        }
    }

    /// Makes the line about the daemon's presence.
    pub(super) fn of_presence(presence: Presence) -> Self {
        Self {
            at: clock::since_epoch(),
            what: What::Presence(presence),
        }
    }

    /// Returns the event as one line of JSON.
    pub(super) fn to_json(&self) -> String {
        let at = Some(self.at);
        match &self.what {
            What::Presence(Presence::Here) => object("daemon-back", &Nothing {}, at),
            What::Presence(Presence::Gone) => object("daemon-gone", &Nothing {}, at),
            What::News(News::Death(body)) => object("death", body, None),
            What::News(News::Recovery(body)) => object("recovery", body, at),
            What::News(News::Excluded(body)) => json(&Object {
                event: "excluded",
                body,
                at,
                dead_service: Some(&body.ward),
            }),
            What::News(News::Readmitted(body)) => object("readmitted", body, at),
            What::News(News::StateChanged(body)) => object("state-changed", body, at),
            What::News(News::FullRestart(body)) => object("full-restart", body, None),
            What::News(News::FullRestartOver(body)) => object("full-restart-over", body, at),
        }
    }
}

fn object<B: Serialize>(event: &'static str, body: &B, at: Option<u64>) -> String {
    json(&Object {
        event,
        body,
        at,
        dead_service: None,
    })
}

fn json(object: &impl Serialize) -> String {
    serde_json::to_string(object).expect("strings and numbers always have a JSON form")
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (subject, text) = match self.what {
            What::News(news) => (news.subject(), words(news)),
            What::Presence(Presence::Here) => ("unitwardd", "is back".to_owned()),
            What::Presence(Presence::Gone) => (
                "unitwardd",
                "cannot be heard: it does not run, or there is no bus; waiting for it".to_owned(),
            ),
        };
        write!(
            out,
            "{}  {:<16}  {}",
            time(self.at, &TimeZone::system()),
            visible(subject),
            visible(&text)
        )
    }
}

fn words(news: &News) -> String {
    match news {
        News::Death(Death {
            reason, pid, crash, ..
        }) => {
            let process = if *pid == 0 {
                String::new()
            } else {
                format!(", process {pid}")
            };
            let how = if *crash { "crashed" } else { "ended unasked" };
            format!("{how}: {reason}{process}")
        }
        News::Recovery(Recovery {
            outcome,
            restarts,
            downtime_ms,
            recovery_ms,
            ..
        }) => {
            let restarts = counted(*restarts, "restart");
            match outcome.as_str() {
                "recovered" | "step-failed" => {
                    let (down, whole) = (span(*downtime_ms), span(*recovery_ms));
                    format!("{outcome}: down for {down}, done after {whole}, {restarts}")
                }
                _ => format!("given up after {restarts}: {outcome}"),
            }
        }
        News::Excluded(Excluded { by, why, .. }) => {
            let why = if why.is_empty() {
                String::new()
            } else {
                format!(": {why}")
            };
            format!("excluded by {by}{why}")
        }
        News::Readmitted(Readmitted { by, .. }) => format!("readmitted by {by}"),
        News::StateChanged(StateChanged {
            unit,
            state,
            substate,
            ..
        }) => format!("{unit} is {state} ({substate})"),
        News::FullRestart(FullRestart { reason, .. }) => reason.clone(),
        News::FullRestartOver(FullRestartOver {
            outcome, trouble, ..
        }) => {
            let trouble = if trouble.is_empty() {
                String::new()
            } else {
                format!(": {trouble}")
            };
            format!("full restart is over: {outcome}{trouble}")
        }
    }
}

#[cfg(test)]
mod tests;
