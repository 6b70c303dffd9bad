//! The identity of this host in reports: from the configuration, or else from the host's own files.

use crate::core::config::settings::Node;
use crate::core::crash::report::UNKNOWN;
use std::fs;
use std::path::Path;

/// Application id. The node id is derived from it and the machine id, so that reports do not
/// contain the machine id, which is confidential (machine-id(5)). It must never change: the cloud
/// knows nodes by the derived id. `systemd-id128 machine-id --app-specific=ID` prints the same.
const APPLICATION: [u8; 16] = [
    0x3f, 0x6c, 0x1d, 0x0e, 0x5b, 0x84, 0x4a, 0x97, 0x9c, 0x52, 0xe1, 0x7a, 0x20, 0xd8, 0xb6, 0x4f,
];

/// The four values of a report that identify its origin, and the MQTT client id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) node_id: String,
    pub(super) location_id: String,
    pub(super) firmware_version: String,
    pub(super) model: String,
    /// Client id for the broker if the configuration sets none; unique to this host.
    pub(super) client_id: String,
}

impl Default for Identity {
    fn default() -> Self {
        Self::of(&Node::default(), Path::new("/nonexistent"))
    }
}

impl Identity {
    /// Returns the configured values; those that `node` leaves open are read below `root`.
    pub(super) fn of(node: &Node, root: &Path) -> Self {
        let node_id = known(node.node_id.as_ref(), || {
            node_id(&read(root, "etc/machine-id")?)
        });
        // A shared client id would make hosts without an id disconnect each other; the boot id is
        // unique.
        let own = if node_id == UNKNOWN {
            read(root, BOOT).map(|id| id.replace('-', ""))
        } else {
            None
        };
        Self {
            client_id: format!("unitward-{}", own.as_ref().unwrap_or(&node_id)),
            node_id,
            location_id: known(node.location_id.as_ref(), || None),
            firmware_version: known(node.firmware_version.as_ref(), || {
                let text =
                    read(root, "etc/os-release").or_else(|| read(root, "usr/lib/os-release"))?;
                firmware_version(&text)
            }),
            model: known(node.model.as_ref(), || {
                let sources = ["proc/device-tree/model", "sys/class/dmi/id/product_name"];
                sources.iter().find_map(|source| read(root, source))
            }),
        }
    }
}

/// File with the id of this boot.
const BOOT: &str = "proc/sys/kernel/random/boot_id";

/// Returns the configured value, or else the one that `found` finds, or else the word for an
/// unknown one.
fn known(configured: Option<&String>, found: impl FnOnce() -> Option<String>) -> String {
    configured
        .cloned()
        .or_else(found)
        .unwrap_or_else(|| UNKNOWN.to_owned())
}

/// Returns a file's text without the white space and NULs around it; `None` if nothing else is
/// left.
fn read(root: &Path, file: &str) -> Option<String> {
    let text = fs::read_to_string(root.join(file)).ok()?;
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

/// Derives the node id as sd_id128_get_machine_app_specific(3) does: HMAC-SHA256 of the application
/// id, keyed with the machine id, cut to 128 bits and marked as a version 4 UUID.
fn node_id(machine_id: &str) -> Option<String> {
    let machine = u128::from_str_radix(machine_id, 16)
        .ok()
        .filter(|_| machine_id.len() == 32)?;
    let digest = hmac_sha256::HMAC::mac(APPLICATION, machine.to_be_bytes());
    let mut id = u128::from_be_bytes(digest[..16].try_into().ok()?);
    id = id & !(0xf << 76) | (0x4 << 76);
    id = id & !(0x3 << 62) | (0x2 << 62);
    Some(format!("{id:032x}"))
}

/// Returns the most specific version in os-release(5). The last of several assignments counts, as
/// in a shell.
fn firmware_version(os_release: &str) -> Option<String> {
    let file = ini::Ini::load_from_str(os_release).ok()?;
    let assignments = file.general_section();
    ["IMAGE_VERSION", "VERSION_ID", "BUILD_ID", "VERSION"]
        .into_iter()
        .filter_map(|key| assignments.get_all(key).last())
        .find(|version| !version.is_empty())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_id_is_the_one_systemd_derives() {
        // systemd-id128 machine-id --app-specific=3f6c1d0e5b844a979c52e17a20d8b64f
        let expect = "7ef7f93b46a1480caf3efd08fc07afd2";
        assert_eq!(
            node_id("0123456789abcdef0123456789abcdef").as_deref(),
            Some(expect)
        );
        for bad in [
            "",
            "uninitialized",
            "0123",
            "0123456789abcdef0123456789abcdeg",
        ] {
            assert_eq!(node_id(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_most_specific_version_counts() {
        for (text, version) in [
            ("VERSION_ID=\"12\"\nIMAGE_VERSION=7.0.0\n", Some("7.0.0")),
            ("NAME=x\nVERSION_ID='13'\n", Some("13")),
            ("BUILD_ID=rolling", Some("rolling")),
            ("IMAGE_VERSION=\nVERSION_ID=\"\"\nNAME=x", None),
            ("# VERSION_ID=1\nVERSION_ID=2\nVERSION_ID=3\n", Some("3")),
            (
                "HOME_URL=\"https://x.org/?a=b;c#d\"\nPRETTY_NAME='X: 1 \"Y\"'\nVERSION=\"7 (\\\"big\\\" one)\"",
                Some("7 (\"big\" one)"),
            ),
        ] {
            assert_eq!(firmware_version(text).as_deref(), version, "{text:?}");
        }
    }

    #[test]
    fn the_configuration_comes_first_and_unknown_is_said_so() {
        let place = tempfile::tempdir().unwrap();
        let node = Node {
            node_id: Some("n1".into()),
            ..Node::default()
        };
        let unknown = Identity::of(&node, place.path());
        assert_eq!(
            (unknown.node_id.as_str(), unknown.model.as_str()),
            ("n1", UNKNOWN)
        );
        fs::create_dir_all(place.path().join("proc/device-tree")).unwrap();
        fs::write(place.path().join("proc/device-tree/model"), "Board 3\0").unwrap();
        assert_eq!(Identity::of(&node, place.path()).model, "Board 3");
    }

    #[test]
    fn a_host_that_does_not_know_itself_is_alone_with_its_client_id() {
        let place = tempfile::tempdir().unwrap();
        let of = |node_id: Option<&str>| {
            Identity::of(
                &Node {
                    node_id: node_id.map(str::to_owned),
                    ..Node::default()
                },
                place.path(),
            )
        };
        std::fs::create_dir_all(place.path().join("proc/sys/kernel/random")).unwrap();
        std::fs::write(
            place.path().join(BOOT),
            "b0071d00-0000-4000-8000-000000000001\n",
        )
        .unwrap();
        assert_eq!(of(None).node_id, UNKNOWN);
        assert_eq!(
            of(None).client_id,
            "unitward-b0071d00000040008000000000000001"
        );
        assert_eq!(of(Some("gateway-1")).client_id, "unitward-gateway-1");
    }
}
