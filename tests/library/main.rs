//! libunitward against the real compiler, real programs, and a restarter that the tests play.
//!
//! The sockets of a test are in a directory of its own, which the programs run in: the library that the tests build looks for
//! them there. What is shipped is built as well, and looked at.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

mod answers;
mod bounds;
mod build;
mod circumstances;
mod frames;
mod restarter;
mod shipped;
