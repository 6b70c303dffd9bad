//! What is wrong in the configuration and where, and how it is said.
//!
//! Every problem prints as one line, `path:line:column: message`, that ends with what to do or what was
//! left out. The kernel log, the journal and `unitward check` all print this same line.

pub use super::mistake::Mistake;
use super::place::Place;
use crate::core::visible::visible;
use std::fmt;
use std::path::Path;

/// One mistake and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// File, line and column.
    pub at: Place,
    /// What is wrong.
    pub mistake: Mistake,
}

/// The smallest whole a mistake makes meaningless, and so all that it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cost {
    /// A warning: everything still stands.
    Nothing,
    /// The key; its default applies.
    Key,
    /// The condition: half a recovery is worse than none.
    Condition,
    /// The ward, the stack, or the whole of `unitward.conf`.
    Ward,
}

impl Problem {
    /// The line as `unitward check` prints it, which says whether it is a warning only.
    #[must_use]
    pub fn sentence(&self) -> String {
        let prefix = if self.mistake.cost() == Cost::Nothing { "warning: " } else { "" };
        format!("{} {prefix}{}", self.at, self.mistake)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.at, self.mistake)
    }
}

/// Endings that a name may have where the configuration's file has another.
const ENDINGS: [&str; 4] = [".service", ".target", ".ward", ".stack"];

/// That the ward or stack of this name was left out because of a mistake, if that is so.
#[must_use]
pub fn left_out(problems: &[Problem], name: &str) -> Option<String> {
    let stem = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    let is_its = |path: &Path| {
        let file = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let names = [file(path), path.parent().map(file).unwrap_or_default().trim_end_matches(".d").to_owned()];
        names.iter().any(|name| [".ward", ".stack"].iter().any(|ending| name.strip_suffix(ending) == Some(stem)))
    };
    let costs = |problem: &&Problem| problem.mistake.cost() == Cost::Ward;
    let problem = problems.iter().filter(costs).find(|problem| is_its(&problem.at.path))?;
    let file = visible(&problem.at.path.display().to_string());
    Some(format!("{file} was left out because of a mistake: \"unitward check\" shows which and what to write."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_prints_as_path_line_column_message() {
        let at = Place { path: std::path::Path::new("/etc/unitward/a.ward").into(), line: 3, column: 7 };
        let mistake = Mistake::UnknownKey { section: "Ward".into(), key: "Untit".into(), nearest: Some("Unit".into()) };
        assert_eq!(
            Problem { at, mistake }.to_string(),
            "/etc/unitward/a.ward:3:7: unknown key \"Untit\" in [Ward] (did you mean \"Unit\"?); the line is ignored"
        );
    }
}
