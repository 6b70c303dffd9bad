//! Limit, back-off and which steps act.
