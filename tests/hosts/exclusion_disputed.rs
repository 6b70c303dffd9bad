//! Wards that two administrators exclude and readmit at the same time, and what else is refused in a sentence.

use crate::host::Host;
use crate::on_both;
use crate::report::guard;
use crate::restarter::set_up;
use std::process::{Child, Output};

const MARK: &str = "/run/unitward/wards/web/excluded.json";
/// A command that takes until somebody lets it go on.
const HELD: &str = "sh -c 'touch /run/held; until test -e /run/go; do sleep 0.05; done'";

/// What a command says, on both outputs, and its exit status.
fn say(host: &Host, command: &str) -> (i32, String) {
    read(&host.try_run(&["sh", "-c", &format!("{command} 2>&1")]))
}

/// The same of one that goes on meanwhile.
fn begin(host: &Host, command: &str) -> Child {
    host.inside(&["timeout", "60", "sh", "-c", &format!("{command} 2>&1")])
        .spawn()
        .unwrap()
}

fn end(begun: Child) -> (i32, String) {
    read(&begun.wait_with_output().unwrap())
}

fn read(output: &Output) -> (i32, String) {
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned(),
    )
}

/// Waits until the unit's held command runs.
#[track_caller]
fn wait_until_held(host: &Host) {
    host.wait_for("the command that is held", || {
        host.has("/run/held").then_some(())
    });
}

on_both! {
    fn an_exclusion_that_somebody_ends_while_the_unit_is_being_stopped_says_so(host: Host) {
        guard(&host, "web", "web", &format!("[Service]\nExecStart=sleep infinity\nExecStop={HELD}\n"));
        let exclude = begin(&host, "unitward exclude web");
        wait_until_held(&host);
        let readmit = begin(&host, "unitward readmit web");
        let sentence = "web is not excluded: somebody has readmitted it meanwhile.";
        assert_eq!(end(exclude), (1, sentence.to_owned()));
        assert_eq!(host.systemctl_show("web", "ActiveState"), "deactivating", "it has not waited for the stop");
        host.write("/run/go", "");
        assert_eq!(end(readmit), (0, "web is readmitted: web.service is up.".to_owned()));
        assert!(!host.has(MARK));
    }

    fn a_readmission_that_somebody_ends_while_the_unit_is_being_started_says_so(host: Host) {
        host.write("/run/go", "");
        guard(&host, "web", "web", &format!("[Service]\nExecStartPre={HELD}\nExecStart=sleep infinity\n"));
        let down = "web is excluded: web.service is down until \"unitward readmit web\".";
        assert_eq!(say(&host, "unitward exclude web"), (0, down.to_owned()));
        host.sh("rm /run/go /run/held");
        let readmit = begin(&host, "unitward readmit web");
        wait_until_held(&host);
        assert_eq!(say(&host, "unitward exclude web"), (0, down.to_owned()));
        let sentence = "web is not readmitted: somebody has excluded it meanwhile.";
        assert_eq!(end(readmit), (1, sentence.to_owned()));
        assert!(host.has(MARK));
        assert_ne!(host.systemctl_show("web", "ActiveState"), "active");
    }

    fn a_ward_that_somebody_stops_is_not_excluded_and_can_be_started(host: Host) {
        guard(&host, "web", "web", &format!("[Service]\nExecStart=sleep infinity\nExecStop={HELD}\n"));
        host.run(&["systemctl", "stop", "--no-block", "web"]);
        wait_until_held(&host);
        let sentence = "web is not excluded: web.service is being stopped, \"systemctl start web.service\" starts it again.";
        assert_eq!(say(&host, "unitward readmit web"), (0, sentence.to_owned()));
        host.write("/run/go", "");
    }

    fn a_member_that_somebody_excludes_while_its_stack_is_restarted_has_not_died(host: Host) {
        host.write("/run/go", "");
        let slow = format!("[Service]\nExecStartPre={HELD}\nExecStart=sleep infinity\n[Ward]\nStack=shop\n");
        set_up(&host, "", &[("slow.ward", &slow)]);
        host.sh("systemctl start unitwardd; rm /run/go /run/held");
        let restart = begin(&host, "unitward restart-stack shop --wait");
        wait_until_held(&host);
        let (code, said) = say(&host, "unitward exclude slow");
        assert!(code == 0 && said.starts_with("slow is excluded: slow.service is down"), "{code} {said}");
        let (code, said) = end(restart);
        assert!(code == 1 && said.contains("slow.service was excluded meanwhile"), "{code} {said}");
    }

    fn a_reason_that_is_too_long_is_refused(host: Host) {
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\n");
        let (code, said) = say(&host, &format!("unitward exclude web --reason={}", "a".repeat(201)));
        assert_eq!((code, said.as_str()), (1, "The reason has 201 characters, and may have 200: make it shorter."));
        assert_eq!((host.systemctl_show("web", "ActiveState").as_str(), host.has(MARK)), ("active", false));
        let longest = "a".repeat(200);
        assert_eq!(say(&host, &format!("unitward exclude web --reason={longest}")).0, 0);
        assert!(host.read(MARK).contains(&format!("\"{longest}\"")));
    }

    fn a_daemon_that_is_masked_is_told_to_be(host: Host) {
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\n");
        host.run(&["systemctl", "mask", "--now", "--runtime", "unitwardd"]);
        let way = "is masked: \"systemctl unmask unitwardd\" allows it to start.";
        let sentence = |needed: &str| (1, format!("unitwardd, which {needed}, {way}"));
        let excluded = "web is excluded: web.service is down until \"unitward readmit web\".";
        assert_eq!(say(&host, "unitward exclude web"), (0, excluded.to_owned()), "that needs no daemon");
        assert_eq!(say(&host, "runuser -u nobody -- unitward list"), sentence("answers for everybody but root"));
    }
}
