//! `unitward-step`; see [`unitward::edge::step`].

use std::process::ExitCode;

fn main() -> ExitCode {
    unitward::edge::step::main()
}
