//! The synchronous floor: files, PID 1 by way of `systemctl`, and the program `unitward-step`.

pub mod record;
pub mod root;
