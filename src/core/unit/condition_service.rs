//! The service of a condition that is not part of a start: `unitward-WARD-CONDITION.service`.

use super::guard::{self, Site};
use super::ward_unit::{write_lines, write_native};
use super::{Content, Output, Rank, header};
use crate::core::config::{Condition, Ward, time_span};
use std::fmt::Write as _;
use std::time::Duration;

/// Longest any one command of it may take beyond its own waiting.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(90);

/// What a command of the ward finds around it, and so finds here too.
const SURROUNDINGS: [&str; 8] = [
    "User",
    "Group",
    "SupplementaryGroups",
    "WorkingDirectory",
    "Environment",
    "EnvironmentFile",
    "PassEnvironment",
    "UMask",
];

/// The names of the services of such conditions.
pub(super) fn names(ward: &Ward) -> impl Iterator<Item = String> {
    alone(ward).map(move |condition| guard::service_name(ward, condition))
}

/// One service for each such condition.
pub(super) fn render(ward: &Ward) -> impl Iterator<Item = Output> {
    alone(ward).map(move |condition| service(ward, condition))
}

fn alone(ward: &Ward) -> impl Iterator<Item = &Condition> {
    ward.conditions.iter().filter(|condition| guard::stands_alone(condition))
}

fn service(ward: &Ward, condition: &Condition) -> Output {
    let lines = guard::lines(ward, condition, Site::OwnService);
    let surroundings = ward.native.service.iter().filter(|line| SURROUNDINGS.contains(&line.key.as_str()));
    let mut text = header(&ward.path);
    let _ = writeln!(text, "[Unit]\nDescription=Steps of [{}] in ward {}", condition.id, ward.name);
    let _ = writeln!(text, "SourcePath={}\nStartLimitIntervalSec=0\n\n[Service]\nType=oneshot", ward.path.display());
    write_native(&mut text, surroundings);
    let _ = writeln!(text, "TimeoutStartSec={}", time_span::render(COMMAND_TIMEOUT + lines.waits));
    write_lines(&mut text, "ExecStart", lines.before.iter().chain(&lines.after));
    Output { rank: Rank::Normal, path: guard::service_name(ward, condition), content: Content::File(text) }
}
