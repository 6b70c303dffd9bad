//! The pure layer: no input or output, no clock, no logging, no panic on input.

pub mod config;
pub mod crash;
pub mod environment;
pub mod environment_file;
pub mod expand;
pub mod explain;
pub mod full_restart;
pub mod proposal;
pub mod recovery;
pub mod unit;
pub mod visible;
#[cfg(feature = "full")]
pub mod watch_list;
