//! From what systemd says of a unit to a verdict, a reason and the report.
