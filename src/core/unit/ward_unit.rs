//! The unit of one ward: the service it defines, or the drop-in for the one it adopts.

use super::adopted::{self, AdoptedUnit, ServiceLines};
use super::lists::{self, HelperLine, List, Site, Steps, Writer};
use super::stack_unit::socket;
use super::timeouts::{self, Phase};
use super::{
    Beside, DROP_IN, excluded, header, hidden, no_exec, pid_file, start_limit, unrestarted,
};
use crate::core::config::read_native::value;
use crate::core::config::ward::NativeLine;
use crate::core::config::{
    Condition, ConditionKind, Form, Mistake, OnLimit, Place, Problem, Ward, time_span,
};
use crate::core::recovery::backoff::Backoff;
use std::time::Duration;

/// Returns the path of the unit, relative to the generator's directory.
pub(super) fn path(ward: &Ward) -> String {
    match &ward.form {
        Form::Defined => ward.unit().to_string(),
        Form::Adopted(unit) => format!("{unit}.d/{DROP_IN}"),
    }
}

/// Returns the unit's text, and warnings about the ward.
pub(super) fn render(ward: &Ward, beside: Beside<'_>) -> (String, Vec<Problem>) {
    let Beside { adopted, stack, .. } = beside;
    let lines = Lines::of(ward, adopted);
    let (start, start_warning) = timeouts::grown(ward, beside, Phase::Start, lines.start_growth);
    let (stop, stop_warning) = timeouts::grown(ward, beside, Phase::Stop, lines.stop_growth);
    let mut text = String::with_capacity(4096);
    text.push_str(&header(&ward.path));
    text.push_str("[Unit]\n");
    text.extend(["SourcePath=", &ward.path.to_string_lossy(), "\n"]);
    write_native(&mut text, &ward.native.unit);
    // This comes after the ward's own conditions, since an empty one of them resets the list.
    text.push_str(&excluded::line(ward.name.as_str()));
    if let Some(stack) = stack {
        text.extend(["PartOf=", stack.as_str(), "\n"]);
    }
    if let Some(stack) = &ward.stack {
        // Every running member can ask for a full restart. No After=: an early service would make a
        // circle.
        text.extend(["Wants=", &socket(stack), "\n"]);
    }
    text.extend([&start_limit::lines(&ward.recovery), "\n[Service]\n"]);
    match ward.form {
        Form::Defined => {
            lines.write_first(&mut text);
            write_native(
                &mut text,
                without_start_limit(without_first_resets(&ward.native.service)),
            );
            write_default(&mut text, ward, "Restart", "on-failure");
            write_default(&mut text, ward, "RestartSec", "0");
        }
        Form::Adopted(_) => lines.write_into_adopted(&mut text, ward, adopted),
    }
    let (root, root_warning) = root_of_its_own(ward, adopted);
    for setting in [start, stop, root].into_iter().flatten() {
        text.extend([&setting, "\n"]);
    }
    write_lines(&mut text, "ExecStartPost", &lines.after);
    if !lines.after.is_empty() {
        text.push_str(&pid_file::ignored(ward, adopted));
    }
    if ward.form == Form::Defined && !ward.native.install.is_empty() {
        text.push_str("\n[Install]\n");
        write_native(&mut text, &ward.native.install);
    }
    let mut problems: Vec<_> = [start_warning, stop_warning, root_warning]
        .into_iter()
        .flatten()
        .collect();
    problems.extend(start_limit::warnings(ward));
    let mounts = adopted.into_iter().flat_map(|unit| &unit.mounts);
    problems.extend(hidden::warnings(ward, mounts.chain(&ward.native.service)));
    problems.extend(no_exec::warnings(ward, adopted));
    (text, problems)
}

/// Lists in which our lines come first: they must be done before a line of the unit's own fails.
const FIRST: [&str; 3] = ["ExecCondition", "ExecStartPre", "ExecStopPost"];

/// Returns the effective lines of one list.
fn standing<'a>(lines: &[&'a NativeLine], list: &str) -> impl Iterator<Item = &'a NativeLine> {
    let mut own: Vec<_> = lines
        .iter()
        .copied()
        .filter(|line| line.key == list)
        .collect();
    own.drain(
        ..own
            .iter()
            .rposition(|line| line.value.is_empty())
            .map_or(0, |reset| reset + 1),
    );
    own.into_iter()
}

/// The lines of a ward's unit, by setting.
struct Lines {
    /// `ExecCondition=`, which systemd runs before all else of a start.
    begin: String,
    /// `ExecStartPre=`: the steps above the restart from the first command of the service's own on,
    /// or all of them if the start depends on one that the helper runs.
    before: Vec<String>,
    after: Vec<String>,
    stop: Vec<String>,
    start_growth: Duration,
    stop_growth: Duration,
}

