//! The helper asks systemd by way of the message bus, and depends on it in nothing.

use crate::host::Host;
use crate::on_both;
use crate::report::{guard, kill, wait_for_restart};
use std::time::Instant;

const WEB: &str =
    "[Service]\nExecStart=/bin/sleep infinity\nRestart=always\n[Recovery]\nMaxDelaySec=0\n";

on_both! {
    fn a_bus_that_is_silent_holds_no_recovery_up(host: Host) {
        guard(&host, "web", "web", &format!("{WEB}[OnDeath]\nExecute=/bin/touch /run/before\nRestart=%n\nExecute=/bin/touch /run/after\n"));
        let bus = host.systemctl_show("dbus", "MainPID");
        host.sh(&format!("kill -STOP {bus}"));
        let run = host.systemctl_show("web", "InvocationID");
        let begun = Instant::now();
        host.sh("systemctl kill --kill-whom=main --signal=KILL web");
        wait_for_restart(&host, "web", &run);
        host.wait_for("the last step", || host.has("/run/after").then_some(()));
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
        assert!(host.has("/run/before") && host.has("/run/unitward/bus/silent"));
        host.sh(&format!("kill -CONT {bus}"));
        let record = host.sh("cat /run/unitward/wards/web/runs/*.json");
        assert!(record.contains("\"result\":\"signal\""), "{record}");
    }

    fn a_users_socket_in_the_place_of_the_bus_is_told_nothing(host: Host) {
        host.sh("useradd --system app; install -d -o app /srv/app /srv/app/dbus");
        host.script("/opt/listen", "#!/usr/bin/perl\nuse IO::Socket::UNIX;\nmy $l = IO::Socket::UNIX->new(Local => '/srv/app/dbus/system_bus_socket', Listen => 9);\n\
            chmod 0666, '/srv/app/dbus/system_bus_socket';\nwhile (my $c = $l->accept) { open(my $f, '>>', '/srv/app/heard'); print $f \"met\\n\"; my $got; \
            sysread($c, $got, 64) and print $f $got; close $f }\n");
        host.write("/etc/systemd/system/listen.service", "[Service]\nUser=app\nExecStart=/opt/listen\n");
        host.sh("systemctl daemon-reload; systemctl start listen");
        host.wait_for("the socket", || host.has("/srv/app/dbus/system_bus_socket").then_some(()));
        host.write("/etc/systemd/system/app.service", "[Service]\nUser=app\nBindPaths=/srv/app/dbus:/run/dbus\nExecStart=/bin/sleep infinity\nRestart=always\n");
        guard(&host, "app", "app", "[Ward]\nUnit=app.service\n[OnDeath]\nExecute=+/bin/touch /run/done\n");
        let (_, run) = kill(&host, "app");
        wait_for_restart(&host, "app", &run);
        host.wait_for("the step", || host.has("/run/done").then_some(()));
        let heard = host.sh("cat /srv/app/heard");
        assert!(heard.contains("met") && !heard.contains("AUTH"), "{heard:?}");
    }
}
