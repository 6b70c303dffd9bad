//! `unitwardd`, which listens to PID 1 and reports crashes; see [`unitward::shell::daemon`].

use std::process::ExitCode;

fn main() -> ExitCode {
    unitward::shell::daemon::main()
}
