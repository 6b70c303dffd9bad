//! A service that says that it is stopping, and does not end as it should: its crash is told all
//! the same.

use crate::host::Host;
use crate::on_both;
use crate::report::{cloud, kill, told};

on_both! {
    fn a_service_that_says_it_is_stopping_and_is_asked_for_meanwhile_has_crashed_all_the_same(host: Host) {
        let _reports = cloud(&host, "");
        host.script("/usr/local/bin/crafty", "#!/bin/bash\nsystemd-notify --ready\n[ ! -e /run/$1-once ] || exec sleep infinity\ntouch /run/$1-once\n\
            until [ -e /run/go ]; do sleep 0.05; done\nsystemd-notify STOPPING=1\nuntil [ -e /run/queued ]; do sleep 0.05; done\neval \"$2\"\n");
        let ends = [
            ("fault", "kill -SEGV $$$$", "always", "SIG 11 (Segmentation fault)"),
            ("exit", "exit 101", "on-failure", "EXIT 101"),
            ("kill", "kill -KILL $$$$", "always", "SIG 9 (Killed)"),
            ("left", "exit 101", "no", "EXIT 101"),
        ];
        for (name, end, restart, _) in ends {
            host.write(&format!("/etc/unitward/{name}.ward"), &format!("[Service]\nType=notify\nNotifyAccess=all\nLimitCORE=0\nRestart={restart}\n\
                ExecStart=/usr/local/bin/crafty {name} \"{end}\"\n[OnDeath]\nLog={name} is answered\n"));
        }
        host.sh("systemctl daemon-reload; systemctl start fault exit kill left; touch /run/go");
        for (name, ..) in ends {
            host.wait_for_property(name, "ActiveState", "deactivating");
        }
        host.sh("systemctl start --no-block fault exit kill left; touch /run/queued");
        for (name, _, restart, reason) in ends {
            let report = host.wait_for("the crash", || told(&host).ok()?.into_iter().find(|report| report["ward"] == name));
            assert_eq!(report["reason"], reason, "{report}");
            let is_answered = || host.journal(&["-o", "cat", "-t", "unitward-step"]).contains(&format!("{name} is answered"));
            host.wait_for("its steps", || (restart == "no" || is_answered()).then_some(()));
        }
        let said = host.journal(&["-o", "cat", "-t", "unitward-step"]);
        for end in ["signal SEGV", "exit status 101", "signal KILL"] {
            assert!(said.contains(&format!("{end}, nobody asked for it")), "{said}");
        }
    }

    fn a_start_that_waits_for_a_service_that_says_it_is_stopping_hides_no_crash(host: Host) {
        let ends = [("exit", "exit 101", "EXIT 101"), ("kill", "kill -KILL $$$$", "SIG 9 (Killed)"), ("warded", "exit 101", "EXIT 101")];
        let _reports = cloud(&host, "[Watch]\nUnits=exit.service kill.service\n");
        host.script("/usr/local/bin/crafty", "#!/bin/bash\nsystemd-notify --ready\n[ ! -e /run/app/$1 ] || exec sleep infinity\ntouch /run/app/$1\n\
            until [ -e /run/go ]; do sleep 0.05; done\nsystemd-notify STOPPING=1\nuntil [ -e /run/queued ]; do sleep 0.05; done\neval \"$2\"\n");
        host.sh("useradd app; mkdir -m 777 /run/app");
        for (name, end, _) in ends {
            host.write(&format!("/etc/systemd/system/{name}.service"), &format!("[Service]\nType=notify\nNotifyAccess=all\nUser=app\nLimitCORE=0\n\
                ExecStart=/usr/local/bin/crafty {name} \"{end}\"\n"));
        }
        host.write("/etc/unitward/warded.ward", "[Ward]\nUnit=warded.service\n");
        host.sh("systemctl daemon-reload; systemctl start exit kill warded; touch /run/go");
        for (name, ..) in ends {
            host.wait_for_property(name, "ActiveState", "deactivating");
        }
        host.sh("systemctl start --no-block exit kill warded; touch /run/queued");
        for (name, _, reason) in ends {
            let unit = format!("{name}.service");
            let report = host.wait_for("the crash", || told(&host).ok()?.into_iter().find(|report| report["unit"] == unit));
            assert_eq!(report["reason"], reason, "{report}");
            host.wait_for_property(name, "ActiveState", "active");
        }
        // A stop that comes in that time is one.
        host.sh("rm /run/app/* /run/go /run/queued; systemctl restart exit kill; touch /run/go");
        for name in ["exit", "kill"] {
            host.wait_for_property(name, "ActiveState", "deactivating");
        }
        host.sh("systemctl stop --no-block exit kill; touch /run/queued");
        for name in ["exit", "kill"] {
            host.wait_for_property(name, "ActiveState", "failed");
        }
        let (_, run) = kill(&host, "warded");
        let reports = host.wait_for("a later death", || {
            let reports = told(&host).ok()?;
            reports.iter().any(|report| report["invocation"] == run.as_str()).then_some(reports)
        });
        for unit in ["exit.service", "kill.service"] {
            assert_eq!(reports.iter().filter(|report| report["unit"] == unit).count(), 1, "{reports:?}");
        }
    }
}
