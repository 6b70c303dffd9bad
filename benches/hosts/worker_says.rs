//! What workers say to the meter; see `benches/worker.rs`.

/// Where the meter listens.
pub(crate) const SOCKET: &str = "/run/meter.sock";

/// A worker's word.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Said {
    /// It runs, since this time in nanoseconds.
    Up {
        /// Its process.
        pid: i32,
        /// When it began.
        at: i64,
    },
    /// A step is done.
    Step {
        /// When it was.
        at: i64,
    },
}

impl Said {
    /// Reads `WHAT PID NANOSECONDS`.
    pub(crate) fn parse(word: &[u8]) -> Self {
        let word = String::from_utf8_lossy(word);
        let mut parts = word.split(' ');
        let what = parts.next();
        let mut number = || parts.next().and_then(|part| part.parse::<i64>().ok()).expect("a number");
        let (pid, at) = (number(), number());
        match what {
            Some("up") => Self::Up { pid: i32::try_from(pid).expect("a pid"), at },
            Some("step") => Self::Step { at },
            _ => panic!("a worker says {word}"),
        }
    }
}
