//! The process of the measured services: it reports to the meter that it runs.
//!
//! * `worker up` reports that it is up, and stays until it is killed;
//! * `worker step` reports a step, and ends.
//!
//! Each sends `WHAT PID NANOSECONDS` to the meter's socket, with the time at which its `main`
//! began. It is small and linked against little, so that its own start takes as little time as
//! possible, and the same under every supervisor.

use rustix::time::{ClockId, clock_gettime};
use std::os::unix::net::UnixDatagram;

/// The meter's socket.
const SOCKET: &str = "/run/meter.sock";

fn main() {
    let now = clock_gettime(ClockId::Monotonic);
    let what = std::env::args().nth(1).unwrap_or_default();
    let word = format!(
        "{what} {} {}",
        std::process::id(),
        now.tv_sec * 1_000_000_000 + now.tv_nsec
    );
    let socket = UnixDatagram::unbound().expect("a socket");
    // Without a meter the service just runs.
    let _ = socket.send_to(word.as_bytes(), SOCKET);
    if what == "up" {
        loop {
            std::thread::park();
        }
    }
}
