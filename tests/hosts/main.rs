//! All tests that need a host, in one program: it boots several at once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

#[path = "../host/mod.rs"]
mod host;

mod bad_input;
mod compound;
mod conditions;
mod flapping;
mod hard;
mod harness;
mod limit;
mod more_config;
mod more_daemon;
mod more_limit;
mod more_reports;
mod packages;
mod reasons;
mod report;
mod requested;
mod telldus;
mod without_daemon;
