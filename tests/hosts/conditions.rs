//! When each condition fires, and what waits wait for.

use crate::host::Host;
use crate::on_both;
use crate::report::wait_for_restart;

/// A ward `web` whose conditions are `conditions`; `LOG x` in them stands for a step that writes x to the log.
fn set_up(host: &Host, conditions: &str) {
    host.script(
        "/usr/local/bin/note",
        "#!/bin/sh\necho \"$*\" >>/var/log/notes\n",
    );
    let conditions = conditions.replace("LOG ", "Execute=/usr/local/bin/note ");
    host.write(
        "/etc/unitward/web.ward",
        &format!(
            "[Service]\nExecStart=sleep infinity\nRestart=always\n[Recovery]\nMaxDelaySec=0\nDeathLimit=0\n{conditions}"
        ),
    );
    host.sh("systemctl daemon-reload; systemctl start web");
}

fn notes(host: &Host) -> Vec<String> {
    if !host.has("/var/log/notes") {
        return Vec::new();
    }
    let text = host.read("/var/log/notes");
    host.sh("rm /var/log/notes");
    text.lines().map(str::to_owned).collect()
}

fn die(host: &Host, signal: &str) {
    let run = host.systemctl_show("web", "InvocationID");
    host.sh(&format!(
        "systemctl kill --kill-whom=main --signal={signal} web"
    ));
    wait_for_restart(host, "web", &run);
}

