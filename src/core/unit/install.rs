//! The links that `[Install]` asks for: generated units cannot be enabled, so the generator makes them.

use super::{Content, Output};
use crate::core::config::read_native::values;
use crate::core::config::{Form, Mistake, Problem, UnitName, Ward};

/// Keys of `[Install]` and the folders their links stand in.
const FOLDERS: [(&str, &str); 3] = [("WantedBy", "wants"), ("RequiredBy", "requires"), ("UpheldBy", "upholds")];

/// The links, and names that cannot be linked to.
pub(super) fn links(ward: &Ward) -> (Vec<Output>, Vec<Problem>) {
    let unit = ward.unit();
    let mut links = Vec::new();
    let mut problems = Vec::new();
    let mut each = |key: &str, make: &dyn Fn(UnitName) -> Output| {
        for line in values(&ward.native.install, key) {
            for word in line.value.split_whitespace() {
                match UnitName::new(word) {
                    Ok(other) => links.push(make(other)),
                    Err(why) => {
                        let why = format!("{word:?} is not a unit: {why}");
                        let mistake = Mistake::BadValue { key: key.to_owned(), value: line.value.clone(), why };
                        problems.push(Problem { at: line.at.clone(), mistake });
                    }
                }
            }
        }
    };
    for (key, folder) in FOLDERS {
        each(key, &|other| Output {
            path: [other.as_str(), ".", folder, "/", unit.as_str()].concat(),
            content: Content::Link(["../", unit.as_str()].concat()),
        });
    }
    if ward.form == Form::Defined {
        each("Alias", &|other| Output { path: other.to_string(), content: Content::Link(unit.to_string()) });
    }
    links.dedup();
    (links, problems)
}
