//! Selection of wards and stacks by a name.

use crate::core::config::{Config, Stack, Ward, find_called};

/// Selection of wards and stacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shell::survey) enum Chosen {
    All,
    /// One ward, by its name.
    Ward(String),
    /// One stack and its members, by its name.
    Stack(String),
}

impl Chosen {
    pub(in crate::shell::survey) fn has_ward(&self, ward: &Ward) -> bool {
        match self {
            Self::All => true,
            Self::Ward(name) => ward.name.as_str() == name,
            Self::Stack(name) => ward
                .stack
                .as_ref()
                .is_some_and(|stack| stack.as_str() == name),
        }
    }

    pub(in crate::shell::survey) fn has_stack(&self, stack: &Stack) -> bool {
        match self {
            Self::All => true,
            Self::Ward(_) => false,
            Self::Stack(name) => stack.name.as_str() == name,
        }
    }

    /// Returns the selection that a name means: a ward, a ward's unit, a stack or a stack's unit.
    pub(in crate::shell::survey) fn find(config: &Config, name: &str) -> Option<Self> {
        let ward = find_called(config.wards.iter(), name);
        if let Some(ward) = ward.filter(|ward| ward.name.as_str() == name) {
            return Some(Self::Ward(ward.name.to_string()));
        }
        let mut stacks = config.stacks.iter();
        if let Some(stack) =
            stacks.find(|stack| stack.name.as_str() == name || stack.unit().as_str() == name)
        {
            return Some(Self::Stack(stack.name.to_string()));
        }
        config
            .ward_meant_by(name)
            .map(|ward| Self::Ward(ward.name.to_string()))
    }
}