on_both! {
    fn each_condition_fires_when_it_should(host: Host) {
        set_up(&host, "[OnStart]\nLOG start\n[OnDeath]\nLOG death\n[OnAbnormalDeath]\nLOG abnormal\n[OnRestart]\nLOG restart\n[OnStop]\nLOG stop\n");
        assert_eq!(notes(&host), ["start"]);
        die(&host, "KILL");
        assert_eq!(notes(&host), ["death", "abnormal", "restart"]);
        // systemd takes SIGTERM for a clean end.
        die(&host, "TERM");
        assert_eq!(notes(&host), ["death", "restart"]);
        host.run(&["systemctl", "restart", "web"]);
        assert_eq!(notes(&host), ["stop", "start"]);
        host.run(&["systemctl", "stop", "web"]);
        assert_eq!(notes(&host), ["stop"]);
    }

    fn conditions_of_one_kind_fire_in_their_order(host: Host) {
        set_up(&host, "[OnDeath]\nLOG a\nRestart=%n\nLOG b\n[OnDeath second]\nLOG c\n[OnDeath]\nLOG d\nRestart=%n\n");
        die(&host, "KILL");
        assert_eq!(notes(&host), ["a", "d", "b", "c"]);
    }

    fn once_means_once_until_a_manual_start(host: Host) {
        set_up(&host, "[OnDeath]\nOnce=yes\nLOG once\n[OnDeath]\nLOG always\n");
        die(&host, "KILL");
        assert_eq!(notes(&host), ["once", "always"]);
        die(&host, "KILL");
        assert_eq!(notes(&host), ["always"]);
        host.run(&["systemctl", "restart", "web"]);
        die(&host, "KILL");
        assert_eq!(notes(&host), ["once", "always"]);
    }

    fn on_restart_keeps_still_when_a_step_failed(host: Host) {
        set_up(&host, "[OnDeath]\nExecute=/bin/sh -c 'test ! -e /run/fail'\n[OnRestart]\nLOG restart\n");
        die(&host, "KILL");
        assert_eq!(notes(&host), ["restart"]);
        host.write("/run/fail", "");
        die(&host, "KILL");
        assert_eq!(notes(&host), [""; 0]);
    }

    fn an_independent_condition_does_not_hold_up_the_start(host: Host) {
        set_up(&host, "[OnDeath slow]\nIndependent=yes\nWaitFor=path:/run/go 60s\nLOG slow\n");
        die(&host, "KILL");
        assert_eq!(notes(&host), [""; 0], "web is up, and the slow step still waits");
        host.write("/run/go", "");
        host.wait_for("the slow step", || (notes(&host) == ["slow"]).then_some(()));
    }

    fn steps_run_as_the_service_or_with_plus_as_root(host: Host) {
        host.script("/usr/local/bin/who", "#!/bin/sh\necho \"$1 $(id -un) $FLAVOUR\" | tee -a /var/log/notes\n");
        host.write_mode("/var/log/notes", b"", crate::host::Access { mode: 0o666, uid: 0 });
        host.write("/etc/unitward/web.ward",
            "[Service]\nExecStart=sleep infinity\nUser=nobody\nUMask=0077\nEnvironment=FLAVOUR=mint\n[Recovery]\nMaxDelaySec=0\n\
             [OnDeath]\nExecute=/usr/local/bin/who plain\nExecute=+/usr/local/bin/who plus\n\
             Execute=/bin/sh -c 'exit 3'\nElseExecute=/usr/local/bin/who else\nElseExecute=+/usr/local/bin/who else-plus\n\
             [OnDeath alone]\nIndependent=yes\nExecute=/usr/local/bin/who alone\n");
        host.sh("systemctl daemon-reload; systemctl start web");
        die(&host, "KILL");
        host.wait_for_property("unitward-web-OnDeath-alone.service", "ActiveState", "inactive");
        host.wait_for("the independent step", || host.read("/var/log/notes").contains("alone").then_some(()));
        let mut seen: Vec<_> = host.read("/var/log/notes").lines().map(str::to_owned).collect();
        seen.sort();
        assert_eq!(seen, ["alone nobody mint", "else nobody mint", "else-plus root mint", "plain nobody mint", "plus root mint"]);
    }

    fn a_conditions_own_service_has_the_bounds_and_the_variables_of_the_service(host: Host) {
        host.script("/usr/local/bin/bounds", "#!/bin/sh\ncd \"/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)\"\n\
            echo \"$FLAVOUR,$GONE,$(ulimit -n),$(cat pids.max 2>/dev/null),$(cat memory.max 2>/dev/null)\" >>/var/log/notes\n");
        host.write_mode("/var/log/notes", b"", crate::host::Access { mode: 0o666, uid: 0 });
        host.write("/etc/unitward/web.ward",
            "[Service]\nExecStart=sleep infinity\nTasksMax=33\nMemoryMax=64M\nDevicePolicy=closed\nCPUWeight=7\nLimitNOFILE=99\nUser=nobody\n\
             Environment=FLAVOUR=mint GONE=there\nUnsetEnvironment=GONE\n[Recovery]\nMaxDelaySec=0\n\
             [OnDeath alone]\nIndependent=yes\nExecute=/usr/local/bin/bounds\n");
        host.sh("systemctl daemon-reload; systemctl start web");
        die(&host, "KILL");
        host.wait_for("the independent step", || host.read("/var/log/notes").contains("mint").then_some(()));
        host.wait_for_property("unitward-web-OnDeath-alone.service", "ActiveState", "inactive");
        for (bound, value) in [("TasksMax", "33"), ("MemoryMax", "67108864"), ("DevicePolicy", "closed"), ("CPUWeight", "7")] {
            assert_eq!(host.systemctl_show("unitward-web-OnDeath-alone.service", bound), value, "{bound}");
        }
        let notes = notes(&host);
        let seen: Vec<_> = notes[0].split(',').collect();
        assert_eq!(seen[..3], ["mint", "", "99"], "UnsetEnvironment= and LimitNOFILE= count: {seen:?}");
        // A bound of a control group can be seen where the kernel gives PID 1 that controller.
        let controllers = host.read("/sys/fs/cgroup/cgroup.controllers");
        for (controller, seen, bound) in [("pids", seen[3], "33"), ("memory", seen[4], "67108864")] {
            if controllers.split_whitespace().any(|known| known == controller) {
                assert_eq!(seen, bound, "{controller}");
            } else {
                println!("no controller {controller} here");
            }
        }
    }

    fn waits_end_when_the_thing_is_there_or_fail_at_their_time(host: Host) {
        host.write("/etc/systemd/system/late.service", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=sleep 1\n");
        set_up(&host, "[OnDeath]\n\
            Start=late.service\n\
            WaitFor=path:/etc/hostname 5s\nWaitFor=unit:mosquitto.service 5s\nWaitFor=bus:org.freedesktop.systemd1 5s\n\
            WaitFor=tcp:127.0.0.1:1883 5s\nWaitFor=unix:/run/dbus/system_bus_socket 5s\nLOG all there\n\
            WaitFor=path:/nowhere 200ms\nElseExecute=/usr/local/bin/note no path\n\
            WaitFor=unit:nothing.service 200ms\nElseExecute=/usr/local/bin/note no unit\n\
            WaitFor=bus:org.example.Nothing 200ms\nElseExecute=/usr/local/bin/note no bus\n\
            WaitFor=tcp:127.0.0.1:9 200ms\nElseExecute=/usr/local/bin/note no tcp\n\
            WaitFor=unix:/run/nothing 200ms\nElseExecute=/usr/local/bin/note no unix\n");
        die(&host, "KILL");
        assert_eq!(notes(&host), ["all there", "no path", "no unit", "no bus", "no tcp", "no unix"]);
        assert_eq!(host.systemctl_show("late", "ActiveState"), "active");
    }

    fn steps_on_other_units_do_what_they_say(host: Host) {
        host.script("/usr/local/bin/other", "#!/bin/sh\ntrap 'echo hup >>/var/log/notes' HUP\ntrap 'echo usr1 >>/var/log/notes' USR1\ntrap 'exit 0' TERM\necho up >>/var/log/notes\nwhile :; do sleep 0.05; done\n");
        for name in ["other", "idle"] {
            host.write(&format!("/etc/systemd/system/{name}.service"), "[Service]\nExecStart=/usr/local/bin/other\nExecReload=/bin/kill -USR1 $MAINPID\n");
        }
        host.sh("systemctl daemon-reload; systemctl start other");
        set_up(&host, "[OnDeath]\nSignal=other.service SIGHUP\nWaitFor=200ms\nReload=other.service\nWaitFor=200ms\nRestart=other.service\nRestart=idle.service\nLog=done with 100% of %n\n");
        host.wait_for("the other service", || (notes(&host) == ["up"]).then_some(()));
        die(&host, "KILL");
        host.wait_for("the last note", || host.has("/var/log/notes").then(|| host.read("/var/log/notes")).filter(|n| n.ends_with("up\n")));
        assert_eq!(notes(&host), ["hup", "usr1", "up"]);
        assert_eq!(host.systemctl_show("idle", "ActiveState"), "inactive", "Restart= leaves an inactive unit alone");
        let said = host.journal_json(&["UNITWARD_WARD=web", "UNITWARD_CONDITION=OnDeath", "UNITWARD_STEP=7"]);
        assert_eq!(said[0]["MESSAGE"], "done with 100% of %n");
    }

    fn a_run_record_tells_the_whole_story(host: Host) {
        set_up(&host, "[OnDeath]\nExecute=/bin/sh -c 'exit 4'\nWaitFor=100ms\n");
        let first = host.systemctl_show("web", "InvocationID");
        die(&host, "KILL");
        let second = host.systemctl_show("web", "InvocationID");
        let record = |run: &str| -> serde_json::Value {
            serde_json::from_str(&host.read(&format!("/run/unitward/wards/web/runs/{run}.json"))).expect("a whole record")
        };
        let end = &record(&first)["end"];
        assert_eq!((&end["asked"], &end["result"], &end["code"], &end["status"]), (&false.into(), &"signal".into(), &"killed".into(), &"KILL".into()));
        let recovery = record(&second);
        assert_eq!(recovery["start"], "after-abnormal-death");
        let results: Vec<_> = recovery["results"].as_array().unwrap().iter().map(|r| (r["action"].as_str().unwrap(), r["status"].as_i64().unwrap())).collect();
        assert_eq!(results, [("Execute", 4), ("WaitFor", 0)], "{recovery}");
        assert!(recovery["results"][1]["ms"].as_u64().unwrap() >= 100);
    }
}
