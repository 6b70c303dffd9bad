//! Which ward somebody means by a name: one rule for all commands and for the bus.

use super::Ward;
use super::names::is_meant;

/// A ward by what it can be called.
pub trait Called {
    /// Its name.
    fn name(&self) -> &str;
    /// Whether somebody who writes `name` means its unit.
    fn has_unit(&self, name: &str) -> bool;
}

impl Called for &Ward {
    fn name(&self) -> &str {
        self.name.as_str()
    }

    fn has_unit(&self, name: &str) -> bool {
        self.unit().is_meant_by(name)
    }
}

/// A ward with something beside it.
impl<T> Called for (&Ward, T) {
    fn name(&self) -> &str {
        self.0.name.as_str()
    }

    fn has_unit(&self, name: &str) -> bool {
        self.0.unit().is_meant_by(name)
    }
}

/// Of a ward the name and the unit.
impl Called for (&String, &String) {
    fn name(&self) -> &str {
        self.0
    }

    fn has_unit(&self, name: &str) -> bool {
        is_meant(self.1, name)
    }
}

/// The one of `wards` that somebody means by `name`: the ward of this name, or else the one of this unit.
pub fn find_called<W: Called>(wards: impl Iterator<Item = W> + Clone, name: &str) -> Option<W> {
    wards
        .clone()
        .find(|ward| ward.name() == name)
        .or_else(|| wards.clone().find(|ward| ward.has_unit(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_wards_own_name_comes_before_the_unit_of_another() {
        let wards = [
            ("a", "web.service"),
            ("db", "db.service"),
            ("web", "nginx.service"),
        ];
        let wards: BTreeMap<_, _> = wards
            .iter()
            .map(|(ward, unit)| ((*ward).to_owned(), (*unit).to_owned()))
            .collect();
        for (name, expect) in [
            ("web", Some("web")),
            ("web.service", Some("a")),
            ("nginx", Some("web")),
            ("db.service", Some("db")),
            ("nope", None),
        ] {
            assert_eq!(
                find_called(wards.iter(), name).map(|(ward, _)| ward.as_str()),
                expect,
                "{name}"
            );
        }
    }
}
