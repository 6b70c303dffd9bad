//! Full restarts at the edge: asking for one ([`ask`]), who asks ([`peer`]), what a stack is made of ([`charge`]), how its units
//! fare ([`look`]), the functions that a caller cannot name (`frames`), the record on the disk ([`record`]) and the lock that tells of one under way ([`underway`]).

pub mod ask;
pub mod charge;
#[cfg(feature = "full")]
pub mod frames;
pub mod look;
pub mod messages;
pub mod peer;
pub mod record;
pub mod underway;
