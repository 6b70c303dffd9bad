//! Encoding of values in the columns: numbers for words, 16 bytes for 32 digits.
//!
//! Numbers never change: they are valid for a file of any version. Reading tolerates damaged text,
//! so that one flipped bit in it costs a character and not the history.

use super::entry::{
    Channel, Fate, Key, Severity, StoredDeath, StoredRecovery, StoredReport, StoredRestart,
    StoredRestartEnd, Witness,
};
use crate::core::crash::observation::InvocationId;
use crate::core::full_restart::RestartOutcome;
use crate::core::full_restart::request::Cause;
use rusqlite::types::{FromSqlError, Type, Value, ValueRef};
use rusqlite::{Result, Row};

const SEVERITIES: [Severity; 2] = [Severity::Crash, Severity::Death];
const WITNESSES: [Witness; 3] = [Witness::Bus, Witness::Record, Witness::Journal];
const FATES: [Fate; 6] = [
    Fate::Open,
    Fate::Held,
    Fate::Reported,
    Fate::SummedUp,
    Fate::Local,
    Fate::Silent,
];
const OUTCOMES: [RestartOutcome; 2] = [RestartOutcome::Restarted, RestartOutcome::Failed];
const CHANNELS: [Channel; 2] = [Channel::Crash, Channel::Recovery];

/// Value of `reports.state`: waiting.
pub(super) const WAITING: i64 = 0;
/// Value of `reports.state`: sent.
pub(super) const SENT: i64 = 1;
/// Value of `reports.state`: refused.
pub(super) const REFUSED: i64 = 2;

/// Columns that [`death`] reads, of the table `d`.
pub(super) const DEATH: &str = "d.boot, d.unit, d.invocation, d.name, d.severity, d.pid, d.reason, d.at, d.backtrace, d.witness, d.fate";

/// Encoding of a word as a number.
pub(super) trait Coded: Copy + PartialEq + 'static {
    /// All words, in the order of their numbers.
    const ALL: &'static [Self];

    /// Returns the number of the word.
    fn code(self) -> i64 {
        let place = Self::ALL.iter().position(|word| *word == self);
        place
            .and_then(|place| i64::try_from(place).ok())
            .expect("ALL has every word")
    }
}

impl Coded for Severity {
    const ALL: &'static [Self] = &SEVERITIES;
}
impl Coded for Witness {
    const ALL: &'static [Self] = &WITNESSES;
}
impl Coded for Fate {
    const ALL: &'static [Self] = &FATES;
}
impl Coded for RestartOutcome {
    const ALL: &'static [Self] = &OUTCOMES;
}
impl Coded for Channel {
    const ALL: &'static [Self] = &CHANNELS;
}

/// Reads a number and returns its word.
pub(super) fn word<T: Coded>(row: &Row<'_>, column: usize) -> Result<T> {
    let code: i64 = row.get(column)?;
    let found = usize::try_from(code)
        .ok()
        .and_then(|place| T::ALL.get(place));
    found
        .copied()
        .ok_or(rusqlite::Error::IntegralValueOutOfRange(column, code))
}

/// Encodes an identifier: as 16 bytes if it is 32 lower-case hexadecimal digits, otherwise as text.
pub(super) fn packed(id: &str) -> Value {
    let small = id.len() == 32
        && id
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match u128::from_str_radix(id, 16) {
        Ok(number) if small => Value::Blob(number.to_be_bytes().to_vec()),
        _ => Value::Text(id.to_owned()),
    }
}

/// Reads an identifier that [`packed`] has encoded.
pub(super) fn unpacked(row: &Row<'_>, column: usize) -> Result<String> {
    Ok(match row.get_ref(column)? {
        ValueRef::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        other => {
            return Err(rusqlite::Error::InvalidColumnType(
                column,
                "id".into(),
                other.data_type(),
            ));
        }
    })
}

