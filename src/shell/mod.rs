//! The top layer: the daemon and the command. Only here is anything asynchronous or interactive.

pub mod cli;
pub mod daemon;
mod interface;
mod news;
mod restarter;
mod survey;
