//! The MESSAGE_IDs of the restarter's journal entries. Each has an entry in the message catalog and
//! is never reused.
//!
//! They are defined here because readers of the journal search for [`RESTARTING`], which names the
//! run that the restart ends.

/// A full restart was requested, and begins.
pub const RESTARTING: &str = "1dff5b1af2604d85939d8e9ff6562ab4";
/// A full restart was requested without permission.
pub const REFUSED: &str = "f73e7bf575874841b9c6dfc2ac2b9f7b";
/// A full restart was requested, and the inhibit file exists.
pub const INHIBITED: &str = "9dbbfce3fe57423193f15eb9d21b0ce7";
/// A full restart is over, and all units are up again.
pub const RESTARTED: &str = "d2d3499285914305a2f322d47dbefef8";
/// A full restart is over, and not all units are up again.
pub const FAILED: &str = "bf51698eea7840e9825ee2499409cd28";
