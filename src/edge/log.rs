//! What all our programs but the generator write to the journal, and never to standard output, which may be a service's: a file or a
//! socket.
//!
//! A recovery must not wait for journald. When it hangs, its socket is soon full and a send would block until the start
//! times out, which is one more death. Hence not the crate for it, whose sends know no bound: a send here waits [`PATIENCE`]
//! at most, and once a process that does recoveries has waited in vain it waits no more. Without journald nothing is said.
//!
//! The words of a message are made safe to be shown ([`visible`]), wherever parts of them come from. The other fields are for programs,
//! which have them as they are.

use crate::core::visible::visible;
use std::fmt::{Debug, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

/// Where journald listens: systemd's native protocol, <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>.
const SOCKET: &str = "/run/systemd/journal/socket";

/// The field with a message's words.
const MESSAGE: &str = "message";

/// How long one send may wait. A journald that is only busy empties its socket in less.
const PATIENCE: Duration = Duration::from_millis(100);

/// Sends all that is logged from now on to the journal, under this name.
pub(crate) fn to_journal(identifier: &'static str) {
    if let Some(journal) = Journal::open(identifier, Late::GiveUp) {
        // A second subscriber cannot have been set: this is the first thing the program does.
        let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(journal));
    }
}

/// What follows when a send has waited in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    /// No send waits any more: a recovery has better things to do.
    GiveUp,
    /// The next one waits again: the process lives long.
    #[cfg(feature = "full")]
    WaitAgain,
}

/// The journal as a place where events go.
#[derive(Debug)]
pub(crate) struct Journal {
    socket: UnixDatagram,
    identifier: &'static str,
    late: Late,
}

impl Journal {
    /// A way to journald; none where it cannot be made, or there is no journald.
    pub(crate) fn open(identifier: &'static str, late: Late) -> Option<Self> {
        let socket = UnixDatagram::unbound().ok().filter(|_| Path::new(SOCKET).exists())?;
        socket.set_write_timeout(Some(PATIENCE)).ok()?;
        Some(Self { socket, identifier, late })
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut entry = Entry(Vec::new());
        entry.put("PRIORITY", priority(*event.metadata().level()));
        entry.put("SYSLOG_IDENTIFIER", self.identifier);
        event.record(&mut entry);
        let sent = self.socket.send_to(&entry.0, SOCKET);
        if self.late == Late::GiveUp && sent.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock) {
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
        match field.name() {
            // People read it; other fields are for programs, which have them as they are.
            MESSAGE => self.put("MESSAGE", &visible(value)),
            name => self.put(&name.to_ascii_uppercase(), value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        let _ = write!(text, "{value:?}");
        self.record_str(field, &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// Gives what the journal is sent of an event.
    #[derive(Clone, Default)]
    struct Sent(Arc<Mutex<Vec<u8>>>);

    impl<S: Subscriber> Layer<S> for Sent {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let mut entry = Entry(Vec::new());
            event.record(&mut entry);
            *self.0.lock().unwrap() = entry.0;
        }
    }

    #[test]
    fn words_are_made_safe_and_other_fields_stay_as_they_are() {
        let sent = Sent::default();
        let foreign = "broken\u{202e}\nfine\u{1b}[2J";
        tracing::subscriber::with_default(tracing_subscriber::registry().with(sent.clone()), || {
            tracing::info!(UNITWARD_REASON = foreign, "web.service ended: {foreign}");
        });
        let mut expect = Entry(Vec::new());
        expect.put("MESSAGE", "web.service ended: broken\u{fffd}\u{fffd}fine\u{fffd}[2J");
        expect.put("UNITWARD_REASON", foreign);
        assert_eq!(String::from_utf8_lossy(&sent.0.lock().unwrap()), String::from_utf8_lossy(&expect.0));
    }

    #[test]
    fn a_value_may_hold_any_byte() {
        let mut entry = Entry(Vec::new());
        entry.put("MESSAGE", "a\nB=c");
        assert_eq!(entry.0, b"MESSAGE\n\x05\0\0\0\0\0\0\0a\nB=c\n");
    }
}
