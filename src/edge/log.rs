//! The journal entries of all our programs but the generator. They never go to standard output,
//! which may be a service's: a file or a socket.
//!
//! A recovery must not wait for journald. When that hangs, its socket is soon full and a send would
//! block until the start times out, which is one more death. Therefore not the crate for it, whose
//! sends have no time limit: a send here waits [`Late::patience`] at most. After one wait in vain
//! no send waits any more: in a process that does recoveries until its end, in the daemon until the
//! journal takes an entry again; it then logs how many are lost. An entry that is larger than the
//! socket takes is shortened. Without journald nothing is logged.
//!
//! The message text is made safe to be shown ([`visible`]), wherever parts of it come from. The
//! other fields are for programs, which get them unchanged.

use crate::core::visible::visible;
use std::fmt::{Debug, Write as _};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

/// journald's socket for systemd's native protocol, <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>.
const SOCKET: &str = "/run/systemd/journal/socket";

/// The same socket as PID 1 sees it. A service with `LogNamespace=` has the socket of another
/// journald in its place, and one with `TemporaryFileSystem=/run` none at all; entries about
/// recoveries belong in the host's own journal.
const HOSTS_SOCKET: &str = "/proc/1/root/run/systemd/journal/socket";

/// Name of the field with a message's text.
const MESSAGE: &str = "message";

/// End of a value that was shortened.
const SHORTENED: &str = "…";

/// Number of attempts to send an entry, each with half of its longest value: enough for any.
const TRIES: usize = 32;

/// Sends all log events from now on to the journal, under this identifier.
pub(crate) fn to_journal(identifier: &'static str) {
    let hosts = Journal::at(Path::new(HOSTS_SOCKET), identifier, Late::GiveUp);
    // Only root may use that path.
    if let Some(journal) = hosts.or_else(|| Journal::open(identifier, Late::GiveUp)) {
        // A second subscriber cannot have been set: this is the first thing the program does.
        let _ =
            tracing::subscriber::set_global_default(tracing_subscriber::registry().with(journal));
    }
}

/// Behaviour after a send has waited in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    /// No send waits any more: a recovery comes first.
    GiveUp,
    /// No send waits until one has succeeded: the process lives long, and logs how many entries are
    /// lost.
    #[cfg(feature = "full")]
    WaitAgain,
}

impl Late {
    /// Returns the time that one send may wait. A journald that is only busy empties its socket in
    /// less.
    const fn patience(self) -> Duration {
        match self {
            Self::GiveUp => Duration::from_millis(100),
            #[cfg(feature = "full")]
            Self::WaitAgain => Duration::from_secs(2),
        }
    }
}

/// A [`Layer`] that sends events to the journal.
#[derive(Debug)]
pub(crate) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
    identifier: &'static str,
    late: Late,
    /// Number of lost entries that are not reported yet.
    lost: AtomicUsize,
}

impl Journal {
    /// Opens a socket to journald; `None` if it cannot be made, or there is no journald.
    pub(crate) fn open(identifier: &'static str, late: Late) -> Option<Self> {
        Self::at(Path::new(SOCKET), identifier, late)
    }

    fn at(path: &Path, identifier: &'static str, late: Late) -> Option<Self> {
        let socket = UnixDatagram::unbound().ok().filter(|_| path.exists())?;
        socket.set_write_timeout(Some(late.patience())).ok()?;
        Some(Self {
            socket,
            path: path.to_owned(),
            identifier,
            late,
            lost: AtomicUsize::new(0),
        })
    }

    fn entry(&self, level: Level) -> Entry {
        let mut entry = Entry::default();
        entry.put("PRIORITY", priority(level));
        entry.put("SYSLOG_IDENTIFIER", self.identifier);
        entry
    }

    /// Sends an entry, shortened as far as necessary.
    fn send(&self, mut entry: Entry) -> io::Result<()> {
        for _ in 0..TRIES {
            match self.socket.send_to(&entry.encode(), &self.path) {
                Err(error)
                    if error.raw_os_error() == Some(rustix::io::Errno::MSGSIZE.raw_os_error()) =>
                {
                    entry.shorten()
                }
                sent => return sent.map(drop),
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }

    /// Logs the number of lost entries; if that fails, it is logged later.
    fn tell_of_the_lost(&self) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost == 0 || self.late == Late::GiveUp {
            return;
        }
        let mut entry = self.entry(Level::WARN);
        let entries = if lost == 1 {
            "1 log entry is".to_owned()
        } else {
            format!("{lost} log entries are")
        };
        entry.put(
            "MESSAGE",
            &format!("{entries} lost: the journal did not take what was said before this."),
        );
        if self.send(entry).is_err() {
            self.lost.fetch_add(lost, Ordering::Relaxed);
        } else {
            // If this fails, the next send still does not wait.
            let _ = self.socket.set_nonblocking(false);
        }
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut entry = self.entry(*event.metadata().level());
        event.record(&mut entry);
        match self.send(entry) {
            Ok(()) => self.tell_of_the_lost(),
            Err(error) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
                if error.kind() == io::ErrorKind::WouldBlock {
                    // If this fails, the next send waits again, still within its bound.
                    let _ = self.socket.set_nonblocking(true);
                }
            }
        }
    }
}

