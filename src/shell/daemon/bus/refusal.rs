//! The errors with which the service answers.

use crate::edge::ruling;
use crate::shell::survey::REFUSED;
use zbus::message::{Header, Message};
use zbus::names::ErrorName;
use zbus::{DBusError, Result};

/// Why there is no answer, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// What was asked for is not there or makes no sense.
    Refused(String),
    /// The caller may not.
    AccessDenied(String),
    /// Too much was asked for, or too often.
    LimitsExceeded(String),
    /// It could not be done.
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
        let (Self::Refused(why) | Self::AccessDenied(why) | Self::LimitsExceeded(why) | Self::Failed(why)) = self;
        Some(why)
    }
}
