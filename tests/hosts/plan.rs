//! `unitward plan --diff` and `--explain`: what they say is what happens.

use crate::host::Host;
use crate::on_both;
use crate::report::{guard, kill};

const WARD: &str = "[Service]\nExecStart=/usr/bin/sleep infinity\n";

/// Output and exit status.
fn plan(host: &Host, arguments: &[&str]) -> (String, Option<i32>) {
    let output = host.try_run(&[&["unitward", "plan"], arguments].concat());
    let text = [output.stdout, output.stderr].concat();
    (
        String::from_utf8_lossy(&text).into_owned(),
        output.status.code(),
    )
}

/// Numbered lines, whole.
fn numbered(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in text.lines() {
        let is_number = line
            .trim_start()
            .split_once(". ")
            .is_some_and(|(number, _)| number.parse::<u32>().is_ok());
        if is_number {
            found.push(line.trim().to_owned());
        } else if let Some(last) = found.last_mut().filter(|_| line.starts_with("      ")) {
            last.push(' ');
            last.push_str(line.trim());
        }
    }
    found
}

on_both! {
    fn a_diff_says_what_a_daemon_reload_changes(host: Host) {
        const MAKES_IT_SO: &str = "systemctl daemon-reload makes it so.";
        assert_eq!(plan(&host, &["--diff"]), ("Nothing to do.\n".to_owned(), Some(0)));
        host.write("/etc/unitward/web.ward", WARD);
        let (text, status) = plan(&host, &["--diff"]);
        assert_eq!(status, Some(1));
        assert!(text.contains("--- /dev/null\n+++ /run/systemd/generator/web.service\n"), "{text}");
        assert!(text.contains("+ExecStart=/usr/bin/sleep infinity\n") && text.trim_end().ends_with(MAKES_IT_SO), "{text}");
        host.run(&["systemctl", "daemon-reload"]);
        assert_eq!(plan(&host, &["--diff"]), ("Nothing to do.\n".to_owned(), Some(0)));
        host.write("/etc/unitward/web.ward", &format!("{WARD}Nice=5\n[Install]\nWantedBy=multi-user.target\n"));
        let (text, status) = plan(&host, &["--diff"]);
        assert_eq!(status, Some(1));
        assert!(text.contains("+Nice=5\n") && text.contains("multi-user.target.wants/web.service"), "{text}");
        host.run(&["systemctl", "daemon-reload"]);
        host.run(&["rm", "/etc/unitward/web.ward"]);
        let (text, _) = plan(&host, &["--diff"]);
        assert!(text.contains("--- /run/systemd/generator/web.service\n+++ /dev/null\n"), "{text}");
        assert!(text.contains("--- /run/systemd/generator/multi-user.target.wants/web.service\n+++ /dev/null\n"), "{text}");
        host.run(&["systemctl", "daemon-reload"]);
        assert_eq!(plan(&host, &["--diff"]), ("Nothing to do.\n".to_owned(), Some(0)));
        let (text, status) = plan(&host, &["--diff", "--root", "/nowhere"]);
        assert!(status == Some(2) && text.contains("failed to open the root directory /nowhere"), "{text}");
    }

    fn a_unit_whose_file_is_newer_than_what_is_loaded_is_named(host: Host) {
        host.write("/etc/systemd/system/mine.service", "[Service]\nExecStart=/usr/bin/sleep infinity\nRestart=always\n");
        guard(&host, "mine", "mine.service", "[Ward]\nUnit=mine.service\n");
        assert_eq!(plan(&host, &["--diff"]).0, "Nothing to do.\n");
        host.sh("echo Nice=5 >>/etc/systemd/system/mine.service; touch -d '+2 seconds' /etc/systemd/system/mine.service");
        let (text, _) = plan(&host, &["--diff"]);
        assert!(text.contains("# mine.service: its file is newer than what systemd has loaded."), "{text}");
    }

    fn what_is_explained_is_what_happens(host: Host) {
        let steps = "[Recovery]\nDelaySec=1s\n[OnDeath]\nExecute=/bin/sh -c 'echo first >>/root/done'\nRestart=%n\n\
            WaitFor=500ms\nExecute=/bin/false\nElseLog=did not work\nStart=helper.service\n[OnRestart]\nLog=never\n";
        host.write("/etc/systemd/system/helper.service", "[Service]\nExecStart=/usr/bin/sleep infinity\n");
        guard(&host, "web", "web.service", &format!("{WARD}{steps}"));
        let (text, status) = plan(&host, &["--explain", "web.service"]);
        println!("{text}");
        assert_eq!(status, Some(0));
        let order = numbered(&text);
        let expect = [
            "1. [OnDeath] runs /bin/sh -c",
            "2. web.service is started again.",
            "3. [OnDeath] waits 500ms.",
            "4. [OnDeath] runs /bin/false as the service, and waits for it. If that fails: writes \"did not work\"",
            "5. [OnDeath] starts helper.service.",
            "6. If all that succeeded, [OnRestart] follows.",
            "7. [OnRestart] writes \"never\" to the journal.",
            "8. web.service counts as up again",
        ];
        for (said, expect) in order.iter().zip(expect) {
            assert!(said.starts_with(expect), "{said}");
        }
        assert_eq!(order.len(), expect.len(), "{text}");
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let waits = "The first restart waits 1s, those that follow 2s, 4s, 8s and 16s, then 30s each.";
        assert!(words.contains(waits), "{text}");
        let (_, run) = kill(&host, "web.service");
        let recovery = host.wait_for("the recovery", || {
            let told = host.try_run(&["unitward", "timeline", "--json", &run]);
            let told: serde_json::Value = serde_json::from_slice(&told.stdout).ok()?;
            Some(told["recoveries"][0].clone()).filter(|recovery| recovery["endMs"].is_u64())
        });
        let attempt = &recovery["attempts"][0];
        let steps = attempt["steps"].as_array().expect("an array");
        let done: Vec<_> = steps.iter().map(|step| step["step"].as_str().expect("a word")).collect();
        assert_eq!(done, ["Execute", "WaitFor", "Execute", "ElseLog", "Start"], "a step failed, so [OnRestart] keeps still");
        assert_eq!(attempt["backoffMs"], 1_000);
        let ms = |value: &serde_json::Value| value.as_u64().expect("a number");
        assert!((1_000..6_000).contains(&ms(&recovery["downtimeMs"])), "{recovery}");
        assert!(ms(&recovery["recoveryMs"]) >= ms(&recovery["downtimeMs"]) + 480, "{recovery}");
        assert_eq!(host.systemctl_show("helper.service", "ActiveState"), "active");
        let (text, status) = plan(&host, &["--explain", "webb"]);
        assert!(status == Some(1) && text.contains("did you mean \"web\"?"), "{text}");
    }
}
