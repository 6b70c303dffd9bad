//! Identity of the process at the other end of a connection.

use crate::core::full_restart::permission;
use crate::core::full_restart::request::printable;
use rustix::net::sockopt::socket_peercred;
use std::fs;
use std::io;
use std::os::unix::net::UnixStream;

/// Longest name of a program, in bytes. A name that is not UTF-8 becomes longer than in the kernel.
const NAME: usize = 64;

/// A process that has connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its id.
    pub pid: u32,
    /// Its user id.
    pub uid: u32,
    /// The unit it belongs to, if it is known.
    pub unit: Option<String>,
    /// Its program's name, from the kernel, without characters that could forge a line: a process
    /// chooses its name freely.
    pub program: String,
    /// Existence of the process.
    pub life: Life,
}

/// Existence of a process that has connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// It exists.
    Alive,
    /// It has ended, or a process of another user has its id.
    Gone,
}

/// Returns the process at the other end.
///
/// The kernel records id and user when a connection is made. Meanwhile another process may have the
/// id; one of another user is not mistaken for it. Closing the gap takes SO_PEERPIDFD (Linux 6.5,
/// not in Debian 12), for which rustix has no safe call yet; until then a user who runs processes
/// as a member's user, and succeeds in giving the id of one of them to a process of a member, may
/// request a restart like the member.
///
/// # Errors
/// As getsockopt(2), and if the process is in a PID namespace that is not visible here: then it has
/// no id.
pub fn of(connection: &UnixStream) -> io::Result<Peer> {
    let known = socket_peercred(connection)?;
    let pid = u32::try_from(rustix::process::Pid::as_raw(Some(known.pid))).unwrap_or(0);
    let uid = known.uid.as_raw();
    let life = if user_of(pid) == Some(uid) {
        Life::Alive
    } else {
        Life::Gone
    };
    let (unit, program) = match life {
        Life::Alive => (
            unit_of(pid),
            name(&fs::read(format!("/proc/{pid}/comm")).unwrap_or_default()),
        ),
        Life::Gone => (None, String::new()),
    };
    Ok(Peer {
        pid,
        uid,
        unit,
        program,
        life,
    })
}

/// Returns a program's name. The kernel stores 15 bytes, and ends them with a newline.
fn name(comm: &[u8]) -> String {
    let comm = String::from_utf8_lossy(comm);
    printable(comm.strip_suffix('\n').unwrap_or(&comm), NAME)
}

/// Returns the unit that a process belongs to.
#[must_use]
pub fn unit_of(pid: u32) -> Option<String> {
    permission::unit_of(&groups(pid).ok()?, &groups(1).unwrap_or_default())
}

/// Reads the control groups of a process.
fn groups(pid: u32) -> io::Result<String> {
    fs::read_to_string(format!("/proc/{pid}/cgroup"))
}

/// Returns the effective user of a process.
fn user_of(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    // Real, effective, saved and that of file accesses.
    users.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_known_by_its_process_and_its_user() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let peer = of(&ours).unwrap();
        assert_eq!(
            (peer.pid, peer.uid),
            (std::process::id(), rustix::process::geteuid().as_raw())
        );
        assert_eq!(peer.life, Life::Alive);
        assert!(!peer.program.is_empty());
    }
    #[test]
    fn a_name_cannot_forge_a_line() {
        for (comm, expect) in [
            (&b"cm\n"[..], "cm"),
            (b"a\nb\x1b[2J\n", "a?b?[2J"),
            (b"\xff\n\n", "\u{fffd}?"),
            (b"", ""),
            (b"web 2\n", "web 2"),
        ] {
            assert_eq!(name(comm), expect);
        }
    }
}
