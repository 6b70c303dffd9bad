//! Wards of templates, `NAME@.ward`: each instance of the unit is a ward by its own name, `NAME@INSTANCE`.
//!
//! One ward stands in the configuration, and [`Ward::instance`] makes that of an instance out of it wherever a unit or a ward is looked
//! up by its name. A ward of an instance's own takes the template's place for that instance, as its own unit file would. The two agree
//! on where the unit comes from: a drop-in for a template counts for every instance, also for one that has a unit file of its own.

use super::called::find_called;
use super::names::{UnitName, WardName};
use super::problem::Mistake;
use super::step::{Action, Step};
use super::ward::{Form, Ward};
use super::wrong::Wrong;
use super::{Config, Stacks};
use std::borrow::Cow;

impl Ward {
    /// Whether it is a template's.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.name.is_template()
    }

    /// The ward of this instance; `None`: it is no template's, or there can be no such instance.
    #[must_use]
    pub fn instance(&self, instance: &str) -> Option<Self> {
        Some(self.called(
            self.name.of_instance(instance)?,
            &self.unit().of_instance(instance)?,
        ))
    }

    /// The ward as the lines of its unit say it: a template's leave the instance to systemd.
    #[must_use]
    pub fn specified(&self) -> Cow<'_, Self> {
        match self.is_template() {
            true => Cow::Owned(self.called(self.name.specified(), &self.unit().specified())),
            false => Cow::Borrowed(self),
        }
    }

    fn called(&self, name: WardName, unit: &UnitName) -> Self {
        let mut ward = Self {
            name,
            ..self.clone()
        };
        if let Form::Adopted(adopted) = &mut ward.form {
            unit.clone_into(adopted);
        }
        ward.conditions
            .iter_mut()
            .flat_map(|condition| &mut condition.steps)
            .for_each(|step| step.name_unit(unit));
        ward
    }
}

impl Step {
    fn name_unit(&mut self, unit: &UnitName) {
        self.action.name_unit(unit);
        self.otherwise
            .iter_mut()
            .for_each(|otherwise| otherwise.action.name_unit(unit));
    }
}

impl Action {
    fn name_unit(&mut self, unit: &UnitName) {
        match self {
            Self::Execute(command) => command.name_unit(unit),
            Self::Restart(other)
            | Self::Start(other)
            | Self::Stop(other)
            | Self::Reload(other)
            | Self::Signal(other, _) => {
                other.name_instance(unit.instance());
            }
            Self::WaitFor(_)
            | Self::RestartSelf
            | Self::Log(_)
            | Self::RestartStack(_)
            | Self::Reboot(_) => {}
        }
    }
}

/// The instance that somebody means who writes `name`: of this ward of a template, or of its unit, whose suffix may be left out.
#[must_use]
pub fn instance_meant_by<'n>(ward: &WardName, unit: &UnitName, name: &'n str) -> Option<&'n str> {
    if !ward.is_template() {
        return None;
    }
    name.strip_suffix(".service")
        .and_then(|stem| instance_of_unit(unit, stem))
        .or_else(|| {
            name.strip_prefix(ward.as_str())
                .filter(|instance| ward.of_instance(instance).is_some())
        })
        .or_else(|| instance_of_unit(unit, name))
}

/// Returns the instance of the template `unit` that `stem`, a name without its suffix, names.
fn instance_of_unit<'n>(unit: &UnitName, stem: &'n str) -> Option<&'n str> {
    let instance = stem.strip_prefix(unit.prefix())?.strip_prefix('@')?;
    unit.of_instance(instance).map(|_| instance)
}

/// What is said of a template's ward where one of its instances must be named.
#[must_use]
pub fn name_an_instance(ward: &str) -> String {
    format!("{ward} is the ward of a template; name one of its instances, such as {ward}INSTANCE.")
}

/// The template that a unit is an instance of, and which instance it is.
#[must_use]
pub fn split(unit: &str) -> Option<(String, &str)> {
    let (prefix, rest) = unit.split_once('@')?;
    let (instance, suffix) = rest.rsplit_once('.')?;
    (!instance.is_empty()).then(|| ([prefix, "@.", suffix].concat(), instance))
}

