//! Answers of PID 1, at its own socket or on the bus. A missing value or one of another type is
//! empty, zero or `None`, never a panic.

use super::TIME_LIMITS;
use crate::core::crash::observation::ProcessEnd;
use crate::core::crash::reason::TimeLimits;
use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;
use zbus::{OwnedVariant, Variant};

/// Properties by their names, which borrow from a message.
#[derive(Debug, Default)]
pub struct PropertiesOf<'m>(HashMap<Cow<'m, str>, Variant<'m>>);

/// Properties by their names.
pub type Properties = PropertiesOf<'static>;

/// A line such as `ExecStartPre=`, and its last end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its words, the program first.
    pub words: Vec<String>,
    /// True if `-` makes systemd ignore its failure.
    pub forgiven: bool,
    /// Time of its start, in microseconds since the epoch; 0: never.
    pub began: u64,
    /// Id of its process.
    pub pid: u32,
    /// End of the process; `None`: it has not ended.
    pub end: Option<ProcessEnd>,
    /// Time of the end, in microseconds since the epoch.
    pub ended: u64,
    /// The same by the monotonic clock, in microseconds.
    pub over: u64,
    /// Duration; `None`: a daemon-reload came while it ran, and then PID 1 only keeps that it runs.
    pub took: Option<Duration>,
}

/// Properties as a message carries them.
pub type Dictionary<'m> = HashMap<&'m str, Variant<'m>>;

impl<'m> From<Dictionary<'m>> for PropertiesOf<'m> {
    fn from(known: Dictionary<'m>) -> Self {
        let known = known.into_iter();
        Self(
            known
                .map(|(property, value)| (Cow::Borrowed(property), value))
                .collect(),
        )
    }
}

impl Properties {
    pub(super) fn put(&mut self, property: &str, value: OwnedVariant) {
        self.0.insert(Cow::Owned(property.to_owned()), value.into());
    }
}

