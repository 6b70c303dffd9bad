//! Writes the ward, makes systemd read it, and checks that it is in force.

use super::Fitting;
use crate::core::unit::DROP_IN;
use crate::edge::pid1::{self, Wanted};
use crate::edge::replace;
use crate::edge::systemctl;
use crate::edge::trusted::Durability;
use crate::edge::up;
use anyhow::Context as _;
use std::io::ErrorKind;

/// Installs the ward; returns sentences about what is now in force, or the reason why it is not
/// installed or not in force.
pub(super) fn install(fitting: &Fitting) -> anyhow::Result<Result<Vec<String>, String>> {
    let Fitting {
        unit,
        one,
        path,
        proposal,
        ..
    } = fitting;
    let shown = path.display();
    if !rustix::process::geteuid().is_root() {
        return Ok(Err(format!("Only root may write {shown}.")));
    }
    match replace::make(path, proposal.text.as_bytes(), Durability::PowerCut) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Ok(Err(format!(
                "{shown} is there already and stays as it is; remove it first."
            )));
        }
        Err(error) => return Err(error).with_context(|| format!("failed to write {shown}")),
    }
    if let Err(error) = systemctl::output(&["daemon-reload"]) {
        return Ok(Err(format!(
            "{shown} is written, but systemd has not read it ({error}): \"systemctl daemon-reload\" makes it take effect."
        )));
    }
    let wanted = Wanted {
        unit: &["DropInPaths", "ActiveState"],
        own: &["Restart", "MainPID"],
    };
    let known = pid1::ask_patiently(one.as_str(), wanted)
        .with_context(|| format!("failed to ask systemd about {one}"))?;
    let Some(drop_in) = known
        .texts("DropInPaths")
        .find(|path| path.ends_with(DROP_IN))
    else {
        return Ok(Err(format!(
            "{shown} is written, but {unit} has no lines of it: \"journalctl -k -t unitward-generator\" tells why."
        )));
    };
    let state = known.text("ActiveState");
    let stands = match known.number::<u32>("MainPID").filter(|pid| *pid > 0) {
        _ if unit.is_template() => "Instances that are up run on untouched.".to_owned(),
        Some(pid) if up::is_up(state) => format!("It runs on untouched, process {pid}."),
        _ if up::is_up(state) => "It is up, and was not touched.".to_owned(),
        _ => format!("It is {state}: \"systemctl start {unit}\" starts it."),
    };
    let restart = known.text("Restart");
    Ok(Ok(vec![
        format!("{shown} is written, and {unit} is guarded: Restart={restart}, {drop_in}."),
        stands,
        format!(
            "\"unitward plan --explain {}\" tells what happens when it dies.",
            unit.stem()
        ),
    ]))
}
