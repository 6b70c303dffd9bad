//! The TLS configuration for `mqtts://`: trusted authorities, and our own certificate.
//!
//! The broker's name or address is always checked against its certificate; there is no switch that
//! turns it off.

use super::credentials;
use super::failure::Failure;
use crate::core::config::settings::{ClientCertificate, FileAt};
use rustls::client::WantsClientCert;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, ConfigBuilder, RootCertStore};
use std::sync::Arc;

/// Reads the named files and returns the configuration.
pub(super) fn configuration(
    authorities: Option<&FileAt>,
    own: Option<&ClientCertificate>,
) -> Result<Arc<ClientConfig>, Failure> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Tls(error.to_string()))?
        .with_root_certificates(match authorities {
            Some(file) => those_of(file)?,
            None => those_of_the_host()?,
        });
    let configuration = match own {
        Some(own) => with_certificate(builder, own)?,
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(configuration))
}

/// Reads authorities from a file. Each certificate in it must be usable: a damaged one is an error.
fn those_of(file: &FileAt) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("CAFile", file)? {
        roots
            .add(certificate)
            .map_err(|error| Failure::File(format!("CAFile=: {error}")))?;
    }
    Ok(roots)
}

/// Reads the host's own authorities. Some may be unusable for rustls; none at all is an error.
fn those_of_the_host() -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    let (usable, _) =
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if usable == 0 {
        let why = "there are none; install ca-certificates, or name yours with CAFile=";
        return Err(Failure::File(format!(
            "the authorities of this host: {why}"
        )));
    }
    Ok(roots)
}

fn with_certificate(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    own: &ClientCertificate,
) -> Result<ClientConfig, Failure> {
    let chain = certificates("CertFile", &own.certificate)?;
    let key =
        PrivateKeyDer::from_pem_slice(&credentials::read("KeyFile", &own.key)?).map_err(|_| {
            Failure::File(
                "KeyFile=: the file holds no private key in PEM without a passphrase".to_owned(),
            )
        })?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| Failure::File(no_pair(&error)))
}

/// Returns the reason why this certificate and key, both in PEM, cannot be used, in the words of
/// the connection; without a readable key it checks the certificate alone.
pub(in crate::shell) fn trouble(certificate: &[u8], key: Option<&[u8]>) -> Option<String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<_, _>>()
        .ok()?;
    let first = chain.first()?;
    if let Err(error) = ParsedCertificate::try_from(first) {
        return Some(no_pair(&error));
    }
    let key = PrivateKeyDer::from_pem_slice(key?).ok()?;
    let pair = CertifiedKey::from_der(chain, key, &ring::default_provider());
    pair.err().map(|error| no_pair(&error))
}

/// Returns the words for an error of a certificate and its key.
fn no_pair(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            "CertFile= and KeyFile=: the certificate is for another key than this one; put those that belong together there".to_owned()
        }
        rustls::Error::InvalidCertificate(error) if is_version_1(error) => format!("CertFile=: {VERSION_1}"),
        rustls::Error::InvalidCertificate(error) => format!("CertFile=: the certificate cannot be used: {error}"),
        // The only error of rustls for an unsupported kind of key.
        rustls::Error::General(_) => format!("KeyFile=: a key of this kind cannot be used here; {KEYS}"),
        error => format!("CertFile= and KeyFile=: {error}"),
    }
}

/// The supported kinds of keys, in words.
pub(super) const KEYS: &str =
    "known are ECDSA on P-256 and P-384 (not P-521), Ed25519, and RSA of 2048 to 8192 bits";

/// Words for a certificate of X.509 version 1, which webpki does not take, with the remedy.
pub(super) const VERSION_1: &str = "it is a certificate of X.509 version 1, and only version 3 is taken; make it anew with extensions, \
    as with \"openssl x509 -req -extfile FILE\"";

/// Returns true for webpki's error on version 1, which has no kind of its own in rustls.
pub(super) fn is_version_1(error: &CertificateError) -> bool {
    format!("{error:?}").contains("UnsupportedCertVersion")
}

fn certificates(key: &str, file: &FileAt) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let pem = credentials::read(key, file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found =
        found.map_err(|error| Failure::File(format!("{key}=: the file is damaged: {error}")))?;
    if found.is_empty() {
        return Err(Failure::File(format!(
            "{key}=: the file holds no certificate in PEM"
        )));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::Command;

    fn openssl(place: &Path, arguments: &str) {
        let done = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(place)
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "openssl {arguments}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    /// Makes a key and a self-signed certificate for it.
    fn pair(place: &Path, name: &str, new: &str) {
        openssl(
            place,
            &format!(
                "req -x509 -newkey {new} -nodes -keyout {name}.key -out {name}.pem -subj /CN={name} -days 30"
            ),
        );
    }

    #[test]
    fn what_is_wrong_with_a_certificate_and_its_key_is_said_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path();
        let read = |name: &str| std::fs::read(place.join(name)).unwrap();
        for (name, new) in [
            ("p256", "ec -pkeyopt ec_paramgen_curve:P-256"),
            ("p384", "ec -pkeyopt ec_paramgen_curve:P-384"),
            ("p521", "ec -pkeyopt ec_paramgen_curve:P-521"),
            ("rsa", "rsa:2048"),
            ("ed", "ed25519"),
        ] {
            pair(place, name, new);
        }
        let check = |certificate: &[u8], key: &str, expect: Option<&str>| {
            let found = trouble(certificate, Some(&read(key)));
            assert_eq!(found.is_some(), expect.is_some(), "{key}: {found:?}");
            assert!(
                expect.is_none_or(|words| found.as_ref().unwrap().contains(words)),
                "{key}: {found:?}"
            );
        };
        for name in ["p256", "p384", "rsa", "ed"] {
            check(&read(&format!("{name}.pem")), &format!("{name}.key"), None);
        }
        check(
            &read("p521.pem"),
            "p521.key",
            Some("KeyFile=: a key of this kind cannot be used here; known are ECDSA on P-256"),
        );
        check(
            &read("p256.pem"),
            "p384.key",
            Some("the certificate is for another key than this one"),
        );
        check(
            include_bytes!("fixtures/version-1.pem"),
            "p256.key",
            Some("CertFile=: it is a certificate of X.509 version 1"),
        );
        assert!(trouble(include_bytes!("fixtures/version-1.pem"), None).is_some());
        assert_eq!(trouble(&read("p256.pem"), None), None);
    }
}
