//! Fixtures for the tests of several files: a ward, and the unit that it adopts.

use super::AdoptedUnit;
use crate::core::config::{Assembly, SourceFile, SourceFiles, Stacks, Ward, read_ward, syntax};
use std::path::Path;

/// Reads a ward as `/etc/unitward/w.ward`.
pub(super) fn ward(text: &str) -> Ward {
    named("w", text)
}

/// The ward in `/etc/unitward/NAME.ward`.
pub(super) fn named(name: &str, text: &str) -> Ward {
    let path = Path::new("/etc/unitward").join([name, ".ward"].concat());
    let files = vec![SourceFile {
        path: path.into(),
        text: text.to_owned(),
    }];
    let stacks = Stacks::default();
    let read = read_ward(
        &SourceFiles {
            name: name.to_owned(),
            files,
        },
        &stacks,
    )
    .unwrap();
    let (ward, problems) = Assembly::beside(&stacks).admit(read);
    ward.unwrap_or_else(|| panic!("{problems:?}"))
}

/// Reads a unit with these lines in its own file, and with those in a drop-in after ours.
pub(super) fn adopted(own: &str, later: &str) -> AdoptedUnit {
    let lines = |text: &str| {
        let text = ["[Service]\n", text].concat();
        syntax::lines_of(
            &SourceFile {
                path: Path::new("/a.service").into(),
                text,
            },
            "Service",
        )
    };
    AdoptedUnit::new(lines(own), lines(later))
}
