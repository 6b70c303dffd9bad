//! The MESSAGE_IDs of the daemon's journal entries. Each has an entry in the message catalog; none is ever reused.

/// A ward or watched unit crashed.
pub(super) const CRASH: &str = "8d2b6f0a5c7e4f3f9a1d64e0b7c35281";
/// One ended cleanly, unasked, and `Report=death` wants to know.
pub(super) const DEATH: &str = "c41e97d35ab0462e8f6d2079e13c8ba4";
/// Crashes beyond the burst limit, summed up.
pub(super) const SUMMED_UP: &str = "57f0c3e98b1d4d06a2e45b79cd1680fe";
/// The broker has let us in.
pub(super) const CONNECTED: &str = "1ac85e204d7f4b6b93e07c52f8a96d13";
/// There is no connection to the broker.
pub(super) const DISCONNECTED: &str = "e96d0b31f2c84a579b08d5167ae423cc";
/// A report was given up.
pub(super) const DROPPED: &str = "a07b5cd81e63490f8c2f19e4d6703b5a";
/// The configuration has a mistake.
pub(super) const CONFIGURATION: &str = "34c1f86e9d0a42b7b5e3607a9fd218c6";
/// Signals of systemd were lost, and everything was asked for anew.
pub(super) const RESYNC: &str = "f2685d07b49c4e18ad3b0c97e561fa84";
