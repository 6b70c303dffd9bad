//! The names of the generated units: none is written twice, and none is an instance of another ward's template.

use super::{Output, condition_service, ward_unit};
use crate::core::config::{Mistake, Place, Problem, Ward};
use std::collections::{BTreeMap, HashSet};

/// The names of everything written so far.
#[derive(Debug, Default)]
pub struct Names {
    plain: HashSet<String>,
    /// Those of templates and of instances, and what their wards' names begin with.
    of_templates: BTreeMap<String, String>,
}

impl Names {
    /// Takes the names of the next ward's units.
    ///
    /// # Errors
    /// The problem, when one of them is taken; nothing of that ward may then be written.
    pub fn admit(&mut self, ward: &Ward) -> Result<(), Box<Problem>> {
        let names: Vec<_> = std::iter::once(ward_unit::path(ward))
            .chain(condition_service::names(ward, None))
            .collect();
        let family = family(ward);
        if let Some(twice) = names.iter().find(|name| self.is_taken(name, family)) {
            let at = Place::whole(ward.path.clone());
            return Err(Box::new(Problem {
                at,
                mistake: Mistake::Collision {
                    unit: twice.clone(),
                },
            }));
        }
        let with_instances = names.iter().filter(|name| name.contains('@'));
        self.of_templates
            .extend(with_instances.map(|name| (name.clone(), family.to_owned())));
        self.plain.extend(names);
        Ok(())
    }

    /// Takes the name of an alias.
    ///
    /// # Errors
    /// A warning, when an earlier ward has it; the link may then not be written.
    pub fn admit_alias(&mut self, ward: &Ward, alias: &Output) -> Result<(), Box<Problem>> {
        if self.plain.insert(["late/", &alias.path].concat()) {
            return Ok(());
        }
        let text = format!(
            "the alias {} belongs to another ward already and is left out here",
            alias.path
        );
        Err(Box::new(Problem {
            at: Place::whole(ward.path.clone()),
            mistake: Mistake::Warning(text),
        }))
    }

    /// Whether another ward has it, or the template that it is an instance of, or an instance of this template.
    fn is_taken(&self, name: &str, family: &str) -> bool {
        if self.plain.contains(name) {
            return true;
        }
        let Some((prefix, instance)) = name.split_once('@') else {
            return false;
        };
        let begin = [prefix, "@"].concat();
        if instance == ".service" {
            let mut same_begin = self
                .of_templates
                .range(begin.clone()..)
                .take_while(|(other, _)| other.starts_with(&begin));
            return same_begin
                .any(|(other, its_family)| other.ends_with(".service") && its_family != family);
        }
        // A drop-in takes no unit's place.
        let template = instance
            .ends_with(".service")
            .then(|| self.of_templates.get(&[&begin, ".service"].concat()));
        template.flatten().is_some_and(|other| other != family)
    }
}

/// The wards of a template and of its instances have it in common.
fn family(ward: &Ward) -> &str {
    ward.name.as_str().split('@').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::unit::tests::named;

    const LIMITED: &str = "[Service]\nExecStart=/a\n[OnLimit]\nLog=a\n";

    fn check(wards: &[&str], taken: Option<&str>) {
        let mut names = Names::default();
        let refused = wards
            .iter()
            .find_map(|name| names.admit(&named(name, LIMITED)).err());
        let said = refused.map(|problem| problem.to_string());
        assert_eq!(said.is_some(), taken.is_some(), "{wards:?} {said:?}");
        assert!(
            taken.is_none_or(|unit| said.as_ref().unwrap().contains(unit)),
            "{wards:?} {said:?}"
        );
    }

    #[test]
    fn a_template_and_its_instances_own_wards_stand_side_by_side() {
        check(
            &["foo", "foo@", "foo@bar", "foo@baz", "bar@", "foo-x@"],
            None,
        );
        check(&["foo@bar", "foo@"], None);
    }

    #[test]
    fn no_unit_is_written_twice_nor_under_another_wards_template() {
        check(
            &["foo", "unitward-foo-OnLimit"],
            Some("unitward-foo-OnLimit.service"),
        );
        check(
            &["foo@", "unitward-foo-OnLimit@"],
            Some("unitward-foo-OnLimit@.service"),
        );
        check(
            &["foo@", "unitward-foo-OnLimit@x"],
            Some("unitward-foo-OnLimit@x.service"),
        );
        check(
            &["unitward-foo-OnLimit@x", "foo@"],
            Some("unitward-foo-OnLimit@.service"),
        );
        check(
            &["unitward-foo-OnLimit@bar", "foo@bar"],
            Some("unitward-foo-OnLimit@bar.service"),
        );
    }
}
