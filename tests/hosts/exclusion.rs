//! Wards excluded and readmitted by hand, in whatever state they are.

use crate::host::Host;
use crate::on_both;
use crate::report::{guard, kill, told, wait_for_restart};

const WEB: &str = "[Service]\nExecStart=sleep infinity\n";
const MARK: &str = "/run/unitward/wards/web/excluded.json";

/// What a command says, on both outputs, and its exit status.
fn say(host: &Host, command: &str) -> (i32, String) {
    let output = host.try_run(&["sh", "-c", &format!("{command} 2>&1")]);
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned(),
    )
}

#[track_caller]
fn exclude(host: &Host) {
    let (code, said) = say(host, "unitward exclude web --reason 'it eats the disk'");
    let sentence = "web is excluded: web.service is down until \"unitward readmit web\".";
    assert_eq!((code, said.as_str()), (0, sentence));
    assert!(matches!(
        host.systemctl_show("web", "ActiveState").as_str(),
        "inactive" | "failed"
    ));
    let mark = host.read(MARK);
    assert!(
        mark.contains("\"by\":\"hand\"") && mark.contains("it eats the disk"),
        "{mark}"
    );
}

#[track_caller]
fn readmit(host: &Host) {
    assert_eq!(
        say(host, "unitward readmit web"),
        (0, "web is readmitted: web.service is up.".to_owned())
    );
    assert_eq!(host.systemctl_show("web", "ActiveState"), "active");
    assert!(!host.has(MARK));
}

