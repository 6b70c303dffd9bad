//! The matrix: daemons of Debian's own packages, each guarded by a ward of two or four lines, and what must hold for each of them.
//!
//! Six of them are tested with all else; `make matrix` tests all and writes `docs/matrix.md`.

mod checks;
mod guarded;
mod table;

use crate::host::{Debian, Host};
use crate::on_both;
use checks::{CHECKS, Verdict};
use guarded::Guarded;
use std::env;
use table::{Daemon, daemons};

/// Hosts that share the daemons of a release.
const PARTS: usize = 2;

/// The daemons that are wanted, where not all are: names, separated by spaces.
const ONLY: &str = "UNITWARD_TEST_DAEMONS";

/// Checks these daemons one after the other, since many want the same port.
#[track_caller]
fn examine_all(host: &Host, chosen: &[Daemon]) -> Vec<String> {
    let rows = chosen.iter().map(|daemon| {
        let verdicts = examine(host, daemon);
        let row = table::row(host, daemon, &verdicts);
        println!("{row}");
        row
    });
    rows.collect()
}

fn examine(host: &Host, daemon: &Daemon) -> Vec<Verdict> {
    let mut guarded = match Guarded::start(host, daemon) {
        Ok(guarded) => guarded,
        Err(fault) => return vec![Err(fault)],
    };
    let verdicts = CHECKS.iter().map(|(_, check)| {
        let verdict = check(&mut guarded);
        if verdict.is_err() {
            guarded.revive();
        }
        verdict
    });
    let verdicts = verdicts.collect();
    guarded.end();
    verdicts
}

#[track_caller]
fn must_be_sound(rows: &[String]) {
    let faults: Vec<_> = rows
        .iter()
        .filter(|row| row.contains(table::FAULT))
        .map(String::as_str)
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

on_both! {
    // One of each kind: forking with PIDFile, notify, dbus with a socket, simple, oneshot that remains, a script in /etc/init.d.
    fn six_kinds_of_daemons_are_guarded_as_they_are(debian: Debian) {
        let all = daemons(debian);
        let chosen: Vec<_> = all.into_iter().filter(Daemon::is_of_the_six).collect();
        assert_eq!(chosen.len(), 6);
        must_be_sound(&examine_all(&Host::with_six(debian), &chosen));
    }
}

fn all(debian: Debian, part: usize) {
    let only = env::var(ONLY).unwrap_or_default();
    let wanted =
        |daemon: &Daemon| only.is_empty() || only.split(' ').any(|name| name == daemon.name());
    let all = daemons(debian).into_iter().filter(wanted).enumerate();
    let chosen: Vec<_> = all
        .filter(|(at, _)| at % PARTS == part)
        .map(|(_, daemon)| daemon)
        .collect();
    let rows = examine_all(&Host::with_matrix(debian), &chosen);
    if only.is_empty() {
        table::keep(debian, part, &rows);
    }
    must_be_sound(&rows);
}

#[test]
#[ignore = "takes minutes: make matrix"]
fn all_on_bookworm_first_half() {
    all(Debian::Bookworm, 0);
}

#[test]
#[ignore = "takes minutes: make matrix"]
fn all_on_bookworm_second_half() {
    all(Debian::Bookworm, 1);
}

#[test]
#[ignore = "takes minutes: make matrix"]
fn all_on_trixie_first_half() {
    all(Debian::Trixie, 0);
}

#[test]
#[ignore = "takes minutes: make matrix"]
fn all_on_trixie_second_half() {
    all(Debian::Trixie, 1);
}

#[test]
#[ignore = "writes what a run has found: make matrix"]
fn the_page_is_written() {
    table::write_page(PARTS);
}
