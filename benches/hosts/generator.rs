//! Measures the generator, which the boot and each daemon-reload wait for: units of 0 to 10,000
//! wards, against a program that only writes the same files, and against podman's quadlet, which
//! makes units of descriptions too.

use super::Bench;
use super::results::{Figures, Peer, Row};
use super::subject::{BENCH, put};
use super::turns::{GENERATOR, Times, WRITER};
use crate::host::{Debian, Host};
use std::path::Path;

/// Numbers of wards, each with its number of rounds.
const SIZES: [(usize, usize); 5] = [(0, 300), (10, 300), (100, 200), (1_000, 60), (10_000, 20)];

/// Number of wards of the boots, and number of boots of each host.
const BOOTED: (usize, usize) = (100, 10);

/// The properties of PID 1 with the times of a boot, in microseconds.
const STAMPS: [&str; 4] = [
    "UserspaceTimestampMonotonic",
    "GeneratorsStartTimestampMonotonic",
    "GeneratorsFinishTimestampMonotonic",
    "FinishTimestampMonotonic",
];

/// Measures on Debian 13: Debian 12's podman has no quadlet yet.
pub(crate) fn measure(bench: &mut Bench) {
    let debian = Debian::Trixie;
    let mut installed = Host::boot(debian);
    let host = Host::with_peers(debian);
    put(
        &host,
        BENCH,
        &std::env::current_exe().expect("this program"),
    );
    put(
        &host,
        WRITER,
        Path::new(&std::env::var("UNITWARD_BENCH_WRITER").expect("make bench names the writer")),
    );
    put(&host, GENERATOR, &installed.path(GENERATOR));
    let ours = installed.sh("dpkg-query -W -f '${Version}' unitward");
    let podman = host.sh("dpkg-query -W -f '${Version}' podman");
    let mut of_size = Vec::new();
    for (wards, rounds) in SIZES {
        let times = times(&host, wards, bench.rounds(rounds));
        of_size.push((wards, against(bench, wards, times, &podman)));
    }
    drop(host);
    let alone = |wards| {
        of_size
            .iter()
            .find(|(size, _)| *size == wards)
            .expect("it is one of the sizes")
            .1
    };
    let per_ward = |wards: u32| scaled(alone(wards as usize), 1e3 / f64::from(wards));
    let peer = Peer {
        name: "itself, 1,000 wards".into(),
        version: ours.clone(),
        figures: Some(per_ward(1_000)),
    };
    let row = Row::new(
        "generator/growth/10000",
        (bench.host(debian), "µs a ward"),
        per_ward(10_000),
        Some(peer),
    );
    bench.results.put(row);
    boots(bench, &mut installed, alone(BOOTED.0).median);
}

/// Runs the turns inside the host and returns their times.
fn times(host: &Host, wards: usize, rounds: usize) -> Times {
    let [wards, rounds] = [wards, rounds].map(|number| number.to_string());
    let output = host
        .inside(&[BENCH, "turns", &wards, &rounds])
        .output()
        .expect("the bench inside");
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said()))
}

/// Adds a row for each peer, and returns our figures.
fn against(bench: &mut Bench, wards: usize, times: Times, podman: &str) -> Figures {
    let figures = |values| Figures::of(values).expect("there was a round");
    let ours = figures(times.unitward);
    let here = env!("CARGO_PKG_VERSION");
    for (peer, version, values) in [
        ("bare writer, by rename", here, times.rename),
        ("bare writer, plain", here, times.plain),
        ("quadlet", podman, times.quadlet),
    ] {
        let peer = Peer {
            name: peer.into(),
            version: version.into(),
            figures: Some(figures(values)),
        };
        let row = Row::new(
            &format!("generator/wards/{wards}"),
            (bench.host(Debian::Trixie), "ms"),
            ours,
            Some(peer),
        );
        bench.results.put(row);
    }
    ours
}

fn scaled(figures: Figures, factor: f64) -> Figures {
    Figures {
        n: figures.n,
        median: figures.median * factor,
        p99: figures.p99 * factor,
    }
}

