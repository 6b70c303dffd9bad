//! A ward that is edited while it recovers.

use crate::host::Host;
use crate::on_both;
use crate::report::{guard, kill};

const STEPS: &str = "[Service]\nExecStart=sleep infinity\n[OnDeath]\nRestart=%n\nWaitFor=path:/run/go 60s\nExecute=/bin/touch /run/after\n";

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
}
