//! What the host's own systemd thinks of the units, merged with the files of those that are adopted.
//!
//! Which keys there are, which values, and which go together differs from version to version, so nobody can say it but systemd
//! itself ([`verify`]). A complaint is told of the ward's line that caused it, where one did, else where the ward names its unit.
//! Lines of an adopted unit's own files that systemd only ignores are told where an administrator may have written them, and not where
//! a package has. What it says of other units is no concern of ours.

use super::verify::{self, Complaint, File};
use super::{Checked, keys, origin, unit_files};
use crate::core::config::ward::NativeLine;
use crate::core::config::{Cost, Mistake, Place, Problem, UnitName, Ward};
use crate::core::explain::listed;
use crate::core::unit::Content;
use std::collections::HashMap;
use std::path::Path;

/// Where packages have their files.
const OF_PACKAGES: [&str; 2] = ["/usr", "/lib"];

/// Where the programs of Unitward are. A line of a condition's own service that runs one is no line of the ward's.
const OURS: &str = "/usr/lib/unitward/";

/// Words of systemd's for a unit that it will not load.
const REFUSING: &str = "Refusing";

/// systemd's complaints.
///
/// # Errors
/// The reason why systemd was not asked.
pub(super) fn warnings(root: &Path, checked: &Checked) -> Result<Vec<Problem>, String> {
    if root != Path::new("/") {
        return Err(format!("the one below {} is another", root.display()));
    }
    let mut judgement = Judgement {
        units: units(checked),
        known: &checked.problems,
        said: Vec::new(),
        has_cycle: false,
        last: HashMap::new(),
    };
    for complaint in verify::complaints(&checked.outputs)? {
        judgement.take(complaint);
    }
    keys::complete(&mut judgement.said);
    Ok(judgement.said)
}

/// A unit that the generator writes, or writes a drop-in for.
#[derive(Debug, Clone, Copy)]
struct Unit<'a> {
    /// What is written.
    text: &'a str,
    owner: Owner<'a>,
}

/// What it is written for.
#[derive(Debug, Clone, Copy)]
enum Owner<'a> {
    Ward(&'a Ward),
    /// A stack, which names its unit here.
    Stack(&'a Place),
}

impl<'a> Unit<'a> {
    /// Where its unit is named.
    fn at(self) -> Place {
        match self.owner {
            Owner::Ward(ward) => ward.unit_at.clone(),
            Owner::Stack(at) => at.clone(),
        }
    }

    /// The ward's line that line `number` of the planned file was written from, and its section.
    fn origin(self, number: usize) -> Option<(&'a str, &'a NativeLine)> {
        match self.owner {
            Owner::Ward(ward) => origin::planned(ward, self.text, number),
            Owner::Stack(_) => None,
        }
    }

    /// The ward's line that systemd seems to speak of, or else where the unit is named.
    fn cause(self, text: &str) -> Place {
        match self.owner {
            Owner::Ward(ward) => {
                origin::cause(ward, text).map_or_else(|| self.at(), |line| line.place_of(0))
            }
            Owner::Stack(_) => self.at(),
        }
    }

    /// Whether it has a root of its own, in which systemd-analyze does not look for its programs.
    fn is_rooted(self) -> bool {
        let Owner::Ward(ward) = self.owner else {
            return false;
        };
        let own = ward.native.service.iter().map(|line| line.key.clone());
        let theirs = unit_files::lines(Path::new("/"), &ward.unit())
            .into_iter()
            .map(|(_, line)| line.key);
        own.chain(theirs)
            .any(|key| ["RootDirectory", "RootImage"].contains(&key.as_str()))
    }
}

/// All that are planned, by their names.
fn units(checked: &Checked) -> HashMap<&str, Unit<'_>> {
    let wards = checked
        .guarded
        .iter()
        .map(|(ward, first)| (*first, Owner::Ward(ward)));
    let stacks = checked
        .stack_units
        .iter()
        .map(|(at, first)| (*first, Owner::Stack(at)));
    let owners: Vec<_> = wards.chain(stacks).collect();
    let planned = checked
        .outputs
        .iter()
        .enumerate()
        .filter_map(|(number, output)| {
            let Content::File(text) = &output.content else {
                return None;
            };
            // The outputs of each begin where those of the one before it end.
            let (_, owner) =
                owners[..owners.partition_point(|(first, _)| *first <= number)].last()?;
            Some((
                verify::unit_of(output),
                Unit {
                    text,
                    owner: *owner,
                },
            ))
        });
    planned.collect()
}