/// Reads text that is never NULL.
pub(super) fn text(row: &Row<'_>, column: usize) -> Result<String> {
    optional_text(row, column)?
        .ok_or_else(|| rusqlite::Error::InvalidColumnType(column, "text".into(), Type::Null))
}

/// Reads text that may be NULL.
pub(super) fn optional_text(row: &Row<'_>, column: usize) -> Result<Option<String>> {
    let bytes = row.get_ref(column)?.as_bytes_or_null()?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

/// Reads a time or a count. The checks of the tables keep it from being negative.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// Converts a time or a number of order to SQLite's type; values above the maximum become the
/// maximum.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Reads a death's key, from three columns beginning with `from`.
pub(super) fn key(row: &Row<'_>, from: usize) -> Result<Key> {
    let invocation = row.get_ref(from + 2)?.as_blob()?;
    let invocation = InvocationId::from_bytes(invocation).ok_or(FromSqlError::InvalidType)?;
    Ok(Key {
        boot: unpacked(row, from)?,
        unit: text(row, from + 1)?,
        invocation,
    })
}

/// Reads a death, from the columns of [`DEATH`].
pub(super) fn death(row: &Row<'_>) -> Result<StoredDeath> {
    Ok(StoredDeath {
        key: key(row, 0)?,
        name: text(row, 3)?,
        severity: word(row, 4)?,
        pid: row.get(5)?,
        reason: text(row, 6)?,
        at: unsigned(row, 7)?,
        backtrace: optional_text(row, 8)?,
        witness: word(row, 9)?,
        fate: word(row, 10)?,
    })
}

/// Reads a report, from `seq, id, lane, channel, payload` and a key.
pub(super) fn report(row: &Row<'_>) -> Result<StoredReport> {
    Ok(StoredReport {
        seq: unsigned(row, 0)?,
        id: unpacked(row, 1)?,
        lane: text(row, 2)?,
        channel: word(row, 3)?,
        payload: row.get_ref(4)?.as_bytes()?.to_vec(),
        death: key(row, 5)?,
    })
}

/// Reads a recovery of the death `death`, from `ward, outcome, at, record, course` at column `from`
/// on.
pub(super) fn recovery(row: &Row<'_>, from: usize, death: Key) -> Result<StoredRecovery> {
    Ok(StoredRecovery {
        death,
        ward: text(row, from)?,
        outcome: text(row, from + 1)?,
        at: unsigned(row, from + 2)?,
        record: text(row, from + 3)?,
        course: optional_text(row, from + 4)?,
    })
}

/// Reads the invocation of a run, which may be NULL.
pub(super) fn optional_run(row: &Row<'_>, column: usize) -> Result<Option<InvocationId>> {
    let bytes = row.get_ref(column)?.as_bytes_or_null()?;
    Ok(bytes.and_then(InvocationId::from_bytes))
}

/// Reads a full restart, from `stack, caller, ended, cause_unit, cause_invocation`.
pub(super) fn restart(row: &Row<'_>, from: usize, death: Key) -> Result<StoredRestart> {
    let cause = optional_text(row, from + 3)?.zip(optional_run(row, from + 4)?);
    Ok(StoredRestart {
        death,
        stack: text(row, from)?,
        caller: text(row, from + 1)?,
        ended: optional_run(row, from + 2)?,
        cause: cause.map(|(unit, invocation)| Cause { unit, invocation }),
    })
}

/// Reads the end of a full restart, from `over, outcome, trouble`; `None`: it is not over.
pub(super) fn restart_end(row: &Row<'_>, from: usize) -> Result<Option<StoredRestartEnd>> {
    if row.get::<_, Option<i64>>(from)?.is_none() {
        return Ok(None);
    }
    let trouble = optional_text(row, from + 2)?.unwrap_or_default();
    Ok(Some(StoredRestartEnd {
        at: unsigned(row, from)?,
        outcome: word(row, from + 1)?,
        trouble,
    }))
}
