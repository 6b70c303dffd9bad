//! Measures the resources that a host's processes use, from outside: no command runs in the host
//! for it.

use crate::host::Host;
use std::collections::BTreeMap;
use std::fs;

/// Control group of the daemon's processes.
pub(crate) const DAEMON: &str = "system.slice/unitwardd.service";
/// Control group of PID 1.
pub(crate) const PID_1: &str = "init.scope";

/// Returns the processor time that a control group has used, in microseconds: of all processes and
/// groups in it, including those that have ended.
pub(crate) fn cpu(host: &Host, group: &str) -> f64 {
    let file = host.path(&format!("/sys/fs/cgroup/{group}/cpu.stat"));
    let text =
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let used = text
        .lines()
        .find_map(|line| line.strip_prefix("usage_usec "));
    used.and_then(|used| used.parse().ok())
        .expect("microseconds")
}

/// Returns the daemon's process ID, as the machine numbers it.
pub(crate) fn daemon(host: &Host) -> u32 {
    host.outer_pid(&host.systemctl_show("unitwardd", "MainPID"))
}

/// Returns the number of times that a process has gone to sleep, by the names of its threads.
pub(crate) fn sleeps(pid: u32) -> BTreeMap<String, f64> {
    let mut sleeps = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))
        .expect("it runs")
        .flatten()
    {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap_or_default()
                .trim()
        };
        let slept: f64 = field("voluntary_ctxt_switches:").parse().unwrap_or(0.0);
        *sleeps.entry(field("Name:").to_owned()).or_default() += slept;
    }
    sleeps
}

/// Returns the memory of a process by its use, in KiB: its share of memory that it shares with
/// others. Its own program and SQLite count in full, because they are shared with the same program
/// on another host of this machine.
pub(crate) fn memory(pid: u32) -> BTreeMap<&'static str, f64> {
    let maps = fs::read_to_string(format!("/proc/{pid}/smaps")).expect("it runs");
    let mut memory = BTreeMap::new();
    let mut kind = "other";
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        if first.contains('-') {
            let [access, _, _, inode] = [(); 4].map(|()| words.next().unwrap_or_default());
            kind = kind_of(words.next().unwrap_or_default(), (access, inode));
        } else if first
            == if kind.starts_with("own") || kind == "libsqlite3" {
                "Rss:"
            } else {
                "Pss:"
            }
        {
            let share: f64 = words
                .next()
                .and_then(|share| share.parse().ok())
                .expect("KiB");
            *memory.entry(kind).or_default() += share;
        }
    }
    memory
}

fn kind_of(path: &str, (access, inode): (&str, &str)) -> &'static str {
    match path {
        "[heap]" => "heap",
        "[stack]" => "stacks",
        _ if path.starts_with('[') => "other",
        _ if inode == "0" && access.starts_with("rw") => "stacks and other of no file",
        _ if path.ends_with("/unitwardd") && access.contains('w') => "own data",
        _ if path.ends_with("/unitwardd") && access.contains('x') => "own text",
        _ if path.ends_with("/unitwardd") => "own constants",
        _ if path.contains("libsqlite3") => "libsqlite3",
        _ if path.contains(".so") => "other libraries",
        _ => "other",
    }
}
