//! Files, directories and links that are not trusted, and why.

use std::path::{Path, PathBuf};

/// A file, directory or link that somebody else than root controls, and the remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::edge::root) struct Distrust {
    /// Its path, seen from the root directory.
    pub(in crate::edge::root) place: PathBuf,
    pub(super) what: What,
    pub(super) why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Directory,
    Link,
    File,
}

/// Something that a walk has met.
#[derive(Clone, Copy)]
pub(super) struct Met<'a> {
    pub(super) what: What,
    /// Its path, seen from the root directory.
    pub(super) place: &'a Path,
}

impl What {
    /// Returns what stands at this place.
    pub(super) const fn at(self, place: &Path) -> Met<'_> {
        Met { what: self, place }
    }
}

/// Reason for distrust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It belongs to this other user.
    Owner(u32),
    /// Others may write it.
    Mode,
    /// It is in a FUSE file system, whose owners a program reports.
    Fuse,
}

impl Distrust {
    /// Returns the beginning of a sentence that calls the file `it`.
    pub(in crate::edge::root) fn of_it(&self) -> String {
        self.words("it")
    }

    /// Returns the same with the file's kind and place instead of `it`.
    pub(in crate::edge::root) fn on_the_way(&self) -> String {
        let what = match self.what {
            What::Directory => "the directory",
            What::Link => "the link",
            What::File => "the file",
        };
        self.words(&format!("{what} {}", self.place.display()))
    }

    fn words(&self, what: &str) -> String {
        match (self.why, self.what) {
            (Why::Owner(user), What::Link) => {
                format!(
                    "{what} belongs to user {user}; make it root's with chown --no-dereference root"
                )
            }
            (Why::Owner(user), What::Directory | What::File) => {
                format!("{what} belongs to user {user}; make it root's with chown root")
            }
            (Why::Mode, _) => {
                format!("others than its owner may write {what}; take that away with chmod go-w")
            }
            (Why::Fuse, _) => {
                format!(
                    "a program decides what is seen of {what}, which is in a FUSE file system; move it to another"
                )
            }
        }
    }
}
