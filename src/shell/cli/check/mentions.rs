//! Names in wards that the host does not have: units in steps and in `[Install]`, programs in steps
//! and commands.

use crate::core::config::read_native::values;
use crate::core::config::step::{Action, Awaited, Wait};
use crate::core::config::wrong::offset_in;
use crate::core::config::{Mistake, Place, Problem, UnitName, Ward, most_like};
use crate::core::unit::{Content, Output};
use crate::edge::{paths, unit_files};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Kinds of unit that have a file. Other kinds come from the kernel, from mounts and from programs.
const WITH_FILES: [&str; 5] = ["service", "target", "socket", "timer", "path"];

/// Directories that systemd searches for programs (systemd.exec(5), `ExecSearchPath=`).
const PROGRAMS: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// Keys of `[Service]` that run a command.
const COMMANDS: [&str; 7] = [
    "ExecCondition",
    "ExecStartPre",
    "ExecStart",
    "ExecStartPost",
    "ExecReload",
    "ExecStop",
    "ExecStopPost",
];

/// The units and programs below one root.
pub(super) struct Mentions<'a> {
    root: &'a Path,
    units: BTreeSet<String>,
}

/// The name of a unit in the value of a key.
struct Mention<'a> {
    key: &'a str,
    unit: &'a UnitName,
    at: Place,
    /// Consequence and remedy if there is no such unit.
    advice: &'static str,
}

impl<'a> Mentions<'a> {
    /// Reads the units below `root` and adds those in `outputs`, which the generator writes.
    pub(super) fn new(root: &'a Path, outputs: &[Output]) -> Self {
        let mut units = unit_files::names(root);
        let planned = outputs.iter().filter(|output| {
            !output.path.contains('/') || matches!(output.content, Content::Link(_))
        });
        units.extend(planned.map(|output| output.path.clone()));
        Self { root, units }
    }

    /// Returns a warning for everything that one ward names and that does not exist.
    pub(super) fn warnings(&self, ward: &Ward) -> Vec<Problem> {
        let mut problems = Vec::new();
        for step in ward
            .conditions
            .iter()
            .flat_map(|condition| &condition.steps)
        {
            problems.extend(self.step(&step.action, &step.at));
            problems.extend(
                step.otherwise
                    .iter()
                    .filter_map(|other| self.step(&other.action, &other.at)),
            );
        }
        for key in ["WantedBy", "RequiredBy", "UpheldBy"] {
            for line in values(&ward.native.install, key) {
                for word in line.value.split_whitespace() {
                    let Ok(unit) = UnitName::new(word) else {
                        continue;
                    };
                    let at = line.place_of(offset_in(&line.value, word));
                    let advice = "the ward is not started with it; correct the name";
                    problems.extend(self.unit(Mention {
                        key,
                        unit: &unit,
                        at,
                        advice,
                    }));
                }
            }
        }
        let rooted = ward
            .native
            .service
            .iter()
            .any(|line| ["RootDirectory", "RootImage"].contains(&line.key.as_str()));
        for key in COMMANDS.into_iter().filter(|_| !rooted) {
            problems.extend(values(&ward.native.service, key).filter_map(|line| {
                let command = line
                    .value
                    .trim_start_matches(['-', '+', '@', ':', '!', '|']);
                let at = line.place_of(line.value.len() - command.len());
                self.program(command.split_whitespace().next()?, key, at)
            }));
        }
        problems
    }

    fn step(&self, action: &Action, at: &Place) -> Option<Problem> {
        const FAILS: &str = "the step will fail; correct the name, or install what it belongs to";
        let (key, unit, advice) = match action {
            Action::Execute(command) => {
                let prefixes =
                    usize::from(command.ignore_failure) + usize::from(command.privileged);
                let at = Place {
                    column: at.column + prefixes,
                    ..at.clone()
                };
                return self.program(command.words.first()?, "Execute", at);
            }
            Action::Restart(unit) => ("Restart", unit, FAILS),
            Action::Start(unit) => ("Start", unit, FAILS),
            Action::Stop(unit) => ("Stop", unit, FAILS),
            Action::Reload(unit) => ("Reload", unit, FAILS),
            Action::Signal(unit, _) => ("Signal", unit, FAILS),
            Action::WaitFor(Wait::Until(Awaited::Unit(unit), _)) => {
                let at = Place {
                    column: at.column + "unit:".len(),
                    ..at.clone()
                };
                let advice = "the step waits its whole time and fails; correct the name, or install what it belongs to";
                return self.unit(Mention {
                    key: "WaitFor",
                    unit,
                    at,
                    advice,
                });
            }
            _ => return None,
        };
        self.unit(Mention {
            key,
            unit,
            at: at.clone(),
            advice,
        })
    }

