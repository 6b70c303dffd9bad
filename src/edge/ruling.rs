//! Excludes and readmits wards on root's request, with or without unitwardd.
//!
//! An exclusion is a mark in the ward's state and an ordinary stop of its unit. The mark comes
//! first, so that nothing starts the unit meanwhile, then the stop of the unit's triggers. A
//! readmission forgets the deaths that were counted and starts all of them.
//!
//! Both are reported when systemd has agreed, and taken back if it refuses; if it does not answer
//! they stay in force, and the refusal says so. But a readmission is also reported before the
//! start, so that unitwardd knows its cause.

use super::exclusion::{self, By, Exclusion, Standing};
use super::messages::{EXCLUDED, READMITTED};
use super::pid1::{self, Wanted};
use super::record::WardState;
use super::systemctl::{self, Wait};
use super::{clock, root, series_file, triggers};
use crate::core::config::{UnitName, WardName, find_called, left_out, nearest, template};
use crate::core::visible::is_visible;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Longest reason that is accepted, in characters.
const LONGEST_REASON: usize = 200;

/// A ward to exclude or readmit, and its unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The ward's name.
    pub ward: String,
    /// Name of its unit.
    pub unit: String,
}

/// An event of an exclusion or a readmission, for unitwardd's main loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// The ward is kept down from now on.
    Exclude {
        /// The ward's name.
        ward: String,
        /// Reason; empty if none was given.
        why: String,
    },
    /// The ward is about to be started again: that start is no event of its own.
    Readmitting(String),
    /// The ward was started again.
    Readmit(String),
    /// The ward could not be started again, and is excluded as before.
    StillExcluded(String),
}

/// Reason why nothing was done, or why the result is not known, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The request makes no sense.
    Refused(String),
    /// The request could not be carried out, or its result is not known.
    Failed(String),
}

impl Refusal {
    /// Returns the sentence.
    #[must_use]
    pub fn into_sentence(self) -> String {
        let (Self::Refused(why) | Self::Failed(why)) = self;
        why
    }
}

/// Finds a ward by its name, or else by its unit's, which may lack its suffix. `wards` has the unit
/// of each.
///
/// # Errors
/// A sentence if there is none.
pub fn find(wards: &BTreeMap<String, String>, name: &str) -> Result<Subject, String> {
    if let Some((ward, unit)) = find_called(wards.iter(), name) {
        return match ward.ends_with('@') {
            true => Err(template::name_an_instance(ward)),
            false => Ok(Subject {
                ward: ward.clone(),
                unit: unit.clone(),
            }),
        };
    }
    if let Some(instance) = wards
        .iter()
        .find_map(|(ward, unit)| instance(ward, unit, name))
    {
        // The unit may have a ward of its own, by another name.
        let own = wards.iter().find(|(_, unit)| **unit == instance.unit);
        return Ok(own
            .map(|(ward, unit)| Subject {
                ward: ward.clone(),
                unit: unit.clone(),
            })
            .unwrap_or(instance));
    }
    Err(match nearest(name, wards.keys().map(String::as_str)) {
        Some(other) => format!("There is no ward {name}, did you mean {other}?"),
        None => format!(
            "There is no ward {name}: \"unitward list\" names them. One that was written just now is taken up by \
             \"systemctl daemon-reload\"."
        ),
    })
}

/// The instance that is meant by `name`, where this is a template's ward and unit.
fn instance(ward: &str, unit: &str, name: &str) -> Option<Subject> {
    let (ward, unit) = (
        WardName::new(ward).ok()?,
        UnitName::new_or_template(unit).ok()?,
    );
    let instance = template::instance_meant_by(&ward, &unit, name)?;
    Some(Subject {
        ward: ward.of_instance(instance)?.to_string(),
        unit: unit.of_instance(instance)?.to_string(),
    })
}

/// The same in the configuration as it is on the disk.
///
/// # Errors
/// A sentence if there is none.
pub fn find_on_disk(name: &str) -> Result<Subject, String> {
    let (config, problems) = root::load(Path::new("/"));
    let mut wards = BTreeMap::new();
    for ward in &config.wards {
        wards.insert(
            ward.name.as_str().to_owned(),
            ward.unit().as_str().to_owned(),
        );
    }
    find(&wards, name).map_err(|why| left_out(&problems, name).unwrap_or(why))
}

/// Excludes a ward; `false`: it is excluded already.
///
/// # Errors
/// If the reason is too long, or if systemd refuses or does not answer.
pub fn exclude(subject: &Subject, why: &str, tell: impl Fn(Ruling)) -> Result<bool, Refusal> {
    let Subject { ward, unit } = subject;
    let why = reason(why).map_err(Refusal::Refused)?;
    let state = WardState::of(ward);
    let shown = show(unit)?;
    if exclusion::of(&state, shown.standing()).is_some() {
        return Ok(false);
    }
    let triggers = triggers::active(unit).map_err(|error| unanswered(unit, &error))?;
    let mark = Exclusion {
        at: clock::since_epoch(),
        by: By::Hand,
        why: why.clone(),
        triggers: triggers.clone(),
    };
    exclusion::save(&state, &mark)
        .map_err(|error| Refusal::Failed(format!("Failed to mark {ward} as excluded: {error}.")))?;
    let told = Ruling::Exclude {
        ward: ward.clone(),
        why: why.clone(),
    };
    if shown.load != "not-found"
        && let Err(error) = stop(unit, &triggers)
        && !is_down(unit)
    {
        if systemctl::is_unanswered(&error) {
            tell(told);
            let why = format!(
                "{ward} is marked as excluded, but whether {unit} is being stopped is not known: {error}."
            );
            return Err(Refusal::Failed(why));
        }
        let kept = exclusion::remove(&state)
            .err()
            .map_or_else(String::new, |error| format!(" ({error})"));
        let _ = with_triggers(triggers::start(&triggers));
        return Err(Refusal::Failed(format!(
            "{ward} is not excluded{kept}: {unit} could not be stopped: {error}."
        )));
    }
    let why = if why.is_empty() {
        String::new()
    } else {
        format!(": {why}")
    };
    // Shown by "systemctl status" of the unit, to explain why systemd does not start it.
    tracing::info!(
        MESSAGE_ID = EXCLUDED,
        UNITWARD_WARD = ward.as_str(),
        OBJECT_SYSTEMD_UNIT = unit.as_str(),
        "Ward {ward} is excluded, by hand{why}; {unit} stays down until \"unitward readmit {ward}\"."
    );
    tell(told);
    Ok(true)
}

