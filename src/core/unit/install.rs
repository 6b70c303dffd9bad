//! The links that `[Install]` requests: generated units cannot be enabled, so the generator makes
//! them.

use super::{Content, Output, Rank, header};
use crate::core::config::read_native::values;
use crate::core::config::wrong::offset_in;
use crate::core::config::{Form, Mistake, Problem, UnitName, Ward, Wrong};

/// Keys of `[Install]`, each with the suffix of its directory of links.
const FOLDERS: [(&str, &str); 2] = [("WantedBy", "wants"), ("RequiredBy", "requires")];

/// Returns the links, and a problem for each name that cannot be linked to.
pub(super) fn links(ward: &Ward) -> (Vec<Output>, Vec<Problem>) {
    let unit = ward.unit();
    let mut links = Vec::new();
    let mut problems = Vec::new();
    for (key, folder) in FOLDERS {
        each(ward, key, &mut problems, |other| {
            let path = [other.as_str(), ".", folder, "/", unit.as_str()].concat();
            links.push(Output { rank: Rank::Normal, path, content: Content::Link(["../", unit.as_str()].concat()) });
        });
    }
    // systemd 252 knows Upholds= but no directory of links for it.
    each(ward, "UpheldBy", &mut problems, |other| {
        let path = [other.as_str(), ".d/50-unitward-", ward.name.as_str(), ".conf"].concat();
        let text = [&header(&ward.path), "[Unit]\nUpholds=", unit.as_str(), "\n"].concat();
        links.push(Output { rank: Rank::Normal, path, content: Content::File(text) });
    });
    if ward.form == Form::Defined {
        each(ward, "Alias", &mut problems, |other| {
            let content = Content::Link(unit.to_string());
            links.push(Output { rank: Rank::Late, path: other.to_string(), content });
        });
    }
    links.dedup();
    (links, problems)
}

fn each(ward: &Ward, key: &str, problems: &mut Vec<Problem>, mut link: impl FnMut(UnitName)) {
    for line in values(&ward.native.install, key) {
        for word in line.value.split_whitespace() {
            let wrong = match UnitName::read(word) {
                Ok(other) if key != "Alias" || other.is_service() => {
                    link(other);
                    continue;
                }
                Ok(_) => Wrong::from("an alias needs the suffix of the ward's unit, .service"),
                Err(wrong) => wrong,
            };
            let mistake = Mistake::BadWord { key: key.to_owned(), word: word.to_owned(), wrong };
            problems.push(Problem { at: line.place_of(offset_in(&line.value, word)), mistake });
        }
    }
}
