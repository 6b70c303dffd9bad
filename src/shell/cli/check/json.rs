//! `unitward check --json`: one document, as unitward(1) describes it.

use super::{Checked, is_sound};
use crate::core::config::{Cost, Problem};
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    problems: Vec<Entry>,
    wards: usize,
    stacks: usize,
    sound: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell::cli) struct Entry {
    file: String,
    line: Option<usize>,
    column: Option<usize>,
    severity: &'static str,
    message: String,
    nearest: Option<String>,
    costs: &'static str,
}

impl From<&Problem> for Entry {
    fn from(Problem { at, mistake }: &Problem) -> Self {
        let (severity, costs) = match mistake.cost() {
            Cost::Nothing => ("warning", "nothing"),
            Cost::Key => ("error", "key"),
            Cost::Condition => ("error", "condition"),
            Cost::Ward => ("error", "ward"),
        };
        Self {
            file: at.path.display().to_string(),
            line: Some(at.line).filter(|line| *line > 0),
            column: Some(at.column).filter(|column| *column > 0),
            severity,
            message: mistake.to_string(),
            nearest: mistake.nearest().map(str::to_owned),
            costs,
        }
    }
}

/// Prints the document.
pub(super) fn print(checked: &Checked) -> anyhow::Result<()> {
    let document = Document {
        problems: checked.problems.iter().map(Entry::from).collect(),
        wards: checked.wards,
        stacks: checked.stacks,
        sound: is_sound(&checked.problems),
    };
    super::super::write_json(
        &mut std::io::stdout().lock(),
        &serde_json::to_string(&document)?,
    )?;
    Ok(())
}
