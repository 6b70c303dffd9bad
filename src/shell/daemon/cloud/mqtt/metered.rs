//! A connection with a limit on the bytes that the other end may send.
//!
//! TLS has records of its own that are invisible above it: empty ones, session tickets, new keys.
//! The packets of MQTT are bounded by our requests, and this bounds the bytes below: each byte that
//! we send, and each second, allows for some more.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// Bytes allowed at the beginning, and upper bound of the allowance: room for the longest chains of
/// certificates.
const SAVED: u64 = 256 << 10;
/// Bytes allowed per second.
const PER_SECOND: u64 = 4 << 10;
/// Bytes allowed for each byte sent. An acknowledgement is a quarter of the shortest report, TLS included.
const PER_BYTE: u64 = 1;

/// The error when the other end has sent more.
#[derive(Debug, thiserror::Error)]
#[error("more is sent than was asked for")]
pub(in super::super) struct TooMuch;

/// The connection.
#[derive(Debug)]
pub(super) struct Metered<S> {
    inner: S,
    allowance: Allowance,
}

#[derive(Debug)]
struct Allowance {
    bytes: u64,
    at: Instant,
}

impl<S> Metered<S> {
    /// Wraps a new connection.
    pub(super) fn new(inner: S) -> Self {
        Self {
            inner,
            allowance: Allowance {
                bytes: SAVED,
                at: Instant::now(),
            },
        }
    }
}

impl Allowance {
    fn add(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes).min(SAVED);
    }

    fn spend(&mut self, bytes: usize, now: Instant) -> Result<(), TooMuch> {
        // In whole seconds, so that no remainder is lost at each call.
        let seconds = now.saturating_duration_since(self.at).as_secs();
        self.at += std::time::Duration::from_secs(seconds);
        self.add(seconds.saturating_mul(PER_SECOND));
        self.bytes = self.bytes.checked_sub(bytes as u64).ok_or(TooMuch)?;
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(context, buffer))?;
        let read = buffer.filled().len() - before;
        Poll::Ready(
            this.allowance
                .spend(read, Instant::now())
                .map_err(io::Error::other),
        )
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.inner).poll_write(context, bytes))?;
        this.allowance
            .add((written as u64).saturating_mul(PER_BYTE));
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_was_not_asked_for_is_allowed_only_so_fast() {
        let start = Instant::now();
        let mut allowance = Allowance {
            bytes: SAVED,
            at: start,
        };
        allowance.spend(SAVED as usize, start).unwrap();
        allowance.spend(1, start).expect_err("all is spent");
        let later = start + Duration::from_secs(3);
        allowance.spend(3 * PER_SECOND as usize, later).unwrap();
        allowance.spend(1, later).expect_err("all is spent again");
        allowance.add(100);
        allowance.spend(100, later).unwrap();
        allowance
            .spend(1, later)
            .expect_err("what was asked for has come");
    }

    #[test]
    fn nothing_is_saved_beyond_the_limit_and_no_fraction_of_a_second_is_lost() {
        let start = Instant::now();
        let mut allowance = Allowance {
            bytes: 0,
            at: start,
        };
        for tenth in 1..=10 {
            allowance
                .spend(0, start + Duration::from_millis(100) * tenth)
                .unwrap();
        }
        assert_eq!(allowance.bytes, PER_SECOND);
        allowance
            .spend(0, start + Duration::from_secs(1_000_000))
            .unwrap();
        assert_eq!(allowance.bytes, SAVED);
    }
}
