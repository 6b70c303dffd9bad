//! `NoExecPaths=` of a service that prevents its steps' programs from running.
//!
//! It is made of mounts, which `+` lifts (seen on systemd 252 and 257): lines of Unitward's own run
//! all the same, and so do commands with `+`. Any other command runs as the service does, and before
//! it the helper, which decides there whether the command runs. The path nearest to a program counts.

use super::{AdoptedUnit, HELPER, ServiceLines};
use crate::core::config::command_line::CommandLine;
use crate::core::config::step::Action;
use crate::core::config::ward::NativeLine;
use crate::core::config::{Mistake, Place, Problem, Ward};
use std::path::{Path, PathBuf};

/// The two settings, the one that forbids first.
const KEYS: [&str; 2] = ["NoExecPaths", "ExecPaths"];

/// A path of one of the settings.
struct Rule<'a> {
    line: &'a NativeLine,
    path: PathBuf,
}

/// Returns a warning for each step whose program, or the helper before it, cannot run.
pub(super) fn warnings(ward: &Ward, adopted: Option<&AdoptedUnit>) -> Vec<Problem> {
    let service = ServiceLines::of(ward, adopted);
    let rules: Vec<Rule<'_>> = KEYS
        .iter()
        .flat_map(|key| rules(&service.values(key)))
        .collect();
    if rules.is_empty() {
        return Vec::new();
    }
    let steps = ward
        .conditions
        .iter()
        .flat_map(|condition| &condition.steps);
    let actions = steps.flat_map(|step| {
        let others = step.otherwise.iter();
        std::iter::once((&step.action, &step.at))
            .chain(others.map(|other| (&other.action, &other.at)))
    });
    let commands = actions.filter_map(|(action, at)| match action {
        Action::Execute(command) if !command.privileged => Some((command, at)),
        _ => None,
    });
    commands
        .filter_map(|(command, at)| forbidden(ward, &rules, command, at))
        .collect()
}

/// Returns the warning about a command that does not run.
fn forbidden(
    ward: &Ward,
    rules: &[Rule<'_>],
    command: &CommandLine,
    at: &Place,
) -> Option<Problem> {
    let program = command.words.first().map(String::as_str);
    let programs: Vec<_> = [Some(HELPER), program]
        .into_iter()
        .flatten()
        .filter(|program| program.starts_with('/') && forbids(rules, program))
        .collect();
    let (first, last) = (programs.first()?, programs.last()?);
    let beside = if *first == HELPER {
        ", the helper that every command without + begins with"
    } else {
        ""
    };
    let what = if first == last {
        (*first).to_owned()
    } else {
        format!("{last} and {first}")
    };
    let text = format!(
        "NoExecPaths= of {} forbids to run {what}{beside}; add ExecPaths={}",
        ward.unit(),
        programs.join(" ")
    );
    Some(Problem {
        at: at.clone(),
        mistake: Mistake::Warning(text),
    })
}

fn rules<'a>(lines: &[&'a NativeLine]) -> Vec<Rule<'a>> {
    let words = lines
        .iter()
        .flat_map(|line| line.value.split_whitespace().map(move |word| (*line, word)));
    words
        .map(|(line, word)| {
            let path = word
                .trim_matches(['"', '\''])
                .trim_start_matches(['-', '+']);
            Rule {
                line,
                path: Path::new(path).components().collect(),
            }
        })
        .collect()
}

/// Returns true if the program cannot run: the nearest path forbids it.
fn forbids(rules: &[Rule<'_>], program: &str) -> bool {
    let above = rules
        .iter()
        .filter(|rule| Path::new(program).starts_with(&rule.path));
    // Of two rules for one path the last counts, which is one that allows.
    above
        .max_by_key(|rule| rule.path.components().count())
        .is_some_and(|rule| rule.line.key == KEYS[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::unit::tests::{adopted, ward};

    const STEPS: &str = "[OnDeath]\nExecute=-/usr/bin/rm /run/x\nLog=x\nExecute=+/usr/bin/rm\n";

    fn check(lines: &str, expected: &[&str]) {
        let text = ["[Service]\nExecStart=/usr/bin/web\n", lines, "\n", STEPS].concat();
        let said: Vec<_> = warnings(&ward(&text), None)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(said, expected, "{lines}");
    }

    #[test]
    fn programs_that_may_not_run_are_named_with_the_way_out() {
        check(
            "NoExecPaths=/\nExecPaths=/usr/bin/web /lib",
            &[
                "/etc/unitward/w.ward:6:9: NoExecPaths= of w.service forbids to run /usr/bin/rm and /usr/lib/unitward/unitward-step, \
                 the helper that every command without + begins with; add ExecPaths=/usr/lib/unitward/unitward-step /usr/bin/rm",
            ],
        );
        check(
            "NoExecPaths=/usr/bin",
            &[
                "/etc/unitward/w.ward:5:9: NoExecPaths= of w.service forbids to run /usr/bin/rm; add ExecPaths=/usr/bin/rm",
            ],
        );
        check(
            "NoExecPaths=/usr/lib",
            &[
                "/etc/unitward/w.ward:5:9: NoExecPaths= of w.service forbids to run /usr/lib/unitward/unitward-step, \
                 the helper that every command without + begins with; add ExecPaths=/usr/lib/unitward/unitward-step",
            ],
        );
    }

    #[test]
    fn programs_that_may_run_are_not_named() {
        for lines in [
            "NoExecPaths=/\nExecPaths=/usr",
            "NoExecPaths=/home -/var /usr/bin/systemctl",
            "NoExecPaths=/\nNoExecPaths=",
            "ExecPaths=/usr",
        ] {
            check(lines, &[]);
        }
    }

    #[test]
    fn the_lines_of_an_adopted_unit_count_and_a_ward_without_such_steps_needs_nothing() {
        let unit = adopted("NoExecPaths=/\nExecPaths=/usr/bin", "");
        let with_steps = ward(&["[Ward]\nUnit=a.service\n", STEPS].concat());
        assert_eq!(warnings(&with_steps, Some(&unit)).len(), 1);
        assert!(warnings(&ward("[Ward]\nUnit=a.service\n"), Some(&unit)).is_empty());
    }
}
