//! What a mistake leaves out, and what applies instead.

use super::Mistake;
use std::fmt;
use std::path::Path;

/// What applies in place of a value that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applies {
    /// The key's default.
    Default,
    /// The value of an earlier line of the section.
    Earlier,
    /// In a drop-in, the value of the files before it, or else the default.
    Before,
}

impl fmt::Display for Applies {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Default => "the default applies",
            Self::Earlier => "the line before it with this key applies",
            Self::Before => "what the files before this drop-in say applies, else the default",
        })
    }
}

impl Mistake {
    /// Returns the mistake of a file as a whole; `path` shows what it belongs to.
    #[must_use]
    pub fn file(path: &Path, why: String) -> Self {
        Self::File {
            why,
            left_out: left_out(path),
        }
    }
}

/// Names what does not take effect without a file. A ward or a stack without one of its drop-ins is
/// not the one that was meant, so it is left out as a whole.
fn left_out(path: &Path) -> String {
    let name = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let folder = path.parent().map(name).unwrap_or_default();
    let own = name(path);
    let of = |ending: &str| {
        let whole = own.strip_suffix(ending);
        let drop_ins = [ending, ".d"].concat();
        let part = folder
            .strip_suffix(&drop_ins)
            .or_else(|| own.strip_suffix(&drop_ins));
        match (whole, part) {
            (_, Some(stem)) => Some((stem.to_owned(), " as a whole")),
            (Some(stem), _) => Some((stem.to_owned(), "")),
            _ => None,
        }
    };
    if let Some((ward, whole)) = of(".ward") {
        format!("the ward {ward} is ignored{whole}")
    } else if let Some((stack, whole)) = of(".stack") {
        format!("the stack {stack} is ignored{whole}")
    } else if own.ends_with(".conf") {
        "the settings in it are ignored".to_owned()
    } else {
        "what is in it is ignored".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drop_in_takes_the_ward_or_the_stack_with_it_and_settings_only_themselves() {
        for (path, expected) in [
            ("/etc/unitward/a.ward", "the ward a is ignored"),
            (
                "/etc/unitward/a.ward.d/x.conf",
                "the ward a is ignored as a whole",
            ),
            (
                "/etc/unitward/b.stack.d/x.conf",
                "the stack b is ignored as a whole",
            ),
            (
                "/etc/unitward/unitward.conf.d/x.conf",
                "the settings in it are ignored",
            ),
            ("/etc/unitward/c.ward.d", "the ward c is ignored as a whole"),
            ("/etc/unitward", "what is in it is ignored"),
        ] {
            assert_eq!(left_out(Path::new(path)), expected);
        }
    }
}
