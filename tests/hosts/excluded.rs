//! What an exclusion holds against: whoever has the unit started, it stays down until somebody readmits its ward.

use crate::host::Host;
use crate::on_both;
use crate::report::{guard, kill, wait_for_restart};

const WEB: &str = "[Service]\nExecStart=sleep infinity\n";

/// A service that crashes until `/run/mended` is there.
const WEAK: &str = "[Service]\nExecStart=/bin/bash -c 'test -e /run/mended || { sleep .1; kill -SEGV $$$$; }; exec sleep infinity'\nLimitCORE=0\n";

fn mark(ward: &str) -> String {
    format!("/run/unitward/wards/{ward}/excluded.json")
}

/// A unit beside a ward that adopts it, with a death limit of three.
fn guard_weak(host: &Host, name: &str, unit: &str) {
    host.write(&format!("/etc/systemd/system/{name}.service"), unit);
    let limit = "[Recovery]\nDeathLimit=3\nMaxDelaySec=0\n[OnLimit]\nLog=limit\n";
    host.write(
        &format!("/etc/unitward/{name}.ward"),
        &format!("[Ward]\nUnit={name}.service\n{limit}"),
    );
}

/// Waits until the ward is excluded and its unit down, and looks at what has been done for that.
#[track_caller]
fn wait_for_exclusion(host: &Host, name: &str) {
    host.wait_for("the exclusion", || host.has(&mark(name)).then_some(()));
    host.wait_for_property(name, "ActiveState", "failed");
    host.wait_for("quiet", || {
        host.sh("systemctl list-jobs --no-legend")
            .is_empty()
            .then_some(())
    });
    let said = host.journal(&["-o", "cat", "-t", "unitward-step"]);
    assert_eq!(said.matches("died more than 3 times").count(), 1, "{said}");
    assert!(
        said.contains(&format!(
            "leaving it down until \"unitward readmit {name}\"."
        )),
        "{said}"
    );
}

/// Readmits the ward, mended, and looks at what is up then.
#[track_caller]
fn readmit_mended(host: &Host, name: &str, trigger: Option<&str>) {
    host.write("/run/mended", "");
    let said = host.sh(&format!("unitward readmit {name}"));
    assert_eq!(
        said.trim_end(),
        format!("{name} is readmitted: {name}.service is up.")
    );
    for unit in trigger.into_iter().chain([name]) {
        assert_eq!(host.systemctl_show(unit, "ActiveState"), "active", "{unit}");
    }
    assert!(!host.has(&mark(name)));
}

/// Waits until PID 1 says that it has not started the unit.
#[track_caller]
fn wait_for_refusal(host: &Host, unit: &str) {
    host.wait_for("the refusal", || {
        host.journal(&["-o", "cat", "-u", unit])
            .contains("unmet condition check")
            .then_some(())
    });
    assert!(matches!(
        host.systemctl_show(unit, "ActiveState").as_str(),
        "inactive" | "failed"
    ));
}

/// Connects as nobody and waits for nothing.
const CONNECT: &str = "setpriv --reuid=65534 --clear-groups perl -e \
    'use Socket; socket(my $s, PF_UNIX, SOCK_STREAM, 0); connect($s, sockaddr_un(\"/run/weak.sock\")) or exit 1; sleep 60'";

