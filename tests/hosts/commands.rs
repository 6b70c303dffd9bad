//! What the commands say on a host to who looks for something: names that nothing has, little room, sums.

use crate::host::Host;
use crate::on_both;
use crate::report::{guard, kill, wait_for_restart};
use serde_json::Value;

const LASTING: &str = "[Service]\nExecStart=sleep infinity\n";

/// What somebody's command prints on both outputs, and its exit status. One that goes on is ended after 20 seconds, with 124.
fn said(host: &Host, user: &str, command: &str) -> (i32, String) {
    let output = host.try_run(&[
        "runuser",
        "-u",
        user,
        "--",
        "sh",
        "-c",
        &format!("timeout 20 unitward {command} 2>&1"),
    ]);
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned(),
    )
}

/// The same on a terminal of 80 columns, without colours.
fn on_terminal(host: &Host, command: &str) -> String {
    host.sh(&format!(
        "script -qec 'stty cols 80; NO_COLOR=1 unitward {command}' /dev/null </dev/null"
    ))
    .replace('\r', "")
}

fn crash(host: &Host, unit: &str) -> String {
    let (_, run) = kill(host, unit);
    wait_for_restart(host, unit, &run);
    let recovered = || {
        host.sh(&format!(
            "unitward reports show {run} --json 2>/dev/null || true"
        ))
        .contains("recovered")
        .then_some(())
    };
    host.wait_for("the recovery", recovered);
    run
}

on_both! {
    fn a_name_that_nothing_has_is_refused_by_every_command(host: Host) {
        host.write("/etc/unitward/shop.stack", "[Stack]\n");
        host.write("/etc/unitward/typo.ward", "[Service]\nExceStart=/usr/bin/sleep 1\n");
        guard(&host, "web", "web", LASTING);
        crash(&host, "web");
        for user in ["root", "nobody"] {
            for command in ["reports --ward wep", "reports -f --ward wep", "monitor --ward wep", "monitor --json --ward wep", "status wep", "tree wep"] {
                assert_eq!(said(&host, user, command), (1, "There is no ward or stack \"wep\", did you mean \"web\"?".to_owned()), "{user}: {command}");
            }
            let (status, words) = said(&host, user, "timeline wep");
            assert!(status == 1 && words.contains("did you mean \"web\"?"), "{user}: {words}");
            for command in ["reports --ward typo", "monitor --ward typo", "status typo", "status typo.service", "tree typo", "timeline typo"] {
                let (status, words) = said(&host, user, command);
                assert_eq!(status, 1, "{user}: {command}: {words}");
                assert!(words.contains("/etc/unitward/typo.ward") && words.contains("left out because of a mistake"), "{user}: {command}: {words}");
                assert!(words.contains("\"unitward check\""), "{user}: {command}: {words}");
            }
            let by_unit = said(&host, user, "reports --ward web.service --json");
            assert_eq!((by_unit.0, by_unit.1.lines().count()), (0, 1), "{user}: {}", by_unit.1);
        }
        for command in ["exclude typo", "readmit typo"] {
            let (status, words) = said(&host, "root", command);
            assert!(status == 1 && words.contains("\"unitward check\""), "{command}: {words}");
        }
    }

    fn a_unit_that_is_watched_only_is_in_the_list(host: Host) {
        host.write("/etc/systemd/system/lone.service", LASTING);
        host.write("/etc/unitward/unitward.conf", "[Watch]\nUnits=lone* web*.service\n");
        guard(&host, "web", "web lone", LASTING);
        let list: Value = serde_json::from_str(&host.sh("unitward list --json")).unwrap();
        let expect = serde_json::json!([{ "name": "lone", "unit": "lone.service", "state": "running", "description": null }]);
        assert_eq!(list["watched"], expect);
        for user in ["root", "nobody"] {
            let (_, words) = said(&host, user, "list");
            assert!(words.contains("WATCHED ONLY") && words.contains("\nlone.service  running"), "{words}");
            assert_eq!(said(&host, user, "reports --ward lone").0, 0);
        }
        let (status, words) = said(&host, "root", "monitor --ward lone");
        assert_eq!((status, words.as_str()), (124, "Watching lone.service, which has no ward."));
    }

    fn monitor_says_what_it_watches_and_in_brief_one_line_a_thing(host: Host) {
        guard(&host, "web", "web", LASTING);
        host.sh("for way in --brief ''; do systemd-run --quiet --unit=\"ear$way\" sh -c \"exec unitward monitor $way >/run/heard$way 2>&1\"; done");
        for file in ["/run/heard", "/run/heard--brief"] {
            host.wait_for(file, || (host.has(file) && host.read(file) == "Watching 1 ward.\n").then_some(()));
        }
        crash(&host, "web");
        let brief = host.wait_for("the recovery", || Some(host.read("/run/heard--brief")).filter(|text| text.contains("recovered")));
        let words: Vec<_> = brief.lines().skip(1).map(|line| line.split_whitespace().nth(3).unwrap()).collect();
        assert_eq!(words, ["crashed:", "recovered:"], "{brief}");
        host.wait_for("the states", || host.read("/run/heard").contains("is active (running)").then_some(()));
    }

    fn reports_fit_a_terminal_and_are_selected_and_summed_up(host: Host) {
        guard(&host, "web", "web", &format!("{LASTING}[OnDeath]\nRestart=%n\nWaitFor=path:/run/there 100ms\n"));
        host.write("/run/there", "");
        let first = crash(&host, "web");
        let before = host.sh("date +%s.%N");
        host.sh("rm /run/there");
        let (_, second) = kill(&host, "web");
        let failed = || host.sh(&format!("unitward reports show {second} --json 2>/dev/null || true")).contains("step-failed").then_some(());
        host.wait_for("the failed step", failed);
        let runs = |arguments: &str| -> Vec<String> {
            let lines = host.sh(&format!("unitward reports --json {arguments}"));
            lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["invocation"].as_str().unwrap().to_owned()).collect()
        };
        let check = |arguments: &str, expect: &[&str]| assert_eq!(runs(arguments), expect, "{arguments}");
        check("-n 1", &[&second]);
        check("--failed", &[&second]);
        check(&format!("--until @{}", before.trim()), &[&first]);
        check("", &[&first, &second]);
        for command in ["reports".to_owned(), format!("reports show {second}"), "status web".to_owned(), "list".to_owned(), "tree".to_owned(), "timeline web".to_owned(), "reports --summary".to_owned()] {
            let text = on_terminal(&host, &command);
            println!("$ unitward {command}\n{text}");
            assert!(text.lines().count() > 1 && text.lines().all(|line| line.chars().count() <= 80), "{command}:\n{text}");
        }
        let summary: Value = serde_json::from_str(&host.sh("unitward reports --summary --json")).unwrap();
        let web = &summary["wards"][0];
        assert_eq!((&web["ward"], &web["deaths"], &web["failed"], &web["downtimeUnknown"]), (&"web".into(), &2.into(), &1.into(), &0.into()));
        assert!(web["availability"].as_f64().unwrap() < 1.0 && web["meanTimeBetweenDeathsMs"].as_u64().unwrap() > 0, "{web}");
    }
}
