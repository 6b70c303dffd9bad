//! Display of the elapsed time while a command waits, on a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Does the work; meanwhile prints `what` and the elapsed seconds on standard error, if that is a
/// terminal.
pub(super) fn while_waiting<T>(what: &str, work: impl FnOnce() -> T) -> T {
    if !io::stderr().is_terminal() {
        return work();
    }
    let (done, ended) = channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let begun = Instant::now();
            while ended.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                // A terminal that has been closed changes nothing.
                let _ = write!(io::stderr(), "\r{what}, {} s ", begun.elapsed().as_secs());
            }
            let _ = write!(io::stderr(), "\r\x1b[K");
        });
        let result = work();
        drop(done);
        result
    })
}
