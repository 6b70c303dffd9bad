//! Explains the reports of deaths and recoveries.

use super::{Line, Part, Subject, restart};
use crate::core::config::ReportOn;
use crate::core::config::settings::{Mqtt, Reports};

/// Explains which ends are reported, and to where.
pub(super) fn told(subject: Subject<'_>) -> Part {
    let Mqtt {
        broker,
        wants_broker,
        crash_topic,
        recovery_topic,
        ..
    } = &subject.settings.mqtt;
    let Reports {
        crashes,
        recoveries,
        burst,
        burst_interval,
        ..
    } = subject.settings.reports;
    let which = match subject.ward.report {
        ReportOn::Abnormal => {
            "A crash is reported; a clean end is only kept in the history (Report=abnormal)."
        }
        ReportOn::Death => "A crash is reported, and a clean end too (Report=death).",
        ReportOn::No => "No death of it is reported (Report=no); all are kept in the history.",
    };
    let mut lines = vec![Line::Plain(which.to_owned())];
    let has_broker = broker.is_some() || *wants_broker;
    if subject.ward.report != ReportOn::No {
        let place = match (crashes, has_broker) {
            (false, _) => "Crashes=no in unitward.conf: nothing is reported at all.".to_owned(),
            (true, true) => {
                format!("Reports go to the journal and to the broker's topic {crash_topic}.")
            }
            (true, false) => {
                "Reports stay in the journal: unitward.conf has no Broker=.".to_owned()
            }
        };
        lines.push(Line::Plain(place));
        if crashes && burst > 0 {
            let within = crate::core::config::time_span::render(burst_interval);
            lines.push(Line::Plain(format!(
                "More than {burst} within {within} are summed up in one report."
            )));
        }
    }
    let published = if has_broker && recoveries {
        format!("; it is published on {recovery_topic}")
    } else {
        String::new()
    };
    lines.extend(of_recovery(subject, &published));
    Part {
        heading: "Who is told".to_owned(),
        lines,
    }
}

/// Explains the record of a recovery, which is `published` or not.
fn of_recovery(subject: Subject<'_>, published: &str) -> Vec<Line> {
    let ward = &subject.ward.name;
    if !restart::is_restarted(subject) {
        return vec![Line::Plain(format!(
            "There is no record of a recovery; \"unitward tree {ward}\" shows what was done."
        ))];
    }
    let record = format!(
        "What was done and how long it took stands in one record when it is over{published}."
    );
    let last = format!("\"unitward timeline {ward}\" shows the last one.");
    vec![Line::Plain(record), Line::Plain(last)]
}
