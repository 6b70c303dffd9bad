//! Runs `journalctl` and parses its JSON (<https://systemd.io/JOURNAL_EXPORT_FORMATS/>): an object
//! a line.

use super::entry;
use crate::edge::program::HostProgram;
use serde_json::Value;
use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::thread;

/// Upper bound of one reading, in seconds; `timeout` then ends it, and the entries read so far
/// count.
const READING: &str = "120";

/// Upper bound of the time in which journald writes to disk what it was sent, in seconds.
const SYNC: &str = "10";

/// Longest line that is read, in bytes; longer ones are left out. No entry that counts comes near
/// it.
const LINE: u64 = 1 << 20;

/// Number of bytes of `journalctl`'s error messages that are kept.
const COMPLAINT: u64 = 4_096;

/// The fields of one entry that are text; of a field with several values the first.
#[derive(Debug, Default)]
pub(super) struct Fields(HashMap<String, String>);

impl Fields {
    /// Returns the value of a field.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns true if the field has this value.
    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.get(name) == Some(value)
    }

    /// Returns true if the field has this value or is missing.
    pub(super) fn is_or_lacks(&self, name: &str, value: &str) -> bool {
        self.get(name).is_none_or(|found| found == value)
    }

    /// Returns the entry's own cursor.
    pub(super) fn cursor(&self) -> Option<&str> {
        self.get("__CURSOR")
    }

    /// Parses a line; `None` if it is no JSON object.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let values: HashMap<String, Value> = serde_json::from_slice(line).ok()?;
        Some(Self(
            values
                .into_iter()
                .filter_map(|(name, value)| Some((name, text(&value)?)))
                .collect(),
        ))
    }
}

/// Returns the text of a value: a string; an array of bytes if it is not text; an array of either
/// if the entry has the field several times. `None` for null, which stands for a value that is too
/// long; `--all` prevents that.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(values) if values.iter().all(Value::is_u64) => {
            let bytes: Option<Vec<u8>> = values
                .iter()
                .map(|byte| u8::try_from(byte.as_u64()?).ok())
                .collect();
            Some(String::from_utf8_lossy(&bytes?).into_owned())
        }
        Value::Array(values) => values.first().and_then(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// Makes journald write out all that it was sent. If that fails, the scan uses the entries that are
/// there.
pub(super) fn sync() {
    let _ = bounded(SYNC)
        .arg("--sync")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// Runs `journalctl` with `arguments` and passes each entry to `take`.
///
/// # Errors
/// If it cannot be run or fails; the error holds what it said. [`io::ErrorKind::TimedOut`]: it took
/// too long.
pub(super) fn journalctl(arguments: &[String], take: &mut dyn FnMut(Fields)) -> io::Result<()> {
    read(
        Wanted {
            fields: entry::FIELDS,
            seconds: READING,
            whole: true,
        },
        arguments,
        take,
    )
}

/// Output and time limit of one run of `journalctl`.
pub(super) struct Wanted<'a> {
    /// Names of the fields to print, separated by commas.
    pub(super) fields: &'a str,
    /// Time limit, in seconds.
    pub(super) seconds: &'a str,
    /// True if fields above 4 KiB are printed too; bytes that are no text cost journalctl forty
    /// times their size.
    pub(super) whole: bool,
}

/// Runs `journalctl` with `arguments` and these options, and passes each entry to `take`.
///
/// # Errors
/// As [`journalctl`].
pub(super) fn read(
    Wanted {
        fields,
        seconds,
        whole,
    }: Wanted<'_>,
    arguments: &[String],
    take: &mut dyn FnMut(Fields),
) -> io::Result<()> {
    let fields = format!("--output-fields={fields}");
    let mut child = bounded(seconds)
        .args(["--quiet", "--no-pager", "--output=json", &fields])
        .args(whole.then_some("--all"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let complaint = child
        .stderr
        .take()
        .map(|stderr| thread::spawn(move || first_of(stderr)));
    let read = child
        .stdout
        .take()
        .map_or(Ok(()), |stdout| lines(&mut BufReader::new(stdout), take));
    let complaint = complaint
        .and_then(|thread| thread.join().ok())
        .unwrap_or_default();
    ended(child, seconds, read, &complaint)
}

/// Waits for the end of the child and returns the result of the reading.
fn ended(mut child: Child, seconds: &str, read: io::Result<()>, complaint: &str) -> io::Result<()> {
    let status = child.wait()?;
    read?;
    if status.success() {
        return Ok(());
    }
    // Exit statuses of timeout(1) when it had to end or to kill its command.
    if matches!(status.code(), Some(124 | 137)) {
        return Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("journalctl takes longer than {seconds} s"),
        ));
    }
    let said = complaint
        .trim()
        .lines()
        .next()
        .unwrap_or("it said nothing")
        .to_owned();
    Err(io::Error::other(format!(
        "journalctl ended with {status}: {said}"
    )))
}

/// Returns a command that runs `journalctl` below `timeout` of the coreutils.
fn bounded(seconds: &str) -> Command {
    let mut command = HostProgram::Timeout.command();
    command.args(["--kill-after=5", seconds, HostProgram::Journalctl.path()]);
    command
}

fn lines(from: &mut dyn io::BufRead, take: &mut dyn FnMut(Fields)) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if from.take(LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.ends_with(b"\n") {
            Fields::parse(&line).into_iter().for_each(&mut *take);
        } else {
            from.skip_until(b'\n')?;
        }
    }
}

