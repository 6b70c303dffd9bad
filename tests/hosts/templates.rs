//! Wards of templates: each instance is a ward by its own name.

use crate::host::Host;
use crate::on_both;
use crate::report::{cloud, guard, kill, wait_for_restart, wait_for_restart_or_end};
use serde_json::Value;

/// Steps before and after the restart, a limit of one death, and what is done then.
const WORKER: &str = "[Service]\nExecStart=sleep infinity\n\
    [Recovery]\nDeathLimit=1\nMaxDelaySec=0\n\
    [OnDeath]\nExecute=/bin/sh -c 'echo before %i \"$$UNITWARD_WARD\" >>/var/log/steps'\nRestart=%n\nRestart=helper@%i.service\n\
    Execute=/bin/sh -c 'echo after %n >>/var/log/steps'\n\
    [OnLimit]\nExecute=/bin/sh -c 'echo limit %i \"$$UNITWARD_WARD\" >>/var/log/steps'\n";

/// The ward of `worker@.service`, which it defines, and two instances with their helpers.
fn set_up(host: &Host) {
    host.write(
        "/etc/systemd/system/helper@.service",
        "[Service]\nExecStart=sleep infinity\n",
    );
    guard(
        host,
        "worker@",
        "helper@a helper@b worker@a worker@b",
        WORKER,
    );
}

/// What nothing may have touched.
fn run(host: &Host, unit: &str) -> (String, String) {
    (
        host.systemctl_show(unit, "InvocationID"),
        host.systemctl_show(unit, "ActiveState"),
    )
}

fn state_in_list(host: &Host, name: &str) -> Option<String> {
    let list: Value = serde_json::from_str(&host.sh("unitward list --json")).expect("JSON");
    let line = list["wards"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["name"] == name)?;
    Some(line["state"].as_str().unwrap().to_owned())
}

#[track_caller]
fn refused(host: &Host, command: &str, why: &str) {
    let done = host.try_run(&["sh", "-c", command]);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(
        !done.status.success() && said.contains(why),
        "{command}: {said}"
    );
}

