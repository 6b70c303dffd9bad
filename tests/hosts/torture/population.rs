//! The services that die. Each says so itself, on the disk, with one write immediately before: what they say is what
//! the reports are held against.

use crate::host::Host;
use std::fs;

/// Where they say it.
const LOG: &str = "/var/log/deaths";
/// While it is there, they live and die; below `/run`, so that a host boots in peace.
const GO: &str = "/run/go";
/// Where each says that it lives and does not die.
const IDLE: &str = "/run/idle";

/// `mortal NAME WAY [early]`: lives a while, says that it dies and how, and does it. With `early` the first life after a boot
/// is over at once, before most of the others are there to see it.
const MORTAL: &str = r#"#!/bin/bash
name=$1 way=$2 early=${3-}
if [[ $early && ! -e /run/born-$name && -s /var/log/deaths ]]; then
    : >"/run/born-$name"
else
    while :; do
        until [[ -e /run/go ]]; do
            : >"/run/idle/$name"
            sleep 0.2
        done
        sleep "$((RANDOM % 3)).$((RANDOM % 9))5"
        [[ ! -e /run/go ]] || break
    done
fi
now=${EPOCHREALTIME/[.,]/}
printf '%s %s %s %s\n' "$INVOCATION_ID" "$name" "$way" "${now%???}" >>/var/log/deaths
case $way in
    kill) kill -KILL $$ ;;
    exit) exit 3 ;;
    segv) kill -SEGV $$ ;;
    clean) exit 0 ;;
esac
"#;

/// Steps of every fifth ward each: before the restart, after it, both. The last is long enough to die in.
const RECOVERIES: [&str; 5] = [
    "",
    "[OnDeath]\nExecute=/bin/true\nRestart=%n\n",
    "[OnDeath]\nLog=cleaning up\nRestart=%n\nExecute=/bin/true\n",
    "",
    "[OnAbnormalDeath]\nRestart=%n\nWaitFor=400ms\nExecute=/bin/true\n",
];

const WAYS: [Way; 4] = [Way::Kill, Way::Exit, Way::Segv, Way::Clean];

/// How a service dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Kill,
    Exit,
    Segv,
    Clean,
}

impl Way {
    fn word(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Exit => "exit",
            Self::Segv => "segv",
            Self::Clean => "clean",
        }
    }

    /// What a report must say of it.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Kill => "SIG 9 (Killed)",
            Self::Exit => "EXIT 3",
            Self::Segv => "SIG 11 (Segmentation fault)",
            Self::Clean => "EXIT 0",
        }
    }
}

/// A death as the service announced it.
#[derive(Clone, Debug)]
pub(super) struct Death {
    pub(super) invocation: String,
    pub(super) name: String,
    pub(super) way: Way,
    /// Milliseconds since the epoch, just before.
    pub(super) at: u64,
}

/// Twenty wards, and two units that no ward guards; `[Watch] Units=plain-*` names them.
pub(super) fn names() -> Vec<String> {
    let wards = (0..20).map(|number| format!("mortal-{number}"));
    wards
        .chain(["plain-kill".into(), "plain-exit".into()])
        .collect()
}

/// Makes and starts them. They live until [`let_die`].
pub(super) fn settle(host: &Host) {
    host.script("/usr/sbin/mortal", MORTAL);
    host.write(LOG, "");
    host.write("/usr/lib/tmpfiles.d/idle.conf", &format!("d {IDLE}\n"));
    host.sh(&format!("mkdir -p {IDLE}"));
    for (number, name) in names().iter().enumerate() {
        let early = if number % 2 == 1 { "early" } else { "" };
        let native = |way: &str| {
            // One byte: no core, whatever this machine's core pattern is just now.
            let service = "Restart=always\nRestartSec=0\nLimitCORE=1\nTimeoutStopSec=10s\n";
            format!(
                "[Service]\nExecStart=/usr/sbin/mortal {name} {way} {early}\n{service}[Install]\nWantedBy=multi-user.target\n"
            )
        };
        if let Some(way) = name.strip_prefix("plain-") {
            let unit = format!("[Unit]\nStartLimitIntervalSec=0\n{}", native(way));
            host.write(&format!("/etc/systemd/system/{name}.service"), &unit);
            continue;
        }
        let way = WAYS[number % WAYS.len()].word();
        let recovery = RECOVERIES[number % RECOVERIES.len()];
        let rest = "[Ward]\nReport=death\n[Recovery]\nDeathLimit=0\nMaxDelaySec=0\n";
        host.write(
            &format!("/etc/unitward/{name}.ward"),
            &format!("{}{rest}{recovery}", native(way)),
        );
    }
    let names = names().join(" ");
    host.sh(&format!(
        "systemctl daemon-reload; systemctl enable --quiet plain-kill plain-exit; systemctl start {names}"
    ));
    wait_until_idle(host);
}

/// From now on they die.
pub(super) fn let_die(host: &Host) {
    host.sh(&format!("touch {GO}"));
}

/// From now on they live. When this returns all of them do.
pub(super) fn let_live(host: &Host) {
    host.sh(&format!("rm -f {GO} {IDLE}/*"));
    wait_until_idle(host);
}

fn wait_until_idle(host: &Host) {
    let all = names().len();
    let mut idle = 0;
    host.wait_for(&format!("{all} services that live"), || {
        idle = fs::read_dir(host.path(IDLE)).map_or(0, Iterator::count);
        (idle == all).then_some(())
    });
}

/// All deaths so far, in the order in which they were announced.
pub(super) fn deaths(host: &Host) -> Vec<Death> {
    let log = fs::read_to_string(host.path(LOG)).expect("the host is up");
    log.lines().map(parse).collect()
}

/// How many there are.
pub(super) fn count_deaths(host: &Host) -> usize {
    fs::read_to_string(host.path(LOG)).map_or(0, |log| log.lines().count())
}

fn parse(line: &str) -> Death {
    let words: Vec<_> = line.split(' ').collect();
    let [invocation, name, way, at] = words[..] else {
        panic!("a torn line: {line:?}")
    };
    let way = WAYS
        .into_iter()
        .find(|known| known.word() == way)
        .unwrap_or_else(|| panic!("{line:?}"));
    Death {
        invocation: invocation.into(),
        name: name.into(),
        way,
        at: at.parse().expect("milliseconds"),
    }
}
