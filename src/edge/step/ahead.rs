//! The steps ahead of a restart: those of the lines behind the one that begins it, as PID 1 has them.

use super::line::StepLine;
use super::{list, own_lines};
use crate::edge::pid1::{Command, Properties};
use crate::edge::record::{Planned, RunRecord};

/// The lists with steps of a start, but for the first line; to be asked for.
pub(super) const LISTS: [&str; 2] = ["ExecStartPre", "ExecStartPost"];

/// The steps of this unit that will act in the run, as far as it is known now.
pub(super) fn of(known: &Properties, record: &RunRecord) -> Vec<Planned> {
    let mut all = Vec::new();
    for list in LISTS {
        let lines = known.commands(list).flat_map(|seen| steps(&seen));
        let ahead = lines.filter(|line| is_ahead(line, record));
        all.extend(ahead.map(|line| planned(line, list)));
    }
    all
}

/// The steps in a command, if it is one of ours.
fn steps(seen: &Command) -> Vec<StepLine> {
    let [_, command, words @ ..] = seen.words.as_slice() else {
        return Vec::new();
    };
    match command.as_str() {
        "steps" | "end" => list::read(words)
            .map(|(_, lines)| lines)
            .unwrap_or_default(),
        _ => own_lines::step(seen).into_iter().collect(),
    }
}

/// True for a step of the ward's that acts. Step 0 starts the service of a condition, and an `Else…` step waits for a failure.
fn is_ahead(line: &StepLine, record: &RunRecord) -> bool {
    let step = &line.place.step;
    line.ward == record.ward
        && !line.is_verdict()
        && step != "0"
        && !step.contains('.')
        && line.acts(record)
}

fn planned(line: StepLine, list: &str) -> Planned {
    Planned {
        condition: line.place.condition,
        step: line.place.step,
        action: line.keyword,
        argument: line.arguments.join(" ").replace("$$", "$"),
        before: list == LISTS[0],
        breaks: line.place.breaks,
    }
}
