//! Limit, back-off and which steps act: what `unitward-step` decides, as plain functions of the past. And the account
//! of a recovery, drawn up when it is over.

pub mod account;
pub mod backoff;
pub mod course;
pub mod gate;
pub mod list;
pub mod policy;
pub mod report;
pub mod series;
pub mod turned;

pub use account::{Account, account};
pub use series::Series;
