//! Reasons why a unit cannot be guarded, or is guarded already, and remedies.

use super::DIRECTORY;
use super::ask::Asked;
use crate::core::config::{Config, UnitName, Ward, nearest};
use crate::core::unit::DROP_IN;
use crate::edge::pid1::Properties;
use crate::edge::root::{self, Files, SEARCH_PATH};
use crate::edge::{systemctl, unit_files};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Returns the refusal of a unit that is not a service.
pub(super) fn by_kind(unit: &UnitName, known: &Properties) -> Option<String> {
    let suffix = unit.suffix();
    let article = if suffix == "automount" { "an" } else { "a" };
    let what = format!("{unit} is {article} {suffix}, and a ward guards a service");
    let advice = match suffix {
        "service" => return None,
        "socket" | "timer" | "path" => {
            let services: Vec<_> = known.texts("Triggers").filter(|unit| unit.ends_with(".service")).collect();
            match services.as_slice() {
                [] => "guard the service that it starts".to_owned(),
                [first, ..] => format!("it starts {}: \"unitward guard {first}\"", services.join(", ")),
            }
        }
        "target" => "guard its services one by one; \"Stack=\" in their wards has them restarted together, see \
                     unitward.stack(5)"
            .to_owned(),
        "mount" | "automount" => {
            "it has no process that dies; in the ward of the service that needs it a step can wait for it or mount it again".to_owned()
        }
        _ => "guard the service behind it".to_owned(),
    };
    Some(format!("{what}; {advice}."))
}

/// Returns the refusal of a service that cannot be guarded in its present state.
pub(super) fn by_state(unit: &UnitName, known: &Properties) -> Option<String> {
    match known.text("LoadState") {
        "masked" => {
            let by = unit_files::mask_of(Path::new("/"), unit);
            let by = by
                .map(|link| format!(" ({})", link.display()))
                .unwrap_or_default();
            Some(format!(
                "{unit} is masked{by}: nothing can start it. \"systemctl unmask {unit}\" lets it be guarded."
            ))
        }
        "not-found" => Some(missing(unit)),
        "loaded" | "merged" if known.flag("Transient") == Some(true) => Some(format!(
            "{unit} is transient: it is gone when it ends, and a ward would have nothing to restart. A ward with ExecStart= \
             makes a service that stays: unitward.ward(5)."
        )),
        "loaded" | "merged" => None,
        other => Some(format!(
            "systemd cannot load {unit} ({other}): \"systemctl status {unit}\" tells why."
        )),
    }
}

fn missing(unit: &UnitName) -> String {
    let names = unit_files::names(Path::new("/"));
    if let Some(other) = other_kind(unit, &names) {
        let suffix = other.rsplit_once('.').map_or("unit", |(_, suffix)| suffix);
        return format!(
            "There is no {unit}, but {other}, and a ward guards a service; \"unitward guard {other}\" tells which to guard \
             for this {suffix}."
        );
    }
    let services = names
        .iter()
        .filter(|name| name.ends_with(".service"))
        .map(String::as_str);
    let advice = match nearest(unit.as_str(), services) {
        Some(near) => format!("did you mean {near}? "),
        None => String::new(),
    };
    let service = "\"systemctl list-unit-files --type=service\" lists those there are, and a ward with ExecStart= makes one";
    format!("There is no {unit}; {advice}{service}.")
}

/// Returns the unit of another kind with the name of this service: its suffix was left out.
fn other_kind(unit: &UnitName, names: &BTreeSet<String>) -> Option<String> {
    ["socket", "timer", "path", "target", "mount", "automount"]
        .iter()
        .map(|suffix| [unit.stem(), ".", suffix].concat())
        .find(|other| names.contains(other))
}

/// Why a unit gets no ward: it has one, it is ours, or the name is taken.
pub(super) fn taken(asked: &Asked) -> Option<String> {
    let unit = &asked.found.unit;
    let (config, _) = root::load(Path::new("/"));
    if let Some(ward) = guards(&config, unit.as_str()) {
        let (name, path) = (&ward.name, ward.path.display());
        let is_loaded =
            asked.drop_ins.iter().any(|path| path.ends_with(DROP_IN)) || is_generated(asked);
        let advice = if is_loaded {
            format!("\"unitward status {name}\" shows it")
        } else {
            "\"systemctl daemon-reload\" makes that take effect".to_owned()
        };
        return Some(format!(
            "{unit} is guarded already, by the ward {name} ({path}): {advice}."
        ));
    }
    if is_generated(asked) {
        let of = if asked.source.is_empty() {
            String::new()
        } else {
            format!(", made of {}", asked.source)
        };
        return Some(format!(
            "{unit} is one of Unitward's own units{of}: it needs no ward."
        ));
    }
    let path = name_taken(unit.stem())?;
    let path = path.display();
    Some(format!(
        "The name {} is taken: {path} is there, and does not guard {unit}; \"unitward check\" tells what is wrong with it, or remove it.",
        unit.stem()
    ))
}

