//! Readers of bytes that come from outside, for the fuzz targets alone: those that nothing but a connection calls otherwise.

use crate::edge::pid1;
use crate::shell::daemon;

/// Takes bytes as a broker's, in both versions of MQTT.
pub fn mqtt(bytes: &[u8]) {
    daemon::digest_mqtt(bytes);
}

/// Takes bytes as an answer of PID 1.
pub fn pid1(bytes: &[u8]) {
    pid1::digest(bytes);
}
