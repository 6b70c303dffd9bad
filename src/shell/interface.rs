//! Names of the D-Bus service `org.unitward1`, for both of its ends.

/// The daemon's name on the system bus.
pub(in crate::shell) const BUS_NAME: &str = "org.unitward1";
/// Path of the daemon's only object.
pub(in crate::shell) const OBJECT_PATH: &str = "/org/unitward1";
/// Interface for the whole host.
pub(in crate::shell) const MANAGER_INTERFACE: &str = "org.unitward1.Manager";
/// Interface for wards.
pub(in crate::shell) const WARDS_INTERFACE: &str = "org.unitward1.Wards";

/// Name of the D-Bus error for a question that is refused.
pub(in crate::shell) const REFUSED: &str = "org.unitward1.Error.Refused";
