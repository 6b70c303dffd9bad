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

pub use courses::Whose;

use super::entry::{StoredDeath, StoredRecovery, StoredRestart, StoredRestartEnd};
use super::error::{Cause, HistoryError};
use super::row::{self, DEATH, REFUSED, WAITING, packed};
use super::{Known, Tallies, ask, room, schema};
use crate::core::crash::backtrace::Addresses;
use crate::core::crash::observation::InvocationId;
use rusqlite::{Connection, OpenFlags, Result as SqlResult, Row, params};
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
}

/// A death with all that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Its number in the order of storing.
    pub id: i64,
    /// The death.
    pub death: StoredDeath,
    /// Delivery of its last crash report.
    pub report: Option<Delivery>,
    /// The recovery from it, once it is over.
    pub recovery: Option<StoredRecovery>,
    /// Delivery of the recovery's last report.
    pub recovery_report: Option<Delivery>,
    /// The full restart, if this row is one.
    pub restart: Option<ToldRestart>,
    /// Id of the full restart that it led to.
    pub led_to: Option<InvocationId>,
}

impl Told {
    fn telling(mut self, addresses: Addresses) -> Self {
        self.death.backtrace = self
            .death
            .backtrace
            .map(|backtrace| addresses.tell(backtrace));
        self
    }
}

/// A full restart with its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldRestart {
    /// Its caller and its cause.
    pub restart: StoredRestart,
    /// Its end; `None`: it is under way, or the restarter was killed.
    pub end: Option<StoredRestartEnd>,
}

/// State of a report's delivery to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The user property `report-id`.
    pub id: String,
    /// State of the delivery.
    pub state: DeliveryState,
}

/// State of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryState {
    /// The broker does not have it yet.
    Waiting,
    /// The broker has acknowledged it.
    Sent {
        /// Time of the answer, in milliseconds since the epoch.
        at: u64,
    },
    /// The broker has rejected it for good.
    Refused {
        /// Time of the answer, in milliseconds since the epoch.
        at: u64,
        /// The broker's reason.
        why: String,
    },
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
    /// The file without a log, which no daemon has open.
    Alone(u64),
    /// A copy, deleted with the reader.
    Copy(PathBuf),
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Self::Copy(directory) = self {
            // Errors do not matter: the system clears temporary directories.
            let _ = fs::remove_dir_all(directory);
        }
    }
}

/// First schema version with full restarts.
const RESTARTS_SINCE: i64 = 2;
/// First schema version with the times of a recovery.
const COURSES_SINCE: i64 = 3;

/// Returns the query of deaths with their recovery and the last report of each kind. A file of an
/// older version, which only the daemon may change, has no full restarts or no times of recoveries.
fn told(condition: &str, version: i64) -> String {
    let restarts = if version < RESTARTS_SINCE {
        "(SELECT NULL death, NULL stack, NULL caller, NULL ended, NULL cause_unit, NULL cause_invocation, NULL over, NULL outcome,
                 NULL trouble LIMIT 0)"
    } else {
        "restarts"
    };
    let course = if version < COURSES_SINCE {
        "NULL"
    } else {
        "v.course"
    };
    let last = |channel: u8| {
        format!("(SELECT max(seq) FROM reports WHERE death = d.id AND channel = {channel})")
    };
    let (crash, recovery) = (last(0), last(1));
    format!(
        "SELECT {DEATH}, d.id, c.id, c.state, c.settled, c.why, o.id, o.state, o.settled, o.why, v.ward, v.outcome, v.at, v.record, {course},
                s.stack, s.caller, s.ended, s.cause_unit, s.cause_invocation, s.over, s.outcome, s.trouble,
                (SELECT max(l.invocation) FROM {restarts} x JOIN deaths l ON l.id = x.death
                 WHERE x.cause_invocation = d.invocation AND x.cause_unit = d.unit AND l.boot = d.boot)
         FROM deaths d LEFT JOIN reports c ON c.seq = {crash} LEFT JOIN reports o ON o.seq = {recovery}
              LEFT JOIN recoveries v ON v.death = d.id
              LEFT JOIN {restarts} s ON s.death = d.id
         WHERE {condition}"
    )
}

