//! Detects services whose commands run as another user than root, in a sandbox, or with limits.
//!
//! A `+` before a command lifts that. Without any of it a command with `+` and one without are the
//! same, and the helper can run both. Otherwise only PID 1 can apply user, sandbox and limits.

use crate::core::config::ward::NativeLine;

/// Settings that `+` lifts (systemd.exec(5), "Command lines" of systemd.service(5)).
const KEYS: [&str; 34] = [
    "User",
    "Group",
    "SupplementaryGroups",
    "DynamicUser",
    "PAMName",
    "RootDirectory",
    "RootImage",
    "RootMStack",
    "UserNamespacePath",
    "RootEphemeral",
    "MountImages",
    "ExtensionImages",
    "ExtensionDirectories",
    "BindPaths",
    "BindReadOnlyPaths",
    "TemporaryFileSystem",
    "ReadWritePaths",
    "ReadOnlyPaths",
    "InaccessiblePaths",
    "ExecPaths",
    "NoExecPaths",
    "NoNewPrivileges",
    "CapabilityBoundingSet",
    "AmbientCapabilities",
    "SecureBits",
    "MemoryDenyWriteExecute",
    "LockPersonality",
    "SELinuxContext",
    "AppArmorProfile",
    "SmackProcessLabel",
    "NetworkNamespacePath",
    "IPCNamespacePath",
    "ProcSubset",
    "MountAPIVFS",
];

/// Beginnings of further such settings: `PrivateTmp=`, `ProtectSystem=`, `RestrictNamespaces=`,
/// `SystemCallFilter=`, `LimitNOFILE=` …
const FAMILIES: [&str; 5] = ["Private", "Protect", "Restrict", "SystemCall", "Limit"];

/// Boolean ones among [`KEYS`]; of [`FAMILIES`] all but `SystemCall…=` and `Limit…=` are boolean
/// too.
const BOOLEANS: [&str; 6] = [
    "DynamicUser",
    "RootEphemeral",
    "NoNewPrivileges",
    "MemoryDenyWriteExecute",
    "LockPersonality",
    "MountAPIVFS",
];

/// Values that leave a boolean setting off.
const OFF: [&str; 7] = ["", "no", "false", "off", "0", "n", "f"];

fn is_boolean(key: &str) -> bool {
    BOOLEANS.contains(&key)
        || ["Private", "Protect", "Restrict"]
            .iter()
            .any(|family| key.starts_with(family))
}

/// Returns true if this value leaves the setting off.
fn is_off(key: &str, value: &str) -> bool {
    match key {
        // An empty value removes all capabilities.
        "CapabilityBoundingSet" => false,
        _ if is_boolean(key) => OFF.contains(&value.to_ascii_lowercase().as_str()),
        // A user may have any of those names, and 0 is the narrowest limit.
        _ => value.is_empty(),
    }
}

/// True for the name of such a setting.
pub(super) fn confines(key: &str) -> bool {
    // RestartSec= and the like begin otherwise.
    KEYS.contains(&key) || FAMILIES.iter().any(|family| key.starts_with(family))
}

/// True if one of the lines, in the order they apply, confines the service.
pub(super) fn is_confined<'a>(service: impl Iterator<Item = &'a NativeLine>) -> bool {
    let mut on = std::collections::BTreeSet::new();
    for line in service {
        let key = line.key.as_str();
        if !confines(key) {
            continue;
        }
        if is_off(key, &line.value) {
            on.remove(key);
        } else {
            on.insert(key.to_owned());
        }
    }
    !on.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::{SourceFile, syntax};
    use std::path::Path;

    fn check(lines: &str, expect: bool) {
        let text = ["[Service]\n", lines].concat();
        let file = SourceFile {
            path: Path::new("a").into(),
            text,
        };
        let (sections, _) = syntax::split(&file);
        let service: Vec<_> = sections[0].entries.iter().map(NativeLine::from).collect();
        assert_eq!(is_confined(service.iter()), expect, "{lines}");
    }

    #[test]
    fn a_user_or_a_sandbox_confines_a_service_and_what_is_off_does_not() {
        for lines in [
            "User=app",
            "DynamicUser=yes",
            "PrivateTmp=true",
            "ProtectSystem=strict",
            "NoNewPrivileges=yes",
            "RestrictAddressFamilies=AF_UNIX",
            "SystemCallFilter=~@mount",
            "User=\nGroup=app",
            "LimitNOFILE=512",
            "PrivateTmp=no\nPrivateTmp=yes",
            "CapabilityBoundingSet=",
            "User=f",
            "Group=no",
            "LimitCORE=0",
        ] {
            check(lines, true);
        }
        for lines in [
            "Restart=always\nRestartSec=1",
            "User=app\nUser=",
            "PrivateTmp=yes\nPrivateTmp=no",
            "Environment=User=app\nWorkingDirectory=/srv\nUMask=0077\nNice=5",
            "ProtectHome=false",
            "LimitNOFILE=512\nLimitNOFILE=",
        ] {
            check(lines, false);
        }
    }
}
