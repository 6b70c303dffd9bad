//! Files that `[MQTT]` names and with which no connection can come about, or that somebody else than root can replace.
//!
//! The daemon opens them anew for each connection, so all of it is warnings: a file may come later.

use crate::core::config::{Mistake, Place, Problem, SourceFile, syntax};
use crate::edge::root;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Keys that name files.
const KEYS: [&str; 4] = ["PasswordFile", "CAFile", "CertFile", "KeyFile"];

/// Directories that unitwardd.service does not see, or not as others do (`ProtectHome=`, `PrivateTmp=`).
const UNSEEN: [&str; 5] = ["/home", "/root", "/run/user", "/tmp", "/var/tmp"];

/// Largest file that is looked into.
const LARGEST: u64 = 1 << 20;

/// The warnings.
pub(super) fn warnings(below: &Path, files: &[SourceFile]) -> Vec<Problem> {
    let mut named: Vec<(String, String, Place)> = Vec::new();
    for file in files {
        for section in syntax::split(file).0.iter().filter(|section| section.name == "MQTT") {
            for entry in section.entries.iter().filter(|entry| KEYS.contains(&entry.key.as_ref())) {
                named.retain(|(key, ..)| *key != entry.key);
                named.push((entry.key.to_string(), entry.value.to_string(), entry.place_of(0)));
            }
        }
    }
    // A name without a slash is a credential's, which only the daemon is given.
    let paths = named.into_iter().filter(|(_, path, _)| path.starts_with('/'));
    let warning = |(key, path, at): (String, String, Place)| {
        let no_connection = |why| format!("with {key}={path} there is no connection: {why}");
        let replaced =
            || Some(format!("{key}={path} is not root's alone: {}", root::in_other_hands(below, Path::new(&path))?));
        let text = trouble(below, &key, Path::new(&path)).map(no_connection).or_else(replaced)?;
        Some(Problem { at, mistake: Mistake::Warning(text) })
    };
    paths.filter_map(warning).collect()
}

/// What is wrong with the file, and what to do.
fn trouble(below: &Path, key: &str, path: &Path) -> Option<String> {
    if let Some(unseen) = UNSEEN.iter().find(|directory| path.starts_with(directory)) {
        return Some(format!("unitwardd.service does not see {unseen}; put the file into /etc/unitward"));
    }
    let Some(found) = root::resolve(below, path) else {
        let seen = root::below(below, path).symlink_metadata();
        let hidden = seen.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
        return (!hidden).then(|| "the file does not exist; correct the path, or put it there".to_owned());
    };
    let data = found.metadata().ok()?;
    if !data.is_file() {
        return Some("this is not a file; write the path of one".to_owned());
    }
    if below == Path::new("/") && !daemon_may_read(&data) {
        return Some(
            "unitwardd, root without privileges, may not read the file; chown root and chmod u+r it".to_owned(),
        );
    }
    if data.len() > LARGEST {
        return None;
    }
    match (key, fs::read_to_string(&found)) {
        (_, Err(error)) if error.kind() != ErrorKind::InvalidData => None,
        ("PasswordFile", text) => password(&text.ok()),
        ("KeyFile", text) => private_key(&text.unwrap_or_default()),
        (_, text) => (!text.unwrap_or_default().contains("-----BEGIN CERTIFICATE-----"))
            .then(|| "the file holds no certificate in PEM; convert it with openssl x509".to_owned()),
    }
}

/// The daemon is root with no capability, so the file's mode counts for it too (`CapabilityBoundingSet=`).
fn daemon_may_read(data: &fs::Metadata) -> bool {
    let bit = match (data.uid(), data.gid()) {
        (0, _) => 0o400,
        (_, 0) => 0o040,
        _ => 0o004,
    };
    data.mode() & bit != 0
}

fn password(text: &Option<String>) -> Option<String> {
    let Some(text) = text else { return Some("the file is not text; write the password into it".to_owned()) };
    let password = text.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        return Some("the file is empty; write the password into it".to_owned());
    }
    password
        .contains('\n')
        .then(|| "the file has several lines, which all count; leave only the password in it".to_owned())
}

fn private_key(text: &str) -> Option<String> {
    if !text.contains("PRIVATE KEY-----") {
        return Some("the file holds no private key in PEM; convert it with openssl pkey".to_owned());
    }
    text.contains("ENCRYPTED")
        .then(|| "the key has a passphrase, which nobody can type; take it off with openssl pkey".to_owned())
}
