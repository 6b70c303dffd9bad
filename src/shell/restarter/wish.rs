//! A request with all that is known of its caller, and the record that it becomes.

use crate::core::config::Stack;
use crate::core::full_restart::request::Request;
use crate::edge::full_restart::peer::Peer;
use crate::edge::full_restart::record::{Asker, DeathRef, RestartRecord};
use crate::edge::{boot, clock};
use std::fs;

/// A request for a full restart, with its caller.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) request: Request,
    pub(super) peer: Peer,
    /// Time at which it came, in milliseconds since the epoch.
    pub(super) at: u64,
}

impl Wish {
    pub(super) fn new(request: Request, peer: Peer) -> Self {
        Self {
            request,
            peer,
            at: clock::since_epoch(),
        }
    }

    /// Returns the record of the restart of this stack, before any unit was examined.
    pub(super) fn record(&self, stack: &Stack) -> RestartRecord {
        let Self { request, peer, at } = self;
        // Only root may name a cause: a member could blame another for its own death.
        let cause = request.cause.as_ref().filter(|_| peer.uid == 0);
        RestartRecord {
            id: new_id(),
            stack: stack.name.to_string(),
            name: stack.identifier.clone(),
            unit: stack.unit().to_string(),
            boot: boot::id(),
            ended: None,
            members: Vec::new(),
            caller: request.caller.clone(),
            backtrace: request.backtrace.clone(),
            cause: cause.map(|cause| DeathRef {
                unit: cause.unit.clone(),
                invocation: cause.invocation.to_string(),
            }),
            by: Asker {
                pid: peer.pid,
                uid: peer.uid,
                unit: peer.unit.clone(),
            },
            at: *at,
            joined: Vec::new(),
            end: None,
        }
    }
}

/// Returns an unused id of 32 hexadecimal digits; it is the time if the kernel gives no random one.
fn new_id() -> String {
    let random = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
    let digits: String = random.chars().filter(char::is_ascii_hexdigit).collect();
    if digits.len() == 32 {
        digits
    } else {
        format!("{:032x}", clock::micros_since_epoch())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_restart_has_an_id_of_its_own() {
        let (one, other) = (new_id(), new_id());
        assert!(
            one.len() == 32 && one.bytes().all(|digit| digit.is_ascii_hexdigit()),
            "{one}"
        );
        assert_ne!(one, other);
    }
}
