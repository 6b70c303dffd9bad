//! What counts towards the limit and what giving up spares: steps that hang, deaths among the steps, a healthy time.

use crate::host::Host;
use crate::on_both;
use crate::report::wait_for_restart_or_end;
use std::time::{Duration, Instant};

/// A ward `web` with these sections; `LOG x` in them stands for a step that writes x to the log.
fn set_up(host: &Host, service: &str, sections: &str) {
    host.script(
        "/usr/local/bin/note",
        "#!/bin/sh\necho \"$*\" >>/var/log/notes\n",
    );
    let sections = sections.replace("LOG ", "Execute=/usr/local/bin/note ");
    host.write(
        "/etc/unitward/web.ward",
        &format!("[Service]\nExecStart=sleep infinity\n{service}[Recovery]\n{sections}"),
    );
    host.sh("systemctl daemon-reload; systemctl start web");
}

fn notes(host: &Host) -> Vec<String> {
    let text = if host.has("/var/log/notes") {
        host.read("/var/log/notes")
    } else {
        String::new()
    };
    text.lines().map(str::to_owned).collect()
}

fn wait_for_notes(host: &Host, notes_expected: &[&str]) {
    let mut seen = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline && seen != notes_expected {
        seen = notes(host);
    }
    assert_eq!(seen, notes_expected);
}

fn kill_only(host: &Host) -> String {
    let run = host.systemctl_show("web", "InvocationID");
    host.sh("systemctl kill --kill-whom=main --signal=KILL web");
    run
}

/// Kills the service's present run and waits until the next one is up or there is none.
fn kill(host: &Host) {
    let run = kill_only(host);
    wait_for_restart_or_end(host, "web", &run);
}

/// Kills the run whose steps wait for `/run/go`, and lets them go on when systemd knows of it.
fn kill_among_the_steps(host: &Host) {
    host.wait_for_property("web", "SubState", "start-post");
    kill_only(host);
    host.wait_for_property("web", "MainPID", "0");
    host.write("/run/go", "");
}

fn active(host: &Host) -> bool {
    host.systemctl_show("web", "ActiveState") == "active"
}

