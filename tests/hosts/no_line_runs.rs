//! Units for which PID 1 can run no line at all, those that count deaths included: the death limit holds all the same.

use crate::host::Host;
use crate::on_both;
use crate::report::{kill, told, wait_for_restart};
use serde_json::Value;
use std::time::Duration;

/// What is not there, and how the report says it.
const SETTINGS: [(&str, &str, &str); 3] = [
    ("user", "User=ghost", "EXIT 217 (USER)"),
    ("folder", "WorkingDirectory=/opt/gone", "EXIT 200 (CHDIR)"),
    (
        "variables",
        "EnvironmentFile=/etc/gone",
        "Start failed (resources)",
    ),
];
/// Settings that let the service run, and not the helper, or not all that it needs.
const HIDING: [(&str, &str); 4] = [
    ("covered", "TemporaryFileSystem=/usr/lib/unitward"),
    ("state", "TemporaryFileSystem=/run/unitward"),
    ("readonly", "BindReadOnlyPaths=/run"),
    ("manager", "TemporaryFileSystem=/run/systemd"),
];
const LIMIT: &str =
    "[Recovery]\nDeathLimit=3\n[OnLimit]\nExecute=+/bin/sh -c 'echo limit >>/var/log/limit-%N'\n";

fn listed(host: &Host, ward: &str) -> Value {
    let list: Value = serde_json::from_str(&host.sh("unitward list --json")).expect("JSON");
    let wards = list["wards"]
        .as_array()
        .unwrap_or_else(|| panic!("{list}"))
        .clone();
    wards
        .into_iter()
        .find(|line| line["name"] == ward)
        .unwrap_or_else(|| panic!("{ward} in {list}"))
}

/// Waits until the ward is excluded; nothing of it goes on then.
fn wait_for_exclusion(host: &Host, ward: &str) {
    host.wait_for_within(Duration::from_secs(60), "the exclusion", || {
        let line = listed(host, ward);
        (line["state"] == "excluded" && line["exclusion"]["by"] == "limit").then_some(())
    });
}

/// The reasons of the ward's deaths, oldest first.
fn reasons(host: &Host, ward: &str) -> Vec<String> {
    let told = told(host).unwrap_or_else(|why| panic!("{why}"));
    let mine = told.iter().filter(|death| death["ward"] == ward);
    mine.map(|death| death["reason"].as_str().expect("a reason").to_owned())
        .collect()
}

fn runs(host: &Host, ward: &str) -> Vec<Value> {
    let files = host.sh(&format!(
        "cat /run/unitward/wards/{ward}/runs/*.json | sed 's/}}{{/}}\\n{{/g'"
    ));
    let runs = files
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    runs.filter(|run| run["start"] != "condition").collect()
}

fn check_given_up(host: &Host, ward: &str, reason: &str) {
    wait_for_exclusion(host, ward);
    // On a busy machine one more start may come before systemd has carried out the stop; it is reported and does not count.
    host.wait_for("the reports", || {
        (reasons(host, ward).len() >= 4).then_some(())
    });
    assert!(
        reasons(host, ward).iter().all(|told| told == reason),
        "{ward}: {:?}",
        reasons(host, ward)
    );
    let runs = runs(host, ward);
    assert_eq!(runs.len(), 4, "{ward}: {runs:?}");
    assert_eq!(
        runs.iter()
            .filter(|run| run["end"]["limit_reached"] == true)
            .count(),
        1,
        "{ward}: {runs:?}"
    );
    host.wait_for("the [OnLimit] steps", || {
        host.has(&format!("/var/log/limit-{ward}")).then_some(())
    });
}