on_both! {
    fn the_limit_holds_against_a_socket_that_anybody_may_connect_to(host: Host) {
        host.write("/etc/systemd/system/weak.socket", "[Socket]\nListenStream=/run/weak.sock\nSocketMode=0666\n");
        guard_weak(&host, "weak", &format!("[Unit]\nRequires=weak.socket\n{WEAK}Restart=on-failure\nRestartSec=100ms\n"));
        host.sh("systemctl daemon-reload; systemctl stop unitwardd; systemctl start weak.socket");
        let mut client = host.inside(&["sh", "-c", CONNECT]).spawn().expect("perl runs");
        wait_for_exclusion(&host, "weak");
        assert_eq!(host.systemctl_show("weak.socket", "ActiveState"), "inactive");
        let _ = client.kill();
        let _ = client.wait();
        assert!(!host.try_run(&["sh", "-c", CONNECT]).status.success(), "nothing listens");
        host.run(&["systemctl", "start", "unitwardd"]);
        readmit_mended(&host, "weak", Some("weak.socket"));
    }

    fn the_limit_holds_against_a_path(host: Host) {
        host.write("/etc/systemd/system/weak.path", "[Path]\nPathExists=/etc\n");
        guard_weak(&host, "weak", &format!("{WEAK}Restart=no\n"));
        host.sh("systemctl daemon-reload; systemctl start weak.path");
        wait_for_exclusion(&host, "weak");
        assert_eq!(host.systemctl_show("weak.path", "ActiveState"), "inactive");
        readmit_mended(&host, "weak", Some("weak.path"));
    }

    fn the_limit_holds_against_a_timer(host: Host) {
        host.write("/etc/systemd/system/weak.timer", "[Timer]\nOnActiveSec=0\nOnUnitInactiveSec=200ms\nAccuracySec=1ms\n");
        guard_weak(&host, "weak", &format!("{WEAK}Restart=no\n"));
        host.sh("systemctl daemon-reload; systemctl start weak.timer");
        wait_for_exclusion(&host, "weak");
        assert_eq!(host.systemctl_show("weak.timer", "ActiveState"), "inactive");
        readmit_mended(&host, "weak", Some("weak.timer"));
    }

    fn the_limit_holds_against_a_unit_that_upholds_it(host: Host) {
        host.write("/etc/systemd/system/front.service", &format!("[Unit]\nUpholds=weak.service\n{WEB}"));
        guard_weak(&host, "weak", &format!("{WEAK}Restart=on-failure\nRestartSec=100ms\n"));
        host.sh("systemctl daemon-reload; systemctl start front");
        wait_for_exclusion(&host, "weak");
        wait_for_refusal(&host, "weak");
        host.wait_for("systemd's own pause", || {
            host.journal(&["-o", "cat", "-u", "weak"]).contains("tried this too often recently").then_some(())
        });
        assert_eq!(host.systemctl_show("weak", "ActiveState"), "failed");
        readmit_mended(&host, "weak", Some("front"));
    }

    fn what_a_person_excluded_no_user_starts_by_its_name_on_the_bus(host: Host) {
        let name = "[D-BUS Service]\nName=org.example.Web\nExec=/bin/false\nUser=root\nSystemdService=web.service\n";
        host.write("/usr/share/dbus-1/system-services/org.example.Web.service", name);
        guard(&host, "web", "web", WEB);
        host.sh("systemctl reload dbus; unitward exclude web");
        let bus = "org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus StartServiceByName su org.example.Web 0";
        let call = format!("setpriv --reuid=65534 --clear-groups timeout 60 busctl --system call {bus}");
        let mut call = host.inside(&["sh", "-c", &call]).spawn().expect("busctl runs");
        wait_for_refusal(&host, "web");
        let _ = call.kill();
        let _ = call.wait();
        assert!(host.has(&mark("web")));
    }

    fn a_start_by_root_is_refused_and_systemctl_status_says_what_to_do(host: Host) {
        guard(&host, "web", "web", WEB);
        host.run(&["unitward", "exclude", "web", "--reason", "it eats the disk"]);
        host.write("/etc/systemd/system/front.service", &format!("[Unit]\nRequires=web.service\nAfter=web.service\n{WEB}"));
        host.sh("systemctl daemon-reload; systemctl start web; systemctl restart web; systemctl start front");
        assert_eq!(["web", "front"].map(|unit| host.systemctl_show(unit, "ActiveState")), ["inactive", "active"]);
        let shown = host.try_run(&["systemctl", "status", "--no-pager", "--full", "web"]).stdout;
        let shown = String::from_utf8_lossy(&shown).into_owned();
        let sentence = "Ward web is excluded, by hand: it eats the disk; web.service stays down until \"unitward readmit web\".";
        assert!(shown.contains(sentence) && shown.contains("excluded.json"), "{shown}");
        host.run(&["unitward", "readmit", "web"]);
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
    }

    fn an_exclusion_holds_where_a_drop_in_resets_the_conditions(host: Host) {
        // A command as the service's user has a line of its own.
        let on_stop = "User=nobody\n[OnStop]\nExecute=/bin/touch /tmp/stopped\nLog=it was stopped\n";
        guard(&host, "web", "web", &format!("{WEB}{on_stop}"));
        host.run(&["unitward", "exclude", "web"]);
        host.write("/etc/systemd/system/web.service.d/own.conf", "[Unit]\nConditionPathExists=\n");
        host.sh("rm /tmp/stopped; systemctl daemon-reload");
        assert!(!host.try_run(&["systemctl", "start", "web"]).status.success());
        host.wait_for("the end", || matches!(host.systemctl_show("web", "ActiveState").as_str(), "inactive" | "failed").then_some(()));
        let said = host.journal(&["-o", "cat", "-u", "web", "-t", "unitward-step"]);
        let sentence = "Not starting web.service: ward web is excluded, by hand; \"unitward readmit web\" takes it back.";
        assert!(said.contains(sentence), "{said}");
        assert!(host.has(&mark("web")) && !host.has("/tmp/stopped"), "nothing has run, and nothing was stopped");
        let logged = host.journal(&["-o", "cat", "-u", "web"]).matches("it was stopped").count();
        assert_eq!(logged, 1, "by the exclusion");
        host.run(&["unitward", "readmit", "web"]);
        assert_eq!(host.systemctl_show("web", "ActiveState"), "active");
    }

    fn a_unit_that_must_not_be_stopped_is_not_called_excluded(host: Host) {
        guard(&host, "web", "web", &format!("[Unit]\nRefuseManualStop=yes\n{WEB}[Recovery]\nDeathLimit=1\nMaxDelaySec=0\n"));
        for _ in 0..4 {
            let (_, run) = kill(&host, "web");
            wait_for_restart(&host, "web", &run);
        }
        assert!(!host.has(&mark("web")));
        let said = host.journal(&["-o", "cat", "-u", "web", "-t", "unitward-step"]);
        assert_eq!(said.matches("it is not left down; its restarts go on.").count(), 2, "{said}");
        let warned = host.sh("unitward check 2>&1 || true");
        assert!(warned.contains("RefuseManualStop=yes"), "{warned}");
    }

    fn an_idle_service_is_excluded_with_its_socket_and_taken_back_with_it(host: Host) {
        host.write("/etc/systemd/system/web.socket", "[Socket]\nListenStream=/run/web.sock\n");
        host.write("/etc/systemd/system/web.service", "[Service]\nExecStart=sleep infinity\nRestart=always\n");
        host.write("/etc/unitward/web.ward", "[Ward]\nUnit=web.service\n");
        host.sh("systemctl daemon-reload; systemctl start web.socket");
        let said = host.sh("unitward exclude web");
        let sentence = "web is excluded: web.service is down until \"unitward readmit web\", and web.socket with it.";
        assert_eq!(said.trim_end(), sentence);
        assert_eq!(host.systemctl_show("web.socket", "ActiveState"), "inactive");
        host.run(&["unitward", "readmit", "web"]);
        assert_eq!(["web.socket", "web"].map(|unit| host.systemctl_show(unit, "ActiveState")), ["active", "active"]);
    }

    fn a_full_restart_takes_back_whom_the_limit_has_excluded_and_nobody_else(host: Host) {
        host.write("/etc/unitward/shop.stack", "[Stack]\nName=shop\n");
        for name in ["limit", "hand"] {
            host.write(&format!("/etc/unitward/{name}.ward"), &format!("{WEB}[Ward]\nStack=shop\n[Recovery]\nDeathLimit=1\nMaxDelaySec=0\n"));
        }
        host.sh("systemctl daemon-reload; systemctl start shop.target; unitward exclude hand");
        let (_, run) = kill(&host, "limit");
        wait_for_restart(&host, "limit", &run);
        kill(&host, "limit");
        host.wait_for_property("limit", "ActiveState", "failed");
        host.run(&["systemctl", "restart", "shop.target"]);
        assert_eq!(["limit", "hand"].map(|unit| host.has(&mark(unit))), [true, true], "systemd's own restart takes nobody back");
        host.run(&["unitward", "restart-stack", "shop", "--wait"]);
        assert_eq!(["limit", "hand"].map(|unit| host.has(&mark(unit))), [false, true]);
        assert_eq!(["limit", "hand"].map(|unit| host.systemctl_show(unit, "ActiveState")), ["active", "inactive"]);
    }

    fn an_exclusion_ends_with_the_ward_and_at_the_next_boot(mut host: Host) {
        host.write("/etc/systemd/system/web.service", "[Service]\nExecStart=sleep infinity\nRestart=always\n[Install]\nWantedBy=multi-user.target\n");
        host.write("/etc/unitward/web.ward", "[Ward]\nUnit=web.service\n");
        host.sh("systemctl daemon-reload; systemctl enable --now web; unitward exclude web");
        host.reboot();
        assert_eq!(host.systemctl_show("web", "ActiveState"), "active");
        host.run(&["unitward", "exclude", "web"]);
        host.sh("rm /etc/unitward/web.ward; systemctl daemon-reload; systemctl start web");
        assert_eq!(host.systemctl_show("web", "ActiveState"), "active");
    }
}
