//! What is wrong in the configuration and where, and how it is said.
//!
//! Every problem prints as one line, `path:line:column: message`, that ends with what to do or what was
//! left out. The kernel log, the journal and `unitward check` all print this same line.

pub use super::mistake::Mistake;
use super::place::Place;
use std::fmt;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_prints_as_path_line_column_message() {
        let at = Place { path: std::path::Path::new("/etc/unitward/a.ward").into(), line: 3, column: 7 };
        let mistake = Mistake::UnknownKey { section: "Ward".into(), key: "Untit".into(), nearest: Some("Unit".into()) };
        assert_eq!(
            Problem { at, mistake }.to_string(),
            "/etc/unitward/a.ward:3:7: unknown key \"Untit\" in [Ward], did you mean \"Unit\"?; the line is ignored"
        );
    }
}
