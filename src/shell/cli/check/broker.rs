//! Files named in `[MQTT]` that make a connection impossible, or that users other than root can
//! replace or read; and a host that trusts no authority.
//!
//! The daemon opens them anew for each connection, so all of it is warnings: a file may come later.

use crate::core::config::{Mistake, Place, Problem, Settings, SourceFile, syntax};
use crate::edge::{paths, root, unit_files};
use crate::shell::daemon::cloud::tls;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Keys that name files.
const KEYS: [&str; 4] = ["PasswordFile", "CAFile", "CertFile", "KeyFile"];

/// Directories that unitwardd.service does not see, or sees with other content (`ProtectHome=`,
/// `PrivateTmp=`).
const UNSEEN: [&str; 5] = ["/home", "/root", "/run/user", "/tmp", "/var/tmp"];

/// Keys whose files are secrets.
const SECRETS: [&str; 2] = ["PasswordFile", "KeyFile"];

/// Files with a host's certificate authorities, as the daemon looks for them.
const AUTHORITIES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
];

/// Upper bound of the size of a file whose content is examined, in bytes.
const LARGEST: u64 = 1 << 20;

/// A setting of the connection.
struct Setting {
    key: String,
    value: String,
    at: Place,
}

/// Returns the settings of the connection: of each key the last one.
fn settings_in(files: &[SourceFile]) -> Vec<Setting> {
    let mut named: Vec<Setting> = Vec::new();
    for file in files {
        let (sections, ..) = syntax::split(file);
        for entry in sections
            .iter()
            .filter(|section| section.name == "MQTT")
            .flat_map(|section| &section.entries)
            .filter(|entry| entry.key == "Broker" || KEYS.contains(&&*entry.key))
        {
            named.retain(|known| known.key != entry.key);
            named.push(Setting {
                key: entry.key.to_string(),
                value: entry.value.to_string(),
                at: entry.place_of(0),
            });
        }
    }
    named
}

/// Returns the setting with this key, if it has a value.
fn find<'a>(named: &'a [Setting], key: &str) -> Option<&'a Setting> {
    named
        .iter()
        .find(|setting| setting.key == key && !setting.value.is_empty())
}

/// Returns the warnings.
pub(super) fn warnings(below: &Path, files: &[SourceFile], settings: &Settings) -> Vec<Problem> {
    let named = settings_in(files);
    // A name without a slash is that of a credential, which only the daemon gets.
    let paths = named
        .iter()
        .filter(|setting| setting.key != "Broker" && setting.value.starts_with('/'));
    paths
        .filter_map(|setting| unfit(below, setting))
        .chain(no_authority(below, &named))
        .chain(unusable_pair(below, &named))
        .chain(nameless(below, settings, &named))
        .collect()
}

/// Warns of a file that makes a connection impossible, or that users other than root can replace or
/// read.
fn unfit(below: &Path, Setting { key, value, at }: &Setting) -> Option<Problem> {
    let path = Path::new(value);
    let text = if let Some(why) = trouble(below, key, path) {
        format!("with {key}={value} there is no connection: {why}")
    } else if let Some(why) = root::in_other_hands(below, path) {
        format!("{key}={value} is not root's alone: {why}")
    } else {
        exposed(below, key, path)?
    };
    Some(Problem {
        at: at.clone(),
        mistake: Mistake::Warning(text),
    })
}

/// Warns that no broker's certificate can be trusted on this host.
fn no_authority(below: &Path, named: &[Setting]) -> Option<Problem> {
    let Setting { at, .. } =
        find(named, "Broker").filter(|broker| broker.value.starts_with("mqtts://"))?;
    let is_there = AUTHORITIES.iter().any(|path| {
        paths::resolve(below, Path::new(path))
            .and_then(|path| path.metadata().ok())
            .is_some_and(|data| data.len() > 0)
    });
    let hashed = paths::resolve(below, Path::new("/etc/ssl/certs"))
        .and_then(|folder| fs::read_dir(folder).ok());
    let mut others = hashed.into_iter().flatten().flatten();
    let has_any = is_there || others.any(|entry| entry.file_name() != "ca-certificates.crt");
    (find(named, "CAFile").is_none() && unit_files::has_system(below) && !has_any).then(|| {
        let text = "there is no connection: this host has no authority that a broker's certificate could be from; install \
                    ca-certificates, or name yours with CAFile=";
        Problem { at: at.clone(), mistake: Mistake::Warning(text.to_owned()) }
    })
}