on_both! {
    fn an_instance_with_a_name_too_long_for_the_service_of_its_limit_is_excluded_all_the_same(host: Host) {
        let name = ["worker@", &"x".repeat(235)].concat();
        guard(&host, "worker@", &name, "[Service]\nExecStart=sleep infinity\n[Recovery]\nDeathLimit=1\nMaxDelaySec=0\n[OnLimit]\nLog=over\n");
        let (_, first) = kill(&host, &name);
        wait_for_restart(&host, &name, &first);
        let (_, second) = kill(&host, &name);
        wait_for_restart_or_end(&host, &name, &second);
        host.wait_for("the exclusion", || (state_in_list(&host, &name)? == "excluded").then_some(()));
        println!("{}", host.sh("journalctl -b --no-pager -o cat -t unitward-step -t unitwardd -t systemd | tail -30"));
        let said = host.sh("journalctl -b --no-pager -o cat -t unitward-step");
        assert!(said.contains("Failed to run the steps of a condition, the name") && said.contains("longer than 255 bytes"), "{said}");
    }

    fn one_instance_recovers_and_reaches_its_limit_and_the_other_is_left_alone(host: Host) {
        let reports = cloud(&host, "");
        set_up(&host);
        let others = ["worker@b", "helper@b"].map(|unit| run(&host, unit));
        let (_, helper) = ("", host.systemctl_show("helper@a", "InvocationID"));
        let (_, first) = kill(&host, "worker@a");
        wait_for_restart(&host, "worker@a", &first);
        wait_for_restart(&host, "helper@a", &helper);
        assert_eq!(host.read("/var/log/steps"), "before a worker@a\nafter worker@a.service\n");
        let report = &reports.wait_for_count(1)[0];
        assert_eq!(report["name"], "worker@a");
        let (_, second) = kill(&host, "worker@a");
        wait_for_restart_or_end(&host, "worker@a", &second);
        host.wait_for_property("worker@a", "ActiveState", "failed");
        host.wait_for("the steps of [OnLimit]", || host.read("/var/log/steps").contains("limit a worker@a\n").then_some(()));
        host.wait_for_property("unitward-worker-OnLimit@a.service", "ActiveState", "inactive");
        assert_eq!(["worker@b", "helper@b"].map(|unit| run(&host, unit)), others);
        let states = ["worker@", "worker@a", "worker@b"].map(|name| state_in_list(&host, name).unwrap());
        assert_eq!(states, ["template", "excluded", "running"]);
        assert!(!host.try_run(&["systemctl", "is-active", "worker@a"]).status.success());
        host.try_run(&["systemctl", "start", "worker@a"]);
        assert_eq!(host.systemctl_show("worker@a", "ActiveState"), "failed", "nobody starts it");
        assert_eq!(host.sh("unitward readmit worker@a").trim_end(), "worker@a is readmitted: worker@a.service is up.");
        let (_, third) = kill(&host, "worker@b");
        wait_for_restart(&host, "worker@b", &third);
        assert_eq!(reports.wait_for_count(3)[2]["name"], "worker@b");
        assert_eq!(host.failed_units(), [""; 0]);
    }

    fn an_instance_of_an_adopted_template_is_kept_down_and_let_up_by_hand(host: Host) {
        host.write("/etc/systemd/system/job@.service", "[Service]\nExecStart=sleep infinity\nRestart=always\n");
        // The ward's name is another one than the unit's, and the instance's has an escape in it.
        guard(&host, "work@", "'job@x\\x2dy' job@z", "[Ward]\nUnit=job@.service\n[OnDeath]\nLog=it has died\n");
        assert_eq!(host.sh("unitward check --strict 2>&1"), "1 ward in effect, no problem found.");
        let other = run(&host, "job@z");
        let (_, first) = kill(&host, "job@x\\x2dy");
        wait_for_restart(&host, "job@x\\x2dy", &first);
        host.wait_for("the death", || host.sh("unitward reports --json").contains(r#""ward":"work@x\\x2dy""#).then_some(()));
        host.wait_for("the recovery", || host.sh("unitward timeline 'job@x\\x2dy' --json").contains("recovered").then_some(()));
        for name in ["work@x\\x2dy", "job@x\\x2dy", "job@x\\x2dy.service"] {
            let status: Value = serde_json::from_str(&host.sh(&format!("unitward status '{name}' --json"))).expect("JSON");
            assert_eq!((&status["name"], &status["unit"]), (&"work@x\\x2dy".into(), &"job@x\\x2dy.service".into()));
            assert_eq!(status["crashes"].as_array().map(Vec::len), Some(1), "{status}");
        }
        for without_daemon in [false, true] {
            if without_daemon {
                host.sh("systemctl stop unitwardd");
            }
            let said = host.sh("unitward exclude 'work@x\\x2dy' --reason=mending");
            assert!(said.contains("work@x\\x2dy is excluded: job@x\\x2dy.service is down"), "{said}");
            host.try_run(&["systemctl", "start", "job@x\\x2dy"]);
            assert_eq!(host.systemctl_show("job@x\\x2dy", "ActiveState"), "inactive");
            assert_eq!(state_in_list(&host, "work@x\\x2dy").as_deref(), Some("excluded"));
            assert_eq!(host.sh("unitward readmit 'job@x\\x2dy'").trim_end(), "work@x\\x2dy is readmitted: job@x\\x2dy.service is up.");
        }
        assert_eq!(run(&host, "job@z"), other);
        for command in ["unitward exclude work@", "unitward readmit job@.service"] {
            refused(&host, command, "work@ is the ward of a template; name one of its instances, such as work@INSTANCE.");
        }
        host.sh("systemctl start unitwardd");
        refused(&host, "unitward exclude work@", "work@ is the ward of a template");
        refused(&host, "unitward exclude 'work@a b'", "There is no ward work@a b");
        refused(&host, "unitward status work@../../etc", "There is no ward");
        let tree = host.sh("unitward tree; unitward plan --explain work@z; unitward plan --explain work@; unitward status work@");
        for told in ["When job@z.service dies, ward work@z", "When job@INSTANCE.service dies, ward work@INSTANCE", "template"] {
            assert!(tree.contains("work@z") && tree.contains(told), "{told}: {tree}");
        }
    }

    fn a_ward_of_an_instances_own_wins(host: Host) {
        host.write("/etc/systemd/system/job@.service", "[Service]\nExecStart=sleep infinity\nRestart=always\n");
        let log = |word: &str| format!("[OnDeath]\nExecute=+/bin/sh -c 'echo {word} $$UNITWARD_WARD >>/var/log/steps'\n");
        host.write("/etc/unitward/job@.ward", &format!("[Ward]\nUnit=job@.service\n{}", log("all")));
        host.write("/etc/unitward/job@own.ward", &format!("[Ward]\nUnit=job@own.service\n{}", log("own")));
        host.write("/etc/unitward/worker@.ward", &format!("[Service]\nExecStart=sleep infinity\n{}", log("all")));
        let own = format!("[Service]\nExecStart=sleep infinity\n{}", log("own"));
        guard(&host, "worker@own", "job@own job@other worker@own worker@other", &own);
        let all = ["job@own", "job@other", "worker@own", "worker@other"];
        for unit in all {
            let lines = host.sh(&format!("systemctl show -P ExecCondition {unit}.service"));
            assert_eq!(lines.matches("unitward-step begin").count(), 1, "{lines}");
            let (_, first) = kill(&host, unit);
            wait_for_restart(&host, unit, &first);
        }
        assert_eq!(host.read("/var/log/steps"), "own job@own\nall job@other\nown worker@own\nall worker@other\n");
        let names = host.sh("unitward list --json | grep -o '\"name\":\"[^\"]*\"'");
        assert_eq!(names.matches("job@own").count(), 1, "{names}");
        let offered = host.sh("UNITWARD_COMPLETE=bash _CLAP_COMPLETE_INDEX=2 _CLAP_IFS=$'\\n' unitward -- unitward exclude '' || true");
        assert!(offered.contains("job@other") && !offered.lines().any(|line| line == "job@"), "{offered}");
    }

    fn no_name_of_an_instance_adds_a_step(host: Host) {
        // Unescaped it reads "--step=OnDeath:7 x".
        let name = "\\x2d\\x2dstep\\x3dOnDeath:7\\x20x";
        let say = "Execute=/bin/sh -c 'printf \"[%%s]\" \"$$0\" \"$$1\" >>/var/log/steps'";
        let text = format!("[Service]\nExecStart=sleep infinity\n[OnDeath]\n{say} %I %I.\nRestart=%n\n{say} %i %I\n");
        guard(&host, "worker@", &format!("'worker@{name}'"), &text);
        let unit = format!("worker@{name}");
        let (_, first) = kill(&host, &unit);
        wait_for_restart(&host, &unit, &first);
        let whole = "--step=OnDeath:7 x";
        assert_eq!(host.read("/var/log/steps"), format!("[{whole}][{whole}.][{name}][{whole}]"));
    }

    fn no_name_of_an_instance_reads_a_variable(host: Host) {
        // Unescaped it reads "${SECRET}".
        let name = "\\x24\\x7bSECRET\\x7d";
        let say = "/bin/sh -c 'printf \"[%%s]\" \"$$0\" \"$$1\" \"$$2\" >>/var/log/steps'";
        let text = format!("[Service]\nExecStart=sleep infinity\nEnvironment=SECRET=told OTHER=open\n[OnDeath]\nExecute={say} %I %f ${{OTHER}}\nExecute=+{say} a%I %%I $OTHER\nRestart=%n\n");
        guard(&host, "worker@", &format!("'worker@{name}'"), &text);
        let unit = format!("worker@{name}");
        let (_, first) = kill(&host, &unit);
        wait_for_restart(&host, &unit, &first);
        assert_eq!(host.read("/var/log/steps"), "[${SECRET}][/${SECRET}][open][a${SECRET}][%I][open]");
    }

    fn instances_that_are_part_of_a_stack_are_restarted_with_it(host: Host) {
        host.write("/etc/unitward/all.stack", "[Stack]\nReport=no\n");
        host.write("/etc/unitward/web.ward", "[Ward]\nStack=all\n[Service]\nExecStart=sleep infinity\n");
        guard(&host, "worker@", "all.target worker@a worker@b", &["[Unit]\nPartOf=all.target\n", WORKER].concat());
        host.sh("systemctl stop worker@b");
        let (web, worker) = (run(&host, "web").0, run(&host, "worker@a").0);
        host.run(&["unitward", "restart-stack", "all"]);
        wait_for_restart(&host, "web", &web);
        wait_for_restart(&host, "worker@a", &worker);
        assert_eq!(host.systemctl_show("worker@b", "ActiveState"), "inactive");
        assert!(!host.has("/var/log/steps"), "nobody has died");
    }

    fn what_happens_to_an_instance_while_the_daemon_is_down_is_reported(host: Host) {
        let reports = cloud(&host, "");
        set_up(&host);
        host.sh("systemctl stop unitwardd");
        let (_, first) = kill(&host, "worker@a");
        wait_for_restart(&host, "worker@a", &first);
        host.sh("systemctl start unitwardd");
        assert_eq!(reports.wait_for_count(1)[0]["name"], "worker@a");
        host.wait_for("the recovery", || host.sh("unitward reports --ward worker@a --json").contains("recovered").then_some(()));
        for (name, why) in [("worker@", "worker@ is the ward of a template"), ("worker@c d", "There is no ward")] {
            refused(&host, &format!("unitward reports --ward '{name}'"), why);
            refused(&host, &format!("unitward monitor --ward '{name}'"), why);
        }
        assert_eq!(host.sh("unitward reports --ward worker@b --json"), "");
    }

    fn the_limit_of_an_instance_holds_where_systemd_can_run_no_line_of_it(host: Host) {
        // The one instance has a user that is not there.
        host.write("/etc/systemd/system/worker@a.service.d/user.conf", "[Service]\nUser=gone\nRestartSec=100ms\n");
        host.write("/etc/unitward/worker@.ward", "[Service]\nExecStart=sleep infinity\n[Recovery]\nDeathLimit=2\n[OnLimit]\nLog=too often\n");
        host.sh("systemctl daemon-reload; systemctl start worker@b; systemctl start worker@a || true");
        host.wait_for("the exclusion", || host.has("/run/unitward/wards/worker@a/excluded.json").then_some(()));
        host.wait_for("the end", || (state_in_list(&host, "worker@a").as_deref() == Some("excluded")).then_some(()));
        assert_eq!(host.systemctl_show("worker@b", "ActiveState"), "active");
        host.wait_for("the steps of [OnLimit]", || host.journal(&["-o", "cat", "-u", "unitward-worker-OnLimit@a"]).contains("too often").then_some(()));
        assert!(!host.has("/run/unitward/wards/worker@b/excluded.json"));
    }

    fn a_template_and_an_instance_are_proposed(host: Host) {
        host.write("/etc/systemd/system/job@.service", "[Service]\nExecStart=sleep infinity\n");
        host.sh("systemctl daemon-reload; systemctl start job@one");
        let one = host.try_run(&["unitward", "guard", "job@one"]);
        assert!(String::from_utf8_lossy(&one.stdout).contains("\nUnit=job@one.service\n"), "{one:?}");
        assert!(String::from_utf8_lossy(&one.stderr).contains("\"unitward guard job@.service\" guards each of them"), "{one:?}");
        let all = host.sh("unitward guard job@ 2>/dev/null");
        assert!(all.contains("# job@.ward: guards job@.service.") && all.contains("\nUnit=job@.service\n"), "{all}");
        let said = host.sh("unitward guard job@.service --write");
        assert!(said.contains("/etc/unitward/job@.ward is written, and job@.service is guarded"), "{said}");
        let (_, first) = kill(&host, "job@one");
        wait_for_restart(&host, "job@one", &first);
        refused(&host, "unitward guard job@one", "job@one.service is guarded already, by the ward job@one (/etc/unitward/job@.ward)");
        refused(&host, "unitward guard job@", "job@.service is guarded already, by the ward job@ (");
        refused(&host, "unitward guard none@", "There is no none@.service");
    }
}
