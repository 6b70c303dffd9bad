//! What is needed for `mqtts://`: whom we trust, and who we are.
//!
//! The broker's name or address is always checked against its certificate; there is no switch that turns it off.

use super::credentials;
use super::failure::Failure;
use crate::core::config::settings::{ClientCertificate, FileAt};
use rustls::client::WantsClientCert;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use std::sync::Arc;

/// Reads all files that are named.
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

/// Every certificate in the file must be one: half an authority is a mistake to be told.
fn those_of(file: &FileAt) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("CAFile", file)? {
        roots.add(certificate).map_err(|error| Failure::File(format!("CAFile=: {error}")))?;
    }
    Ok(roots)
}

/// The host's own may have some that rustls cannot use; what counts is that there are others.
fn those_of_the_host() -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if usable == 0 {
        let why = "there are none; install ca-certificates, or name yours with CAFile=";
        return Err(Failure::File(format!("the authorities of this host: {why}")));
    }
    Ok(roots)
}

fn with_certificate(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    own: &ClientCertificate,
) -> Result<ClientConfig, Failure> {
    let chain = certificates("CertFile", &own.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(&credentials::read("KeyFile", &own.key)?)
        .map_err(|_| Failure::File("KeyFile=: the file holds no private key in PEM without a passphrase".to_owned()))?;
    let fit = builder.with_client_auth_cert(chain, key);
    fit.map_err(|error| Failure::File(format!("CertFile= and KeyFile=: they do not make a pair: {error}")))
}

fn certificates(key: &str, file: &FileAt) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let pem = credentials::read(key, file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| Failure::File(format!("{key}=: the file is damaged: {error}")))?;
    if found.is_empty() {
        return Err(Failure::File(format!("{key}=: the file holds no certificate in PEM")));
    }
    Ok(found)
}