on_both! {
    fn the_death_limit_holds(host: Host) {
        for (name, setting, _) in SETTINGS {
            let service = format!("[Service]\nExecStart=sleep infinity\n{setting}\nRestart=always\nRestartSec=150ms\n");
            host.write(&format!("/etc/unitward/defined-{name}.ward"), &format!("{service}{LIMIT}"));
            host.write(&format!("/etc/systemd/system/adopted-{name}.service"), &service);
            host.write(&format!("/etc/unitward/adopted-{name}.ward"), &format!("[Ward]\nUnit=adopted-{name}.service\n{LIMIT}"));
        }
        host.sh("systemctl daemon-reload; systemctl start --no-block 'defined-user' 'defined-folder' 'defined-variables' 'adopted-user' 'adopted-folder' 'adopted-variables'");
        for (name, _, reason) in SETTINGS {
            for form in ["defined", "adopted"] {
                check_given_up(&host, &format!("{form}-{name}"), reason);
            }
        }
        // Nothing goes on.
        let all = "defined-user defined-folder defined-variables adopted-user adopted-folder adopted-variables";
        assert!(!host.sh(&format!("systemctl is-active {all} || true")).contains("activating"));
        // Once what was missing is there, a readmission works and counts from zero.
        host.sh("echo ghost:x:4242:4242::/:/bin/sh >>/etc/passwd; echo ghost:x:4242: >>/etc/group; unitward readmit defined-user");
        host.wait_for("the ward that is up", || {
            let line = listed(&host, "defined-user");
            (line["state"] == "running" && line["deaths"] == 0 && line["exclusion"].is_null()).then_some(())
        });
    }

    fn the_limit_holds_where_the_sandbox_keeps_the_helper_from_its_work_and_check_says_so(host: Host) {
        for (name, setting) in HIDING {
            let lines = format!("[Service]\nExecStart=/bin/false\n{setting}\nRestart=always\nRestartSec=300ms\n[Recovery]\nDeathLimit=2\n");
            host.write(&format!("/etc/unitward/{name}.ward"), &lines);
        }
        let said = host.sh("unitward check || true");
        println!("{said}");
        host.sh("systemctl daemon-reload; systemctl start --no-block covered state readonly manager");
        for (name, _) in HIDING {
            let mine: Vec<_> = said.lines().filter(|line| line.contains(&format!("/{name}.ward"))).collect();
            assert_eq!(mine.len(), 1, "{said}");
            assert!(!mine[0].contains("no death limit"), "{said}");
            wait_for_exclusion(&host, name);
        }
        host.write("/etc/unitward/endless.ward", "[Service]\nExecStart=/bin/true\nUser=ghost\nRestart=always\nRestartSec=300ms\n[Recovery]\nDeathLimit=0\n");
        let said = host.sh("unitward check || true");
        assert!(said.contains("DeathLimit=0"), "{said}");
    }

    fn a_service_that_may_execute_little_has_its_lines_and_its_commands_with_plus(host: Host) {
        let ward = |path: &str| format!("[Service]\nExecStart=sleep infinity\nNoExecPaths={path}\n[OnDeath]\nExecute=/usr/bin/touch /tmp/plain-%N\nExecute=+/usr/bin/touch /tmp/plus-%N\nRestart=%n\n");
        let forbidden = [("helper", "/usr/lib/unitward"), ("program", "/usr/bin/touch /usr/bin/systemctl")];
        for (name, path) in forbidden {
            host.write(&format!("/etc/unitward/{name}.ward"), &ward(path));
        }
        host.sh("systemctl daemon-reload; systemctl start helper program");
        let said = host.sh("unitward check || true");
        for (name, _) in forbidden {
            let (_, run) = kill(&host, name);
            wait_for_restart(&host, name, &run);
            host.wait_for("the record", || host.has(&format!("/tmp/plus-{name}")).then_some(()));
            assert!(!host.has(&format!("/tmp/plain-{name}")), "{name}");
            let warned: Vec<_> = said.lines().filter(|line| line.contains(&format!("{name}.ward:5:9"))).collect();
            assert!(warned.len() == 1 && warned[0].contains("forbids to run"), "{said}");
            assert_eq!(listed(&host, name)["deaths"], 1);
        }
    }

    fn deaths_are_counted_while_it_goes_on(host: Host) {
        host.write("/etc/unitward/web.ward", "[Service]\nExecStart=sleep infinity\nUser=ghost\nRestartSec=3s\n");
        host.sh("systemctl daemon-reload; systemctl start web || true");
        host.wait_for_within(Duration::from_secs(30), "two deaths", || (listed(&host, "web")["deaths"] == 2).then_some(()));
        assert_eq!(host.systemctl_show("web", "NRestarts").parse::<u32>().unwrap() / 2, 0, "the second death is the first restart's");
    }

    fn a_folder_that_goes_while_the_service_runs_is_no_way_around_the_limit(host: Host) {
        host.sh("mkdir /opt/app");
        host.write("/etc/unitward/web.ward", &format!("[Service]\nType=exec\nExecStart=sleep infinity\nWorkingDirectory=/opt/app\nRestartSec=150ms\n{LIMIT}"));
        host.sh("systemctl daemon-reload; systemctl start web; rmdir /opt/app");
        kill(&host, "web");
        wait_for_exclusion(&host, "web");
        let runs = runs(&host, "web");
        assert_eq!(runs.len(), 4, "{runs:?}");
        assert!(runs.iter().all(|run| !run["end"].is_null()), "{runs:?}");
    }

    fn a_stack_is_restarted_for_a_member_that_no_line_runs_in(host: Host) {
        host.write("/etc/unitward/all.stack", "[Stack]\nName=All\n");
        host.write("/etc/unitward/other.ward", "[Service]\nExecStart=sleep infinity\n[Ward]\nStack=all\n");
        host.write("/etc/unitward/web.ward", "[Service]\nExecStart=sleep infinity\nRestartSec=150ms\n[Ward]\nStack=all\n[Recovery]\nDeathLimit=2\nOnLimit=restart-stack\n");
        host.sh("systemctl daemon-reload; systemctl start all.target");
        let run = host.systemctl_show("other", "InvocationID");
        host.sh("mkdir -p /run/systemd/system/web.service.d; printf '[Service]\\nUser=ghost\\n' >/run/systemd/system/web.service.d/ghost.conf; systemctl daemon-reload");
        kill(&host, "web");
        host.wait_for_within(Duration::from_secs(30), "the full restart", || (host.systemctl_show("other", "InvocationID") != run).then_some(()));
        host.wait_for("the report", || told(&host).ok()?.iter().any(|death| death["reason"].as_str().is_some_and(|reason| reason.contains("web (3 deaths"))).then_some(()));
    }
}
