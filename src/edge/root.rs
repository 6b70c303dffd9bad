//! Reads the configuration below one root directory: which files there are, which of them count, and
//! whether they may be trusted.
//!
//! The search path is `/etc/unitward`, `/run/unitward`, `/usr/lib/unitward`; of files of one name the first wins. An
//! empty file or a link to `/dev/null` masks. A file is trusted when it belongs to the owner of the root directory
//! (root on a running host, whoever builds an image elsewhere) and nobody else may write it.

use super::unit_files;
use crate::core::config::{self, Assembly, Config, Mistake, Place, Problem, ReadWard, Settings, SourceFile, WardFiles};
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Directories searched, the first wins.
pub const SEARCH_PATH: [&str; 3] = ["/etc/unitward", "/run/unitward", "/usr/lib/unitward"];

/// Largest file that is read, in bytes. Real wards have a few hundred.
const LARGEST: u64 = 1 << 20;

/// The settings file's name.
const SETTINGS: &str = "unitward.conf";

/// Reads everything below `root` (`/` on a running host). Total: what cannot be read is among the problems.
#[must_use]
pub fn load(root: &Path) -> (Config, Vec<Problem>) {
    let mut assembly = Assembly::default();
    let mut wards = Vec::new();
    let mut wrong = Vec::new();
    let (settings, mut problems) = each(root, &mut |read| {
        let (ward, of_ward) = assembly.admit(read);
        wards.extend(ward);
        wrong.extend(of_ward);
    });
    problems.extend(wrong);
    (Config { settings, wards }, problems)
}

/// Reads the settings below `root` and hands over each ward, in the order of their names.
pub fn each(root: &Path, hand_over: &mut dyn FnMut(ReadWard)) -> (Settings, Vec<Problem>) {
    let mut reader = Reader::new(root);
    let found = reader.listing();
    let files = reader.with_drop_ins(&found, SETTINGS);
    for file in found.keys() {
        if let Some(name) = file.strip_suffix(".ward") {
            let files = reader.with_drop_ins(&found, file);
            if let Some(mut read) = config::read_ward(&WardFiles { name: name.to_owned(), files }) {
                read.adopt_by_own_name(|alias| unit_files::own_name(root, alias));
                hand_over(read);
            }
        }
    }
    let (settings, problems) = config::read_settings(&files);
    reader.problems.extend(problems);
    (settings, reader.problems)
}

/// Every entry of the search path by name, first directory first.
type Listing = BTreeMap<String, Vec<Found>>;

/// A directory's entry.
struct Found {
    /// Seen from the host.
    path: PathBuf,
    /// Whether it is a link and has to be followed.
    is_link: bool,
}

