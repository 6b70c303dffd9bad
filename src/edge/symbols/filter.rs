//! The system calls of the process that reads objects, as a program for the kernel (seccomp(2)).
//!
//! It may read and write open files, ask for memory and end. Any other call ends it at once: none
//! of the allowed ones takes a path, an address, a program or another process.
//!
//! The program is written here because the filters of seccompiler do not support 32-bit ARM.

use seccompiler::{apply_filter, sock_filter};
use std::io;

/// The architecture's number in linux/audit.h. On architectures without one nothing is looked up.
const ARCHITECTURE: Option<u32> = if cfg!(target_arch = "x86_64") {
    Some(0xc000_003e)
} else if cfg!(target_arch = "aarch64") {
    Some(0xc000_00b7)
} else if cfg!(all(target_arch = "arm", target_endian = "little")) {
    Some(0x4000_0028)
} else if cfg!(target_arch = "riscv64") {
    Some(0xc000_00f3)
} else {
    None
};

/// Allowed calls that every architecture has.
const ALLOWED: [libc::c_long; 20] = [
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_recvmsg,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// fcntl(2) may only ask if a descriptor is open: a build with checks does before it closes one.
#[cfg(target_pointer_width = "64")]
const CONTROL: libc::c_long = libc::SYS_fcntl;
#[cfg(target_pointer_width = "32")]
const CONTROL: libc::c_long = libc::SYS_fcntl64;
const GET_FLAGS: u32 = 1;

/// Allowed calls for memory, and on a machine with words of 32 bits also for offsets and times.
#[cfg(target_pointer_width = "64")]
const ALLOWED_BY_WIDTH: [libc::c_long; 1] = [libc::SYS_mmap];
#[cfg(target_pointer_width = "32")]
const ALLOWED_BY_WIDTH: [libc::c_long; 4] = [
    libc::SYS_mmap2,
    libc::SYS__llseek,
    CLOCK_GETTIME_64,
    FUTEX_TIME_64,
];

// Calls with times of 64 bits, of the same number on every architecture; libc does not have them
// for all.
#[cfg(target_pointer_width = "32")]
const CLOCK_GETTIME_64: libc::c_long = 403;
#[cfg(target_pointer_width = "32")]
const FUTEX_TIME_64: libc::c_long = 422;

// Instructions of linux/bpf_common.h, and return values of a filter.
const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
const ALLOW: u32 = 0x7fff_0000;
const KILL_PROCESS: u32 = 0x8000_0000;
// Offsets in `struct seccomp_data` of the fields that a filter reads.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const SECOND_ARGUMENT: u32 = 24;

/// Confines this thread, and all that it starts, for good.
///
/// # Errors
/// If the kernel has no filters, or this code none for the architecture.
pub(super) fn apply() -> io::Result<()> {
    let architecture = ARCHITECTURE.ok_or(io::ErrorKind::Unsupported)?;
    apply_filter(&program(architecture)).map_err(io::Error::other)
}

fn program(architecture: u32) -> Vec<sock_filter> {
    let calls = ALLOWED.into_iter().chain(ALLOWED_BY_WIDTH);
    let mut allowed = vec![step(LOAD, NUMBER)];
    allowed.extend(calls.flat_map(|call| [unless(number(call), 1), step(RETURN, ALLOW)]));
    allowed.extend([
        unless(number(CONTROL), 3),
        step(LOAD, SECOND_ARGUMENT),
        unless(GET_FLAGS, 1),
        step(RETURN, ALLOW),
    ]);
    let length = u8::try_from(allowed.len()).expect("a jump reaches that far");
    let mut program = vec![step(LOAD, ARCH), unless(architecture, length)];
    program.extend(allowed);
    program.push(step(RETURN, KILL_PROCESS));
    program
}

/// Makes an instruction without a jump.
const fn step(code: u16, k: u32) -> sock_filter {
    sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

/// Makes an instruction that leaves out this many others unless the loaded value is equal to `k`.
const fn unless(k: u32, left_out: u8) -> sock_filter {
    sock_filter {
        code: JUMP_IF_EQUAL,
        jt: 0,
        jf: left_out,
        k,
    }
}

/// Returns the number of a call, as the filter loads it.
fn number(call: libc::c_long) -> u32 {
    u32::try_from(call).expect("numbers of calls are small")
}