/// Boots, in turns, the host with our packages and two without, on which the same services are
/// units of systemd's alone: as they are, and with as many lines as a ward has. `alone` is the time
/// that our generator takes by itself for as many wards, in milliseconds.
#[expect(
    clippy::too_many_lines,
    reason = "one measurement, from the first boot to the last"
)]
fn boots(bench: &mut Bench, installed: &mut Host, alone: f64) {
    let (services, rounds) = BOOTED;
    let service = "[Unit]\nDescription=Service $n\n[Service]\nExecStart=/usr/bin/sleep infinity\n";
    let wanted = "[Install]\nWantedBy=multi-user.target\n";
    let steps = "[OnDeath]\nExecute=/usr/bin/true\nRestart=%n\nWaitFor=2s\nExecute=/usr/bin/true\nRestart=dbus.service\n";
    let write = |folder: &str, suffix: &str, more: &str| {
        format!(
            "for n in $(seq {services}); do echo \"{service}{more}{wanted}\" >{folder}/service-$n.{suffix}; done"
        )
    };
    installed.sh(&format!(
        "mkdir -p /etc/unitward; {}",
        write("/etc/unitward", "ward", steps)
    ));
    let bare = |more: &str| {
        let host = Host::bare(Debian::Trixie);
        host.sh(&write(
            "/etc/systemd/system",
            "service",
            &format!("Restart=on-failure\n{more}"),
        ));
        host.sh("systemctl enable /etc/systemd/system/service-*.service");
        host
    };
    // A ward's lines at a start: one before the main process and one after it.
    let (mut plain, mut lined) = (
        bare(""),
        bare("ExecCondition=/usr/bin/true\nExecStartPost=/usr/bin/true\n"),
    );
    let [mut ours, mut theirs, mut limit] = [(); 3].map(|()| Boots::default());
    for _ in 0..bench.rounds(rounds) {
        ours.add(installed);
        theirs.add(&mut plain);
        limit.add(&mut lined);
    }
    // The share of a boot without us, which is the shorter one.
    let share = theirs
        .whole
        .iter()
        .map(|whole| 100.0 * alone / whole)
        .collect();
    let version = plain.sh("systemctl --version | head -1 | cut -d' ' -f2");
    let host = bench.host(Debian::Trixie);
    let figures = |values: &[f64]| Figures::of(values.to_vec()).expect("there was a boot");
    let against = |name: &str, values: &[f64]| {
        Some(Peer {
            name: name.to_owned(),
            version: version.clone(),
            figures: Some(figures(values)),
        })
    };
    let (plainly, with_lines) = ("systemd", "systemd, with as many lines that do nothing");
    for (name, unit, ours, peer) in [
        ("generator/boot-share", "% of the boot", &share, None),
        (
            "generator/boot/all generators",
            "ms",
            &ours.generators,
            against(plainly, &theirs.generators),
        ),
        (
            "generator/boot/whole",
            "ms",
            &ours.whole,
            against(plainly, &theirs.whole),
        ),
        (
            "generator/boot/whole",
            "ms",
            &ours.whole,
            against(with_lines, &limit.whole),
        ),
    ] {
        bench
            .results
            .put(Row::new(name, (host, unit), figures(ours), peer));
    }
}

/// Boots of one host, in milliseconds.
#[derive(Default)]
struct Boots {
    /// Times that all generators took together.
    generators: Vec<f64>,
    /// Times from the start of PID 1 to the end of the boot.
    whole: Vec<f64>,
}

impl Boots {
    fn add(&mut self, host: &mut Host) {
        host.reboot();
        let options: String = STAMPS
            .iter()
            .map(|stamp| format!(" --property={stamp}"))
            .collect();
        let shown = host.sh(&format!("systemctl show{options}"));
        let stamp = |name: &str| -> f64 {
            let lines = || shown.lines().filter_map(|line| line.split_once('='));
            lines()
                .find(|(key, _)| *key == name)
                .and_then(|(_, value)| value.parse().ok())
                .expect("a time")
        };
        let [userspace, begun, done, finished] = STAMPS.map(stamp);
        self.generators.push((done - begun) / 1e3);
        self.whole.push((finished - userspace) / 1e3);
    }
}
