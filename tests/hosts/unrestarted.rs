//! Deaths that no restart follows: the steps of [OnDeath] and [OnAbnormalDeath] run all the same, in services of their own.

use crate::host::Host;
use crate::on_both;
use crate::report::point_at_broker;

/// Guards `web`, whose `[Service]` section goes on with `service`; the steps are in `conditions`.
fn set_up(host: &Host, service: &str, conditions: &str) {
    host.write(
        "/etc/unitward/web.ward",
        &format!("[Service]\n{service}\n[Recovery]\nMaxDelaySec=0\n{conditions}"),
    );
    host.sh("systemctl daemon-reload; systemctl start web || :");
}

/// Has the main process end with this signal, and waits until the unit is down.
fn end(host: &Host, signal: &str) {
    host.sh(&format!(
        "systemctl kill --kill-whom=main --signal={signal} web"
    ));
    host.wait_for("its end", || {
        ["failed", "inactive"]
            .contains(&host.systemctl_show("web", "ActiveState").as_str())
            .then_some(())
    });
}

/// Waits until a step has written this line to `/run/notes`, and returns all lines.
fn wait_for_note(host: &Host, last: &str) -> Vec<String> {
    host.wait_for("the steps", || {
        let notes: Vec<String> = host
            .sh("cat /run/notes 2>&1 || :")
            .lines()
            .map(str::to_owned)
            .collect();
        notes.iter().any(|note| note == last).then_some(notes)
    })
}

/// A step that writes a line.
fn note(text: &str) -> String {
    format!("Execute=/bin/sh -c 'echo \"{text}\" >>/run/notes'\n")
}

on_both! {
    fn where_restart_forbids_one_the_steps_run_with_what_happened(host: Host) {
        let steps = format!(
            "[OnDeath]\n{}Restart=%n\n{}{}[OnAbnormalDeath]\n{}[OnRestart]\n{}",
            note("before $${UNITWARD_REASON} $${UNITWARD_DEATHS} $${UNITWARD_CONDITION}"), note("after"), note("last"), note("abnormal"), note("restart"));
        set_up(&host, "ExecStart=/bin/sleep infinity\nRestart=no", &steps);
        end(&host, "KILL");
        wait_for_note(&host, "abnormal");
        let notes = wait_for_note(&host, "last");
        let of_death: Vec<_> = notes.iter().filter(|note| *note != "abnormal").map(String::as_str).collect();
        assert_eq!(of_death, ["before SIG 9 (Killed) 1 OnDeath", "after", "last"], "{notes:?}");
        assert_eq!(host.systemctl_show("web", "ActiveState"), "failed");
        let status = host.sh("unitward status web");
        assert!(status.contains("SIG 9 (Killed)"), "{status}");
        let tree: serde_json::Value = serde_json::from_str(&host.sh("unitward tree --json")).expect("JSON");
        for condition in tree["wards"][0]["conditions"].as_array().expect("an array") {
            let expect = u64::from(condition["id"] != "OnRestart");
            assert_eq!(condition["fired"], expect, "{condition}");
        }
    }

    fn a_clean_end_that_on_failure_leaves_is_a_death_without_a_crash(host: Host) {
        let steps = format!("[OnDeath]\n{}[OnAbnormalDeath]\n{}", note("death"), note("abnormal"));
        set_up(&host, "ExecStart=/bin/sleep infinity", &steps);
        end(&host, "TERM");
        assert_eq!(wait_for_note(&host, "death"), ["death"]);
        host.sh("rm /run/notes; systemctl start web");
        let run = host.systemctl_show("web", "InvocationID");
        host.sh("systemctl kill --kill-whom=main --signal=KILL web");
        crate::report::wait_for_restart(&host, "web", &run);
        // As part of the restart, once.
        assert_eq!(wait_for_note(&host, "abnormal"), ["death", "abnormal"]);
        host.sh("systemctl stop web");
        host.wait_for("quiet", || host.sh("systemctl list-jobs --no-legend").is_empty().then_some(()));
        assert_eq!(wait_for_note(&host, "abnormal"), ["death", "abnormal"]);
    }

    fn a_failing_oneshot_and_a_status_that_prevents_a_restart_run_theirs(host: Host) {
        let steps = format!("[OnAbnormalDeath]\n{}", note("abnormal"));
        set_up(&host, "Type=oneshot\nExecStart=/bin/false\nRestart=no", &steps);
        assert_eq!(wait_for_note(&host, "abnormal"), ["abnormal"]);
        host.sh("rm /run/notes");
        set_up(&host, "ExecStart=/bin/sh -c 'exit 3'\nRestart=always\nRestartPreventExitStatus=3", &steps);
        assert_eq!(wait_for_note(&host, "abnormal"), ["abnormal"]);
        let shown = host.sh("ls /run/systemd/generator");
        assert!(shown.contains("unitward-web-OnAbnormalDeath.service"), "{shown}");
    }

    fn once_holds_and_the_daemon_is_not_needed(host: Host) {
        host.sh("systemctl stop unitwardd dbus.service dbus.socket");
        let steps = format!("[OnDeath]\nOnce=yes\n{}[OnDeath each]\n{}", note("once"), note("each"));
        set_up(&host, "ExecStart=/bin/sleep infinity", &steps);
        let run = host.systemctl_show("web", "InvocationID");
        host.sh("systemctl kill --kill-whom=main --signal=KILL web");
        crate::report::wait_for_restart(&host, "web", &run);
        let first = wait_for_note(&host, "each");
        assert!(first.contains(&"once".to_owned()), "in the restart: {first:?}");
        // A clean end, which on-failure leaves.
        host.sh("rm /run/notes");
        end(&host, "TERM");
        wait_for_note(&host, "each");
        host.wait_for("quiet", || host.sh("systemctl list-jobs --no-legend").is_empty().then_some(()));
        assert_eq!(wait_for_note(&host, "each"), ["each"]);
        // A start by hand arms it again.
        host.sh("rm /run/notes; systemctl start web");
        end(&host, "TERM");
        wait_for_note(&host, "once");
    }

    fn an_adopted_unit_without_restart_has_them_and_one_that_is_always_restarted_needs_none(host: Host) {
        host.write("/etc/systemd/system/app.service", "[Service]\nExecStart=/bin/sleep infinity\n");
        host.write("/etc/unitward/app.ward", &format!("[Ward]\nUnit=app.service\n[OnDeath]\n{}", note("app")));
        set_up(&host, "ExecStart=/bin/sleep infinity\nRestart=always", &format!("[OnDeath]\n{}", note("web")));
        assert!(!host.has("/run/systemd/generator/unitward-web-OnDeath.service"));
        host.sh("systemctl start app; systemctl kill --kill-whom=main --signal=KILL app");
        assert_eq!(wait_for_note(&host, "app"), ["app"]);
    }

    fn where_no_line_can_run_the_daemon_starts_them(host: Host) {
        point_at_broker(&host, "");
        host.sh("systemctl start unitwardd");
        let steps = format!("[OnDeath]\n{}", note("death").replace("Execute=", "Execute=+"));
        set_up(&host, "ExecStart=/bin/sleep infinity\nUser=nobody-of-this-name\nRestart=no", &steps);
        assert_eq!(wait_for_note(&host, "death"), ["death"]);
    }
}
