//! The unit of one ward: the service it defines, or the drop-in for the one it adopts.

use super::adopted::{self, AdoptedUnit};
use super::guard::{self, HelperLine, Lines, Site};
use super::stack_unit::socket;
use super::timeouts::{self, Phase};
use super::{Beside, DROP_IN, header, hidden, no_exec, pid_file, start_limit};
use crate::core::config::read_native::value;
use crate::core::config::ward::NativeLine;
use crate::core::config::{Condition, ConditionKind, Form, Mistake, OnLimit, Place, Problem, Ward, time_span};
use crate::core::recovery::backoff::Backoff;

/// Where the unit goes, relative to the generator's directory.
pub(super) fn path(ward: &Ward) -> String {
    match &ward.form {
        Form::Defined => ward.unit().to_string(),
        Form::Adopted(unit) => format!("{unit}.d/{DROP_IN}"),
    }
}

/// The unit's text, and warnings about the ward.
pub(super) fn render(ward: &Ward, Beside { adopted, stack }: Beside<'_>) -> (String, Vec<Problem>) {
    let sections = Sections::of(ward);
    let backoff = Backoff { delay: ward.recovery.delay, max_delay: ward.recovery.max_delay };
    let (start, start_warning) = timeouts::grown(ward, adopted, Phase::Start, sections.start.waits + backoff.longest());
    let (stop, stop_warning) = timeouts::grown(ward, adopted, Phase::Stop, sections.stop.waits);
    let mut text = String::with_capacity(4096);
    text.push_str(&header(&ward.path));
    text.push_str("[Unit]\n");
    text.extend(["SourcePath=", &ward.path.to_string_lossy(), "\n"]);
    write_native(&mut text, &ward.native.unit);
    if let Some(stack) = stack {
        text.extend(["PartOf=", stack.as_str(), "\n"]);
    }
    if let Some(stack) = &ward.stack {
        // Whoever is up can ask for a full restart. Not ordered after it: an early service would make a circle.
        text.extend(["Wants=", &socket(stack), "\n"]);
    }
    text.extend([&start_limit::lines(&ward.recovery), "\n[Service]\n"]);
    match ward.form {
        Form::Defined => {
            sections.write_first(&mut text);
            write_native(&mut text, without_start_limit(without_first_resets(&ward.native.service)));
            write_default(&mut text, ward, "Restart", "on-failure");
            write_default(&mut text, ward, "RestartSec", "0");
        }
        Form::Adopted(_) => {
            write_native(&mut text, without_start_limit(ward.native.service.iter()));
            sections.write_first(&mut text);
        }
    }
    let (root, root_warning) = root_of_its_own(ward, adopted);
    for setting in [start, stop, root].into_iter().flatten() {
        text.extend([&setting, "\n"]);
    }
    sections.write_last(&mut text);
    if text.contains("\nExecStartPost=") {
        text.push_str(&pid_file::ignored(ward, adopted));
    }
    if ward.form == Form::Defined && !ward.native.install.is_empty() {
        text.push_str("\n[Install]\n");
        write_native(&mut text, &ward.native.install);
    }
    let mut problems: Vec<_> = [start_warning, stop_warning, root_warning].into_iter().flatten().collect();
    problems.extend(start_limit::warnings(ward));
    let mounts = adopted.into_iter().flat_map(|unit| &unit.mounts);
    problems.extend(hidden::warnings(mounts.chain(&ward.native.service)));
    problems.extend(no_exec::warnings(ward, adopted));
    (text, problems)
}

/// The guarded lines of a ward's unit by where they go.
#[derive(Default)]
struct Sections {
    begin: String,
    start: Lines,
    end: String,
    stopped: String,
    stop: Lines,
}

impl Sections {
    fn of(ward: &Ward) -> Self {
        let limit = limit_options(ward);
        let stopped = HelperLine::new("stopped", ward, ward.unit().as_str()).part(&limit).done();
        let mut all = Self { begin: begin(ward, &limit), stopped, ..Self::default() };
        // [OnRestart] speaks of a restart with all its steps, so its lines come last.
        let (restart, others): (Vec<_>, Vec<_>) =
            ward.conditions.iter().partition(|condition| condition.kind == ConditionKind::Restart);
        for condition in others.into_iter().chain(restart) {
            match condition.kind {
                ConditionKind::Limit => {}
                _ if condition.independent => all.start.after.push(guard::launch(ward, condition)),
                ConditionKind::Stop => append(&mut all.stop, guard::lines(ward, condition, Site::Ward)),
                _ => append(&mut all.start, guard::lines(ward, condition, Site::Ward)),
            }
        }
        all.end = end(ward, &all.start);
        all
    }

    fn write_first(&self, text: &mut String) {
        write_lines(text, "ExecStartPre", std::iter::once(&self.begin).chain(&self.start.before));
        write_lines(text, "ExecStopPost", std::iter::once(&self.stopped));
    }

    fn write_last(&self, text: &mut String) {
        write_lines(text, "ExecStartPost", self.start.after.iter().chain(std::iter::once(&self.end)));
        write_lines(text, "ExecStopPost", self.stop.after.iter());
    }
}

fn append(all: &mut Lines, lines: Lines) {
    all.before.extend(lines.before);
    all.after.extend(lines.after);
    all.waits += lines.waits;
}