impl Reader {
    /// Opens the history for reading. `Ok(None)`: there is none yet.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is damaged, or was written by a newer version.
    pub fn open(path: &Path) -> Result<Option<Self>, HistoryError> {
        let unusable = |source: io::Error| {
            HistoryError::new(
                Cause::File {
                    path: path.to_owned(),
                    source,
                },
                path,
            )
        };
        schema::must_be_a_file(path)?;
        match File::open(path).and_then(|file| file.metadata()) {
            Ok(data) if data.len() == 0 && log_size(path).is_none() => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(error)),
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
        let wrong = |error: rusqlite::Error| HistoryError::new(error, path);
        let number = fs::metadata(path).map_or(0, |data| data.ino());
        let addresses = Addresses::Shown;
        let reader = |(connection, source)| Self {
            connection,
            path: path.to_owned(),
            source,
            addresses,
        };
        let log = log_size(path);
        if log.is_some()
            && let Ok(db) = open_live(path)
        {
            return Ok(reader((db, Source::Live(number))));
        }
        if log.unwrap_or(0) == 0 {
            return open_alone(path)
                .map(|db| reader((db, Source::Alone(number))))
                .map_err(wrong);
        }
        let copied = copy(path).map_err(|source| {
            HistoryError::new(
                Cause::File {
                    path: path.to_owned(),
                    source,
                },
                path,
            )
        })?;
        let db = open_live(&copied.join("reports.db"));
        db.map(|db| reader((db, Source::Copy(copied))))
            .map_err(wrong)
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
    /// the result is -1.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn version(&mut self) -> Result<i64, HistoryError> {
        let number = fs::metadata(&self.path).map_or(0, |data| data.ino());
        let stands = match &self.source {
            Source::Live(opened) => *opened == number,
            Source::Alone(opened) => *opened == number && log_size(&self.path).is_none(),
            Source::Copy(_) => true,
        };
        if !stands {
            if let Some(again) = Self::open(&self.path)? {
                *self = again.telling(self.addresses);
            }
            return Ok(-1);
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
            let mut query = self.connection.prepare(&told(condition, version))?;
            let rows = query.query_map(values, one)?;
            rows.map(|told| told.map(|told| told.telling(self.addresses)))
                .collect()
        });
        self.judged(found)
    }

    fn judged<T>(&self, result: SqlResult<T>) -> Result<T, HistoryError> {
        result.map_err(|error| HistoryError::new(error, &self.path))
    }
}

fn one(found: &Row<'_>) -> SqlResult<Told> {
    let death = row::death(found)?;
    let recovered = row::optional_text(found, 20)?.is_some();
    let recovery = recovered
        .then(|| row::recovery(found, 20, death.key.clone()))
        .transpose()?;
    let restarted = row::optional_text(found, 25)?.is_some();
    let restart = restarted
        .then(|| row::restart(found, 25, death.key.clone()))
        .transpose()?;
    let restart = match restart {
        Some(restart) => Some(ToldRestart {
            restart,
            end: row::restart_end(found, 30)?,
        }),
        None => None,
    };
    let led_to = found
        .get_ref(33)?
        .as_bytes_or_null()?
        .and_then(InvocationId::from_bytes);
    Ok(Told {
        restart,
        led_to,
        id: found.get(11)?,
        report: delivery(found, 12)?,
        recovery_report: delivery(found, 16)?,
        death,
        recovery,
    })
}

fn delivery(found: &Row<'_>, from: usize) -> SqlResult<Option<Delivery>> {
    let state = match found.get(from + 1)? {
        None => return Ok(None),
        Some(WAITING) => DeliveryState::Waiting,
        Some(REFUSED) => DeliveryState::Refused {
            at: row::unsigned(found, from + 2)?,
            why: row::optional_text(found, from + 3)?.unwrap_or_default(),
        },
        Some(_) => DeliveryState::Sent {
            at: row::unsigned(found, from + 2)?,
        },
    };
    Ok(Some(Delivery {
        id: row::unpacked(found, from)?,
        state,
    }))
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