/// Readmits an excluded ward and starts its unit; `false`: it is not excluded.
///
/// # Errors
/// If the unit is masked or not there, or if systemd refuses or does not answer.
pub fn readmit(subject: &Subject, tell: impl Fn(Ruling)) -> Result<bool, Refusal> {
    let Subject { ward, unit } = subject;
    let state = WardState::of(ward);
    let shown = show(unit)?;
    if exclusion::of(&state, shown.standing()).is_none() {
        return Ok(false);
    }
    match shown.load.as_str() {
        "masked" => {
            let why =
                format!("{unit} is masked: \"systemctl unmask {unit}\" allows it to start again.");
            return Err(Refusal::Refused(why));
        }
        "not-found" => {
            return Err(Refusal::Refused(format!(
                "{unit} is not there: \"unitward check\" says why, \"systemctl daemon-reload\" makes it of its ward."
            )));
        }
        _ => {}
    }
    let turn = state.turn();
    let mark = series_file::readmit(&state)
        .and_then(|()| exclusion::remove(&state))
        .map_err(|error| not_readmitted(ward, &error))?;
    drop(turn);
    tell(Ruling::Readmitting(ward.clone()));
    let stopped = mark.as_ref().map_or(&[][..], |mark| &mark.triggers);
    // Before the unit: a socket refuses to listen for a service that is up.
    let _ = with_triggers(triggers::start(stopped));
    // It fails where there is nothing to forget.
    let _ = systemctl::output(&["reset-failed", "--", unit]);
    if let Err(error) = systemctl::job("start", unit, Wait::ForQueue)
        && is_down(unit)
    {
        if systemctl::is_unanswered(&error) {
            tell(Ruling::Readmit(ward.clone()));
            let why = format!(
                "{ward} is readmitted, but whether {unit} is being started is not known: {error}."
            );
            return Err(Refusal::Failed(why));
        }
        let _ = with_triggers(triggers::stop(stopped));
        let kept = mark.map_or(Ok(()), |mark| exclusion::save(&state, &mark));
        tell(Ruling::StillExcluded(ward.clone()));
        kept.map_err(|error| not_readmitted(ward, &error))?;
        return Err(Refusal::Failed(format!(
            "{ward} stays excluded: {unit} could not be started: {error}."
        )));
    }
    tracing::info!(
        MESSAGE_ID = READMITTED,
        UNITWARD_WARD = ward.as_str(),
        "Ward {ward} is readmitted, by hand."
    );
    tell(Ruling::Readmit(ward.clone()));
    Ok(true)
}

fn not_readmitted(ward: &str, error: &io::Error) -> Refusal {
    Refusal::Failed(format!("Failed to readmit {ward}: {error}."))
}

/// Stops the unit with its triggers, which come first.
fn stop(unit: &str, triggers: &[String]) -> io::Result<()> {
    with_triggers(triggers::stop(triggers))
        .and_then(|()| systemctl::job("stop", unit, Wait::ForQueue))
}

/// Turns a refusal to stop or start triggers into a warning: the result for the unit itself
/// decides. An error without an answer stays one.
fn with_triggers(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if !systemctl::is_unanswered(&error) => {
            tracing::warn!(
                "Failed to have what triggers the unit stopped or started with it, ignoring: {error}"
            );
            Ok(())
        }
        done => done,
    }
}

/// State of a unit, by systemd.
struct Shown {
    load: String,
    active: String,
}

impl Shown {
    fn standing(&self) -> Standing {
        if triggers::is_up(&self.active) {
            Standing::Up
        } else {
            Standing::Down
        }
    }
}

fn show(unit: &str) -> Result<Shown, Refusal> {
    let shown = pid1::ask(
        unit,
        Wanted {
            unit: &["LoadState", "ActiveState"],
            own: &[],
        },
    );
    let shown = shown.map_err(|error| unanswered(unit, &error))?;
    Ok(Shown {
        load: shown.text("LoadState").to_owned(),
        active: shown.text("ActiveState").to_owned(),
    })
}

/// Returns true if a unit is known to be down, or on its way there.
fn is_down(unit: &str) -> bool {
    show(unit).is_ok_and(|shown| shown.standing() == Standing::Down)
}

fn unanswered(unit: &str, error: &io::Error) -> Refusal {
    Refusal::Failed(format!("Failed to ask systemd for {unit}: {error}."))
}

/// Returns a reason without invisible characters, so on one line; an error if it is too long.
fn reason(why: &str) -> Result<String, String> {
    let why: String = why.chars().filter(|letter| is_visible(*letter)).collect();
    match why.chars().count() {
        0..=LONGEST_REASON => Ok(why),
        long => Err(format!(
            "The reason has {long} characters, and may have {LONGEST_REASON}: make it shorter."
        )),
    }
}

#[cfg(test)]
mod tests;
