//! The byte stream of a connection: TCP, and TLS above it if configured.

use super::super::failure::Failure;
use super::Greeting;
use super::metered::Metered;
use rustls::pki_types::ServerName;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

/// A byte stream in both directions.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Connects to the first address of the host that answers.
///
/// # Errors
///
/// No address answers, or the TLS handshake fails.
pub(super) async fn connect(greeting: &Greeting) -> Result<Box<dyn Stream>, Failure> {
    let tcp = reach(&greeting.host, greeting.port)
        .await
        .map_err(|error| Failure::of_io(&error))?;
    // What is written is written as a whole, so waiting for more gains nothing.
    tcp.set_nodelay(true)
        .map_err(|error| Failure::of_io(&error))?;
    let tcp = Metered::new(tcp);
    let Some(tls) = &greeting.tls else {
        return Ok(Box::new(tcp));
    };
    let name = ServerName::try_from(greeting.host.clone())
        .map_err(|_| Failure::Tls("the host in Broker= is no name for a certificate".to_owned()))?;
    let stream = TlsConnector::from(tls.clone()).connect(name, tcp).await;
    Ok(Box::new(
        stream.map_err(|error| Failure::of_handshake(&error))?,
    ))
}

async fn reach(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut latest = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in lookup_host((host, port)).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => latest = error,
        }
    }
    Err(latest)
}
