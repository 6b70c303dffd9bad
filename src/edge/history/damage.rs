//! Recovery of a damaged file: it is set aside under another name, and its readable rows are
//! carried over into a new one.
//!
//! Rows are read one by one in the order of their numbers, across unreadable gaps. A row that no
//! longer passes the checks is left out.
//!
//! Invariants: the new file is complete, and named `.ready`, before any part of the damaged one is
//! moved; the next process that opens the history completes an interrupted exchange, so a power cut
//! loses nothing; at most one file is kept aside; the run time is bounded by the size of the file.

use super::error::{Cause, HistoryError};
use super::{SetAside, mend, row, schema};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement, params_from_iter};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Suffixes of the files that SQLite creates beside a database.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];
/// Suffix of the new file once it is complete.
const READY: &str = ".ready";
/// Numbers that are tried one by one if a row cannot be read, before the steps grow: more than the
/// rows of a page.
const ONE_BY_ONE: u32 = 256;
/// Failed attempts in one pass over a table, after which the pass is given up.
const FAILURES: u32 = 20_000;
/// Upper bound of row numbers, exclusive.
const MOST: i64 = 1 << 53;
/// Tables in the order in which rows refer to each other.
const TABLES: [Table; 7] = [
    Table::new("deaths", "id"),
    Table::new("reports", "seq"),
    Table::new("payloads", "seq"),
    Table::new("recoveries", "death"),
    Table::new("restarts", "death"),
    Table::new("dropped", "id"),
    Table::new("ledger", "one"),
];

/// A table whose rows are carried over.
#[derive(Clone, Copy)]
struct Table {
    name: &'static str,
    /// The column that numbers the rows.
    number: &'static str,
}

impl Table {
    const fn new(name: &'static str, number: &'static str) -> Self {
        Self { name, number }
    }
}

/// Replaces the damaged file by a new one with all readable rows.
pub(super) fn replace(path: &Path, now_ms: u64, why: &Cause) -> Result<SetAside, HistoryError> {
    let fresh = beside(path, ".salvaged");
    let salvaged = salvage(path, &fresh).inspect_err(|_| drop(clear(&fresh)))?;
    let ready = beside(path, READY);
    let named = fs::rename(&fresh, &ready).and_then(|()| sync_directory(path));
    named.map_err(|source| {
        HistoryError::new(
            Cause::File {
                path: ready,
                source,
            },
            path,
        )
    })?;
    let to = exchange(path, now_ms)?;
    Ok(SetAside {
        to,
        why: why.to_string(),
        salvaged,
    })
}

