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
    let wanted = wanted(ward, &unit, &mut problems);
    for (key, folder) in FOLDERS {
        each(ward, key, &mut problems, |other| {
            let Some(wanted) = &wanted else { return };
            let path = [other.as_str(), ".", folder, "/", wanted.as_str()].concat();
            links.push(Output {
                rank: Rank::Normal,
                path,
                content: Content::Link(["../", unit.as_str()].concat()),
            });
        });
    }
    // systemd 252 knows Upholds= but no directory of links for it.
    each(ward, "UpheldBy", &mut problems, |other| {
        let Some(unit) = &wanted else { return };
        let path = [
            other.as_str(),
            ".d/50-unitward-",
            ward.name.as_str(),
            ".conf",
        ]
        .concat();
        let text = [&header(&ward.path), "[Unit]\nUpholds=", unit.as_str(), "\n"].concat();
        links.push(Output {
            rank: Rank::Normal,
            path,
            content: Content::File(text),
        });
    });
    if ward.form == Form::Defined {
        each(ward, "Alias", &mut problems, |other| {
            let content = Content::Link(unit.to_string());
            links.push(Output {
                rank: Rank::Late,
                path: other.to_string(),
                content,
            });
        });
    }
    links.dedup();
    (links, problems)
}

/// The unit that others are to want: of a template its default instance (systemd.unit(5), `DefaultInstance=`).
fn wanted(ward: &Ward, unit: &UnitName, problems: &mut Vec<Problem>) -> Option<UnitName> {
    if !ward.is_template() {
        return Some(unit.clone());
    }
    let given = values(&ward.native.install, "DefaultInstance").last();
    let wanted = given.and_then(|line| unit.of_instance(&line.value));
    let key = FOLDERS.iter().map(|(key, _)| *key).chain(["UpheldBy"]);
    let line = key
        .filter_map(|key| values(&ward.native.install, key).next())
        .next();
    if let (None, Some(line)) = (&wanted, given.or(line)) {
        let text = format!(
            "{}={} has no effect: a template itself is never started; name one instance by DefaultInstance=, or write Wants={} in a \
             drop-in of that unit",
            line.key,
            line.value,
            unit.specified().as_str().replace("%i", "INSTANCE")
        );
        problems.push(Problem {
            at: line.at.clone(),
            mistake: Mistake::Warning(text),
        });
    }
    wanted
}

fn each(ward: &Ward, key: &str, problems: &mut Vec<Problem>, mut link: impl FnMut(UnitName)) {
    for line in values(&ward.native.install, key) {
        for word in line.value.split_whitespace() {
            let is_alias = key == "Alias";
            let wrong = match if is_alias {
                UnitName::read_or_template(word)
            } else {
                UnitName::read(word)
            } {
                Ok(other) if is_alias && other.is_template() != ward.is_template() => {
                    Wrong::from("a template has templates as aliases, and nothing else has")
                }
                Ok(other) if !is_alias || other.is_service() => {
                    link(other);
                    continue;
                }
                Ok(_) => Wrong::from("an alias needs the suffix of the ward's unit, .service"),
                Err(wrong) => wrong,
            };
            let mistake = Mistake::BadWord {
                key: key.to_owned(),
                word: word.to_owned(),
                wrong,
            };
            problems.push(Problem {
                at: line.place_of(offset_in(&line.value, word)),
                mistake,
            });
        }
    }
}
