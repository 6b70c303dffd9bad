//! The errnos of answers (errno(3)), the same on all Linux platforms of Debian.

/// There is no such stack.
pub const NOENT: i32 = 2;
/// The restart failed.
pub const IO: i32 = 5;
/// The members have asked too often.
pub const AGAIN: i32 = 11;
/// Neither root nor a member.
pub const ACCES: i32 = 13;
/// Too many requests of the same unit or user are open.
pub const BUSY: i32 = 16;
/// The request is invalid.
pub const INVAL: i32 = 22;
/// The restart was not over in time, or the request did not come to its end.
pub const TIMEDOUT: i32 = 110;
/// The result is not known yet.
pub const INPROGRESS: i32 = 115;
/// The inhibit file exists.
pub const CANCELED: i32 = 125;
