//! The present run of a ward's unit, recorded by the line that began it.
//!
//! Only PID 1 knows it for certain. `$INVOCATION_ID` may be set by the service's user, and with
//! `RestartMode=direct` systemd 257 leaves its own records, the control group's attribute and the
//! link in `/run/systemd/units`, at the previous run. The lines between the first and the last
//! would all have to query PID 1 only to find that they have nothing to do, so the first one writes
//! the run here, to `/run/unitward/wards/WARD/current`.

use super::WardState;
use crate::core::crash::observation::InvocationId;
use std::io;

const FILE: &str = "current";

impl WardState {
    /// Returns the run that began last.
    #[must_use]
    pub fn current(&self) -> Option<InvocationId> {
        InvocationId::parse(std::str::from_utf8(&self.read(FILE).ok()?).ok()?)
    }

    /// Removes the note: the run that begins is not known.
    ///
    /// # Errors
    /// As [`std::fs::remove_file`].
    pub fn forget_current(&self) -> io::Result<()> {
        self.remove(FILE)
    }

    /// Records the run that begins.
    ///
    /// # Errors
    /// It cannot be written: then the previous note is removed, too.
    pub fn set_current(&self, run: &InvocationId) -> io::Result<()> {
        self.write(FILE, run.as_str().as_bytes())
            .inspect_err(|_| drop(self.forget_current()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_invocation_id_is_a_run() {
        let place = tempfile::tempdir().unwrap();
        let state = WardState::below(place.path(), "a");
        assert_eq!(state.current(), None);
        let run = InvocationId::parse("0123456789abcdef0123456789abcdef").unwrap();
        state.set_current(&run).unwrap();
        assert_eq!(state.current(), Some(run));
        for other in [
            "../../../../../etc/pwn",
            "",
            "\u{ff}",
            "0123456789abcdef0123456789abcdef/",
        ] {
            state.write(FILE, other.as_bytes()).unwrap();
            assert_eq!(state.current(), None, "{other}");
        }
    }
}
