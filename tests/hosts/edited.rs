//! A ward that is edited while it recovers.

use crate::host::Host;
use crate::on_both;
use crate::report::{guard, kill, point_at_broker, wait_for_restart};

const STEPS: &str = "[Service]\nExecStart=sleep infinity\n[OnDeath]\nRestart=%n\nWaitFor=path:/run/go 60s\nExecute=/bin/touch /run/after\n";

/// Commands of a service with a user have lines of their own.
const OWN_LINES: &str = "[Service]\nExecStart=sleep infinity\nUser=nobody\nRuntimeDirectory=web\nRuntimeDirectoryPreserve=yes\n[OnDeath]\n\
    Restart=%n\nExecute=/bin/sh -c 'touch /run/web/began; sleep 3'\nExecute=/bin/touch /run/web/after\nLog=done\n";

on_both! {
    fn the_steps_that_had_begun_go_on_to_the_last_one(host: Host) {
        guard(&host, "web", "web", STEPS);
        kill(&host, "web");
        host.wait_for("the step that waits", || host.sh("unitward status web").contains("WaitFor").then_some(()));
        let edited = STEPS.replace("60s", "50s").replace("/run/after\n", "/run/other\nLog=new\n");
        host.write("/etc/unitward/web.ward", &edited);
        host.run(&["systemctl", "daemon-reload"]);
        host.write("/run/go", "");
        host.wait_for_property("web", "ActiveState", "active");
        host.wait_for("the last step", || host.has("/run/after").then_some(()));
        assert!(!host.has("/run/other"));
    }

    fn steps_that_systemd_drops_behind_a_command_of_the_services_are_told(host: Host) {
        point_at_broker(&host, "");
        let subscriber = host.subscribe("Crash/Recoveries");
        guard(&host, "web", "web", OWN_LINES);
        let (_, run) = kill(&host, "web");
        host.wait_for("the command that runs", || host.has("/run/web/began").then_some(()));
        // The line that runs is another one now, and none of the lines behind it is started.
        host.write("/etc/unitward/web.ward", &OWN_LINES.replace("sleep 3", "sleep 4"));
        host.run(&["systemctl", "daemon-reload"]);
        host.wait_for_property("web", "ActiveState", "active");
        let record = subscriber.wait_for_count(1).remove(0);
        assert_eq!(record["invocation"], run.as_str(), "{record}");
        let told: Vec<_> = record["steps"].as_array().unwrap().iter().map(|step| (step["step"].clone(), step["result"].clone())).collect();
        let expect = [("Execute", "dropped"), ("Execute", "dropped"), ("Log", "dropped")];
        assert_eq!(told, expect.map(|(step, result)| (step.into(), result.into())), "{record}");
        assert_eq!(record["outcome"], "step-failed");
        assert!(!host.has("/run/web/after"));
        // A line of ours that runs next says so: here that of the stop.
        host.run(&["systemctl", "stop", "web"]);
        let said = host.wait_for("the line in the journal", || {
            let said = host.sh("journalctl -b -o cat --no-pager | grep 'systemd has dropped' || true");
            (!said.is_empty()).then_some(said)
        });
        assert!(said.contains("Of the steps of ward web systemd has dropped 2 of [OnDeath], 3 of [OnDeath], 4 of [OnDeath], or"), "{said}");
    }

    fn a_start_without_an_edit_drops_nothing(host: Host) {
        guard(&host, "web", "web", OWN_LINES);
        let (_, run) = kill(&host, "web");
        host.wait_for("the command that runs", || host.has("/run/web/began").then_some(()));
        host.run(&["systemctl", "daemon-reload"]);
        wait_for_restart(&host, "web", &run);
        assert!(host.has("/run/web/after"));
        host.run(&["systemctl", "stop", "web"]);
        host.wait_for_property("web", "ActiveState", "inactive");
        assert_eq!(host.sh("journalctl -b -o cat --no-pager | grep -c 'systemd has dropped' || true").trim(), "0");
    }
}
