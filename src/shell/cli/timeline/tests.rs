//! Drawings of documents, kept as fixtures; `UNITWARD_BLESS=1 cargo test --lib timeline` rewrites them.

mod documents;

use super::*;
use crate::shell::survey::timeline::{Attempt, FullRestart, Member, Recovery, Step, Times};
use documents::*;
use quick_xml::Reader;
use quick_xml::events::Event;

const DIED: u64 = 1_738_838_543_963;

fn zone() -> TimeZone {
    TimeZone::fixed(jiff::tz::offset(1))
}

fn check(name: &str, document: &Document) {
    let zone = zone();
    let chart = Chart::of(document, &zone);
    let text = if document.since.is_some() {
        text::list(document, &zone)
    } else {
        text::text(&chart)
    };
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{name}: {line}");
    }
    for (kind, drawn) in [("txt", text), ("svg", svg::svg(&chart, &zone))] {
        let path = format!(
            "{}/src/shell/cli/timeline/fixtures/{name}.{kind}",
            env!("CARGO_MANIFEST_DIR")
        );
        if std::env::var_os("UNITWARD_BLESS").is_some() {
            std::fs::write(&path, &drawn).unwrap();
        }
        assert_eq!(drawn, std::fs::read_to_string(&path).unwrap(), "{path}");
    }
}

#[test]
fn a_recovery_with_one_step() {
    check("one-step", &one_step());
}

#[test]
fn a_recovery_with_twelve_steps_one_of_them_failed() {
    check("twelve-steps", &twelve_steps());
}

#[test]
fn a_recovery_that_took_five_restarts() {
    check("five-restarts", &four_failed_attempts());
}

#[test]
fn a_recovery_during_which_the_clock_was_set_back() {
    check("clock-set-back", &clock_set_back());
}

#[test]
fn a_ward_that_was_excluded() {
    check("excluded", &excluded());
}

#[test]
fn a_ward_that_is_down_since_it_was_given_up() {
    check("still-down", &still_down());
}

#[test]
fn a_ward_that_was_started_after_it_was_given_up() {
    check("back-later", &back_later());
}

#[test]
fn a_recovery_that_systemd_waited_in() {
    check("waits-of-systemd", &waits_of_systemd());
}

#[test]
fn all_that_was_down_is_in_the_sum() {
    let recoveries = [still_down(), back_later(), one_step()]
        .into_iter()
        .flat_map(|document| document.recoveries);
    let all = Document {
        since: Some(DIED),
        ..one(recovery(vec![]))
    };
    let all = Document {
        recoveries: recoveries.collect(),
        ..all
    };
    assert_eq!(
        Chart::of(&all, &zone()).summary,
        "down for 2min 40s altogether, 1 still down"
    );
    let unknown = Document {
        since: Some(DIED),
        ..excluded()
    };
    assert_eq!(
        Chart::of(&unknown, &zone()).summary,
        "of 1 it is not known how long"
    );
}

#[test]
fn a_recovery_that_is_under_way() {
    check("under-way", &under_way());
}

#[test]
fn a_recovery_that_an_older_version_stored() {
    check("older-version", &of_an_older_version());
}

#[test]
fn a_full_restart_with_its_members() {
    check("full-restart", &full_restart());
}

#[test]
fn all_recoveries_since_a_time() {
    check("many", &many());
}

#[test]
fn nothing_since_a_time_is_drawn_too() {
    let nothing = Document {
        since: Some(DIED),
        now: DIED + 5,
        ..Document::default()
    };
    let chart = Chart::of(&nothing, &zone());
    assert!(svg::svg(&chart, &zone()).contains("0 recoveries"));
    assert_eq!(text::list(&nothing, &zone()), "");
}

#[test]
fn whatever_names_hold_the_picture_is_xml() {
    let mut document = twelve_steps();
    let odd = "a<b>&\"'\u{1b}[31m\u{0}\u{fffe}\u{ffff}ä\u{1f600}]]>";
    let recovery = &mut document.recoveries[0];
    (recovery.ward, recovery.unit, recovery.reason) = (odd.into(), odd.into(), Some(odd.into()));
    for step in &mut recovery.attempts[0].steps {
        (step.condition, step.argument) = (odd.into(), odd.into());
    }
    let picture = svg::svg(&Chart::of(&document, &zone()), &zone());
    assert!(
        picture
            .chars()
            .all(|c| c == '\n' || !c.is_control() && c != '\u{fffe}' && c != '\u{ffff}')
    );
    let mut reader = Reader::from_str(&picture);
    reader.config_mut().check_end_names = true;
    let mut depth = 0_i32;
    let mut shown = false;
    loop {
        match reader.read_event().unwrap() {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            Event::GeneralRef(_) => shown = true,
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(depth == 0 && shown, "{picture}");
}

#[test]
fn times_that_make_no_sense_are_drawn_all_the_same() {
    let mut document = twelve_steps();
    let recovery = &mut document.recoveries[0];
    (recovery.end_ms, recovery.downtime_ms, recovery.recovery_ms) = (Some(0), Some(5_000), Some(3));
    recovery.attempts.push(Attempt {
        begin_ms: Some(900),
        main_ms: Some(1),
        up_ms: Some(0),
        ..Attempt::default()
    });
    document.now = 0;
    let chart = Chart::of(&document, &zone());
    assert!(svg::svg(&chart, &zone()).ends_with("</svg>\n"));
    assert!(!text::text(&chart).is_empty());
}
