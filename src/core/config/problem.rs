//! A mistake of the configuration with its place, and the line that reports it.
//!
//! Every problem prints as one line, `path:line:column: message`, that ends with what to do or what
//! was left out. The kernel log, the journal and `unitward check` all print this same line.

pub use super::mistake::Mistake;
use super::place::Place;
use crate::core::visible::visible;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

/// One mistake and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File, line and column.
    pub at: Place,
    /// The mistake.
    pub mistake: Mistake,
}

/// The smallest part of the configuration that a mistake makes meaningless, and so its whole cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cost {
    /// Nothing: the mistake is a warning.
    Nothing,
    /// The key; its default applies.
    Key,
    /// The condition: half a recovery is worse than none.
    Condition,
    /// The ward, the stack, or the whole of `unitward.conf`.
    Ward,
}

impl Problem {
    /// Returns the line as `unitward check` prints it, with `warning: ` before the text of a mere
    /// warning.
    #[must_use]
    pub fn sentence(&self) -> String {
        let prefix = if self.mistake.cost() == Cost::Nothing {
            "warning: "
        } else {
            ""
        };
        format!("{} {prefix}{}", self.at, self.mistake)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.at, self.mistake)
    }
}

/// Suffixes that a given name may have instead of that of the configuration's file.
const ENDINGS: [&str; 4] = [".service", ".target", ".ward", ".stack"];

/// Returns the sentence that the ward or stack of this name was left out because of a mistake, if
/// it was.
#[must_use]
pub fn left_out(problems: &[Problem], name: &str) -> Option<String> {
    let stem = ENDINGS
        .iter()
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(name);
    let problem = problems.iter().find(|problem| {
        problem.mistake.cost() == Cost::Ward && is_file_of(stem, &problem.at.path)
    })?;
    let file = visible(&problem.at.path.display().to_string());
    Some(format!(
        "{file} was left out because of a mistake: \"unitward check\" shows which and what to write."
    ))
}

/// Returns true if the file is the main file or a drop-in of the ward or stack `stem`.
fn is_file_of(stem: &str, path: &Path) -> bool {
    let main = main_file(path);
    main.is_some_and(|main| main.rsplit_once('.').is_some_and(|(name, _)| name == stem))
}

/// Returns the name of the main file of the ward or stack that this main file or drop-in belongs
/// to, such as `web.ward`; `None`: it belongs to neither.
#[must_use]
pub fn main_file(path: &Path) -> Option<String> {
    let folder = path.parent().map(file_name).unwrap_or_default();
    [&*file_name(path), folder.trim_end_matches(".d")]
        .into_iter()
        .find(|name| name.ends_with(".ward") || name.ends_with(".stack"))
        .map(str::to_owned)
}

/// Returns the last part of a path, empty if it has none.
fn file_name(path: &Path) -> Cow<'_, str> {
    path.file_name()
        .map(OsStr::to_string_lossy)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_prints_as_path_line_column_message() {
        let at = Place {
            path: std::path::Path::new("/etc/unitward/a.ward").into(),
            line: 3,
            column: 7,
        };
        let mistake = Mistake::UnknownKey {
            section: "Ward".into(),
            key: "Untit".into(),
            nearest: Some("Unit".into()),
        };
        assert_eq!(
            Problem { at, mistake }.to_string(),
            "/etc/unitward/a.ward:3:7: unknown key \"Untit\" in [Ward] (did you mean \"Unit\"?); the line is ignored"
        );
    }
}
