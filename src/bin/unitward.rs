//! `unitward`; see [`unitward::shell::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    unitward::shell::cli::main()
}
