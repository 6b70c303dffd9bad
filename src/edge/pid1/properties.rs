//! Answers of PID 1. A missing value or one of another type is empty, zero or `None`, never a
//! panic.

use super::TIME_LIMITS;
use crate::core::crash::observation::ProcessEnd;
use crate::core::crash::reason::TimeLimits;
use std::collections::BTreeMap;
use std::time::Duration;
use zbus::{OwnedVariant, Variant};

/// Properties by their names.
#[derive(Debug, Default)]
pub struct Properties(BTreeMap<String, OwnedVariant>);

/// A line such as `ExecStartPre=`, and its last end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its words, the program first.
    pub words: Vec<String>,
    /// True if `-` makes systemd ignore its failure.
    pub forgiven: bool,
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

impl Properties {
    pub(super) fn put(&mut self, property: &str, value: OwnedVariant) {
        self.0.insert(property.to_owned(), value);
    }

    fn value(&self, property: &str) -> Option<&Variant<'static>> {
        self.0.get(property).map(|value| &**value)
    }

    /// Returns a text; empty if there is none.
    #[must_use]
    pub fn text(&self, property: &str) -> &str {
        self.value(property).map_or("", text)
    }

    /// Iterates over the texts of a list.
    pub fn texts(&self, property: &str) -> impl Iterator<Item = &str> {
        self.value(property).map_or(&[][..], list).iter().map(text)
    }

    /// Iterates over the first fields, texts, of a list of structures.
    pub fn first_texts(&self, property: &str) -> impl Iterator<Item = &str> {
        self.value(property)
            .map_or(&[][..], list)
            .iter()
            .map(|value| match value {
                Variant::Structure(parts) => parts.fields().first().map_or("", text),
                _ => "",
            })
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

    /// Returns true if a set of exit statuses and signals, `(aiai)`, contains the end of a process,
    /// which the properties `code` and `status` describe.
    #[must_use]
    pub fn names_end(&self, set: &str, code: &str, status: &str) -> bool {
        let Some(Variant::Structure(parts)) = self.value(set) else {
            return false;
        };
        let (Some(code), Some(status)) = (self.number::<u32>(code), self.number::<u32>(status))
        else {
            return false;
        };
        // 1 is CLD_EXITED; others are signals.
        let of_kind = parts
            .fields()
            .get(usize::from(code != 1))
            .map_or(&[][..], list);
        code != 0
            && of_kind
                .iter()
                .any(|one| matches!(one, Variant::I32(one) if u32::try_from(*one) == Ok(status)))
    }

    /// Returns an id as systemd prints it; `None` if it has no bytes.
    #[must_use]
    pub fn id(&self, property: &str) -> Option<String> {
        let bytes = self.value(property).map_or(&[][..], list);
        let digits = bytes.iter().filter_map(|byte| match byte {
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

    /// Returns the object path of the unit's job, if it has one and `Job` was requested.
    #[must_use]
    pub fn job(&self) -> Option<&str> {
        let Variant::Structure(job) = self.value("Job")? else {
            return None;
        };
        match job.fields() {
            [Variant::U32(number), Variant::ObjectPath(path)] if *number > 0 => Some(path.as_str()),
            _ => None,
        }
    }

    /// Iterates over a list of commands, in the order in which they run.
    pub fn commands(&self, property: &str) -> impl Iterator<Item = Command> {
        self.value(property)
            .map_or(&[][..], list)
            .iter()
            .filter_map(command)
    }

    /// Returns a service's time limits, if [`TIME_LIMITS`] were requested.
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

fn text<'v>(value: &'v Variant<'_>) -> &'v str {
    if let Variant::Str(text) = value {
        text.as_str()
    } else {
        ""
    }
}

fn list<'v, 'm>(value: &'v Variant<'m>) -> &'v [Variant<'m>] {
    if let Variant::Array(values) = value {
        values.inner()
    } else {
        &[]
    }
}

/// Parses `(sasbttttuii)`: program, words, ignored failure, start and end by the wall clock and by
/// the monotonic one in turn, process, code and status.
fn command(value: &Variant<'_>) -> Option<Command> {
    let Variant::Structure(command) = value else {
        return None;
    };
    let [_, words, forgiven, _, began, ended, over, pid, code, status] = command.fields() else {
        return None;
    };
    let (Variant::U64(began), Variant::U64(ended), Variant::U64(over)) = (began, ended, over)
    else {
        return None;
    };
    let (Variant::U32(pid), Variant::I32(code), Variant::I32(status)) = (pid, code, status) else {
        return None;
    };
    Some(Command {
        words: list(words)
            .iter()
            .map(|word| text(word).to_owned())
            .collect(),
        forgiven: *forgiven == Variant::Bool(true),
        pid: *pid,
        end: ProcessEnd::from_wait(*code, *status),
        ended: *ended,
        over: *over,
        took: (*began > 0).then(|| Duration::from_micros(over.saturating_sub(*began))),
    })
}

#[cfg(test)]
impl<const N: usize> From<[(&str, Variant<'static>); N]> for Properties {
    fn from(known: [(&str, Variant<'static>); N]) -> Self {
        Self(
            known
                .into_iter()
                .map(|(property, value)| (property.to_owned(), value.try_into_owned().unwrap()))
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
            (Some("/job/3"), None)
        );
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
            pid: 7,
            end: Some(ProcessEnd::Exited(3)),
            ended: 2_000,
            over: 60,
            took: Some(Duration::from_micros(50)),
        };
        let reloaded = Command {
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
