//! `NoExecPaths=` of a service that prevents our lines, or the steps' programs, from running.
//!
//! It is made of mounts, which apply to the `+` lines as well (systemd.exec(5)). The path nearest
//! to a program counts.

use super::{AdoptedUnit, HELPER, ServiceLines};
use crate::core::config::step::Action;
use crate::core::config::ward::NativeLine;
use crate::core::config::wrong::offset_in;
use crate::core::config::{Mistake, Problem, Ward};
use std::path::{Path, PathBuf};

/// The two settings, the one that forbids first.
const KEYS: [&str; 2] = ["NoExecPaths", "ExecPaths"];

/// Programs that our lines run.
const PROGRAMS: [&str; 2] = [HELPER, "/usr/bin/systemctl"];

/// A path of one of the settings.
struct Rule<'a> {
    line: &'a NativeLine,
    /// Offset of the word in the line's value, in bytes.
    offset: usize,
    path: PathBuf,
}

/// Returns warnings: one if our own lines cannot run, and one for each step whose program cannot.
pub(super) fn warnings(ward: &Ward, adopted: Option<&AdoptedUnit>) -> Vec<Problem> {
    let service = ServiceLines::of(ward, adopted);
    let rules: Vec<Rule<'_>> = KEYS
        .iter()
        .flat_map(|key| rules(&service.values(key)))
        .collect();
    if rules.is_empty() {
        return Vec::new();
    }
    let ours = PROGRAMS
        .iter()
        .filter_map(|program| Some((*program, forbids(&rules, program)?)));
    let ours: Vec<_> = ours.collect();
    let mut problems = Vec::new();
    if let Some((_, rule)) = ours.first() {
        let programs: Vec<_> = ours.iter().map(|(program, _)| *program).collect();
        let text = format!(
            "NoExecPaths= keeps the lines that Unitward adds to {} from running, so that it has no death limit, no back-off and no \
             steps; add ExecPaths={}",
            ward.unit(),
            programs.join(" ")
        );
        let at = if service.is_of_ward(rule.line) {
            rule.line.place_of(rule.offset)
        } else {
            ward.unit_at.clone()
        };
        problems.push(Problem {
            at,
            mistake: Mistake::Warning(text),
        });
    }
    problems.extend(forbidden_steps(ward, &rules));
    problems
}

/// Returns a warning for each step whose program cannot run.
fn forbidden_steps(ward: &Ward, rules: &[Rule<'_>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for step in ward
        .conditions
        .iter()
        .flat_map(|condition| &condition.steps)
    {
        let others = step
            .otherwise
            .iter()
            .map(|other| (&other.action, &other.at));
        for (action, at) in std::iter::once((&step.action, &step.at)).chain(others) {
            let Action::Execute(command) = action else {
                continue;
            };
            let program = command
                .words
                .first()
                .map(String::as_str)
                .unwrap_or_default();
            if program.starts_with('/') && forbids(rules, program).is_some() {
                let text = format!(
                    "NoExecPaths= of {} forbids to run {program}; add ExecPaths={program}",
                    ward.unit()
                );
                problems.push(Problem {
                    at: at.clone(),
                    mistake: Mistake::Warning(text),
                });
            }
        }
    }
    problems
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
                offset: offset_in(&line.value, word),
                path: Path::new(path).components().collect(),
            }
        })
        .collect()
}

/// Returns the rule that prevents the program from running: the one with the nearest path, unless
/// it allows.
fn forbids<'r, 'a>(rules: &'r [Rule<'a>], program: &str) -> Option<&'r Rule<'a>> {
    let above = rules
        .iter()
        .filter(|rule| Path::new(program).starts_with(&rule.path));
    // Of two rules for one path the last counts, which is one that allows.
    above
        .max_by_key(|rule| rule.path.components().count())
        .filter(|rule| rule.line.key == KEYS[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::unit::tests::{adopted, ward};

    fn check(lines: &str, expected: &[&str]) {
        let defined = ward(&format!(
            "[Service]\nExecStart=/usr/bin/web\n{lines}\n[OnDeath]\nExecute=-/usr/bin/rm /run/x\nLog=x\n"
        ));
        let said: Vec<_> = warnings(&defined, None)
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
                "/etc/unitward/w.ward:3:13: NoExecPaths= keeps the lines that Unitward adds to w.service from running, so that it has no \
                 death limit, no back-off and no steps; add ExecPaths=/usr/lib/unitward/unitward-step /usr/bin/systemctl",
                "/etc/unitward/w.ward:6:9: NoExecPaths= of w.service forbids to run /usr/bin/rm; add ExecPaths=/usr/bin/rm",
            ],
        );
        check(
            "NoExecPaths=/\nExecPaths=/usr/bin/web /usr/bin/systemctl /usr/lib",
            &[
                "/etc/unitward/w.ward:6:9: NoExecPaths= of w.service forbids to run /usr/bin/rm; add ExecPaths=/usr/bin/rm",
            ],
        );
    }

    #[test]
    fn programs_that_may_run_are_not_named() {
        for lines in [
            "NoExecPaths=/\nExecPaths=/usr",
            "NoExecPaths=/home -/var",
            "NoExecPaths=/\nNoExecPaths=",
            "ExecPaths=/usr",
        ] {
            check(lines, &[]);
        }
    }

    #[test]
    fn the_line_of_an_adopted_unit_is_told_at_the_wards_own() {
        let adopting = ward("[Ward]\nUnit=a.service\n");
        let said = warnings(
            &adopting,
            Some(&adopted("NoExecPaths=/\nExecPaths=/usr/bin", "")),
        );
        assert_eq!(said.len(), 1);
        assert!(
            said[0]
                .to_string()
                .starts_with("/etc/unitward/w.ward:2:6: NoExecPaths= keeps"),
            "{}",
            said[0]
        );
        assert!(
            said[0]
                .to_string()
                .ends_with("add ExecPaths=/usr/lib/unitward/unitward-step"),
            "{}",
            said[0]
        );
    }
}