/// Returns the syslog priority of a level (syslog(3)).
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        _ => "7",
    }
}

/// A message that is being built: the names and values of its fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Entry(Vec<(String, String)>);

impl Entry {
    fn put(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// Returns the fields in the form that allows any byte in a value.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, value) in &self.0 {
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(b'\n');
            bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
            bytes.extend_from_slice(value.as_bytes());
            bytes.push(b'\n');
        }
        bytes
    }

    /// Keeps the first half of the longest value.
    fn shorten(&mut self) {
        if let Some((_, value)) = self.0.iter_mut().max_by_key(|(_, value)| value.len()) {
            let half = (0..=value.len() / 2)
                .rev()
                .find(|end| value.is_char_boundary(*end));
            value.truncate(half.unwrap_or_default());
            value.push_str(SHORTENED);
        }
    }
}

impl Visit for Entry {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            // People read the message; other fields are for programs, which get them unchanged.
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

    /// Keeps the entry that the journal would be sent for an event.
    #[derive(Clone, Default)]
    struct Sent(Arc<Mutex<Entry>>);

    impl<S: Subscriber> Layer<S> for Sent {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let mut entry = Entry::default();
            event.record(&mut entry);
            *self.0.lock().unwrap() = entry;
        }
    }

    #[test]
    fn words_are_made_safe_and_other_fields_stay_as_they_are() {
        let sent = Sent::default();
        let foreign = "broken\u{202e}\nfine\u{1b}[2J";
        tracing::subscriber::with_default(
            tracing_subscriber::registry().with(sent.clone()),
            || {
                tracing::info!(UNITWARD_REASON = foreign, "web.service ended: {foreign}");
            },
        );
        let mut expect = Entry::default();
        expect.put(
            "MESSAGE",
            "web.service ended: broken\u{fffd}\u{fffd}fine\u{fffd}[2J",
        );
        expect.put("UNITWARD_REASON", foreign);
        assert_eq!(*sent.0.lock().unwrap(), expect);
    }

    #[test]
    fn a_value_may_hold_any_byte() {
        let mut entry = Entry::default();
        entry.put("MESSAGE", "a\nB=c");
        assert_eq!(entry.encode(), b"MESSAGE\n\x05\0\0\0\0\0\0\0a\nB=c\n");
    }

    /// Fills a journald's socket, logs to it meanwhile, and reads what it gets afterwards.
    #[cfg(feature = "full")]
    #[test]
    fn the_daemon_waits_once_and_tells_how_many_entries_are_lost() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("socket");
        let journald = UnixDatagram::bind(&path).unwrap();
        journald.set_nonblocking(true).unwrap();
        let filler = UnixDatagram::unbound().unwrap();
        filler.set_nonblocking(true).unwrap();
        while filler.send_to(b"other", &path).is_ok() {}
        let journal = Journal::at(&path, "test", Late::WaitAgain).unwrap();
        let read = || {
            let (mut bytes, mut texts) = (vec![0; 64 << 10], Vec::new());
            while let Ok(count) = journald.recv(&mut bytes) {
                texts.push(String::from_utf8_lossy(&bytes[..count]).into_owned());
            }
            texts.retain(|text| text != "other");
            texts
        };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(journal), || {
            let begun = std::time::Instant::now();
            tracing::info!("one");
            assert!(
                begun.elapsed() >= Late::WaitAgain.patience(),
                "a journald that is only busy gets its time"
            );
            (0..1_000).for_each(|_| tracing::info!("more"));
            assert!(
                begun.elapsed() < 4 * Late::WaitAgain.patience(),
                "{:?}",
                begun.elapsed()
            );
            assert_eq!(read(), [""; 0]);
            tracing::info!("last");
            let texts = read();
            assert!(texts.len() == 2 && texts[0].contains("last"), "{texts:?}");
            assert!(texts[1].contains("1001 log entries are lost"), "{texts:?}");
            tracing::info!("usual");
            assert_eq!(read().len(), 1, "it is told once");
        });
    }

    #[test]
    fn an_entry_that_is_too_large_is_shortened_where_it_is_longest() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("socket");
        let journald = UnixDatagram::bind(&path).unwrap();
        let journal = Journal::at(&path, "test", Late::GiveUp).unwrap();
        let long = "é".repeat(2 << 20);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(journal), || {
            tracing::info!(UNITWARD_REASON = long, "words");
        });
        let mut bytes = vec![0; 1 << 20];
        journald.set_nonblocking(true).unwrap();
        let count = journald.recv(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes[..count]);
        assert!(
            text.contains("words") && text.contains("éé…\n") && count > 10_000,
            "{count} bytes"
        );
    }

    #[test]
    fn a_level_has_the_priority_that_syslog_calls_so() {
        let all = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG];
        assert_eq!(all.map(priority), ["3", "4", "6", "7"]);
    }
}