/// Returns the beginning of what is written; the rest is read and dropped, so that the writer does
/// not block.
fn first_of(mut from: impl Read) -> String {
    let mut first = Vec::new();
    let _ = from.by_ref().take(COMPLAINT).read_to_end(&mut first);
    let _ = io::copy(&mut from, &mut io::sink());
    String::from_utf8_lossy(&first).into_owned()
}

/// Returns the boot ID in a cursor.
pub(super) fn boot_of(cursor: &str) -> Option<&str> {
    part(cursor, "b").filter(|boot| boot.len() == 32)
}

/// Returns the time at which a cursor's entry was written, as `--since=` takes it. For a cursor
/// without a valid time: a day ago.
pub(super) fn time_of(cursor: &str) -> String {
    let micros = part(cursor, "t").and_then(|micros| u64::from_str_radix(micros, 16).ok());
    micros.map_or("-1d".to_owned(), |micros| {
        format!("@{}", micros / 1_000_000)
    })
}

fn part<'c>(cursor: &'c str, name: &str) -> Option<&'c str> {
    let parts = cursor.split(';').filter_map(|part| part.split_once('='));
    parts.into_iter().find_map(|(key, value)| {
        (key == name && value.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_may_be_text_bytes_several_values_or_too_long() {
        let line =
            br#"{"A":"x","B":[97,10,255],"C":["first","second"],"D":[[98],"x"],"E":null,"F":[256],"G":{},"H":[]}"#;
        let fields = Fields::parse(line).unwrap();
        let values = ["A", "B", "C", "D", "E", "F", "G", "H", "I"].map(|name| fields.get(name));
        let bytes = "a\n\u{fffd}";
        assert_eq!(
            values,
            [
                Some("x"),
                Some(bytes),
                Some("first"),
                Some("b"),
                None,
                None,
                None,
                Some(""),
                None
            ]
        );
        assert!(Fields::parse(b"{\"A\":").is_none() && Fields::parse(b"[]").is_none());
    }

    #[test]
    fn lines_that_are_damaged_or_endless_cost_nothing_but_themselves() {
        let endless = format!("{{\"A\":\"{}\"}}\n", "x".repeat(3 << 20));
        let text =
            format!("{{\"A\":\"1\"}}\nnonsense\n\n{endless}{{\"A\":\"2\"}}\n{{\"A\":\"cut off");
        let mut seen = Vec::new();
        let take = &mut |fields: Fields| seen.extend(fields.get("A").map(str::to_owned));
        lines(&mut BufReader::new(text.as_bytes()), take).unwrap();
        assert_eq!(seen, ["1", "2"]);
    }

    #[test]
    fn a_cursor_says_its_boot_and_time_unless_it_is_none() {
        let boot = "0123456789abcdef0123456789abcdef";
        let cursor = format!("s=01;i=145;b={boot};m=32c174812;t=660c2a622be97;x=2908b69ca864d274");
        assert_eq!(
            (boot_of(&cursor), time_of(&cursor).as_str()),
            (Some(boot), "@1795238987")
        );
        for garbage in [
            "",
            "garbage",
            "b=;t=",
            "b=--boot;t=--since",
            "t=ffffffffffffffffffffffff",
        ] {
            assert_eq!(
                (boot_of(garbage), time_of(garbage).as_str()),
                (None, "-1d"),
                "{garbage}"
            );
        }
    }
    #[test]
    fn a_reading_that_takes_too_long_is_told_from_one_that_fails() {
        for (status, late) in [(1, false), (124, true), (137, true)] {
            let child = Command::new("sh")
                .args(["-c", &format!("exit {status}")])
                .spawn()
                .unwrap();
            let error = ended(child, READING, Ok(()), "").unwrap_err();
            assert_eq!(error.kind() == io::ErrorKind::TimedOut, late, "{error}");
        }
    }
}
