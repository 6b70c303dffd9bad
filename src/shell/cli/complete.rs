//! Completion in bash, zsh and fish.
//!
//! At each TAB the shells' scripts ask this program for candidates, so commands, options and names
//! of wards and stacks have one source, the definition of the command line. A value called `NAME`
//! there is a ward's or a stack's name, `ID` that of a death, `UNIT` a service without a ward; a
//! new command is completed without any change here.
//!
//! It decides nothing about what a command accepts.

use super::guard;
use super::reports;
use super::reports::time;
use crate::core::config::Config;
use crate::core::visible::visible;
use crate::edge::{clock, record, root, systemctl};
use crate::shell::survey::reports::document::Document;
use clap::builder::ValueHint;
use clap::{Arg, Command};
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{Bash, CompleteEnv, Fish, Shells, Zsh};
use jiff::tz::TimeZone;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

/// Environment variable that makes the program answer the shell that it names, instead of running a
/// command.
const ASKED_BY: &str = "UNITWARD_COMPLETE";

/// Limits of the deaths that are offered: their age, in milliseconds, and their number.
const RECENT: u64 = 7 * 24 * 3_600_000;
const OFFERED: usize = 20;

/// Answers a shell and ends the program, if a shell asks.
pub(super) fn answer(definition: fn() -> Command) {
    let shells: [&dyn clap_complete::env::EnvCompleter; 3] = [&Bash, &Zsh, &Fish];
    CompleteEnv::with_factory(|| with_names(definition()))
        .var(ASKED_BY)
        .completer("unitward")
        .shells(Shells(&shells))
        .complete();
}

/// Attaches candidates to the values of all commands.
fn with_names(command: Command) -> Command {
    let which = match command.get_name() {
        "restart-stack" => stacks,
        "exclude" | "readmit" => wards,
        _ => wards_and_stacks,
    };
    command
        .mut_args(|argument| with_values(argument, which))
        .mut_subcommands(with_names)
}

fn with_values(argument: Arg, which: fn() -> Vec<CompletionCandidate>) -> Arg {
    let calls = argument.get_value_names().unwrap_or_default().iter();
    let called: BTreeSet<String> = calls
        .flat_map(|name| name.split('|'))
        .map(str::to_owned)
        .collect();
    let (names, ids) = (called.contains("NAME"), called.contains("ID"));
    if names || ids {
        argument.add(ArgValueCandidates::new(move || {
            let names = names.then(which).unwrap_or_default().into_iter();
            names.chain(ids.then(deaths).unwrap_or_default()).collect()
        }))
    } else if called.contains("UNIT") {
        argument.add(ArgValueCandidates::new(|| {
            guard::unguarded()
                .into_iter()
                .map(CompletionCandidate::new)
                .collect()
        }))
    } else if called.contains("DIR") {
        argument.value_hint(ValueHint::DirPath)
    } else {
        argument
    }
}

fn wards_and_stacks() -> Vec<CompletionCandidate> {
    let (config, _) = root::load(Path::new("/"));
    let wards = config
        .wards
        .iter()
        .map(|ward| ward.name.to_string())
        .chain(instances(&config));
    wards
        .chain(config.stacks.iter().map(|stack| stack.name.to_string()))
        .map(CompletionCandidate::new)
        .collect()
}

fn wards() -> Vec<CompletionCandidate> {
    let (config, _) = root::load(Path::new("/"));
    // Of a template one instance is excluded, not all of them.
    let wards = config
        .wards
        .iter()
        .filter(|ward| !ward.is_template())
        .map(|ward| ward.name.to_string());
    wards
        .chain(instances(&config))
        .map(CompletionCandidate::new)
        .collect()
}

/// Returns the instances of templates that are loaded or have left records since boot.
fn instances(config: &Config) -> BTreeSet<String> {
    let templates = config.wards.iter().filter(|ward| ward.is_template());
    let patterns: Vec<_> = templates
        .map(|ward| format!("{}@*.service", ward.unit().prefix()))
        .collect();
    if patterns.is_empty() {
        return BTreeSet::new();
    }
    let patterns: Vec<_> = patterns.iter().map(String::as_str).collect();
    let loaded = systemctl::loaded_services(&patterns).unwrap_or_default();
    loaded
        .into_iter()
        .chain(record::wards())
        .filter_map(|name| match config.ward_meant_by(&name)? {
            Cow::Owned(ward) => Some(ward.name.to_string()),
            Cow::Borrowed(_) => None,
        })
        .collect()
}

fn stacks() -> Vec<CompletionCandidate> {
    let stacks = root::Files::list(Path::new("/")).stacks().into_vec();
    stacks
        .iter()
        .map(|stack| CompletionCandidate::new(stack.name.as_str()))
        .collect()
}

/// Returns the latest deaths, newest first, each with a description that distinguishes it.
fn deaths() -> Vec<CompletionCandidate> {
    let since = clock::since_epoch().saturating_sub(RECENT);
    let told = reports::latest(since, OFFERED).unwrap_or_default();
    let zone = TimeZone::system();
    told.iter()
        .rev()
        .enumerate()
        .map(|(order, told)| candidate(told, &zone).display_order(Some(order)))
        .collect()
}

fn candidate(told: &Document, zone: &TimeZone) -> CompletionCandidate {
    let reason = told.reason.as_deref().unwrap_or("unknown");
    let help = visible(&format!(
        "{}, {reason}, {}",
        told.ward,
        time(told.timestamp, zone)
    ));
    CompletionCandidate::new(reports::id(told)).help(Some(help.into()))
}
