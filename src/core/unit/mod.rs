//! From wards to the files the generator writes.
//!
//! Same input, same bytes. Everything a recovery needs stands in these files as ordinary unit settings, so that
//! `systemctl cat` shows it and PID 1 runs it:
//!
//! * `begin` as the first `ExecStartPre=`: why is this a start, and how long must it wait;
//! * one line for each step, above the ward's restart `ExecStartPre=`, below it `ExecStartPost=`, on a stop
//!   `ExecStopPost=`; each asks for itself whether it acts;
//! * `end` as the last `ExecStartPost=`: the run is up;
//! * `stopped` as `ExecStopPost=`: how the run ended, and whether that was one death too many;
//! * a service of its own for each condition that is not part of a start.

mod condition_service;
mod guard;
mod install;
mod timeouts;
mod ward_unit;

pub use timeouts::{AdoptedUnit, Timeout};

use super::config::{Config, Mistake, Place, Problem, UnitName, Ward};
use std::collections::{BTreeMap, BTreeSet};

/// One thing to write, its path relative to the generator's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// `fs-nfs2.service`, `multi-user.target.wants/fs-nfs2.service` …
    pub path: String,
    /// What to put there.
    pub content: Content,
}

/// What an [`Output`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A file with this text.
    File(String),
    /// A symbolic link to this target.
    Link(String),
}

/// What is known of adopted units from their own files.
pub type AdoptedUnits = BTreeMap<UnitName, AdoptedUnit>;

/// Everything to write for `config`, and what cannot be written.
#[must_use]
pub fn plan(config: &Config, adopted: &AdoptedUnits) -> (Vec<Output>, Vec<Problem>) {
    let mut outputs = Vec::new();
    let mut problems = Vec::new();
    let mut taken = BTreeSet::new();
    for ward in &config.wards {
        let (of_ward, wrong) = outputs_of(ward, adopted);
        problems.extend(wrong);
        match of_ward.iter().find(|output| taken.contains(&output.path)) {
            Some(twice) => {
                let at = Place { path: ward.path.clone(), line: 0 };
                problems.push(Problem { at, mistake: Mistake::Collision { unit: twice.path.clone() } });
            }
            None => {
                taken.extend(of_ward.iter().map(|output| output.path.clone()));
                outputs.extend(of_ward);
            }
        }
    }
    (outputs, problems)
}

fn outputs_of(ward: &Ward, adopted: &AdoptedUnits) -> (Vec<Output>, Vec<Problem>) {
    let (text, mut problems) = ward_unit::render(ward, adopted.get(&ward.unit()));
    let mut outputs = vec![Output { path: ward_unit::path(ward), content: Content::File(text) }];
    outputs.extend(condition_service::render(ward));
    let (links, wrong) = install::links(ward);
    outputs.extend(links);
    problems.extend(wrong);
    (outputs, problems)
}
