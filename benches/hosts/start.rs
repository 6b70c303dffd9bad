//! Measures the start of a thousand services at once, as at a boot, until the last of them is up.
//!
//! Wards of two steps, one above the restart and one below it, stand against the same services with
//! as many lines that do nothing, against them without lines, and against the packages of an older
//! version if `UNITWARD_TEST_PREVIOUS` names a folder with them. They take turns.

use super::Bench;
use super::results::{Figures, Peer, Row};
use crate::host::{Access, Debian, Host};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{env, fs};

const SERVICES: usize = 1_000;
/// Pause in which the work after a start and a stop is completed.
const REST: Duration = Duration::from_secs(3);

const SERVICE: &str = "[Service]\\nExecStart=/usr/bin/sleep infinity\\n";
const STEPS: &str = "[OnDeath]\\nExecute=/usr/bin/true\\nRestart=%n\\nExecute=/usr/bin/true\\n";
/// A ward's lines in the service's unit, with a command that does nothing.
const LINES: &str = "ExecCondition=-+/usr/bin/true\\nExecStartPost=-+/usr/bin/true\\nExecStopPost=-+/usr/bin/true\\n";

struct Contestant {
    name: &'static str,
    version: String,
    host: Host,
    millis: Vec<f64>,
}

/// Measures on a host of this version.
#[expect(
    clippy::too_many_lines,
    reason = "one measurement, from the first host to the last"
)]
pub(crate) fn measure(bench: &mut Bench, debian: Debian) {
    let wards = |host: &Host| write(host, "/etc/unitward", "ward", &[SERVICE, STEPS].concat());
    let services = |host: &Host, lines: &str| {
        write(
            host,
            "/etc/systemd/system",
            "service",
            &[SERVICE, lines].concat(),
        )
    };
    let of = |name, package: &str, host: Host| {
        let version = host.sh(&format!("dpkg-query -W -f '${{Version}}' {package}"));
        Contestant {
            name,
            version,
            host,
            millis: Vec::new(),
        }
    };
    let mut all = vec![of("unitward", "unitward", Host::boot(debian))];
    wards(&all[0].host);
    for (name, lines) in [
        ("systemd, with as many lines that do nothing", LINES),
        ("systemd", ""),
    ] {
        let host = Host::bare(debian);
        services(&host, lines);
        all.push(of(name, "systemd", host));
    }
    if let Some(folder) = env::var_os("UNITWARD_TEST_PREVIOUS") {
        let host = Host::bare(debian);
        install(&host, &PathBuf::from(folder));
        wards(&host);
        all.push(of("unitward, an older version", "unitward", host));
    }
    for contestant in &all {
        contestant.host.sh("systemctl daemon-reload");
    }
    for _ in 0..bench.rounds(5) {
        for contestant in &mut all {
            contestant.start();
        }
    }
    let [ours, peers @ ..] = all.as_slice() else {
        unreachable!("ours is the first")
    };
    let figures = |contestant: &Contestant| {
        Figures::of(contestant.millis.clone()).expect("there was a round")
    };
    for peer in peers {
        let against = Peer {
            name: peer.name.to_owned(),
            version: peer.version.clone(),
            figures: Some(figures(peer)),
        };
        bench.results.put(Row::new(
            "start/1000",
            (bench.host(debian), "ms"),
            figures(ours),
            Some(against),
        ));
    }
}

impl Contestant {
    fn start(&mut self) {
        let begun = Instant::now();
        self.host
            .sh(&format!("systemctl start service-{{1..{SERVICES}}}"));
        self.millis.push(begun.elapsed().as_secs_f64() * 1e3);
        let up = self
            .host
            .sh("systemctl list-units --state=active --no-legend 'service-*' | wc -l");
        assert_eq!(up, SERVICES.to_string(), "{}: all are up", self.name);
        self.host
            .sh(&format!("systemctl stop service-{{1..{SERVICES}}}"));
        std::thread::sleep(REST);
    }
}

fn write(host: &Host, folder: &str, suffix: &str, text: &str) {
    host.sh(&format!(
        "mkdir -p {folder}; for n in {{1..{SERVICES}}}; do printf '{text}' >{folder}/service-$n.{suffix}; done"
    ));
}

fn install(host: &Host, folder: &PathBuf) {
    for entry in fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .flatten()
    {
        let package = fs::read(entry.path()).expect("a package");
        let name = entry.file_name().to_string_lossy().into_owned();
        host.write_mode(
            &format!("/root/packages/{name}"),
            &package,
            Access {
                mode: 0o644,
                uid: 0,
            },
        );
    }
    host.sh("dpkg --install /root/packages/unitward_*.deb");
}
