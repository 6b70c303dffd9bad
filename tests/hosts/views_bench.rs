//! How long `unitward list`, `status` and `tree` take on a host with 200 wards, each of which has died a few times. It prints
//! what `benches/results/desk.jsonl` keeps, and is run by hand:
//!
//! ```text
//! cargo test --release --test hosts -- --ignored --nocapture two_hundred_wards
//! ```

use crate::host::{Debian, Host};
use crate::report::pss;
use std::time::Duration;

const WARDS: usize = 200;
const ROUNDS: usize = 30;
/// Asked of the daemon, before and after which its memory is looked at.
const ANSWERS: usize = 100;

#[test]
#[ignore = "it measures, and proves nothing"]
fn two_hundred_wards_on_bookworm() {
    measure(Debian::Bookworm);
}

#[test]
#[ignore = "it measures, and proves nothing"]
fn two_hundred_wards_on_trixie() {
    measure(Debian::Trixie);
}

fn measure(debian: Debian) {
    let host = Host::boot(debian);
    host.script("/usr/sbin/dies", "#!/bin/sh\nn=$(cat /run/n-$1 2>/dev/null || echo 0)\necho $((n + 1)) >/run/n-$1\n[ $n -ge $(($1 % 5 + 1)) ] && exec sleep infinity\nexit 3\n");
    host.sh(&format!(
        "for n in $(seq {WARDS}); do printf '[Service]\\nExecStart=/usr/sbin/dies %s\\n[OnDeath]\\nLog=again\\nRestart=%%%%n\\nExecute=/bin/true\\n' $n >/etc/unitward/ward-$n.ward; done; \
         systemctl daemon-reload; systemctl start --no-block 'ward-'{{1..{WARDS}}}"
    ));
    host.wait_for_within(Duration::from_secs(300), "all of them", || {
        let up = "systemctl list-units --state=running --plain --no-legend 'ward-*' | wc -l";
        (host.sh(up) == WARDS.to_string()).then_some(())
    });
    for (who, prefix) in [("root", ""), ("nobody", "runuser -u nobody -- ")] {
        if !host
            .try_run(&["sh", "-c", &format!("{prefix}unitward list")])
            .status
            .success()
        {
            println!("{who} is not answered");
            continue;
        }
        for command in ["list", "status ward-77", "tree"] {
            let script = format!(
                "for n in $(seq {ROUNDS}); do a=$(date +%s%N); {prefix}unitward {command} --json >/dev/null; b=$(date +%s%N); echo $(((b - a) / 1000)); done"
            );
            let mut times: Vec<f64> = host
                .sh(&script)
                .lines()
                .filter_map(|line| line.parse().ok())
                .collect();
            times.sort_by(f64::total_cmp);
            let name = command.split(' ').next().unwrap_or_default();
            let (median, worst) = (
                times[times.len() / 2] / 1_000.0,
                times[times.len() - 1] / 1_000.0,
            );
            println!(
                "{{\"bench\":\"desk/{name}/{who}\",\"debian\":\"{debian:?}\",\"unit\":\"ms\",\"median\":{median:.1},\"worst\":{worst:.1},\"rounds\":{ROUNDS},\"wards\":{WARDS}}}"
            );
        }
    }
    let before = pss(&host);
    host.sh(&format!(
        "for n in $(seq {ANSWERS}); do runuser -u nobody -- unitward list --json >/dev/null || true; done"
    ));
    println!(
        "{{\"bench\":\"desk/daemon\",\"debian\":\"{debian:?}\",\"unit\":\"KiB of PSS\",\"before\":{before},\"after\":{},\"answers\":{ANSWERS}}}",
        pss(&host)
    );
}
