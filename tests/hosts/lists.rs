//! One line runs a whole list of steps: whatever happens to it, to PID 1 or to the configuration meanwhile, what it has done is on record.

use crate::host::Host;
use crate::on_all;
use crate::report::{guard, kill, point_at_broker, wait_for_restart};
use serde_json::Value;

/// A step before the restart, two after it; each waits until it is told to go on.
const HELD: &str = "[Recovery]\nMaxDelaySec=0\n[OnDeath]\nExecute=/usr/local/bin/held 1\nRestart=%n\nExecute=/usr/local/bin/held 3\n\
    Execute=/usr/local/bin/held 4\n";

fn set_up(host: &Host, service: &str, steps: &str) -> String {
    host.script(
        "/usr/local/bin/held",
        "#!/bin/sh\necho $$ >/run/at-$1\nuntil [ -e /run/go-$1 ]; do sleep 0.02; done\n",
    );
    guard(
        host,
        "web",
        "web",
        &format!("[Service]\n{service}ExecStart=/bin/sleep infinity\n{steps}"),
    );
    kill(host, "web").1
}

fn wait_for_step(host: &Host, step: &str) {
    host.wait_for(&format!("step {step}"), || {
        host.has(&format!("/run/at-{step}")).then_some(())
    });
}

fn json(host: &Host, command: &str) -> Value {
    serde_json::from_str(&host.sh(&format!("unitward {command} --json"))).expect("JSON")
}

/// The results on record of the run that was begun last: `step status`.
fn results(host: &Host) -> Vec<String> {
    let record =
        host.sh("cat /run/unitward/wards/web/runs/$(cat /run/unitward/wards/web/current).json");
    let record: Value = serde_json::from_str(&record).expect("JSON");
    let results = record["results"].as_array().expect("an array");
    results
        .iter()
        .map(|result| {
            format!(
                "{} {}",
                result["step"].as_str().unwrap_or_default(),
                result["status"]
            )
        })
        .collect()
}

