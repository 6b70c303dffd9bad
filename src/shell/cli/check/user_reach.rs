//! Settings that give a service's user access to resources of root.

use crate::core::config::ward::NativeLine;
use crate::core::config::{Mistake, Place, Problem, Ward};
use crate::core::unit::AdoptedUnit;

/// Returns the warnings about the unit of one ward, with the lines of both ward and adopted unit.
pub(super) fn warnings(ward: &Ward, adopted: Option<&AdoptedUnit>) -> Vec<Problem> {
    let own = AdoptedUnit::new(ward.native.service.clone(), Vec::new());
    let user = own.user.as_ref().or_else(|| adopted?.user.as_ref());
    let is_roots = user.is_none_or(|user| ["", "root", "0"].contains(&user.as_str()));
    if is_roots {
        return Vec::new();
    }
    let delegate = own.delegate.as_ref();
    let delegate = delegate.or_else(|| adopted?.delegate.as_ref());
    let directories = own
        .directories
        .iter()
        .chain(adopted.into_iter().flat_map(|unit| &unit.directories));
    let ours = directories
        .flat_map(|value| value.split_whitespace())
        .find(|name| name.split(['/', ':']).next() == Some("unitward"));
    let delegated = delegate.filter(|value| !is_no(value)).map(|_| {
        let text = "Delegate= gives the service's user the control groups in which systemd runs the lines of the unit: it can \
                    end them, or freeze them, on which systemd 257 hangs as a whole; do without Delegate= or without User=";
        warning(ward, "Delegate", text.to_owned())
    });
    let taken = ours.map(|name| {
        let text =
            format!("the directory {name} of this service is Unitward's, and would be its user's; use another name");
        warning(ward, "RuntimeDirectory", text)
    });
    delegated.into_iter().chain(taken).collect()
}

fn warning(ward: &Ward, key: &str, text: String) -> Problem {
    Problem {
        at: place(ward, key),
        mistake: Mistake::Warning(text),
    }
}

/// Returns the place of the ward's own line, or of the ward if the line is the adopted unit's.
fn place(ward: &Ward, key: &str) -> Place {
    let line = ward.native.service.iter().rfind(|line| line.key == key);
    line.map_or_else(
        || ward.unit_at.clone(),
        |line: &NativeLine| line.place_of(0),
    )
}

/// Returns true if systemd reads the value as false.
fn is_no(value: &str) -> bool {
    ["no", "false", "off", "0", "n", "f", ""].contains(&value.to_ascii_lowercase().as_str())
}
