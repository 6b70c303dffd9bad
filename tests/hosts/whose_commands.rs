//! A command of the service's never runs as root where the service does not, whichever file says as whom it runs; and what a
//! service's user can do to a recovery from outside.

use crate::host::Host;
use crate::on_both;
use crate::report::{guard, kill, wait_for_restart};

/// The user ids that the commands of this unit have printed.
fn ids(host: &Host, unit: &str) -> Vec<String> {
    let said = host.journal(&["-o", "cat", "-u", unit]);
    said.lines()
        .filter(|line| line.parse::<u32>().is_ok())
        .map(str::to_owned)
        .collect()
}

fn at_the_limit(host: &Host, name: &str, ward: &str) -> Vec<String> {
    let steps = "[Recovery]\nDeathLimit=1\nMaxDelaySec=0\n[OnLimit]\nExecute=/usr/bin/id -u\n";
    guard(host, name, name, &format!("{ward}{steps}"));
    let (_, run) = kill(host, name);
    wait_for_restart(host, name, &run);
    kill(host, name);
    let service = format!("unitward-{name}-OnLimit.service");
    host.wait_for(&format!("[OnLimit] of {name}"), || {
        Some(ids(host, &service)).filter(|ids| !ids.is_empty())
    })
}

on_both! {
    fn a_conditions_own_service_runs_as_the_wards_unit_does(host: Host) {
        let daemon = host.sh("id -u daemon");
        host.write("/etc/systemd/system/own.service", "[Service]\nUser=daemon\nExecStart=/bin/sleep infinity\nRestart=always\n");
        assert_eq!(at_the_limit(&host, "own", "[Ward]\nUnit=own.service\n"), [daemon.as_str()], "its own file");
        host.write("/etc/systemd/system/drop.service.d/user.conf", "[Service]\nUser=daemon\n");
        assert_eq!(at_the_limit(&host, "drop", "[Service]\nExecStart=/bin/sleep infinity\n"), [daemon.as_str()], "a drop-in");
        let dynamic = at_the_limit(&host, "dynamic", "[Service]\nDynamicUser=yes\nExecStart=/bin/sleep infinity\n");
        assert!(dynamic.iter().all(|id| id.parse().is_ok_and(|id: u32| id >= 61_184)), "{dynamic:?}");
    }

    fn what_only_systemd_knows_keeps_a_command_from_being_roots(host: Host) {
        host.write("/etc/systemd/system/real.service", "[Service]\nExecStart=/bin/sleep infinity\nRestart=always\n");
        host.write("/etc/systemd/system/other.service.d/user.conf", "[Service]\nUser=daemon\n");
        host.sh("ln -s real.service /etc/systemd/system/other.service");
        let steps = "[Recovery]\nDeathLimit=1\nMaxDelaySec=0\n[OnDeath]\nExecute=/usr/bin/id -u\n[OnLimit]\nExecute=/usr/bin/id -u\nLog=the rest goes on\n";
        host.write("/etc/unitward/web.ward", &format!("[Ward]\nUnit=real.service\n{steps}"));
        host.sh("systemctl daemon-reload; systemctl start other real");
        assert_eq!(host.systemctl_show("real", "User"), "daemon");
        let (_, run) = kill(&host, "real");
        wait_for_restart(&host, "real", &run);
        kill(&host, "real");
        host.wait_for("the limit", || host.journal(&["-o", "cat", "UNITWARD_WARD=web"]).contains("the rest goes on").then_some(()));
        let said = host.journal(&["-o", "cat", "-t", "unitward-step"]);
        assert_eq!(said.matches("and this one would run as root").count(), 2, "{said}");
        assert!(ids(&host, "real").is_empty() && ids(&host, "unitward-web-OnLimit").is_empty());
    }

    fn a_known_group_is_not_taken_for_a_known_user(host: Host) {
        let daemon = "/etc/systemd/system/other.service.d/user.conf";
        host.write("/etc/systemd/system/real.service", "[Service]\nSupplementaryGroups=adm\nExecStart=/bin/sleep infinity\nRestart=always\n");
        host.write(daemon, "[Service]\nUser=daemon\n");
        host.sh("ln -s real.service /etc/systemd/system/other.service");
        let steps = "[Recovery]\nDeathLimit=1\nMaxDelaySec=0\n[OnLimit]\nExecute=/usr/bin/id -u\nLog=the rest goes on\n";
        host.write("/etc/unitward/web.ward", &format!("[Ward]\nUnit=real.service\n{steps}"));
        host.sh("systemctl daemon-reload; systemctl start other real");
        let (_, run) = kill(&host, "real");
        wait_for_restart(&host, "real", &run);
        kill(&host, "real");
        host.wait_for("the limit", || host.journal(&["-o", "cat", "UNITWARD_WARD=web"]).contains("the rest goes on").then_some(()));
        assert!(ids(&host, "unitward-web-OnLimit").is_empty(), "{}", host.journal(&["-o", "cat", "-u", "unitward-web-OnLimit"]));
    }

    fn a_unit_that_systemd_has_let_go_is_not_taken_for_roots(host: Host) {
        let steps = "[Recovery]\nDeathLimit=1\nMaxDelaySec=0\n[OnLimit]\nWaitFor=2s\nExecute=/usr/bin/id -u\nLog=the rest goes on\n";
        host.write("/etc/unitward/web.ward", &format!("[Ward]\nUnit=gone.service\n{steps}"));
        host.sh("systemctl daemon-reload; systemd-run --quiet --collect --unit=gone -p User=daemon -p Restart=always sleep infinity");
        let (_, run) = kill(&host, "gone");
        wait_for_restart(&host, "gone", &run);
        kill(&host, "gone");
        host.wait_for("the limit", || host.journal(&["-o", "cat", "UNITWARD_WARD=web"]).contains("the rest goes on").then_some(()));
        assert!(ids(&host, "unitward-web-OnLimit").is_empty());
    }

    fn a_full_queue_of_somebody_elses_socket_holds_no_recovery_up(host: Host) {
        host.script("/usr/local/bin/full", "#!/usr/bin/perl\nuse Socket;\nsocket($l, AF_UNIX, SOCK_STREAM, 0); bind($l, pack_sockaddr_un(\"\\0app.sock\")); listen($l, 0);\n\
            for (1..3) { socket(my $c, AF_UNIX, SOCK_STREAM | 2048, 0); connect($c, pack_sockaddr_un(\"\\0app.sock\")); push @c, $c }\nopen(F, '>', '/tmp/full'); sleep 600;\n");
        host.sh("systemd-run --quiet --uid=nobody /usr/local/bin/full");
        host.wait_for("the socket", || host.has("/tmp/full").then_some(()));
        guard(&host, "web", "web", "[Service]\nExecStart=/bin/sleep infinity\n[OnDeath]\nWaitFor=unix:@app.sock 2s\nLog=went on\n");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        host.wait_for("the next step", || host.journal(&["-o", "cat", "-u", "web"]).contains("went on").then_some(()));
        assert_eq!(host.systemctl_show("web", "NRestarts"), "1");
    }

    fn an_exclusion_holds_though_there_is_no_room_left_for_its_mark(host: Host) {
        guard(&host, "web", "web", "[Service]\nExecStart=/bin/sleep infinity\n[Recovery]\nDeathLimit=1\nMaxDelaySec=0\n");
        guard(&host, "hand", "hand", "[Service]\nExecStart=/bin/sleep infinity\n");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        host.sh("mount -o remount,size=20M /run; head -c 100M /dev/zero >/run/fill || true");
        kill(&host, "web");
        host.wait_for_property("web", "ActiveState", "failed");
        host.sh("systemctl start web || true");
        assert_ne!(host.systemctl_show("web", "ActiveState"), "active");
        host.run(&["unitward", "exclude", "hand"]);
        host.sh("systemctl start hand || true");
        assert_ne!(host.systemctl_show("hand", "ActiveState"), "active");
        host.run(&["unitward", "readmit", "web"]);
        assert_eq!(host.systemctl_show("web", "ActiveState"), "active");
    }
}
