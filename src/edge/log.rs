//! The words of those who do recoveries and full restarts, into the journal and never to standard output, which may be a
//! service's: a file or a socket.
//!
//! A recovery must not wait for journald. When it hangs, its socket is soon full and a send would block until the start
//! times out, which is one more death. Hence not the crate for it, whose sends know no bound: a send here waits [`PATIENCE`]
//! at most, and once a process has waited in vain it waits no more. Without journald nothing is said.

use std::fmt::{Debug, Write as _};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

/// Where journald listens: systemd's native protocol, <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>.
const SOCKET: &str = "/run/systemd/journal/socket";

/// How long one send may wait. A journald that is only busy empties its socket in less.
const PATIENCE: Duration = Duration::from_millis(100);

/// Sends all that is logged from now on to the journal, under this name.
pub(crate) fn to_journal(identifier: &'static str) {
    let Ok(socket) = UnixDatagram::unbound() else { return };
    if socket.set_write_timeout(Some(PATIENCE)).is_ok() {
        // A second subscriber cannot have been set: this is the first thing the program does.
        let _ = tracing::subscriber::set_global_default(
            tracing_subscriber::registry().with(Journal { socket, identifier }),
        );
    }
}

struct Journal {
    socket: UnixDatagram,
    identifier: &'static str,
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut entry = Entry(Vec::new());
        entry.put("PRIORITY", priority(*event.metadata().level()));
        entry.put("SYSLOG_IDENTIFIER", self.identifier);
        event.record(&mut entry);
        let sent = self.socket.send_to(&entry.0, SOCKET);
        if sent.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock) {
            // Should this fail the next send waits again, still within its bound.
            let _ = self.socket.set_nonblocking(true);
        }
    }
}

/// As syslog counts them.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "5",
        _ => "7",
    }
}

/// A message in the making.
struct Entry(Vec<u8>);

impl Entry {
    /// Adds a field in the form that lets any byte stand in the value.
    fn put(&mut self, name: &str, value: &str) {
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'\n');
        self.0.extend_from_slice(&(value.len() as u64).to_le_bytes());
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'\n');
    }
}

impl Visit for Entry {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(&field.name().to_ascii_uppercase(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        let _ = write!(text, "{value:?}");
        self.put(&field.name().to_ascii_uppercase(), &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_hold_any_byte() {
        let mut entry = Entry(Vec::new());
        entry.put("MESSAGE", "a\nB=c");
        assert_eq!(entry.0, b"MESSAGE\n\x05\0\0\0\0\0\0\0a\nB=c\n");
    }
}
