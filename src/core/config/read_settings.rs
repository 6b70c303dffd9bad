//! From `unitward.conf` and its drop-ins to [`Settings`].

use super::SourceFile;
use super::problem::{Mistake, Problem};
use super::read_keys::{self, Refusal, boolean, span_or};
use super::read_mqtt::{self, MqttReader};
use super::settings::{LEAST_HISTORY, Node, Reports, Settings};
use super::syntax;
use super::wrong::{nearest, offset_in};

const SECTIONS: [&str; 4] = ["Node", "MQTT", "Reports", "Watch"];
const NODE: [&str; 4] = ["NodeId", "LocationId", "FirmwareVersion", "Model"];
const REPORTS: [&str; 8] = [
    "Crashes",
    "Recoveries",
    "Burst",
    "BurstIntervalSec",
    "BacktraceTimeoutSec",
    "LogLines",
    "HistoryMaxUse",
    "HistoryMaxAge",
];

/// Upper bound of `LogLines=`.
const MOST_LINES: usize = 100;

/// Reads the files in order, main file first; later values win.
#[must_use]
pub fn read(files: &[SourceFile]) -> (Settings, Vec<Problem>) {
    let mut settings = Settings::default();
    let mut problems = Vec::new();
    let mut mqtt = MqttReader::default();
    for file in files {
        let (sections, wrong) = syntax::split(file);
        problems.extend(wrong);
        for section in &sections {
            let wrong = match section.name.as_ref() {
                "Node" => read_keys::read(section, &NODE, |key, value| {
                    set_node(&mut settings.node, key, value)
                }),
                "MQTT" => mqtt.read(section),
                "Reports" => read_keys::read(section, &REPORTS, |key, value| {
                    set_reports(&mut settings.reports, key, value)
                }),
                "Watch" => {
                    problems.extend(section.entries.iter().flat_map(watched_in_vain));
                    read_keys::read(section, &["Units"], |key, value| {
                        set_watch(&mut settings.watch, key, value)
                    })
                }
                name if name.starts_with("X-") => Vec::new(),
                name => vec![Problem {
                    at: section.at.clone(),
                    mistake: Mistake::UnknownSection {
                        section: name.to_owned(),
                        nearest: nearest(name, SECTIONS),
                    },
                }],
            };
            problems.extend(read_keys::sent_home(wrong, home_of));
        }
    }
    let (mqtt, wrong) = mqtt.finish();
    settings.mqtt = mqtt;
    problems.extend(wrong);
    (settings, problems)
}

/// Returns the section that has this key.
fn home_of(key: &str) -> Option<&'static str> {
    match key {
        _ if NODE.contains(&key) => Some("Node"),
        _ if read_mqtt::KEYS.contains(&key) => Some("MQTT"),
        _ if REPORTS.contains(&key) => Some("Reports"),
        "Units" => Some("Watch"),
        _ => None,
    }
}

fn set_node(node: &mut Node, key: &str, value: &str) -> Result<(), Refusal> {
    let field = match key {
        "NodeId" => &mut node.node_id,
        "LocationId" => &mut node.location_id,
        "FirmwareVersion" => &mut node.firmware_version,
        "Model" => &mut node.model,
        _ => return Err(Refusal::Unknown),
    };
    *field = text(value);
    Ok(())
}

fn set_reports(reports: &mut Reports, key: &str, value: &str) -> Result<(), Refusal> {
    let default = Reports::default();
    match key {
        "Crashes" => {
            reports.crashes = if value.is_empty() {
                default.crashes
            } else {
                boolean(value)?
            }
        }
        "Recoveries" => {
            reports.recoveries = if value.is_empty() {
                default.recoveries
            } else {
                boolean(value)?
            }
        }
        "Burst" if value.is_empty() => reports.burst = default.burst,
        "Burst" => {
            reports.burst = value
                .parse()
                .map_err(|_| "expected a number of reports, 0 or more, as in Burst=20")?
        }
        "BurstIntervalSec" => reports.burst_interval = span_or(default.burst_interval, value)?,
        "BacktraceTimeoutSec" => {
            reports.backtrace_timeout = span_or(default.backtrace_timeout, value)?
        }
        "LogLines" if value.is_empty() => reports.log_lines = default.log_lines,
        "LogLines" => {
            let lines = value.parse().ok().filter(|lines| *lines <= MOST_LINES);
            reports.log_lines =
                lines.ok_or("expected a number of lines, 0 to 100, as in LogLines=20")?;
        }
        "HistoryMaxUse" if value.is_empty() => reports.history_max_use = default.history_max_use,
        "HistoryMaxUse" => reports.history_max_use = history_size(value)?,
        "HistoryMaxAge" => reports.history_max_age = span_or(default.history_max_age, value)?,
        _ => return Err(Refusal::Unknown),
    }
    Ok(())
}

