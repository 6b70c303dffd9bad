//! What a template's ward does not know of its instances: who starts one for each connection, and who runs one of them as somebody else.

use super::warning;
use crate::core::config::{Problem, UnitName, Ward};
use crate::core::unit::{AdoptedUnit, condition_services};
use crate::edge::unit_files;
use std::path::Path;

/// As whom the commands of a unit run.
const IDENTITY: [&str; 4] = ["User", "Group", "SupplementaryGroups", "DynamicUser"];

/// The warnings about one ward.
pub(super) fn warnings(below: &Path, ward: &Ward, adopted: Option<&AdoptedUnit>) -> Vec<Problem> {
    if !ward.is_template() {
        return Vec::new();
    }
    let texts = [accepted(below, ward), as_others(ward, adopted)];
    texts
        .into_iter()
        .flatten()
        .map(|text| warning(&ward.path, text))
        .collect()
}

fn accepted(below: &Path, ward: &Ward) -> Option<String> {
    let unit = ward.unit();
    let socket = UnitName::new(&[unit.prefix(), ".socket"].concat()).ok()?;
    let lines = unit_files::lines(below, &socket);
    let accept = lines
        .iter()
        .rfind(|(section, line)| section == "Socket" && line.key == "Accept")?;
    ["yes", "true", "on", "1"].contains(&accept.1.value.as_str()).then(|| {
        format!(
            "{socket} has Accept=yes, so each connection is an instance of {unit}, and each is a ward that leaves records in \
             /run/unitward/wards until the next boot; take the ward out if there are many"
        )
    })
}

fn as_others(ward: &Ward, adopted: Option<&AdoptedUnit>) -> Option<String> {
    let service = condition_services(ward, adopted).next()?;
    let line = adopted?
        .of_instances
        .iter()
        .find(|line| IDENTITY.contains(&line.key.as_str()))?;
    Some(format!(
        "{}={} in {} is for one instance, and {service} does not know of it, so commands there are refused; give that instance a ward \
         of its own",
        line.key,
        line.value,
        line.at.path.display()
    ))
}
