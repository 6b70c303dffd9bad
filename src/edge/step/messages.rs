//! The MESSAGE_IDs of the helper's journal entries. Each has an entry in the message catalog; none is ever reused.

/// A run of a ward has ended; the entry holds its whole record.
pub const ENDED: &str = "988202c664e947dfbbc97abc0ed22e39";
/// A ward was restarted, its steps included; the entry holds the run's record so far.
pub const RESTARTED: &str = "9def33558a1d4930947d9bc98bbd8ec6";
/// A ward that was excluded by hand is started, and so is excluded no more.
pub const READMITTED: &str = "7d94e3b06c1f4a82952be0f7d36c8a15";
