//! Tests of the status text, from the documents that are kept as fixtures.

use super::*;
use crate::shell::cli::desk::fixture;
use crate::shell::cli::reports::table::Paint;
use crate::shell::survey::{ExclusionTold, Outlook};

const PLAIN: Sheet = Sheet {
    paint: Paint::Plain,
    width: None,
};

fn ward() -> WardStatus {
    match fixture::document("status-ward.json") {
        Status::Ward(ward) => *ward,
        Status::Stack(_) => unreachable!("the file is a ward's"),
    }
}

fn text(ward: &WardStatus) -> String {
    of_ward(ward, PLAIN, &TimeZone::UTC)
}

#[test]
fn a_ward_is_told_whole() {
    let ward = ward();
    fixture::check("status-ward.txt", &text(&ward), &hint(&ward));
}

#[test]
fn a_stack_is_told_with_its_members() {
    let Status::Stack(stack) = fixture::document("status-stack.json") else {
        unreachable!("the file is a stack's")
    };
    fixture::check(
        "status-stack.txt",
        &of_stack(&stack, PLAIN, &TimeZone::UTC),
        "",
    );
}

#[test]
fn a_ward_that_shares_its_name_with_a_stack_says_so() {
    let ward = WardStatus {
        stack_of_same_name: Some("managers.target".into()),
        ..ward()
    };
    assert_eq!(
        hint(&ward),
        "There is also a stack fs-nfs2: \"unitward status managers.target\" tells of it.\n"
    );
}

#[test]
fn what_is_next_is_said_in_words() {
    let check = |(restarts, after_ms): (bool, Option<u64>),
                 (deaths_left, then): (Option<u64>, &str),
                 expect: &str| {
        let next = Some(Outlook {
            restarts,
            after_ms,
            deaths_left,
            then: then.into(),
        });
        let told = text(&WardStatus { next, ..ward() });
        let line = told
            .lines()
            .find_map(|line| line.trim_start().strip_prefix("Next: "))
            .unwrap();
        assert_eq!(line, expect);
    };
    let soon = (true, Some(400));
    check(
        soon,
        (Some(3), "exclude"),
        "a crash restarts it after 400ms; 3 more deaths within 1min exclude it",
    );
    check(
        soon,
        (Some(3), "restart-stack"),
        "a crash restarts it after 400ms; 3 more deaths within 1min restart its stack",
    );
    check(soon, (None, "exclude"), "a crash restarts it after 400ms");
    check(
        (true, Some(0)),
        (None, "exclude"),
        "a crash restarts it at once",
    );
    check(
        (false, None),
        (Some(1), "exclude"),
        "the next death excludes it",
    );
    check(
        (false, None),
        (Some(1), "reboot"),
        "the next death reboots the host",
    );
    check(
        (false, None),
        (Some(4), "reboot"),
        "systemd does not restart it; 4 more deaths within 1min reboot the host",
    );
    check(
        soon,
        (Some(1), "none"),
        "a crash restarts it after 400ms; 1 more death within 1min reaches its limit, which changes nothing",
    );
}

#[test]
fn every_state_that_is_not_well_says_what_to_do() {
    let check = |state: State, expect: Option<&str>| {
        let mut ward = ward();
        ward.line.state = state;
        ward.line.exclusion = Some(ExclusionTold {
            timestamp: 0,
            by: "hand".into(),
            why: Some("it eats the disk".into()),
        });
        assert_eq!(advice(&ward).as_deref(), expect, "{state:?}");
    };
    check(State::Running, None);
    check(
        State::Excluded,
        Some("it eats the disk; \"unitward readmit fs-nfs2\" takes it back"),
    );
    check(
        State::Masked,
        Some("\"systemctl unmask fs-nfs2.service\" lets it be started"),
    );
    check(State::NotLoaded, Some("run systemctl daemon-reload"));
    check(
        State::Missing,
        Some(
            "no unit file for fs-nfs2.service: install what has one, or correct Unit= in the ward",
        ),
    );
    let start = "\"systemctl start fs-nfs2.service\" starts it; \"journalctl -u fs-nfs2.service\" shows what it said";
    check(State::Failed, Some(start));
}

#[test]
fn a_wait_of_systemds_own_and_a_change_of_the_configuration_are_told_rightly() {
    let mut ward = ward();
    ward.recovery.restart_ms = Some(5_000);
    ward.line.needs_reload = true;
    let text = text(&ward);
    assert!(
        text.contains("RestartSec=5s, from the second restart on also back-off from 100ms to 30s"),
        "{text}"
    );
    assert!(text.contains("State: running since 2025"), "{text}");
    assert!(text.contains("run systemctl daemon-reload"), "{text}");
}

#[test]
fn an_excluded_ward_has_the_deaths_that_the_list_has_and_an_empty_mark_is_called_so() {
    let mut ward = ward();
    ward.line.state = State::Excluded;
    ward.line.deaths = 0;
    let mut by = |by: &str, why: &str| {
        ward.line.exclusion = Some(ExclusionTold {
            timestamp: 0,
            by: by.into(),
            why: Some(why.into()),
        });
        text(&ward)
    };
    let told = by("limit", "its death limit was reached");
    assert!(told.contains("Deaths: 6 of 5 within 1min; since"), "{told}");
    let told = by("unknown", "the mark is empty");
    assert!(
        told.contains("State: excluded (the mark is empty) since"),
        "{told}"
    );
    assert!(!told.contains("the mark is empty; "), "{told}");
}

#[test]
fn a_wards_drop_ins_are_named_below_its_file() {
    let drop_ins = vec!["/etc/unitward/fs-nfs2.ward.d/more.conf".to_owned()];
    let told = text(&WardStatus { drop_ins, ..ward() });
    assert!(
        told.contains("fs-nfs2.ward\n               with /etc/unitward/fs-nfs2.ward.d/more.conf\n"),
        "{told}"
    );
}
