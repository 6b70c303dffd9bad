//! A cable between two hosts, which share nothing else.

use std::process::{Command, Stdio};

use super::Host;

/// What a host calls its end of the cable.
const DEVICE: &str = "uplink";

/// State of a cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Packets pass.
    Up,
    /// They are lost, and nobody is told.
    Down,
}

impl Host {
    /// Lays a cable to another host, which gets the address 10.77.0.1; this one has 10.77.0.2.
    ///
    /// The cable is gone when either host goes down, and may be laid again after the next boot.
    #[track_caller]
    pub(crate) fn plug_into(&self, other: &Self) {
        let (here, there) = (self.leader().to_string(), other.leader().to_string());
        outside(&[
            "ip", "link", "add", DEVICE, "netns", &here, "type", "veth", "peer", "name", DEVICE,
            "netns", &there,
        ]);
        for (leader, address) in [(&there, "10.77.0.1/24"), (&here, "10.77.0.2/24")] {
            let ip = ["nsenter", "--target", leader, "--net", "ip"];
            outside(&[&ip[..], &["address", "add", address, "dev", DEVICE]].concat());
            outside(&[&ip[..], &["link", "set", DEVICE, "up"]].concat());
        }
    }

    /// Cuts this host's end of the cable, or mends it.
    #[track_caller]
    pub(crate) fn set_link(&self, link: Link) {
        let state = if link == Link::Up { "up" } else { "down" };
        let leader = self.leader().to_string();
        outside(&[
            "nsenter", "--target", &leader, "--net", "ip", "link", "set", DEVICE, state,
        ]);
    }
}

/// Runs a command of this machine's.
#[track_caller]
fn outside(command: &[&str]) {
    let output = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .output();
    let output = output.unwrap_or_else(|error| panic!("failed to run {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