on_all! {
    fn a_list_goes_on_over_reloads_and_reexecutions_of_systemd_at_each_step(host: Host) {
        let run = set_up(&host, "", HELD);
        for step in ["1", "3", "4"] {
            wait_for_step(&host, step);
            for command in ["daemon-reload", "daemon-reexec", "daemon-reload"] {
                host.sh(&format!("systemctl {command}"));
                let seen = json(&host, "list")["wards"][0].clone();
                assert_eq!((&seen["state"], &seen["step"]["step"]), (&"recovering".into(), &step.into()), "{command}: {seen}");
            }
            let tree = host.sh("unitward tree");
            assert!(tree.contains(&format!("{step} Execute=/usr/local/bin/held {step}: running")), "{tree}");
            host.write(&format!("/run/go-{step}"), "");
        }
        wait_for_restart(&host, "web", &run);
        assert_eq!(results(&host), ["1 0", "3 0", "4 0"]);
        let told = host.wait_for("the recovery", || {
            let told = json(&host, "timeline web")["recoveries"][0].clone();
            (told["outcome"] != "under-way").then_some(told)
        });
        assert_eq!(told["outcome"], "recovered", "{told}");
    }

    fn a_runner_that_is_killed_leaves_on_record_at_which_step(host: Host) {
        for (killed, expect) in [("1", vec!["1 137", "3 0", "4 0"]), ("3", vec!["1 0", "3 137"]), ("4", vec!["1 0", "3 0", "4 137"])] {
            let run = set_up(&host, "", HELD);
            for step in ["1", "3", "4"] {
                wait_for_step(&host, step);
                if step == killed {
                    let runner = host.systemctl_show("web", "ControlPID");
                    host.sh(&format!("kill -KILL {runner}"));
                }
                host.write(&format!("/run/go-{step}"), "");
                // The line is over with it.
                if step == killed && step != "1" {
                    break;
                }
            }
            wait_for_restart(&host, "web", &run);
            assert_eq!(results(&host), expect, "killed at {killed}");
            host.sh("systemctl stop web; rm -f /run/at-* /run/go-*");
        }
    }

    fn a_stop_or_a_second_death_among_the_steps_ends_the_list(host: Host) {
        // A signal that nobody heeds: the stop alone does not end the helper.
        const HEEDLESS: &str = "KillSignal=SIGURG\nTimeoutStopSec=20s\n";
        for (service, at, next) in [("", "3", "4"), (HEEDLESS, "1", "3"), (HEEDLESS, "3", "4")] {
            set_up(&host, service, HELD);
            if at == "3" {
                host.write("/run/go-1", "");
            }
            wait_for_step(&host, at);
            host.sh("systemctl stop --no-block web");
            host.wait_for("the stop", || (host.systemctl_show("web", "ActiveState") != "activating").then_some(()));
            host.write(&format!("/run/go-{at}"), "");
            host.wait_for("the helper's end", || (host.systemctl_show("web", "ControlPID") == "0").then_some(()));
            host.sh("systemctl kill -s KILL web || true");
            host.wait_for("the end", || ["inactive", "failed"].contains(&host.systemctl_show("web", "ActiveState").as_str()).then_some(()));
            assert!(!host.has(&format!("/run/at-{next}")), "{service} {at}");
            host.sh("systemctl reset-failed web || true; rm -f /run/at-* /run/go-*");
        }
        let run = set_up(&host, "", HELD);
        host.write("/run/go-1", "");
        wait_for_step(&host, "3");
        host.sh("rm /run/at-1 /run/go-1");
        kill(&host, "web");
        host.write("/run/go-3", "");
        wait_for_step(&host, "1");
        assert!(!host.has("/run/at-4"), "the rest is left out when the main process has died");
        host.write("/run/go-1", "");
        host.write("/run/go-4", "");
        wait_for_restart(&host, "web", &run);
        host.wait_for("the last step", || host.has("/run/at-4").then_some(()));
    }

    fn a_command_ends_with_its_line_whichever_processes_systemd_ends(host: Host) {
        for mode in ["process", "mixed", "control-group"] {
            set_up(&host, &format!("KillMode={mode}\n"), HELD);
            wait_for_step(&host, "1");
            let command = host.read("/run/at-1");
            host.run(&["systemctl", "stop", "web"]);
            host.wait_for("its end", || (!host.has(&format!("/proc/{}", command.trim()))).then_some(()));
            host.sh("rm -f /run/at-* /run/go-*");
        }
    }

    fn a_clean_exit_of_a_service_that_remains_is_no_death_among_the_steps(host: Host) {
        // It ends among the steps, not at once: systemd runs no ExecStartPost= of a Type=exec service whose end it learns before it has
        // looked at the pipe of its execve().
        let steps = "[OnDeath]\nDoNow=yes\nRestart=%n\nWaitFor=400ms\nExecute=/bin/touch /run/done\n";
        guard(&host, "web", "web", &format!("[Service]\nType=exec\nRemainAfterExit=yes\nExecStart=/bin/sleep 0.2\n{steps}"));
        assert!(host.has("/run/done"));
        assert_eq!(host.systemctl_show("web", "SubState"), "exited");
    }

    fn the_words_of_a_log_step_begin_no_step(host: Host) {
        let run = set_up(&host, "", "[OnDeath]\nLog=--step=OnDeath:9 Execute /bin/touch /run/forged\nRestart=%n\nLog=--step=\nExecute=/bin/touch /run/last\n");
        wait_for_restart(&host, "web", &run);
        host.wait_for("the last step", || host.has("/run/last").then_some(()));
        assert!(!host.has("/run/forged"));
        assert!(host.journal(&["-o", "cat", "-u", "web"]).contains("--step=OnDeath:9 Execute /bin/touch /run/forged"));
        assert_eq!(results(&host), ["1 0", "3 0", "4 0"]);
    }

    fn a_command_sees_what_it_saw_in_a_line_of_its_own_and_what_happened(host: Host) {
        host.script("/usr/local/bin/look", "#!/bin/sh\nname=$1; shift\n{ echo \"args=$*\"; echo \"dir=$(pwd)\"; umask; cut -d: -f3 /proc/self/cgroup; env; } >/run/look-$name.new\nmv /run/look-$name.new /run/look-$name\n");
        host.write("/etc/web.env", "FILE=\"from file\"\nLIST=a 'b c' d\n");
        host.sh("mkdir -p /srv/web");
        guard(&host, "web", "web", "[Service]\nWorkingDirectory=/srv/web\nUMask=0027\nEnvironment=OWN=own PATH=/opt/venv/bin:/usr/bin:/bin\nEnvironmentFile=/etc/web.env\n\
            ExecStart=/bin/sleep infinity\n[Recovery]\nMaxDelaySec=0\n\
            [OnDeath]\nExecute=/usr/local/bin/look before ${FILE} $LIST %n $$x --step=OnDeath:9\nRestart=%n\nExecute=/usr/local/bin/look after $MAINPID\nExecute=+/usr/local/bin/look root ${OWN} ${UNITWARD_REASON}\n\
            [OnStop]\nExecute=/usr/local/bin/look stop\n[OnStart]\nExecute=/usr/local/bin/look start\n");
        let (pid, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        let seen = |name: &str| host.read(&format!("/run/look-{name}"));
        let before = seen("before");
        for line in ["args=from file a b c d web.service $x --step=OnDeath:9", "dir=/srv/web", "0027", "OWN=own", "PATH=/opt/venv/bin:/usr/bin:/bin",
            "UNITWARD_WARD=web", "UNITWARD_CONDITION=OnDeath", "UNITWARD_REASON=SIG 9 (Killed)", "UNITWARD_DEATHS=1",
            &format!("UNITWARD_PID={pid}"), &format!("UNITWARD_INVOCATION={run}")]
        {
            assert!(before.lines().any(|seen| seen == line), "{line}: {before}");
        }
        assert!(before.contains("/system.slice/web.service"), "{before}");
        let main = host.systemctl_show("web", "MainPID");
        assert!(seen("after").contains(&format!("args={main}\n")) && seen("after").contains(&format!("MAINPID={main}\n")), "{}", seen("after"));
        assert!(seen("root").contains("args=own SIG 9 (Killed)\n"), "{}", seen("root"));
        assert!(!seen("start").contains("UNITWARD_REASON"), "{}", seen("start"));
        host.run(&["systemctl", "stop", "web"]);
        assert!(seen("stop").contains("SERVICE_RESULT=success") && seen("stop").contains("UNITWARD_CONDITION=OnStop"), "{}", seen("stop"));
    }

    fn only_a_command_in_the_services_own_user_or_sandbox_has_a_line_of_its_own(host: Host) {
        let steps = "[OnDeath]\nWaitFor=1ms\nExecute=/bin/true\nExecute=+/bin/true\nLog=x\n";
        for (name, service, lines) in [("plain", "", 1), ("user", "User=daemon\n", 3), ("box", "PrivateTmp=yes\n", 3), ("limit", "LimitNOFILE=512\n", 3)] {
            guard(&host, name, name, &format!("[Service]\n{service}ExecStart=/bin/sleep infinity\n{steps}"));
            let shown = host.sh(&format!("systemctl cat {name}"));
            assert_eq!(shown.matches("ExecStartPost=").count(), lines, "{shown}");
            assert_eq!((shown.matches("ExecCondition=").count(), shown.matches("ExecStopPost=").count()), (1, 1), "{shown}");
            assert_eq!(host.sh(&format!("SYSTEMD_UNIT_PATH=/run/systemd/generator: systemd-analyze verify {name}.service 2>&1")), "");
        }
    }

    fn a_command_has_the_user_the_limits_and_the_capabilities_of_its_service_and_of_its_drop_ins(host: Host) {
        host.script("/usr/local/bin/look", "#!/bin/sh\n{ id -un; ulimit -n; grep CapBnd /proc/self/status; env; } >/tmp/$1\n");
        host.write("/etc/systemd/system/drop.service.d/user.conf", "[Service]\nUser=daemon\n");
        host.write("/etc/systemd/system/unitward-drop-OnLimit.service.d/user.conf", "[Service]\nUser=daemon\n");
        for (name, service, expect) in [
            ("drop", "", "daemon\n"),
            ("limit", "LimitNOFILE=512\n", "\n512\n"),
            ("bound", "CapabilityBoundingSet=\n", "CapBnd:\t0000000000000000\n"),
        ] {
            let steps = format!("[Recovery]\nDeathLimit=1\n[OnDeath]\nExecute=/usr/local/bin/look {name}\n[OnLimit]\nExecute=/usr/local/bin/look {name}-limit\n");
            guard(&host, name, name, &format!("[Service]\n{service}ExecStart=/bin/sleep infinity\n{steps}"));
            let (pid, run) = kill(&host, name);
            wait_for_restart(&host, name, &run);
            let seen = host.read(&format!("/tmp/{name}"));
            for part in [expect, "UNITWARD_CONDITION=OnDeath\n", &format!("UNITWARD_PID={pid}\n")] {
                assert!(seen.contains(part), "{name} {part}: {seen}");
            }
        }
        kill(&host, "drop");
        let seen = host.wait_for("[OnLimit]", || host.has("/tmp/drop-limit").then(|| host.read("/tmp/drop-limit")).filter(|seen| seen.contains("UNITWARD_DEATHS")));
        assert!(seen.contains("daemon\n") && seen.contains("UNITWARD_DEATHS=2\n"), "{seen}");
    }

    fn steps_that_are_not_the_users_run_at_the_limit_though_the_user_is_not_there(host: Host) {
        host.write("/etc/unitward/web.ward", "[Service]\nUser=ghost\nWorkingDirectory=/srv/gone\nExecStart=/bin/sleep infinity\n[Recovery]\nDeathLimit=1\nMaxDelaySec=0\n[OnLimit]\nExecute=+/bin/touch /run/limit\n[OnLimit]\nWaitFor=1ms\nLog=the limit\n");
        host.sh("mkdir -p /srv/gone; systemctl daemon-reload; systemctl start web || true");
        host.wait_for("the command of root's", || host.has("/run/limit").then_some(()));
        host.wait_for("the other", || host.journal(&["-o", "cat", "UNITWARD_WARD=web"]).contains("the limit").then_some(()));
    }

    fn a_ward_without_steps_below_its_restart_has_two_lines(host: Host) {
        point_at_broker(&host, "");
        guard(&host, "web", "web", "[Service]\nExecStart=/bin/sleep infinity\n");
        let shown = host.sh("systemctl cat web");
        assert_eq!(shown.matches("unitward-step").count(), 2, "{shown}");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        host.wait_for("the recovery", || (json(&host, "timeline web")["recoveries"][0]["outcome"] == "recovered").then_some(()));
    }
}
