//! Configuration of a restarter: a stack, and the wards that belong to it.

use super::peer::Peer;
use crate::core::config::{Stack, StackName, UnitName, WardName};
use crate::core::full_restart::permission::may_ask;
use crate::edge::root;
use std::path::Path;

/// A stack with its members.
#[derive(Debug, Clone, PartialEq)]
pub struct Charge {
    /// The stack.
    pub stack: Stack,
    /// Its members, sorted by name.
    pub members: Vec<MemberWard>,
}

/// A ward with `Stack=`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberWard {
    /// Its name.
    pub ward: WardName,
    /// Its unit.
    pub unit: UnitName,
}

impl Charge {
    /// Reads the configuration below `root`; `None`: there is no such stack.
    #[must_use]
    pub fn load(root: &Path, name: &StackName) -> Option<Self> {
        let (config, _) = root::load(root);
        let stack = config
            .stacks
            .into_iter()
            .find(|stack| stack.name == *name)?;
        let ours = config
            .wards
            .iter()
            .filter(|ward| ward.stack.as_ref() == Some(name));
        let members = ours
            .map(|ward| MemberWard {
                ward: ward.name.clone(),
                unit: ward.unit(),
            })
            .collect();
        Some(Self { stack, members })
    }

    /// Returns true if this process may request a full restart.
    #[must_use]
    pub fn admits(&self, peer: &Peer) -> bool {
        let whole = self.stack.unit();
        let own = self
            .members
            .iter()
            .map(|member| member.unit.as_str())
            .chain([whole.as_str()]);
        may_ask(peer.uid, peer.unit.as_deref(), own)
    }

    /// Returns true if this unit stands for the stack or is one of its members.
    #[must_use]
    pub fn has(&self, unit: &str) -> bool {
        self.stack.unit().as_str() == unit
            || self
                .members
                .iter()
                .any(|member| member.unit.as_str() == unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn members_are_the_wards_that_name_the_stack() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("etc/unitward");
        fs::create_dir_all(&folder).unwrap();
        for (file, text) in [
            ("opensync.stack", "[Stack]\nName=OpenSync\n"),
            (
                "cm.ward",
                "[Ward]\nStack=opensync\n[Service]\nExecStart=/bin/cm\n",
            ),
            ("guard.ward", "[Ward]\nStack=opensync\nUnit=dm.service\n"),
            ("other.ward", "[Service]\nExecStart=/bin/other\n"),
        ] {
            fs::write(folder.join(file), text).unwrap();
        }
        let name = StackName::new("opensync").unwrap();
        let charge = Charge::load(root.path(), &name).unwrap();
        let units: Vec<_> = charge
            .members
            .iter()
            .map(|member| member.unit.as_str())
            .collect();
        assert_eq!(units, ["cm.service", "dm.service"]);
        assert!(
            charge.has("opensync.target")
                && charge.has("dm.service")
                && !charge.has("other.service")
        );
        assert_eq!(
            Charge::load(root.path(), &StackName::new("other").unwrap()),
            None
        );
    }
}
