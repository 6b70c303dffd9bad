//! All tests that need a host, in one program: it boots several at once.

#[path = "../host/mod.rs"]
mod host;

mod bad_input;
mod compound;
mod conditions;
mod harness;
mod limit;
