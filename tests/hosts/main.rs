//! All tests that need a host, in one program: it boots several at once.

#[path = "../host/mod.rs"]
mod host;

mod bad_input;
mod compound;
mod conditions;
mod flapping;
mod harness;
mod limit;
mod reasons;
mod report;
mod requested;
mod telldus;
mod without_daemon;
