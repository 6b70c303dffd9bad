//! Certificates for brokers and clients, made by openssl on this machine.

use crate::host::{Access, Host};
use std::fs;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// What `openssl ca` has to be told of itself.
const SETTINGS: &str = "[ca]\ndefault_ca=authority\n[authority]\ndatabase=index\nnew_certs_dir=.\ncertificate=ca.crt\n\
    private_key=ca.key\nrand_serial=yes\nunique_subject=no\ndefault_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n";

/// When a certificate is valid.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Valid {
    /// Until long after the test.
    Now,
    /// It was for a day, long ago.
    Once,
    /// It will be for a day, in a far future.
    Some,
}

/// How a private key is written down.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key {
    Pkcs8,
    Pkcs1,
    Sec1,
    /// As the first, on a curve that is not known everywhere.
    P521,
}

/// An authority that signs certificates.
#[derive(Debug)]
pub(crate) struct Authority(TempDir);

/// A certificate and its key, in PEM.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    /// A new one of this name.
    pub(crate) fn new(name: &str) -> Self {
        let authority = Self(tempfile::tempdir().expect("a temporary folder"));
        fs::write(authority.path().join("settings"), SETTINGS).unwrap();
        fs::write(authority.path().join("index"), "").unwrap();
        let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 30";
        authority.openssl(&format!("{new} -subj /CN={name}"));
        authority
    }

    /// Its own certificate, in PEM.
    pub(crate) fn certificate(&self) -> String {
        fs::read_to_string(self.path().join("ca.crt")).unwrap()
    }

    /// A certificate for these names, as in `DNS:localhost,IP:127.0.0.1`.
    pub(crate) fn certify(&self, names: &str, valid: Valid) -> Pair {
        self.certify_key(names, valid, Key::Pkcs8)
    }

    /// The same with its key in this form.
    pub(crate) fn certify_key(&self, names: &str, valid: Valid, key: Key) -> Pair {
        let new = match key {
            Key::Pkcs8 | Key::Sec1 => "ec -pkeyopt ec_paramgen_curve:P-256",
            Key::P521 => "ec -pkeyopt ec_paramgen_curve:P-521",
            Key::Pkcs1 => "rsa:2048",
        };
        self.openssl(&format!(
            "req -newkey {new} -nodes -keyout key -out request -subj /CN=host"
        ));
        match key {
            Key::Pkcs8 | Key::P521 => {}
            Key::Pkcs1 => self.openssl("rsa -in key -out key -traditional"),
            Key::Sec1 => self.openssl("ec -in key -out key"),
        }
        fs::write(
            self.path().join("names"),
            format!("subjectAltName={names}\n"),
        )
        .unwrap();
        let (from, to) = match valid {
            Valid::Now => ("20200101000000Z", "20990101000000Z"),
            Valid::Once => ("20200101000000Z", "20200102000000Z"),
            Valid::Some => ("20980101000000Z", "20990101000000Z"),
        };
        self.openssl(&format!(
            "ca -batch -config settings -notext -in request -out certificate -extfile names -startdate {from} -enddate {to}"
        ));
        let read = |name| fs::read_to_string(self.path().join(name)).unwrap();
        Pair {
            certificate: read("certificate"),
            key: read("key"),
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(self.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "openssl {arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

impl Pair {
    /// Writes both into a host, beside each other: `PATH.crt` and `PATH.key`, for one user's eyes.
    pub(crate) fn install(&self, host: &Host, path: &str, owner: &str) {
        let uid = host
            .sh(&format!("id -u {owner}"))
            .parse()
            .expect("a number");
        for (suffix, text) in [("crt", &self.certificate), ("key", &self.key)] {
            host.write_mode(
                &format!("{path}.{suffix}"),
                text.as_bytes(),
                Access { mode: 0o600, uid },
            );
        }
    }
}
