//! Unitward makes a systemd host heal itself and tells the cloud what happened.
//!
//! # The house
//!
//! Three floors; imports go downward only, `tests/tidy.rs` holds the line.
//!
//! * [`core`]: pure. Values in, values out; no input or output, no clock, no logging.
//!   `config` turns files' text into wards and problems, `unit` turns wards into unit files,
//!   `recovery` decides limit, back-off and which steps act, `crash` turns what systemd says into
//!   verdicts and reports.
//! * [`edge`]: synchronous input and output. `root` reads the configuration below one root
//!   directory, `systemctl` asks PID 1, `record` keeps the run records, `recoveries` ties them together,
//!   `journal` reads what happened while nobody listened, `step` is `unitward-step`.
//! * `shell` (feature `full`): `daemon` is `unitwardd`, `cli` is `unitward`, `survey` answers what both are asked, and
//!   `news` is what the one tells the other on the bus.
//!
//! # Invariants
//!
//! * The recovery is run by PID 1 out of generated units; nothing in it needs the daemon.
//! * The generator and `unitward-step` are built without the feature `full`: no asynchronous
//!   runtime and no D-Bus library in them.
//! * A mistake in the configuration costs the smallest whole it makes meaningless and is always said.

pub mod core;
pub mod edge;
#[cfg(feature = "full")]
pub mod shell;
