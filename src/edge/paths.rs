//! Paths below a root directory that need not be the host's own, such as an image's.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

/// Maximum number of links followed for one path, as in the kernel (path_resolution(7)).
pub(super) const LINKS: usize = 40;

/// Follows links at `path` inside `root`, and returns the host's path of what they lead to; `None`
/// if nothing is there or they go round in a circle. `/dev/null` need not be there.
#[must_use]
pub fn resolve(root: &Path, path: &Path) -> Option<PathBuf> {
    let inside = if root == Path::new("/") {
        follow(path)?
    } else {
        walk(root, path)?
    };
    let outside = outside(root, &inside);
    (inside == Path::new("/dev/null") || outside.symlink_metadata().is_ok()).then_some(outside)
}

/// Returns the place of `path`, a path seen from the host: links on the way are followed inside
/// `root`, the last name is taken as it is.
#[must_use]
pub fn below(root: &Path, path: &Path) -> PathBuf {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if root != Path::new("/") => outside(
            root,
            &walk(root, parent).unwrap_or_else(|| parent.to_owned()),
        )
        .join(name),
        _ => outside(root, path),
    }
}

/// Follows links at `path` itself; `None` if there are more than [`LINKS`]. On the running host the
/// kernel follows those on the way.
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

/// Follows every link on the way, absolute ones from `root`. `None`: more than [`LINKS`] links.
fn walk(root: &Path, path: &Path) -> Option<PathBuf> {
    let mut inside = PathBuf::from("/");
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
            inside = if target.is_absolute() {
                PathBuf::from("/")
            } else {
                inside.parent()?.to_owned()
            };
            rest.extend(names(&target));
        }
    }
    Some(inside)
}

fn outside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Returns the names of a path in reverse order.
pub(super) fn names(path: &Path) -> Vec<OsString> {
    path.iter().rev().map(OsStr::to_owned).collect()
}