/// Completes an exchange that a power cut or a failure has interrupted; `None`: there is none.
pub(super) fn finish(path: &Path, now_ms: u64) -> Result<Option<PathBuf>, HistoryError> {
    let ready = beside(path, READY);
    match ready.try_exists() {
        Ok(true) => exchange(path, now_ms).map(Some),
        Ok(false) => Ok(None),
        Err(source) => Err(HistoryError::new(
            Cause::File {
                path: ready,
                source,
            },
            path,
        )),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Moves the damaged file away and the new one into its place; returns the new path of the damaged
/// one.
fn exchange(path: &Path, now_ms: u64) -> Result<PathBuf, HistoryError> {
    let to = beside(path, &format!(".damaged-{now_ms}"));
    let moved = move_away(path, &to).and_then(|()| fs::rename(beside(path, READY), path));
    let moved = moved.and_then(|()| sync_directory(path));
    moved.map_err(|source| {
        HistoryError::new(
            Cause::File {
                path: to.clone(),
                source,
            },
            path,
        )
    })?;
    Ok(to)
}

fn move_away(path: &Path, to: &Path) -> io::Result<()> {
    remove_older(path)?;
    // They are moved first: SQLite would take them for files of the new database.
    for companion in COMPANIONS {
        ignore_missing(fs::rename(beside(path, companion), beside(to, companion)))?;
    }
    // A second name, so that the file always has one; if hard links are not possible, it has none
    // for a moment.
    fs::hard_link(path, to).or_else(|_| ignore_missing(fs::rename(path, to)))
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// Deletes an incomplete new file.
fn clear(fresh: &Path) -> io::Result<()> {
    COMPANIONS
        .iter()
        .chain(&[""])
        .try_for_each(|suffix| ignore_missing(fs::remove_file(beside(fresh, suffix))))
}

/// Deletes files that were set aside before.
fn remove_older(path: &Path) -> io::Result<()> {
    let mut prefix: OsString = path.file_name().unwrap_or_default().to_owned();
    prefix.push(".damaged-");
    for entry in fs::read_dir(path.parent().unwrap_or(Path::new(".")))? {
        let entry = entry?;
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(prefix.as_encoded_bytes())
        {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            Ok(())
        } else {
            Err(error)
        }
    })
}

/// Makes the new file; returns the number of its deaths.
fn salvage(path: &Path, fresh: &Path) -> Result<u64, HistoryError> {
    clear(fresh).map_err(|source| {
        HistoryError::new(
            Cause::File {
                path: fresh.to_owned(),
                source,
            },
            path,
        )
    })?;
    let damaged = Damaged::open(path);
    let mut db = schema::begin(fresh)?;
    schema::MIGRATIONS
        .to_latest(&mut db)
        .map_err(|error| HistoryError::new(error, path))?;
    carry_over(damaged.as_ref(), &mut db).map_err(|error| HistoryError::new(error, path))
}

/// Copies the readable rows into the new file and mends them; returns the number of its deaths.
fn carry_over(damaged: Option<&Damaged>, into: &mut Connection) -> rusqlite::Result<u64> {
    if let Some(damaged) = damaged {
        let work = into.transaction()?;
        TABLES
            .into_iter()
            .try_for_each(|table| damaged.copy(table, &work))?;
        work.commit()?;
    }
    let work = into.transaction()?;
    mend::mend(&work)?;
    let salvaged = work.query_row("SELECT count(*) FROM deaths", [], |found| {
        row::unsigned(found, 0)
    })?;
    work.commit()?;
    Ok(salvaged)
}

/// The damaged file, open for reading.
struct Damaged(Connection);

impl Damaged {
    /// Opens the file; `None`: not even its list of tables can be read.
    fn open(path: &Path) -> Option<Self> {
        // Not read-only: the index of the log may have to be created.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).ok()?;
        schema::keep_as_is(&db);
        // With this setting SQLite reads a truncated file, and skips malformed lines of the schema.
        db.pragma_update(None, "writable_schema", true).ok()?;
        db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
            .ok()?;
        Some(Self(db))
    }

    /// Copies all rows of a table that can be read and that pass the checks.
    fn copy(&self, table: Table, into: &Connection) -> rusqlite::Result<()> {
        // A damaged number skips all that follow it; these are read on the way back.
        let up = Pass {
            way: Way::Up,
            from: 0,
        };
        let last = self.walk(table, up, into)?;
        let down = Pass {
            way: Way::Down,
            from: last + 1,
        };
        self.walk(table, down, into).map(drop)
    }

    /// Copies rows in one direction; returns the number of the last.
    fn walk(&self, table: Table, pass: Pass, into: &Connection) -> rusqlite::Result<i64> {
        let Table {
            name: table,
            number,
        } = table;
        let Pass { way, from } = pass;
        let (mut at, mut last) = (from, from);
        let order = match way {
            Way::Up => format!("> ?1 ORDER BY {number}"),
            Way::Down => format!("< ?1 ORDER BY {number} DESC"),
        };
        // The version in the file may be damaged too: each version has the columns of those before
        // it.
        let theirs = columns(&self.0, table).unwrap_or_default();
        let shared: Vec<_> = columns(into, table)?
            .into_iter()
            .filter(|column| theirs.contains(column))
            .collect();
        let columns = shared.join(", ");
        let query =
            format!("SELECT {number}, {columns} FROM {table} WHERE {number} {order} LIMIT 1");
        let Ok(mut next) = self.0.prepare(&query) else {
            return Ok(last);
        };
        let places = vec!["?"; shared.len()].join(", ");
        let mut insert = into.prepare(&format!(
            "INSERT OR REPLACE INTO {table} ({columns}) VALUES ({places})"
        ))?;
        let (mut missed, mut failures) = (0, 0);
        while failures < FAILURES {
            match read_next(&mut next, at) {
                Ok(None) => break,
                // In a damaged file even the order may be wrong.
                Ok(Some((number, values))) if way.leads_from(at, number) => {
                    store(&mut insert, values)?;
                    (at, last, missed) = (number, number, 0);
                }
                Ok(Some(_)) | Err(_) => {
                    (missed, failures) = (missed + 1, failures + 1);
                    let step = 1_i64 << u32::saturating_sub(missed, ONE_BY_ONE).min(53);
                    at = way.step(at, step);
                    if !(0..=MOST).contains(&at) {
                        break;
                    }
                }
            }
        }
        Ok(last)
    }
}

/// One pass over a table.
#[derive(Clone, Copy)]
struct Pass {
    way: Way,
    /// Number beyond which the rows begin.
    from: i64,
}

/// The order in which a table is read.
#[derive(Clone, Copy)]
enum Way {
    Up,
    Down,
}

impl Way {
    const fn step(self, from: i64, by: i64) -> i64 {
        match self {
            Self::Up => from + by,
            Self::Down => from - by,
        }
    }

    fn leads_from(self, from: i64, to: i64) -> bool {
        match self {
            Self::Up => (from + 1..MOST).contains(&to),
            Self::Down => (1..from).contains(&to),
        }
    }
}

fn columns(db: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let all = db.prepare(&format!("SELECT * FROM {table}"))?;
    Ok(all.column_names().into_iter().map(str::to_owned).collect())
}

fn read_next(next: &mut Statement<'_>, after: i64) -> rusqlite::Result<Option<(i64, Vec<Value>)>> {
    let columns = next.column_count();
    let mut rows = next.query([after])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let values: rusqlite::Result<Vec<Value>> = (1..columns)
        .map(|column| row.get_ref(column).map(lossy))
        .collect();
    Ok(Some((row.get(0)?, values?)))
}

/// Converts a value, with invalid UTF-8 replaced.
fn lossy(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

/// Inserts a row, unless it violates the checks.
fn store(insert: &mut Statement<'_>, values: Vec<Value>) -> rusqlite::Result<()> {
    match insert.execute(params_from_iter(values)) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => Ok(()),
        other => other.map(drop),
    }
}