fn begin(ward: &Ward, limit: &str) -> String {
    let recovery = &ward.recovery;
    let line = HelperLine::new("begin", ward, ward.unit().as_str())
        .option("delay", &time_span::render(recovery.delay))
        .option("max-delay", &time_span::render(recovery.max_delay))
        // It stands in for `stopped` where that did not run.
        .part(limit);
    ward.conditions
        .iter()
        .filter(|condition| condition.once && condition.kind != ConditionKind::Limit)
        .fold(line, once_option)
        .done()
}

fn once_option(line: HelperLine, condition: &Condition) -> HelperLine {
    let now = if condition.do_now { ":now" } else { "" };
    line.option("once", &[condition.id.as_str(), now].concat())
}

fn end(ward: &Ward, start: &Lines) -> String {
    let line = HelperLine::new("end", ward, ward.unit().as_str());
    // Lines without `+` were watched by PID 1 alone; their results have to be fetched.
    let as_service = |line: &String| !line.trim_start_matches('-').starts_with('+');
    let collects = start.before.iter().chain(&start.after).any(as_service);
    let line = if collects { line.words(&["--collect"]) } else { line };
    let restarts =
        ward.conditions.iter().filter(|condition| condition.once && condition.kind == ConditionKind::Restart);
    restarts.fold(line, once_option).done()
}

/// The death limit and what follows it, and the stack whose full restart is nobody's death.
fn limit_options(ward: &Ward) -> String {
    let recovery = &ward.recovery;
    let line = ward.stack.iter().fold(HelperLine::default(), |line, stack| line.option("stack", stack.as_str()));
    let reset_after = time_span::render(recovery.reset_after);
    if recovery.death_limit == 0 {
        return line.option("reset-after", &reset_after).done();
    }
    let on_limit = match recovery.on_limit {
        OnLimit::Exclude => "exclude",
        OnLimit::RestartStack => "restart-stack",
        OnLimit::Reboot => "reboot",
        OnLimit::None => "none",
    };
    let mut line = line
        .option("death-limit", &recovery.death_limit.to_string())
        .option("within", &time_span::render(recovery.death_limit_interval))
        .option("reset-after", &reset_after)
        .option("on-limit", on_limit);
    for condition in ward.conditions.iter().filter(|condition| condition.kind == ConditionKind::Limit) {
        let option = if condition.once { "run-once" } else { "run" };
        line = line.option(option, &guard::service_name(ward, condition));
    }
    line.done()
}

/// The lines without the resets of the two lists ours come first in, and without what those resets take away.
fn without_first_resets(service: &[NativeLine]) -> impl Iterator<Item = &NativeLine> {
    let last_reset = |key: &str| service.iter().rposition(|line| line.key == key && line.value.is_empty());
    let (start_pre, stop_post) = (last_reset("ExecStartPre"), last_reset("ExecStopPost"));
    let stands = move |(index, line): &(usize, &NativeLine)| match line.key.as_str() {
        "ExecStartPre" => start_pre.is_none_or(|reset| *index > reset),
        "ExecStopPost" => stop_post.is_none_or(|reset| *index > reset),
        _ => true,
    };
    service.iter().enumerate().filter(stands).map(|(_, line)| line)
}

fn without_start_limit<'a>(service: impl Iterator<Item = &'a NativeLine>) -> impl Iterator<Item = &'a NativeLine> {
    service.filter(|line| !start_limit::KEYS.contains(&line.key.as_str()))
}

pub(super) fn write_native<'a>(text: &mut String, lines: impl IntoIterator<Item = &'a NativeLine>) {
    for line in lines {
        text.extend([line.key.as_str(), "=", line.value.as_str(), "\n"]);
    }
}

fn write_default(text: &mut String, ward: &Ward, key: &str, default: &str) {
    if value(&ward.native.service, key).is_none() {
        text.extend([key, "=", default, "\n"]);
    }
}

pub(super) fn write_lines<'a>(text: &mut String, key: &str, lines: impl Iterator<Item = &'a String>) {
    for line in lines {
        text.extend([key, "=", line.as_str(), "\n"]);
    }
}

/// systemd applies a root of its own to `+` lines too. The helper is not in there, and without it there is no limit and no
/// back-off, so only the main process gets that root.
fn root_of_its_own(ward: &Ward, adopted: Option<&AdoptedUnit>) -> (Option<String>, Option<Problem>) {
    let here = adopted::rooted(&ward.native.service);
    let decided = ward.native.service.iter().rfind(|line| line.key == "RootDirectoryStartOnly");
    if !here && !adopted.is_some_and(|unit| unit.rooted) {
        return (None, None);
    }
    let at = decided.map_or(Place::whole(ward.path.clone()), |line| line.place_of(0));
    if decided.is_some_and(|line| ["yes", "true", "on", "1"].contains(&line.value.as_str())) {
        return (None, None);
    }
    let text = "the service has a root directory of its own, where the helper cannot run: RootDirectoryStartOnly=yes is \
                added, so ExecStartPre= and the like run outside of it";
    let warning = Problem { at, mistake: Mistake::Warning(text.to_owned()) };
    (Some("RootDirectoryStartOnly=yes".to_owned()), Some(warning))
}