/// The ward that guards this unit, be it that of its template.
fn guards<'c>(config: &'c Config, unit: &str) -> Option<Cow<'c, Ward>> {
    config
        .ward_meant_by(unit)
        .filter(|ward| ward.unit().as_str() == unit)
}

/// Whether our generator has written the unit.
fn is_generated(asked: &Asked) -> bool {
    asked.file.starts_with("/run/systemd/generator") && unit_files::is_ours(Path::new(&asked.file))
}

/// Returns the file of a ward with this name. An empty file in `/etc/unitward` does not count: a
/// shell creates it for redirected output.
fn name_taken(name: &str) -> Option<PathBuf> {
    let files = Files::list(Path::new("/"));
    files.ward_names().find(|known| *known == name)?;
    let file = [name, ".ward"].concat();
    let mut paths = SEARCH_PATH
        .iter()
        .map(|directory| Path::new(directory).join(&file));
    paths.find(|path| {
        let data = path.symlink_metadata();
        data.is_ok_and(|data| !(path.starts_with(DIRECTORY) && data.is_file() && data.len() == 0))
    })
}

/// Returns the loaded services that could be guarded and are not.
pub(in crate::shell::cli) fn unguarded() -> Vec<String> {
    let (config, _) = root::load(Path::new("/"));
    let mut services = systemctl::loaded_services(&[]).unwrap_or_default();
    services.retain(|name| guards(&config, name).is_none() && !is_ours(name));
    services
}

/// Returns true if this service is one of Unitward's own.
fn is_ours(name: &str) -> bool {
    let mut folders = ["/run/systemd/generator", "/run/systemd/generator.late"].iter();
    name.starts_with("unitward")
        || folders.any(|folder| unit_files::is_ours(&Path::new(folder).join(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_service_is_told_what_to_guard_instead() {
        let check = |unit: &str, triggers: &[&'static str], expect: &str| {
            let known = Properties::from([("Triggers", triggers.to_vec().into())]);
            let said = by_kind(&UnitName::new(unit).unwrap(), &known).unwrap();
            assert!(said.contains(expect) && said.ends_with('.'), "{said}");
        };
        check(
            "cups.socket",
            &["cups.service"],
            "is a socket, and a ward guards a service; it starts cups.service: \"unitward guard cups.service\"",
        );
        check("a.timer", &["a.target"], "guard the service that it starts");
        check("a.target", &[], "unitward.stack(5)");
        check("a.automount", &[], "is an automount");
        check("a.slice", &[], "guard the service behind it");
    }

    #[test]
    fn a_name_without_its_suffix_may_be_that_of_another_kind() {
        let names = BTreeSet::from(["web.timer".to_owned(), "a.service".to_owned()]);
        let other = |unit: &str| other_kind(&UnitName::new(unit).unwrap(), &names);
        assert_eq!(other("web.service").as_deref(), Some("web.timer"));
        assert_eq!(other("a.service"), None);
    }

    #[test]
    fn a_unit_that_cannot_be_loaded_is_not_guarded() {
        let unit = UnitName::new("web.service").unwrap();
        let said = |state: &'static str, transient: bool| {
            by_state(
                &unit,
                &Properties::from([("LoadState", state.into()), ("Transient", transient.into())]),
            )
        };
        assert_eq!(said("loaded", false), None);
        assert!(said("loaded", true).unwrap().contains("is transient"));
        assert!(
            said("masked", false)
                .unwrap()
                .contains("systemctl unmask web.service")
        );
        assert!(
            said("bad-setting", false)
                .unwrap()
                .contains("(bad-setting)")
        );
        assert!(
            said("not-found", false)
                .unwrap()
                .starts_with("There is no web.service")
        );
    }
}
