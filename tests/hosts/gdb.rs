//! What a report tells of a stack and what gdb finds in the same core, in one form.

use crate::backtraces::FOLDER;
use crate::host::Host;
use serde_json::Value;
use std::process::Command;

/// What a line tells.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) address: u64,
    pub(crate) function: String,
    /// `None` where no function is known.
    pub(crate) offset: Option<u64>,
}

fn number(digits: &str) -> u64 {
    u64::from_str_radix(
        digits
            .strip_prefix("0x")
            .unwrap_or_else(|| panic!("{digits:?} is hexadecimal")),
        16,
    )
    .unwrap()
}

/// The lines of a report's backtrace, with the object of each.
pub(crate) fn told(backtrace: &str) -> Vec<(Told, String)> {
    let lines = backtrace
        .split_terminator("\n")
        .enumerate()
        .map(|(place, line)| {
            let rest = if place == 0 {
                line
            } else {
                line.strip_prefix(' ').unwrap()
            };
            let rest = rest
                .strip_prefix(&format!("{place} > "))
                .unwrap_or_else(|| panic!("{line:?} is number {place}"));
            let (address, rest) = rest.split_once(": ").unwrap();
            let (rest, object) = rest.rsplit_once(' ').unwrap();
            let (function, offset) = rest.rsplit_once(' ').unwrap();
            let offset = (function != "(null)").then(|| number(offset));
            (
                Told {
                    address: number(address),
                    function: function.into(),
                    offset,
                },
                object.into(),
            )
        });
    lines.collect()
}

/// What gdb makes of the same core, for the same addresses.
pub(crate) fn gdb(host: &Host, program: &str, entry: &Value, addresses: &[u64]) -> Vec<Told> {
    const MARK: &str = "-- from here on --";
    let pid = format!("COREDUMP_PID={}", entry["COREDUMP_PID"].as_str().unwrap());
    host.run(&["coredumpctl", "--output=/opt/core", "dump", &pid]);
    let root = host.path("").display().to_string();
    let mut command = Command::new("gdb");
    command.args(["-nx", "-batch", "-iex", &format!("set sysroot {root}")]);
    for setting in [
        "auto-load off",
        "debuginfod enabled off",
        // This machine has debug information for some of its libraries; the host has none.
        "debug-file-directory /nowhere",
        "backtrace past-main on",
        "width 0",
    ] {
        command.args(["-iex", &format!("set {setting}")]);
    }
    command
        .arg(host.path(&format!("{FOLDER}/{program}")))
        .arg("-c")
        .arg(host.path("/opt/core"))
        .args(["-ex", &format!("echo {MARK}\\n")]);
    command.args(["-ex", "backtrace"]);
    for (place, address) in addresses.iter().enumerate() {
        command.args([
            "-ex",
            &format!("echo \\n{MARK}\\n"),
            "-ex",
            &format!("info symbol {}", address - u64::from(place > 0)),
        ]);
    }
    let output = command.output().expect("gdb is installed");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut parts = text.split(MARK).skip(1).map(str::trim);
    let stack = parts
        .next()
        .unwrap_or_else(|| panic!("gdb failed: {}", String::from_utf8_lossy(&output.stderr)));
    let symbols = parts
        .enumerate()
        .map(|(place, symbol)| Some(symbol_offset(symbol)? + u64::from(place > 0)));
    stack
        .lines()
        .zip(symbols)
        .map(|(line, offset)| Told {
            offset,
            ..gdb_frame(line)
        })
        .collect()
}

/// `#4  0x00007fe8c183e129 in library_entry () from /opt/programs/libgive-up.so`
fn gdb_frame(line: &str) -> Told {
    let (_, rest) = line.split_once(char::is_whitespace).unwrap();
    let (address, rest) = rest
        .trim_start()
        .split_once(" in ")
        .unwrap_or_else(|| panic!("{line:?} has an address"));
    let function = rest[..rest.rfind(" ()").unwrap()].to_owned();
    let function = if function == "??" {
        "(null)".to_owned()
    } else {
        without_hashes(&function)
    };
    Told {
        address: number(address),
        function,
        offset: None,
    }
}

/// `raise + 18 in section .text of /usr/lib/x86_64-linux-gnu/libc.so.6`, `main in section .text`
fn symbol_offset(symbol: &str) -> Option<u64> {
    let (place, _) = symbol.rsplit_once(" in section ")?;
    Some(
        place
            .rsplit_once(" + ")
            .and_then(|(_, offset)| offset.parse().ok())
            .unwrap_or(0),
    )
}

/// gdb shows what tells equal names of Rust apart: `std[e28293b1aa0f68bd]::process::abort`, `panics::main::h3c3070e1d9adba36`.
fn without_hashes(function: &str) -> String {
    let is_hash =
        |text: &str| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut pieces = function.split('[');
    let mut short = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once(']') {
            Some((hash, rest)) if is_hash(hash) => short += rest,
            _ => short = format!("{short}[{piece}"),
        }
    }
    match short.rsplit_once("::h") {
        Some((name, hash)) if is_hash(hash) => name.to_owned(),
        _ => short,
    }
}
