//! The MESSAGE_IDs of the restarter's journal entries. Each has an entry in the message catalog; none is ever reused.
//!
//! They stand here because whoever reads the journal looks for [`RESTARTING`], which names the run that the restart ends.

/// A full restart was asked for, and begins.
pub const RESTARTING: &str = "1dff5b1af2604d85939d8e9ff6562ab4";
/// Somebody asked for one who may not.
pub const REFUSED: &str = "f73e7bf575874841b9c6dfc2ac2b9f7b";
/// One was asked for, and the inhibit file is there.
pub const INHIBITED: &str = "9dbbfce3fe57423193f15eb9d21b0ce7";
/// One is over, and all are back.
pub const RESTARTED: &str = "d2d3499285914305a2f322d47dbefef8";
/// One is over, and not all are back.
pub const FAILED: &str = "bf51698eea7840e9825ee2499409cd28";
