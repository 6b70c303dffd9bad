//! Meaning of the name in a question.

use crate::core::config::{Config, Problem, left_out, nearest, template};
use crate::edge::history::read::Whose;
use crate::shell::survey::scene::Chosen;

/// Subject of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// No name: everything.
    All,
    /// An existing ward, by its name and its unit's.
    Ward(String, String),
    /// An existing stack, by its name and its unit's.
    Stack(String, String),
    /// A name that is not in the present configuration: known from before, or an ID.
    Other(String),
}

impl Subject {
    pub(super) fn of(config: &Config, name: Option<&str>) -> Self {
        let Some(name) = name else { return Self::All };
        let chosen = Chosen::find(config, name);
        let Some(chosen) = chosen else {
            return Self::Other(name.to_owned());
        };
        let mut stacks = config.stacks.iter().filter(|stack| chosen.has_stack(stack));
        let ward = if let Chosen::Ward(name) = &chosen {
            config.ward_meant_by(name)
        } else {
            None
        };
        match (stacks.next(), ward) {
            (Some(stack), _) => Self::Stack(stack.name.to_string(), stack.unit().to_string()),
            (None, Some(ward)) => Self::Ward(ward.name.to_string(), ward.unit().to_string()),
            (None, None) => Self::Other(name.to_owned()),
        }
    }

    /// Returns the filter for courses of the history; `None`: all.
    pub(super) fn whose(&self) -> Option<Whose> {
        let (name, unit) = match self {
            Self::All => return None,
            Self::Ward(name, unit) | Self::Stack(name, unit) => (name, unit),
            Self::Other(name) => (name, name),
        };
        Some(Whose {
            name: name.clone(),
            unit: unit.clone(),
        })
    }

    /// Returns true if this ward's records belong to it.
    pub(super) fn has_records_of(&self, ward: &str) -> bool {
        match self {
            Self::All => true,
            Self::Ward(name, _) => name == ward,
            Self::Stack(..) => false,
            Self::Other(name) => name.strip_suffix(".service").unwrap_or(name) == ward,
        }
    }

    /// Returns true if the full restarts of this stack belong to it.
    pub(super) fn has_restarts_of(&self, stack: &str, unit: &str) -> bool {
        match self {
            Self::All => true,
            Self::Ward(..) => false,
            Self::Stack(name, _) => name == stack,
            Self::Other(name) => name == stack || name == unit,
        }
    }

    /// Returns the sentence if there is nothing about it.
    pub(super) fn nothing(&self, config: &Config, problems: &[Problem]) -> String {
        let name = match self {
            Self::All => return "Nothing has had to recover yet.".to_owned(),
            Self::Ward(name, _) if name.ends_with('@') => return template::name_an_instance(name),
            Self::Ward(name, _) => return format!("{name} has not had to recover yet."),
            Self::Stack(name, _) => return format!("Stack {name} has not been restarted yet."),
            Self::Other(name) => name,
        };
        if let Some(why) = left_out(problems, name) {
            return why;
        }
        let wards = config.wards.iter().map(|ward| ward.name.as_str());
        let end = match nearest(
            name,
            wards.chain(config.stacks.iter().map(|stack| stack.name.as_str())),
        ) {
            Some(meant) => format!(", did you mean \"{meant}\"?"),
            None => ".".to_owned(),
        };
        format!(
            "There is no ward and no death called {name:?}{end} \"unitward reports\" lists what is known."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::survey::sample;

    /// Checks the subject of `name`, and the wards whose records belong to it.
    fn check(name: &str, expect: &Subject, records: &[&str]) {
        let subject = Subject::of(&sample::scene().config, Some(name));
        assert_eq!(subject, *expect, "{name}");
        let all = ["telldus", "telldusd", "fs-nfs2", "gone", "../gone"];
        assert_eq!(
            all.into_iter()
                .filter(|ward| subject.has_records_of(ward))
                .collect::<Vec<_>>(),
            records,
            "{name}"
        );
    }

    #[test]
    fn a_ward_is_meant_by_its_name_and_by_its_unit_with_and_without_suffix() {
        let ward = Subject::Ward("telldus".into(), "telldusd.service".into());
        for name in ["telldus", "telldusd.service", "telldusd"] {
            check(name, &ward, &["telldus"]);
        }
    }

    #[test]
    fn a_stack_has_no_records_and_what_is_gone_may_have() {
        check(
            "opensync",
            &Subject::Stack("opensync".into(), "opensync.target".into()),
            &[],
        );
        check(
            "opensync.target",
            &Subject::Stack("opensync".into(), "opensync.target".into()),
            &[],
        );
        check("gone", &Subject::Other("gone".into()), &["gone"]);
        check(
            "gone.service",
            &Subject::Other("gone.service".into()),
            &["gone"],
        );
        assert!(Subject::of(&sample::scene().config, None).has_records_of("gone"));
    }

    #[test]
    fn whoever_is_unknown_is_told_who_is_meant() {
        let config = sample::scene().config;
        let said = Subject::Other("fs-nfs3".into()).nothing(&config, &[]);
        assert!(
            said.starts_with(
                "There is no ward and no death called \"fs-nfs3\", did you mean \"fs-nfs2\"?"
            ),
            "{said}"
        );
        assert!(
            Subject::Other("zzzzzzzz".into())
                .nothing(&config, &[])
                .starts_with("There is no ward and no death called \"zzzzzzzz\". ")
        );
    }
}
