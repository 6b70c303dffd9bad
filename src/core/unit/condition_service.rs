//! The service of a condition that is not part of a start: `unitward-WARD-CONDITION.service`.

use super::lists::{self, COMMAND_TIMEOUT, HelperLine, List, Site, Writer};
use super::ward_unit::{write_lines, write_native};
use super::{Content, Output, Rank, header};
use crate::core::config::{Condition, Ward, time_span};
use std::fmt::Write as _;

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
    alone(ward).map(move |condition| lists::service_name(ward, condition))
}

/// One service for each such condition.
pub(super) fn render(ward: &Ward) -> impl Iterator<Item = Output> {
    alone(ward).map(move |condition| service(ward, condition))
}

fn alone(ward: &Ward) -> impl Iterator<Item = &Condition> {
    ward.conditions.iter().filter(|condition| lists::stands_alone(condition))
}

fn service(ward: &Ward, condition: &Condition) -> Output {
    let surroundings = || ward.native.service.iter().filter(|line| SURROUNDINGS.contains(&line.key.as_str()));
    let writer = Writer::new(ward, Site::OwnService, Some(surroundings()));
    let (mut before, mut after) = (List::default(), List::default());
    writer.write(condition, &mut before, &mut after);
    let all = before.then(after);
    let timeout = time_span::render(COMMAND_TIMEOUT + all.growth());
    let helper = HelperLine::new("condition", ward, &condition.id);
    let mut text = header(&ward.path);
    let _ = writeln!(text, "[Unit]\nDescription=Steps of [{}] in ward {}", condition.id, ward.name);
    let _ = writeln!(text, "SourcePath={}\nStartLimitIntervalSec=0\n\n[Service]\nType=oneshot", ward.path.display());
    write_native(&mut text, surroundings());
    let _ = writeln!(text, "TimeoutStartSec={timeout}");
    write_lines(&mut text, "ExecStart", &all.closed().into_lines(&helper).collect::<Vec<_>>());
    Output { rank: Rank::Normal, path: lists::service_name(ward, condition), content: Content::File(text) }
}
