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

use super::config::{Mistake, Place, Problem, Ward};
use std::collections::HashSet;

/// One thing to write, its path relative to the generator's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Which of the generator's directories.
    pub rank: Rank,
    /// `fs-nfs2.service`, `multi-user.target.wants/fs-nfs2.service` …
    pub path: String,
    /// What to put there.
    pub content: Content,
}

/// Which of the generator's directories an [`Output`] goes to (systemd.generator(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// Over what packages ship, under what the administrator writes.
    Normal,
    /// Under every other unit of that name: for aliases, which must not take the place of another ward or package.
    Late,
}

/// What an [`Output`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A file with this text.
    File(String),
    /// A symbolic link to this target.
    Link(String),
}

/// The names of everything written so far.
#[derive(Debug, Default)]
pub struct Names(HashSet<String>);

impl Names {
    /// Takes the names of the next ward's units.
    ///
    /// # Errors
    /// The problem, when one of them is taken; nothing of that ward may then be written.
    pub fn admit(&mut self, ward: &Ward) -> Result<(), Problem> {
        let names: Vec<_> = std::iter::once(ward_unit::path(ward)).chain(condition_service::names(ward)).collect();
        if let Some(twice) = names.iter().find(|name| self.0.contains(*name)) {
            let at = Place { path: ward.path.clone(), line: 0 };
            return Err(Problem { at, mistake: Mistake::Collision { unit: twice.clone() } });
        }
        self.0.extend(names);
        Ok(())
    }
}

impl Names {
    /// Takes the name of an alias.
    ///
    /// # Errors
    /// A warning, when an earlier ward has it; the link may then not be written.
    pub fn admit_alias(&mut self, ward: &Ward, alias: &Output) -> Result<(), Problem> {
        if self.0.insert(["late/", &alias.path].concat()) {
            return Ok(());
        }
        let text = format!("the alias {} belongs to another ward already and is left out here", alias.path);
        Err(Problem { at: Place { path: ward.path.clone(), line: 0 }, mistake: Mistake::Warning(text) })
    }
}

/// Everything to write for one ward, and what cannot be written or will not do what it seems to.
#[must_use]
pub fn outputs(ward: &Ward, adopted: Option<&AdoptedUnit>) -> (Vec<Output>, Vec<Problem>) {
    let (text, mut problems) = ward_unit::render(ward, adopted);
    let path = ward_unit::path(ward);
    let mut outputs = vec![Output { rank: Rank::Normal, path, content: Content::File(text) }];
    outputs.extend(condition_service::render(ward));
    let (links, wrong) = install::links(ward);
    outputs.extend(links);
    problems.extend(wrong);
    (outputs, problems)
}