/// From complaints to problems.
struct Judgement<'a> {
    units: HashMap<&'a str, Unit<'a>>,
    /// What is known to be wrong without systemd.
    known: &'a [Problem],
    said: Vec<Problem>,
    /// Whether a cycle was told.
    has_cycle: bool,
    /// What was said of each unit last, for that is why it is not loaded.
    last: HashMap<String, Problem>,
}

impl Judgement<'_> {
    fn take(&mut self, complaint: Complaint) {
        match complaint {
            Complaint::Line {
                file: File::Planned(path),
                line,
                text,
            } => self.planned_line(&path, line, &text),
            Complaint::Line {
                file: File::Other(path),
                line,
                text,
            } => self.other_line(&path, line, &text),
            Complaint::Unit { unit, text } => self.unit(&unit, &text),
            Complaint::NotLoaded { unit } => self.not_loaded(&unit),
            Complaint::Cycle { units } => self.cycle(&units),
        }
    }

    /// A line of a planned file, if it comes from a ward.
    fn planned_line(&mut self, path: &str, line: usize, text: &str) {
        let name = path.split_once(".d/").map_or(path, |(unit, _)| unit);
        let Some((section, line)) = self.units.get(name).and_then(|unit| unit.origin(line)) else {
            return;
        };
        let is_unknown = text.starts_with("Unknown key");
        let mistake = if is_unknown {
            let (who, key) = ("systemd".to_owned(), line.key.clone());
            Mistake::UnknownNative {
                who,
                section: section.to_owned(),
                key,
                nearest: None,
            }
        } else {
            Mistake::Warning(format!(
                "systemd says of {}={}: {text}; correct the value",
                line.key, line.value
            ))
        };
        let at = if is_unknown {
            line.at.clone()
        } else {
            line.place_of(0)
        };
        let is_known = self.known.iter().any(|problem| problem.at == at);
        let problem = Problem { at, mistake };
        self.last.insert(name.to_owned(), problem.clone());
        if !is_known {
            self.say(problem);
        }
    }

    /// A line of a file that an adopted unit has of its own, or a drop-in.
    fn other_line(&mut self, path: &Path, line: usize, text: &str) {
        let Some((name, unit)) = self.units.iter().find(|(name, _)| is_file_of(path, name)) else {
            return;
        };
        let (name, unit) = ((*name).to_owned(), *unit);
        let why = text.trim_end_matches(", ignoring");
        let mistake = Mistake::Warning(format!(
            "systemd says of this line of {name}, which is guarded: {why}; correct it"
        ));
        let place = Place {
            path: path.into(),
            line,
            column: 0,
        };
        if !OF_PACKAGES.iter().any(|folder| path.starts_with(folder)) {
            self.say(Problem {
                at: place.clone(),
                mistake,
            });
        }
        let text = format!("{} {why}", place);
        self.last.insert(
            name,
            Problem {
                at: unit.at(),
                mistake: Mistake::Warning(text),
            },
        );
    }

    /// A unit as a whole.
    fn unit(&mut self, name: &str, text: &str) {
        let Some(unit) = self.units.get(name).copied() else {
            return;
        };
        if let Some(why) = text.strip_suffix(REFUSING) {
            let why = why.trim_end_matches(['.', ',', ' ']).to_owned();
            return self.refused(name, unit.cause(text), why);
        }
        let said = if let Some(command) = text.strip_prefix("Command ") {
            let program = command.split(' ').next().unwrap_or_default();
            if program.starts_with(OURS) || self.is_known(program) || unit.is_rooted() {
                return;
            }
            format!(
                "systemd says of {name}: {text}; correct the path, or install what it belongs to"
            )
        } else if let Some(why) = text.strip_prefix(&format!("Failed to create {name}/start: ")) {
            let is_told = why.contains(name) || why.split(' ').any(|word| self.is_known(word));
            if is_told || (why.contains("is cyclic") && self.has_cycle) {
                return;
            }
            format!(
                "systemd could not start {name}: {why}; correct the name, or install what it belongs to"
            )
        } else if ["Job ", "Unable to break cycle", "Cannot add dependency job"]
            .iter()
            .any(|other| text.starts_with(other))
        {
            return;
        } else {
            format!(
                "systemd says of {name}: {}; correct it",
                text.trim_end_matches(". Ignoring")
            )
        };
        self.say(Problem {
            at: unit.cause(text),
            mistake: Mistake::Warning(said),
        });
    }

    /// Whether it is told already that this program or unit is not there.
    fn is_known(&self, what: &str) -> bool {
        self.known.iter().any(|problem| match &problem.mistake {
            Mistake::NoProgram { program, .. } => program == what,
            Mistake::NoUnit { unit, .. } => unit == what,
            _ => false,
        })
    }

    /// A unit that will not be loaded, for what was said last.
    fn not_loaded(&mut self, name: &str) {
        let Some(unit) = self.units.get(name).copied() else {
            return;
        };
        if self.said.iter().any(
            |problem| matches!(&problem.mistake, Mistake::NotLoaded { unit, .. } if unit == name),
        ) {
            return;
        }
        match self.last.get(name) {
            Some(Problem { at, mistake }) => self.refused(name, at.clone(), mistake.to_string()),
            None => self.refused(
                name,
                unit.at(),
                "its settings make no sense to it".to_owned(),
            ),
        }
    }

    fn refused(&mut self, unit: &str, at: Place, why: String) {
        // What else is said of that line is in the sentence.
        self.said
            .retain(|problem| problem.at != at || problem.mistake.cost() != Cost::Nothing);
        self.say(Problem {
            at,
            mistake: Mistake::NotLoaded {
                unit: unit.to_owned(),
                why,
            },
        });
    }

    /// Units that wait for each other, at the first of them that is planned.
    fn cycle(&mut self, names: &[String]) {
        let mut circle = names.to_vec();
        circle.sort_unstable();
        circle.dedup();
        let planned = circle
            .iter()
            .find_map(|name| Some((name.clone(), *self.units.get(name.as_str())?)));
        let Some((ours, unit)) = planned else {
            return;
        };
        let text = format!(
            "{} wait for each other, so systemd leaves one of them out of a start, or starts none; take out what orders one of them \
             (After=, Before=)",
            listed(&circle)
        );
        self.has_cycle = true;
        circle.retain(|name| *name != ours);
        let others = circle.join(" ");
        self.say(Problem {
            at: unit.cause(&others),
            mistake: Mistake::Warning(text),
        });
    }

    fn say(&mut self, problem: Problem) {
        if !self.said.contains(&problem) {
            self.said.push(problem);
        }
    }
}

/// Returns the last part of a path.
fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Returns true if this is the file of the unit, or one of its drop-ins.
fn is_file_of(path: &Path, unit: &str) -> bool {
    let folder = path.parent().map(file_name).unwrap_or_default();
    let file = folder
        .strip_suffix(".d")
        .map_or_else(|| file_name(path), str::to_owned);
    let template = UnitName::new(unit)
        .ok()
        .filter(|unit| !unit.instance().is_empty());
    file == unit
        || template.is_some_and(|unit| file == format!("{}@.{}", unit.prefix(), unit.suffix()))
}

#[cfg(test)]
mod tests;