on_both! {
    fn without_giving_up_the_limit_fires_again_and_again(host: Host) {
        set_up(&host, "", "DeathLimit=2\nMaxDelaySec=0\nOnLimit=none\n[OnLimit]\nLOG limit\n[OnDeath]\nLOG death\n");
        for death in 1..=2 {
            kill(&host);
            assert!(active(&host), "after death {death}");
        }
        wait_for_notes(&host, &["death", "death"]);
        for round in 1..=2 {
            // The third death of a round is one too many; the count then begins anew.
            kill(&host);
            let limits = || notes(&host).iter().filter(|note| *note == "limit").count();
            host.wait_for("the [OnLimit] steps", || (limits() == round).then_some(()));
            host.wait_for_property("unitward-web-OnLimit.service", "ActiveState", "inactive");
            for _ in 0..2 { kill(&host); }
            assert!(active(&host));
            assert_eq!(limits(), round, "{:?}", notes(&host));
        }
        assert_eq!(notes(&host).iter().filter(|note| *note == "death").count(), 8, "every death was recovered from");
        assert_eq!(host.systemctl_show("web", "NRestarts"), "8");
        let said = host.journal(&["-o", "cat", "-t", "unitward-step"]);
        assert_eq!(said.matches("restarting it all the same").count(), 2, "{said}");
    }

    fn a_healthy_time_resets_the_count_and_the_back_off(host: Host) {
        set_up(&host, "", "DeathLimit=2\nMaxDelaySec=10s\nResetAfterSec=4s\n[OnLimit]\nLOG limit\n");
        for round in 1..=3 {
            for _ in 0..2 { kill(&host); }
            assert!(active(&host), "round {round}");
            host.wait_for("a healthy time", || {
                let up: u64 = host.systemctl_show("web", "ActiveEnterTimestampMonotonic").parse().unwrap_or(0);
                let now: f64 = host.read("/proc/uptime").split(' ').next().unwrap_or_default().parse().unwrap_or(0.0);
                (now * 1e6 > up as f64 + 4.2e6).then_some(())
            });
        }
        assert_eq!(notes(&host), [""; 0]);
        let said = host.journal(&["-o", "cat", "-t", "unitward-step"]);
        let waits: Vec<_> = said.lines().filter(|line| line.starts_with("Restarting ")).collect();
        assert_eq!(waits, ["Restarting web.service in 100ms, attempt 2."; 3], "{said}");
        // Without it the third death ends it.
        for _ in 0..3 { kill(&host); }
        host.wait_for_property("web", "ActiveState", "failed");
        wait_for_notes(&host, &["limit"]);
    }

    fn those_that_require_it_keep_running_when_it_gives_up(host: Host) {
        host.write("/etc/systemd/system/user.service", "[Unit]\nRequires=web.service\nAfter=web.service\n[Service]\nExecStart=sleep infinity\n");
        host.write("/etc/systemd/system/loose.service", "[Unit]\nRequires=web.service\n[Service]\nExecStart=sleep infinity\n");
        set_up(&host, "", "DeathLimit=2\nMaxDelaySec=0\n[OnLimit]\nLOG limit\n");
        host.run(&["systemctl", "start", "user", "loose"]);
        for _ in 0..2 {
            kill(&host);
            // systemd restarts them with it.
            for unit in ["user", "loose"] { host.wait_for_property(unit, "ActiveState", "active"); }
        }
        host.wait_for("quiet", || host.sh("systemctl list-jobs --no-legend").is_empty().then_some(()));
        let pids = ["user", "loose"].map(|unit| host.systemctl_show(unit, "MainPID"));
        kill(&host);
        host.wait_for_property("web", "ActiveState", "failed");
        wait_for_notes(&host, &["limit"]);
        host.wait_for("quiet", || host.sh("systemctl list-jobs --no-legend").is_empty().then_some(()));
        for (unit, pid) in ["user", "loose"].into_iter().zip(pids) {
            assert_eq!((host.systemctl_show(unit, "ActiveState"), host.systemctl_show(unit, "MainPID")), ("active".into(), pid), "{unit}");
        }
        assert_eq!(host.systemctl_show("web", "Result"), "signal");
    }

    fn those_that_are_bound_to_it_stop_when_it_gives_up(host: Host) {
        host.write("/etc/systemd/system/bound.service", "[Unit]\nBindsTo=web.service\nAfter=web.service\n[Service]\nExecStart=sleep infinity\n");
        set_up(&host, "", "DeathLimit=1\nMaxDelaySec=0\n");
        kill(&host);
        host.run(&["systemctl", "start", "bound"]);
        kill(&host);
        host.wait_for_property("web", "ActiveState", "failed");
        host.wait_for_property("bound", "ActiveState", "inactive");
    }

    fn a_reset_failed_while_it_runs_hides_no_death(host: Host) {
        set_up(&host, "", "DeathLimit=3\nMaxDelaySec=0\n[OnDeath]\nLOG death\n[OnStart]\nLOG start\n");
        for _ in 0..3 {
            kill(&host);
            host.run(&["systemctl", "reset-failed", "web"]);
        }
        wait_for_notes(&host, &["start", "death", "death", "death"]);
        kill(&host);
        host.wait_for_property("web", "ActiveState", "failed");
    }

    fn a_death_among_the_steps_leads_to_another_whole_recovery(host: Host) {
        set_up(&host, "", "DeathLimit=3\nMaxDelaySec=0\n[OnDeath]\nLOG above\nRestart=%n\nLOG before\nWaitFor=path:/run/go 60s\nLOG after\n");
        kill_only(&host);
        wait_for_notes(&host, &["above", "before"]);
        kill_among_the_steps(&host);
        host.wait_for("the second restart", || (active(&host) && host.systemctl_show("web", "NRestarts") == "2").then_some(()));
        assert_eq!(notes(&host), ["above", "before", "above", "before", "after"]);
        // Both deaths count: the limit is two away.
        kill(&host);
        assert!(active(&host));
        kill(&host);
        host.wait_for_property("web", "ActiveState", "failed");
    }

    fn a_restart_that_died_among_its_steps_has_not_succeeded(host: Host) {
        set_up(&host, "", "DeathLimit=3\nMaxDelaySec=0\n[OnDeath]\nLOG before\nWaitFor=path:/run/go 60s\n[OnRestart]\nLOG restarted\n");
        kill_only(&host);
        wait_for_notes(&host, &["before"]);
        kill_among_the_steps(&host);
        host.wait_for("the second restart", || (active(&host) && host.systemctl_show("web", "NRestarts") == "2").then_some(()));
        assert_eq!(notes(&host), ["before", "before", "restarted"]);
    }

    fn a_step_that_hangs_is_cut_and_counted(host: Host) {
        for (place, sections) in [
            ("above the restart", "[OnDeath]\nLOG go\nExecute=/bin/sleep 4711\nLOG never\nRestart=%n\n"),
            ("below the restart", "[OnDeath]\nLOG go\nExecute=/bin/sleep 4711\nLOG never\n"),
            ("as root", "[OnDeath]\nLOG go\nExecute=+/bin/sleep 4711\nLOG never\nRestart=%n\n"),
            ("break", "[OnDeath]\nOnStepFailure=break\nLOG go\nExecute=/bin/sleep 4711\nLOG never\n"),
            ("fail", "[OnDeath]\nOnStepFailure=fail\nLOG go\nExecute=/bin/sleep 4711\nLOG never\n"),
        ] {
            host.sh("rm -f /var/log/notes /run/unitward/wards/web/excluded.json");
            // Our own lines have no more time than that, too.
            set_up(&host, "TimeoutStartSec=4s\nTimeoutStopSec=4s\n", &format!("DeathLimit=2\nMaxDelaySec=0\n{sections}[OnLimit]\nLOG limit\n"));
            kill_only(&host);
            // One death by signal and two by time-out.
            host.wait_for_property("web", "ActiveState", "failed");
            assert_eq!(host.systemctl_show("web", "NRestarts"), "2", "{place}");
            assert_eq!(host.systemctl_show("web", "Result"), "timeout", "{place}");
            wait_for_notes(&host, &["go", "go", "limit"]);
            host.wait_for_property("unitward-web-OnLimit.service", "ActiveState", "inactive");
            assert!(!host.try_run(&["pgrep", "-fx", "/bin/sleep 4711"]).status.success(), "{place}: the step is gone");
        }
    }
}
