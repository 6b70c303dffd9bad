//! Full restarts that do not go well: members and scripts that fail, a disk that is full; and those that wards ask for.

use crate::host::Host;
use crate::on_both;
use crate::report::wait_for_restart_or_end;
use crate::restarter::{MEMBERS, all_are_new, outcome, pids, records, said, set_up, the_record};
use rustix::process::Signal;
use serde_json::Value;
use std::time::{Duration, Instant};

/// A member that does not stop before there is `/run/go`.
pub(crate) const SLOW: &str = "[Service]\nExecStart=sleep infinity\n\
    ExecStop=/bin/sh -c 'until test -e /run/go; do sleep 0.05; done'\nRestart=always\n[Ward]\nStack=shop\n";

/// The process of a stack's restarter.
pub(crate) fn restarter(host: &Host, stack: &str) -> String {
    host.wait_for("the restarter", || {
        Some(host.systemctl_show(&format!("unitward-stack@{stack}.service"), "MainPID"))
            .filter(|pid| pid != "0")
    })
}

/// Kills it, and gives which process that was.
pub(crate) fn kill_restarter(host: &Host, stack: &str) -> String {
    let pid = restarter(host, stack);
    host.signal(host.outer_pid(&pid), Signal::KILL);
    pid
}

pub(crate) fn end(record: &Value) -> (&str, &str) {
    (
        record["end"]["outcome"].as_str().unwrap(),
        record["end"]["trouble"].as_str().unwrap(),
    )
}

/// The record of a member's run.
pub(crate) fn run_of(host: &Host, member: &str, run: &str) -> Value {
    serde_json::from_str(&host.read(&format!("/run/unitward/wards/{member}/runs/{run}.json")))
        .expect("a record")
}

/// A member that asks for the next restart once it is back.
const ASKS: &str = "[Service]\nExecStart=/usr/local/bin/asks\n[Ward]\nStack=shop\n";
const ASKS_WHEN_BACK: &str = "#!/bin/sh\n[ -e /run/late ] && [ ! -e /run/asked ] && { touch /run/asked; unitward restart-stack shop --caller again; }\nexec sleep infinity\n";

/// Restarts the stack; the member's wish is an event of its own.
#[track_caller]
fn restart_and_be_asked_again(host: &Host) {
    host.sh("touch /run/late; unitward restart-stack shop --caller first");
    host.wait_for_within(Duration::from_secs(40), "both", || {
        let all = records(host);
        (all.len() == 2 && all.iter().all(|record| !record["end"].is_null())).then_some(())
    });
    let all = records(host);
    assert_eq!(
        (&all[0]["caller"], end(&all[0])),
        (&"first".into(), ("restarted", ""))
    );
    assert_eq!(
        (&all[1]["caller"], end(&all[1])),
        (&"again".into(), ("restarted", ""))
    );
    assert_eq!(all[0]["joined"], serde_json::json!([]));
}

