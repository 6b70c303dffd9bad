//! Somebody reloads systemd while something goes on. PID 1 then forgets which lines of a unit have run, and how they ended.

use crate::host::Host;
use crate::on_both;
use crate::report::{guard, kill, wait_for_restart};
use serde_json::Value;

/// Fails, waits, is busy as the service, waits: each until it is told to go on.
const STEPS: &str = "[OnDeath]\nExecute=/bin/false\nWaitFor=path:/run/2 60s\n\
    Execute=/bin/sh -c 'touch /run/at-3; until [ -e /run/3 ]; do sleep 0.02; done; exit 4'\n\
    Execute=/bin/sh -c 'touch /run/at-4; until [ -e /run/4 ]; do sleep 0.02; done'\nWaitFor=path:/run/5 60s\n";

fn json(host: &Host, command: &str) -> Value {
    let told = host.sh(&format!("unitward {command} --json"));
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"))
}

fn web(host: &Host) -> Value {
    json(host, "list")["wards"][0].clone()
}

/// Waits until this step is at work, and has noted what became of those before it.
fn wait_for_step(host: &Host, step: &str) {
    let noted = format!(r#""step":"{step}","action":"WaitFor"[^}}]*"status":137"#);
    let records = || {
        host.sh(&format!(
            "grep -l '{noted}' /run/unitward/wards/web/runs/*.json || true"
        ))
    };
    host.wait_for(&format!("step {step}"), || {
        (host.has(&format!("/run/at-{step}")) || !records().is_empty()).then_some(())
    });
}

on_both! {
    fn a_reload_in_the_middle_of_a_recovery_makes_no_step_forgotten(host: Host) {
        guard(&host, "web", "web", &format!("[Service]\nExecStart=sleep infinity\n[Recovery]\nMaxDelaySec=0\n{STEPS}"));
        let (_, run) = kill(&host, "web");
        for step in ["2", "3", "4", "5"] {
            wait_for_step(&host, step);
            host.run(&["systemctl", "daemon-reload"]);
            if matches!(step, "2" | "5") {
                let seen = web(&host);
                assert_eq!((&seen["state"], &seen["step"]["step"]), (&"recovering".into(), &step.into()), "{seen}");
                let tree = host.sh("unitward tree");
                assert!(tree.contains(&format!("{step} WaitFor=path:/run/{step} 1min: running")), "{tree}");
            }
            host.write(&format!("/run/{step}"), "");
        }
        wait_for_restart(&host, "web", &run);
        let recovery = host.wait_for("the stored recovery", || {
            let told = json(&host, "timeline web")["recoveries"][0].clone();
            (told["outcome"] != "under-way").then_some(told)
        });
        assert_eq!(recovery["outcome"], "step-failed", "{recovery}");
        let steps = recovery["attempts"][0]["steps"].as_array().expect("an array");
        let told: Vec<_> = steps.iter().map(|step| format!("{} {}", step["step"], step["result"])).collect();
        let (execute, wait) = (r#""Execute""#, r#""WaitFor" "ok""#);
        let failed = format!("{execute} \"failed\"");
        assert_eq!(told, [&failed, wait, &failed, &format!("{execute} \"ok\""), wait], "{recovery}");
        let whole = recovery["recoveryMs"].as_u64().expect("a number");
        let took: u64 = steps.iter().map(|step| step["ms"].as_u64().expect("a number")).sum();
        assert!(took <= whole + 20 && steps[2]["ms"].as_u64() > Some(0), "{recovery}");
    }

    fn a_reload_during_a_back_off_does_not_hide_until_when_it_lasts(host: Host) {
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\n[Recovery]\nDelaySec=60s\n");
        kill(&host, "web");
        // What is left of the minute is told once the next run has begun; before that, when systemd begins it.
        let before = host.wait_for("the back-off", || {
            let seen = web(&host);
            let lasts = seen["until"].as_u64()?.saturating_sub(seen["since"].as_u64()?);
            (lasts >= 30_000).then_some(seen)
        });
        host.run(&["systemctl", "daemon-reload"]);
        let after = web(&host);
        assert_eq!((&after["state"], &after["until"]), (&"restarting".into(), &before["until"]), "{after}");
    }

    fn a_reload_that_goes_on_does_not_make_what_is_loaded_look_changed(host: Host) {
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\n");
        // So that the command looks by itself.
        host.run(&["systemctl", "stop", "unitwardd"]);
        host.script("/etc/systemd/system-generators/unitward-generator",
            "#!/bin/sh\nset -e\ntouch /run/reloading\nuntil [ -e /run/go ]; do sleep 0.02; done\n\
             exec /usr/lib/systemd/system-generators/unitward-generator \"$@\"\n");
        host.sh("systemctl daemon-reload >/dev/null 2>&1 &");
        host.wait_for("the reload", || host.has("/run/reloading").then_some(()));
        host.sh("unitward list --json >/run/seen 2>/dev/null &");
        // It has read what the generator has written, which is nothing, once it waits for systemd's answer.
        let mut last = String::new();
        host.wait_for("the look", || {
            let slept = slept(&host);
            let is_at_rest = !slept.is_empty() && slept == last;
            last = slept;
            is_at_rest.then_some(())
        });
        host.write("/run/go", "");
        let seen = host.wait_for("the list", || serde_json::from_str::<Value>(&host.read("/run/seen")).ok());
        let seen = &seen["wards"][0];
        assert_eq!((&seen["needsReload"], &seen["state"]), (&false.into(), &"running".into()), "{seen}");
    }

    fn a_full_restart_is_told_before_the_history_has_it(host: Host) {
        host.write("/etc/unitward/shop.stack", "[Stack]\n");
        guard(&host, "web", "shop.target", "[Service]\nExecStart=sleep infinity\n[Ward]\nStack=shop\n");
        host.run(&["systemctl", "stop", "unitwardd"]);
        host.run(&["unitward", "restart-stack", "shop", "--caller", "somebody", "--wait"]);
        let status = json(&host, "status shop");
        let told = &status["fullRestarts"][0];
        assert_eq!((&told["caller"], &told["outcome"]), (&"somebody".into(), &"restarted".into()), "{status}");
        for which in ["shop", "--since=-1h", ""] {
            let told = json(&host, &format!("timeline {which}"))["fullRestarts"][0].clone();
            assert_eq!((&told["caller"], &told["outcome"]), (&"somebody".into(), &"restarted".into()), "{which}: {told}");
        }
        host.run(&["systemctl", "start", "unitwardd"]);
        host.wait_for("the history", || host.sh("unitward reports --json").contains("somebody").then_some(()));
        assert_eq!(json(&host, "status shop")["fullRestarts"].as_array().map(Vec::len), Some(1));
    }
}

/// How often `unitward` has gone to sleep, while it does; the same number twice is one sleep, longer than that for the bus.
fn slept(host: &Host) -> String {
    let status = "grep -sl '^unitward$' /proc/[0-9]*/comm | sed s/comm/status/ | xargs --no-run-if-empty cat";
    let seen = host.sh(&format!("{status} || true"));
    let is_asleep = seen
        .lines()
        .any(|line| line.starts_with("State:") && line.contains("S (sleeping)"));
    let count = seen
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count
        .filter(|_| is_asleep)
        .unwrap_or_default()
        .trim()
        .to_owned()
}
