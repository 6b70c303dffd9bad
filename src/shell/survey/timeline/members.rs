//! Course of a full restart for the members of its stack, from their run records.

use super::document::Member;
use crate::edge::record::RunRecord;

/// Returns the member with these runs, in a full restart that began and, if it is over, ended at
/// these times. `None`: it was not touched.
pub(super) fn member(runs: &[RunRecord], (began, over): (u64, Option<u64>)) -> Option<Member> {
    let within = |at: u64| at >= began && over.is_none_or(|over| at <= over);
    let since = |at: u64| at.saturating_sub(began);
    let ended = |run: &RunRecord| run.end.as_ref().map(|end| end.at).filter(|at| within(*at));
    let down = runs.iter().filter_map(ended).min();
    let begun = |run: &RunRecord| run.begun.filter(|at| within(*at));
    let next = runs
        .iter()
        .filter(|run| begun(run).is_some())
        .min_by_key(|run| run.begun);
    let any = runs.first().filter(|_| down.is_some() || next.is_some())?;
    Some(Member {
        ward: any.ward.clone(),
        unit: any.unit.clone(),
        down_ms: down.map(since),
        begin_ms: next.and_then(begun).map(since),
        up_ms: next.and_then(|run| run.up).map(|up| since(up.at)),
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

    #[test]
    fn a_member_goes_down_and_comes_up_within_the_restart() {
        let runs = [
            run(900, 910, Some(950)),
            run(1_050, 1_080, None),
            run(10, 20, Some(1_005)),
        ];
        let told = member(&runs, (1_000, Some(1_200))).unwrap();
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
                (1_000, Some(1_200))
            ),
            None
        );
        assert_eq!(member(&[], (1_000, None)), None);
    }
}
