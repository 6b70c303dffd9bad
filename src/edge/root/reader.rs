//! Reads configuration files: search path, masks, drop-ins and trust.

use super::chain::{Directory, End, Stop, Walker};
use super::{LARGEST, SEARCH_PATH, SETTINGS};
use crate::core::config::{Mistake, Place, Problem, SourceFile};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// All entries of the search path by name, those of the first directory first.
pub(super) type Listing = BTreeMap<String, Vec<Found>>;

/// A directory that was read.
struct Listed {
    /// Path seen from the host, as people know it: it may go through links.
    path: PathBuf,
    directory: Arc<Directory>,
}

/// An entry of a directory.
pub(super) struct Found {
    listed: Arc<Listed>,
    /// True for a regular file. Another entry may be a link and has to be followed.
    is_regular: bool,
}

/// Reads files below one root and collects the problems with them.
pub(super) struct Reader<'a> {
    pub(super) root: &'a Path,
    walker: Walker<'a>,
    pub(super) problems: Vec<Problem>,
}

/// Flags to open a file for reading, without blocking: it may be a pipe.
const READING: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK);

impl<'a> Reader<'a> {
    pub(super) fn new(root: &'a Path) -> Self {
        Self {
            root,
            walker: Walker::new(root),
            problems: Vec::new(),
        }
    }

    pub(super) fn listing(&mut self) -> Listing {
        let mut found = Listing::new();
        for directory in SEARCH_PATH {
            let end = self.walker.walk(Path::new(directory));
            for (name, entry) in self.entries(Path::new(directory), end) {
                found.entry(name).or_default().push(entry);
            }
        }
        found
    }

    /// Returns the entries of a trusted directory by name; none if there is no such directory.
    /// Other failures become problems.
    fn entries(&mut self, path: &Path, end: Result<End, Stop>) -> Vec<(String, Found)> {
        let why = match end {
            Ok(End::Directory(directory)) => match directory.entries() {
                Ok(entries) => {
                    let listed = Arc::new(Listed {
                        path: path.to_owned(),
                        directory,
                    });
                    return entries
                        .into_iter()
                        .filter_map(|(name, kind)| {
                            let found = Found {
                                listed: listed.clone(),
                                is_regular: kind == FileType::RegularFile,
                            };
                            Some((name.into_string().ok()?, found))
                        })
                        .collect();
                }
                Err(error) => unreadable_directory(error),
            },
            Err(Stop::Missing) => return Vec::new(),
            Err(Stop::Nowhere) => {
                "the link leads nowhere; point it at a directory, or remove it".to_owned()
            }
            Err(Stop::Distrust(distrust)) if distrust.place == path => {
                format!("{}, so what is in it is not trusted", distrust.of_it())
            }
            Err(Stop::Distrust(distrust)) => {
                format!(
                    "{}, so what it leads to is not trusted",
                    distrust.on_the_way()
                )
            }
            Ok(End::File(..) | End::Odd | End::Null) => unreadable_directory(Errno::NOTDIR),
            Err(Stop::Failed(error)) => unreadable_directory(error),
        };
        self.refuse(path, why);
        Vec::new()
    }

    /// Returns the file of this name that counts and its drop-ins, in the order in which they
    /// apply.
    pub(super) fn with_drop_ins(&mut self, found: &Listing, name: &str) -> Vec<SourceFile> {
        let settings = name == SETTINGS;
        let mut files = Vec::new();
        match found
            .get(name)
            .and_then(|entries| entries.first())
            .map(|main| self.read(name, main))
        {
            Some(Read::Text(main)) => files.push(main),
            // Drop-ins alone make settings, as they do for systemd itself, but no ward and no
            // stack.
            None if settings => {}
            None | Some(Read::Masked | Read::Refused) => return files,
        }
        let refused = self.problems.len();
        let mut drop_ins: BTreeMap<String, Found> = BTreeMap::new();
        let folder = [name, ".d"].concat();
        for directory in found.get(&folder).into_iter().flatten() {
            let end = self
                .walker
                .walk_from(&directory.listed.directory, Path::new(&folder));
            let entries = self.entries(&directory.listed.path.join(&folder), end);
            for (file, entry) in entries
                .into_iter()
                .filter(|(file, _)| file.ends_with(".conf"))
            {
                drop_ins.entry(file).or_insert(entry);
            }
        }
        for (file, entry) in &drop_ins {
            if let Read::Text(file) = self.read(file, entry) {
                files.push(file);
            }
        }
        // A ward without one of its drop-ins is not the ward that was meant.
        if !settings && self.problems.len() > refused {
            return Vec::new();
        }
        files
    }

