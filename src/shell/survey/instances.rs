//! Which instances of templates there are to tell of: those that PID 1 has loaded, and those that have left records since boot.

use super::pid1;
use super::scene::Chosen;
use crate::core::config::Config;
use crate::edge::record;
use std::collections::BTreeSet;
use zbus::Connection;

/// Their wards' names, or their units'.
pub(super) async fn known(
    bus: &Connection,
    config: &Config,
    chosen: &Chosen,
) -> anyhow::Result<BTreeSet<String>> {
    match chosen {
        Chosen::All => {}
        Chosen::Ward(name) => return Ok(BTreeSet::from([name.clone()])),
        // A template is in no stack.
        Chosen::Stack(_) => return Ok(BTreeSet::new()),
    }
    let templates = config.wards.iter().filter(|ward| ward.is_template());
    let patterns: Vec<String> = templates
        .map(|ward| pattern(ward.unit().prefix()))
        .collect();
    if patterns.is_empty() {
        return Ok(BTreeSet::new());
    }
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let loaded = pid1::services(bus, &patterns)
        .await?
        .into_iter()
        .filter(|(_, unit)| unit.load != "not-found");
    let with_records = record::wards()
        .into_iter()
        .filter(|name| name.contains('@'));
    Ok(loaded.map(|(unit, _)| unit).chain(with_records).collect())
}

/// What the instances of a template are called, as a pattern of systemd's, in which a backslash would stand for the next character.
fn pattern(prefix: &str) -> String {
    [&prefix.replace('\\', "\\\\"), "@*.service"].concat()
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_escaped_name_matches_itself() {
        assert_eq!(super::pattern("a\\x2db"), "a\\\\x2db@*.service");
    }
}
