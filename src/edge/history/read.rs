//! The history as the command line reads it, while the daemon writes it or is down; and as the
//! daemon reads it while it cannot be opened for writing.
//!
//! Invariants: the file is not changed; the daemon is never blocked; each answer is of one point in
//! time.
//!
//! A file without a log is not in use, and is read directly, also from a read-only disk. One with a
//! log on a read-only disk is copied, since SQLite needs to create files beside it.

mod courses;
mod desk;
mod told;

pub use courses::Whose;
pub use told::{Delivery, DeliveryState, Told, ToldRestart};

use super::error::{Cause, HistoryError};
use super::row::{self, packed};
use super::{Known, Tallies, ask, room, schema};
use crate::core::crash::backtrace::Addresses;
use rusqlite::{Connection, OpenFlags, Result as SqlResult, params};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The history, open for reading.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
    source: Source,
    addresses: Addresses,
    /// Number of times it was opened again.
    renewals: i64,
}

/// Filter of deaths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Only deaths stored after this number; 0: all.
    pub after: i64,
    /// Only deaths at or after this time, in milliseconds since the epoch.
    pub since: u64,
    /// Only deaths with this name in reports; `None`: all.
    pub name: Option<String>,
}

/// Source of the data, with the inode number that shows a replaced file.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    /// The file with its log.
    Live(u64),
    /// The file without a log, or with an empty one: no daemon has written it since. The second
    /// value is the size of the log.
    Alone(u64, Option<u64>),
    /// A copy, deleted with the reader.
    Copy(PathBuf),
}

impl Source {
    /// Opens the file with its log, the file alone if it has no log, or else a copy of both.
    fn open(path: &Path) -> Result<(Connection, Self), HistoryError> {
        let number = fs::metadata(path).map_or(0, |data| data.ino());
        let log = log_size(path);
        if log.is_some()
            && let Ok(db) = open_live(path)
        {
            return Ok((db, Self::Live(number)));
        }
        let opened = if log.unwrap_or(0) == 0 {
            open_alone(path).map(|db| (db, Self::Alone(number, log)))
        } else {
            let copied = copy(path).map_err(|error| unusable(path, error))?;
            let file = copied.join("reports.db");
            // Dropped, and with it the copy deleted, if that cannot be opened.
            let source = Self::Copy(copied);
            open_live(&file).map(|db| (db, source))
        };
        opened.map_err(|error| HistoryError::new(error, path))
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Self::Copy(directory) = self {
            // Errors do not matter: the system clears temporary directories.
            let _ = fs::remove_dir_all(directory);
        }
    }
}

