//! From configured text to units: nothing panics, and no text adds a line or a directive.

use super::nowhere;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use unitward::core::config::{
    Problem, SourceFile, SourceFiles, Stacks, read_settings, read_stack, read_ward,
};
use unitward::core::unit::{Content, HELPER, Output};
use unitward::edge::planner::Planner;

/// The keys that the generator writes of itself.
const OURS: [&str; 33] = [
    "After",
    "AllowIsolate",
    "Before",
    "ConditionPathExists",
    "DefaultDependencies",
    "Description",
    "Documentation",
    "ExecCondition",
    "ExecStart",
    "ExecStartPost",
    "ExecStartPre",
    "ExecStop",
    "ExecStopPost",
    "JobTimeoutSec",
    "NotifyAccess",
    "PIDFile",
    "PartOf",
    "RefuseManualStart",
    "RemainAfterExit",
    "Requires",
    "Restart",
    "RestartMode",
    "RestartSec",
    "RestartSteps",
    "SourcePath",
    "StartLimitAction",
    "StartLimitBurst",
    "StartLimitIntervalSec",
    "StopWhenUnneeded",
    "TimeoutStartSec",
    "TimeoutStopSec",
    "Type",
    "Wants",
];

fn source(name: &str, text: Vec<u8>) -> SourceFiles {
    let path: Arc<Path> = Path::new("/etc/unitward").join(name).into();
    let stem = name
        .split_once('.')
        .map_or(name, |(stem, _)| stem)
        .to_owned();
    SourceFiles {
        name: stem,
        files: vec![SourceFile::decode(path, text)],
    }
}

/// Plans the stack `net` and then `web.ward` with these texts, and returns the outputs and the
/// problems of both.
fn plan(ward: &[u8], stack: &[u8]) -> (Vec<Output>, Vec<Problem>) {
    let read = read_stack(&source("net.stack", stack.to_vec()));
    let (stacks, mut problems) = Stacks::settle(read);
    let mut planner = Planner::new(nowhere(), &stacks);
    let mut outputs = Vec::new();
    if let Some(read) = read_ward(&source("web.ward", ward.to_vec()), &stacks) {
        let planned = planner.plan(read);
        outputs.extend(planned.outputs);
        problems.extend(planned.problems);
    }
    for planned in planner.stacks() {
        outputs.extend(planned.outputs);
        problems.extend(planned.problem);
    }
    (outputs, problems)
}

/// Treatment of blanks at a line's end.
#[derive(Clone, Copy)]
enum Blanks {
    /// systemd 252 keeps them.
    Kept,
    /// systemd 257 removes them before it looks for a `\`.
    Stripped,
}