struct Reader<'a> {
    root: &'a Path,
    owner: u32,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn new(root: &'a Path) -> Self {
        // Elsewhere than on the running host whoever builds the image may own it.
        let owner = if root == Path::new("/") { 0 } else { fs::metadata(root).map_or(0, |data| data.uid()) };
        Self { root, owner, problems: Vec::new() }
    }

    fn listing(&mut self) -> Listing {
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
        let outside = self.outside(directory);
        let Ok(listing) = fs::read_dir(&outside) else { return Vec::new() };
        if let Some(why) = fs::metadata(&outside).ok().and_then(|data| self.distrust(&data)) {
            let why = format!("{why}, so what is in it is not trusted");
            self.refuse(directory, 0, why);
            return Vec::new();
        }
        let named = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            let found = Found { path: directory.join(&name), is_link: entry.file_type().ok()?.is_symlink() };
            Some((name, found))
        };
        listing.flatten().filter_map(named).collect()
    }

    /// The file of this name that counts and its drop-ins, in the order they apply.
    fn with_drop_ins(&mut self, found: &Listing, name: &str) -> Vec<SourceFile> {
        let settings = name == SETTINGS;
        let mut files = Vec::new();
        match found.get(name).and_then(|entries| entries.first()).map(|main| self.read(main)) {
            Some(Read::Text(main)) => files.push(main),
            // Drop-ins alone make settings, as they do for systemd itself, but no ward.
            None if settings => {}
            None | Some(Read::Masked | Read::Refused) => return files,
        }
        let refused = self.problems.len();
        let mut drop_ins: BTreeMap<String, Found> = BTreeMap::new();
        for directory in found.get(&[name, ".d"].concat()).into_iter().flatten() {
            for (file, entry) in self.entries(&directory.path).into_iter().filter(|(file, _)| file.ends_with(".conf")) {
                drop_ins.entry(file).or_insert(entry);
            }
        }
        for entry in drop_ins.values() {
            if let Read::Text(file) = self.read(entry) {
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
    fn read(&mut self, entry: &Found) -> Read {
        let path = entry.path.as_path();
        let outside = match if entry.is_link { self.resolve(path) } else { Some(self.outside(path)) } {
            Some(outside) if entry.is_link && outside == self.outside(Path::new("/dev/null")) => return Read::Masked,
            Some(outside) => outside,
            None => return self.refuse(path, 0, "the link leads nowhere".into()),
        };
        match self.read_trusted(&outside) {
            Ok(bytes) if bytes.is_empty() => Read::Masked,
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Read::Text(SourceFile { path: path.into(), text }),
                Err(error) => {
                    let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
                    let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
                    self.refuse(path, line, "the file is not UTF-8 text".into())
                }
            },
            Err(why) => self.refuse(path, 0, why),
        }
    }

    fn read_trusted(&self, outside: &Path) -> Result<Vec<u8>, String> {
        let cannot = |error: std::io::Error| format!("the file cannot be read: {error}");
        // Without blocking: somebody may have put a pipe there.
        let opened = rustix::fs::open(outside, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
        let file = File::from(opened.map_err(|error| cannot(error.into()))?);
        let data = file.metadata().map_err(cannot)?;
        if !data.is_file() {
            return Err("this is not a regular file".into());
        }
        if let Some(why) = self.distrust(&data) {
            return Err(why);
        }
        if data.len() > LARGEST {
            return Err(format!("the file has {} bytes, more than the 1 MiB a ward may have", data.len()));
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

    /// Follows links at `path` inside the root; `None` for a link that leads nowhere or round in a circle.
    fn resolve(&self, path: &Path) -> Option<PathBuf> {
        let mut inside = path.to_owned();
        for _ in 0..40 {
            match fs::read_link(self.outside(&inside)) {
                Ok(target) => inside = inside.parent().unwrap_or(Path::new("/")).join(target),
                Err(_) => {
                    let outside = self.outside(&inside);
                    return (inside == Path::new("/dev/null") || outside.symlink_metadata().is_ok()).then_some(outside);
                }
            }
        }
        None
    }

    fn outside(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn refuse(&mut self, path: &Path, line: usize, why: String) -> Read {
        self.problems.push(Problem { at: Place { path: path.into(), line }, mistake: Mistake::File { why } });
        Read::Refused
    }
}

/// What reading one file came to.
enum Read {
    Text(SourceFile),
    /// Empty, or a link to `/dev/null`: files of this name further down the search path do not count.
    Masked,
    /// Not trusted or not readable; the problem is said.
    Refused,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    const WARD: &str = "[Ward]\nUnit=x.service\n";

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn names(root: &Path) -> (Vec<String>, Vec<String>) {
        let (config, problems) = load(root);
        (
            config.wards.iter().map(|w| w.path.display().to_string()).collect(),
            problems.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn etc_wins_over_run_and_usr() {
        let root =
            tree(&[("usr/lib/unitward/a.ward", WARD), ("run/unitward/a.ward", WARD), ("etc/unitward/a.ward", WARD)]);
        assert_eq!(names(root.path()), (vec!["/etc/unitward/a.ward".into()], vec![]));
        fs::remove_file(root.path().join("etc/unitward/a.ward")).unwrap();
        assert_eq!(names(root.path()), (vec!["/run/unitward/a.ward".into()], vec![]));
    }

    #[test]
    fn an_empty_file_and_a_link_to_dev_null_mask() {
        let root =
            tree(&[("usr/lib/unitward/a.ward", WARD), ("usr/lib/unitward/b.ward", WARD), ("etc/unitward/a.ward", "")]);
        symlink("/dev/null", root.path().join("etc/unitward/b.ward")).unwrap();
        assert_eq!(names(root.path()), (vec![], vec![]));
    }

    #[test]
    fn drop_ins_of_all_directories_apply_by_name_and_the_first_of_a_name_wins() {
        let root = tree(&[
            ("usr/lib/unitward/a.ward", WARD),
            ("usr/lib/unitward/a.ward.d/10.conf", "[Recovery]\nDeathLimit=1\n"),
            ("usr/lib/unitward/a.ward.d/20.conf", "[Recovery]\nDeathLimit=2\nDelaySec=9\n"),
            ("etc/unitward/a.ward.d/20.conf", "[Recovery]\nDeathLimit=3\n"),
            ("etc/unitward/a.ward.d/note.txt", "garbage"),
        ]);
        let (config, problems) = load(root.path());
        assert_eq!(problems, []);
        let recovery = &config.wards[0].recovery;
        assert_eq!((recovery.death_limit, recovery.delay.as_secs()), (3, 0));
    }

    #[test]
    fn unsafe_and_unreadable_files_are_refused_with_advice() {
        let root = tree(&[("etc/unitward/a.ward", WARD), ("etc/unitward/big.ward", &"#".repeat(1 << 21))]);
        let folder = root.path().join("etc/unitward");
        fs::set_permissions(folder.join("a.ward"), fs::Permissions::from_mode(0o664)).unwrap();
        fs::write(folder.join("binary.ward"), b"[Ward]\n\xff\xfe").unwrap();
        fs::create_dir(folder.join("folder.ward")).unwrap();
        symlink("nowhere", folder.join("link.ward")).unwrap();
        symlink("loop.ward", folder.join("loop.ward")).unwrap();
        let (wards, problems) = names(root.path());
        assert_eq!(wards, [""; 0]);
        let expected = [
            "a.ward: others",
            "big.ward: the file has",
            "binary.ward:2: ",
            "folder.ward: this is not",
            "link.ward: the link",
            "loop.ward: the link",
        ];
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (said, words) in problems.iter().zip(expected) {
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn an_unsafe_drop_in_costs_its_ward() {
        let root =
            tree(&[("etc/unitward/a.ward", WARD), ("etc/unitward/a.ward.d/x.conf", "[Recovery]\nDeathLimit=1\n")]);
        let drop_in = root.path().join("etc/unitward/a.ward.d/x.conf");
        fs::set_permissions(drop_in, fs::Permissions::from_mode(0o666)).unwrap();
        let (wards, problems) = names(root.path());
        assert_eq!((wards.len(), problems.len()), (0, 1), "{problems:?}");
    }

    #[test]
    fn an_unsafe_drop_in_folder_costs_its_ward_too() {
        let root =
            tree(&[("etc/unitward/a.ward", WARD), ("etc/unitward/a.ward.d/x.conf", "[Recovery]\nDeathLimit=1\n")]);
        let folder = root.path().join("etc/unitward/a.ward.d");
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
        let (wards, problems) = names(root.path());
        assert_eq!((wards.len(), problems.len()), (0, 1), "{problems:?}");
    }

    #[test]
    fn drop_ins_alone_make_settings_unless_the_main_file_masks_them() {
        let root = tree(&[("etc/unitward/unitward.conf.d/x.conf", "[Node]\nNodeId=x\n")]);
        assert_eq!(load(root.path()).0.settings.node.node_id.as_deref(), Some("x"));
        fs::write(root.path().join("etc/unitward/unitward.conf"), "").unwrap();
        assert_eq!(load(root.path()).0.settings.node.node_id, None);
    }

    #[test]
    fn an_alias_is_adopted_by_the_units_own_name() {
        let root = tree(&[
            ("usr/lib/systemd/system/real.service", "[Service]\n"),
            ("etc/unitward/a.ward", "[Ward]\nUnit=alias.service\n"),
            ("etc/unitward/b.ward", "[Ward]\nUnit=real.service\n"),
        ]);
        fs::create_dir_all(root.path().join("etc/systemd/system")).unwrap();
        symlink("/usr/lib/systemd/system/real.service", root.path().join("etc/systemd/system/alias.service")).unwrap();
        let (config, problems) = load(root.path());
        assert_eq!(config.wards.iter().map(|w| w.unit().to_string()).collect::<Vec<_>>(), ["real.service"]);
        assert!(problems[0].to_string().contains("real.service is guarded by /etc/unitward/a.ward"), "{problems:?}");
    }

    #[test]
    fn a_folder_that_others_may_write_is_not_trusted() {
        let root = tree(&[("etc/unitward/a.ward", WARD)]);
        fs::set_permissions(root.path().join("etc/unitward"), fs::Permissions::from_mode(0o777)).unwrap();
        let (wards, problems) = names(root.path());
        assert_eq!((wards.len(), problems.len()), (0, 1), "{problems:?}");
    }

    #[test]
    fn links_stay_inside_the_root() {
        let root = tree(&[("usr/share/a.ward", WARD), ("etc/unitward/x", "")]);
        symlink("/usr/share/a.ward", root.path().join("etc/unitward/a.ward")).unwrap();
        assert_eq!(names(root.path()), (vec!["/etc/unitward/a.ward".into()], vec![]));
    }
}
