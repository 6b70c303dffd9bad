//! Broken ward files: each costs its own ward at most, is named with file, line and advice, and never the boot.

use crate::broken_wards::Left::{self, Nothing, Unit};
use crate::broken_wards::{S, texts};
use crate::host::{Access, Host};
use crate::on_both;

/// Every file that is not text, not safe or not readable. All lost.
fn odd_files(host: &Host) -> Vec<(&'static str, &'static str)> {
    let put = |name: &str, bytes: &[u8], mode: u32, uid: u32| {
        host.write_mode(
            &format!("/etc/unitward/{name}.ward"),
            bytes,
            Access { mode, uid },
        );
    };
    put("odd-binary", b"\x7fELF\x02\x01\x01\0\0\0\xff\xfe", 0o644, 0);
    put(
        "odd-nul",
        b"[Service]\nExecStart=/bin/true\nX=\0\n",
        0o644,
        0,
    );
    put(
        "odd-large",
        &b"# ten million bytes\n".repeat(500_000),
        0o644,
        0,
    );
    put("odd-owner", S.as_bytes(), 0o644, 1000);
    put("odd-group", S.as_bytes(), 0o664, 0);
    put("odd-others", S.as_bytes(), 0o646, 0);
    put("odd name", S.as_bytes(), 0o644, 0);
    host.sh("cd /etc/unitward; mkdir odd-folder.ward; mkfifo odd-pipe.ward; ln -s nowhere odd-link.ward; ln -s odd-loop.ward odd-loop.ward; ln -s /dev/zero odd-device.ward");
    vec![
        ("odd-binary", "not"),
        ("odd-nul", "not text"),
        ("odd-large", "1 MiB"),
        ("odd-owner", "chown root"),
        ("odd-group", "chmod go-w"),
        ("odd-others", "chmod go-w"),
        ("odd name", "only letters"),
        ("odd-folder", "not a regular file"),
        ("odd-pipe", "not a regular file"),
        ("odd-link", "nowhere"),
        ("odd-loop", "link"),
        ("odd-device", "not a regular file"),
    ]
}

/// Writes everything broken beside one sound ward; gives file, line and words that `check` must say.
fn set_up(host: &Host) -> Vec<(String, String, Left)> {
    host.write(
        "/etc/systemd/system/guarded.service",
        "[Service]\nExecStart=/bin/sleep infinity\nRestart=on-failure\n",
    );
    host.write("/etc/unitward/good.ward", &format!("{S}[OnDeath]\nLog=100% of %n \"quoted\" $HOME\nExecute=/bin/touch /run/recovered\n[Install]\nWantedBy=multi-user.target\n"));
    let mut expected = Vec::new();
    for (index, (text, line, advice, left)) in texts().into_iter().enumerate() {
        let name = format!("bad-{index:02}");
        host.write(&format!("/etc/unitward/{name}.ward"), &text);
        let place = if line == 0 {
            String::new()
        } else {
            format!("{line}:")
        };
        expected.push((
            format!("/etc/unitward/{name}.ward:{place}"),
            advice.to_owned(),
            left,
        ));
    }
    for (name, advice) in odd_files(host) {
        expected.push((
            format!("/etc/unitward/{name}.ward:"),
            advice.to_owned(),
            Nothing,
        ));
    }
    for name in ["twin-a", "twin-b"] {
        host.write(
            &format!("/etc/unitward/{name}.ward"),
            "[Ward]\nUnit=guarded.service\n",
        );
    }
    expected.push((
        "/etc/unitward/twin-b.ward:".into(),
        "remove one of the two".into(),
        Nothing,
    ));
    for (name, other) in [("round-a", "round-b"), ("round-b", "round-a")] {
        host.write(
            &format!("/etc/unitward/{name}.ward"),
            &format!("{S}[OnDeath]\nRestart={other}.service\n"),
        );
    }
    expected.push((
        "/etc/unitward/round-b.ward:4:".into(),
        "circle".into(),
        Unit,
    ));
    expected
}

on_both! {
    fn each_broken_file_costs_its_own_ward_at_most_and_is_named(mut host: Host) {
        let expected = set_up(&host);
        assert!(expected.len() >= 60, "{}", expected.len());
        let reload = host.run(&["systemctl", "daemon-reload"]);
        assert!(reload.stderr.is_empty(), "{reload:?}");
        let checked = host.try_run(&["unitward", "check"]);
        assert_eq!(checked.status.code(), Some(1));
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        for (place, advice, left) in &expected {
            let lines: Vec<_> = said.lines().filter(|line| line.starts_with(place.as_str())).collect();
            assert!(lines.iter().any(|line| line.contains(advice.as_str())), "{place} {advice:?}: {lines:?}\n{said}");
            let stem = place.split(".ward").next().unwrap().rsplit('/').next().unwrap();
            let written = host.has(&format!("/run/systemd/generator/{stem}.service")) || host.has("/run/systemd/generator/not-there.service.d/50-unitward.conf") && *place == "/etc/unitward/bad-16.ward:";
            assert_eq!(written, *left == Unit, "{place}: {lines:?}");
        }
        let broken = |line: &str| expected.iter().any(|(place, _, _)| line.starts_with(place.split_inclusive(".ward").next().unwrap()));
        assert_eq!(said.lines().filter(|line| !broken(line)).collect::<Vec<_>>(), [""; 0], "nothing sound is complained of");
        host.run(&["systemctl", "start", "good"]);
        host.reboot();
        assert_eq!(host.sh("systemctl is-system-running || true"), "running");
        assert_eq!(host.systemctl_show("good", "ActiveState"), "active");
        host.sh("systemctl kill --kill-whom=main --signal=KILL good");
        host.wait_for("the sound ward's recovery", || host.has("/run/recovered").then_some(()));
        assert!(!host.has("/tmp/injected"));
    }

    fn nothing_we_write_displeases_systemd_analyze(host: Host) {
        set_up(&host);
        host.sh("systemctl daemon-reload; rm -rf /run/systemd/generator/not-there.service.d");
        let units = host.sh("cd /run/systemd/generator; ls | grep '[.]service$' | tr '\\n' ' '; echo guarded.service");
        assert!(units.split_whitespace().count() > 40, "{units}");
        let verified = host.try_run(&["sh", "-c", &format!("SYSTEMD_UNIT_PATH=/run/systemd/generator: systemd-analyze verify --recursive-errors=yes {units} 2>&1")]);
        let said = String::from_utf8_lossy(&verified.stdout).into_owned();
        let ours: Vec<_> = said.lines().filter(|line| units.split_whitespace().any(|unit| line.contains(unit)) || line.contains("unitward")).collect();
        assert_eq!(ours, [""; 0], "{said}");
    }

    fn an_unreadable_ward_directory_does_not_stop_the_boot(mut host: Host) {
        host.sh("rm -rf /etc/unitward; ln -s unitward /etc/unitward");
        host.run(&["systemctl", "daemon-reload"]);
        host.reboot();
        assert_eq!(host.sh("systemctl is-system-running || true"), "running");
    }
}
