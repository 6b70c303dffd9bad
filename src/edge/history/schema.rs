//! The tables, from version to version, and how a connection is made ready.
//!
//! Invariants: a file of a newer version is not touched; a commit is on the disk when it returns; the file can shrink.

use super::error::{Cause, HistoryError};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

const VERSIONS: &[M<'_>] =
    &[M::up(include_str!("schema-1.sql")), M::up(include_str!("schema-2.sql")), M::up(include_str!("schema-3.sql"))];
/// All steps from an empty file to this version.
pub(super) const MIGRATIONS: Migrations<'_> = Migrations::from_slice(VERSIONS);
/// The version of this program.
pub(super) const LATEST: usize = VERSIONS.len();
/// Readers do not hold up a writer here, so this is only ever waited when a second writer is about.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Opens the file, makes it if it is not there, checks it and brings it to this version.
pub(super) fn open(path: &Path) -> Result<Connection, HistoryError> {
    let wrong = |error: rusqlite::Error| HistoryError::new(error, path);
    must_be_a_file(path)?;
    create(path)?;
    check_format(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(wrong)?;
    connection.busy_timeout(PATIENCE).map_err(wrong)?;
    // Until it is known to be ours and sound, nothing of it is changed, not even by closing it.
    keep_as_is(&connection);
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(wrong)?;
    let known = i64::try_from(LATEST).expect("a handful");
    if found > known {
        return Err(HistoryError::new(Cause::Newer { path: path.to_owned(), found, known }, path));
    }
    if found < 0 {
        return Err(HistoryError::new(Cause::Check(format!("its version is {found}")), path));
    }
    check(&connection, path)?;
    configure(&connection).map_err(wrong)?;
    MIGRATIONS.to_latest(&mut connection).map_err(|error| HistoryError::new(error, path))?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map_err(wrong)?;
    Ok(connection)
}

/// Refuses what is there and no file: to open a pipe would wait for whoever writes to it.
pub(super) fn must_be_a_file(path: &Path) -> Result<(), HistoryError> {
    match fs::symlink_metadata(path) {
        Ok(data) if !data.is_file() => {
            let source = io::Error::new(ErrorKind::InvalidInput, "not a regular file");
            Err(HistoryError::Other(Cause::File { path: path.to_owned(), source }))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Begins a new file that nobody else uses yet; no tables are in it, and no log is beside it.
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

/// Leaves the files as they are when the connection is closed.
pub(super) fn keep_as_is(connection: &Connection) {
    // It cannot fail: the option is older than any version this is built with.
    let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
}

/// Makes an empty file that only its owner can read; SQLite gives its companions the same mode.
fn create(path: &Path) -> Result<(), HistoryError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        // Not even opened: to close it again would take away this process's locks.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(HistoryError::new(Cause::File { path: path.to_owned(), source }, path)),
    }
}

/// Looks at the two bytes by which SQLite takes a file of a format to come for one that it may only read.
fn check_format(path: &Path) -> Result<(), HistoryError> {
    let mut header = Vec::new();
    let read = File::open(path).and_then(|file| file.take(20).read_to_end(&mut header));
    read.map_err(|source| HistoryError::new(Cause::File { path: path.to_owned(), source }, path))?;
    match header.get(18..20) {
        // 1: journal, 2: write-ahead log. An empty file is a new one.
        Some([1..=2, 1..=2]) => Ok(()),
        None if header.is_empty() => Ok(()),
        _ => Err(HistoryError::new(Cause::Check("its header is not that of a database".to_owned()), path)),
    }
}

/// Looks at every page, every check and every reference.
fn check(connection: &Connection, path: &Path) -> Result<(), HistoryError> {
    let said = connection.query_row("PRAGMA integrity_check(1)", [], |row| super::row::text(row, 0));
    let said = said.map_err(|error| HistoryError::new(error, path))?;
    if said != "ok" {
        return Err(HistoryError::new(Cause::Check(said), path));
    }
    let mut orphans = connection.prepare("PRAGMA foreign_key_check").map_err(|error| HistoryError::new(error, path))?;
    match orphans.exists([]) {
        Ok(false) => Ok(()),
        Ok(true) => Err(HistoryError::new(Cause::Check("a row is missing that another refers to".to_owned()), path)),
        Err(error) => Err(HistoryError::new(error, path)),
    }
}

/// Settings of the connection, and of the file while it is new.
fn configure(connection: &Connection) -> rusqlite::Result<()> {
    // Only an empty file takes this, and it must come before all else.
    connection.pragma_update(None, "auto_vacuum", "incremental")?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    // KiB of pages in memory, negative to say so. Rows are written once and read once: more would only be more.
    connection.pragma_update(None, "cache_size", -512)?;
    connection.pragma_update(None, "synchronous", "full")?;
    // Checkpoints are made where their failure can be told from a commit's: room.rs.
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "memory")
}