    /// Reads one file. A file that may not or cannot be read becomes a problem.
    fn read(&mut self, name: &str, entry: &Found) -> Read {
        let path = &*entry.listed.path.join(name);
        let opened = if entry.is_regular {
            entry.listed.directory.open(OsStr::new(name), READING)
        } else {
            match self.walk_to(name, entry) {
                Ok(Some(opened)) => opened,
                Ok(None) => return Read::Masked,
                Err(why) => return self.refuse(path, why),
            }
        };
        match self.read_trusted(opened, path) {
            Ok(bytes) if bytes.is_empty() => Read::Masked,
            Ok(bytes) => Read::Text(SourceFile::decode(path.into(), bytes)),
            Err(why) => self.refuse(path, why),
        }
    }

    /// Opens the target of a link; `None`: it masks.
    ///
    /// # Errors
    /// A description of what is wrong with the way, or with its end.
    fn walk_to(
        &mut self,
        name: &str,
        entry: &Found,
    ) -> Result<Option<rustix::io::Result<OwnedFd>>, String> {
        match self
            .walker
            .walk_from(&entry.listed.directory, Path::new(name))
        {
            Ok(End::Null) => Ok(None),
            Ok(End::File(directory, name)) => Ok(Some(directory.open(&name, READING))),
            Ok(End::Directory(_) | End::Odd) => Err(NO_FILE.into()),
            Err(Stop::Missing | Stop::Nowhere) => {
                Err("the link leads nowhere; point it at a file, or remove it".into())
            }
            Err(Stop::Distrust(distrust)) => Err(format!(
                "{}, or put the file itself here",
                distrust.on_the_way()
            )),
            Err(Stop::Failed(error)) => Ok(Some(Err(error))),
        }
    }

    /// One file's content, wherever it is; `None`: somebody else than root has it or its path in hand, or there is nothing to read.
    pub(super) fn read_if_roots(&mut self, path: &Path) -> Option<Vec<u8>> {
        match self.walker.walk(path) {
            Ok(End::File(directory, name)) => {
                self.read_trusted(directory.open(&name, READING), path).ok()
            }
            Ok(End::Directory(_) | End::Null | End::Odd) | Err(_) => None,
        }
    }

    fn read_trusted(
        &self,
        opened: rustix::io::Result<OwnedFd>,
        path: &Path,
    ) -> Result<Vec<u8>, String> {
        let opened = opened.map_err(unreadable)?;
        let data = rustix::fs::fstat(&opened).map_err(unreadable)?;
        if FileType::from_raw_mode(data.st_mode) != FileType::RegularFile {
            return Err(NO_FILE.into());
        }
        self.walker
            .judge_file(&opened, &data, path)
            .map_err(|stop| match stop {
                Stop::Distrust(distrust) => distrust.of_it(),
                Stop::Failed(error) => unreadable(error),
                Stop::Missing | Stop::Nowhere => unreadable(Errno::NOENT),
            })?;
        let size = u64::try_from(data.st_size).unwrap_or_default();
        if size > LARGEST {
            return Err(format!(
                "the file has {size} bytes, more than the 1 MiB it may have"
            ));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
        // As much as the size says: without `take` the end, and the size, would be asked for once
        // more.
        File::from(opened)
            .take(size)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        Ok(bytes)
    }

    fn refuse(&mut self, path: &Path, why: String) -> Read {
        self.problems.push(Problem {
            at: Place::whole(path.into()),
            mistake: Mistake::file(path, why),
        });
        Read::Refused
    }
}

const NO_FILE: &str = "this is not a regular file; put one in its place";

fn unreadable(error: impl Into<io::Error>) -> String {
    format!("the file cannot be read: {}", reason(&error.into()))
}

fn unreadable_directory(error: Errno) -> String {
    format!("the directory cannot be read: {}", reason(&error.into()))
}

/// Describes an error and, if possible, its remedy.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => "only others may; run this as root".to_owned(),
        _ => error.to_string(),
    }
}

/// Result of reading one file.
enum Read {
    Text(SourceFile),
    /// Empty, or a link to `/dev/null`: files of this name further down the search path do not
    /// count.
    Masked,
    /// Not trusted or not readable; the problem is noted.
    Refused,
}
