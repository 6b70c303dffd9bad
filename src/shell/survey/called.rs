//! Meaning of a name in a question, and the answer to an unknown name, for all commands.
//!
//! A ward whose file has a mistake is not in the configuration; a question for it is answered with
//! a reference to `unitward check`.

use crate::core::config::{Config, Problem, left_out, nearest, template};
use crate::edge::unit_files;
use std::path::Path;

/// Returns the name that reports use for the ward, stack or watched unit of this name below `root`;
/// `None`: there is none.
pub(in crate::shell) fn in_reports(config: &Config, name: &str, root: &Path) -> Option<String> {
    let mut wards = config.wards.iter();
    if let Some(ward) = wards.find(|ward| ward.name.as_str() == name) {
        // Its instances are reported, each by its own name.
        return (!ward.is_template()).then(|| ward.name.to_string());
    }
    let mut stacks = config.stacks.iter();
    if let Some(stack) = stacks.find(|stack| {
        [stack.name.as_str(), &stack.identifier].contains(&name) || stack.unit().as_str() == name
    }) {
        return Some(stack.identifier.clone());
    }
    if let Some(ward) = config
        .ward_meant_by(name)
        .filter(|ward| !ward.is_template())
    {
        return Some(ward.name.to_string());
    }
    let unit = [name.strip_suffix(".service").unwrap_or(name), ".service"].concat();
    let is_watched = config
        .settings
        .watch
        .iter()
        .any(|text| glob::Pattern::new(text).is_ok_and(|pattern| pattern.matches(&unit)));
    (is_watched && exists(root, &unit)).then(|| unit.trim_end_matches(".service").to_owned())
}

/// Returns true if there is a unit of this name, in whatever directory. Also true if no system is
/// installed below `root`, since that cannot be decided.
fn exists(root: &Path, unit: &str) -> bool {
    let names = unit_files::names(root);
    let template = unit
        .split_once('@')
        .map(|(name, _)| [name, "@.service"].concat());
    !unit_files::has_system(root)
        || names.contains(unit)
        || template.is_some_and(|name| names.contains(&name))
}

/// Returns the sentence for a name that nothing has.
pub(in crate::shell) fn unknown(config: &Config, problems: &[Problem], name: &str) -> String {
    if let Some(why) = left_out(problems, name) {
        return why;
    }
    if let Some(ward) = config.ward_meant_by(name).filter(|ward| ward.is_template()) {
        return template::name_an_instance(ward.name.as_str());
    }
    let named = config.wards.iter().map(|ward| ward.name.as_str());
    let candidates = named.chain(config.stacks.iter().map(|stack| stack.name.as_str()));
    match nearest(name, candidates) {
        Some(other) => format!("There is no ward or stack {name:?}, did you mean {other:?}?"),
        None if config.wards.is_empty() && config.stacks.is_empty() => {
            format!(
                "There is no ward {name:?}, nor any other: unitward.ward(5) says how one is written."
            )
        }
        None => {
            format!("There is no ward or stack {name:?}; \"unitward list\" shows those there are.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::{Mistake, Place};
    use crate::shell::survey::sample;

    fn problem(path: &str, mistake: Mistake) -> Problem {
        Problem {
            at: Place::whole(Path::new(path).into()),
            mistake,
        }
    }

    #[test]
    fn who_asks_for_a_ward_that_was_left_out_is_sent_to_check() {
        let config = sample::scene().config;
        let problems = [
            problem("/etc/unitward/typo.ward", Mistake::NoForm),
            problem("/etc/unitward/half.ward.d/more.conf", Mistake::NoForm),
            problem("/etc/unitward/warned.ward", Mistake::Warning("odd".into())),
        ];
        let said = |name: &str| unknown(&config, &problems, name);
        for name in ["typo", "typo.service", "typo.ward"] {
            assert_eq!(
                said(name),
                "/etc/unitward/typo.ward was left out because of a mistake: \"unitward check\" shows which and what to write."
            );
        }
        assert!(
            said("half").starts_with("/etc/unitward/half.ward.d/more.conf was left out"),
            "{}",
            said("half")
        );
        assert!(
            said("warned").starts_with("There is no ward or stack \"warned\""),
            "{}",
            said("warned")
        );
        assert_eq!(
            said("fs-nfs3"),
            "There is no ward or stack \"fs-nfs3\", did you mean \"fs-nfs2\"?"
        );
    }

    #[test]
    fn reports_know_wards_stacks_and_watched_units_by_all_their_names() {
        let mut config = sample::scene().config;
        config.settings.watch = vec!["cron*".into(), "[".into()];
        let root = tempfile::tempdir().unwrap();
        let check = |name: &str, expect: Option<&str>| {
            assert_eq!(
                in_reports(&config, name, root.path()).as_deref(),
                expect,
                "{name}"
            );
        };
        for name in ["telldus", "telldusd", "telldusd.service"] {
            check(name, Some("telldus"));
        }
        let stack = &config.stacks[0];
        check(stack.name.as_str(), Some(&stack.identifier));
        check(stack.unit().as_str(), Some(&stack.identifier));
        check("nope", None);
        for name in ["cron", "cron.service"] {
            check(name, Some("cron"));
        }
        let units = root.path().join("usr/lib/systemd/system");
        std::fs::create_dir_all(&units).unwrap();
        check("cron", None);
        std::fs::write(units.join("cron@.service"), "").unwrap();
        check("cron@daily", Some("cron@daily"));
    }
}