impl PropertiesOf<'_> {
    fn value(&self, property: &str) -> Option<&Variant<'_>> {
        self.0.get(property)
    }

    fn list(&self, property: &str) -> &[Variant<'_>] {
        self.value(property).map_or(&[], list)
    }

    /// Returns true if there is a value, of whatever type.
    #[must_use]
    pub fn has(&self, property: &str) -> bool {
        self.0.contains_key(property)
    }

    /// Returns a text; empty if there is none.
    #[must_use]
    pub fn text(&self, property: &str) -> &str {
        self.value(property).map_or("", text)
    }

    /// Iterates over the texts of a list.
    pub fn texts(&self, property: &str) -> impl Iterator<Item = &str> {
        self.list(property).iter().map(text)
    }

    /// Iterates over the first fields, texts, of a list of structures.
    pub fn first_texts(&self, property: &str) -> impl Iterator<Item = &str> {
        self.list(property)
            .iter()
            .map(|value| fields(value).first().map_or("", text))
    }

    /// Returns a number of type `u64`, `u32` or `i32`; `None` if it is negative or too large for
    /// `T`.
    #[must_use]
    pub fn number<T: TryFrom<u64>>(&self, property: &str) -> Option<T> {
        let number = match self.value(property)? {
            Variant::U64(number) => *number,
            Variant::U32(number) => u64::from(*number),
            Variant::I32(number) => u64::try_from(*number).ok()?,
            _ => return None,
        };
        T::try_from(number).ok()
    }

    /// Returns a number as [`Self::number`] does, and 0 if there is none.
    #[must_use]
    pub fn number_or_zero<T: TryFrom<u64> + Default>(&self, property: &str) -> T {
        self.number(property).unwrap_or_default()
    }

    /// Returns a boolean.
    #[must_use]
    pub fn flag(&self, property: &str) -> Option<bool> {
        match self.value(property)? {
            Variant::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// Returns the end of a process that two properties describe, each of type `i32`; `None`: they
    /// are missing, or it has not ended.
    #[must_use]
    pub fn process_end(&self, code: &str, status: &str) -> Option<ProcessEnd> {
        match (self.value(code)?, self.value(status)?) {
            (Variant::I32(code), Variant::I32(status)) => ProcessEnd::from_wait(*code, *status),
            _ => None,
        }
    }

    /// Returns true if a set of exit statuses and signals, `(aiai)`, contains this end.
    #[must_use]
    pub fn names(&self, set: &str, end: ProcessEnd) -> bool {
        let (kind, number) = match end {
            ProcessEnd::Exited(status) => (0, status),
            ProcessEnd::Killed(signal) | ProcessEnd::Dumped(signal) => (1, signal),
        };
        let of_kind = self
            .value(set)
            .and_then(|set| fields(set).get(kind))
            .map_or(&[][..], list);
        of_kind
            .iter()
            .any(|one| matches!(one, Variant::I32(one) if *one == number))
    }

    /// Returns an id as systemd prints it; `None` if it has no bytes.
    #[must_use]
    pub fn id(&self, property: &str) -> Option<String> {
        let digits = self.list(property).iter().filter_map(|byte| match byte {
            Variant::U8(byte) => Some(format!("{byte:02x}")),
            _ => None,
        });
        Some(digits.collect()).filter(|id: &String| !id.is_empty())
    }

    /// Returns a time span, which PID 1 gives in microseconds; `None` for infinity.
    #[must_use]
    pub fn span(&self, property: &str) -> Option<Duration> {
        self.number(property)
            .filter(|micros| *micros != u64::MAX)
            .map(Duration::from_micros)
    }

    /// Returns the number and the object path of the unit's job, if it has one and `Job` is there.
    #[must_use]
    pub fn job(&self) -> Option<(u32, &str)> {
        match fields(self.value("Job")?) {
            [Variant::U32(number), Variant::ObjectPath(path)] if *number > 0 => {
                Some((*number, path.as_str()))
            }
            _ => None,
        }
    }

    /// Returns the text of an error, `(ss)`: name and text; `None`: there is no error.
    #[must_use]
    pub fn error(&self, property: &str) -> Option<&str> {
        let error = fields(self.value(property)?).get(1).map_or("", text);
        Some(error).filter(|error| !error.is_empty())
    }

    /// Iterates over a list of commands, in the order in which they run.
    pub fn commands(&self, property: &str) -> impl Iterator<Item = Command> {
        self.list(property).iter().filter_map(command)
    }

    /// Returns a service's time limits, if [`TIME_LIMITS`] are there.
    #[must_use]
    pub fn time_limits(&self) -> TimeLimits {
        let [watchdog, start, run, stop] =
            TIME_LIMITS.map(|property| self.span(property).filter(|span| !span.is_zero()));
        TimeLimits {
            watchdog,
            start,
            run,
            stop,
        }
    }
}

/// Returns a text or an object path; empty if the value is neither.
pub fn text<'v>(value: &'v Variant<'_>) -> &'v str {
    match value {
        Variant::Str(text) => text.as_str(),
        Variant::ObjectPath(path) => path.as_str(),
        _ => "",
    }
}

fn list<'v, 'm>(value: &'v Variant<'m>) -> &'v [Variant<'m>] {
    match value {
        Variant::Array(values) => values.inner(),
        _ => &[],
    }
}

fn fields<'v, 'm>(value: &'v Variant<'m>) -> &'v [Variant<'m>] {
    match value {
        Variant::Structure(parts) => parts.fields(),
        _ => &[],
    }
}

/// Parses `(sasbttttuii)`: program, words, ignored failure, start and end by the wall clock and by
/// the monotonic one in turn, process, code and status.
fn command(value: &Variant<'_>) -> Option<Command> {
    let [
        _,
        words,
        Variant::Bool(forgiven),
        Variant::U64(began),
        Variant::U64(began_since_boot),
        Variant::U64(ended),
        Variant::U64(over),
        Variant::U32(pid),
        Variant::I32(code),
        Variant::I32(status),
    ] = fields(value)
    else {
        return None;
    };
    let took = Duration::from_micros(over.saturating_sub(*began_since_boot));
    Some(Command {
        words: list(words)
            .iter()
            .map(|word| text(word).to_owned())
            .collect(),
        forgiven: *forgiven,
        began: *began,
        pid: *pid,
        end: ProcessEnd::from_wait(*code, *status),
        ended: *ended,
        over: *over,
        took: (*began_since_boot > 0).then_some(took),
    })
}