fn set_watch(watch: &mut Vec<String>, key: &str, value: &str) -> Result<(), Refusal> {
    match key {
        "Units" if value.is_empty() => watch.clear(),
        "Units" => watch.extend(value.split_whitespace().map(str::to_owned)),
        _ => return Err(Refusal::Unknown),
    }
    Ok(())
}

/// Returns a warning for each pattern that no service's name can match.
fn watched_in_vain(entry: &syntax::Entry<'_>) -> Vec<Problem> {
    let words = entry
        .value
        .split_whitespace()
        .filter(|word| entry.key == "Units" && (is_unclosed(word) || !may_match_a_service(word)));
    let warnings = words.map(|word| {
        let meant = word.rsplit_once('.').map_or(word, |(stem, _)| stem);
        let text = if is_unclosed(word) {
            format!(
                "{word} takes no unit: its [ begins a set of letters that no ] ends; write ], as in [ab]*.service"
            )
        } else {
            format!(
                "{word} takes no unit: crashes are those of services, whose names end in .service; write {meant}.service"
            )
        };
        Problem {
            at: entry.place_of(offset_in(&entry.value, word)),
            mistake: Mistake::Warning(text),
        }
    });
    warnings.collect()
}

/// Returns true if a set of letters in the pattern has no end.
fn is_unclosed(pattern: &str) -> bool {
    let mut rest = pattern;
    while let Some((_, set)) = rest.split_once('[') {
        // The first letter of a set may be a bracket.
        let first = set.strip_prefix('!').unwrap_or(set);
        let inner = first
            .char_indices()
            .nth(1)
            .map_or("", |(at, _)| &first[at..]);
        match inner.split_once(']') {
            Some((_, behind)) => rest = behind,
            None => return true,
        }
    }
    false
}

fn may_match_a_service(pattern: &str) -> bool {
    const SUFFIX: &str = ".service";
    let tail = pattern.rsplit(['*', '?', ']']).next().unwrap_or_default();
    tail.ends_with(SUFFIX) || tail.len() < pattern.len() && SUFFIX.ends_with(tail)
}

