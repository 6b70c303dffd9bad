//! The MESSAGE_IDs of journal entries about exclusions and readmissions by hand. Each has an entry
//! in the message catalog; none is ever reused.

/// Root has excluded a ward.
pub(super) const EXCLUDED: &str = "5b0e1c7f2a9d4f63b8e4d0c96a1f7352";
/// Root has readmitted a ward.
pub(super) const READMITTED: &str = "c2f68a04d91b4e75a3b7e85f0d2c9146";
