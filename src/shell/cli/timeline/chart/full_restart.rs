//! One full restart of a stack: its unit, then its members.

use super::{Bar, Chart, Clock, Kind, Lane, Moment, Rank, counted, listed, scale, span};
use crate::core::visible::visible;
use crate::shell::cli::reports::time;
use crate::shell::cli::timeline::scale::Ms;
use crate::shell::survey::timeline::{FullRestart, Member};
use jiff::tz::TimeZone;

/// Makes the drawing.
pub(super) fn chart(restart: &FullRestart, now: u64, zone: &TimeZone) -> Chart {
    let now = now.saturating_sub(restart.timestamp);
    let end = restart.end_ms.unwrap_or(now).max(1);
    let is_over = restart.end_ms.is_some();
    let word = if is_over { "full restart" } else { "under way" };
    let whole = Bar {
        from: 0,
        to: end,
        kind: Kind::Starting,
        label: word.to_owned(),
    };
    let mut lanes = vec![Lane {
        label: visible(&restart.unit),
        rank: Rank::Unit,
        bars: vec![whole],
    }];
    lanes.extend(restart.members.iter().map(|member| lane(member, end)));
    let outcome = restart.outcome.as_deref().unwrap_or("end not known");
    let members = u64::try_from(restart.members.len()).unwrap_or(u64::MAX);
    let beginning = Moment {
        at: 0,
        label: "restart asked for".to_owned(),
    };
    let over = restart.end_ms.map(|at| Moment {
        at,
        label: format!("full restart over: {outcome}"),
    });
    let trouble = restart
        .trouble
        .as_ref()
        .map(|trouble| visible(&format!("Trouble: {trouble}.")));
    let unknown = restart.members.is_empty().then(|| {
        "Nothing is known of the members: run records are of this boot, and only the newest are kept.".to_owned()
    });
    Chart {
        title: visible(&format!(
            "{} restarted by {}, {outcome}",
            restart.name, restart.caller
        )),
        summary: listed([
            Some(time(restart.timestamp, zone)),
            Some(format!(
                "{} {}",
                if is_over { "took" } else { "for" },
                span(end)
            )),
            Some(counted(members, "member")).filter(|_| members > 0),
        ]),
        notes: trouble.into_iter().chain(unknown).collect(),
        scale: scale(&lanes, end),
        lanes,
        moments: std::iter::once(beginning).chain(over).collect(),
        clock: Clock::Since,
    }
}

/// Returns the lane of a member: running, down, starting, running.
fn lane(member: &Member, end: Ms) -> Lane {
    let Member {
        down_ms,
        begin_ms,
        up_ms,
        ..
    } = *member;
    let down = down_ms.or(begin_ms).unwrap_or(0).min(end);
    let begin = begin_ms.unwrap_or(end).max(down).min(end);
    let up = up_ms.unwrap_or(end).max(begin).min(end);
    let parts = [
        (0, down, Kind::Running, ""),
        (down, begin, Kind::Down, "down"),
        (begin, up, Kind::Starting, "start"),
        (up, end, Kind::Running, ""),
    ];
    let drawn = parts.into_iter().filter(|(from, to, ..)| from < to);
    let bars = drawn
        .map(|(from, to, kind, label)| Bar {
            from,
            to,
            kind,
            label: label.to_owned(),
        })
        .collect();
    Lane {
        label: visible(&member.unit),
        rank: Rank::Part,
        bars,
    }
}