impl Reader {
    /// Opens the history for reading. `Ok(None)`: there is none yet.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is damaged, or was written by a newer version.
    pub fn open(path: &Path) -> Result<Option<Self>, HistoryError> {
        schema::must_be_a_file(path)?;
        match File::open(path).and_then(|file| file.metadata()) {
            Ok(data) if data.len() == 0 && log_size(path).is_none() => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(path, error)),
        }
        let reader = Self::connect(path)?;
        let found = reader.judged(version(&reader.connection))?;
        let known = i64::try_from(schema::LATEST).expect("a handful");
        match found {
            0 => Ok(None),
            found if found > known => Err(HistoryError::Other(Cause::Newer {
                path: path.to_owned(),
                found,
                known,
            })),
            _ => Ok(Some(reader)),
        }
    }

    /// Sets whether backtraces contain addresses. The default is [`Addresses::Shown`].
    #[must_use]
    pub fn telling(self, addresses: Addresses) -> Self {
        Self { addresses, ..self }
    }

    fn connect(path: &Path) -> Result<Self, HistoryError> {
        let (connection, source) = Source::open(path)?;
        Ok(Self {
            connection,
            path: path.to_owned(),
            source,
            addresses: Addresses::Shown,
            renewals: 0,
        })
    }

    /// Returns the look-up of rows that are stored already.
    #[must_use]
    pub fn known(&self) -> Known<'_> {
        Known::of(&self.connection, &self.path)
    }

    /// Returns the deaths that pass the filter, in the order of their times.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn deaths(&self, wanted: &Wanted) -> Result<Vec<Told>, HistoryError> {
        let condition =
            "d.id > ?1 AND d.at >= ?2 AND (?3 IS NULL OR d.name = ?3) ORDER BY d.at, d.id";
        self.all(
            condition,
            params![wanted.after, row::number(wanted.since), wanted.name],
        )
    }

    /// Returns the deaths whose invocation begins with these hexadecimal digits, or that have a
    /// report of this id.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn find(&self, id: &str) -> Result<Vec<Told>, HistoryError> {
        let digits = id
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit())
            .then(|| format!("{}*", id.to_ascii_uppercase()));
        let condition = "hex(d.invocation) GLOB ?1 OR d.id IN (SELECT death FROM reports WHERE id = ?2) ORDER BY d.at, d.id";
        self.all(condition, params![digits, packed(id)])
    }

    /// Counts what is stored.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn tallies(&self) -> Result<Tallies, HistoryError> {
        self.judged(ask::tallies(&self.connection))
    }

    /// Returns a number that changes with the history. If the file was replaced, or a log has
    /// appeared beside a file without one (a daemon has started), the history is opened again and
    /// the result is a negative number, another one each time.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn version(&mut self) -> Result<i64, HistoryError> {
        let number = fs::metadata(&self.path).map_or(0, |data| data.ino());
        let stands = match &self.source {
            Source::Live(opened) => *opened == number,
            Source::Alone(opened, log) => *opened == number && log_size(&self.path) == *log,
            Source::Copy(_) => true,
        };
        if !stands {
            let renewals = self.renewals + 1;
            if let Some(again) = Self::open(&self.path)? {
                *self = again.telling(self.addresses);
            }
            self.renewals = renewals;
            return Ok(-1 - renewals);
        }
        self.judged(
            self.connection
                .pragma_query_value(None, "data_version", |found| found.get(0)),
        )
    }

    fn all(
        &self,
        condition: &str,
        values: impl rusqlite::Params,
    ) -> Result<Vec<Told>, HistoryError> {
        let found = version(&self.connection).and_then(|version| {
            let mut query = self.connection.prepare(&told::query(condition, version))?;
            let rows = query.query_map(values, told::one)?;
            rows.map(|told| told.map(|told| told.telling(self.addresses)))
                .collect()
        });
        self.judged(found)
    }

    fn judged<T>(&self, result: SqlResult<T>) -> Result<T, HistoryError> {
        result.map_err(|error| HistoryError::new(error, &self.path))
    }
}

fn unusable(path: &Path, source: io::Error) -> HistoryError {
    let cause = Cause::File {
        path: path.to_owned(),
        source,
    };
    HistoryError::new(cause, path)
}

fn version(db: &Connection) -> SqlResult<i64> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Returns the size of the log; `None`: there is none.
fn log_size(path: &Path) -> Option<u64> {
    fs::metadata(room::log_of(path)).ok().map(|log| log.len())
}

fn open_live(path: &Path) -> SqlResult<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(schema::PATIENCE)?;
    // This is the first read of the file.
    version(&db)?;
    Ok(db)
}

/// Opens a file that does not change, without locks and without files beside it.
fn open_alone(path: &Path) -> SqlResult<Connection> {
    let mut name = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                name.push(char::from(*byte))
            }
            other => name.push_str(&format!("%{other:02x}")),
        }
    }
    name.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(name, flags)
}

/// Copies the file and its log into a directory that only its owner can read.
fn copy(path: &Path) -> io::Result<PathBuf> {
    let directory = tempfile::Builder::new()
        .prefix("unitward.")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()?;
    fs::copy(path, directory.path().join("reports.db"))?;
    fs::copy(room::log_of(path), directory.path().join("reports.db-wal"))?;
    Ok(directory.keep())
}
