//! Readers of bytes that come from outside, for fuzz targets: those that otherwise only a
//! connection or the confined process calls.

use crate::core::crash::memory_map::MappedFile;
use crate::edge::coredump::Core;
use crate::edge::pid1;
pub use crate::edge::symbols::digest::{
    Compression, LONGEST_NAME, as_said, demangle, functions, mapped_files,
};
use crate::shell::daemon;

/// Reads bytes as those of a broker, in both versions of MQTT.
pub fn mqtt(bytes: &[u8]) {
    daemon::digest_mqtt(bytes);
}

/// Reads bytes as an answer of PID 1.
pub fn pid1(bytes: &[u8]) {
    pid1::digest(bytes);
}

/// Returns the backtrace of a crash, as a report has it, with the files that its core lists.
#[must_use]
pub fn backtrace(core: &Core, mapped: Vec<MappedFile>) -> String {
    core.digest(mapped)
}
