//! The MESSAGE_IDs of the helper's journal entries. Each has an entry in the message catalog and is
//! never reused.

/// A run of a ward has ended; the entry holds its whole record.
pub const ENDED: &str = "988202c664e947dfbbc97abc0ed22e39";
/// A ward was restarted, its steps included; the entry holds the run's record so far.
pub const RESTARTED: &str = "9def33558a1d4930947d9bc98bbd8ec6";
/// A start of a ward that is excluded is refused.
pub const REFUSED: &str = "524913f7f79c46ea9e05f5d6bde53fc1";
