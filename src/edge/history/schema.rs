//! The tables, from version to version, and the setup of a connection.
//!
//! Invariants: a file of a newer version is not changed; a commit is on disk when it returns; the
//! file can shrink.

use super::error::{Cause, HistoryError};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

const VERSIONS: &[M<'_>] = &[
    M::up(include_str!("schema-1.sql")),
    M::up(include_str!("schema-2.sql")),
    M::up(include_str!("schema-3.sql")),
];
/// All migrations from an empty file to this version.
pub(super) const MIGRATIONS: Migrations<'_> = Migrations::from_slice(VERSIONS);
/// The schema version of this program.
pub(super) const LATEST: usize = VERSIONS.len();
/// Time-out of locks. Readers do not block a writer here, so it only matters while a second writer
/// is active.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Opens the file, creates it if it does not exist, checks it and migrates it to this version.
pub(super) fn open(path: &Path) -> Result<Connection, HistoryError> {
    must_be_a_file(path)?;
    create(path)?;
    check_format(path)?;
    let mut connection = connect(path).map_err(|error| HistoryError::new(error, path))?;
    check_version(&connection, path)?;
    check(&connection, path)?;
    configure(&connection).map_err(|error| HistoryError::new(error, path))?;
    MIGRATIONS
        .to_latest(&mut connection)
        .map_err(|error| HistoryError::new(error, path))?;
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)
        .map_err(|error| HistoryError::new(error, path))?;
    Ok(connection)
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    // Until it is known to be of this program and undamaged, nothing of it is changed, not even by
    // closing it.
    keep_as_is(&connection);
    Ok(connection)
}

/// Returns an error if a newer version wrote the file, or none at all.
fn check_version(connection: &Connection, path: &Path) -> Result<(), HistoryError> {
    let found: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|error| HistoryError::new(error, path))?;
    let known = i64::try_from(LATEST).expect("a handful");
    if found > known {
        return Err(HistoryError::new(
            Cause::Newer {
                path: path.to_owned(),
                found,
                known,
            },
            path,
        ));
    }
    if found < 0 {
        return Err(HistoryError::new(
            Cause::Check(format!("its version is {found}")),
            path,
        ));
    }
    Ok(())
}

/// Returns an error if the path exists and is not a regular file: opening a pipe would wait for a
/// writer.
pub(super) fn must_be_a_file(path: &Path) -> Result<(), HistoryError> {
    match fs::symlink_metadata(path) {
        Ok(data) if !data.is_file() => {
            let source = io::Error::new(ErrorKind::InvalidInput, "not a regular file");
            Err(HistoryError::Other(Cause::File {
                path: path.to_owned(),
                source,
            }))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Creates a new file that no other process uses yet; it has no tables and no log.
pub(super) fn begin(path: &Path) -> Result<Connection, HistoryError> {
    create(path)?;
    let begun = Connection::open(path).and_then(|db| {
        db.pragma_update(None, "auto_vacuum", "incremental")?;
        db.pragma_update(None, "synchronous", "full")?;
        db.pragma_update(None, "foreign_keys", false)?;
        db.pragma_update(None, "temp_store", "memory")?;
        Ok(db)
    });
    begun.map_err(|error| HistoryError::new(error, path))
}

/// Keeps the files unchanged when the connection is closed.
pub(super) fn keep_as_is(connection: &Connection) {
    // It cannot fail: the option is older than any version this is built with.
    let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
}

/// Creates an empty file that only its owner can read; SQLite gives its companions the same mode.
fn create(path: &Path) -> Result<(), HistoryError> {
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(_) => Ok(()),
        // Not even opened: closing it again would release this process's locks.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(HistoryError::new(
            Cause::File {
                path: path.to_owned(),
                source,
            },
            path,
        )),
    }
}

/// Checks the two bytes that can make SQLite take the file for one of a future format, which it may
/// only read.
fn check_format(path: &Path) -> Result<(), HistoryError> {
    let mut header = Vec::new();
    let read = File::open(path).and_then(|file| file.take(20).read_to_end(&mut header));
    read.map_err(|source| {
        HistoryError::new(
            Cause::File {
                path: path.to_owned(),
                source,
            },
            path,
        )
    })?;
    match header.get(18..20) {
        // 1: journal, 2: write-ahead log. An empty file is a new one.
        Some([1..=2, 1..=2]) => Ok(()),
        None if header.is_empty() => Ok(()),
        _ => Err(HistoryError::new(
            Cause::Check("its header is not that of a database".to_owned()),
            path,
        )),
    }
}

/// Checks every page, every constraint and every reference.
fn check(connection: &Connection, path: &Path) -> Result<(), HistoryError> {
    let said = connection.query_row("PRAGMA integrity_check(1)", [], |row| {
        super::row::text(row, 0)
    });
    let said = said.map_err(|error| HistoryError::new(error, path))?;
    if said != "ok" {
        return Err(HistoryError::new(Cause::Check(said), path));
    }
    let mut orphans = connection
        .prepare("PRAGMA foreign_key_check")
        .map_err(|error| HistoryError::new(error, path))?;
    match orphans.exists([]) {
        Ok(false) => Ok(()),
        Ok(true) => Err(HistoryError::new(
            Cause::Check("a row is missing that another refers to".to_owned()),
            path,
        )),
        Err(error) => Err(HistoryError::new(error, path)),
    }
}

/// Configures the connection, and the file while it is new.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    // Only an empty file takes this, and it must come before all else.
    connection.pragma_update(None, "auto_vacuum", "incremental")?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    // KiB of pages in memory (negative by convention). Rows are written once and read once, so a
    // larger cache has no use.
    connection.pragma_update(None, "cache_size", -512)?;
    connection.pragma_update(None, "synchronous", "full")?;
    // Checkpoints are made where their failure can be distinguished from that of a commit: room.rs.
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "memory")
}
