//! `unitward timeline`: the course of a recovery while it goes on, when it is over, after a reboot, and of a full restart.

use crate::host::Host;
use crate::on_both;
use crate::report::{guard, kill, wait_for_restart};
use serde_json::Value;

const STEPS: &str = "[Service]\nExecStart=/usr/bin/sleep infinity\n[OnDeath]\nLog=before\nRestart=%n\nWaitFor=300ms\n\
    Execute=/bin/false\nElseLog=could not\nRestart=helper.service\n";
const HELPER: &str = "[Service]\nExecStart=/usr/bin/sleep infinity\n";

fn timeline(host: &Host, arguments: &str) -> Value {
    let told = host.sh(&format!("unitward timeline --json {arguments}"));
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"))
}

/// Kills the ward's process and waits until its recovery is stored.
fn recover(host: &Host, ward: &str) -> String {
    let unit = format!("{ward}.service");
    let (_, run) = kill(host, &unit);
    wait_for_restart(host, &unit, &run);
    stored(host, ward, &run);
    run
}

/// Waits until the recovery from this death is in the history.
fn stored(host: &Host, ward: &str, run: &str) {
    host.wait_for("the stored recovery", || {
        let told = host.sh(&format!("unitward reports --json --ward {ward}"));
        let deaths = told
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let mut found =
            deaths.filter(|death| death["invocation"] == *run && !death["recovery"].is_null());
        found.next().map(drop)
    });
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

fn check_picture(host: &Host, arguments: &str, holds: &[&str]) {
    host.sh(&format!(
        "unitward timeline {arguments} --svg=/root/picture.svg"
    ));
    let picture = host.read("/root/picture.svg");
    for word in holds {
        assert!(picture.contains(word), "{word}: {picture}");
    }
}

/// The one recovery that is told, its times checked against each other.
fn check_course(document: &Value) -> Value {
    let recoveries = document["recoveries"].as_array().expect("an array");
    assert_eq!(recoveries.len(), 1, "{document}");
    let recovery = recoveries[0].clone();
    assert_eq!(
        (recovery["outcome"].as_str(), recovery["times"].as_str()),
        (Some("step-failed"), Some("known"))
    );
    let attempts = recovery["attempts"].as_array().expect("an array");
    assert_eq!(attempts.len(), 1, "{document}");
    let attempt = &attempts[0];
    let steps = attempt["steps"].as_array().expect("an array");
    let words: Vec<_> = steps
        .iter()
        .map(|step| step["step"].as_str().expect("a word"))
        .collect();
    assert_eq!(words, ["Log", "WaitFor", "Execute", "ElseLog", "Restart"]);
    let main = number(&recovery["downtimeMs"]);
    let up = number(&recovery["recoveryMs"]);
    assert_eq!(
        (number(&attempt["mainMs"]), number(&attempt["upMs"])),
        (main, up)
    );
    // PID 1's clock and the helper's are read at different moments and rounded.
    let near = 20;
    let begins: Vec<_> = steps.iter().map(|step| number(&step["beginMs"])).collect();
    assert!(
        begins.windows(2).all(|pair| pair[0] <= pair[1] + near),
        "{document}"
    );
    assert!(
        number(&attempt["beginMs"]) <= begins[0] + near && begins[0] <= main + near,
        "{document}"
    );
    assert!(
        main <= begins[1] + near && begins[4] <= up + near && up - main + near >= 300,
        "{document}"
    );
    recovery
}

on_both! {
    fn the_service_is_told_to_run_while_the_steps_after_its_restart_go_on(host: Host) {
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\n[Recovery]\nMaxDelaySec=0\n[OnDeath]\n\
            WaitFor=path:/run/restart 60s\nRestart=%n\nWaitFor=path:/run/done 60s\n");
        let (_, run) = kill(&host, "web");
        let restart = || {
            let told: Value = serde_json::from_str(&host.sh("unitward status web --json")).expect("JSON");
            told["conditions"][0]["steps"][1]["done"].clone()
        };
        for (step, state) in [("restart", "condition"), ("done", "start-post")] {
            host.wait_for("the step", || {
                let [seen, next] = host.systemctl_shows("web", ["SubState", "InvocationID"]);
                (seen == state && next != run).then_some(())
            });
            let runs = state == "start-post";
            let told = timeline(&host, "web")["recoveries"][0].clone();
            assert_eq!(told["outcome"], "under-way", "{told}");
            assert_eq!((told["attempts"][0]["mainMs"].is_u64(), restart() == 1), (runs, runs), "{told}");
            host.write(&format!("/run/{step}"), "");
        }
        wait_for_restart(&host, "web", &run);
    }

    fn a_recovery_keeps_its_times_over_a_reboot_and_is_drawn_as_text_and_picture(mut host: Host) {
        host.write("/etc/systemd/system/helper.service", HELPER);
        guard(&host, "web", "web.service helper.service", &format!("{STEPS}[Install]\nWantedBy=multi-user.target\n"));
        let run = recover(&host, "web");
        let before = check_course(&timeline(&host, "web"));
        let text = host.sh("unitward timeline web");
        println!("{text}");
        for words in ["web: SIG 9 (Killed), step-failed", "death", "OnDeath WaitFor 300ms", "helper.service", "back in service"] {
            assert!(text.contains(words), "{words}: {text}");
        }
        check_picture(&host, &run[..8], &["<svg ", "OnDeath WaitFor 300ms", "helper.service", "</svg>"]);
        host.reboot();
        let after = check_course(&timeline(&host, &run));
        assert_eq!(before["attempts"], after["attempts"], "the history keeps what /run has lost");
    }

    fn a_recovery_that_goes_on_is_drawn_up_to_now(host: Host) {
        guard(&host, "slow", "slow.service", "[Service]\nExecStart=/usr/bin/sleep infinity\n[Recovery]\nDelaySec=60s\n");
        let (_, run) = kill(&host, "slow.service");
        let open = host.wait_for("the recovery that goes on", || {
            let output = host.try_run(&["unitward", "timeline", "--json", "slow"]);
            let told: Value = serde_json::from_slice(&output.stdout).ok()?;
            (told["recoveries"][0]["attempts"][0]["backoffMs"] == 60_000).then_some(told)
        });
        let recovery = &open["recoveries"][0];
        assert_eq!((recovery["outcome"].as_str(), recovery["invocation"].as_str()), (Some("under-way"), Some(run.as_str())));
        assert!(recovery["endMs"].is_null() && recovery["downtimeMs"].is_null(), "{recovery}");
        let text = host.sh("unitward timeline");
        assert!(text.contains("slow: SIG 9 (Killed), under-way") && text.contains("back-off"), "{text}");
        host.run(&["systemctl", "stop", "slow.service"]);
        let ended = &timeline(&host, "slow")["recoveries"][0];
        assert_eq!((ended["outcome"].as_str(), ended["downtimeMs"].as_u64()), (Some("ended"), None), "{ended}");
        let text = host.sh("unitward timeline slow");
        assert!(text.contains("slow: SIG 9 (Killed), ended"), "{text}");
    }

    fn all_recoveries_since_a_time_and_an_excluded_ward_are_told(host: Host) {
        for ward in ["one", "two"] {
            guard(&host, ward, &format!("{ward}.service"), "[Service]\nExecStart=/usr/bin/sleep infinity\n");
        }
        guard(&host, "gone", "gone.service", "[Service]\nExecStart=/usr/bin/sleep infinity\n[Recovery]\nDeathLimit=1\n");
        recover(&host, "one");
        recover(&host, "two");
        recover(&host, "gone");
        let (_, last) = kill(&host, "gone.service");
        stored(&host, "gone", &last);
        let all = timeline(&host, "--since -1h");
        let names: Vec<_> = all["recoveries"].as_array().unwrap().iter().map(|one| (&one["ward"], &one["outcome"])).collect();
        let shown: Vec<_> = names.iter().map(|(ward, outcome)| format!("{} {}", ward.as_str().unwrap(), outcome.as_str().unwrap())).collect();
        assert_eq!(shown, ["one recovered", "two recovered", "gone recovered", "gone excluded"]);
        let some = timeline(&host, "two --since -1h");
        assert_eq!(some["recoveries"].as_array().map(Vec::len), Some(1));
        let text = host.sh("unitward timeline --since -1h 2>&1");
        assert!(text.contains("4 recoveries of 3 wards since"), "{text}");
        check_picture(&host, "--since -1h", &["4 recoveries of 3 wards", "gone (2)"]);
        check_picture(&host, &last, &["excluded", "left down"]);
        let unknown = host.try_run(&["unitward", "timeline", "goen"]);
        let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
        assert!(unknown.status.code() == Some(1) && said.contains("did you mean \"gone\"?"), "{said}");
    }

    fn a_ward_is_meant_by_its_unit_and_a_stack_by_its_name_since_a_time_too(host: Host) {
        host.write("/etc/systemd/system/telldusd.service", HELPER);
        guard(&host, "tellstick", "telldusd.service", "[Ward]\nUnit=telldusd.service\n[Service]\nRestart=always\n");
        let (_, run) = kill(&host, "telldusd.service");
        wait_for_restart(&host, "telldusd.service", &run);
        stored(&host, "tellstick", &run);
        for name in ["tellstick", "telldusd.service", "telldusd"] {
            for arguments in [name.to_owned(), format!("{name} --since -1h")] {
                let told = timeline(&host, &arguments);
                assert_eq!(told["recoveries"][0]["invocation"], *run, "{arguments}: {told}");
            }
        }
        host.write("/etc/unitward/os.stack", "[Stack]\nName=OpenSync\n");
        guard(&host, "cm", "cm.service", "[Service]\nExecStart=/usr/bin/sleep infinity\n[Ward]\nStack=os\n");
        host.sh("systemctl start os.target; systemctl restart unitwardd; unitward restart-stack os --caller test --wait");
        for name in ["os", "os.target", "OpenSync"] {
            host.wait_for(name, || {
                let output = host.try_run(&["unitward", "timeline", "--json", name, "--since=-1h"]);
                let told: Value = serde_json::from_slice(&output.stdout).ok()?;
                (told["fullRestarts"][0]["name"] == "OpenSync").then_some(())
            });
        }
        let unknown = host.try_run(&["unitward", "timeline", "tellstcik", "--since=-1h"]);
        let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
        assert!(unknown.status.code() == Some(1) && said.contains("did you mean \"tellstick\"?"), "{said}");
    }

    fn a_name_that_is_a_path_leads_nowhere(host: Host) {
        guard(&host, "web", "web.service", "[Service]\nExecStart=/usr/bin/sleep infinity\n");
        recover(&host, "web");
        let end = r#"{"asked":false,"result":"signal","code":"killed","status":"KILL","pid":7,"at":5,"limit_reached":true,"given_up":"exclude"}"#;
        let record = format!(
            r#"{{"ward":"evil","unit":"evil.service","invocation":"{}","start":"first","restarts":0,"spent":[],"results":[],"end":{end}}}"#,
            "e".repeat(32)
        );
        // One has what would be told, one never ends, one is waited for for ever.
        host.sh("mkdir -p -m 1777 /run/lock");
        host.write("/run/record", &record);
        for (name, make) in [("told", "cp /run/record".to_owned()), ("zero", "ln -s /dev/zero".to_owned()), ("pipe", "mkfifo".to_owned())] {
            let runs = format!("/run/lock/{name}/runs");
            host.sh(&format!("runuser -u nobody -- sh -c 'mkdir -p {runs}'; runuser -u nobody -- {make} {runs}/x.json"));
            for path in [format!("/run/lock/{name}"), format!("../../lock/{name}"), format!("../../lock/{name}.service")] {
                for which in [path.clone(), format!("@0 {path}")] {
                    let call = "busctl --system call org.unitward1 /org/unitward1 org.unitward1.Manager Timeline s";
                    let asked = host.try_run(&["runuser", "-u", "nobody", "--", "sh", "-c", &format!("{call} '{which}' 2>&1")]);
                    let said = String::from_utf8_lossy(&asked.stdout);
                    assert!(!asked.status.success() && said.contains("There is no ward"), "{which}: {said}");
                }
            }
        }
        assert_eq!(host.systemctl_show("unitwardd", "NRestarts"), "0");
    }

    fn a_full_restart_is_drawn_with_its_members(host: Host) {
        host.write("/etc/unitward/os.stack", "[Stack]\nName=OpenSync\n");
        for member in ["cm", "dm"] {
            let ward = "[Service]\nExecStart=/usr/bin/sleep infinity\n[Ward]\nStack=os\n";
            guard(&host, member, &format!("{member}.service"), ward);
        }
        host.sh("systemctl start os.target; systemctl restart unitwardd; unitward restart-stack os --caller test --wait");
        let told = host.wait_for("the stored restart", || {
            let output = host.try_run(&["unitward", "timeline", "--json", "os"]);
            let told: Value = serde_json::from_slice(&output.stdout).ok()?;
            told["fullRestarts"][0]["endMs"].is_u64().then_some(told)
        });
        let restart = &told["fullRestarts"][0];
        assert_eq!((restart["name"].as_str(), restart["caller"].as_str()), (Some("OpenSync"), Some("test")));
        let members = restart["members"].as_array().expect("an array");
        assert_eq!(members.len(), 2, "{restart}");
        for member in members {
            assert!(number(&member["downMs"]) <= number(&member["beginMs"]) && number(&member["beginMs"]) <= number(&member["upMs"]));
        }
        check_picture(&host, "os", &["OpenSync restarted by test, restarted", "cm.service", "dm.service"]);
    }
}
