//! Reads configuration files as a careful administrator would: which directory wins, what masks, whom to trust.

use super::{LARGEST, SEARCH_PATH, SETTINGS};
use crate::core::config::{Mistake, Place, Problem, SourceFile};
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Every entry of the search path by name, first directory first.
pub(super) type Listing = BTreeMap<String, Vec<Found>>;

/// A directory that was read, open so that the names in it are looked up in one step each.
struct Directory {
    /// Seen from the host.
    path: PathBuf,
    open: File,
}

/// A directory's entry.
pub(super) struct Found {
    directory: Arc<Directory>,
    /// Whether it is a link and has to be followed.
    is_link: bool,
}

/// Reads files below one root and notes what is wrong with them.
pub(super) struct Reader<'a> {
    pub(super) root: &'a Path,
    owner: u32,
    pub(super) problems: Vec<Problem>,
}

/// Without blocking: somebody may have put a pipe there.
const READING: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

impl<'a> Reader<'a> {
    pub(super) fn new(root: &'a Path) -> Self {
        // Elsewhere than on the running host whoever builds the image may own it.
        let owner = if root == Path::new("/") { 0 } else { fs::metadata(root).map_or(0, |data| data.uid()) };
        Self { root, owner, problems: Vec::new() }
    }

    pub(super) fn listing(&mut self) -> Listing {
        let mut found = Listing::new();
        for directory in SEARCH_PATH {
            for (name, entry) in self.entries(Path::new(directory)) {
                found.entry(name).or_default().push(entry);
            }
        }
        found
    }

    /// The entries of a trusted directory by name; nothing when there is none.
    fn entries(&mut self, directory: &Path) -> Vec<(String, Found)> {
        let Some(outside) = resolve(self.root, directory) else {
            if below(self.root, directory).symlink_metadata().is_ok() {
                self.refuse(directory, "the link leads nowhere; point it at a directory, or remove it".into());
            }
            return Vec::new();
        };
        let listing = match fs::read_dir(&outside) {
            Ok(listing) => listing,
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    self.refuse(directory, format!("the directory cannot be read: {}", reason(&error)));
                }
                return Vec::new();
            }
        };
        let open = match rustix::fs::open(&outside, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(open) => File::from(open),
            Err(error) => {
                self.refuse(directory, format!("the directory cannot be read: {}", reason(&error.into())));
                return Vec::new();
            }
        };
        if let Some(why) = open.metadata().ok().and_then(|data| self.distrust(&data)) {
            let why = format!("{why}, so what is in it is not trusted");
            self.refuse(directory, why);
            return Vec::new();
        }
        let directory = Arc::new(Directory { path: directory.to_owned(), open });
        let named = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            let is_link = entry.file_type().ok()?.is_symlink();
            Some((name, Found { directory: directory.clone(), is_link }))
        };
        listing.flatten().filter_map(named).collect()
    }

    /// The file of this name that counts and its drop-ins, in the order they apply.
    pub(super) fn with_drop_ins(&mut self, found: &Listing, name: &str) -> Vec<SourceFile> {
        let settings = name == SETTINGS;
        let mut files = Vec::new();
        match found.get(name).and_then(|entries| entries.first()).map(|main| self.read(name, main)) {
            Some(Read::Text(main)) => files.push(main),
            // Drop-ins alone make settings, as they do for systemd itself, but no ward and no stack.
            None if settings => {}
            None | Some(Read::Masked | Read::Refused) => return files,
        }
        let refused = self.problems.len();
        let mut drop_ins: BTreeMap<String, Found> = BTreeMap::new();
        let folder = [name, ".d"].concat();
        for directory in found.get(&folder).into_iter().flatten() {
            for (file, entry) in self
                .entries(&directory.directory.path.join(&folder))
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

    /// One file's text, unless it masks or, with a problem, may not or cannot be read.
    fn read(&mut self, name: &str, entry: &Found) -> Read {
        let path = &*entry.directory.path.join(name);
        let opened = if entry.is_link {
            match resolve(self.root, path) {
                Some(found) if found == outside(self.root, Path::new("/dev/null")) => return Read::Masked,
                Some(found) => rustix::fs::open(found, READING, Mode::empty()),
                None => return self.refuse(path, "the link leads nowhere; point it at a file, or remove it".into()),
            }
        } else {
            rustix::fs::openat(&entry.directory.open, name, READING, Mode::empty())
        };
        match self.read_trusted(opened) {
            Ok(bytes) if bytes.is_empty() => Read::Masked,
            Ok(bytes) => Read::Text(SourceFile::decode(path.into(), bytes)),
            Err(why) => self.refuse(path, why),
        }
    }

    fn read_trusted(&self, opened: rustix::io::Result<OwnedFd>) -> Result<Vec<u8>, String> {
        let cannot = |error: io::Error| format!("the file cannot be read: {}", reason(&error));
        let file = File::from(opened.map_err(|error| cannot(error.into()))?);
        let data = file.metadata().map_err(cannot)?;
        if !data.is_file() {
            return Err("this is not a regular file; put one in its place".into());
        }
        if let Some(why) = self.distrust(&data) {
            return Err(why);
        }
        if data.len() > LARGEST {
            return Err(format!("the file has {} bytes, more than the 1 MiB it may have", data.len()));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(data.len()).unwrap_or_default() + 1);
        // As much as the size said: without take the end, and the size, would be asked for once more.
        file.take(data.len()).read_to_end(&mut bytes).map_err(cannot)?;
        Ok(bytes)
    }

    /// Why it is not trusted, and how to mend it.
    fn distrust(&self, data: &fs::Metadata) -> Option<String> {
        if data.uid() != self.owner && data.uid() != 0 {
            return Some(format!("it belongs to user {}; make it root's with chown root", data.uid()));
        }
        (data.mode() & 0o022 != 0)
            .then(|| "others than its owner may write it; take that away with chmod go-w".to_owned())
    }

    fn refuse(&mut self, path: &Path, why: String) -> Read {
        self.problems.push(Problem { at: Place::whole(path.into()), mistake: Mistake::File { why } });
        Read::Refused
    }
}

/// What went wrong, and what to do about it.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => "only others may; run this as root".to_owned(),
        _ => error.to_string(),
    }
}

