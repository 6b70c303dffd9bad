//! Measures the cost of one crash, the hosts taking turns.
//!
//! A crash's processor time is what a control group has used between one crash and the next. All
//! workers are in one group, together with the helper's processes and what PID 1 runs to start
//! each; the time that systemd alone uses there for the same restart is subtracted. Writes to the
//! disk are counted at the system calls, after that, because counting costs time.

use super::super::gauge;
use super::super::results::{Figures, Peer, Row};
use super::super::subject::Subject;
use super::{Bench, Crew, WORKERS, past, plain, wards};
use crate::host::{Debian, Host};
use std::thread;
use std::time::Duration;

/// Pause after a crash. With the turns of the others it is long enough for all that the crash
/// leaves to do.
const REST: Duration = Duration::from_millis(200);
/// Number of crashes before those that count: caches fill, a first checkpoint is made.
const BEFORE: usize = 3;

/// The crew that all wards are compared with.
const ALONE: Crew = Crew {
    name: "systemd alone",
    workers: 10,
    told: false,
    set_up: plain::<10>,
};

/// Compares ten, a hundred and a thousand wards.
pub(super) fn by_wards(bench: &mut Bench, debian: Debian) {
    let crews = [
        ALONE,
        Crew::new("10 wards", 10, wards::<10>),
        Crew::new("100 wards", 100, wards::<100>),
        Crew::new("1000 wards", 1000, wards::<1000>),
        Crew {
            name: "systemd alone, 1000 units",
            workers: 1000,
            set_up: plain::<1000>,
            ..ALONE
        },
    ];
    compare(bench, debian, &crews);
}

/// Compares ten wards on hosts with histories of different lengths.
pub(super) fn by_history(bench: &mut Bench, debian: Debian) {
    let crews = [
        ALONE,
        Crew::new("10 entries", 10, |host| after(host, 10)),
        Crew::new("5000 entries", 10, |host| after(host, 5_000)),
        Crew::new("a full history", 10, |host| after(host, 40_000)),
    ];
    compare(bench, debian, &crews);
}

fn after(host: &Host, entries: usize) {
    past::put(host, entries);
    wards::<10>(host);
}

/// One host, and the use of each crash there.
struct Measured {
    name: &'static str,
    workers: usize,
    is_told: bool,
    subject: Subject,
    /// The groups' times before the latest crash.
    before: Option<[f64; 3]>,
    /// Processor time of the daemon, of the workers and of PID 1.
    used: [Vec<f64>; 3],
    written: Vec<f64>,
    synchronised: Vec<f64>,
}

/// Measures the crews. Some of them are systemd alone. The first of the others is what the rest of
/// them is compared with.
fn compare(bench: &mut Bench, debian: Debian, crews: &[Crew]) {
    let measured = |crew: &Crew| Measured {
        name: crew.name,
        workers: crew.workers,
        is_told: crew.told,
        subject: crew.subject(debian),
        before: None,
        used: Default::default(),
        written: Vec::new(),
        synchronised: Vec::new(),
    };
    let mut hosts: Vec<_> = crews.iter().map(measured).collect();
    let rounds = bench.rounds(60);
    for round in 0..=BEFORE + rounds {
        for host in &mut hosts {
            host.read(round > BEFORE);
            host.strike();
            thread::sleep(REST);
        }
    }
    for host in hosts.iter_mut().filter(|host| host.is_told) {
        host.count_calls(rounds.max(30));
    }
    tell(bench, debian, &hosts);
}

impl Measured {
    /// Notes the use since the last reading.
    fn read(&mut self, counts: bool) {
        let now = [gauge::DAEMON, WORKERS, gauge::PID_1]
            .map(|group| gauge::cpu(&self.subject.host, group));
        if let Some(before) = self.before.replace(now).filter(|_| counts) {
            for (used, (now, before)) in self.used.iter_mut().zip(now.into_iter().zip(before)) {
                used.push(now - before);
            }
        }
    }

    fn strike(&mut self) {
        let stroke = self.subject.strike(1);
        assert!(
            stroke.up.is_some() && stroke.report.is_some() == self.is_told,
            "{}: {stroke:?}",
            self.name
        );
    }

    /// Counts the bytes that the daemon writes to its history, and its waits for the disk.
    fn count_calls(&mut self, rounds: usize) {
        let pid = self.subject.host.systemctl_show("unitwardd", "MainPID");
        let tracer = self.subject.host.trace(
            &pid,
            &["--trace=pwrite64,fsync,fdatasync", "--string-limit=0"],
        );
        tracer.said();
        for _ in 0..rounds {
            self.strike();
            thread::sleep(REST);
            let said = tracer.said();
            let calls = said
                .lines()
                .filter_map(|line| Some((line, line.rsplit_once(" = ")?.1.parse::<f64>().ok()?)));
            let (writes, syncs): (Vec<_>, Vec<_>) =
                calls.partition(|(line, _)| line.contains("pwrite64"));
            self.written
                .push(writes.iter().map(|(_, bytes)| bytes).sum());
            self.synchronised.push(
                syncs
                    .iter()
                    .filter(|(line, _)| line.contains("sync"))
                    .map(|_| 1.0)
                    .sum(),
            );
        }
    }

    /// Returns each quantity with its unit and its values.
    fn quantities(&self, alone: &Self) -> [(&'static str, &'static str, Vec<f64>); 5] {
        let [daemon, workers, pid_1] = &self.used;
        let plain = figures(&alone.used[1]).median;
        [
            ("daemon-cpu", "µs", daemon.clone()),
            (
                "helper-cpu",
                "µs",
                workers.iter().map(|spent| spent - plain).collect(),
            ),
            ("pid1-cpu", "µs", pid_1.clone()),
            ("written", "bytes, mean", vec![mean(&self.written)]),
            ("fsyncs", "calls, mean", vec![mean(&self.synchronised)]),
        ]
    }
}

fn tell(bench: &mut Bench, debian: Debian, hosts: &[Measured]) {
    let (told, alone): (Vec<_>, Vec<_>) = hosts.iter().partition(|host| host.is_told);
    let mut put =
        |what: (&str, &str), (host, values): (&Measured, &[f64]), peer: Option<(&str, &[f64])>| {
            let peer = peer.map(|(name, values)| Peer {
                name: name.to_owned(),
                version: String::new(),
                figures: Some(figures(values)),
            });
            let name = format!("cost/{}/{}", what.0, host.name);
            bench.results.put(Row::new(
                &name,
                (bench.host(debian), what.1),
                figures(values),
                peer,
            ));
        };
    for (number, host) in told.iter().enumerate() {
        let fewer = told[0].quantities(alone[0]);
        for ((what, unit, values), (_, _, fewer)) in host.quantities(alone[0]).iter().zip(&fewer) {
            put(
                (what, unit),
                (host, values),
                (number > 0).then_some((told[0].name, fewer)),
            );
        }
        if let Some(alone) = alone.iter().find(|alone| alone.workers == host.workers) {
            put(
                ("pid1-cpu", "µs"),
                (host, &host.used[2]),
                Some((alone.name, &alone.used[2])),
            );
        }
    }
}

fn figures(values: &[f64]) -> Figures {
    Figures::of(values.to_vec()).expect("there were rounds")
}

#[allow(clippy::cast_precision_loss, reason = "some hundred")]
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
