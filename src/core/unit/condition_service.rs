//! The service of a condition that is not part of a start, or fires at a death which no restart follows:
//! `unitward-WARD-CONDITION.service`, of a template's ward `unitward-PREFIX-CONDITION@.service`.

use super::lists::{self, COMMAND_TIMEOUT, HelperLine, List, Site, Writer};
use super::ward_unit::{write_lines, write_native};
use super::words::command_of;
use super::{AdoptedUnit, Beside, Content, Output, Rank, ServiceLines, header};
use super::{confined, unrestarted};
use crate::core::config::ward::NativeLine;
use crate::core::config::{Condition, Ward, time_span};
use std::fmt::Write as _;
use std::iter;

/// Settings of the ward's unit that commands here get too.
const SURROUNDINGS: [&str; 5] = [
    "WorkingDirectory",
    "Environment",
    "PassEnvironment",
    "UnsetEnvironment",
    "UMask",
];

/// The same, only for commands that PID 1 starts. The helper reads the file itself: a service's user
/// could make it too large for any command line, the helper's among them.
const FILE: &str = "EnvironmentFile";

/// Settings of the control group and the like, which `+` does not lift and which a command of the
/// service has in its own unit, by how their names begin.
const RESOURCES: [&str; 16] = [
    "Allowed",
    "BPFProgram",
    "CPU",
    "Device",
    "IO",
    "IPAddress",
    "IPEgressFilterPath",
    "IPIngressFilterPath",
    "KeyringMode",
    "Memory",
    "RestrictNetworkInterfaces",
    "RootHash",
    "RootVerity",
    "Slice",
    "SocketBind",
    "Tasks",
];

/// Returns the names of the services of such conditions.
pub fn names<'a>(ward: &'a Ward, adopted: Option<&'a AdoptedUnit>) -> impl Iterator<Item = String> {
    unrestarted::with_services(ward, adopted).map(|condition| lists::service_name(ward, condition))
}

/// One service for each such condition of a ward, whose files have these names; `lines`: the same as its lines say it.
pub(super) fn render<'a>(
    ward: &'a Ward,
    lines: &'a Ward,
    beside: Beside<'a>,
) -> impl Iterator<Item = Output> {
    names(ward, beside.adopted)
        .zip(unrestarted::with_services(lines, beside.adopted))
        .map(move |(name, condition)| service(lines, condition, Named { name, beside }))
}

/// The name of a service, and what its file must know beside the ward.
struct Named<'a> {
    name: String,
    beside: Beside<'a>,
}

/// The parts of the ward's service that the steps need. Others are left out, so that they cannot
/// prevent the steps: if the user or a directory is missing, systemd runs no line at all.
#[derive(Debug, Clone, Copy)]
struct Needed {
    /// As whom a command of the ward runs, and in what sandbox; root's have none.
    confinement: bool,
    /// Working directory, environment and umask.
    surroundings: bool,
}

/// True for the name of such a setting.
fn limits_resources(key: &str) -> bool {
    RESOURCES.iter().any(|family| key.starts_with(family))
}

impl Needed {
    fn of(condition: &Condition) -> Self {
        let actions = condition.steps.iter().flat_map(|step| {
            iter::once(&step.action).chain(step.otherwise.iter().map(|otherwise| &otherwise.action))
        });
        let commands: Vec<_> = actions.filter_map(command_of).collect();
        Self {
            confinement: commands.iter().any(|command| !command.privileged),
            surroundings: !commands.is_empty(),
        }
    }

    fn has(self, key: &str) -> bool {
        (self.confinement && (key == FILE || confined::confines(key) || limits_resources(key)))
            || (self.surroundings && SURROUNDINGS.contains(&key))
    }
}

/// Writes the surroundings of root's commands so that missing files are ignored: something missing,
/// maybe the very cause of the deaths, does not prevent them.
fn write_forgiving<'a>(text: &mut String, lines: impl IntoIterator<Item = &'a NativeLine>) {
    for line in lines {
        let forgiving = if line.key == "WorkingDirectory"
            && !line.value.is_empty()
            && !line.value.starts_with('-')
        {
            "-"
        } else {
            ""
        };
        text.extend([line.key.as_str(), "=", forgiving, line.value.as_str(), "\n"]);
    }
}

fn service(ward: &Ward, condition: &Condition, Named { name, beside }: Named<'_>) -> Output {
    let needed = Needed::of(condition);
    // The lines of the ward's own unit, its own files and drop-ins included.
    let all = ServiceLines::of(ward, beside.adopted)
        .iter()
        .filter(|line| needed.has(&line.key));
    let surroundings: Vec<_> = all.collect();
    let later = beside.of_conditions.get(&name).into_iter().flatten();
    let writer = Writer::new(
        ward,
        Site::OwnService,
        Some(surroundings.iter().copied().chain(later)),
    );
    let (mut before, mut after) = (List::default(), List::default());
    writer.write(condition, &mut before, &mut after);
    let all = before.then(after);
    let timeout = time_span::render(COMMAND_TIMEOUT + all.growth());
    // The helper looks up whether that unit's commands run as root.
    let helper =
        HelperLine::new("condition", ward, &condition.id).option("unit", ward.unit().as_str());
    let mut text = header(&ward.path);
    let _ = writeln!(
        text,
        "[Unit]\nDescription=Steps of [{}] in ward {}",
        condition.id, ward.name
    );
    let _ = writeln!(
        text,
        "SourcePath={}\nStartLimitIntervalSec=0\n\n[Service]\nType=oneshot",
        ward.path.display()
    );
    if needed.confinement {
        write_native(&mut text, surroundings);
    } else {
        write_forgiving(&mut text, surroundings);
    }
    let _ = writeln!(text, "TimeoutStartSec={timeout}");
    write_lines(
        &mut text,
        "ExecStart",
        &all.closed().into_lines(&helper).collect::<Vec<_>>(),
    );
    Output {
        rank: Rank::Normal,
        path: name,
        content: Content::File(text),
    }
}
