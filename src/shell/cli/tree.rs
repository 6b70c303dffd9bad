//! `unitward tree`: stacks, wards, conditions and steps, and their counters since boot.

use super::desk::{self, Form, Sheet, ago, colour, span};
use super::reports::table::counted;
use crate::core::visible::visible;
use crate::shell::survey::tree::{StackBranch, Tree, WardBranch};
use crate::shell::survey::{ConditionTold, Counters, Question, StepTold};
use clap::Args;
use std::process::ExitCode;

/// The command's arguments.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Show only this ward or stack, by its name or its unit's.
    #[arg(value_name = "NAME", default_value = "", hide_default_value = true)]
    name: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn tree(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let question = Question::Tree(arguments.name.clone());
    desk::answer(
        &question,
        Form::new(arguments.json),
        |tree: &Tree, sheet| (text(tree, sheet), none(tree)),
    )
}

fn none(tree: &Tree) -> String {
    let is_empty = tree.stacks.is_empty() && tree.wards.is_empty();
    if is_empty {
        "There are no wards: unitward.ward(5) says how one is written.\n".to_owned()
    } else {
        String::new()
    }
}

/// A line and its child lines.
#[derive(Debug)]
pub(super) struct Node {
    text: String,
    colour: &'static str,
    below: Vec<Node>,
}

fn text(tree: &Tree, sheet: Sheet) -> String {
    let now = tree.timestamp;
    let stacks = tree.stacks.iter().map(|branch| stack(branch, now));
    let nodes: Vec<Node> = stacks
        .chain(tree.wards.iter().map(|branch| ward(branch, now)))
        .collect();
    nodes.iter().map(|node| draw(node, sheet)).collect()
}

/// Draws the node and all below it, as `systemctl list-dependencies` does.
pub(super) fn draw(node: &Node, sheet: Sheet) -> String {
    let mut lines = sheet.line(&node.text, node.colour);
    below(node, "", sheet, &mut lines);
    lines
}

fn below(node: &Node, before: &str, sheet: Sheet, lines: &mut String) {
    for (index, child) in node.below.iter().enumerate() {
        let (branch, after) = if index + 1 == node.below.len() {
            ("└─", "  ")
        } else {
            ("├─", "│ ")
        };
        lines.push_str(&sheet.line(&format!("{before}{branch}{}", child.text), child.colour));
        below(child, &format!("{before}{after}"), sheet, lines);
    }
}

fn stack(branch: &StackBranch, now: u64) -> Node {
    Node {
        text: format!("{}: stack, {}", visible(&branch.name), branch.state.word()),
        colour: colour(branch.state),
        below: branch
            .wards
            .iter()
            .map(|branch| ward(branch, now))
            .collect(),
    }
}

fn ward(branch: &WardBranch, now: u64) -> Node {
    let own = branch.unit.strip_suffix(".service") == Some(branch.name.as_str());
    let unit = if own {
        String::new()
    } else {
        format!(" ({})", branch.unit)
    };
    Node {
        text: format!(
            "{}: {}, {}",
            visible(&(branch.name.clone() + &unit)),
            branch.state.word(),
            counters(&branch.since_boot)
        ),
        colour: colour(branch.state),
        below: branch
            .conditions
            .iter()
            .map(|told| condition(told, now))
            .collect(),
    }
}

/// Formats counters as `1 start, 2 restarts, 2 deaths, 2 of them crashes`.
pub(super) fn counters(counters: &Counters) -> String {
    let Counters {
        starts,
        restarts,
        deaths,
        crashes,
    } = *counters;
    let crashes = match crashes {
        0 => String::new(),
        all if all == deaths && all == 1 => ", a crash".to_owned(),
        all if all == deaths => ", all of them crashes".to_owned(),
        some => format!(
            ", {some} of them {}",
            if some == 1 { "a crash" } else { "crashes" }
        ),
    };
    format!(
        "{}, {}, {}{crashes}",
        counted(starts, "start"),
        counted(restarts, "restart"),
        counted(deaths, "death")
    )
}

/// Returns the node of a condition and its steps.
pub(super) fn condition(told: &ConditionTold, now: u64) -> Node {
    let spent = if told.spent { ", spent" } else { "" };
    let times = if told.fired == 1 {
        "once".to_owned()
    } else {
        format!("{} times", told.fired)
    };
    let fired = if told.fired == 0 {
        "never fired".to_owned()
    } else {
        format!("fired {times}{spent}")
    };
    let mut below: Vec<Node> = Vec::new();
    for told in &told.steps {
        match below.last_mut() {
            Some(above) if told.step.contains('.') => above.below.push(step(told, now)),
            _ => below.push(step(told, now)),
        }
    }
    Node {
        text: format!("[{}]: {fired}", title(told)),
        colour: "",
        below,
    }
}

/// Returns the header of the condition's section: `OnDeath mounts`.
fn title(told: &ConditionTold) -> String {
    match told.id.strip_prefix(&told.kind) {
        Some(name) if name.starts_with('-') => visible(&format!("{} {}", told.kind, &name[1..])),
        _ => visible(&told.id),
    }
}

fn step(told: &StepTold, now: u64) -> Node {
    let failed = told.last.as_ref().is_some_and(|last| last.result != "ok");
    Node {
        text: visible(&format!(
            "{} {}={}: {}",
            told.step,
            told.action,
            told.argument,
            became(told, now)
        )),
        colour: if failed { "31" } else { "" },
        below: Vec::new(),
    }
}

/// Formats a step's counters as `2 done, 1 failed, last 58s ago in 41ms`.
fn became(told: &StepTold, now: u64) -> String {
    let mut parts: Vec<String> = [
        (told.done, "done"),
        (told.failed, "failed"),
        (told.skipped, "skipped"),
    ]
    .iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} {word}"))
    .collect();
    if told.running {
        parts.insert(0, "running".to_owned());
    }
    if parts.is_empty() {
        return "never ran".to_owned();
    }
    if let Some(last) = &told.last {
        let status = if last.result == "ok" {
            String::new()
        } else {
            format!(" with status {}", last.status)
        };
        parts.push(format!(
            "last {} in {}{status}",
            ago(Some(last.timestamp), now),
            span(last.ms)
        ));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::cli::desk::fixture;
    use crate::shell::cli::reports::table::Paint;

    #[test]
    fn the_tree_is_drawn_with_its_counters() {
        let tree: Tree = fixture::document("tree.json");
        let plain = Sheet {
            paint: Paint::Plain,
            width: None,
        };
        fixture::check("tree.txt", &text(&tree, plain), &none(&tree));
    }

    #[test]
    fn counters_read_as_a_sentence() {
        let check = |[starts, restarts, deaths, crashes]: [u64; 4], expect: &str| {
            assert_eq!(
                super::counters(&Counters {
                    starts,
                    restarts,
                    deaths,
                    crashes
                }),
                expect
            );
        };
        check([0, 0, 0, 0], "0 starts, 0 restarts, 0 deaths");
        check([1, 1, 1, 1], "1 start, 1 restart, 1 death, a crash");
        check(
            [1, 3, 3, 3],
            "1 start, 3 restarts, 3 deaths, all of them crashes",
        );
        check(
            [1, 3, 3, 1],
            "1 start, 3 restarts, 3 deaths, 1 of them a crash",
        );
        check(
            [1, 3, 3, 2],
            "1 start, 3 restarts, 3 deaths, 2 of them crashes",
        );
    }
}
