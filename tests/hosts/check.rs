//! `unitward check` beside a running systemd, and for somebody who is not root.

use crate::host::{Access, Host};
use crate::on_both;
use std::process::Output;
use std::time::Instant;

const SOUND: &str = "[Service]\nExecStart=/bin/sleep infinity\n";

/// The lines of a check, and what it said beside them.
fn lines(done: &Output) -> (Vec<String>, String) {
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    (
        text.lines().map(str::to_owned).collect(),
        String::from_utf8_lossy(&done.stderr).into_owned(),
    )
}

/// A check by somebody who may do nothing.
fn as_nobody(host: &Host, options: &[&str]) -> Output {
    host.try_run(
        &[
            &[
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
                "unitward",
                "check",
            ],
            options,
        ]
        .concat(),
    )
}

on_both! {
    fn systemd_itself_judges_native_sections(host: Host) {
        let version = host.sh("systemctl --version | sed -n '1s/^systemd \\([0-9]*\\).*/\\1/p'");
        host.write("/etc/systemd/system/old.service", "[Service]\nExecStart=/bin/sleep infinity\nRestart=always\nOwnNonsense=1\n");
        host.write("/etc/unitward/new.ward", &format!("[Unit]\nAfterr=network.target\n{SOUND}RestartSteps=3\nMemoryMaxx=1G\n  CPUWeight = lots\n"));
        host.write("/etc/unitward/old.ward", "[Ward]\nUnit=old.service\n[Service]\n");
        host.write("/etc/unitward/old.ward.d/a.conf", "[Service]\nNice=5\nNise=5\n");
        let done = host.try_run(&["unitward", "check"]);
        let (said, beside) = lines(&done);
        println!("{}\n{beside}", said.join("\n"));
        let steps = format!("/etc/unitward/new.ward:5:1: warning: systemd {version} knows no key \"RestartSteps\" in [Service]");
        assert_eq!(said.iter().any(|line| line.starts_with(&steps)), version == "252", "{said:?}");
        for (place, words) in [
            ("new.ward:2:1: ", "knows no key \"Afterr\" in [Unit] (did you mean \"After\"?); it goes on without the line"),
            ("new.ward:6:1: ", "did you mean \"MemoryMax\"?"),
            ("new.ward:7:15: ", "CPUWeight=lots"),
            ("old.ward.d/a.conf:3:1: ", "did you mean \"Nice\"?"),
        ] {
            let found = said.iter().any(|line| line.starts_with(&format!("/etc/unitward/{place}warning: ")) && line.contains(words));
            assert!(found, "{place} {words} in {said:?}");
        }
        let own = "/etc/systemd/system/old.service:4: warning: systemd says of this line of old.service, which is guarded: Unknown key";
        assert!(said.iter().any(|line| line.starts_with(own)), "{said:?}");
        let half = "new.ward:5:14: warning: systemd says of new.service: Service has RestartSteps= but no RestartMaxDelaySec= setting";
        assert_eq!(said.iter().any(|line| line.contains(half)), version != "252", "{said:?}");
        assert_eq!(said.len(), 6, "{said:?}");
        assert_eq!(done.status.code(), Some(0), "warnings leave everything in effect");
        assert_eq!(host.try_run(&["unitward", "check", "--strict"]).status.code(), Some(1));
        assert_eq!(lines(&as_nobody(&host, &[])).0, said, "nobody in particular sees the same");
        let elsewhere = lines(&host.try_run(&["unitward", "check", "--root", "/etc/.."]));
        assert!(!elsewhere.0.iter().any(|line| line.contains("knows no key")), "{elsewhere:?}");
        assert!(elsewhere.1.contains("were not shown to systemd"), "{elsewhere:?}");
        assert_eq!(host.sh("ls -A /tmp | grep unitward-check || true"), "", "nothing is left behind");
    }

    fn systemd_judges_the_whole_unit_with_the_files_of_what_is_adopted(host: Host) {
        host.write("/etc/systemd/system/plain.service", SOUND);
        host.write("/etc/unitward/login.ward", "[Ward]\nUnit=plain.service\n[Service]\nRestart=always\nPAMName=login\nKillMode=process\n");
        host.write("/etc/systemd/system/empty.service", "[Service]\nRestart=always\n");
        host.write("/etc/unitward/empty.ward", "[Ward]\nUnit=empty.service\n");
        host.write("/etc/unitward/lacks.ward", &format!("[Unit]\nRequires=nope.service\n{SOUND}"));
        host.write("/etc/unitward/one.ward", &format!("[Unit]\nAfter=two.service\nRequires=two.service\n{SOUND}"));
        host.write("/etc/unitward/two.ward", &format!("[Unit]\nAfter=one.service\n{SOUND}"));
        host.write("/run/systemd/generator/quad.service", "[Service]\nExecStart=/bin/not-there\nRestart=always\n");
        host.write("/etc/unitward/quad.ward", "[Ward]\nUnit=quad.service\n[OnLimit]\nExecute=/bin/true\n");
        host.write("/etc/systemd/system/other.service", "[Service]\nNonsense=1\n");
        let done = host.try_run(&["unitward", "check"]);
        let (said, beside) = lines(&done);
        println!("{}\n{beside}", said.join("\n"));
        let expect = [
            "/etc/unitward/login.ward:2:6: systemd does not load plain.service: ",
            "/etc/unitward/empty.ward:2:6: systemd does not load empty.service: Service has no ExecStart=",
            "/etc/unitward/lacks.ward:2:10: warning: systemd could not start lacks.service: Unit nope.service not found; ",
            "/etc/unitward/one.ward:3:10: warning: one.service and two.service wait for each other, so systemd leaves one of them out",
            "/etc/unitward/quad.ward:2:6: warning: systemd says of quad.service: Command /bin/not-there is not executable: No such file",
        ];
        for expect in expect {
            assert!(said.iter().any(|line| line.starts_with(expect)), "{expect} in {said:?}");
        }
        assert!(said.iter().all(|line| expect.iter().any(|expect| line.starts_with(expect))), "{said:?}");
        assert_eq!(done.status.code(), Some(1), "a unit that is not loaded is no warning");
        assert_eq!(host.sh("ls -A /tmp | grep -e unitward-check -e systemd-temporary || true"), "", "nothing is left behind");
        host.sh("mv /usr/bin/systemd-analyze /usr/bin/systemd-away; rm /etc/unitward/*.ward");
        host.write("/etc/unitward/new.ward", SOUND);
        let (said, beside) = lines(&host.try_run(&["unitward", "check", "--strict"]));
        assert_eq!((said, beside.matches("Units were not shown to systemd: failed to run systemd-analyze").count()), (Vec::new(), 1), "{beside}");
    }

    fn what_a_drop_in_behind_ours_undoes_is_told_beforehand(host: Host) {
        host.write("/etc/systemd/system/plain.service", SOUND);
        host.write("/etc/systemd/system/plain.service.d/zz.conf", "[Service]\nRestart=no\n");
        host.sh("systemctl daemon-reload");
        let guard = host.try_run(&["unitward", "guard", "plain"]);
        let beside = String::from_utf8_lossy(&guard.stderr).into_owned();
        assert!(beside.contains("/etc/systemd/system/plain.service.d/zz.conf:2:1: "), "{beside}");
        host.write("/etc/unitward/plain.ward", "[Ward]\nUnit=plain.service\n[Service]\nRestart=always\n");
        host.sh("systemctl daemon-reload");
        assert_eq!(host.systemctl_show("plain", "Restart"), "no", "that is what systemd does");
        let (said, _) = lines(&host.try_run(&["unitward", "check"]));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("zz.conf:2:1: warning: this sets Restart=no behind"), "{said:?}");
        let explained = host.sh("unitward plan --explain plain 2>&1");
        assert!(explained.contains("Nothing starts it again: Restart=no."), "{explained}");
        host.sh("cd /etc/systemd/system/plain.service.d; mv zz.conf 10-first.conf; systemctl daemon-reload");
        assert_eq!(host.systemctl_show("plain", "Restart"), "always", "the advice mends it");
        assert_eq!(host.try_run(&["unitward", "check", "--strict"]).status.code(), Some(0));
    }

    fn a_unit_without_a_file_is_known_by_asking_systemd(host: Host) {
        // Only systemd knows this directory.
        host.write("/etc/systemd/system.control/odd.service", SOUND);
        host.write("/etc/init.d/old", "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: old\n# Default-Start: 2 3 4 5\n# Default-Stop: 0\n### END INIT INFO\nexec true\n");
        host.write("/etc/unitward/odd.ward", "[Ward]\nUnit=odd.service\n[Service]\nRestart=always\n[OnDeath]\nRestart=odd.service\n");
        host.write("/etc/unitward/old.ward", "[Ward]\nUnit=old.service\n[Service]\nRestart=on-failure\nRemainAfterExit=no\nGuessMainPID=yes\n");
        host.write("/etc/unitward/none.ward", "[Ward]\nUnit=none.service\n[Service]\nRestart=always\n");
        host.sh("chmod 755 /etc/init.d/old; systemctl daemon-reload");
        let (said, beside) = lines(&host.try_run(&["unitward", "check"]));
        println!("{said:?} {beside}");
        let is_made = host.systemctl_show("old", "LoadState") == "loaded";
        assert!(said.iter().any(|line| line.contains("names none.service, which has no unit file")), "{said:?}");
        assert!(!said.iter().any(|line| line.contains("odd.service")), "{said:?}");
        assert_eq!(said.iter().any(|line| line.contains("old.service")), !is_made, "{said:?}");
        let (_, beside) = lines(&host.try_run(&["unitward", "check", "--root", "/etc/.."]));
        assert!(beside.contains("units that other generators make at boot"), "{beside}");
    }

    fn two_hundred_wards_are_checked_at_once(host: Host) {
        host.sh(&format!("mkdir -p /etc/unitward; for n in $(seq 200); do printf '{}[OnDeath]\\nExecute=/bin/true\\n[Install]\\nWantedBy=multi-user.target\\n' >/etc/unitward/w$n.ward; done", SOUND.replace('\n', "\\n")));
        let begin = Instant::now();
        let done = host.try_run(&["unitward", "check", "--strict"]);
        let took = begin.elapsed();
        println!("200 wards: {took:?}");
        assert_eq!((lines(&done).0, done.status.code()), (Vec::new(), Some(0)));
        assert!(lines(&done).1.contains("200 wards in effect, no problem found."), "{done:?}");
        assert!(took.as_secs() < 10, "{took:?}");
    }

    fn whoever_may_not_read_a_file_is_told_so(host: Host) {
        host.write_mode("/etc/unitward/secret.ward", SOUND.as_bytes(), Access { mode: 0o600, uid: 0 });
        host.write_mode("/etc/unitward/password", b"secret\n", Access { mode: 0o600, uid: 0 });
        host.write("/etc/unitward/unitward.conf", "[MQTT]\nBroker=mqtt://127.0.0.1\nUsername=u\nPasswordFile=/etc/unitward/password\n");
        let done = as_nobody(&host, &["--json"]);
        let document: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!((&document["wards"], &document["sound"], done.status.code()), (&0.into(), &false.into(), Some(1)));
        let problems = document["problems"].as_array().unwrap();
        assert_eq!(problems.len(), 1, "{document}");
        assert_eq!((&problems[0]["file"], &problems[0]["costs"]), (&"/etc/unitward/secret.ward".into(), &"ward".into()));
        assert!(problems[0]["message"].as_str().unwrap().contains("run this as root"), "{document}");
        host.sh("chmod 700 /etc/unitward");
        let (said, _) = lines(&as_nobody(&host, &[]));
        assert!(said.len() == 1 && said[0].starts_with("/etc/unitward: the directory cannot be read"), "{said:?}");
        let done = host.try_run(&["unitward", "check", "--strict"]);
        assert_eq!((lines(&done).0, done.status.code()), (Vec::new(), Some(0)));
    }

    fn the_generator_says_what_check_says(host: Host) {
        host.write("/etc/unitward/a.ward", &format!("{SOUND}TimeoutStartSec=5s\n[OnDeath]\nWaitFor=1min\n[OnStop]\nExecute=/bin/true \\\n  a 100%\n[Recovery]\nOnLimit=exlude\n"));
        let (said, _) = lines(&host.try_run(&["unitward", "check"]));
        assert_eq!(said.len(), 3, "{said:?}");
        let written = host.sh("mkdir /tmp/units; /usr/lib/systemd/system-generators/unitward-generator /tmp/units 2>&1; journalctl -b --no-pager -o cat || true; dmesg || true");
        for line in &said {
            let line = line.replace(": warning: ", ": ");
            assert!(written.contains(&line), "{line} in {written}");
        }
    }
}
