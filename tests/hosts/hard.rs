//! Hard cases: what surrounds the helper fails, and the limit, the back-off and the verdict hold all the same.

use crate::host::Host;
use crate::on_both;
use crate::report::{cloud, guard, kill, wait_for_restart};
use std::time::Duration;

/// Restarts of a unit that dies as soon as it is up must come to an end.
fn gives_up(host: &Host, unit: &str) -> u32 {
    host.wait_for("the end of the restarts", || {
        // Before its first start it is down, too.
        let [state, run, job] = host.systemctl_shows(unit, ["ActiveState", "InvocationID", "Job"]);
        (matches!(state.as_str(), "failed" | "inactive") && !run.is_empty() && job.is_empty())
            .then_some(())
    });
    host.systemctl_show(unit, "NRestarts").parse().unwrap()
}

on_both! {
    fn a_service_in_a_root_of_its_own_has_its_limit(host: Host) {
        host.sh("mkdir -p /srv/jail; for d in usr bin lib lib64 proc; do mkdir -p /srv/jail/$d; done");
        host.write("/etc/unitward/jail.ward", "[Service]\nRootDirectory=/srv/jail\nBindReadOnlyPaths=/usr /bin /lib /lib64\nExecStart=/bin/false\nRestart=always\n[Recovery]\nDeathLimit=3\nMaxDelaySec=0\n");
        host.sh("systemctl daemon-reload; systemctl start --no-block jail");
        assert_eq!(gives_up(&host, "jail"), 3);
        assert!(host.sh("unitward check 2>&1").contains("RootDirectoryStartOnly=yes is added"));
    }

    fn a_unit_of_which_systemd_can_run_no_line_comes_to_an_end(host: Host) {
        host.write("/etc/unitward/lost.ward", "[Service]\nEnvironmentFile=/etc/lost.env\nExecStart=/bin/sleep infinity\nRestart=always\n[Recovery]\nDeathLimit=3\n");
        // Where it runs it keeps the death limit itself.
        host.sh("systemctl stop unitwardd; systemctl daemon-reload; systemctl start --no-block lost");
        // Result= stays that of the last start until systemd 262, so the journal tells which limit it was.
        host.wait_for("the start limit", || {
            let said = host.journal(&["-u", "lost", "-o", "cat"]);
            said.contains("Start request repeated too quickly").then_some(())
        });
        host.wait_for_property("lost", "ActiveState", "failed");
        let restarts = host.systemctl_show("lost", "NRestarts");
        assert!((3..400).contains(&restarts.parse().unwrap()), "{restarts}");
        host.sh("touch /etc/lost.env; systemctl reset-failed lost; systemctl start lost");
        assert_eq!(host.systemctl_show("lost", "ActiveState"), "active");
    }

    fn a_service_that_mounts_over_run_and_brings_back_what_check_names_has_its_limit(host: Host) {
        let ward = "[Service]\nTemporaryFileSystem=/run\nExecStart=/bin/false\nRestart=always\n";
        host.write("/etc/unitward/own.ward", ward);
        let said = host.sh("unitward check 2>&1");
        let (_, advice) = said.split_once("; add ").expect("the mount is warned of");
        let advice = advice.lines().next().unwrap();
        host.write("/etc/unitward/own.ward", &format!("{ward}{advice}\n[Recovery]\nDeathLimit=3\nMaxDelaySec=0\n"));
        assert!(host.sh("unitward check --strict 2>&1").contains("no problem found"));
        host.sh("systemctl daemon-reload; systemctl start --no-block own");
        assert_eq!(gives_up(&host, "own"), 3);
        assert_eq!(host.systemctl_show("own", "Result"), "exit-code");
    }

    fn a_full_disk_leaves_the_limit_and_the_back_off_standing(host: Host) {
        guard(&host, "web", "web", "[Service]\nExecStart=/bin/sleep infinity\n[Recovery]\nDeathLimit=4\nMaxDelaySec=200ms\n");
        host.sh("mount -t tmpfs -o size=4k full /run/unitward/wards; dd if=/dev/zero of=/run/unitward/wards/fill bs=4k count=1 2>/dev/null || true");
        for _ in 0..4 {
            let (_, run) = kill(&host, "web");
            wait_for_restart(&host, "web", &run);
        }
        kill(&host, "web");
        assert_eq!(gives_up(&host, "web"), 4);
        let said = host.journal(&["-t", "unitward-step", "-o", "cat"]);
        assert!(said.contains("No space left") && said.contains("Restarting web.service in 200ms"), "{said}");
        host.sh("umount /run/unitward/wards; systemctl start web");
    }

    fn an_adopted_unit_whose_own_exec_stop_post_fails_has_its_limit(host: Host) {
        host.write("/etc/systemd/system/bad.service", "[Service]\nExecStart=/bin/false\nExecStopPost=/bin/false\nRestart=always\nRestartSec=50ms\n");
        host.write("/etc/unitward/bad.ward", "[Ward]\nUnit=bad.service\n[Recovery]\nDeathLimit=3\nMaxDelaySec=0\n[OnLimit]\nExecute=/bin/touch /run/given-up\n");
        host.sh("systemctl daemon-reload; systemctl start --no-block bad");
        let restarts = gives_up(&host, "bad");
        assert!((3..=5).contains(&restarts), "{restarts}");
        host.wait_for("the [OnLimit] steps", || host.has("/run/given-up").then_some(()));
    }

    fn a_ward_for_an_alias_guards_the_unit_behind_it(host: Host) {
        host.script("/usr/sbin/grumpy", "#!/bin/sh\ntrap 'exit 3' TERM\nwhile :; do sleep 0.05; done\n");
        host.write("/etc/systemd/system/real.service", "[Service]\nExecStart=/usr/sbin/grumpy\nRestart=always\n[Install]\nAlias=nick.service\n");
        host.sh("systemctl enable real");
        let reports = cloud(&host, "");
        guard(&host, "nick", "nick", "[Ward]\nUnit=nick.service\n[OnStop]\nExecute=/bin/touch /run/stopped\n");
        host.sh("systemctl stop nick; systemctl start real; systemctl restart nick; systemctl daemon-reload");
        assert!(host.has("/run/stopped"));
        kill(&host, "real");
        assert_eq!(reports.wait_for_count(1)[0]["reason"], "SIG 9 (Killed)");
        reports.assert_no_more_within(Duration::from_millis(500));
    }

    fn a_stop_that_a_start_overtakes_is_no_crash(host: Host) {
        host.script("/usr/sbin/grumpy", "#!/bin/sh\ntrap 'sleep 0.3; exit 3' TERM\nwhile :; do sleep 0.05; done\n");
        let reports = cloud(&host, "");
        guard(&host, "grumpy", "grumpy", "[Service]\nExecStart=/usr/sbin/grumpy\nRestart=always\n");
        host.sh("systemctl stop --no-block grumpy; systemctl start grumpy");
        host.wait_for_property("grumpy", "ActiveState", "active");
        reports.assert_no_more_within(Duration::from_secs(1));
        kill(&host, "grumpy");
        assert_eq!(reports.wait_for_count(1)[0]["reason"], "SIG 9 (Killed)");
    }

    fn on_stop_may_stop_what_the_ward_is_ordered_after(host: Host) {
        host.write("/etc/systemd/system/db.service", "[Service]\nExecStart=/bin/sleep infinity\n");
        guard(&host, "web", "db web", "[Unit]\nAfter=db.service\n[Service]\nExecStart=/bin/sleep infinity\n[OnStop]\nStop=db.service\n");
        // The two wait for each other until a time-out, if they do, and that is longer than a command may take here.
        host.run(&["systemctl", "stop", "web"]);
        host.wait_for_property("db", "ActiveState", "inactive");
        assert_eq!(host.systemctl_show("web", "ActiveState"), "inactive");
    }

    fn giving_up_leaves_dependants_alone(host: Host) {
        host.write("/etc/systemd/system/dep.service", "[Unit]\nRequires=web.service\n[Service]\nExecStart=/bin/sleep infinity\n");
        guard(&host, "web", "web", "[Service]\nExecStart=/bin/sleep infinity\n[Recovery]\nDeathLimit=1\nMaxDelaySec=0\n");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        host.run(&["systemctl", "start", "dep"]);
        kill(&host, "web");
        host.wait_for_property("web", "ActiveState", "failed");
        assert_eq!(host.systemctl_show("dep", "ActiveState"), "active");
    }

    fn a_missing_record_never_fails_a_start(host: Host) {
        guard(&host, "web", "web", "[Service]\nUser=nobody\nInaccessiblePaths=/run/unitward\nExecStart=/bin/sleep infinity\n[OnDeath]\nOnStepFailure=fail\nExecute=/bin/false\n");
        assert_eq!(host.systemctl_show("web", "ActiveState"), "active");
        let said = host.journal(&["-u", "web", "-o", "cat"]);
        assert!(said.contains("skipped step 1 of [OnDeath] in ward web"), "{said}");
    }

    fn a_required_step_with_an_else_never_fails_a_start_for_want_of_a_record(host: Host) {
        guard(&host, "web", "web", "[Service]\nUser=nobody\nInaccessiblePaths=/run/unitward\nExecStart=/bin/sleep infinity\n[OnDeath]\nOnStepFailure=fail\nExecute=/bin/true\nElseExecute=/bin/false\n");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        assert_eq!(host.systemctl_show("web", "NRestarts"), "1");
    }

    fn a_step_that_was_skipped_is_not_told_as_done(host: Host) {
        guard(&host, "web", "web", "[Service]\nUser=nobody\nInaccessiblePaths=/run/unitward\nExecStart=/bin/sleep infinity\n[OnDeath]\nExecute=/bin/true\n");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        let said = host.wait_for("the restart's record", || {
            let said = host.journal(&["-u", "web", "-o", "cat"]);
            said.contains("Restarted web.service").then_some(said)
        });
        assert!(said.contains("its step failed"), "{said}");
    }
}

on_both! {
    fn a_killed_step_has_failed(host: Host) {
        guard(&host, "web", "web", "[Service]\nExecStart=/bin/sleep infinity\n[OnDeath]\nOnStepFailure=break\nExecute=/bin/sh -c 'echo $$$$ >/run/step; exec sleep 60'\nElseExecute=/bin/touch /run/else\nExecute=/bin/touch /run/not-after-break\n");
        kill(&host, "web");
        let step = host.wait_for("the step", || Some(host.sh("cat /run/step 2>/dev/null || true")).filter(|pid| !pid.is_empty()));
        host.sh(&format!("kill -KILL {step}"));
        host.wait_for_property("web", "ActiveState", "active");
        assert!(host.has("/run/else") && !host.has("/run/not-after-break"));
        let said = host.journal(&["-u", "web", "-o", "cat"]);
        assert!(said.contains("1 of its 2 steps failed"), "{said}");
    }
}
