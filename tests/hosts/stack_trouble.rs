//! What is reported of full restarts that do not go well, are refused or are inhibited.

use crate::host::{Host, Subscriber};
use crate::on_both;
use crate::restarter::{Says, answers_of, outcome, said};
use crate::restarter_trouble::{kill_restarter, restarter};
use crate::stacks::{full_restarts, pids, set_up, wait_for_others};
use std::time::Duration;

/// The time in which whatever there is to be reported has been.
const QUIET: Duration = Duration::from_secs(2);

/// Waits for these reports of full restarts, in this order, beside whatever else is reported.
fn wait_for_reasons(host: &Host, reports: &Subscriber, expect: &[&str]) {
    let reasons = || {
        let found = full_restarts(&reports.messages());
        found
            .iter()
            .map(|report| report["reason"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    host.wait_for_within(Duration::from_secs(30), "the reports", || {
        (reasons().len() >= expect.len()).then_some(())
    });
    reports.wait_for_silence(QUIET);
    assert_eq!(reasons(), expect);
}

fn ask(host: &Host) -> (i32, String) {
    outcome(host, "unitward restart-stack opensync --caller f --wait")
}

on_both! {
    fn a_member_that_ignores_sigterm_is_a_second_report(host: Host) {
        let deaf = "[Service]\nExecStart=/bin/sh -c 'trap \"\" TERM; touch /run/deaf; while :; do sleep 1; done'\n\
            ExecStartPost=/bin/sh -c 'until test -e /run/deaf; do sleep 0.05; done'\nTimeoutStopSec=2s\n[Ward]\nStack=opensync\n";
        let reports = set_up(&host, "", &[("deaf.ward", deaf)]);
        host.wait_for_property("deaf", "ActiveState", "active");
        assert_eq!(ask(&host).0, 0);
        let trouble = "OpenSync restarted by f, but deaf.service had to be killed, it ignored SIGTERM for 2s";
        wait_for_reasons(&host, &reports, &["OpenSync restarted by f", trouble]);
        assert_eq!(reports.count(), 2, "its end is no crash");
    }

    fn a_member_that_does_not_come_back_is_a_second_report(host: Host) {
        host.script("/usr/local/bin/lost", "#!/bin/sh\nexec sleep infinity\n");
        let lost = "[Service]\nExecStart=/usr/local/bin/lost\n[Ward]\nStack=opensync\n[Recovery]\nDeathLimit=1\n";
        let reports = set_up(&host, "", &[("lost.ward", lost)]);
        host.sh("rm /usr/local/bin/lost");
        assert_eq!(ask(&host).0, 1);
        let failed = "OpenSync restart by f failed: lost.service did not come back (EXIT 203 (EXEC))";
        wait_for_reasons(&host, &reports, &["OpenSync restarted by f", failed]);
    }

    fn a_script_that_fails_or_never_ends_is_a_second_report(host: Host) {
        host.script("/usr/local/bin/again", "#!/bin/sh\nkill -KILL $(systemctl show --property=MainPID --value cm)\nexit 1\n");
        let reports = set_up(&host, "RestartScript=/usr/local/bin/again\nTimeoutSec=3s\n", &[]);
        assert_eq!(ask(&host).0, 1);
        let begun = "OpenSync restarted by f";
        let failed = "OpenSync restart by f failed: the restart script ended with status 1";
        wait_for_reasons(&host, &reports, &[begun, failed]);
        host.script("/usr/local/bin/again", "#!/bin/sh\nexec sleep infinity\n");
        assert_eq!(ask(&host).0, 1);
        let killed = "OpenSync restart by f failed: the restart script was killed after 3s";
        wait_for_reasons(&host, &reports, &[begun, failed, begun, killed]);
        assert_eq!(reports.count(), 4, "what the script has killed did not crash: {:#?}", reports.messages());
    }

    fn a_restarter_that_is_killed_reports_once(host: Host) {
        let reports = set_up(&host, "", &[]);
        // Somebody who is refused has it start.
        outcome(&host, "runuser -u nobody -- unitward restart-stack opensync");
        let then = pids(&host);
        // What it writes after the record, and before it restarts, is whom others find the restart under way by.
        let kill = ["--trace=pwrite64", "--inject=pwrite64:signal=KILL:when=1"];
        let mut tracer = host.trace(&restarter(&host, "opensync"), &kill);
        let (status, words) = ask(&host);
        assert!(tracer.ended_within(Duration::from_secs(10)).is_some(), "it was killed");
        assert!(status == 0, "{words}");
        wait_for_others(&host, &then);
        wait_for_reasons(&host, &reports, &["OpenSync restarted by f"]);
        // And once more when it is over, for nothing. Who is refused keeps it there for a while.
        outcome(&host, "runuser -u nobody -- unitward restart-stack opensync");
        kill_restarter(&host, "opensync");
        reports.assert_no_more_within(QUIET);
        assert_eq!(reports.count(), 1);
    }

    fn who_is_refused_is_known_and_not_reported(host: Host) {
        let reports = set_up(&host, "", &[]);
        let then = pids(&host);
        // A name that would be a line of its own.
        host.write("/run/rogue", "use IO::Socket::UNIX; $0 = \"x\\nforged\"; open my $comm, '>', '/proc/self/comm'; syswrite $comm, \"x\\nforged\";\n\
            my $asks = IO::Socket::UNIX->new(Peer => '/run/unitward/stacks/opensync'); print $$; STDOUT->flush; my $answer = <$asks>;");
        let pid = host.sh("runuser -u nobody -- perl /run/rogue");
        let refused = host.journal_json(&["MESSAGE_ID=f73e7bf575874841b9c6dfc2ac2b9f7b"]);
        assert_eq!(refused.len(), 1);
        let field = |name: &str| refused[0][name].as_str().unwrap_or_default().to_owned();
        assert_eq!((field("UNITWARD_PID"), field("UNITWARD_UID"), field("UNITWARD_CALLER")), (pid.clone(), "65534".into(), "x?forged".into()));
        assert!(field("MESSAGE").contains(&format!("process {pid} (x?forged) of user 65534")), "{refused:?}");
        reports.assert_no_more_within(QUIET);
        assert_eq!((reports.count(), pids(&host)), (0, then));
    }

    fn what_is_inhibited_is_one_line_and_no_report(host: Host) {
        let reports = set_up(&host, "InhibitFile=/run/hold\n", &[]);
        let then = pids(&host);
        host.write("/run/hold", "");
        let before = said(&host);
        let answers = answers_of(&host, "opensync", 6, (b"unitward-restart-stack 1\ncaller=f\n\n", Says::All));
        assert_eq!(answers, ["125 OpenSync is not restarted while /run/hold exists"; 6]);
        reports.assert_no_more_within(QUIET);
        assert_eq!((reports.count(), pids(&host)), (0, then));
        let said = said(&host);
        let lines: Vec<_> = said.strip_prefix(&before).unwrap_or(&said).trim().lines().collect();
        assert_eq!(lines, ["OpenSync is not restarted while /run/hold exists; asked for by f."]);
    }
}