    /// Warns of a unit that does not exist, or that is masked.
    fn unit(&self, mention: Mention<'_>) -> Option<Problem> {
        let Mention {
            key,
            unit,
            at,
            advice,
        } = mention;
        if let Some(mask) = unit_files::mask_of(self.root, unit) {
            let mask = mask.display();
            let text = format!(
                "{key}= names {unit}, which {mask} masks; it works again after systemctl unmask {unit}"
            );
            return Some(Problem {
                at,
                mistake: Mistake::Warning(text),
            });
        }
        let suffix = unit.suffix();
        let template = format!("{}@.{suffix}", unit.prefix());
        let there = self.units.contains(unit.as_str())
            || (!unit.instance().is_empty() && self.units.contains(&template));
        if there || !WITH_FILES.contains(&suffix) {
            return None;
        }
        let nearest = self.nearest(unit);
        Some(Problem {
            at,
            mistake: Mistake::NoUnit {
                key: key.to_owned(),
                unit: unit.to_string(),
                nearest,
                advice,
            },
        })
    }

    /// Returns the unit of the same kind with the most similar name.
    fn nearest(&self, unit: &UnitName) -> Option<String> {
        let suffix = unit.suffix();
        let stems = self
            .units
            .iter()
            .filter_map(|name| name.strip_suffix(suffix)?.strip_suffix('.'));
        let nearest = most_like(unit.stem(), stems.filter(|stem| !stem.ends_with('@')), 0.85);
        nearest.map(|stem| [&stem, ".", suffix].concat())
    }

    /// Adds the nearest unit to problems that were found without reading all units.
    pub(super) fn name_nearest(&self, problems: &mut [Problem]) {
        for problem in problems {
            if let Mistake::NoUnit {
                unit,
                nearest: nearest @ None,
                ..
            } = &mut problem.mistake
            {
                *nearest = UnitName::new(unit)
                    .ok()
                    .and_then(|unit| self.nearest(&unit));
            }
        }
    }

    fn program(&self, program: &str, key: &str, at: Place) -> Option<Problem> {
        // A name with specifiers or variables is only known later.
        if program.contains(['%', '$', '"', '\'', '\\']) {
            return None;
        }
        let why = if program.starts_with('/') {
            self.lacks(Path::new(program))?
        } else {
            self.elsewhere(program)
                .is_none()
                .then_some("does not exist")?
        };
        let name = program.rsplit('/').next().unwrap_or_default();
        let nearest = self
            .elsewhere(name)
            .map(|path| path.display().to_string())
            .filter(|path| path != program);
        let mistake = Mistake::NoProgram {
            key: key.to_owned(),
            program: program.to_owned(),
            why,
            nearest,
        };
        Some(Problem { at, mistake })
    }

    /// Returns the reason why the program cannot be run; `None` if it can, or if that cannot be
    /// seen.
    fn lacks(&self, program: &Path) -> Option<&'static str> {
        let Some(found) = paths::resolve(self.root, program) else {
            let seen = paths::below(self.root, program).symlink_metadata();
            let hidden = seen.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
            return (!hidden).then_some("does not exist");
        };
        let data = found.metadata().ok()?;
        (!data.is_file() || data.permissions().mode() & 0o111 == 0).then_some("is not executable")
    }

    /// Returns the path of a program with this name.
    fn elsewhere(&self, name: &str) -> Option<PathBuf> {
        let mut paths = PROGRAMS
            .iter()
            .map(|directory| Path::new(directory).join(name));
        paths.find(|path| paths::resolve(self.root, path).is_some() && self.lacks(path).is_none())
    }
}