on_both! {
    fn a_ward_that_is_up_is_stopped_without_a_crash_and_taken_back(host: Host) {
        guard(&host, "web", "web", WEB);
        exclude(&host);
        assert_eq!(say(&host, "unitward exclude web"), (0, "web is excluded already.".to_owned()));
        host.wait_for("the entry", || {
            let entry = host.sh("journalctl --quiet -o cat MESSAGE_ID=5b0e1c7f2a9d4f63b8e4d0c96a1f7352");
            entry.starts_with("Ward web is excluded, by hand: it eats the disk; ").then_some(())
        });
        readmit(&host);
        let sound = "web is not excluded: web.service is active, there is nothing to be done.";
        assert_eq!(say(&host, "unitward readmit web"), (0, sound.to_owned()));
        assert!(host.sh("journalctl -o cat MESSAGE_ID=c2f68a04d91b4e75a3b7e85f0d2c9146").contains("Ward web is readmitted, by hand."));
        assert_eq!(told(&host).map(|told| told.len()), Ok(0), "no death");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
    }

    fn a_ward_in_its_back_off_is_not_restarted(host: Host) {
        guard(&host, "web", "web", &format!("{WEB}[Recovery]\nDelaySec=60s\n"));
        kill(&host, "web");
        host.wait_for_property("web", "ActiveState", "activating");
        exclude(&host);
        assert_eq!(host.sh("systemctl list-jobs --no-legend"), "");
        readmit(&host);
        assert!(!host.read("/run/unitward/wards/web/series.json").contains("died_in\":\""));
    }

    fn a_ward_at_its_death_limit_is_excluded_and_taken_back(host: Host) {
        guard(&host, "web", "web", &format!("{WEB}[Recovery]\nDeathLimit=1\n"));
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        kill(&host, "web");
        host.wait_for_property("web", "ActiveState", "failed");
        assert_eq!(say(&host, "unitward exclude web"), (0, "web is excluded already.".to_owned()));
        assert!(host.read(MARK).contains("\"by\":\"limit\""));
        readmit(&host);
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
    }

    fn a_ward_that_fails_again_is_said_to(host: Host) {
        guard(&host, "web", "web", "[Service]\nExecStart=sh -c 'test ! -e /run/broken && exec sleep infinity'\n[Recovery]\nDeathLimit=2\nMaxDelaySec=0\n");
        exclude(&host);
        host.write("/run/broken", "");
        let (code, said) = say(&host, "unitward readmit web");
        assert_eq!((code, said.as_str()), (1, "web is readmitted, but web.service has failed: \"systemctl status web.service\" shows why."));
    }

    fn an_adopted_unit_and_a_member_of_a_stack(host: Host) {
        host.write("/etc/systemd/system/telldusd.service", "[Service]\nExecStart=sleep infinity\nRestart=always\n");
        host.write("/etc/unitward/web.ward", "[Ward]\nUnit=telldusd.service\nStack=opensync\n");
        host.write("/etc/unitward/opensync.stack", "[Stack]\nName=OpenSync\n");
        host.sh("systemctl daemon-reload; systemctl start opensync.target");
        host.wait_for_property("telldusd", "ActiveState", "active");
        host.run(&["unitward", "exclude", "web"]);
        assert_eq!(host.systemctl_show("telldusd", "ActiveState"), "inactive");
        assert_eq!(host.systemctl_show("opensync.target", "ActiveState"), "active", "the others stay");
        host.run(&["unitward", "restart-stack", "opensync", "--wait"]);
        assert!(host.has(MARK), "a person's exclusion is not the stack's to end");
        host.run(&["unitward", "readmit", "web"]);
        host.wait_for_property("telldusd", "ActiveState", "active");
    }

    fn a_unit_stands_for_its_ward(host: Host) {
        host.write("/etc/systemd/system/telldusd.service", "[Service]\nExecStart=sleep infinity\nRestart=always\n");
        host.write("/etc/unitward/web.ward", "[Ward]\nUnit=telldusd.service\n");
        host.sh("systemctl daemon-reload; systemctl start telldusd");
        let down = "web is excluded: telldusd.service is down until \"unitward readmit web\".";
        assert_eq!(say(&host, "unitward exclude telldusd"), (0, down.to_owned()));
        assert!(host.has(MARK));
        let up = "web is readmitted: telldusd.service is up.";
        assert_eq!(say(&host, "unitward readmit telldusd.service"), (0, up.to_owned()));
        assert!(!host.has(MARK));
    }

    fn a_unit_that_must_not_be_stopped_or_started_by_hand_stays_as_it_is(host: Host) {
        let unit = |refuse: &str| {
            host.write("/etc/systemd/system/own.service", &format!("[Unit]\n{refuse}\n[Service]\nExecStart=sleep infinity\nRestart=always\n"));
            host.run(&["systemctl", "daemon-reload"]);
        };
        host.write("/etc/unitward/web.ward", "[Ward]\nUnit=own.service\n");
        unit("RefuseManualStop=yes");
        host.run(&["systemctl", "start", "own"]);
        let (code, said) = say(&host, "unitward exclude web");
        assert!(code == 1 && said.contains("web is not excluded: own.service could not be stopped: "), "{code} {said}");
        assert_eq!((host.systemctl_show("own", "ActiveState").as_str(), host.has(MARK)), ("active", false));
        unit("RefuseManualStart=yes");
        host.run(&["unitward", "exclude", "web"]);
        let (code, said) = say(&host, "unitward readmit web");
        assert!(code == 1 && said.contains("web stays excluded: own.service could not be started: "), "{code} {said}");
        assert!(host.has(MARK));
        let told = host.journal(&["-o", "cat", "MESSAGE_ID=5b0e1c7f2a9d4f63b8e4d0c96a1f7352", "MESSAGE_ID=c2f68a04d91b4e75a3b7e85f0d2c9146"]);
        assert_eq!(told.lines().count(), 1, "what was refused is not told: {told}");
    }

    fn a_oneshot_that_remains_and_one_that_does_not(host: Host) {
        guard(&host, "web", "web", "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\n");
        exclude(&host);
        readmit(&host);
        guard(&host, "once", "once", "[Service]\nType=oneshot\nExecStart=true\n");
        host.run(&["unitward", "exclude", "once"]);
        assert_eq!(say(&host, "unitward readmit once"), (0, "once is readmitted: once.service has run and is done.".to_owned()));
        assert!(!host.has("/run/unitward/wards/once/excluded.json"));
    }

    fn a_masked_unit_stays_excluded_and_says_what_to_do(host: Host) {
        host.write("/etc/systemd/system/telldusd.service", "[Service]\nExecStart=sleep infinity\n");
        host.sh("systemctl mask --runtime telldusd");
        host.write("/etc/unitward/web.ward", "[Ward]\nUnit=own.service\n");
        host.write("/etc/systemd/system/own.service", "[Service]\nExecStart=sleep infinity\nRestart=always\n");
        host.sh("systemctl daemon-reload; systemctl start own; unitward exclude web; rm /etc/systemd/system/own.service; systemctl mask own");
        let (code, said) = say(&host, "unitward readmit web");
        assert_eq!((code, said.as_str()), (1, "own.service is masked: \"systemctl unmask own.service\" allows it to start again."));
        assert!(host.has(MARK));
    }

    fn who_cannot_be_helped_is_told_what_to_do(host: Host) {
        guard(&host, "web", "web", WEB);
        for verb in ["exclude", "readmit"] {
            let (code, said) = say(&host, &format!("unitward {verb} webb"));
            assert_eq!((code, said.as_str()), (1, "There is no ward webb, did you mean web?"));
            let (code, said) = say(&host, &format!("runuser -u nobody -- unitward {verb} web"));
            assert_eq!((code, said), (1, format!("Only root may {verb} a ward: try \"sudo unitward {verb} web\".")));
        }
    }

    fn neither_the_daemon_nor_the_bus_is_needed(host: Host) {
        host.write("/etc/systemd/system/web.socket", "[Socket]\nListenStream=/run/web.sock\n");
        guard(&host, "web", "web", WEB);
        host.sh("systemctl stop unitwardd web; systemctl start web.socket web");
        let with = "web is excluded: web.service is down until \"unitward readmit web\", and web.socket with it.";
        assert_eq!(say(&host, "unitward exclude web --reason 'it eats the disk'"), (0, with.to_owned()));
        let told = |id: &str| host.journal(&["-o", "cat", &format!("MESSAGE_ID={id}"), "_COMM=unitward"]);
        host.wait_for("the entry", || {
            told("5b0e1c7f2a9d4f63b8e4d0c96a1f7352").starts_with("Ward web is excluded, by hand: it eats the disk; ").then_some(())
        });
        host.run(&["systemctl", "start", "unitwardd"]);
        assert_eq!(say(&host, "unitward exclude web"), (0, "web is excluded already.".to_owned()));
        host.sh("systemctl stop unitwardd; systemctl stop dbus.socket dbus.service");
        readmit(&host);
        assert_eq!(host.systemctl_show("web.socket", "ActiveState"), "active");
        host.wait_for("the entry", || told("c2f68a04d91b4e75a3b7e85f0d2c9146").contains("Ward web is readmitted").then_some(()));
        let (code, said) = say(&host, "unitward readmit webb");
        assert_eq!((code, said.as_str()), (1, "There is no ward webb, did you mean web?"));
    }

    fn a_ward_can_be_excluded_as_soon_as_the_daemon_reload_is_over(host: Host) {
        for ward in 0..20 {
            host.write(&format!("/etc/unitward/w{ward}.ward"), WEB);
            let (code, said) = say(&host, &format!("systemctl daemon-reload; unitward exclude w{ward}"));
            assert!(code == 0 && said.starts_with(&format!("w{ward} is excluded: w{ward}.service is down")), "{code} {said}");
        }
        host.write("/etc/unitward/new.ward", WEB);
        let (code, said) = say(&host, "unitward exclude new");
        assert!(code == 1 && said.contains("is taken up by \"systemctl daemon-reload\"."), "{code} {said}");
        assert!(!host.has("/run/unitward/wards/new/excluded.json"));
    }

    fn the_unit_is_that_of_the_newest_daemon_reload(host: Host) {
        for unit in ["a", "b"] {
            host.write(&format!("/etc/systemd/system/{unit}.service"), WEB);
        }
        for round in 0..4 {
            for (unit, other) in [("a", "b"), ("b", "a")] {
                host.write("/etc/unitward/web.ward", &format!("[Ward]\nUnit={unit}.service\n"));
                let (code, said) = say(&host, "systemctl daemon-reload; systemctl start a b; unitward exclude web");
                assert!(code == 0 && said.starts_with(&format!("web is excluded: {unit}.service is down")), "{round}: {code} {said}");
                let state = |unit: &str| host.systemctl_show(unit, "ActiveState");
                assert_eq!((state(unit).as_str(), state(other).as_str()), ("inactive", "active"), "{round}");
            }
        }
    }

    fn a_daemon_that_is_just_coming_back_is_waited_for(host: Host) {
        host.write("/etc/systemd/system/unitwardd.service.d/slow.conf", "[Service]\nExecStopPost=sleep 1\n");
        guard(&host, "web", "web", WEB);
        // It is gone then, and on its way back by way of being stopped.
        let kill = || {
            host.sh("pid=$(systemctl show -P MainPID unitwardd); kill -KILL $pid; while [ -e /proc/$pid ]; do :; done");
        };
        kill();
        exclude(&host);
        kill();
        let (code, said) = say(&host, "runuser -u nobody -- unitward list");
        assert!(code == 0 && said.contains("web"), "{code} {said}");
        readmit(&host);
    }

    fn an_exclusion_outlives_the_daemon(host: Host) {
        guard(&host, "web", "web", WEB);
        exclude(&host);
        host.run(&["systemctl", "restart", "unitwardd"]);
        host.wait_for("the service", || {
            (say(&host, "unitward exclude web") == (0, "web is excluded already.".to_owned())).then_some(())
        });
        readmit(&host);
    }
}
