//! Times in the syntax of systemd.time(7), parsed by systemd-analyze.

use crate::edge::program::HostProgram;
use anyhow::{Context as _, bail};

/// Parses the value of `--since` into milliseconds since the epoch.
pub(in crate::shell::cli) fn since(text: &str) -> anyhow::Result<u64> {
    time("--since", text)
}

/// Parses the value of an option into milliseconds since the epoch.
pub(in crate::shell::cli) fn time(option: &str, text: &str) -> anyhow::Result<u64> {
    let mut asked = HostProgram::SystemdAnalyze.command();
    // Times without a zone are in the caller's zone.
    asked
        .args(["timestamp", "--", text])
        .envs(std::env::var_os("TZ").map(|zone| ("TZ", zone)));
    let answer = asked.output().with_context(|| {
        format!("failed to run systemd-analyze, which reads the time of {option}")
    })?;
    let said = String::from_utf8_lossy(&answer.stdout);
    match said.lines().find_map(seconds) {
        Some(time) if answer.status.success() => Ok(time),
        _ => bail!(
            "{option} {text:?} is no time: systemd.time(7) has the forms, \"yesterday\" or \"-1h\" among them"
        ),
    }
}

/// Parses a line `   UNIX seconds: @1795236246.164889` into milliseconds.
fn seconds(line: &str) -> Option<u64> {
    let number = line.trim().strip_prefix("UNIX seconds: @")?;
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u64 = whole.parse().ok()?;
    let part: u64 = format!("{part:0<3}").get(..3)?.parse().ok()?;
    whole.checked_mul(1000)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_in_seconds_becomes_milliseconds() {
        assert_eq!(
            seconds("   UNIX seconds: @1795236246.164889"),
            Some(1_795_236_246_164)
        );
        assert_eq!(
            seconds("   UNIX seconds: @1795236246"),
            Some(1_795_236_246_000)
        );
        assert_eq!(seconds("   UNIX seconds: @5.5"), Some(5_500));
        assert_eq!(seconds("       From now: 1h ago"), None);
        assert_eq!(seconds("   UNIX seconds: @99999999999999999999"), None);
    }

    #[test]
    fn systemd_reads_its_own_times() {
        assert_eq!(since("2025-02-06 10:42:23 UTC").unwrap(), 1_738_838_543_000);
        assert!(since("-1h").unwrap() < since("now").unwrap());
        assert!(since("the day before").is_err());
    }
}
