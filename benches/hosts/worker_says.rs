//! The workers' messages to the meter; see `benches/worker.rs`.

/// The meter's socket.
pub(crate) const SOCKET: &str = "/run/meter.sock";

/// A worker's message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Said {
    /// The worker runs.
    Up {
        /// ID of its process.
        pid: i32,
        /// Start time, in nanoseconds of the monotonic clock.
        at: i64,
    },
    /// A step is done.
    Step {
        /// Time of its start, in nanoseconds of the monotonic clock.
        at: i64,
    },
}

impl Said {
    /// Reads `WHAT PID NANOSECONDS`.
    pub(crate) fn parse(word: &[u8]) -> Self {
        let word = String::from_utf8_lossy(word);
        let mut parts = word.split(' ');
        let what = parts.next();
        let mut number = || {
            parts
                .next()
                .and_then(|part| part.parse::<i64>().ok())
                .expect("a number")
        };
        let (pid, at) = (number(), number());
        match what {
            Some("up") => Self::Up {
                pid: i32::try_from(pid).expect("a pid"),
                at,
            },
            Some("step") => Self::Step { at },
            _ => panic!("a worker says {word}"),
        }
    }
}
