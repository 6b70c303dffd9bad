//! The synchronous floor: files, PID 1 by way of `systemctl`, and the program `unitward-step`.

pub mod clock;
pub mod conveyor;
pub mod kmsg;
pub mod planner;
pub mod record;
pub mod root;
pub mod series_file;
pub mod step;
pub mod systemctl;
pub mod unit_files;
