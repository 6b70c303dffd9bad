//! The top floor: the daemon and the command. Only here is anything asynchronous, interactive or logged.

pub mod cli;
pub mod daemon;
mod news;
mod restarter;
mod survey;
