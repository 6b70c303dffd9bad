//! The unit's own lines and environment fail or say odd things; ours come first and depend on nothing of the unit's.

use crate::host::Host;
use crate::on_all;
use crate::report::{cloud, guard, kill, told, wait_for_restart};

/// An adopted service with these lines of its own.
fn adopt(host: &Host, name: &str, own: &str, ward: &str) {
    host.write(
        &format!("/etc/systemd/system/{name}.service"),
        &format!("[Service]\nExecStart=/bin/sleep infinity\nRestart=always\nRestartSec=0\n{own}"),
    );
    guard(
        host,
        name,
        name,
        &format!("[Ward]\nUnit={name}.service\n{ward}"),
    );
}

on_all! {
    fn an_own_line_before_the_start_that_fails_leaves_back_off_steps_and_reason(host: Host) {
        let reports = cloud(&host, "");
        for (name, line) in [("pre", "ExecStartPre"), ("condition", "ExecCondition")] {
            let status = if name == "condition" { 255 } else { 1 };
            adopt(&host, name, &format!("{line}=/bin/sh -c 'test ! -e /run/bad-{name} || exit {status}'\n"),
                &format!("[Recovery]\nDelaySec=400ms\nDeathLimit=0\n[OnDeath]\nExecute=/bin/sh -c 'echo x >>/run/mended-{name}; test $(wc -l </run/mended-{name}) -lt 3 || rm -f /run/bad-{name}'\nRestart=%n\n"));
            host.write(&format!("/run/bad-{name}"), "");
            let (_, run) = kill(&host, name);
            wait_for_restart(&host, name, &run);
            assert_eq!(host.read(&format!("/run/mended-{name}")).lines().count(), 3, "a back-off and the steps before each start");
            assert_eq!(host.systemctl_show(name, "NRestarts"), "3");
            let recovery = host.wait_for("the recovery", || {
                let told: serde_json::Value = serde_json::from_str(&host.sh(&format!("unitward timeline {name} --json"))).ok()?;
                let told = told["recoveries"][0].clone();
                (told["outcome"] == "recovered").then_some(told)
            });
            assert_eq!((&recovery["reason"], &recovery["restarts"]), (&"SIG 9 (Killed)".into(), &3.into()), "{recovery}");
            assert!(recovery["downtimeMs"].as_u64() >= Some(1_200), "{recovery}");
        }
        drop(reports);
    }

    fn an_own_line_after_the_end_that_fails_leaves_the_limit_and_the_steps_of_a_stop(host: Host) {
        adopt(&host, "post", "ExecStopPost=/bin/rm /run/not-there\n", "[Recovery]\nDeathLimit=1\nMaxDelaySec=0\n[OnStop]\nExecute=/bin/touch /run/stopped\n");
        let shown = host.systemctl_show("post", "ExecStopPost");
        let (ours, theirs) = (shown.find("unitward-step stopped"), shown.find("/bin/rm"));
        assert!(ours.is_some() && ours < theirs, "{shown}");
        let (_, run) = kill(&host, "post");
        wait_for_restart(&host, "post", &run);
        let deaths = |expect: usize| {
            host.wait_for("the deaths", || Some(told(&host).ok()?).filter(|rows| rows.iter().filter(|row| row["ward"] == "post").count() == expect));
        };
        deaths(1);
        host.run(&["systemctl", "stop", "post"]);
        assert!(host.has("/run/stopped"));
        host.sh("systemctl reset-failed post || true; systemctl start post");
        for _ in 0..2 {
            let (_, run) = kill(&host, "post");
            crate::report::wait_for_restart_or_end(&host, "post", &run);
        }
        host.wait_for_property("post", "ActiveState", "failed");
        assert!(host.sh("unitward list --json").contains("\"excluded\""));
    }

    fn a_path_of_the_units_or_systemds_own_variables_change_nothing(host: Host) {
        let reports = cloud(&host, "");
        let _ = &reports;
        let odd = "Environment=PATH=/opt/venv/bin SYSTEMD_OFFLINE=1 INVOCATION_ID=0123456789abcdef0123456789abcdef SERVICE_RESULT=success EXIT_CODE=exited EXIT_STATUS=0 MAINPID=1\nUnsetEnvironment=INVOCATION_ID SERVICE_RESULT\n";
        adopt(&host, "helper", "", "");
        adopt(&host, "odd", odd, "[Recovery]\nDeathLimit=1\nMaxDelaySec=0\n[OnDeath]\nRestart=helper.service\n");
        let helper = host.systemctl_show("helper", "InvocationID");
        let (_, run) = kill(&host, "odd");
        wait_for_restart(&host, "odd", &run);
        wait_for_restart(&host, "helper", &helper);
        kill(&host, "odd");
        host.wait_for_property("odd", "ActiveState", "failed");
        assert_eq!(host.systemctl_show("odd", "Result"), "signal");
        let report = host.wait_for("the deaths", || Some(told(&host).ok()?).filter(|rows| rows.iter().filter(|row| row["ward"] == "odd").count() == 2));
        assert!(report.iter().filter(|row| row["ward"] == "odd").all(|row| row["reason"] == "SIG 9 (Killed)"), "{report:?}");
    }

    fn a_unit_that_restarts_in_a_circle_with_another_has_its_steps_and_its_limit(host: Host) {
        host.write("/etc/systemd/system/a.socket", "[Unit]\nPartOf=a.service\nStartLimitIntervalSec=0\n[Socket]\nListenStream=/run/a.sock\n");
        host.write("/etc/systemd/system/a.service", "[Unit]\nRequires=a.socket\n[Service]\nExecStart=/bin/sleep infinity\nRestart=always\nRestartSec=0\n");
        host.write("/etc/systemd/system/b1.service", "[Unit]\nRequires=b2.service\n[Service]\nExecStart=/bin/sleep infinity\nRestart=always\nRestartSec=1500ms\n");
        host.write("/etc/systemd/system/b2.service", "[Unit]\nRequires=b1.service\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep infinity\n");
        host.write("/etc/systemd/system/c1.service", "[Unit]\nRequires=c2.service\n[Service]\nExecStart=/bin/sleep infinity\nRestart=always\nRestartSec=0\n");
        host.write("/etc/systemd/system/c2.service", "[Unit]\nPartOf=c1.service\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sleep infinity\n");
        host.write("/etc/systemd/system/all.target", "[Unit]\nRequires=d.service\nStartLimitIntervalSec=0\n");
        host.write("/etc/systemd/system/d.service", "[Unit]\nPartOf=all.target\n[Service]\nExecStart=/bin/sleep infinity\nRestart=always\nRestartSec=0\n");
        host.sh("systemctl daemon-reload; systemctl start all.target");
        for name in ["a", "b1", "c1", "d"] {
            guard(&host, name, name, &format!("[Ward]\nUnit={name}.service\n[Recovery]\nDeathLimit=2\nMaxDelaySec=0\n[OnDeath]\nExecute=/bin/sh -c 'echo x >>/run/steps-{name}'\n"));
            for death in 1..=2 {
                let (_, run) = kill(&host, name);
                wait_for_restart(&host, name, &run);
                host.wait_for("the step", || (host.sh(&format!("cat /run/steps-{name} 2>/dev/null || true")).lines().count() == death).then_some(()));
            }
            kill(&host, name);
            host.wait_for("the exclusion", || host.sh(&format!("unitward status {name} --json")).contains("excluded").then_some(()));
        }
        // What somebody asks for is a first start.
        host.sh("unitward readmit b1; systemctl kill --kill-whom=main -s KILL b1");
        host.wait_for_property("b1", "SubState", "auto-restart");
        host.sh("systemctl restart b1");
        assert_eq!(host.read("/run/steps-b1").lines().count(), 2);
    }
}
