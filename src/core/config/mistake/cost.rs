//! The cost of each mistake.

use super::Mistake;
use crate::core::config::Cost;

impl Mistake {
    /// Returns the cost of the mistake.
    #[must_use]
    pub fn cost(&self) -> Cost {
        match self {
            Self::Warning(_)
            | Self::NoUnit { .. }
            | Self::TimeoutNotKnown(_)
            | Self::NoProgram { .. }
            | Self::UnknownNative { .. }
            | Self::Misplaced { .. }
            | Self::Unread { .. } => Cost::Nothing,
            Self::UnknownSection { .. }
            | Self::UnknownKey { .. }
            | Self::WrongSection { .. }
            | Self::BadValue { .. }
            | Self::BadWord { .. }
            | Self::NotALine { .. }
            | Self::OutsideSection { .. }
            | Self::NoStack { .. } => Cost::Key,
            Self::UnknownStep { .. }
            | Self::BadStep { .. }
            | Self::ConditionName { .. }
            | Self::NoSteps { .. }
            | Self::NotAStep { .. }
            | Self::Loop { .. } => Cost::Condition,
            Self::NotYet { cost, .. } => *cost,
            Self::BadNative { .. }
            | Self::NotANativeLine { .. }
            | Self::File { .. }
            | Self::WardName { .. }
            | Self::NoForm
            | Self::NoStart { .. }
            | Self::TwoForms
            | Self::BadUnit { .. }
            | Self::Twice { .. }
            | Self::BesideTemplate(_)
            | Self::WardOfStack { .. }
            | Self::StackName { .. }
            | Self::BadStackUnit { .. }
            | Self::TargetExists { .. }
            | Self::StackTwice { .. }
            | Self::Collision { .. }
            | Self::NotLoaded { .. } => Cost::Ward,
        }
    }
}
