//! The ID of the current boot.

use std::fs;

/// Returns the kernel's ID of this boot: 32 hexadecimal digits, as systemd prints it; zeroes if it
/// cannot be read.
#[must_use]
pub fn id() -> String {
    let read = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = read.chars().filter(char::is_ascii_hexdigit).collect();
    if digits.len() == 32 {
        digits
    } else {
        "0".repeat(32)
    }
}
