//! `unitward guard`: the ward for a unit that is there, shown and installed; what gets none.

use crate::host::Host;
use crate::on_both;
use crate::report::{kill, wait_for_restart};
use serde_json::Value;

/// Standard output, standard error and exit status.
fn guard(host: &Host, arguments: &[&str]) -> (String, String, Option<i32>) {
    let done = host.try_run(&[&["unitward", "guard"], arguments].concat());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&done.stdout), text(&done.stderr), done.status.code())
}

#[track_caller]
fn refused(host: &Host, unit: &str, why: &str) {
    let (out, beside, status) = guard(host, &[unit]);
    assert!(
        status == Some(1) && out.is_empty() && beside.contains(why),
        "{unit}: {status:?} {out}{beside}"
    );
}

fn unit(host: &Host, name: &str, text: &str) {
    host.write(&format!("/etc/systemd/system/{name}"), text);
}

const SLEEPS: &str = "[Service]\nExecStart=/usr/bin/sleep infinity\n";

on_both! {
    fn a_unit_gets_the_ward_that_fits_and_it_is_in_force_without_the_daemon(host: Host) {
        host.sh("systemctl stop unitwardd; systemctl mask unitwardd");
        host.run(&["systemctl", "start", "nginx"]);
        let pid = host.systemctl_show("nginx", "MainPID");
        let (ward, beside, status) = guard(&host, &["nginx"]);
        println!("{ward}\n{beside}");
        assert_eq!(status, Some(0));
        assert!(ward.contains("\n[Ward]\nUnit=nginx.service\n") && ward.ends_with("\n[Service]\nRestart=always\n"), "{ward}");
        assert!(ward.contains("PIDFile=/run/nginx.pid"), "{ward}");
        assert!(beside.contains("When nginx.service dies, ward nginx (/etc/unitward/nginx.ward)"), "{beside}");
        assert!(!host.has("/etc/unitward/nginx.ward"), "nothing is changed");
        let (said, beside, status) = guard(&host, &["nginx.service", "--write"]);
        assert_eq!(status, Some(0), "{said}{beside}");
        assert!(said.contains(&format!("process {pid}")) && said.contains("Restart=always"), "{said}");
        assert_eq!(host.read("/etc/unitward/nginx.ward"), ward, "what was shown is what is written");
        assert_eq!(host.sh("stat -c '%a %U' /etc/unitward/nginx.ward; ls /etc/unitward | grep -c tmp || true"), "644 root\n0");
        assert_eq!(host.try_run(&["unitward", "check", "--strict"]).status.code(), Some(0));
        assert_eq!(host.systemctl_show("nginx", "MainPID"), pid, "it was not touched");
        let (_, run) = kill(&host, "nginx");
        wait_for_restart(&host, "nginx", &run);
        refused(&host, "nginx", "nginx.service is guarded already, by the ward nginx (/etc/unitward/nginx.ward)");
    }

    fn a_ward_on_standard_output_is_a_file_and_as_json_a_document(host: Host) {
        host.sh("unitward guard mosquitto >/etc/unitward/mosquitto.ward && unitward check --strict && systemctl daemon-reload");
        assert!(host.sh("systemctl cat mosquitto").contains("50-unitward.conf"));
        unit(&host, "web.service", SLEEPS);
        host.sh("systemctl daemon-reload");
        let (text, _, status) = guard(&host, &["web", "--json"]);
        let document: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((status, document["ward"].as_str(), document["unit"].as_str()), (Some(0), Some("web"), Some("web.service")));
        assert!(document["text"].as_str().unwrap().contains("Restart=on-failure") && document["inForce"].is_null(), "{text}");
        let nobody = host.try_run(&["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "unitward", "guard", "web"]);
        assert!(nobody.status.success() && !nobody.stdout.is_empty(), "{nobody:?}");
        let nobody = host.try_run(&["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "unitward", "guard", "web", "--write"]);
        assert!(nobody.status.code() == Some(1) && String::from_utf8_lossy(&nobody.stderr).contains("Only root"), "{nobody:?}");
        host.write("/etc/unitward/web.ward", "");
        let (_, beside, status) = guard(&host, &["web", "--write"]);
        assert!(status == Some(1) && beside.contains("is there already and stays as it is"), "{beside}");
        assert_eq!(host.read("/etc/unitward/web.ward"), "");
    }

    fn what_a_unit_says_of_itself_becomes_of_the_ward(host: Host) {
        unit(&host, "much.service", "[Unit]\nStartLimitBurst=3\nStartLimitIntervalSec=5min\nStartLimitAction=reboot\n\
            [Service]\nType=notify\nRestart=on-failure\nUser=daemon\nWatchdogSec=30\nExecStart=/usr/bin/sleep infinity\n");
        unit(&host, "much.socket", "[Socket]\nListenStream=/run/much.sock\n");
        unit(&host, "bound.service", &format!("[Unit]\nBindsTo=much.service\n{SLEEPS}"));
        unit(&host, "once.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n");
        unit(&host, "for-ever.service", &format!("[Unit]\nStartLimitIntervalSec=0\n{SLEEPS}Restart=always\n"));
        host.sh("systemctl daemon-reload; systemctl start much.socket bound.service --no-block");
        let (ward, _, _) = guard(&host, &["much"]);
        assert!(ward.ends_with("[Recovery]\nDeathLimit=2\nDeathLimitIntervalSec=5min\nOnLimit=reboot\n"), "{ward}");
        for found in ["WatchdogSec=30s", "Started by much.socket", "bound.service is bound to it", "User=daemon"] {
            assert!(ward.contains(found) && !ward.contains("Restart="), "{found}: {ward}");
        }
        assert!(guard(&host, &["once"]).0.ends_with("[Service]\nRestart=on-failure\n"));
        assert!(guard(&host, &["for-ever"]).0.ends_with("[Recovery]\nDeathLimit=0\n"));
        for name in ["once", "for-ever"] {
            assert_eq!(guard(&host, &[name, "--write"]).2, Some(0));
            assert_eq!(host.systemctl_show(name, "LoadState"), "loaded");
        }
        let plain: Vec<_> = host.sh("systemctl list-units --all --plain --no-legend --type=service | awk '$2==\"loaded\"{print $1}'").lines().map(str::to_owned).collect();
        for name in &plain {
            let (ward, beside, status) = guard(&host, &[name]);
            let is_fine = match status { Some(0) => ward.contains(&format!("Unit={name}\n")), _ => beside.contains(name.as_str()) };
            assert!(is_fine && !beside.contains("would not take effect"), "{name}: {ward}{beside}");
        }
    }

    fn what_gets_no_ward_is_told_why(host: Host) {
        unit(&host, "web.service", &format!("{SLEEPS}[Install]\nAlias=site.service\nWantedBy=multi-user.target\n"));
        unit(&host, "many@.service", SLEEPS);
        unit(&host, "web.timer", "[Timer]\nOnActiveSec=1d\n");
        unit(&host, "broken.service", "[Service]\nRestart=always\n");
        unit(&host, "gone.service", SLEEPS);
        host.sh("systemctl daemon-reload; systemctl enable web; systemctl start many@one web.timer; systemctl mask --force gone 2>&1 || { rm /etc/systemd/system/gone.service; systemctl mask gone; }");
        let (ward, beside, _) = guard(&host, &["many@one"]);
        assert!(ward.contains("An instance of many@.service") && ward.contains("Unit=many@one.service\n"), "{ward}");
        assert!(beside.contains("\"unitward guard many@.service\" guards each of them"), "{beside}");
        refused(&host, "web.timer", "it starts web.service: \"unitward guard web.service\"");
        unit(&host, "lone.timer", "[Timer]\nOnActiveSec=1d\nUnit=web.service\n");
        refused(&host, "lone", "There is no lone.service, but lone.timer, and a ward guards a service");
        refused(&host, "multi-user.target", "unitward.stack(5)");
        refused(&host, "gone", "is masked (/etc/systemd/system/gone.service)");
        refused(&host, "mosquito", "did you mean mosquitto.service?");
        refused(&host, "broken", "systemd cannot load broken.service (bad-setting)");
        refused(&host, "a b", "is not a unit");
        host.sh("systemd-run --unit=passing sleep infinity");
        refused(&host, "passing", "passing.service is transient");
        let (ward, beside, _) = guard(&host, &["site"]);
        assert!(ward.contains("Unit=web.service\n") && beside.contains("site.service is another name of web.service"), "{ward}{beside}");
        host.write("/etc/unitward/own.ward", &format!("{SLEEPS}[OnLimit]\nLog=over\n"));
        host.sh("systemctl daemon-reload");
        refused(&host, "own", "is guarded already, by the ward own");
        refused(&host, "unitward-own-OnLimit", "is one of Unitward's own units, made of /etc/unitward/own.ward");
        host.write("/etc/unitward/web.ward", "[Ward]\n");
        refused(&host, "web", "The name web is taken: /etc/unitward/web.ward is there");
        host.write("/etc/unitward/late.ward", "[Ward]\nUnit=nginx.service\n");
        refused(&host, "nginx", "by the ward late (/etc/unitward/late.ward): \"systemctl daemon-reload\" makes that take effect");
    }
}