impl Config {
    /// The ward that somebody means by a name: its own, or else its unit's; of a template's wards that of an instance.
    #[must_use]
    pub fn ward_meant_by(&self, name: &str) -> Option<Cow<'_, Ward>> {
        if let Some(ward) = find_called(self.wards.iter(), name) {
            return Some(Cow::Borrowed(ward));
        }
        let instance = self
            .wards
            .iter()
            .find_map(|ward| ward.instance(instance_meant_by(&ward.name, &ward.unit(), name)?))?;
        // The unit may have a ward of its own, by another name.
        let own = self
            .wards
            .iter()
            .find(|ward| ward.unit() == instance.unit());
        Some(own.map_or(Cow::Owned(instance), Cow::Borrowed))
    }
}

/// The wards beside which others must fit: those of templates, and those of instances.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    templates: Vec<Neighbour>,
    instances: Vec<Neighbour>,
}

#[derive(Debug)]
struct Neighbour {
    name: WardName,
    unit: UnitName,
    defines: bool,
    path: String,
}

impl Neighbours {
    /// Why the next ward cannot stand beside those that are there.
    pub(super) fn refuse(&self, ward: &Ward) -> Option<Mistake> {
        if !is_one(ward) {
            return None;
        }
        let next = Neighbour::of(ward);
        let conflict = match next.name.is_template() {
            true => self.instances.iter().find_map(|one| conflict(&next, one)),
            false => self
                .templates
                .iter()
                .find_map(|template| conflict(template, &next)),
        };
        conflict.map(Mistake::BesideTemplate)
    }

    /// Remembers it.
    pub(super) fn admit(&mut self, ward: &Ward) {
        match (is_one(ward), ward.is_template()) {
            (true, true) => self.templates.push(Neighbour::of(ward)),
            (true, false) => self.instances.push(Neighbour::of(ward)),
            (false, _) => {}
        }
    }
}

/// Whether it is the ward of a template or of an instance, by its own name or its unit's.
fn is_one(ward: &Ward) -> bool {
    let is_adopted = matches!(&ward.form, Form::Adopted(unit) if unit.as_str().contains('@'));
    is_adopted || ward.name.as_str().contains('@')
}

impl Neighbour {
    fn of(ward: &Ward) -> Self {
        let (name, path) = (ward.name.clone(), ward.path.display().to_string());
        Self {
            name,
            unit: ward.unit(),
            defines: ward.form == Form::Defined,
            path,
        }
    }
}

fn conflict(template: &Neighbour, one: &Neighbour) -> Option<String> {
    if template.defines != one.defines && one.unit.template().as_ref() == Some(&template.unit) {
        return Some(format!(
            "{} ({}) is an instance of {} ({}), whose drop-ins count for it: let both wards define their units by ExecStart=, or \
             both adopt them by Unit=",
            one.unit, one.path, template.unit, template.path
        ));
    }
    let instance = one.name.as_str().strip_prefix(template.name.as_str())?;
    let unit = template.unit.of_instance(instance)?;
    (unit != one.unit).then(|| {
        format!(
            "{} is what {} calls its instance {unit}, and {} guards {}; give that file another name",
            one.name, template.path, one.path, one.unit
        )
    })
}

/// Why the ward's file and the unit that it adopts do not fit.
pub(super) fn both_or_neither(name: &WardName, unit: &UnitName) -> Wrong {
    let why = if unit.is_template() {
        format!(
            "it is a template, and the ward's file is none; rename the file to {name}@.ward, or name one instance"
        )
    } else {
        format!(
            "the ward's file is a template and this unit is none; rename the file to {}.ward",
            name.as_str().trim_end_matches('@')
        )
    };
    Wrong::from(why)
}

/// Why a ward of a template cannot belong to the stack of this name.
pub(super) fn in_stack(name: &WardName, stack: &str, stacks: &Stacks) -> Option<Wrong> {
    let stack = name
        .is_template()
        .then(|| stacks.iter().find(|known| known.name.as_str() == stack))
        .flatten()?;
    let unit = stack.unit();
    Some(Wrong::from(format!(
        "a stack starts its members, and of a template nobody knows the instances; write PartOf={unit} in [Unit], and those that are \
         up are restarted with the stack, or a ward of its own for each member, such as {name}one.ward"
    )))
}

#[cfg(test)]
mod tests;
