//! What may go wrong with the history, by what its user can do about it: make room, open it again, or nothing.
//!
//! A full disk has many names: SQLite tells `ENOSPC` of a write as "full", but a quota, or the same of a sync or of the
//! shared memory, only as an input/output error. There the file system is asked itself, by writing a little to it.

use rusqlite::ErrorCode;
use rusqlite::ffi;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The history could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The disk or the quota is full. The same may work later.
    #[error("no space is left for the history")]
    Full(#[source] Cause),
    /// The file is not what was written. Opening it again sets it aside and saves what can be read.
    #[error("the history is damaged")]
    Damaged(#[source] Cause),
    /// Anything else.
    #[error("failed to use the history")]
    Other(#[source] Cause),
}

/// What happened.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// SQLite says so.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// A file beside the database could not be used.
    #[error("failed to use {path}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The tables could not be brought to this version.
    #[error(transparent)]
    Schema(#[from] rusqlite_migration::Error),
    /// A check found it.
    #[error("{0}")]
    Check(String),
    /// A reader that has not come to its end for long.
    #[error("a program that reads the history keeps its log from being emptied")]
    Reader,
    /// A newer version wrote it.
    #[error("{path} was written by a newer version (schema {found}, this one knows {known}); it is left as it is")]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The last schema known here.
        known: i64,
    },
}

impl HistoryError {
    /// Tells which of them an error about the database at `path` is.
    pub(super) fn new(cause: impl Into<Cause>, path: &Path) -> Self {
        let cause = cause.into();
        match &cause {
            Cause::Sqlite(error) => match kind(error) {
                Kind::Full => Self::Full(cause),
                Kind::Damaged => Self::Damaged(cause),
                Kind::MaybeFull if is_full(path) => Self::Full(cause),
                Kind::MaybeFull | Kind::Other => Self::Other(cause),
            },
            Cause::File { source, .. } if is_no_space(source) => Self::Full(cause),
            Cause::Schema(rusqlite_migration::Error::RusqliteError { err, .. }) => match kind(err) {
                Kind::Full => Self::Full(cause),
                Kind::MaybeFull if is_full(path) => Self::Full(cause),
                Kind::Damaged => Self::Damaged(cause),
                Kind::MaybeFull | Kind::Other => Self::Other(cause),
            },
            Cause::Check(_) => Self::Damaged(cause),
            Cause::Reader => Self::Full(cause),
            Cause::File { .. } | Cause::Schema(_) | Cause::Newer { .. } => Self::Other(cause),
        }
    }
}

enum Kind {
    Full,
    Damaged,
    MaybeFull,
    Other,
}

fn kind(error: &rusqlite::Error) -> Kind {
    // A column that does not hold what this program has put there.
    let rusqlite::Error::SqliteFailure(failure, _) = error else { return Kind::Damaged };
    match failure.extended_code {
        // Sectors that cannot be read any more, or that are missing: another file will have others.
        ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS => return Kind::Damaged,
        _ => {}
    }
    match failure.code {
        ErrorCode::DiskFull => Kind::Full,
        // The last is "SQL error": the statements are sound, so it is the tables that are not what they were.
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown => Kind::Damaged,
        ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => Kind::MaybeFull,
        _ => Kind::Other,
    }
}

fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether the file system around `path` refuses another few blocks.
fn is_full(path: &Path) -> bool {
    const SOME: [u8; 16384] = [1; 16384];
    let directory = path.parent().unwrap_or(Path::new("."));
    // A file without a name: nothing is left over, whatever happens.
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => {
            let mut file = File::from(file);
            file.write_all(&SOME).and_then(|()| file.sync_all()).is_err_and(|error| is_no_space(&error))
        }
        Err(error) if is_no_space(&error.into()) => true,
        // Not every file system knows such files.
        Err(_) => rustix::fs::statvfs(directory).is_ok_and(|volume| volume.f_bavail < 4),
    }
}
