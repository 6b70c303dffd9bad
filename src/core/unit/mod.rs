//! From wards to unit files.