/// Follows links at `path` inside `root`; `None` for a link that leads nowhere or round in a circle.
#[must_use]
pub fn resolve(root: &Path, path: &Path) -> Option<PathBuf> {
    let inside = if root == Path::new("/") { follow(path)? } else { walk(root, path)? };
    let outside = outside(root, &inside);
    (inside == Path::new("/dev/null") || outside.symlink_metadata().is_ok()).then_some(outside)
}

/// Where `path`, seen from the host, stands: links on the way are followed inside `root`, the last name is taken as it is.
#[must_use]
pub fn below(root: &Path, path: &Path) -> PathBuf {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if root != Path::new("/") => {
            outside(root, &walk(root, parent).unwrap_or_else(|| parent.to_owned())).join(name)
        }
        _ => outside(root, path),
    }
}

/// Most links followed for one path, as in the kernel (path_resolution(7)).
const LINKS: usize = 40;

/// Follows links at `path` itself. On the running host the kernel follows those on the way.
fn follow(path: &Path) -> Option<PathBuf> {
    let mut inside = path.to_owned();
    for _ in 0..LINKS {
        match fs::read_link(&inside) {
            Ok(target) => inside = inside.parent().unwrap_or(Path::new("/")).join(target),
            Err(_) => return Some(inside),
        }
    }
    None
}

/// Follows every link on the way, absolute ones from `root`.
fn walk(root: &Path, path: &Path) -> Option<PathBuf> {
    let mut inside = PathBuf::from("/");
    let names = |path: &Path| path.iter().rev().map(OsStr::to_owned).collect::<Vec<_>>();
    let (mut rest, mut links) = (names(path), 0);
    while let Some(name) = rest.pop() {
        match name.to_str() {
            Some("/" | ".") => continue,
            Some("..") => {
                inside.pop();
                continue;
            }
            _ => inside.push(name),
        }
        if let Ok(target) = fs::read_link(outside(root, &inside)) {
            links += 1;
            if links > LINKS {
                return None;
            }
            inside = if target.is_absolute() { PathBuf::from("/") } else { inside.parent()?.to_owned() };
            rest.extend(names(&target));
        }
    }
    Some(inside)
}

fn outside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// What reading one file came to.
enum Read {
    Text(SourceFile),
    /// Empty, or a link to `/dev/null`: files of this name further down the search path do not count.
    Masked,
    /// Not trusted or not readable; the problem is said.
    Refused,
}
