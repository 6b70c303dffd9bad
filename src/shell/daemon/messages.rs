//! The MESSAGE_IDs of the daemon's journal entries. Each has an entry in the message catalog; none is ever reused.

/// A ward or watched unit crashed.
pub(super) const CRASH: &str = "8d2b6f0a5c7e4f3f9a1d64e0b7c35281";
/// A ward ended cleanly without a request, and `Report=death` is set.
pub(super) const DEATH: &str = "c41e97d35ab0462e8f6d2079e13c8ba4";
/// Crashes beyond the burst limit, summed up.
pub(super) const SUMMED_UP: &str = "57f0c3e98b1d4d06a2e45b79cd1680fe";
/// A stack was restarted as a whole.
pub(super) const FULL_RESTART: &str = "9b5d2c70f14e4c6aa83d7e06b12f94c5";
/// A full restart failed, or did not go as it should.
pub(super) const RESTART_TROUBLE: &str = "e37a0f6bd2594b18957c41e8a06d3f29";
/// The broker has accepted the connection.
pub(super) const CONNECTED: &str = "1ac85e204d7f4b6b93e07c52f8a96d13";
/// The connection to the broker failed in a way that has no entry of its own.
pub(super) const DISCONNECTED: &str = "e96d0b31f2c84a579b08d5167ae423cc";
/// The broker violates the protocol.
pub(super) const PROTOCOL: &str = "b47d1c05e6f24a1d9c3807be52f9a61d";
/// The broker's port refuses connections.
pub(super) const NO_LISTENER: &str = "96af45780f1e44d0aaa992743b242dff";
/// The broker's host name does not resolve.
pub(super) const UNKNOWN_HOST: &str = "1773975699864ae49f9e126c5bd928a7";
/// The broker does not answer.
pub(super) const NO_ANSWER: &str = "ec877faf0d4b45ee8f70d9e490526d52";
/// The broker's certificate is from an authority that is not trusted.
pub(super) const TLS_AUTHORITY: &str = "2e63565be3ce4572838e84e9b8d95361";
/// The broker's certificate has expired, or is not valid yet.
pub(super) const TLS_EXPIRED: &str = "cda2834bea304eee9c87433387ff1da8";
/// The broker's certificate is for another name.
pub(super) const TLS_NAME: &str = "7344fd8f2c594081a70e434ba3da1a4a";
/// The broker does not speak TLS, although the address is `mqtts://`.
pub(super) const TLS_MISSING: &str = "aadb9d9d5cbf4e5fae8b95acdba7b5c2";
/// The broker does not accept our certificate, or requires one.
pub(super) const TLS_CLIENT: &str = "4ee8b5dd8cf94a4986e91ffa55a4d920";
/// TLS fails for another reason.
pub(super) const TLS_FAILED: &str = "02211d5f605d4ddbb0432f2d2be65cb9";
/// The broker does not know our user name or password.
pub(super) const LOGIN: &str = "ed6235e57531461a83ea9e7dbd4ee39c";
/// The broker does not authorize us to connect, or to publish.
pub(super) const NOT_AUTHORIZED: &str = "8fe961058274426ca21ffa513f11c612";
/// The broker takes no reports as large as ours; backtraces are cut short.
pub(super) const OVERSIZED: &str = "e99958add1824272be51c19623d7782a";
/// A file that the connection needs cannot be used.
pub(super) const FILE: &str = "d1ad96eafc2a48d09a0c1cf7a062f3c8";
/// A report that seems to end the connection waits while others go first.
pub(super) const PARKED: &str = "1f6c313fa9ef430da3c9c03ce227784c";
/// A report was given up.
pub(super) const DROPPED: &str = "a07b5cd81e63490f8c2f19e4d6703b5a";
/// The configuration has a mistake.
pub(super) const CONFIGURATION: &str = "34c1f86e9d0a42b7b5e3607a9fd218c6";
/// Signals of systemd or ends in the journal were lost.
pub(super) const RESYNC: &str = "f2685d07b49c4e18ad3b0c97e561fa84";
/// The history cannot be written, was damaged, or can be written again.
pub(super) const HISTORY: &str = "4c40e6839d2c40b9bda643865b1fff94";
/// A recovery has come to its end.
pub(super) const RECOVERY: &str = "8e842eb56a704391a390adc27336b69f";
