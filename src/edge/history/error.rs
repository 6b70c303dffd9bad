//! Errors of the history, by the possible remedy: make room, open it again, or none.
//!
//! A full disk has several error codes: SQLite reports `ENOSPC` of a write as "full", but a quota,
//! or a full disk during a sync or in shared memory, only as an input/output error. Then a small
//! test write to the file system decides.

use rusqlite::ErrorCode;
use rusqlite::ffi;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The history could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The disk or the quota is full. The same call may succeed later.
    #[error("no space is left for the history")]
    Full(#[source] Cause),
    /// The file is damaged. Opening it again sets it aside and saves the readable rows.
    #[error("the history is damaged")]
    Damaged(#[source] Cause),
    /// Any other error.
    #[error("failed to use the history")]
    Other(#[source] Cause),
}

/// Underlying error.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// An error of SQLite.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The database file, or one beside it, could not be used.
    #[error("failed to use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the system call.
        source: io::Error,
    },
    /// The tables could not be brought to this version.
    #[error(transparent)]
    Schema(#[from] rusqlite_migration::Error),
    /// A check found damage.
    #[error("{0}")]
    Check(String),
    /// A reader has kept the log from being emptied for too long.
    #[error("a program that reads the history keeps its log from being emptied")]
    Reader,
    /// A newer version wrote it.
    #[error(
        "{path} was written by a newer version (schema {found}, this one knows {known}); it is left as it is"
    )]
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
    /// Classifies an error about the database at `path`.
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
            Cause::Schema(rusqlite_migration::Error::RusqliteError { err, .. }) => {
                match kind(err) {
                    Kind::Full => Self::Full(cause),
                    Kind::MaybeFull if is_full(path) => Self::Full(cause),
                    Kind::Damaged => Self::Damaged(cause),
                    Kind::MaybeFull | Kind::Other => Self::Other(cause),
                }
            }
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
    // A column does not hold a value that this program has written.
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        return Kind::Damaged;
    };
    match failure.extended_code {
        // Sectors are unreadable or missing: another file will have others.
        ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ | ffi::SQLITE_IOERR_CORRUPTFS => {
            return Kind::Damaged;
        }
        _ => {}
    }
    match failure.code {
        ErrorCode::DiskFull => Kind::Full,
        // The last one is "SQL error": the statements are correct, so the tables are damaged.
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::Unknown => Kind::Damaged,
        ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => Kind::MaybeFull,
        _ => Kind::Other,
    }
}

fn is_no_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Returns true if the file system of `path` refuses another 16 KiB.
fn is_full(path: &Path) -> bool {
    const SOME: [u8; 16384] = [1; 16384];
    let directory = path.parent().unwrap_or(Path::new("."));
    // A file without a name: it disappears in any case.
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => {
            let mut file = File::from(file);
            file.write_all(&SOME)
                .and_then(|()| file.sync_all())
                .is_err_and(|error| is_no_space(&error))
        }
        Err(error) if is_no_space(&error.into()) => true,
        // Some file systems do not support such files.
        Err(_) => rustix::fs::statvfs(directory).is_ok_and(|volume| volume.f_bavail < 4),
    }
}