/// Warns of a certificate and a key that do not match, or that this program cannot use.
fn unusable_pair(below: &Path, named: &[Setting]) -> Option<Problem> {
    let certificate = find(named, "CertFile")?;
    let key = find(named, "KeyFile").and_then(|key| Some((content(below, key)?, &key.at)));
    let why = tls::trouble(
        &content(below, certificate)?,
        key.as_ref().map(|(key, _)| key.as_slice()),
    )?;
    let at = key
        .filter(|_| why.starts_with("KeyFile"))
        .map_or(&certificate.at, |(_, at)| at);
    Some(Problem {
        at: at.clone(),
        mistake: Mistake::Warning(format!("there is no connection: {why}")),
    })
}

/// Returns the content of the file that a setting names; `None`: it cannot be read, or is too large
/// to be examined.
fn content(below: &Path, setting: &Setting) -> Option<Vec<u8>> {
    let path = Some(setting.value.as_str()).filter(|path| path.starts_with('/'))?;
    let found = paths::resolve(below, Path::new(path))
        .filter(|path| path.metadata().is_ok_and(|data| data.len() <= LARGEST))?;
    fs::read(found).ok()
}

/// Warns that reports do not name the host they come from. An image gets its id at its first boot.
fn nameless(below: &Path, settings: &Settings, named: &[Setting]) -> Option<Problem> {
    let Setting { at, .. } = find(named, "Broker")?;
    let id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let is_id = id.trim().len() == 32 && id.trim().bytes().all(|byte| byte.is_ascii_hexdigit());
    (below == Path::new("/") && settings.node.node_id.is_none() && !is_id).then(|| {
        let text = "reports do not tell which host they are from: /etc/machine-id has no id; write NodeId= in [Node], or run \
                    systemd-machine-id-setup";
        Problem { at: at.clone(), mistake: Mistake::Warning(text.to_owned()) }
    })
}

/// Warns that users other than root can read a secret.
fn exposed(below: &Path, key: &str, path: &Path) -> Option<String> {
    let data = SECRETS
        .contains(&key)
        .then(|| paths::resolve(below, path)?.metadata().ok())
        .flatten()?;
    let who = match (
        data.mode() & 0o004 != 0,
        data.mode() & 0o040 != 0 && data.gid() != 0,
    ) {
        (true, _) => "every user",
        (_, true) => "a group",
        _ => return None,
    };
    Some(format!(
        "{key}={} can be read by {who}; chmod 600 it",
        path.display()
    ))
}

/// Returns the problem with the file and the remedy.
fn trouble(below: &Path, key: &str, path: &Path) -> Option<String> {
    if let Some(unseen) = UNSEEN.iter().find(|directory| path.starts_with(directory)) {
        return Some(format!(
            "unitwardd.service does not see {unseen}; put the file into /etc/unitward"
        ));
    }
    let Some(found) = paths::resolve(below, path) else {
        let seen = paths::below(below, path).symlink_metadata();
        let hidden = seen.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
        return (!hidden)
            .then(|| "the file does not exist; correct the path, or put it there".to_owned());
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
        (_, text) => (!text
            .unwrap_or_default()
            .contains("-----BEGIN CERTIFICATE-----"))
        .then(|| "the file holds no certificate in PEM; convert it with openssl x509".to_owned()),
    }
}

/// Returns true if the daemon may read the file: it is root without capabilities, so the file's
/// mode applies to it too (`CapabilityBoundingSet=`).
fn daemon_may_read(data: &fs::Metadata) -> bool {
    let bit = match (data.uid(), data.gid()) {
        (0, _) => 0o400,
        (_, 0) => 0o040,
        _ => 0o004,
    };
    data.mode() & bit != 0
}

fn password(text: &Option<String>) -> Option<String> {
    let Some(text) = text else {
        return Some("the file is not text; write the password into it".to_owned());
    };
    let password = text.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        return Some("the file is empty; write the password into it".to_owned());
    }
    password.contains('\n').then(|| {
        "the file has several lines, which all count; leave only the password in it".to_owned()
    })
}

fn private_key(text: &str) -> Option<String> {
    if !text.contains("PRIVATE KEY-----") {
        return Some(
            "the file holds no private key in PEM; convert it with openssl pkey".to_owned(),
        );
    }
    text.contains("ENCRYPTED").then(|| {
        "the key has a passphrase, which nobody can type; take it off with openssl pkey".to_owned()
    })
}
