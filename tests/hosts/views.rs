//! `unitward list`, `status` and `tree`: what an administrator sees of wards in every state.

use crate::host::Host;
use crate::on_both;
use crate::report::{guard, kill, wait_for_restart};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::time::Duration;

/// Runs until it is killed.
const LASTING: &str = "[Service]\nExecStart=sleep infinity\n";

fn json(host: &Host, command: &[&str]) -> Value {
    let output = host.run(&[&["unitward"], command, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).expect("a document")
}

/// The list's line of a ward.
fn line(host: &Host, ward: &str) -> Value {
    let list = json(host, &["list"]);
    list["wards"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["name"] == ward)
        .expect(ward)
        .clone()
}

fn wait_for_state(host: &Host, ward: &str, state: &str) -> Value {
    host.wait_for(&format!("{ward} to be {state}"), || {
        Some(line(host, ward)).filter(|line| line["state"] == state)
    })
}

/// What a command prints, and its exit status.
fn said(host: &Host, command: &[&str]) -> (i32, String, String) {
    let output = host.try_run(&[&["unitward"], command].concat());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// Shown when the test fails, and to who looks on with `--nocapture`.
fn show(host: &Host, command: &[&str]) -> String {
    let (_, text, beside) = said(host, command);
    println!("$ unitward {}\n{text}{beside}", command.join(" "));
    text
}

/// A ward in each state.
fn all_states(host: &Host) {
    let ward = |name: &str, text: &str| host.write(&format!("/etc/unitward/{name}.ward"), text);
    host.write("/etc/unitward/shop.stack", "[Stack]\n");
    ward(
        "up",
        &format!("[Unit]\nDescription=Runs\n{LASTING}[Ward]\nStack=shop\n"),
    );
    ward("waits", &format!("{LASTING}[Recovery]\nDelaySec=30s\n"));
    ward(
        "steps",
        &format!(
            "{LASTING}[OnDeath]\nRestart=%n\nWaitFor=path:/run/never 1h\nLog=back\n[Ward]\nStack=shop\n"
        ),
    );
    ward(
        "runs",
        &format!("{LASTING}[OnDeath]\nRestart=%n\nExecute=/usr/bin/sleep 3600\n"),
    );
    ward(
        "gone",
        "[Service]\nExecStart=/bin/sh -c 'exit 3'\n[Recovery]\nDeathLimit=1\n",
    );
    ward("quiet", LASTING);
    ward("once", "[Service]\nType=oneshot\nExecStart=/bin/true\n");
    ward(
        "fails",
        "[Service]\nExecStart=/bin/sh -c 'exit 4'\nRestart=no\n",
    );
    ward("adopts-nothing", "[Ward]\nUnit=nothing-here.service\n");
    host.write("/usr/lib/systemd/system/hidden.service", LASTING);
    ward("hidden", "[Ward]\nUnit=hidden.service\n");
    host.write("/etc/systemd/system/many@.service", LASTING);
    ward("third", "[Ward]\nUnit=many@3.service\n");
    ward(r"a\x2db", LASTING);
    host.sh("systemctl mask hidden 2>/dev/null; systemctl daemon-reload");
    host.sh("systemctl start up waits steps runs once many@3 'a\\x2db.service'; systemctl start --no-block gone fails");
    for unit in ["waits", "steps", "runs"] {
        kill(host, unit);
    }
    ward("fresh", LASTING);
    host.write("/etc/unitward/quiet.ward", &format!("{LASTING}Nice=5\n"));
}

on_both! {
    fn a_ward_in_each_state_shows_as_such(host: Host) {
        all_states(&host);
        let until = host.wait_for("the wait before the restart", || {
            let waits = wait_for_state(&host, "waits", "restarting");
            waits["until"].as_u64().filter(|until| waits["since"].as_u64().is_some_and(|since| *until >= since + 30_000))
        });
        let run = host.systemctl_show("waits", "InvocationID");
        let record: Value = serde_json::from_str(&host.read(&format!("/run/unitward/wards/waits/runs/{run}.json"))).unwrap();
        assert!(until <= record["begun"].as_u64().unwrap() + 30_000, "{until}: {record}");
        let at = |ward: &str| {
            let line = host.wait_for("the step", || Some(line(&host, ward)).filter(|line| !line["step"].is_null()));
            let step = line["step"].clone();
            (line["state"].clone(), format!("{} {}/{} {}={}", step["condition"], step["step"], step["of"], step["action"], step["argument"]))
        };
        let recovering = Value::from("recovering");
        assert_eq!(at("steps"), (recovering.clone(), r#""OnDeath" "2"/3 "WaitFor"="path:/run/never 1h""#.to_owned()));
        assert_eq!(at("runs"), (recovering, r#""OnDeath" "2"/2 "Execute"="/usr/bin/sleep 3600""#.to_owned()));
        let gone = wait_for_state(&host, "gone", "excluded");
        assert_eq!((&gone["exclusion"]["by"], &gone["lastDeath"]["reason"]), (&"limit".into(), &"EXIT 3".into()));
        wait_for_state(&host, "fails", "failed");
        for (ward, state) in [
            ("up", "running"), ("third", "running"), (r"a\x2db", "running"), ("quiet", "stopped"), ("once", "done"),
            ("hidden", "masked"), ("adopts-nothing", "missing"), ("fresh", "not-loaded"),
        ] {
            assert_eq!(line(&host, ward)["state"], state, "{ward}");
        }
        assert_eq!(["quiet", "fresh", "up"].map(|ward| line(&host, ward)["needsReload"].clone()), [true, true, false].map(Value::from));
        let stack = &json(&host, &["list"])["stacks"][0];
        assert_eq!((&stack["members"], &stack["up"]), (&serde_json::json!(["steps", "up"]), &1.into()));
        let table = show(&host, &["list"]);
        assert!(table.contains("third (many@3.service)") && !table.contains('\u{1b}'), "{table}");
        assert!(table.contains("recovering (step 2 of 3: WaitFor)"), "{table}");
        for ward in ["up", "waits", "steps", "gone", "quiet", "adopts-nothing", "fresh", "hidden", "shop", "many@3.service", r"a\x2db"] {
            let (status, text, beside) = said(&host, &["status", ward]);
            println!("{text}{beside}");
            assert_eq!(status, 0, "{beside}");
        }
        let tree = show(&host, &["tree"]);
        assert!(tree.contains("2 WaitFor=path:/run/never 1h: running\n"), "{tree}");
        let narrow = host.sh("script -qec 'stty cols 80; unitward list 2>/dev/null' /dev/null </dev/null");
        println!("{narrow}");
        assert!(narrow.contains("\u{1b}[31m"), "{narrow}");
        let plain = |line: &str| line.replace("\u{1b}[31m", "").replace("\u{1b}[33m", "").replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
        assert!(narrow.lines().all(|line| plain(line.trim_end()).chars().count() <= 80), "{narrow}");
        assert!(narrow.contains("DEATHS"), "{narrow}");
    }

    fn a_stopped_ward_and_one_that_is_started_again_are_no_longer_what_they_were(host: Host) {
        guard(&host, "web", "web", LASTING);
        assert_eq!(line(&host, "web")["state"], "running");
        host.run(&["systemctl", "stop", "web"]);
        let stopped = line(&host, "web");
        assert_eq!((&stopped["state"], &stopped["lastDeath"]), (&"stopped".into(), &Value::Null));
        assert!(stopped["since"].is_u64(), "{stopped}");
        host.run(&["systemctl", "start", "web"]);
        assert_eq!(line(&host, "web")["state"], "running");
    }

    fn counters_deaths_and_what_is_next_are_told_as_they_were(host: Host) {
        guard(&host, "web", "web", &format!("{LASTING}[OnDeath]\nExecute=/bin/sh -c 'exit 7'\nElseLog=no luck\nRestart=%n\n\
            Execute=/bin/true\n[OnDeath late]\nIndependent=yes\nLog=later\n[OnStart]\nLog=first\n"));
        for _ in 0..3 {
            let (_, run) = kill(&host, "web");
            wait_for_restart(&host, "web", &run);
        }
        let late = |tree: &Value| tree["wards"][0]["conditions"][1]["steps"][0]["done"] == 3;
        let tree = host.wait_for("the steps beside", || Some(json(&host, &["tree"])).filter(late));
        let web = &tree["wards"][0];
        assert_eq!(web["sinceBoot"], serde_json::json!({"starts": 1, "restarts": 3, "deaths": 3, "crashes": 3}));
        let fired: Vec<_> = web["conditions"].as_array().unwrap().iter().map(|told| format!("{} {}", told["id"], told["fired"])).collect();
        assert_eq!(fired, [r#""OnDeath" 3"#, r#""OnDeath-late" 3"#, r#""OnStart" 1"#]);
        let steps: Vec<_> = web["conditions"][0]["steps"].as_array().unwrap().iter()
            .map(|step| format!("{} {}/{}/{} {}", step["step"], step["done"], step["failed"], step["skipped"], step["last"]["status"]))
            .collect();
        assert_eq!(steps, [r#""1" 0/3/0 7"#, r#""1.1" 3/0/0 0"#, r#""2" 3/0/0 null"#, r#""3" 3/0/0 0"#]);
        let known = |status: &Value| status["crashes"].as_array().is_some_and(|crashes| crashes.iter().all(|crash| !crash["report"].is_null()));
        let status = host.wait_for("the history", || Some(json(&host, &["status", "web"])).filter(known));
        assert_eq!(status["crashes"].as_array().unwrap().len(), 3);
        assert_eq!((&status["crashes"][0]["reason"], &status["crashes"][0]["report"]), (&"SIG 9 (Killed)".into(), &"local".into()));
        assert_eq!(status["next"], serde_json::json!({"restarts": true, "afterMs": 400, "deathsLeft": 3, "then": "exclude"}));
        assert_eq!((&status["deaths"], &status["deathLimit"]), (&3.into(), &5.into()));
        assert_eq!((&status["lastRecovery"]["outcome"], &status["lastRecovery"]["restarts"]), (&"step-failed".into(), &1.into()));
        assert!(status["lastRecovery"]["downtimeMs"].as_u64().unwrap() >= 200, "{status}");
        let text = show(&host, &["status", "web"]);
        assert!(text.contains("a crash restarts it after 400ms; 3 more deaths within 1min exclude it"), "{text}");
        // The forecast comes true.
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        let said = host.journal(&["-o", "cat", "-t", "unitward-step"]);
        assert!(said.contains("Restarting web.service in 400ms, attempt 4."), "{said}");
    }

    fn deaths_are_counted_though_few_records_are_kept(host: Host) {
        host.script("/usr/sbin/flap", "#!/bin/sh\nn=$(wc -l </var/log/flap)\n[ \"$n\" -ge 250 ] && exec sleep infinity\necho >>/var/log/flap\nexit 3\n");
        host.write("/var/log/flap", "");
        guard(&host, "flap", "--no-block flap", "[Service]\nExecStart=/usr/sbin/flap\n[Recovery]\nDeathLimit=0\nMaxDelaySec=0\n[OnDeath]\nLog=again\nRestart=%n\n");
        host.wait_for_within(Duration::from_secs(400), "all deaths", || (host.read("/var/log/flap").len() >= 250).then_some(()));
        host.wait_for_property("flap", "NRestarts", "250");
        host.wait_for_property("flap", "ActiveState", "active");
        let flap = json(&host, &["tree", "flap"])["wards"][0].clone();
        assert_eq!(flap["sinceBoot"], serde_json::json!({"starts": 1, "restarts": 250, "deaths": 250, "crashes": 250}));
        assert_eq!((&flap["conditions"][0]["fired"], &flap["conditions"][0]["steps"][0]["done"]), (&250.into(), &250.into()));
        assert!(host.sh("ls /run/unitward/wards/flap/runs | wc -l").parse::<u32>().unwrap() <= 65);
        show(&host, &["status", "flap"]);
    }

    fn damage_costs_only_what_it_hides(host: Host) {
        let (status, text, beside) = said(&host, &["list"]);
        assert_eq!((status, text.as_str()), (0, ""));
        assert!(beside.starts_with("There are no wards"), "{beside}");
        let (status, text, beside) = said(&host, &["status", "web"]);
        assert_eq!((status, text.as_str()), (1, ""));
        assert!(beside.contains("nor any other"), "{beside}");
        guard(&host, "web", "web", LASTING);
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        let (status, _, beside) = said(&host, &["status", "wep"]);
        assert_eq!((status, beside.as_str()), (1, "There is no ward or stack \"wep\", did you mean \"web\"?\n"));
        host.sh("for file in /run/unitward/wards/web/runs/*.json /run/unitward/wards/web/series.json; do echo '{\"' >$file; done; echo x >/run/unitward/wards/web/totals.json");
        assert_eq!(line(&host, "web")["state"], "running");
        assert_eq!(json(&host, &["tree"])["wards"][0]["sinceBoot"]["deaths"], 0);
        assert_eq!(said(&host, &["status", "web"]).0, 0);
        host.run(&["systemctl", "stop", "unitwardd"]);
        for (damage, word) in [
            // The version of the schema stands in the file's header.
            (r"printf '\0\0\0\143' | dd of=reports.db bs=1 seek=60 conv=notrunc status=none", "newer version"),
            ("dd if=/dev/urandom of=reports.db bs=4k count=9 conv=notrunc status=none; rm -f reports.db-wal", "damaged"),
            ("rm -f reports.db*", "no history yet"),
        ] {
            host.sh(&format!("cd /var/lib/unitward; {damage}"));
            let (status, text, beside) = said(&host, &["status", "web"]);
            assert_eq!(status, 0, "{beside}");
            assert!(text.contains(word), "{damage}: {text}");
            let (status, _, beside) = said(&host, &["list"]);
            assert!(status == 0 && beside.contains("unitwardd does not run"), "{beside}");
        }
    }

    fn a_silent_systemd_is_waited_for_with_a_bound(host: Host) {
        guard(&host, "web", "web", LASTING);
        let leader = Pid::from_raw(i32::try_from(host.leader()).unwrap()).unwrap();
        kill_process(leader, Signal::STOP).unwrap();
        let (status, _, beside) = said(&host, &["list"]);
        kill_process(leader, Signal::CONT).unwrap();
        assert_eq!((status, beside.as_str()), (2, "unitward: failed to ask systemd: it did not answer within 20 s\n"));
        assert_eq!(line(&host, "web")["state"], "running");
    }
}
