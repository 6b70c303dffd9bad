//! Full restarts at the edge: the client ([`ask`]), the caller's identity ([`peer`]), the members
//! of a stack ([`charge`]), the state of its units ([`look`]), names of functions for backtraces
//! (`frames`), the record on disk ([`record`]) and the lock of one under way ([`underway`]).

pub mod ask;
pub mod charge;
#[cfg(feature = "full")]
pub mod frames;
pub mod look;
pub mod messages;
pub mod peer;
pub mod record;
pub mod underway;
