//! What the measured services consist of: a process that tells the meter when it runs.
//!
//! * `worker up` says that it is up, and stays until it is killed;
//! * `worker step` says so, and ends.
//!
//! Each sends `WHAT PID NANOSECONDS` to the meter's socket, with the time at which its `main` began. It is small and linked
//! against little, so that its own start weighs as little as may be, and the same whoever starts it.

use rustix::time::{ClockId, clock_gettime};
use std::os::unix::net::UnixDatagram;

/// Where the meter listens.
const SOCKET: &str = "/run/meter.sock";

fn main() {
    let now = clock_gettime(ClockId::Monotonic);
    let what = std::env::args().nth(1).unwrap_or_default();
    let word = format!("{what} {} {}", std::process::id(), now.tv_sec * 1_000_000_000 + now.tv_nsec);
    let socket = UnixDatagram::unbound().expect("a socket");
    // Without a meter the service just runs.
    let _ = socket.send_to(word.as_bytes(), SOCKET);
    if what == "up" {
        loop {
            std::thread::park();
        }
    }
}
