//! The error replies of the service.

use crate::edge::ruling;
use crate::shell::interface::REFUSED;
use zbus::message::{Header, Message};
use zbus::names::ErrorName;
use zbus::{DBusError, Result};

/// An error reply, with its reason in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The subject of the question does not exist, or the question makes no sense.
    Refused(String),
    /// The caller has no permission.
    AccessDenied(String),
    /// The caller asks for too much, or too often.
    LimitsExceeded(String),
    /// The operation failed.
    Failed(String),
}

impl From<ruling::Refusal> for Refusal {
    fn from(refusal: ruling::Refusal) -> Self {
        match refusal {
            ruling::Refusal::Refused(why) => Self::Refused(why),
            ruling::Refusal::Failed(why) => Self::Failed(why),
        }
    }
}

impl DBusError for Refusal {
    fn create_reply(&self, call: &Header<'_>) -> Result<Message> {
        Message::error(call, self.name()).build(&self.description().unwrap_or_default())
    }

    fn name(&self) -> ErrorName<'_> {
        ErrorName::from_static_str_unchecked(match self {
            Self::Refused(_) => REFUSED,
            Self::AccessDenied(_) => "org.freedesktop.DBus.Error.AccessDenied",
            Self::LimitsExceeded(_) => "org.freedesktop.DBus.Error.LimitsExceeded",
            Self::Failed(_) => "org.freedesktop.DBus.Error.Failed",
        })
    }

    fn description(&self) -> Option<&str> {
        let (Self::Refused(why)
        | Self::AccessDenied(why)
        | Self::LimitsExceeded(why)
        | Self::Failed(why)) = self;
        Some(why)
    }
}
