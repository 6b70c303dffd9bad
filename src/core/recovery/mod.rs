//! Death limit, back-off and the choice of steps: the decisions of `unitward-step`, as pure
//! functions of the past. Also the account of a recovery, computed when it is over.

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