impl Lines {
    fn of(ward: &Ward, adopted: Option<&AdoptedUnit>) -> Self {
        // A unit without a file of its own is unknown.
        let is_known = ward.form == Form::Defined || adopted.is_some();
        let of_instances = adopted.into_iter().flat_map(|unit| &unit.of_instances);
        let service = is_known.then(|| ServiceLines::of(ward, adopted).iter().chain(of_instances));
        let writer = Writer::new(ward, Site::Ward, service);
        let (mut before, mut after, mut stop) = (List::default(), List::default(), List::default());
        // [OnRestart] follows a restart with all its steps, so its steps come last.
        let (restart, others): (Vec<_>, Vec<_>) = ward
            .conditions
            .iter()
            .partition(|condition| condition.kind == ConditionKind::Restart);
        for condition in others.into_iter().chain(restart) {
            match condition.kind {
                ConditionKind::Limit => {}
                _ if condition.independent => after.launch(ward, condition),
                ConditionKind::Stop => writer.write(condition, &mut List::default(), &mut stop),
                _ => writer.write(condition, &mut before, &mut after),
            }
        }
        let backoff = Backoff {
            delay: ward.recovery.delay,
            max_delay: ward.recovery.max_delay,
        };
        let start_growth = (backoff.longest() + before.growth()).max(after.growth());
        let stop_growth = stop.growth();
        let limit = limit_options(ward);
        let tied = tied(ward, adopted);
        let stretch = HelperLine::new("steps", ward, ward.unit().as_str()).part(tied);
        // A failing line of ExecCondition=, even one that PID 1 cannot run, skips the start
        // silently (systemd.service(5)).
        let with_begin = if before.is_required() {
            Steps::default()
        } else {
            before.take_first()
        };
        let begin = with_steps(begin(ward, &limit), tied, &with_begin);
        let before = before.closed();
        let mut lines_after = Vec::new();
        if !after.is_empty() {
            let last = with_steps(end(ward), tied, &after.take_last());
            lines_after.extend(after.into_lines(&stretch));
            lines_after.push(last);
        }
        let stopped = HelperLine::new("stopped", ward, ward.unit().as_str()).part(&limit);
        let stopped = unrestarted::conditions(ward, adopted).fold(stopped, unrestarted_option);
        let mut lines_stop = vec![with_steps(stopped, tied, &stop.take_first())];
        lines_stop.extend(stop.closed().into_lines(&stretch));
        Self {
            begin,
            before: before.into_lines(&stretch).collect(),
            after: lines_after,
            stop: lines_stop,
            start_growth,
            stop_growth,
        }
    }

    fn stand_in(&self, list: &str) -> bool {
        list != "ExecStartPre" || !self.before.is_empty()
    }

    fn write_first(&self, text: &mut String) {
        write_lines(text, "ExecCondition", std::slice::from_ref(&self.begin));
        write_lines(text, "ExecStartPre", &self.before);
        write_lines(text, "ExecStopPost", &self.stop);
    }

    /// Writes the lines of a ward that adopts its unit. Lists in which ours come first are emptied
    /// and written again after them.
    fn write_into_adopted(&self, text: &mut String, ward: &Ward, adopted: Option<&AdoptedUnit>) {
        let native: Vec<_> = without_start_limit(ward.native.service.iter()).collect();
        let lists: Vec<_> = FIRST
            .into_iter()
            .filter(|list| self.stand_in(list))
            .collect();
        let own = adopted
            .map(|unit| unit.lines.iter())
            .into_iter()
            .flatten()
            .chain(native.iter().copied());
        let own: Vec<_> = own
            .filter(|line| lists.contains(&line.key.as_str()))
            .collect();
        let others = native
            .iter()
            .copied()
            .filter(|line| !lists.contains(&line.key.as_str()));
        write_native(text, others);
        for list in lists
            .iter()
            .filter(|list| own.iter().any(|line| line.key == **list))
        {
            // These lines are written again, after ours.
            text.extend([*list, "=\n"]);
        }
        self.write_first(text);
        write_native(text, lists.iter().flat_map(|list| standing(&own, list)));
    }
}

/// Returns the line with the steps that it runs, if any, and then with the option `tied`.
fn with_steps(line: HelperLine, tied: &str, steps: &Steps) -> String {
    if steps.is_empty() {
        line
    } else {
        line.part(tied)
    }
    .steps(steps)
}

