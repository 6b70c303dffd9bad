//! An `EnvironmentFile=` that the service's user can write, and a sandbox: what the lines of root's and the steps make of them.

use crate::host::Host;
use crate::on_both;
use crate::report::{guard, kill, wait_for_restart};
use std::time::Duration;

const LIMIT: &str = "[Recovery]\nDeathLimit=1\nMaxDelaySec=0\n";

fn wait_for_end_of(host: &Host, service: &str) {
    let finished = format!("Finished {service}");
    host.wait_for_within(Duration::from_secs(30), service, || {
        host.journal(&["-o", "cat", "-u", service])
            .contains(&finished)
            .then_some(())
    });
}

on_both! {
    // The dynamic linker leaves a file of each program that it loads with these variables.
    fn no_program_of_roots_is_loaded_with_a_users_variables(host: Host) {
        host.sh("useradd --system app; install -d -o app /home/app /home/app/out; touch /home/app/env; chown app /home/app/env");
        host.write("/home/app/env", "LD_DEBUG=files\nLD_DEBUG_OUTPUT=/home/app/out/ld\nLD_PRELOAD=/home/app/evil.so\n");
        for (name, more) in [("pid", "PIDFile=/run/app.pid\n"), ("stop", "ExecStop=/bin/true\nExecStopPost=/bin/true\n"), ("plain", "")] {
            host.write(
                &format!("/etc/systemd/system/{name}.service"),
                &format!("[Service]\nExecStart=/bin/sleep infinity\nUser=app\nEnvironmentFile=-/home/app/env\nRestart=always\n{more}"),
            );
            guard(&host, name, name, &format!(
                "[Ward]\nUnit={name}.service\n{LIMIT}[OnStart]\nLog=start\n[OnDeath]\nLog=before\nRestart=%n\nLog=after\nWaitFor=1ms\nExecute=+/bin/true\n\
                 [OnRestart]\nLog=restarted\n[OnStop]\nLog=stop\nExecute=+/bin/true\n[OnLimit]\nLog=limit\nExecute=+/bin/true\n"
            ));
            let (_, run) = kill(&host, name);
            wait_for_restart(&host, name, &run);
            host.sh(&format!("systemctl stop {name}; systemctl start {name}"));
            for _ in 0..2 {
                host.sh(&format!("systemctl kill --kill-whom=main --signal=KILL {name}; sleep 0.5"));
            }
            wait_for_end_of(&host, &format!("unitward-{name}-OnLimit.service"));
        }
        assert_ne!(host.sh("find /home/app/out -type f -user app | head -1"), "", "the test sees what is loaded");
        assert_eq!(host.sh("find /home/app/out -type f -user root -exec head -3 {} +"), "");
    }

    fn a_file_that_was_a_users_gives_roots_commands_nothing_once_it_is_gone(host: Host) {
        host.sh("useradd --system app");
        host.script("/opt/main", "#!/bin/sh\necho MARK=/etc/apps >/run/rcd/env\nexec sleep infinity\n");
        host.script("/opt/report", "#!/bin/sh\nenv >/run/reported\ntouch \"${MARK:-/run/nothing}\"\n");
        host.write("/etc/roots", "# root's\nFROM_ROOT='a b'\n");
        host.write(
            "/etc/systemd/system/rcd.service",
            "[Service]\nExecStart=/opt/main\nUser=app\nRuntimeDirectory=rcd\nEnvironment=MARK=/run/roots OWN=1\n\
             EnvironmentFile=/etc/roots\nEnvironmentFile=-/run/rcd/env\nRestart=always\nRestartSec=200ms\n",
        );
        guard(&host, "rc", "rcd", &format!(
            "[Ward]\nUnit=rcd.service\n{LIMIT}[OnLimit]\nWaitFor=700ms\nExecute=+/opt/report\nExecute=+/usr/bin/touch ${{MARK}}.word\n"
        ));
        for _ in 0..2 {
            host.wait_for("the file", || host.sh("cat /run/rcd/env 2>/dev/null || true").contains("MARK").then_some(()));
            let (_, run) = kill(&host, "rcd");
            if host.systemctl_show("rcd", "NRestarts") == "0" {
                wait_for_restart(&host, "rcd", &run);
            }
        }
        wait_for_end_of(&host, "unitward-rc-OnLimit.service");
        assert!(!host.has("/etc/apps") && !host.has("/etc/apps.word"), "the user has chosen a file that root writes");
        assert!(host.has("/run/roots") && host.has("/run/roots.word"), "{}", host.read("/run/reported"));
        let seen = host.read("/run/reported");
        assert!(seen.contains("FROM_ROOT=a b\n") && seen.contains("OWN=1\n"), "{seen}");
    }

    fn a_file_that_is_too_large_for_any_command_does_not_silence_the_limit(host: Host) {
        host.sh("useradd --system app; install -d -o app /home/app; touch /home/app/env; chown app /home/app/env");
        host.script("/opt/main", "#!/bin/sh\nexec sleep infinity\n");
        host.write(
            "/etc/systemd/system/big.service",
            "[Service]\nExecStart=/opt/main\nUser=app\nEnvironmentFile=-/home/app/env\nRestart=always\nRestartSec=200ms\n",
        );
        guard(&host, "big", "big", &format!("[Ward]\nUnit=big.service\n{LIMIT}[OnLimit]\nExecute=+/usr/bin/touch /run/told\n"));
        let (_, run) = kill(&host, "big");
        wait_for_restart(&host, "big", &run);
        host.sh("for n in $(seq 18); do printf 'V%s=%0120000d\\n' $n 0; done >/home/app/env");
        kill(&host, "big");
        host.wait_for("the [OnLimit] step", || host.has("/run/told").then_some(()));
    }

    fn a_conditions_own_service_has_the_sandbox_of_the_wards_unit(host: Host) {
        host.sh("useradd --system app");
        host.script("/opt/look", "#!/bin/sh\ngrep -E '^(NoNewPrivs|CapBnd):' /proc/self/status; touch /var/tmp/outside && echo written\n");
        let ward = format!(
            "[Service]\nExecStart=sleep infinity\nUser=app\nNoNewPrivileges=yes\nProtectSystem=strict\nPrivateTmp=yes\nCapabilityBoundingSet=\n\
             {LIMIT}[OnLimit]\nExecute=/opt/look\n"
        );
        guard(&host, "box", "box", &ward);
        let (_, run) = kill(&host, "box");
        wait_for_restart(&host, "box", &run);
        kill(&host, "box");
        let service = "unitward-box-OnLimit.service";
        wait_for_end_of(&host, service);
        let said = host.journal(&["-o", "cat", "-u", service]);
        assert!(said.contains("NoNewPrivs:\t1") && said.contains("CapBnd:\t0000000000000000"), "{said}");
        assert!(!host.has("/var/tmp/outside"), "{said}");
    }

    fn an_exclusion_holds_where_no_program_can_be_started(host: Host) {
        let service = "[Service]\nExecStart=sleep infinity\nRestart=always\nRestartSec=200ms\n";
        guard(&host, "web", "web", &format!("{service}{LIMIT}"));
        host.sh("systemctl stop unitwardd.service unitwardd.socket 2>/dev/null || systemctl stop unitwardd");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        host.sh("cp /usr/bin/systemctl /root/systemctl; chmod -x /usr/bin/systemctl");
        let pid = host.sh("/root/systemctl show -P MainPID web");
        host.sh(&format!("kill -KILL {pid}"));
        host.wait_for("the mark", || host.has("/run/unitward/wards/web/excluded.json").then_some(()));
        host.wait_for("the end", || matches!(&*host.sh("/root/systemctl show -P ActiveState web"), "failed" | "inactive").then_some(()));
        let count = || host.journal(&["-o", "cat", "-u", "web"]).matches("Started web").count();
        let before = count();
        host.sh("sleep 2");
        assert_eq!(count(), before);
        host.sh("chmod +x /usr/bin/systemctl");
    }

    fn a_sandbox_in_the_drop_in_of_an_alias_keeps_a_command_from_running_outside_it(host: Host) {
        host.write("/etc/systemd/system/db.service", "[Service]\nExecStart=/bin/sleep infinity\nRestart=always\n");
        host.sh("ln -s db.service /etc/systemd/system/mysql.service");
        host.write("/etc/systemd/system/mysql.service.d/x.conf", "[Service]\nCapabilityBoundingSet=CAP_CHOWN\n");
        let steps = "[OnDeath]\nExecute=/usr/bin/touch /run/steps-ran\nLog=the rest goes on\n";
        host.write("/etc/unitward/db.ward", &format!("[Ward]\nUnit=db.service\n{steps}"));
        host.sh("systemctl daemon-reload; systemctl start mysql db");
        let (_, run) = kill(&host, "db");
        wait_for_restart(&host, "db", &run);
        host.wait_for("the step behind it", || host.journal(&["-o", "cat", "UNITWARD_WARD=db"]).contains("the rest goes on").then_some(()));
        assert!(!host.has("/run/steps-ran"));
    }

    fn a_socket_that_serves_all_instances_stays_open_when_one_is_given_up(host: Host) {
        host.write("/etc/systemd/system/def.socket", "[Socket]\nListenStream=/run/def.sock\nAccept=yes\n");
        host.write(
            "/etc/unitward/def@.ward",
            &format!("[Service]\nExecStart=/bin/false\nStandardInput=socket\n{LIMIT}"),
        );
        host.sh("systemctl daemon-reload; systemctl start def.socket");
        host.sh("perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Peer => \"/run/def.sock\") or die'");
        host.wait_for_within(Duration::from_secs(30), "the exclusion", || {
            (host.sh("(ls /run/unitward/wards/def@*/excluded.json 2>/dev/null || true) | wc -l") == "1").then_some(())
        });
        host.sh("sleep 1");
        assert_eq!(host.systemctl_show("def.socket", "ActiveState"), "active");
    }
}
