//! The keys that the host's systemd knows, and the nearest of them to one that it does not.

use crate::core::config::{Mistake, Problem, most_like};
use crate::edge::program::HostProgram;
use std::collections::HashMap;

/// Completes what is said of unknown keys: who does not know them, and which may have been meant.
pub(super) fn complete(problems: &mut [Problem]) {
    if problems
        .iter()
        .any(|problem| matches!(problem.mistake, Mistake::UnknownNative { .. }))
    {
        let (who, keys) = (version(), known_keys());
        for problem in problems {
            name_nearest(&mut problem.mistake, &who, &keys);
        }
    }
}

/// `systemd 252`, as it calls itself.
fn version() -> String {
    let line = output(HostProgram::SystemdAnalyze, "--version");
    let words: Vec<_> = line.split_whitespace().take(2).collect();
    if words.len() == 2 {
        words.join(" ")
    } else {
        "systemd".to_owned()
    }
}

/// The keys systemd knows, by section.
fn known_keys() -> HashMap<String, Vec<String>> {
    let mut keys: HashMap<String, Vec<String>> = HashMap::new();
    let mut section = String::new();
    for line in output(HostProgram::Systemd, "--dump-configuration-items").lines() {
        match (line.strip_prefix('['), line.split_once('=')) {
            (Some(name), _) => section = name.trim_end_matches(']').to_owned(),
            (None, Some((key, _))) => keys
                .entry(section.clone())
                .or_default()
                .push(key.to_owned()),
            (None, None) => {}
        }
    }
    keys
}

/// What a program prints; nothing when it cannot be run.
fn output(program: HostProgram, argument: &str) -> String {
    let done = program.command().arg(argument).output();
    done.map(|done| String::from_utf8_lossy(&done.stdout).into_owned())
        .unwrap_or_default()
}

fn name_nearest(mistake: &mut Mistake, version: &str, keys: &HashMap<String, Vec<String>>) {
    if let Mistake::UnknownNative {
        who,
        section,
        key,
        nearest,
    } = mistake
    {
        version.clone_into(who);
        let known = keys
            .get(section.as_str())
            .into_iter()
            .flatten()
            .map(String::as_str);
        *nearest = most_like(key, known, 0.85);
    }
}
