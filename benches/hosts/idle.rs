//! Measures the cost of the daemon while its 200 wards are idle: memory, wake-ups, and processor
//! time while others' units come and go.

use super::Bench;
use super::gauge;
use super::results::{Figures, Peer, Row};
use super::subject::WORKER;
use crate::host::{Debian, Host};
use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

const WARDS: usize = 200;
/// Number of units that are not watched, started and stopped a minute.
const OTHERS: u64 = 200;
/// Pause after the start: queries are answered, and stored data is on the disk.
const SETTLED: Duration = Duration::from_secs(20);

/// Measures on a host of this version.
pub(crate) fn measure(bench: &mut Bench, debian: Debian) {
    let host = set_up(debian);
    thread::sleep(SETTLED);
    memory(bench, debian, &host);
    wake_ups(bench, debian, &host);
    // Ten minutes on one version are enough.
    if debian == Debian::Trixie {
        others(bench, debian, &host);
    }
}

fn set_up(debian: Debian) -> Host {
    let host = Host::boot(debian);
    host.script(WORKER, "#!/bin/sh\nexec sleep infinity\n");
    host.sh(&format!(
        "mkdir -p /etc/unitward; for n in {{1..{WARDS}}}; do
            printf '[Service]\\nExecStart={WORKER}\\n[OnDeath]\\nExecute=/bin/true\\nRestart=%%n\\nExecute=/bin/true\\n' >/etc/unitward/web-$n.ward
        done
        printf '[MQTT]\\nBroker=mqtt://127.0.0.1:1883\\n[Watch]\\nUnits=watched-*.service\\n' >/etc/unitward/unitward.conf
        printf '[Service]\\nExecStart={WORKER}\\n' >/etc/systemd/system/other@.service
        systemctl daemon-reload
        systemctl start --no-block web-{{1..{WARDS}}}"
    ));
    host.wait_for_within(Duration::from_secs(120), "all wards", || {
        let running =
            host.sh("systemctl list-units --state=running --plain --no-legend 'web-*' | wc -l");
        (running == WARDS.to_string()).then_some(())
    });
    host.sh("systemctl restart unitwardd");
    host
}

fn memory(bench: &mut Bench, debian: Debian, host: &Host) {
    let parts = gauge::memory(gauge::daemon(host));
    let mut put = |name: &str, size: f64| {
        bench.results.put(Row::new(
            name,
            (bench.host(debian), "MB"),
            Figures::one(size * 1024.0 / 1e6),
            None,
        ));
    };
    put("idle/pss", parts.values().sum());
    for (part, size) in parts {
        put(&format!("idle/pss/{part}"), size);
    }
}

fn wake_ups(bench: &mut Bench, debian: Debian, host: &Host) {
    let pid = gauge::daemon(host);
    let minutes = if bench.quick { 1.0 } else { 4.0 };
    let (before, spent) = (gauge::sleeps(pid), gauge::cpu(host, gauge::DAEMON));
    thread::sleep(Duration::from_secs_f64(minutes * 60.0));
    let (after, spent) = (gauge::sleeps(pid), gauge::cpu(host, gauge::DAEMON) - spent);
    let new: BTreeMap<_, _> = after
        .iter()
        .map(|(name, count)| (name, count - before.get(name).unwrap_or(&0.0)))
        .collect();
    println!("idle/wake-ups by thread: {new:?}");
    let host = bench.host(debian);
    let per_minute = Figures::one(new.values().sum::<f64>() / minutes);
    bench.results.put(Row::new(
        "idle/wake-ups",
        (host, "a minute"),
        per_minute,
        None,
    ));
    bench.results.put(Row::new(
        "idle/cpu",
        (host, "µs a minute"),
        Figures::one(spent / minutes),
        None,
    ));
}

/// Measures the daemon beside other units. PID 1's time stands beside its own, because PID 1 does
/// all the work.
fn others(bench: &mut Bench, debian: Debian, host: &Host) {
    let rounds = if bench.quick { OTHERS } else { 10 * OTHERS };
    let groups = [gauge::DAEMON, gauge::PID_1];
    let (before, begun) = (groups.map(|group| gauge::cpu(host, group)), Instant::now());
    for round in 0..rounds {
        host.sh(&format!(
            "systemctl start other@{round}; systemctl stop other@{round}"
        ));
        let next =
            Duration::from_secs(60 * (round + 1)) / u32::try_from(OTHERS).expect("some hundred");
        thread::sleep(next.saturating_sub(begun.elapsed()));
    }
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    let [daemon, pid_1] =
        [0, 1].map(|number| (gauge::cpu(host, groups[number]) - before[number]) / 1e3 / minutes);
    let peer = Peer {
        name: "PID 1".to_owned(),
        version: String::new(),
        figures: Some(Figures::one(pid_1)),
    };
    let name = format!("idle/cpu with {OTHERS} other units a minute");
    bench.results.put(Row::new(
        &name,
        (bench.host(debian), "ms a minute"),
        Figures::one(daemon),
        Some(peer),
    ));
}
