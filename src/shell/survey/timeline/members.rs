//! Course of a full restart for the members of its stack, from their run records.

use super::document::Member;
use crate::edge::record::RunRecord;

/// Time of a full restart, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) began: u64,
    /// `None`: it is not over.
    pub(super) over: Option<u64>,
}

impl Span {
    fn contains(self, at: u64) -> bool {
        at >= self.began && self.over.is_none_or(|over| at <= over)
    }

    /// Returns the milliseconds from its beginning to then.
    const fn since(self, at: u64) -> u64 {
        at.saturating_sub(self.began)
    }
}

/// Returns the member with these runs, in a full restart of this time. `None`: it was not touched.
pub(super) fn member(runs: &[RunRecord], restart: Span) -> Option<Member> {
    let ended = runs.iter().filter_map(|run| Some(run.end.as_ref()?.at));
    let down = ended.filter(|at| restart.contains(*at)).min();
    let next = runs
        .iter()
        .filter(|run| run.begun.is_some_and(|at| restart.contains(at)))
        .min_by_key(|run| run.begun);
    let any = runs.first().filter(|_| down.is_some() || next.is_some())?;
    Some(Member {
        ward: any.ward.clone(),
        unit: any.unit.clone(),
        down_ms: down.map(|at| restart.since(at)),
        begin_ms: next.and_then(|run| run.begun).map(|at| restart.since(at)),
        up_ms: next.and_then(|run| run.up).map(|up| restart.since(up.at)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::record::{End, StartKind, Up};

    fn run(begun: u64, up: u64, end: Option<u64>) -> RunRecord {
        let stopped = |at| End {
            asked: true,
            result: "success".into(),
            status: "TERM".into(),
            ..End::killed(at)
        };
        let end = end.map(stopped);
        let run = RunRecord::new("dm", "dm.service", &begun.to_string(), StartKind::First);
        RunRecord {
            begun: Some(begun),
            up: Some(Up {
                main: up,
                at: up,
                since_boot: None,
            }),
            end,
            ..run
        }
    }

    /// Makes the time of a restart that began at 1,000.
    fn span(over: Option<u64>) -> Span {
        Span { began: 1_000, over }
    }

    #[test]
    fn a_member_goes_down_and_comes_up_within_the_restart() {
        let runs = [
            run(900, 910, Some(950)),
            run(1_050, 1_080, None),
            run(10, 20, Some(1_005)),
        ];
        let told = member(&runs, span(Some(1_200))).unwrap();
        assert_eq!(
            (told.down_ms, told.begin_ms, told.up_ms),
            (Some(5), Some(50), Some(80))
        );
        assert_eq!(
            (told.ward.as_str(), told.unit.as_str()),
            ("dm", "dm.service")
        );
    }

    #[test]
    fn who_was_not_touched_is_no_part_of_it() {
        assert_eq!(
            member(
                &[run(10, 20, Some(990)), run(2_000, 2_010, None)],
                span(Some(1_200))
            ),
            None
        );
        assert_eq!(member(&[], span(None)), None);
    }
}
