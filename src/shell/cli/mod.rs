//! `unitward`: the command line program.

mod check;
mod complete;
mod desk;
mod exclude;
mod guard;
mod list;
mod monitor;
mod plan;
mod progress;
mod reports;
mod restart_stack;
mod status;
mod timeline;
mod tree;

use crate::core::visible::{visible_json, visible_lines};
use crate::edge::symbols;
use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};
use std::io::{self, Write};
use std::process::ExitCode;

/// Exit status when a problem was found.
const PROBLEMS: u8 = 1;

/// See what Unitward guards, whether its configuration is sound, and what happened.
#[derive(Debug, Parser)]
#[command(name = "unitward", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check the configuration: prints FILE:LINE:COLUMN: MESSAGE for everything that is wrong.
    ///
    /// Ends with 1 when something was left out because of a mistake, with 0 when there are only warnings or nothing, with 2 when
    /// it could not check at all.
    Check(check::Arguments),
    /// Print the units that the generator would write.
    ///
    /// Problems go to standard error, as `check` prints them, and make it end with 1.
    Plan(plan::Arguments),
    /// Make a ward for a service that is there already, out of what systemd says of it.
    ///
    /// Prints the ward, and on standard error what will happen when the service dies. Changes nothing without --write.
    Guard(guard::Arguments),
    /// List the wards and stacks: where each stands, since when, how often it died and why last.
    List(list::Arguments),
    /// Tell everything about one ward, or one stack.
    Status(status::Arguments),
    /// Show stacks, wards, conditions and steps, and what became of each since boot.
    Tree(tree::Arguments),
    /// List the deaths of guarded services, with their reports and recoveries.
    Reports(reports::Arguments),
    /// Print what happens as it happens: deaths, recoveries, exclusions, full restarts.
    ///
    /// Goes on until it is interrupted.
    Monitor(monitor::Arguments),
    /// Keep a ward down: stop its unit and what triggers it, and let nothing start it until it is readmitted.
    Exclude(exclude::Exclude),
    /// Take an excluded ward back: forget its deaths and start its unit.
    Readmit(exclude::Readmit),
    /// Restart a whole stack: ask for its full restart, which is reported.
    ///
    /// Ends with 0 as soon as the restart is under way, with --wait when all members are back; with 1 when it is refused or has
    /// failed. Root may ask, and processes of the stack itself.
    RestartStack(restart_stack::Arguments),
    /// Show what happened when in a recovery, or in all since a time.
    Timeline(timeline::Arguments),
}

/// Returns the definition of the command line, which its man page and the completions must cover.
#[must_use]
pub fn definition() -> clap::Command {
    Arguments::command()
}

/// Entry point of the program.
#[must_use]
pub fn main() -> ExitCode {
    // This option is not part of the definition: the service behind a stack's socket starts it, see
    // `edge::symbols`.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|first| first == symbols::OPTION)
    {
        return symbols::worker::main();
    }
    complete::answer(definition);
    let done = match Arguments::parse().command {
        Command::Check(arguments) => check::check(&arguments),
        Command::Plan(arguments) => plan::plan(&arguments),
        Command::Guard(arguments) => guard::guard(&arguments),
        Command::List(arguments) => list::list(&arguments),
        Command::Status(arguments) => status::status(&arguments),
        Command::Tree(arguments) => tree::tree(&arguments),
        Command::Reports(arguments) => reports::reports(&arguments),
        Command::Monitor(arguments) => monitor::monitor(&arguments),
        Command::Exclude(arguments) => exclude::exclude(&arguments),
        Command::Readmit(arguments) => exclude::readmit(&arguments),
        Command::RestartStack(arguments) => restart_stack::restart_stack(&arguments),
        Command::Timeline(arguments) => timeline::timeline(&arguments),
    };
    done.unwrap_or_else(|error| {
        // A reader that has closed the pipe, as in `unitward plan | head`, is not a failure.
        if error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
        {
            return ExitCode::SUCCESS;
        }
        complain(&format!("unitward: {error:#}"));
        ExitCode::from(2)
    })
}

/// Prints a problem, or a note beside an answer, on standard error. Parts of it may come from
/// others, so it is made safe to show.
fn complain(text: &str) {
    eprintln!("{}", visible_lines(text));
}

/// Prints the result on standard output.
fn say(text: &str) {
    println!("{}", visible_lines(text));
}

/// Prints the reason for a refusal and returns the exit status.
fn refuse(why: &str) -> ExitCode {
    complain(why);
    ExitCode::from(PROBLEMS)
}

/// Starts the asynchronous runtime of commands that talk to the bus.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")
}

/// Prints a document of `--json` and a line end. All of them are printed here, so that no text in
/// one can control a terminal.
fn write_json(out: &mut impl Write, document: &str) -> io::Result<()> {
    writeln!(out, "{}", visible_json(document))
}
