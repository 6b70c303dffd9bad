//! The synchronous layer: files, PID 1, and the program `unitward-step`.

mod beside;
pub mod boot;
pub(crate) mod bounded;
pub mod clock;
pub mod conveyor;
#[cfg(feature = "full")]
pub mod coredump;
mod death_clock;
pub mod dependants;
mod drop_in_files;
pub mod drop_ins;
#[cfg(feature = "full")]
pub mod dying;
pub mod exclusion;
pub mod full_restart;
#[cfg(feature = "full")]
pub mod history;
mod init_script;
#[cfg(feature = "full")]
pub mod journal;
pub mod kmsg;
pub(crate) mod log;
mod manager_conf;
#[cfg(feature = "full")]
mod messages;
pub mod paths;
pub mod pid1;
pub mod planner;
pub mod program;
pub mod record;
pub mod recoveries;
pub(crate) mod replace;
pub mod root;
#[cfg(feature = "full")]
pub mod ruling;
pub mod series_file;
pub mod step;
#[cfg(feature = "full")]
pub mod symbols;
pub mod systemctl;
pub mod triggers;
pub(crate) mod trusted;
pub mod unit_files;
pub mod up;
