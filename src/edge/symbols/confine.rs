//! Removes from this process all that it does not need to read objects: rights, memory, time and
//! system calls.
//!
//! A service whose set of capabilities is empty cannot become another user. It need not: without
//! capabilities, and with a filter that allows no call with a path, the user makes no difference.

use super::filter;
use super::wire::FILES;
use rustix::process::{Gid, Resource, Rlimit, Uid, getrlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use std::io;

/// ID of the user and group `nobody`, who have no rights.
const NOBODY: u32 = 65534;

/// Limit of the address space, in bytes: for the program itself, an object's symbol table and
/// names.
const MEMORY: u64 = 256 << 20;

/// Limit of processor time, in seconds.
const TIME: u64 = 2;

/// Value of proc_pid_oom_score_adj(5) for a process that the kernel kills first if memory is short.
const EXPENDABLE: &str = "1000";

/// Confines this process, which must have one thread only.
///
/// # Errors
/// If any right is left, or a limit or the filter cannot be set.
pub(super) fn confine() -> io::Result<()> {
    // If the kernel refuses it, the answers stay the same.
    let _ = std::fs::write("/proc/self/oom_score_adj", EXPENDABLE);
    let descriptors = 3 + FILES as u64;
    for (resource, limit) in [
        (Resource::As, MEMORY),
        (Resource::Cpu, TIME),
        (Resource::Nofile, descriptors),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nproc, 0),
    ] {
        let limit = getrlimit(resource)
            .maximum
            .map_or(limit, |most| most.min(limit));
        setrlimit(
            resource,
            Rlimit {
                current: Some(limit),
                maximum: Some(limit),
            },
        )?;
    }
    set_no_new_privs(true)?;
    drop_rights()?;
    filter::apply()
}

fn drop_rights() -> io::Result<()> {
    if has_rights()? {
        for capability in CapabilitySet::all().iter() {
            // A capability that the kernel does not know, or that cannot be removed, does no harm:
            // the result is checked below.
            if capability_is_in_bounding_set(capability).is_ok_and(|is| is) {
                let _ = remove_capability_from_bounding_set(capability);
            }
        }
        clear_ambient_capability_set()?;
        // A container may have no such user.
        let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
        let _ = set_thread_groups(&[]);
        let _ = set_thread_res_gid(group, group, group);
        let _ = set_thread_res_uid(user, user, user);
        let none = CapabilitySet::empty();
        set_capabilities(
            None,
            CapabilitySets {
                effective: none,
                permitted: none,
                inheritable: none,
            },
        )?;
    }
    if has_rights()? {
        Err(io::ErrorKind::PermissionDenied.into())
    } else {
        Ok(())
    }
}

fn has_rights() -> io::Result<bool> {
    let held = capabilities(None)?;
    Ok(!(held.effective | held.permitted | held.inheritable).is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::{Command, ExitStatus};

    /// Environment variable that asks a process for one of these.
    const ATTEMPT: &str = "UNITWARD_TEST_ATTEMPT";

    /// Attempts one of the things that a confined process may or may not do.
    fn attempt(what: &str) -> bool {
        match what {
            "nothing" => true,
            "memory" => std::hint::black_box(vec![1_u8; 16 << 20]).len() == 16 << 20,
            "too much memory" => std::hint::black_box(vec![1_u8; 512 << 20]).len() == 512 << 20,
            "open" => std::fs::File::open("/etc/passwd").is_ok(),
            "list" => std::fs::read_dir("/").is_ok(),
            "remove" => std::fs::remove_file("/nothing/of/the/kind").is_err(),
            "connect" => std::os::unix::net::UnixStream::connect("/run/nothing").is_err(),
            "internet" => std::net::UdpSocket::bind("127.0.0.1:0").is_ok(),
            "start" => Command::new("/bin/true").status().is_ok(),
            "thread" => std::thread::spawn(|| ()).join().is_ok(),
            "signal" => {
                rustix::process::test_kill_process(rustix::process::getppid().unwrap()).is_ok()
            }
            "become" => set_no_new_privs(false).is_err(),
            "time" => loop {
                std::hint::black_box(());
            },
            _ => panic!("{what}"),
        }
    }

    #[test]
    #[ignore = "it is no test but the process that others start"]
    fn the_process_that_attempts() {
        let Ok(what) = std::env::var(ATTEMPT) else {
            return;
        };
        if let Some(what) = what.strip_prefix("confined: ") {
            confine().unwrap();
            std::process::exit(if attempt(what) { 0 } else { 7 });
        }
        std::process::exit(if attempt(&what) { 0 } else { 7 });
    }

    fn attempted(what: &str) -> ExitStatus {
        let name = "edge::symbols::confine::tests::the_process_that_attempts";
        let mut command = Command::new("/proc/self/exe");
        command
            .args(["--exact", name, "--ignored", "--nocapture"])
            .env(ATTEMPT, what);
        command.output().unwrap().status
    }

    #[test]
    fn a_confined_process_that_calls_for_anything_else_is_ended() {
        for what in ["nothing", "memory"] {
            assert_eq!(
                attempted(&format!("confined: {what}")).code(),
                Some(0),
                "{what}"
            );
        }
        let bad_call = Some(rustix::process::Signal::SYS.as_raw());
        for what in [
            "open", "list", "remove", "connect", "internet", "start", "thread", "signal",
        ] {
            assert_eq!(attempted(what).code(), Some(0), "{what} without a filter");
            assert_eq!(
                attempted(&format!("confined: {what}")).signal(),
                bad_call,
                "{what}"
            );
        }
        assert_eq!(attempted("confined: become").signal(), bad_call);
    }

    #[test]
    fn a_confined_process_has_bounds_to_its_memory_and_its_time() {
        assert_eq!(attempted("too much memory").code(), Some(0));
        assert!(!attempted("confined: too much memory").success());
        let begun = std::time::Instant::now();
        assert!(!attempted("confined: time").success());
        assert!(
            begun.elapsed() >= std::time::Duration::from_secs(TIME),
            "{:?}",
            begun.elapsed()
        );
    }
}