/// Returns true if an odd number of `\` ends the line.
fn is_continued(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Returns the lines of a unit as systemd reads them (systemd.syntax(7)): `\` continues a line, and
/// comments in between are left out.
fn logical_lines(text: &str, blanks: Blanks) -> Vec<String> {
    let (mut lines, mut open) = (Vec::new(), None::<String>);
    for line in text.split('\n') {
        let line = match blanks {
            Blanks::Kept => line,
            Blanks::Stripped => line.trim_end_matches([' ', '\t', '\r']),
        };
        if line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        let mut whole = open.take().unwrap_or_default();
        if is_continued(line) {
            whole.push_str(&line[..line.len() - 1]);
            whole.push(' ');
            open = Some(whole);
        } else {
            whole.push_str(line);
            lines.push(whole);
        }
    }
    assert_eq!(open, None, "the last line is not continued: {text}");
    lines.retain(|line| !line.trim().is_empty());
    lines
}

/// Returns the keys of all lines, in any section.
fn keys(text: &str) -> BTreeSet<String> {
    let key = |line: &str| Some(line.split_once('=')?.0.trim().to_owned());
    text.split(['\n', '\r']).filter_map(key).collect()
}

/// Checks the properties of all outputs: whole lines, keys that are ours or the administrator's
/// own, and no command but ours and those of native sections.
fn check(outputs: &[Output], configured: &str) {
    let own = keys(configured);
    for output in outputs {
        assert!(
            !output.path.starts_with('/') && !output.path.split('/').any(|part| part == ".."),
            "{output:?}"
        );
        let Content::File(text) = &output.content else {
            continue;
        };
        // Systemd reads bytes: the controls beyond ASCII are letters to it.
        assert!(
            !text.contains(|c: char| c.is_ascii_control() && c != '\n' && c != '\t'),
            "{text:?}"
        );
        assert!(text.ends_with('\n'), "{text:?}");
        let lines = logical_lines(text, Blanks::Kept);
        assert_eq!(
            lines.len(),
            logical_lines(text, Blanks::Stripped).len(),
            "{text}"
        );
        for line in lines {
            let line = line.trim();
            if line.starts_with('[') {
                assert!(
                    matches!(line, "[Unit]" | "[Service]" | "[Install]"),
                    "a section: {line:?} in {text}"
                );
                continue;
            }
            let (key, value) = line
                .split_once('=')
                .unwrap_or_else(|| panic!("no key: {line:?} in {text}"));
            if own.contains(key.trim()) {
                continue;
            }
            assert!(OURS.contains(&key), "the key {key:?} in {text}");
            let command = value.trim_start_matches(['-', '+', ':', '!', '@']);
            // The second removes the PID file that systemd would have removed.
            let is_ours = command.starts_with(HELPER) || command.starts_with("/usr/bin/rm -f ");
            let ours = value.is_empty() || is_ours;
            assert!(
                !key.starts_with("Exec") || ours,
                "a command: {line:?} in {text}"
            );
        }
    }
}

/// `web.ward`, which may belong to a stack `net`.
pub(super) fn ward(bytes: &[u8]) {
    let (outputs, problems) = plan(bytes, b"[Stack]\n");
    check(&outputs, &String::from_utf8_lossy(bytes));
    for problem in problems {
        one_line(&problem);
    }
}

/// `net.stack`, with one ward in it.
pub(super) fn stack(bytes: &[u8]) {
    let (outputs, problems) = plan(b"[Ward]\nStack=net\n[Service]\nExecStart=/bin/web\n", bytes);
    check(
        &outputs,
        &format!("ExecStart=\n{}", String::from_utf8_lossy(bytes)),
    );
    for problem in problems {
        one_line(&problem);
    }
}

/// `unitward.conf`.
pub(super) fn settings(bytes: &[u8]) {
    let (settings, problems) = read_settings(&source("unitward.conf", bytes.to_vec()).files);
    assert!(!format!("{settings:?}").is_empty());
    for problem in problems {
        one_line(&problem);
    }
}

/// Checks that a mistake is reported in one line.
fn one_line(problem: &Problem) {
    let text = problem.to_string();
    assert!(!text.contains(['\n', '\r', '\0']), "{text:?}");
}

/// Places for a value; `@` stands for it.
const PLACES: [&str; 16] = [
    "[OnDeath]\nExecute=@\n",
    "[OnDeath]\nExecute=/bin/true\nElseExecute=@\n",
    "[OnDeath]\nExecute=/bin/true @\n",
    "[OnDeath]\nLog=@\n",
    "[OnDeath]\nExecute=/bin/true\nElseLog=@\n",
    "[OnDeath]\nWaitFor=@\n",
    "[OnDeath]\nWaitFor=path:@ 5s\n",
    "[OnDeath]\nWaitFor=unix:@ 5s\n",
    "[OnDeath]\nSignal=@\n",
    "[OnDeath]\nRestart=%n\nStart=@\n",
    "[OnDeath @]\nLog=x\n",
    "[OnLimit]\nIndependent=@\nLog=x\n",
    "[Recovery]\nDelaySec=@\n",
    "[Recovery]\nOnLimit=@\n",
    "[Ward]\nReport=@\n",
    "[Ward]\nStack=@\n",
];

/// One value in the place that the first byte selects: whatever it is, the unit has the keys that
/// an innocent one gives it, or fewer if the line is refused.
pub(super) fn value(bytes: &[u8]) {
    let Some((place, value)) = bytes.split_first() else {
        return;
    };
    let place = PLACES[usize::from(*place) % PLACES.len()];
    // A line ends there, and what follows is configured as any other.
    if value.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return;
    }
    let frame =
        format!("[Service]\nUser=nobody\nExecStart=/bin/web\n{place}[OnStop]\nLog=the end\n");
    let (before, after) = frame.split_once('@').expect("each place has one");
    let (outputs, problems) = plan(
        &[before.as_bytes(), value, after.as_bytes()].concat(),
        b"[Stack]\n",
    );
    check(&outputs, "User=\nExecStart=\n");
    for problem in &problems {
        one_line(problem);
    }
    let Some(Content::File(text)) = outputs
        .iter()
        .find(|o| o.path == "web.service")
        .map(|o| &o.content)
    else {
        return;
    };
    let lines = logical_lines(text, Blanks::Stripped);
    let count = |beginning: &str| {
        lines
            .iter()
            .filter(|line| line.starts_with(beginning))
            .count()
    };
    assert_eq!(
        (count("[Service]"), count("User="), count("ExecStart=")),
        (1, 1, 1),
        "{text}"
    );
    assert_eq!(
        lines
            .iter()
            .filter(|line| *line == "ExecStart=/bin/web")
            .count(),
        1,
        "{text}"
    );
    for verb in [" begin web ", " stopped web "] {
        let calls = lines
            .iter()
            .filter(|line| line.contains(&format!("{HELPER}{verb}")))
            .count();
        assert_eq!(calls, 1, "{verb}: {text}");
    }
    // The line behind the value is still there, unless the value's own end continues it.
    if !is_continued(String::from_utf8_lossy(value).trim_end()) {
        assert!(text.contains("the end"), "{text}");
    }
}