/// Returns ` --tied`, by which a line's commands end with the line, if systemd ends only the line
/// and not all processes of the unit, or if that is unknown.
fn tied(ward: &Ward, adopted: Option<&AdoptedUnit>) -> &'static str {
    let is_known = ward.form == Form::Defined || adopted.is_some();
    let mode = ServiceLines::of(ward, adopted)
        .value("KillMode")
        .unwrap_or("control-group");
    if is_known && mode == "control-group" {
        ""
    } else {
        " --tied"
    }
}

fn begin(ward: &Ward, limit: &str) -> HelperLine {
    let recovery = &ward.recovery;
    let line = HelperLine::new("begin", ward, ward.unit().as_str())
        .option("delay", &time_span::render(recovery.delay))
        .option("max-delay", &time_span::render(recovery.max_delay))
        // It acts in place of `stopped` if that did not run.
        .part(limit);
    ward.conditions
        .iter()
        .filter(|condition| condition.once && condition.kind != ConditionKind::Limit)
        .fold(line, once_option)
}

fn once_option(line: HelperLine, condition: &Condition) -> HelperLine {
    let now = if condition.do_now { ":now" } else { "" };
    line.option("once", &[condition.id.as_str(), now].concat())
}

/// Names a condition whose service `stopped` starts after a death that no restart follows.
fn unrestarted_option(line: HelperLine, condition: &Condition) -> HelperLine {
    let option = if condition.once {
        "unrestarted-once"
    } else {
        "unrestarted"
    };
    line.option(option, &condition.id)
}

fn end(ward: &Ward) -> HelperLine {
    let line = HelperLine::new("end", ward, ward.unit().as_str());
    let restarts = ward
        .conditions
        .iter()
        .filter(|condition| condition.once && condition.kind == ConditionKind::Restart);
    restarts.fold(line, once_option)
}

/// Returns the options of the death limit and its action, and of the stack whose full restart is
/// not a death.
fn limit_options(ward: &Ward) -> String {
    let recovery = &ward.recovery;
    let line = ward
        .stack
        .iter()
        .fold(HelperLine::default(), |line, stack| {
            line.option("stack", stack.as_str())
        });
    let reset_after = time_span::render(recovery.reset_after);
    if recovery.death_limit == 0 {
        return line.option("reset-after", &reset_after).options();
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
    for condition in ward
        .conditions
        .iter()
        .filter(|condition| condition.kind == ConditionKind::Limit)
    {
        let option = if condition.once { "run-once" } else { "run" };
        line = line.option(option, &lists::service_name(ward, condition));
    }
    line.options()
}

/// Returns the lines without the resets of the lists in which ours come first, and without the
/// lines that those resets cancel.
fn without_first_resets(service: &[NativeLine]) -> impl Iterator<Item = &NativeLine> {
    let resets = FIRST.map(|list| {
        service
            .iter()
            .rposition(|line| line.key == list && line.value.is_empty())
    });
    let standing = service.iter().enumerate().filter(move |(index, line)| {
        let list = FIRST.iter().position(|list| *list == line.key);
        list.and_then(|list| resets[list])
            .is_none_or(|reset| *index > reset)
    });
    standing.map(|(_, line)| line)
}

fn without_start_limit<'a>(
    service: impl Iterator<Item = &'a NativeLine>,
) -> impl Iterator<Item = &'a NativeLine> {
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

pub(super) fn write_lines(text: &mut String, key: &str, lines: &[String]) {
    for line in lines {
        text.extend([key, "=", line.as_str(), "\n"]);
    }
}

/// Limits a root directory of the service to its main process. systemd applies it to `+` lines too;
/// the helper is not in it, and without the helper there is no limit and no back-off.
fn root_of_its_own(
    ward: &Ward,
    adopted: Option<&AdoptedUnit>,
) -> (Option<String>, Option<Problem>) {
    let here = adopted::rooted(&ward.native.service);
    let decided = ward
        .native
        .service
        .iter()
        .rfind(|line| line.key == "RootDirectoryStartOnly");
    if !here && !adopted.is_some_and(|unit| unit.rooted) {
        return (None, None);
    }
    let at = decided.map_or(Place::whole(ward.path.clone()), |line| line.place_of(0));
    if decided.is_some_and(|line| ["yes", "true", "on", "1"].contains(&line.value.as_str())) {
        return (None, None);
    }
    let text = "the service has a root directory of its own, where the helper cannot run: RootDirectoryStartOnly=yes is \
                added, so ExecStartPre= and the like run outside of it";
    let warning = Problem {
        at,
        mistake: Mistake::Warning(text.to_owned()),
    };
    (Some("RootDirectoryStartOnly=yes".to_owned()), Some(warning))
}
