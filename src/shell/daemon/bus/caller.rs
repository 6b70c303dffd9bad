//! The caller of a method: a connection, and the user whom the bus says it belongs to.

use zbus::Connection;
use zbus::message::Header;

const BUS: &str = "org.freedesktop.DBus";

/// A connection that has called a method, on this bus.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'c> {
    bus: &'c Connection,
    /// Name of the connection.
    pub(super) name: &'c str,
}

impl<'c> Caller<'c> {
    /// Returns the sender of a call; the bus itself fills in its name.
    pub(super) fn of(bus: &'c Connection, call: &'c Header<'_>) -> Self {
        Self {
            bus,
            name: call.sender().map_or("", |name| name.as_str()),
        }
    }

    /// Asks the bus for the user id of the connection.
    pub(super) async fn user(self) -> zbus::Result<u32> {
        let reply = self.bus.call_method(
            Some(BUS),
            "/org/freedesktop/DBus",
            Some(BUS),
            "GetConnectionUnixUser",
            &self.name,
        );
        reply.await?.body().deserialize::<u32>()
    }
}
