//! Which boot this is.

use std::fs;

/// The kernel's id of this boot, 32 hexadecimal digits as systemd prints it; zeroes where it cannot be read.
#[must_use]
pub fn id() -> String {
    let read = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = read.chars().filter(char::is_ascii_hexdigit).collect();
    if digits.len() == 32 { digits } else { "0".repeat(32) }
}
