//! `unitward guard --json`: one document, as unitward(1) describes it.

use super::Fitting;
use crate::shell::cli::check::json::Entry;
use crate::shell::cli::write_json;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    ward: &'a str,
    unit: &'a str,
    file: String,
    text: &'a str,
    findings: &'a [String],
    explanation: &'a str,
    problems: Vec<Entry>,
    in_force: Option<&'a [String]>,
}

impl<'a> Document<'a> {
    fn of(fitting: &'a Fitting, in_force: Option<&'a [String]>) -> Self {
        Self {
            ward: fitting.unit.stem(),
            unit: fitting.unit.as_str(),
            file: fitting.path.display().to_string(),
            text: &fitting.proposal.text,
            findings: &fitting.proposal.findings,
            explanation: &fitting.explanation,
            problems: fitting.problems.iter().map(Entry::from).collect(),
            in_force,
        }
    }
}

/// Prints the document; with the sentences about what is in force, if the ward was installed.
pub(super) fn print(fitting: &Fitting, in_force: Option<&[String]>) -> anyhow::Result<()> {
    let document = serde_json::to_string(&Document::of(fitting, in_force))?;
    write_json(&mut std::io::stdout().lock(), &document)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::{Mistake, Place, Problem, UnitName};
    use crate::core::proposal::Proposal;
    use serde_json::Value;
    use std::path::PathBuf;

    #[test]
    fn the_document_is_the_one_that_is_described() {
        let path = PathBuf::from("/etc/unitward/web.ward");
        let problem = Problem {
            at: Place::whole(path.as_path().into()),
            mistake: Mistake::Warning("a remark".to_owned()),
        };
        let fitting = Fitting {
            unit: UnitName::new("web.service").unwrap(),
            one: UnitName::new("web.service").unwrap(),
            path,
            proposal: Proposal {
                text: "[Ward]\nUnit=web.service\n".to_owned(),
                findings: vec!["Started by web.socket.".to_owned()],
            },
            explanation: "When web.service dies\n".to_owned(),
            problems: vec![problem],
        };
        let in_force = ["It runs on untouched, process 7.".to_owned()];
        let document = serde_json::to_value(Document::of(&fitting, Some(&in_force))).unwrap();
        let expect: Value = serde_json::from_str(include_str!("fixtures/guard.json")).unwrap();
        assert_eq!(document, expect);
    }
}
