//! Time spans as in systemd.time(7): `2s`, `1min 30s`, `500ms`, or a bare number of seconds.
//!
//! humantime reads the units; it does not know bare numbers, fractions or `infinity`. Bare numbers
//! and fractions are added here, `infinity` is refused: nothing in a recovery may last for ever.

use super::wrong::{Wrong, offset_in};
use std::time::Duration;

/// Longest span accepted, a year: keeps every sum of spans far from overflow.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// Parses one span.
///
/// # Errors
/// A [`Wrong`] that describes the expected form.
pub fn parse(text: &str) -> Result<Duration, Wrong> {
    let text = text.trim();
    let span = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => humantime::parse_duration(text).ok(),
    };
    span.filter(|span| *span <= LONGEST)
        .ok_or_else(|| wrong(text))
}

/// Units of time that a message may offer.
const UNITS: [&str; 12] = [
    "us", "ms", "s", "sec", "seconds", "min", "minutes", "h", "hours", "days", "weeks", "months",
];

/// Returns the reason why `text` is not a span.
fn wrong(text: &str) -> Wrong {
    const SHAPE: &str = "expected a time span such as 2s, 500ms or \"1min 30s\", at most a year";
    if text == "infinity" {
        return Wrong::from(
            "nothing in a recovery may last for ever; write a time span such as 2s, at most a year",
        );
    }
    let mut words = text
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| !word.is_empty());
    let begins_with_number = text.starts_with(|c: char| c.is_ascii_digit());
    match words.find(|word| humantime::parse_duration(&["1", word].concat()).is_err()) {
        Some(word) if begins_with_number => {
            let why = format!(
                "{word:?} is no unit of time; write us, ms, s, min, h or d, as in 10s or \"1min 30s\""
            );
            Wrong {
                offset: offset_in(text, word),
                ..Wrong::from(why).near(word, UNITS)
            }
        }
        _ => Wrong::from(SHAPE),
    }
}

/// Returns the span in whole milliseconds; the largest number if it is longer.
#[must_use]
pub fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Writes a span so that both systemd and [`parse`] read it back: `1min 30s`, `100ms`, `0`.
#[must_use]
pub fn render(span: Duration) -> String {
    if span.is_zero() {
        return "0".to_owned();
    }
    let mut text = String::with_capacity(16);
    // All spans that are read fit into a u64 of microseconds.
    let mut rest = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    for (unit, size) in [
        ("h", 3_600_000_000),
        ("min", 60_000_000),
        ("s", 1_000_000),
        ("ms", 1_000),
        ("us", 1),
    ] {
        if rest >= size {
            text.push_str(if text.is_empty() { "" } else { " " });
            text.push_str(&(rest / size).to_string());
            text.push_str(unit);
            rest %= size;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_systemd_writes_them() {
        for (text, millis) in [
            ("2s", 2_000),
            ("0", 0),
            ("90", 90_000),
            ("1.5", 1_500),
            ("1min 30s", 90_000),
            ("100ms", 100),
            ("10min", 600_000),
            ("2 h", 7_200_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in [
            "",
            "soon",
            "-1",
            "2 parsecs",
            "infinity",
            "nan",
            "1e40",
            "400d",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_unit_of_time_that_there_is_not_is_named_with_the_nearest() {
        for (text, offset, words) in [
            (
                "10 parsecs",
                3,
                "\"parsecs\" is no unit of time; write us, ms, s, min, h or d",
            ),
            ("1min 30secnds", 7, "did you mean \"seconds\"?"),
            ("5minuts", 1, "did you mean \"minutes\"?"),
            ("soon", 0, "expected a time span"),
            ("infinity", 0, "for ever"),
        ] {
            let wrong = parse(text).unwrap_err();
            assert_eq!(wrong.offset, offset, "{text}");
            assert!(wrong.to_string().contains(words), "{wrong}");
        }
    }

    #[test]
    fn rendered_spans_are_read_back_unchanged() {
        for micros in [
            0,
            1,
            999,
            100_000,
            1_000_000,
            61_500_000,
            3_600_000_000,
            5_400_000_001,
        ] {
            let span = Duration::from_micros(micros);
            assert_eq!(parse(&render(span)), Ok(span), "{}", render(span));
        }
    }
}
