//! The daemon's log: with its fields to the journal if stderr is connected to it, else as plain
//! lines to stderr.

use crate::core::visible::visible;
use crate::edge::log::{Journal, Late};
use std::fmt::Debug;
use std::io::Write as _;
use std::os::fd::AsFd;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, registry};

/// Installs the subscriber; a second call is without effect.
pub(super) fn init() {
    let journal = stderr_is_journal()
        .then(|| Journal::open("unitwardd", Late::WaitAgain))
        .flatten();
    let plain = journal.is_none().then_some(PlainLines);
    let _ = registry()
        .with(LevelFilter::INFO)
        .with(journal)
        .with(plain)
        .try_init();
}

/// Returns true if stderr is the journal's socket, which systemd names in `$JOURNAL_STREAM`
/// (systemd.exec(5)).
fn stderr_is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let Some((device, inode)) = stream.split_once(':') else {
        return false;
    };
    rustix::fs::fstat(std::io::stderr().as_fd())
        .is_ok_and(|stat| device.parse() == Ok(stat.st_dev) && inode.parse() == Ok(stat.st_ino))
}

/// Layer that writes one line for each event: the message alone, without systemd's `<N>` prefixes,
/// which are for pipes.
struct PlainLines;

impl<S: Subscriber> Layer<S> for PlainLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = match *event.metadata().level() {
            Level::ERROR => "error: ".to_owned(),
            Level::WARN => "warning: ".to_owned(),
            _ => String::new(),
        };
        event.record(&mut Message(&mut line));
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

struct Message<'l>(&'l mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0.push_str(&visible(&format!("{value:?}")));
        }
    }
}
