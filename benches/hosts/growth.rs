//! Measures the cost of many crashes, and its growth with the number of wards and with the length
//! of the history.

mod cost;
mod past;
mod throughput;

use super::Bench;
use super::meter::Expected;
use super::subject::{Subject, WORKER};
use crate::host::{Debian, Host};

/// Slice of all workers, whatever guards them, so that they and the processes that run with them
/// can be measured together.
const WORKERS: &str = "wards.slice";

/// Number of units that are started together.
const AT_ONCE: usize = 25;

/// Measures on a host of this version.
pub(crate) fn measure(bench: &mut Bench, debian: Debian) {
    cost::by_wards(bench, debian);
    cost::by_history(bench, debian);
    throughput::measure(bench, debian);
}

/// A number of workers on a host.
struct Crew {
    /// Its name in the results.
    name: &'static str,
    workers: usize,
    /// True if the daemon reports their crashes.
    told: bool,
    set_up: fn(&Host),
}

impl Crew {
    const fn new(name: &'static str, workers: usize, set_up: fn(&Host)) -> Self {
        Self {
            name,
            workers,
            told: true,
            set_up,
        }
    }

    /// Starts them on a new host.
    fn subject(&self, debian: Debian) -> Subject {
        let topic = if self.told { "Crash/Reports" } else { "" };
        let expected = Expected {
            topic: topic.to_owned(),
            restarts: true,
            ..Expected::default()
        };
        Subject::on(Host::boot(debian), (&expected, self.workers), self.set_up)
    }
}

/// Sets up units without wards and without the daemon's watch: systemd alone.
fn plain<const N: usize>(host: &Host) {
    units(host, N);
    configure(host, "");
    start(host, N);
}

/// Sets up the same units, with the daemon's watch.
fn watched<const N: usize>(host: &Host) {
    units(host, N);
    configure(host, "[Watch]\nUnits=web-*.service\n");
    start(host, N);
}

/// Sets up wards without a step.
fn wards<const N: usize>(host: &Host) {
    let recovery = "[Recovery]\\nDeathLimit=0\\nDelaySec=0\\nMaxDelaySec=0\\n";
    host.sh(&format!(
        "mkdir -p /etc/unitward; for n in {{1..{N}}}; do
            printf '[Service]\\nExecStart={WORKER} up\\nSlice={WORKERS}\\n{recovery}' >/etc/unitward/web-$n.ward
        done"
    ));
    configure(host, "");
    start(host, N);
}

fn units(host: &Host, number: usize) {
    host.sh(&format!(
        "for n in {{1..{number}}}; do
            printf '[Unit]\\nStartLimitIntervalSec=0\\n[Service]\\nExecStart={WORKER} up\\nSlice={WORKERS}\\nRestart=always\\nRestartSec=0\\n' \
                >/etc/systemd/system/web-$n.service
        done"
    ));
}

fn configure(host: &Host, more: &str) {
    let text = format!("[MQTT]\nBroker=mqtt://127.0.0.1:1883\n[Reports]\nBurst=100000\n{more}");
    host.write("/etc/unitward/unitward.conf", &text);
}

fn start(host: &Host, number: usize) {
    host.sh("systemctl daemon-reload; systemctl restart unitwardd");
    // A few at a time: if a thousand start at once, PID 1 is queried so much that some meet
    // `TimeoutStartSec=`.
    for first in (1..=number).step_by(AT_ONCE) {
        host.sh(&format!(
            "systemctl start web-{{{first}..{}}}",
            number.min(first + AT_ONCE - 1)
        ));
    }
}
