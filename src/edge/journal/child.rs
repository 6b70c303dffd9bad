//! `journalctl` as a child, and its JSON (https://systemd.io/JOURNAL_EXPORT_FORMATS/): an object a line.

use super::entry;
use crate::edge::program::HostProgram;
use serde_json::Value;
use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::thread;

/// How long one reading may take, in seconds; `timeout` then ends it, and what was read counts.
const READING: &str = "120";

/// How long journald may take to write down what it was sent.
const SYNC: &str = "10";

/// Lines longer than this are left out: no entry that counts comes near it.
const LINE: u64 = 1 << 20;

/// What `journalctl` may say of an error before it is cut off.
const COMPLAINT: u64 = 4_096;

/// One entry's fields that are text; of a field with several values the first.
#[derive(Debug, Default)]
pub(super) struct Fields(HashMap<String, String>);

impl Fields {
    /// The value of a field.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The entry's own cursor.
    pub(super) fn cursor(&self) -> Option<&str> {
        self.get("__CURSOR")
    }

    /// Reads a line.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let values: HashMap<String, Value> = serde_json::from_slice(line).ok()?;
        Some(Self(values.into_iter().filter_map(|(name, value)| Some((name, text(&value)?))).collect()))
    }
}

/// A string; an array of bytes where it is not text; an array of either where the field is there several times; null
/// where it is too long, which `--all` prevents.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(values) if values.iter().all(Value::is_u64) => {
            let bytes: Option<Vec<u8>> = values.iter().map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
            Some(String::from_utf8_lossy(&bytes?).into_owned())
        }
        Value::Array(values) => values.first().and_then(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// Has journald write down whatever it was sent. If it cannot, the scan makes do with what is there.
pub(super) fn sync() {
    let _ = bounded(SYNC).arg("--sync").stdout(Stdio::null()).stderr(Stdio::null()).status();
}

/// Runs `journalctl` with `arguments` and hands over each entry.
///
/// # Errors
/// When it cannot be run or fails; what it said is in the error. [`io::ErrorKind::TimedOut`]: it took too long.
pub(super) fn journalctl(arguments: &[String], take: &mut dyn FnMut(Fields)) -> io::Result<()> {
    read(Wanted { fields: entry::FIELDS, seconds: READING, whole: true }, arguments, take)
}

/// What journalctl is to print.
pub(super) struct Wanted<'a> {
    /// These fields.
    pub(super) fields: &'a str,
    /// In so many seconds at the longest.
    pub(super) seconds: &'a str,
    /// Fields above 4 KiB too; bytes that are no text cost journalctl forty times their size.
    pub(super) whole: bool,
}

/// The same with these fields.
///
/// # Errors
/// As [`journalctl`].
pub(super) fn read(
    Wanted { fields, seconds, whole }: Wanted<'_>,
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
    let complaint = child.stderr.take().map(|stderr| thread::spawn(move || first_of(stderr)));
    let read = child.stdout.take().map_or(Ok(()), |stdout| lines(&mut BufReader::new(stdout), take));
    ended((child, seconds), read, complaint.and_then(|thread| thread.join().ok()).unwrap_or_default())
}

fn ended((mut child, seconds): (Child, &str), read: io::Result<()>, complaint: String) -> io::Result<()> {
    let status = child.wait()?;
    read?;
    if status.success() {
        return Ok(());
    }
    // What timeout(1) ends with when it had to end or to kill the other.
    if matches!(status.code(), Some(124 | 137)) {
        return Err(io::Error::new(io::ErrorKind::TimedOut, format!("journalctl takes longer than {seconds} s")));
    }
    let said = complaint.trim().lines().next().unwrap_or("it said nothing").to_owned();
    Err(io::Error::other(format!("journalctl ended with {status}: {said}")))
}

/// `journalctl` below `timeout` of the coreutils.
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

/// The beginning of what is said; the rest is read too, lest the writer waits for a reader.
fn first_of(mut from: impl Read) -> String {
    let mut first = Vec::new();
    let _ = from.by_ref().take(COMPLAINT).read_to_end(&mut first);
    let _ = io::copy(&mut from, &mut io::sink());
    String::from_utf8_lossy(&first).into_owned()
}

/// The boot that a cursor names.
pub(super) fn boot_of(cursor: &str) -> Option<&str> {
    part(cursor, "b").filter(|boot| boot.len() == 32)
}

/// When a cursor's entry was written, as `--since=` takes it. A cursor that does not say so is no cursor: a day ago.
pub(super) fn time_of(cursor: &str) -> String {
    let micros = part(cursor, "t").and_then(|micros| u64::from_str_radix(micros, 16).ok());
    micros.map_or("-1d".to_owned(), |micros| format!("@{}", micros / 1_000_000))
}

fn part<'c>(cursor: &'c str, name: &str) -> Option<&'c str> {
    let parts = cursor.split(';').filter_map(|part| part.split_once('='));
    parts
        .into_iter()
        .find_map(|(key, value)| (key == name && value.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(value))
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
        assert_eq!(values, [Some("x"), Some(bytes), Some("first"), Some("b"), None, None, None, Some(""), None]);
        assert!(Fields::parse(b"{\"A\":").is_none() && Fields::parse(b"[]").is_none());
    }

    #[test]
    fn lines_that_are_damaged_or_endless_cost_nothing_but_themselves() {
        let endless = format!("{{\"A\":\"{}\"}}\n", "x".repeat(3 << 20));
        let text = format!("{{\"A\":\"1\"}}\nnonsense\n\n{endless}{{\"A\":\"2\"}}\n{{\"A\":\"cut off");
        let mut seen = Vec::new();
        let take = &mut |fields: Fields| seen.extend(fields.get("A").map(str::to_owned));
        lines(&mut BufReader::new(text.as_bytes()), take).unwrap();
        assert_eq!(seen, ["1", "2"]);
    }

    #[test]
    fn a_cursor_says_its_boot_and_time_unless_it_is_none() {
        let boot = "0123456789abcdef0123456789abcdef";
        let cursor = format!("s=01;i=145;b={boot};m=32c174812;t=660c2a622be97;x=2908b69ca864d274");
        assert_eq!((boot_of(&cursor), time_of(&cursor).as_str()), (Some(boot), "@1795238987"));
        for garbage in ["", "garbage", "b=;t=", "b=--boot;t=--since", "t=ffffffffffffffffffffffff"] {
            assert_eq!((boot_of(garbage), time_of(garbage).as_str()), (None, "-1d"), "{garbage}");
        }
    }
    #[test]
    fn a_reading_that_takes_too_long_is_told_from_one_that_fails() {
        for (status, late) in [(1, false), (124, true), (137, true)] {
            let child = Command::new("sh").args(["-c", &format!("exit {status}")]).spawn().unwrap();
            let error = ended((child, READING), Ok(()), String::new()).unwrap_err();
            assert_eq!(error.kind() == io::ErrorKind::TimedOut, late, "{error}");
        }
    }
}
