//! Reads the configuration below one root directory: finds the files, decides which of them count,
//! and checks that they may be trusted.
//!
//! The search path is `/etc/unitward`, `/run/unitward`, `/usr/lib/unitward`; of files of one name
//! the first wins. An empty file or a link to `/dev/null` masks. A file is trusted if it and each
//! directory and link on the way to it belong to the owner of the root directory (root on a running
//! host, the builder of an image elsewhere) or to root, and if only that owner may write them.

mod chain;
mod reader;

use super::unit_files;
use crate::core::config::{
    self, Assembly, Config, Problem, ReadWard, Settings, SourceFile, SourceFiles, Stacks, UnitName,
};
use chain::Walker;
use reader::{Listing, Reader};
use std::collections::HashMap;
use std::path::Path;

/// Directories that are searched; the first one wins.
pub const SEARCH_PATH: [&str; 3] = ["/etc/unitward", "/run/unitward", "/usr/lib/unitward"];

/// Largest file that is read, in bytes. Real wards have a few hundred bytes.
const LARGEST: u64 = 1 << 20;

/// Name of the settings file.
const SETTINGS: &str = "unitward.conf";

/// Returns a sentence if somebody else than root decides what stands at `path` below `root`: it
/// names the directory, the link or the file, and says what to do. `None`: only root does, nothing
/// is there, or the check failed.
#[must_use]
pub fn in_other_hands(root: &Path, path: &Path) -> Option<String> {
    Walker::new(root)
        .distrust(path)
        .map(|distrust| distrust.on_the_way())
}

/// The content of the file at `path` below `root`, where it is certain that root alone decides what stands there; `None` also where
/// there is nothing.
#[must_use]
pub fn read_if_roots(root: &Path, path: &Path) -> Option<Vec<u8>> {
    Reader::new(root).read_if_roots(path)
}

/// Reads the whole configuration below `root` (`/` on a running host). It never fails: files that
/// cannot be read are among the problems.
#[must_use]
pub fn load(root: &Path) -> (Config, Vec<Problem>) {
    let mut files = Files::list(root);
    let stacks = files.stacks();
    let mut assembly = Assembly::beside(&stacks);
    let mut wards = Vec::new();
    let mut wrong = Vec::new();
    files.wards(&stacks, &mut |read| {
        let (ward, of_ward) = assembly.admit(read);
        let refused = ward
            .as_ref()
            .and_then(|ward| unit_files::refused(root, ward));
        wards.extend(ward.filter(|_| refused.is_none()));
        wrong.extend(of_ward.into_iter().chain(refused));
    });
    wards.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
    let (settings, mut problems) = files.settings();
    problems.extend(wrong);
    (
        Config {
            settings,
            wards,
            stacks: stacks.into_vec(),
        },
        problems,
    )
}

/// The configuration files below one root, read one kind after the other: stacks, the wards that
/// name them, settings.
pub struct Files<'a> {
    reader: Reader<'a>,
    found: Listing,
    proposed: Option<SourceFiles>,
}

impl<'a> Files<'a> {
    /// Lists the files.
    #[must_use]
    pub fn list(root: &'a Path) -> Self {
        let mut reader = Reader::new(root);
        let found = reader.listing();
        Self {
            reader,
            found,
            proposed: None,
        }
    }

    /// Adds a ward that is not on the disk yet; it is handed over after all others.
    pub fn propose(&mut self, ward: SourceFiles) {
        self.proposed = Some(ward);
    }

    /// Returns the names of the wards, including those that are masked or have mistakes.
    pub fn ward_names(&self) -> impl Iterator<Item = &str> {
        self.found
            .keys()
            .filter_map(|file| file.strip_suffix(".ward"))
    }

    /// Reads the stacks.
    pub fn stacks(&mut self) -> Stacks {
        let Self { reader, found, .. } = self;
        let mut read = Vec::new();
        for (file, name) in found
            .keys()
            .filter_map(|file| Some((file, file.strip_suffix(".stack")?)))
        {
            let files = reader.with_drop_ins(found, file);
            if let Some(mut stack) = config::read_stack(&SourceFiles {
                name: name.to_owned(),
                files,
            }) {
                stack.adopt_by_own_name(|alias| unit_files::own_name(reader.root, alias));
                stack.spare_existing(|target| unit_files::file_of(reader.root, target));
                read.push(stack);
            }
        }
        let (stacks, problems) = Stacks::settle(read);
        reader.problems.extend(problems);
        stacks
    }

    /// Reads the wards and passes each to `hand_over`, in the order of their files' names. They may
    /// name any of `stacks`.
    ///
    /// But one that adopts `NAME.service` comes after `NAME.ward`, which may define that unit and then has it, and so it is with an
    /// instance and the ward of its template.
    pub fn wards(&mut self, stacks: &Stacks, hand_over: &mut dyn FnMut(ReadWard)) {
        let Self {
            reader,
            found,
            proposed,
        } = self;
        let mut waiting: HashMap<String, Vec<ReadWard>> = HashMap::new();
        for (file, name) in found
            .keys()
            .filter_map(|file| Some((file, file.strip_suffix(".ward")?)))
        {
            let files = reader.with_drop_ins(found, file);
            if let Some(mut read) = config::read_ward(
                &SourceFiles {
                    name: name.to_owned(),
                    files,
                },
                stacks,
            ) {
                read.adopt_by_own_name(|alias| unit_files::own_name(reader.root, alias));
                let namesakes = read.adopts().map(namesakes).into_iter().flatten();
                match namesakes
                    .into_iter()
                    .filter(|namesake| namesake > file && found.contains_key(namesake))
                    .max()
                {
                    Some(namesake) => waiting.entry(namesake).or_default().push(read),
                    None => hand_over(read),
                }
            }
            waiting
                .remove(file)
                .into_iter()
                .flatten()
                .for_each(&mut *hand_over);
        }
        if let Some(mut read) = proposed
            .as_ref()
            .and_then(|ward| config::read_ward(ward, stacks))
        {
            read.adopt_by_own_name(|alias| unit_files::own_name(reader.root, alias));
            hand_over(read);
        }
    }

    /// Reads the settings, and returns them with all problems of the files so far, except the
    /// mistakes in wards.
    #[must_use]
    pub fn settings(self) -> (Settings, Vec<Problem>) {
        let (settings, _, problems) = self.settings_and_files();
        (settings, problems)
    }

    /// Returns the same, with the files that hold the settings.
    #[must_use]
    pub fn settings_and_files(mut self) -> (Settings, Vec<SourceFile>, Vec<Problem>) {
        let files = self.reader.with_drop_ins(&self.found, SETTINGS);
        let (settings, problems) = config::read_settings(&files);
        self.reader.problems.extend(problems);
        (settings, files, self.reader.problems)
    }
}

/// The files of the wards that may define this unit.
fn namesakes(unit: &UnitName) -> impl Iterator<Item = String> + use<> {
    let names = [
        Some(unit.stem().to_owned()),
        unit.template().map(|template| template.stem().to_owned()),
    ];
    names
        .into_iter()
        .flatten()
        .map(|stem| [&stem, ".ward"].concat())
}

#[cfg(test)]
mod tests;
