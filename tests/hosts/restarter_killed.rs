//! Full restarts go on whatever becomes of those who make them: a restarter that is killed, systemd that begins anew, a host
//! that goes down.

use crate::host::Host;
use crate::on_both;
use crate::restarter::{
    Says, all_are_new, answers_of, outcome, pids, records, said, set_up, the_record,
};
use crate::restarter_trouble::{SLOW, end, kill_restarter, restarter, run_of};
use std::time::{Duration, Instant};

/// A restart script that does nothing before there is `/run/go`.
const SLOW_SCRIPT: &str = "#!/bin/sh\necho once >>/run/ran\nuntil test -e /run/go; do sleep 0.05; done\nsystemctl restart web db till\n";

/// Joins the restart under way, and waits for its end. Whatever waits for `/run/go` goes on as soon as the caller is connected.
fn join(host: &Host) {
    let request = b"unitward-restart-stack 1\ncaller=joiner\nanswer=over\n\n";
    let answers = answers_of(host, "shop", 1, (request, Says::All));
    assert!(answers[0].starts_with("0 "), "{answers:?}");
}

on_both! {
    fn a_restarter_that_is_killed_around_the_beginning_of_the_restart_goes_on_with_it(host: Host) {
        set_up(&host, "", &[]);
        // It says twice how far it has come: after the record and before it restarts, and when it does.
        for (when, count) in [("when=1", 1), ("when=2", 2)] {
            // Somebody who is refused has it start.
            outcome(&host, "runuser -u nobody -- unitward restart-stack shop");
            let then = pids(&host);
            let inject = format!("--inject=pwrite64:signal=KILL:{when}");
            let mut tracer = host.trace(&restarter(&host, "shop"), &["--trace=pwrite64", &inject]);
            let (status, words) = outcome(&host, "unitward restart-stack shop --wait");
            assert!(tracer.ended_within(Duration::from_secs(10)).is_some(), "it was killed");
            assert!(status == 0, "who asked has asked again: {words}");
            assert!(all_are_new(&host, &then));
            let ends: Vec<_> = records(&host).iter().map(|record| record["end"]["outcome"].clone()).collect();
            assert_eq!(ends, vec!["restarted"; count], "{when}");
            assert_eq!(host.systemctl_show("unitward-stack@shop.service", "NRestarts"), count.to_string());
        }
        assert_eq!(said(&host).matches("Going on with the restart of Shop").count(), 2, "{}", said(&host));
    }

    fn a_restarter_that_is_killed_while_it_waits_goes_on_waiting(host: Host) {
        set_up(&host, "", &[("slow.ward", SLOW)]);
        let (then, run) = (pids(&host), host.systemctl_show("slow", "InvocationID"));
        host.sh("unitward restart-stack shop");
        host.wait_for_property("slow", "ActiveState", "deactivating");
        for _ in 0..2 {
            let killed = kill_restarter(&host, "shop");
            host.wait_for("the next one", || {
                let is_next = restarter(&host, "shop") != killed;
                (is_next && host.systemctl_show("unitward-stack@shop.service", "SubState") == "running").then_some(())
            });
        }
        join(&host);
        assert!(all_are_new(&host, &then));
        let record = the_record(&host);
        assert_eq!(end(&record), ("restarted", ""));
        assert_ne!(host.systemctl_show("slow", "InvocationID"), run);
        let starts = host.journal_json(&["-u", "slow", "MESSAGE_ID=39f53479d3a045ac8e11786248231fbf"]);
        assert_eq!(starts.len(), 2, "it was restarted once");
    }

    fn a_script_outlives_its_restarter(host: Host) {
        host.script("/usr/local/bin/again", SLOW_SCRIPT);
        set_up(&host, "RestartScript=/usr/local/bin/again\n", &[]);
        let then = pids(&host);
        host.sh("systemd-run --quiet unitward restart-stack shop");
        host.wait_for("the script", || host.has("/run/ran").then_some(()));
        kill_restarter(&host, "shop");
        join(&host);
        assert!(all_are_new(&host, &then));
        assert_eq!(end(&the_record(&host)), ("restarted", ""));
        assert_eq!(host.read("/run/ran"), "once\n");
    }

    fn a_restart_is_known_by_its_unit_when_nothing_is_left_of_its_makers(host: Host) {
        set_up(&host, "", &[("slow.ward", SLOW)]);
        let then = pids(&host);
        host.sh("systemd-run --quiet unitward restart-stack shop");
        host.wait_for_property("slow", "ActiveState", "deactivating");
        host.sh("systemctl kill --kill-whom=all --signal=KILL unitward-stack@shop.service");
        join(&host);
        assert!(all_are_new(&host, &then));
        assert_eq!(end(&the_record(&host)), ("restarted", ""));
        let starts = host.journal_json(&["-u", "slow", "MESSAGE_ID=39f53479d3a045ac8e11786248231fbf"]);
        assert_eq!(starts.len(), 2, "it was restarted once");
    }

    fn a_script_that_was_killed_with_its_restarter_is_not_run_again(host: Host) {
        host.script("/usr/local/bin/again", SLOW_SCRIPT);
        set_up(&host, "RestartScript=/usr/local/bin/again\n", &[]);
        host.sh("systemd-run --quiet unitward restart-stack shop");
        host.wait_for("the script", || host.has("/run/ran").then_some(()));
        host.sh("systemctl kill --kill-whom=all --signal=KILL unitward-stack@shop.service");
        let trouble = "db.service was not restarted, till.service was not restarted, web.service was not restarted";
        let record = the_record(&host);
        assert_eq!((end(&record), host.read("/run/ran").as_str()), (("failed", trouble), "once\n"));
    }

    fn systemd_may_begin_anew_meanwhile(host: Host) {
        set_up(&host, "", &[("slow.ward", SLOW)]);
        let then = pids(&host);
        host.sh("unitward restart-stack shop");
        host.wait_for_property("slow", "ActiveState", "deactivating");
        host.sh("systemctl daemon-reload; systemctl daemon-reexec");
        join(&host);
        assert!(all_are_new(&host, &then));
        assert!(records(&host).iter().all(|record| end(record) == ("restarted", "")), "{:#?}", records(&host));
    }

    fn a_restart_whose_systemctl_is_cut_off_happens_once(host: Host) {
        set_up(&host, "", &[]);
        // Only what stands at its own path is started.
        host.sh("mv /usr/bin/systemctl /usr/bin/systemctl.own");
        let starts = || host.journal_json(&["-u", "web", "MESSAGE_ID=39f53479d3a045ac8e11786248231fbf"]).len();
        // systemd executes itself anew before it hears of the restart, or after it.
        for (before, count) in [("", 2), ("/usr/bin/systemctl.own --no-block \"$@\";", 3)] {
            let cut_off = format!(
                "#!/bin/sh\n[ \"$3\" = restart ] && [ ! -e /run/cut ] && {{ touch /run/cut; {before} echo 'Failed to connect to bus: Connection refused' >&2; exit 1; }}\n\
                 exec /usr/bin/systemctl.own \"$@\"\n"
            );
            host.script("/usr/bin/systemctl", &cut_off);
            let then = pids(&host);
            let (status, words) = outcome(&host, "rm -f /run/cut; unitward restart-stack shop --wait");
            assert!(status == 0 && host.has("/run/cut"), "{words}");
            assert!(all_are_new(&host, &then));
            assert_eq!(starts(), count);
        }
        let ends: Vec<_> = records(&host).iter().map(|record| record["end"]["outcome"].clone()).collect();
        assert_eq!(ends, ["restarted"; 2]);
    }

    fn a_host_that_goes_down_restarts_nothing_and_waits_for_nobody(mut host: Host) {
        let last = "[Service]\nExecStart=sleep infinity\nExecStop=/bin/sh -c 'unitward restart-stack shop --wait >/var/log/asked 2>&1'\n[Ward]\nStack=shop\n";
        set_up(&host, "", &[("last.ward", last)]);
        let begun = Instant::now();
        host.reboot();
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        assert!(host.read("/var/log/asked").starts_with("Failed to restart shop: "), "{}", host.read("/var/log/asked"));
        assert!(records(&host).iter().all(|record| record["end"]["outcome"] == "failed"), "{:#?}", records(&host));
        assert_eq!(host.failed_units(), [""; 0]);
    }

    fn what_a_script_kills_while_no_restarter_runs_did_not_die(host: Host) {
        let kill = "#!/bin/sh\ntouch /run/ran\nwhile kill -0 $PPID; do :; done\nkill -KILL $(systemctl show --property=MainPID --value web)\nsleep 1\n\
                    systemctl restart db till\n";
        host.script("/usr/local/bin/again", kill);
        set_up(&host, "RestartScript=/usr/local/bin/again\n", &[]);
        let (then, run) = (pids(&host), host.systemctl_show("web", "InvocationID"));
        host.sh("systemd-run --quiet unitward restart-stack shop");
        host.wait_for("the script", || host.has("/run/ran").then_some(()));
        kill_restarter(&host, "shop");
        assert_eq!(end(&the_record(&host)), ("restarted", ""));
        assert!(all_are_new(&host, &then));
        let old = run_of(&host, "web", &run);
        assert_eq!((&old["end"]["asked"], &old["end"]["status"]), (&true.into(), &"KILL".into()));
    }
}
