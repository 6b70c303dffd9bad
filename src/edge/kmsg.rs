//! The generator's log: the kernel's, because no other is available when it runs
//! (systemd.generator(7)).

use crate::core::visible::is_visible;
use std::fs::OpenOptions;
use std::io::Write;

/// Longest line that the kernel takes in one record, less its own prefix, in bytes.
const LONGEST: usize = 900;

/// Priority of a message, as syslog(3) numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Something was left out.
    Warning = 4,
    /// Something is unusual.
    Notice = 5,
}

/// Writes one line to the kernel log, or to standard error if there is none, as in a container.
///
/// The device is opened for each line: the kernel counts its limit of ten lines in five seconds for
/// each opening, and a configuration may have more mistakes than that.
pub fn log(priority: Priority, text: &str) {
    let text: String = text
        .chars()
        .map(|c| if is_visible(c) { c } else { ' ' })
        .collect();
    let mut cut = text.len().min(LONGEST);
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    let line = format!(
        "<{}>unitward-generator[{}]: {}\n",
        priority as u8,
        std::process::id(),
        &text[..cut]
    );
    let written = OpenOptions::new()
        .write(true)
        .open("/dev/kmsg")
        .and_then(|mut device| device.write_all(line.as_bytes()));
    if written.is_err() {
        // If this fails as well, there is no place left to report it.
        let _ = writeln!(std::io::stderr(), "unitward-generator: {text}");
    }
}