#[cfg(test)]
impl<const N: usize> From<[(&str, Variant<'static>); N]> for Properties {
    fn from(known: [(&str, Variant<'static>); N]) -> Self {
        Self(
            known
                .into_iter()
                .map(|(property, value)| (Cow::Owned(property.to_owned()), value))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbus::ObjectPath;

    #[test]
    fn values_are_read_by_their_types() {
        let job = |number: u32| Variant::from((number, ObjectPath::try_from("/job/3").unwrap()));
        let known = Properties::from([
            ("Id", "a.service".into()),
            ("NRestarts", 3_u32.into()),
            ("ExecMainStatus", (-1_i32).into()),
            ("ConditionResult", false.into()),
            ("TimeoutStopUSec", u64::MAX.into()),
            ("TimeoutStartUSec", 1_500_000_u64.into()),
            ("WatchdogUSec", 0_u64.into()),
            ("InvocationID", vec![0x1f_u8, 0].into()),
            ("After", vec!["a", "b"].into()),
            ("Job", job(3)),
        ]);
        assert_eq!(
            (
                known.text("Id"),
                known.text("NRestarts"),
                known.text("gone")
            ),
            ("a.service", "", "")
        );
        assert_eq!(
            (
                known.number("NRestarts"),
                known.number::<u32>("ExecMainStatus")
            ),
            (Some(3_u32), None)
        );
        assert_eq!(
            (known.flag("ConditionResult"), known.flag("Id")),
            (Some(false), None)
        );
        let second = Duration::from_millis(1_500);
        assert_eq!(
            (
                known.span("TimeoutStopUSec"),
                known.span("TimeoutStartUSec")
            ),
            (None, Some(second))
        );
        assert_eq!(
            known.time_limits(),
            TimeLimits {
                start: Some(second),
                ..TimeLimits::default()
            }
        );
        assert_eq!(
            (known.id("InvocationID").as_deref(), known.id("After")),
            (Some("1f00"), None)
        );
        assert_eq!(known.texts("After").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(
            (known.job(), Properties::from([("Job", job(0))]).job()),
            (Some((3, "/job/3")), None)
        );
    }

    #[test]
    fn errors_and_ends_are_read_whole() {
        let known = Properties::from([
            ("LoadError", ("org.x.Error", "it is broken").into()),
            ("ExecMainCode", 2_i32.into()),
            ("ExecMainStatus", 9_i32.into()),
            ("NRestarts", 3_u32.into()),
        ]);
        assert_eq!(
            (known.error("LoadError"), known.error("NRestarts")),
            (Some("it is broken"), None)
        );
        assert_eq!(
            known.process_end("ExecMainCode", "ExecMainStatus"),
            Some(ProcessEnd::Killed(9))
        );
        assert_eq!(known.process_end("ExecMainCode", "NRestarts"), None);
    }

    #[test]
    fn commands_are_read_whole() {
        let line = |(began, begun): (u64, u64)| {
            (
                "/bin/a",
                vec!["/bin/a", "b c", ""],
                true,
                began,
                begun,
                2_000_u64,
                60_u64,
                7_u32,
                1_i32,
                3_i32,
            )
        };
        let known =
            Properties::from([("ExecStartPre", vec![line((1_000, 10)), line((0, 0))].into())]);
        let words = ["/bin/a", "b c", ""].map(str::to_owned).into();
        let expect = Command {
            words,
            forgiven: true,
            began: 1_000,
            pid: 7,
            end: Some(ProcessEnd::Exited(3)),
            ended: 2_000,
            over: 60,
            took: Some(Duration::from_micros(50)),
        };
        let reloaded = Command {
            began: 0,
            took: None,
            ..expect.clone()
        };
        assert_eq!(
            known.commands("ExecStartPre").collect::<Vec<_>>(),
            [expect, reloaded]
        );
        assert_eq!(known.commands("ExecStart").count(), 0);
    }
}
