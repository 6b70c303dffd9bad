//! Names of exit statuses and signals, as systemd and glibc spell them.

/// The statuses with which systemd's own child exits if it cannot execute a service:
/// systemd.exec(5), "Process Exit Codes", of systemd 252 to 257.
const SYSTEMD: [(i32, &str); 44] = [
    (200, "CHDIR"),
    (201, "NICE"),
    (202, "FDS"),
    (203, "EXEC"),
    (204, "MEMORY"),
    (205, "LIMITS"),
    (206, "OOM_ADJUST"),
    (207, "SIGNAL_MASK"),
    (208, "STDIN"),
    (209, "STDOUT"),
    (210, "CHROOT"),
    (211, "IOPRIO"),
    (212, "TIMERSLACK"),
    (213, "SECUREBITS"),
    (214, "SETSCHEDULER"),
    (215, "CPUAFFINITY"),
    (216, "GROUP"),
    (217, "USER"),
    (218, "CAPABILITIES"),
    (219, "CGROUP"),
    (220, "SETSID"),
    (221, "CONFIRM"),
    (222, "STDERR"),
    (224, "PAM"),
    (225, "NETWORK"),
    (226, "NAMESPACE"),
    (227, "NO_NEW_PRIVILEGES"),
    (228, "SECCOMP"),
    (229, "SELINUX_CONTEXT"),
    (230, "PERSONALITY"),
    (231, "APPARMOR"),
    (232, "ADDRESS_FAMILIES"),
    (233, "RUNTIME_DIRECTORY"),
    (235, "CHOWN"),
    (236, "SMACK_PROCESS_LABEL"),
    (237, "KEYRING"),
    (238, "STATE_DIRECTORY"),
    (239, "CACHE_DIRECTORY"),
    (240, "LOGS_DIRECTORY"),
    (241, "CONFIGURATION_DIRECTORY"),
    (242, "NUMA_POLICY"),
    (243, "CREDENTIALS"),
    (244, "BPF"),
    (245, "KSM"),
];

/// Linux's signals 1 to 31 (x86, ARM, RISC-V): the name without `SIG`, and the text of
/// strsignal(3).
const SIGNALS: [(&str, &str); 31] = [
    ("HUP", "Hangup"),
    ("INT", "Interrupt"),
    ("QUIT", "Quit"),
    ("ILL", "Illegal instruction"),
    ("TRAP", "Trace/breakpoint trap"),
    ("ABRT", "Aborted"),
    ("BUS", "Bus error"),
    ("FPE", "Floating point exception"),
    ("KILL", "Killed"),
    ("USR1", "User defined signal 1"),
    ("SEGV", "Segmentation fault"),
    ("USR2", "User defined signal 2"),
    ("PIPE", "Broken pipe"),
    ("ALRM", "Alarm clock"),
    ("TERM", "Terminated"),
    ("STKFLT", "Stack fault"),
    ("CHLD", "Child exited"),
    ("CONT", "Continued"),
    ("STOP", "Stopped (signal)"),
    ("TSTP", "Stopped"),
    ("TTIN", "Stopped (tty input)"),
    ("TTOU", "Stopped (tty output)"),
    ("URG", "Urgent I/O condition"),
    ("XCPU", "CPU time limit exceeded"),
    ("XFSZ", "File size limit exceeded"),
    ("VTALRM", "Virtual timer expired"),
    ("PROF", "Profiling timer expired"),
    ("WINCH", "Window changed"),
    ("IO", "I/O possible"),
    ("PWR", "Power failure"),
    ("SYS", "Bad system call"),
];

/// glibc's first real-time signal; glibc uses the two below it itself.
const SIGRTMIN: i32 = 34;

/// Returns systemd's name of a 2xx status.
#[must_use]
pub fn systemd_name(status: i32) -> Option<&'static str> {
    SYSTEMD
        .iter()
        .find(|(number, _)| *number == status)
        .map(|(_, name)| *name)
}

/// Returns the text of strsignal(3) for a signal.
#[must_use]
pub fn signal_text(signal: i32) -> String {
    let known = usize::try_from(signal - 1)
        .ok()
        .and_then(|index| SIGNALS.get(index));
    match known {
        Some((_, text)) => (*text).to_owned(),
        None if (SIGRTMIN..=64).contains(&signal) => {
            format!("Real-time signal {}", signal - SIGRTMIN)
        }
        None => format!("Unknown signal {signal}"),
    }
}

/// Parses the number of a signal from `$EXIT_STATUS`: `KILL`, `RTMIN+3`, or a number.
#[must_use]
pub fn signal_number(name: &str) -> Option<i32> {
    if let Some(index) = SIGNALS.iter().position(|(known, _)| *known == name) {
        return i32::try_from(index + 1).ok();
    }
    match name.strip_prefix("RTMIN") {
        Some("") => Some(SIGRTMIN),
        Some(rest) => rest
            .strip_prefix('+')?
            .parse::<i32>()
            .ok()
            .map(|above| SIGRTMIN.saturating_add(above)),
        None => name.parse().ok(),
    }
}

/// Returns the name of a signal as systemd prints it, without `SIG`; [`signal_number`] is the
/// inverse.
#[must_use]
pub fn signal_name(signal: i32) -> String {
    let known = usize::try_from(signal)
        .ok()
        .and_then(|number| SIGNALS.get(number.checked_sub(1)?));
    known.map_or_else(|| signal.to_string(), |(name, _)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signals_name_leads_back_to_its_number() {
        for signal in [1, 9, 11, 15, 31, 34, 40, 64] {
            assert_eq!(signal_number(&signal_name(signal)), Some(signal));
        }
        assert_eq!(
            (signal_name(9), signal_name(34)),
            ("KILL".to_owned(), "34".to_owned())
        );
    }

    #[test]
    fn names_are_those_of_systemd_and_glibc() {
        assert_eq!(systemd_name(203), Some("EXEC"));
        assert_eq!(systemd_name(223), None);
        for (number, text) in [
            (9, "Killed"),
            (11, "Segmentation fault"),
            (31, "Bad system call"),
            (34, "Real-time signal 0"),
            (0, "Unknown signal 0"),
        ] {
            assert_eq!(signal_text(number), text);
        }
        assert_eq!(
            signal_text(i32::MAX),
            format!("Unknown signal {}", i32::MAX)
        );
    }

    #[test]
    fn a_signals_name_gives_its_number_back() {
        for (index, (name, _)) in SIGNALS.iter().enumerate() {
            assert_eq!(signal_number(name), i32::try_from(index + 1).ok());
        }
        for (name, number) in [
            ("RTMIN", Some(34)),
            ("RTMIN+3", Some(37)),
            ("40", Some(40)),
            ("", None),
            ("NONE", None),
        ] {
            assert_eq!(signal_number(name), number, "{name:?}");
        }
    }
}
