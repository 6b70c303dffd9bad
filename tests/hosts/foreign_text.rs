//! Texts that others have written, as they are shown: whatever is in them, a line stays the line it is.

use crate::host::Host;
use crate::on_both;
use crate::report::{guard, kill, wait_for_restart};
use serde_json::Value;

/// Turns the rest of a line round; ends one; tells a terminal to clear itself; is not seen.
const HIDDEN: [char; 6] = [
    '\u{202e}',
    '\u{2028}',
    '\u{9b}',
    '\u{1b}',
    '\u{200b}',
    '\u{e0041}',
];

fn assert_safe(what: &str, said: &str) {
    assert!(!said.contains(HIDDEN), "{what}: {said:?}");
}

on_both! {
    fn a_description_a_reason_and_a_status_do_nothing_to_a_terminal(host: Host) {
        host.script("/usr/local/bin/web", "#!/bin/sh\nsystemd-notify --ready --status=\"$(printf 'up \\342\\200\\256nwod\\342\\200\\250\\342\\200\\213')\"\nexec sleep infinity\n");
        let text = "fine \u{202e}live\u{200b}\u{2028}\u{9b}2J\u{e0041}";
        guard(&host, "web", "web", &format!("[Unit]\nDescription=Web {text}\n[Service]\nType=notify\nNotifyAccess=all\nExecStart=/usr/local/bin/web\n[OnDeath]\nLog={text}\n"));
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        host.write("/etc/unitward/wrong.ward", &format!("[Ward]\nUnit={text}.service\n[{text}]\n{text}\n"));
        host.write("/root/reason", text);
        let status = host.wait_for("its STATUS=", || Some(host.sh("unitward status web")).filter(|said| said.contains("nwod")));
        assert!(status.contains("up \u{fffd}nwod"), "{status}");
        assert_safe("status", &status);
        host.sh("touch /run/heard /run/objects; systemd-run --quiet --unit=ear --property=StandardOutput=append:/run/heard unitward monitor");
        host.sh("systemd-run --quiet --unit=objects --property=StandardOutput=append:/run/objects unitward monitor --json; sleep 1");
        host.sh("unitward exclude web --reason=\"$(cat /root/reason)\"");
        host.wait_for("the signal", || host.read("/run/heard").contains("excluded by hand").then_some(()));
        for command in [
            "list", "status web", "tree", "tree web", "reports", &format!("reports show {run}"), "timeline web", "timeline web --svg=-", "plan --explain web", "check",
            "status \"$(cat /root/reason)\"", "plan --explain \"$(cat /root/reason)\"", "exclude \"$(cat /root/reason)\"", "restart-stack \"$(cat /root/reason)\"", "check --root \"/$(cat /root/reason)\"",
        ] {
            let said = host.sh(&format!("unitward {command} 2>&1 || true"));
            assert!(!said.is_empty(), "{command}");
            assert_safe(command, &said);
        }
        // A terminal is spared the units, too; who takes them up gets them as they are.
        assert!(host.sh("unitward plan 2>/dev/null || true").contains("Web fine \u{202e}live"));
        assert_safe("plan", &host.sh("script --quiet --command 'unitward plan; unitward plan --diff' /dev/null </dev/null || true").replace('\u{1b}', ""));
        assert_safe("monitor", &host.read("/run/heard"));
        assert_safe("monitor --json", &host.read("/run/objects"));
        for command in ["list", "status web", "tree", "reports", &format!("reports show {run}"), "timeline web", "check"] {
            assert_safe(command, &host.sh(&format!("unitward {command} --json || true")));
        }
        let raw = host.sh("unitward status --json web");
        assert!(raw.contains("\\u202e"), "{raw}");
        let document: Value = serde_json::from_str(&raw).unwrap();
        let description = document["description"].as_str().unwrap();
        assert!(description.contains("fine \u{202e}live\u{200b}\u{2028}"), "JSON has it as it is: {description:?}");
        for identifier in ["unitwardd", "unitward-step", "unitward"] {
            let said = host.journal(&["-o", "cat", "-t", identifier]);
            assert_safe(identifier, &said);
        }
        let logged = host.journal(&["-o", "cat", "-t", "unitward-step"]);
        assert!(logged.contains("fine \u{fffd}live"), "{logged}");
    }
}