on_both! {
    fn a_member_that_ignores_sigterm_is_killed_and_told(host: Host) {
        let deaf = "[Service]\nExecStart=/bin/sh -c 'trap \"\" TERM; touch /run/deaf; while :; do sleep 1; done'\n\
            ExecStartPost=/bin/sh -c 'until test -e /run/deaf; do sleep 0.05; done'\nTimeoutStopSec=2s\n[Ward]\nStack=shop\n";
        set_up(&host, "", &[("deaf.ward", deaf)]);
        host.wait_for_property("deaf", "ActiveState", "active");
        let begun = Instant::now();
        let (status, words) = outcome(&host, "unitward restart-stack shop --wait");
        assert_eq!(status, 0);
        assert!(words.contains("Shop was restarted, but deaf.service had to be killed, it ignored SIGTERM for 2s"), "{words}");
        assert!(begun.elapsed() < Duration::from_secs(15));
        assert_eq!(end(&the_record(&host)), ("restarted", "deaf.service had to be killed, it ignored SIGTERM for 2s"));
    }

    fn a_member_that_does_not_come_back_is_told_with_its_cause(host: Host) {
        host.script("/usr/local/bin/lost", "#!/bin/sh\nexec sleep infinity\n");
        let lost = "[Service]\nExecStart=/usr/local/bin/lost\n[Ward]\nStack=shop\n[Recovery]\nDeathLimit=1\n";
        let soon = "[Service]\nExecStart=/bin/sh -c 'test ! -e /run/soon || { sleep 0.1; exit 7; }; exec sleep infinity'\nRestart=no\n[Ward]\nStack=shop\n";
        set_up(&host, "", &[("lost.ward", lost), ("soon.ward", soon)]);
        host.sh("rm /usr/local/bin/lost; touch /run/soon");
        let then = pids(&host);
        let (status, words) = outcome(&host, "unitward restart-stack shop --wait");
        let trouble = "lost.service did not come back (EXIT 203 (EXEC)), soon.service did not come back (EXIT 7)";
        assert_eq!((status, words.as_str()), (1, format!("Failed to restart shop: {trouble}.").as_str()));
        assert!(all_are_new(&host, &then), "the others are back");
        assert_eq!(end(&the_record(&host)), ("failed", trouble));
        let told = host.journal_json(&["MESSAGE_ID=bf51698eea7840e9825ee2499409cd28"]);
        assert_eq!((told.len(), &told[0]["UNITWARD_TROUBLE"]), (1, &trouble.into()));
    }

    fn a_member_that_keeps_dying_is_found_out_in_bounded_time(host: Host) {
        let weak = "[Service]\nExecStart=/bin/sh -c 'test ! -e /run/weak || { sleep 0.1; kill -SEGV $$$$; }; exec sleep infinity'\nRestart=always\n[Ward]\nStack=shop\n[Recovery]\nDeathLimit=0\nMaxDelaySec=0\n";
        set_up(&host, "", &[("weak.ward", weak)]);
        host.sh("touch /run/weak");
        let begun = Instant::now();
        let (status, words) = outcome(&host, "unitward restart-stack shop --wait");
        assert!(status == 1 && words.contains("weak.service keeps dying"), "{words}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }

    fn a_restart_that_lasts_too_long_is_given_up(host: Host) {
        let stuck = "[Service]\nExecStart=sleep infinity\nExecStop=sleep 30\nTimeoutStopSec=60\n[Ward]\nStack=shop\n";
        set_up(&host, "TimeoutSec=3s\n", &[("stuck.ward", stuck)]);
        let begun = Instant::now();
        let (status, words) = outcome(&host, "unitward restart-stack shop --wait");
        assert_eq!((status, words.as_str()), (1, "Failed to restart shop: it was not over after 3s: stuck.service is still stopping."));
        assert!(begun.elapsed() < Duration::from_secs(25), "before the member has stopped: {:?}", begun.elapsed());
        assert_eq!(end(&the_record(&host)).0, "failed");
    }

    fn a_unit_that_cannot_be_restarted_is_told(host: Host) {
        set_up(&host, "", &[]);
        host.sh("systemctl stop shop.target; mkdir -p /run/systemd/system; ln -s /dev/null /run/systemd/system/shop.target; systemctl daemon-reload");
        let (status, words) = outcome(&host, "unitward restart-stack shop");
        assert!(status == 1 && words.contains("systemd refused it: Unit shop.target is masked"), "{words}");
        assert_eq!(end(&the_record(&host)).0, "failed");
    }

    fn a_script_restarts_in_its_own_way(host: Host) {
        host.script("/usr/local/bin/again", "#!/bin/sh\necho running\nsystemctl restart web db till\n");
        set_up(&host, "RestartScript=/usr/local/bin/again\n", &[]);
        let (then, target) = (pids(&host), host.systemctl_show("shop.target", "InvocationID"));
        assert_eq!(outcome(&host, "unitward restart-stack shop --wait").0, 0);
        assert!(all_are_new(&host, &then));
        assert_eq!(host.systemctl_show("shop.target", "InvocationID"), target, "systemd did not do it");
        assert_eq!(end(&the_record(&host)), ("restarted", ""));
        assert!(host.journal(&["-u", "unitward-stack@shop.service", "-o", "cat"]).contains("running"));
        host.script("/usr/local/bin/again", "#!/bin/sh\nsystemctl restart web db\n");
        let (status, words) = outcome(&host, "unitward restart-stack shop --wait");
        assert_eq!((status, words.as_str()), (1, "Failed to restart shop: till.service was not restarted."));
    }

    fn a_script_that_fails_or_never_ends_is_told_in_bounded_time(host: Host) {
        host.script("/usr/local/bin/again", "#!/bin/sh\nexit 1\n");
        set_up(&host, "RestartScript=/usr/local/bin/again\nTimeoutSec=3s\n", &[]);
        let then = pids(&host);
        for command in ["unitward restart-stack shop", "unitward restart-stack shop --wait"] {
            let (status, words) = outcome(&host, command);
            assert_eq!((status, words.as_str()), (1, "Failed to restart shop: the restart script ended with status 1."));
        }
        host.script("/usr/local/bin/again", "#!/bin/sh\ntrap '' TERM\nsleep 1000 &\nwait\nwait\n");
        let begun = Instant::now();
        let (status, words) = outcome(&host, "unitward restart-stack shop --wait");
        assert_eq!((status, words.as_str()), (1, "Failed to restart shop: the restart script was killed after 3s."));
        assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
        assert_eq!(host.sh("pgrep -f '[s]leep 1000' || true"), "", "nothing of it is left");
        host.sh("rm /usr/local/bin/again");
        let (status, words) = outcome(&host, "unitward restart-stack shop");
        assert!(status == 1 && words.contains("failed to run /usr/local/bin/again: No such file"), "{words}");
        let ends: Vec<_> = records(&host).iter().map(|record| end(record).1.to_owned()).collect();
        assert_eq!(ends.len(), 4, "{ends:?}");
        assert_eq!(pids(&host), then);
    }

    fn a_script_that_takes_long_does_not_hold_up_its_caller(host: Host) {
        host.script("/usr/local/bin/again", "#!/bin/sh\nsleep 7\nsystemctl restart web db till\n");
        set_up(&host, "RestartScript=/usr/local/bin/again\n", &[]);
        let (then, begun) = (pids(&host), Instant::now());
        let (status, words) = outcome(&host, "unitward restart-stack shop");
        assert!(status == 0 && words.starts_with("Restarting shop; it is not known yet"), "{words}");
        assert!((4..7).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
        host.wait_for("the restart", || all_are_new(&host, &then).then_some(()));
        assert_eq!(end(&the_record(&host)), ("restarted", ""));
    }

    fn what_a_script_kills_did_not_die(host: Host) {
        let kill = "#!/bin/sh\nfor member in web db till; do systemctl kill --kill-whom=main --signal=KILL $member; done\n\
                    for member in web db till; do timeout 20 sh -c \"until systemctl is-active --quiet $member; do sleep 0.1; done\"; done\n";
        host.script("/usr/local/bin/again", kill);
        let steps = "[OnDeath]\nExecute=/bin/touch /run/answered\n[OnLimit]\nExecute=/bin/touch /run/limit\n";
        let web = format!("[Service]\nExecStart=sleep infinity\nRestart=always\n[Ward]\nStack=shop\n[Recovery]\nDeathLimit=1\nMaxDelaySec=0\n{steps}");
        set_up(&host, "RestartScript=/usr/local/bin/again\n", &[("web.ward", &web)]);
        for _ in 0..3 {
            let (then, run) = (pids(&host), host.systemctl_show("web", "InvocationID"));
            let (status, words) = outcome(&host, "unitward restart-stack shop --wait");
            assert!(status == 0, "{words}");
            assert!(all_are_new(&host, &then));
            let old = run_of(&host, "web", &run);
            assert_eq!((&old["end"]["asked"], &old["end"]["status"]), (&true.into(), &"KILL".into()));
            let new = run_of(&host, "web", &host.systemctl_show("web", "InvocationID"));
            assert_eq!((&new["start"], &new["follows"]), (&"first".into(), &Value::Null));
        }
        assert!(!host.has("/run/answered") && !host.has("/run/limit"));
        // A death of its own is one, all the same.
        let run = host.systemctl_show("web", "InvocationID");
        host.sh("systemctl kill --kill-whom=main --signal=KILL web");
        host.wait_for("its answer", || host.has("/run/answered").then_some(()));
        assert_eq!(run_of(&host, "web", &run)["end"]["asked"], false);
    }

    fn what_a_script_kills_that_fails_did_not_die_either(host: Host) {
        host.script("/usr/local/bin/again", "#!/bin/sh\nkill -KILL $(systemctl show --property=MainPID --value web)\nexit 1\n");
        set_up(&host, "RestartScript=/usr/local/bin/again\n", &[]);
        for _ in 0..3 {
            let run = host.systemctl_show("web", "InvocationID");
            let (status, words) = outcome(&host, "unitward restart-stack shop");
            assert_eq!((status, words.as_str()), (1, "Failed to restart shop: the restart script ended with status 1."));
            let old = host.wait_for("the run's end", || Some(run_of(&host, "web", &run)).filter(|old| !old["end"].is_null()));
            assert_eq!((&old["end"]["asked"], &old["end"]["status"]), (&true.into(), &"KILL".into()));
            host.wait_for("the next run", || (host.systemctl_show("web", "InvocationID") != run).then_some(()));
            host.wait_for_property("web", "ActiveState", "active");
        }
    }

    fn what_a_failed_script_has_killed_and_takes_long_to_end_did_not_die_either(host: Host) {
        host.script("/usr/local/bin/again", "#!/bin/sh\nkill -KILL $(systemctl show --property=MainPID --value lag)\nexit 1\n");
        // Its own line comes before ours, which notes the end.
        host.write("/etc/systemd/system/lag.service", "[Service]\nExecStart=sleep infinity\nExecStopPost=/bin/sh -c 'until test -e /run/ended; do sleep 0.1; done'\nRestart=always\n");
        set_up(&host, "RestartScript=/usr/local/bin/again\n", &[("lag.ward", "[Ward]\nUnit=lag.service\nStack=shop\n")]);
        host.wait_for_property("lag", "ActiveState", "active");
        let run = host.systemctl_show("lag", "InvocationID");
        // The answer does not wait for it.
        let (status, words) = outcome(&host, "unitward restart-stack shop");
        assert_eq!((status, words.as_str()), (1, "Failed to restart shop: the restart script ended with status 1."));
        assert_eq!(host.systemctl_show("lag", "SubState"), "stop-post");
        host.write("/run/ended", "");
        let old = host.wait_for("the run's end", || Some(run_of(&host, "lag", &run)).filter(|old| !old["end"].is_null()));
        assert_eq!((&old["end"]["asked"], &old["end"]["status"]), (&true.into(), &"KILL".into()));
        // Who asks meanwhile does not wait for it either.
        host.wait_for_property("lag", "SubState", "running");
        host.run(&["rm", "/run/ended"]);
        for _ in 0..2 {
            assert_eq!(outcome(&host, "unitward restart-stack shop").0, 1);
        }
        host.write("/run/ended", "");
        assert_eq!(records(&host).len(), 3);
    }

    fn a_member_that_is_back_and_asks_while_others_are_not_is_a_new_event(host: Host) {
        let slow = "[Service]\nExecStart=sleep infinity\nExecStop=sleep 6\n[Ward]\nStack=shop\n";
        host.script("/usr/local/bin/asks", ASKS_WHEN_BACK);
        set_up(&host, "", &[("asks.ward", ASKS), ("slow.ward", slow)]);
        let run = host.systemctl_show("asks", "InvocationID");
        assert_eq!(host.sh("readlink /run/systemd/units/invocation:asks.service"), run);
        restart_and_be_asked_again(&host);
    }

    fn a_member_that_is_back_and_asks_before_anybody_has_seen_it_is_a_new_event_too(host: Host) {
        host.script("/usr/local/bin/asks", ASKS_WHEN_BACK);
        set_up(&host, "", &[("asks.ward", ASKS)]);
        // Somebody who is refused has it start.
        outcome(&host, "runuser -u nobody -- unitward restart-stack shop");
        // systemd restarts the stack while the restarter is still about to ask whether it does.
        let _tracer = host.trace(&restarter(&host, "shop"), &["--trace=connect", "--inject=connect:delay_enter=400000"]);
        restart_and_be_asked_again(&host);
    }

    fn a_restart_that_nobody_goes_on_with_has_failed(mut host: Host) {
        set_up(&host, "", &[("slow.ward", SLOW)]);
        host.run(&["systemctl", "disable", "unitwardd"]);
        let begin = |host: &Host| {
            host.sh("rm -f /run/go; unitward restart-stack shop --caller cut");
            host.wait_for_property("slow", "ActiveState", "deactivating");
        };
        begin(&host);
        host.run(&["systemctl", "stop", "unitward-stack@shop.service"]);
        host.write("/run/go", "");
        let then = host.wait_for("the members", || {
            let up = host.systemctl_show("slow", "ActiveState") == "active";
            Some(pids(&host)).filter(|pids| up && pids.iter().all(|pid| pid != "0"))
        });
        assert_eq!(outcome(&host, "unitward restart-stack shop --wait").0, 0);
        assert!(all_are_new(&host, &then), "who asks later gets a restart of its own");
        assert_eq!(end(&records(&host)[0]), ("failed", "nobody saw how it ended"));
        begin(&host);
        host.power_cut();
        host.write("/run/go", "");
        assert_eq!(outcome(&host, "unitward restart-stack shop --wait").0, 0);
        let ends = records(&host);
        let ends: Vec<_> = ends.iter().map(end).collect();
        assert_eq!(ends[2..], [("failed", "the host went down before it was over"), ("restarted", "")]);
    }

    fn a_full_disk_prevents_no_restart(host: Host) {
        set_up(&host, "", &[]);
        host.sh("mount -t tmpfs -o size=64k,mode=0755 small /var/lib/unitward; dd if=/dev/zero of=/var/lib/unitward/ballast bs=4k 2>/dev/null || true");
        let then = pids(&host);
        let (status, words) = outcome(&host, "unitward restart-stack shop --wait");
        assert!(status == 0, "{words}");
        assert!(all_are_new(&host, &then));
        let lost = "Failed to write down the restart of Shop, it is lost if the host goes down: ";
        assert_eq!(said(&host).matches(lost).count(), 2, "{}", said(&host));
        let record: Value = serde_json::from_str(&host.sh("cat /run/unitward/restarts/shop/*.json")).expect("one record");
        assert_eq!(end(&record), ("restarted", ""));
        assert_eq!(host.sh("stat -c %a /run/unitward/restarts"), "700");
        host.sh("rm /var/lib/unitward/ballast");
        assert_eq!(outcome(&host, "unitward restart-stack shop --wait").0, 0);
        assert_eq!(end(&the_record(&host)), ("restarted", ""));
        // What is in memory is told by the daemon, which has room for its history only on the real disk, and removed.
        host.run(&["umount", "/var/lib/unitward"]);
        host.run(&["systemctl", "start", "unitwardd"]);
        host.wait_for("the record's end", || host.sh("find /run/unitward/restarts -name '*.json'").is_empty().then_some(()));
        let told = host.sh("unitward reports --json");
        assert_eq!(told.matches("Shop restarted by").count(), 1, "{told}");
    }

    fn the_restart_does_not_depend_on_its_caller(host: Host) {
        set_up(&host, "", &[("slow.ward", SLOW)]);
        let then = pids(&host);
        host.sh("systemd-run --quiet --unit=caller unitward restart-stack shop --wait");
        host.wait_for_property("slow", "ActiveState", "deactivating");
        host.sh("systemctl kill --signal=KILL caller");
        host.write("/run/go", "");
        assert_eq!(end(&the_record(&host)), ("restarted", ""));
        assert!(all_are_new(&host, &then));
        assert_eq!(host.systemctl_show("unitward-stack@shop.service", "NRestarts"), "0");
    }

    fn a_ward_at_its_limit_has_its_stack_restarted(host: Host) {
        let web = "[Service]\nExecStart=sleep infinity\nRestart=always\n[Ward]\nStack=shop\n[Recovery]\nDeathLimit=1\nMaxDelaySec=0\nOnLimit=restart-stack\n";
        set_up(&host, "InhibitFile=/run/hold\n", &[("web.ward", web)]);
        let kill = || {
            let run = host.systemctl_show("web", "InvocationID");
            host.sh("systemctl kill --kill-whom=main --signal=KILL web");
            wait_for_restart_or_end(&host, "web", &run);
            run
        };
        for round in 0..2 {
            let then = pids(&host);
            kill();
            assert_eq!(pids(&host)[1..], then[1..], "one death is borne");
            let (then, run) = (pids(&host), kill());
            host.wait_for("the full restart", || all_are_new(&host, &then).then_some(()));
            host.wait_for("its end", || records(&host).get(round).is_some_and(|record| !record["end"].is_null()).then_some(()));
            let record = &records(&host)[round];
            assert_eq!((&record["caller"], end(record)), (&"web (2 deaths in 60 s)".into(), ("restarted", "")));
            assert_eq!(record["cause"], serde_json::json!({"unit": "web.service", "invocation": run}));
            assert_eq!(run_of(&host, "web", &run)["end"]["given_up"], "restart-stack");
            let new = run_of(&host, "web", &host.systemctl_show("web", "InvocationID"));
            assert_eq!((&new["start"], &new["restarts"]), (&"first".into(), &0.into()), "its deaths are forgotten");
        }
        host.write("/run/hold", "");
        kill();
        let last = kill();
        host.wait_for_property("web", "ActiveState", "failed");
        assert_eq!(run_of(&host, "web", &last)["end"]["given_up"], "exclude", "that is what it came to");
        let said = host.wait_for("a word", || Some(host.journal(&["-o", "cat", "-t", "unitward-step"])).filter(|said| said.contains("Failed to have")));
        assert!(said.contains("Shop is not restarted while /run/hold exists; leaving web.service down until"), "{said}");
        assert_eq!(records(&host).len(), 2);
    }

    fn a_step_has_a_stack_restarted(host: Host) {
        let shared = "[Service]\nExecStart=sleep infinity\nRestart=always\n[OnDeath]\nRestartStack=shop\n[OnDeath beside]\nIndependent=yes\nLog=beside\n";
        set_up(&host, "", &[("shared.ward", shared)]);
        host.run(&["systemctl", "start", "shared"]);
        assert!(records(&host).is_empty(), "a first start answers no death");
        let (then, run) = (pids(&host), host.systemctl_show("shared", "InvocationID"));
        host.sh("systemctl kill --kill-whom=main --signal=KILL shared");
        host.wait_for("the full restart", || all_are_new(&host, &then).then_some(()));
        let record = the_record(&host);
        assert_eq!((&record["caller"], end(&record)), (&"shared (OnDeath)".into(), ("restarted", "")));
        assert_eq!(record["cause"], serde_json::json!({"unit": "shared.service", "invocation": run}));
        host.wait_for_property("shared", "ActiveState", "active");
        assert_eq!(MEMBERS.len(), record["members"].as_array().unwrap().len());
    }

    fn a_ward_whose_ends_nobody_notes_has_its_stack_restarted_too(host: Host) {
        // systemd skips our line when one before it fails, so the next start finds the death.
        host.write("/etc/systemd/system/bad.service", "[Service]\nExecStart=sleep infinity\nExecStopPost=/bin/false\nRestart=always\nRestartSec=50ms\n");
        let bad = "[Ward]\nUnit=bad.service\nStack=shop\n[Recovery]\nDeathLimit=1\nMaxDelaySec=0\nOnLimit=restart-stack\n";
        set_up(&host, "InhibitFile=/run/hold\n", &[("bad.ward", bad)]);
        let kill = || host.sh("systemctl kill --kill-whom=main --signal=KILL bad");
        let (then, run) = (pids(&host), host.systemctl_show("bad", "InvocationID"));
        kill();
        host.wait_for("its restart", || {
            let [state, next] = host.systemctl_shows("bad", ["SubState", "InvocationID"]);
            (state == "running" && next != run).then_some(())
        });
        assert_eq!(pids(&host), then);
        kill();
        host.wait_for("the full restart", || all_are_new(&host, &then).then_some(()));
        let record = the_record(&host);
        assert_eq!((&record["caller"], end(&record)), (&"bad (2 deaths in 60 s)".into(), ("restarted", "")));
        host.wait_for_property("bad", "SubState", "running");
        host.write("/run/hold", "");
        for _ in 0..2 {
            let run = host.systemctl_show("bad", "InvocationID");
            kill();
            host.wait_for("what follows", || (host.systemctl_show("bad", "InvocationID") != run || host.systemctl_show("bad", "ActiveState") == "failed").then_some(()));
            host.wait_for("its end", || matches!(host.systemctl_show("bad", "SubState").as_str(), "running" | "failed").then_some(()));
        }
        host.wait_for_property("bad", "ActiveState", "failed");
        assert_eq!(records(&host).len(), 1);
    }
}
