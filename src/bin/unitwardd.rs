//! `unitwardd`: the listener and reporter.

use std::process::ExitCode;

fn main() -> ExitCode {
    unitward::shell::daemon::main()
}