fn text(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn history_size(value: &str) -> Result<u64, Refusal> {
    let size = bytes(value)?;
    if size < LEAST_HISTORY {
        let least = LEAST_HISTORY >> 10;
        return Err(format!("expected at least {least}K, as in 16M: less holds no history").into());
    }
    Ok(size)
}

/// Parses a size as systemd writes it: a number of bytes, or with K, M, G, T to the base 1024.
fn bytes(value: &str) -> Result<u64, Refusal> {
    const SHAPE: &str = "expected a size in bytes, or with K, M, G or T, as in 16M";
    let (number, factor) = match value.chars().last().map(|c| c.to_ascii_uppercase()) {
        Some('K') => (&value[..value.len() - 1], 1 << 10),
        Some('M') => (&value[..value.len() - 1], 1 << 20),
        Some('G') => (&value[..value.len() - 1], 1 << 30),
        Some('T') => (&value[..value.len() - 1], 1_u64 << 40),
        _ => (value, 1),
    };
    let number: u64 = number.trim().parse().map_err(|_| SHAPE)?;
    Ok(number.checked_mul(factor).ok_or(SHAPE)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_takes_no_service_is_said() {
        for fine in [
            "*",
            "*.service",
            "a.service",
            "web*",
            "a?",
            "x@[12]",
            "web*ice",
        ] {
            assert!(may_match_a_service(fine), "{fine}");
        }
        for vain in ["*.mount", "cron", "a*.socket", "dbus.socket"] {
            assert!(!may_match_a_service(vain), "{vain}");
        }
        let (settings, problems) = check("[Watch]\nUnits=*.service *.mount\n");
        assert_eq!(settings.watch, ["*.service", "*.mount"]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].contains("2:17: *.mount takes no unit")
                && problems[0].ends_with("write *.service"),
            "{problems:?}"
        );
    }

    fn check(text: &str) -> (Settings, Vec<String>) {
        let (settings, problems) = read(&[SourceFile {
            path: std::path::Path::new("unitward.conf").into(),
            text: text.into(),
        }]);
        (settings, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn nothing_at_all_gives_the_defaults() {
        assert_eq!(check(""), (Settings::default(), vec![]));
    }

    #[test]
    fn every_key_is_read() {
        let (settings, problems) = check(
            "[Node]\nNodeId=n\nLocationId=l\nFirmwareVersion=1\nModel=m\n[MQTT]\nBroker=mqtts://broker\nClientId=c\nUsername=u\n\
             PasswordFile=/p\nCAFile=/a\nCertFile=/b\nKeyFile=/k\nCrashTopic=x/%n/%l\nRecoveryTopic=y\n[Reports]\nCrashes=no\nBurst=1000\n\
             BurstIntervalSec=2min\nBacktraceTimeoutSec=1\nHistoryMaxUse=1G\nHistoryMaxAge=1d\n[Watch]\nUnits=a.service b*\nUnits=c*\n",
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!(settings.mqtt.broker.map(|broker| broker.port), Some(8883));
        assert_eq!(
            (
                settings.mqtt.crash_topic.as_str(),
                settings.mqtt.recovery_topic.as_str()
            ),
            ("x/%n/%l", "y")
        );
        assert!(!settings.reports.crashes);
        assert_eq!(
            (settings.reports.burst, settings.reports.history_max_use),
            (1000, 1 << 30)
        );
        assert_eq!(settings.watch, ["a.service", "b*", "c*"]);
    }

    #[test]
    fn a_history_too_small_to_hold_anything_is_refused() {
        for (size, expected) in [
            ("1", 16 << 20),
            ("255K", 16 << 20),
            ("256K", 256 << 10),
            ("1M", 1 << 20),
        ] {
            let (settings, problems) = check(&format!("[Reports]\nHistoryMaxUse={size}\n"));
            assert_eq!(settings.reports.history_max_use, expected, "{size}");
            assert_eq!(
                problems.len(),
                usize::from(expected == 16 << 20),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn a_bad_key_costs_itself_and_is_named_with_its_line() {
        let (settings, problems) =
            check("[Reports]\nBurst=lots\nBrust=1\nBurst=3\n[Mqtt]\n[MQTT]\nCrashTopic=a/#\n");
        assert_eq!(settings.reports.burst, 3);
        assert_eq!(settings.mqtt.crash_topic, "Crash/Reports");
        assert_eq!(problems.len(), 4);
        assert!(
            problems[0].starts_with("unitward.conf:2:7: Burst=\"lots\" is not valid"),
            "{}",
            problems[0]
        );
        assert!(
            problems[1].contains("did you mean \"Burst\"?"),
            "{}",
            problems[1]
        );
        assert!(
            problems[2].contains("did you mean \"MQTT\"?"),
            "{}",
            problems[2]
        );
        assert!(
            problems[3].starts_with("unitward.conf:7:"),
            "{}",
            problems[3]
        );
    }

    #[test]
    fn a_set_of_letters_without_an_end_is_called_so() {
        let all = [
            "[a",
            "a[.service",
            "[]",
            "[a]*.service",
            "[]]x.service",
            "[!a]",
            "a]",
        ];
        assert_eq!(
            all.map(is_unclosed),
            [true, true, true, false, false, false, false]
        );
    }
}
