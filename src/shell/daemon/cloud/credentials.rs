//! The files that the configuration names for the connection: password, authorities, certificate and key.
//!
//! They are read anew for each connection, so that a rotated one needs no reload, and never by the
//! publisher's own task, because a file may lie on a file system that hangs.

use super::failure::Failure;
use crate::core::config::settings::FileAt;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

/// Upper bound of bytes read of a file: all authorities of a host are a tenth of it.
const LARGEST: u64 = 4 << 20;

/// Reads the file that `key` names.
pub(super) fn read(key: &str, file: &FileAt) -> Result<Vec<u8>, Failure> {
    let path = locate(key, file)?;
    let mut bytes = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(LARGEST).read_to_end(&mut bytes))
        .map_err(|error| Failure::File(format!("{key}={}: {error}", path.display())))?;
    Ok(bytes)
}

/// Reads a password: the file's text without the line breaks at its end.
pub(super) fn password(key: &str, file: &FileAt) -> Result<String, Failure> {
    let text = String::from_utf8(read(key, file)?)
        .map_err(|_| Failure::File(format!("{key}=: what the file holds is not text")))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

fn locate(key: &str, file: &FileAt) -> Result<PathBuf, Failure> {
    match file {
        FileAt::Path(path) => Ok(path.clone()),
        FileAt::Credential(name) => match std::env::var_os("CREDENTIALS_DIRECTORY") {
            Some(directory) => Ok(PathBuf::from(directory).join(name)),
            None => {
                let why =
                    "unitwardd.service has no credentials, see LoadCredential= in systemd.exec(5)";
                Err(Failure::File(format!("{key}={name}: {why}")))
            }
        },
    }
}
