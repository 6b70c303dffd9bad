//! The journal read inside hosts, as the daemon reads it.

use crate::host::{Bare, Host};
use crate::on_both;
use crate::report::{guard, kill, wait_for_restart};
use std::collections::HashMap;
use unitward::core::crash::tracker::Evidence;
use unitward::core::crash::witness::JournalEnd;
use unitward::edge::journal;

/// Where this program is put inside a host.
const READER: &str = "/usr/local/bin/read-the-journal";

/// Run inside a host: prints what a scan gives.
#[test]
#[ignore = "is run inside a host by the other tests"]
fn read_the_journal() {
    let after = std::env::var("AFTER").ok();
    let scan = journal::scan(
        after
            .as_deref()
            .map_or(journal::From::Boot(None), journal::From::Cursor),
    )
    .unwrap();
    for run in &scan.runs {
        println!(
            "run {} {}",
            run.boot,
            serde_json::to_string(&run.record).unwrap()
        );
    }
    scan.ends
        .iter()
        .for_each(|end| println!("end {} {}", end.boot, in_words(end)));
    println!("left-out {}", scan.left_out);
    println!("cursor {}", scan.cursor.unwrap_or_default());
    println!("tail {}", journal::tail().unwrap().unwrap_or_default());
}

fn in_words(end: &JournalEnd) -> String {
    let asked = if end.testimony.evidence == Evidence::Asked {
        "asked"
    } else {
        "unasked"
    };
    format!(
        "{} {} {asked} {:?} {:?} {}",
        end.unit, end.invocation, end.testimony.result, end.testimony.process, end.testimony.at
    )
}

/// What a scan inside a host gave.
#[derive(Debug)]
struct Scan {
    /// Boot and InvocationID of each record.
    runs: Vec<(String, String)>,
    /// `BOOT UNIT RUN asked|unasked RESULT PROCESS TIME` of each end.
    ends: Vec<String>,
    cursor: String,
}

impl Scan {
    /// The ends of a unit, without boot, unit and time.
    fn of(&self, unit: &str) -> Vec<String> {
        let words = self
            .ends
            .iter()
            .map(|end| end.split(' ').collect::<Vec<_>>());
        words
            .filter(|words| words[1] == unit)
            .map(|words| words[2..words.len() - 1].join(" "))
            .collect()
    }
}

/// Puts this program into the host, in a service as confined as the daemon's.
fn put_reader(host: &Host) {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    host.write_mode(
        READER,
        &program,
        crate::host::Access {
            mode: 0o755,
            uid: 0,
        },
    );
    let unit = include_str!("../../units/usr/lib/systemd/system/unitwardd.service");
    let left_out = [
        "Type=",
        "ExecStart=",
        "ExecReload=",
        "WatchdogSec=",
        "Restart=",
        "RestartSec=",
        "StateDirectory=",
        "WantedBy=",
    ];
    let rest: Vec<_> = unit
        .lines()
        .filter(|line| !left_out.iter().any(|key| line.starts_with(key)))
        .collect();
    assert!(rest.contains(&"ProtectSystem=strict"), "{rest:?}");
    let run = format!(
        "Type=oneshot\nEnvironmentFile=-/run/after\nStandardOutput=truncate:/run/scan\nExecStart={READER} --ignored --exact witness::read_the_journal --nocapture"
    );
    host.write(
        "/etc/systemd/system/reader.service",
        &rest
            .join("\n")
            .replace("[Service]", &format!("[Service]\n{run}")),
    );
    host.sh("systemctl daemon-reload");
}

/// Reads the journal inside the host, after this cursor.
fn scan(host: &Host, after: Option<&str>) -> Scan {
    let environment = after
        .map(|cursor| format!("AFTER={cursor}\n"))
        .unwrap_or_default();
    host.write("/run/after", &environment);
    let done = host.try_run(&["systemctl", "start", "reader"]);
    let said = host.read("/run/scan");
    assert!(
        done.status.success(),
        "{said}\n{}",
        host.journal(&["-u", "reader", "-b"])
    );
    let all = |kind: &str| {
        said.lines()
            .filter_map(|line| line.strip_prefix(kind))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let runs = all("run ").into_iter().map(|line| {
        let (boot, record) = line.split_once(' ').unwrap();
        let record: serde_json::Value = serde_json::from_str(record).unwrap();
        (
            boot.to_owned(),
            record["invocation"].as_str().unwrap().to_owned(),
        )
    });
    assert_eq!(all("left-out "), ["0"]);
    Scan {
        runs: runs.collect(),
        ends: all("end "),
        cursor: all("cursor ").pop().unwrap(),
    }
}

fn boot(host: &Host) -> String {
    host.sh("tr -d - </proc/sys/kernel/random/boot_id")
}

const KILLED: &str = "unasked Signal Some(Killed(9))";

on_both! {
    fn what_happened_before_a_reboot_is_found_after_it(mut host: Host) {
        put_reader(&host);
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\n[Recovery]\nMaxDelaySec=0\n[OnDeath]\nLog=x\n[Install]\nWantedBy=multi-user.target\n");
        host.sh("systemctl start web; systemctl stop unitwardd");
        let (before, boot_before) = (scan(&host, None), boot(&host));
        let (_, first) = kill(&host, "web");
        wait_for_restart(&host, "web", &first);
        let second = host.systemctl_show("web", "InvocationID");
        host.reboot();
        let (_, third) = kill(&host, "web");
        wait_for_restart(&host, "web", &third);
        let after = scan(&host, Some(&before.cursor));
        let boot_after = boot(&host);
        let runs: HashMap<_, _> = after.runs.iter().map(|(boot, run)| (run.clone(), boot.clone())).collect();
        for (run, boot) in [(&first, &boot_before), (&second, &boot_before), (&third, &boot_after)] {
            assert_eq!(runs.get(run), Some(boot), "{after:?}");
        }
        assert_eq!(after.of("web.service"), [format!("{first} {KILLED}"), format!("{second} asked Success None"), format!("{third} {KILLED}")]);
        assert!(after.ends.iter().all(|end| end.starts_with(&boot_before) || end.starts_with(&boot_after)), "{after:?}");
        assert!(scan(&host, None).of("web.service") == [format!("{third} {KILLED}")], "of this boot alone");
        assert_eq!(scan(&host, Some(&after.cursor)).of("web.service"), [""; 0], "nothing is told twice");
    }

    fn a_service_that_lies_is_not_believed(host: Host) {
        put_reader(&host);
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\n");
        let run = host.systemctl_show("web", "InvocationID");
        let record = host.read(&format!("/run/unitward/wards/web/runs/{run}.json")).replace("\"end\":null",
            "\"end\":{\"asked\":false,\"result\":\"signal\",\"code\":\"killed\",\"status\":\"KILL\",\"pid\":1,\"at\":5,\"limit_reached\":true}");
        assert!(record.contains("\"limit_reached\":true"), "{record}");
        let mut lies = format!("MESSAGE=lie\nMESSAGE_ID=988202c664e947dfbbc97abc0ed22e39\n_UID=0\n_PID=1\n_SYSTEMD_UNIT=web.service\nUNITWARD_RUN={record}");
        host.write("/run/lie-1", &lies);
        lies = format!("MESSAGE=web.service: Failed\nMESSAGE_ID=d9b373ed55a64feb8242e02dbe79a49c\nUNIT=web.service\nINVOCATION_ID={run}\nUNIT_RESULT=signal\n_PID=1\n");
        host.write("/run/lie-2", &lies);
        host.write("/etc/systemd/system/liar@.service", "[Service]\nType=oneshot\nUser=%i\nExecStart=logger --journald=/run/lie-1\nExecStart=logger --journald=/run/lie-2\n");
        host.sh("systemctl daemon-reload; systemctl start liar@nobody liar@root");
        assert_eq!(host.journal_json(&["MESSAGE=lie"]).len(), 2, "the lies are in the journal");
        let seen = scan(&host, None);
        assert_eq!((seen.runs.len(), seen.of("web.service")), (0, vec![]), "{seen:?}");
        let (_, died) = kill(&host, "web");
        wait_for_restart(&host, "web", &died);
        let seen = scan(&host, None);
        assert!(seen.runs.iter().any(|(_, told)| *told == died), "the truth is believed: {seen:?}");
        assert_eq!(seen.of("web.service"), [format!("{died} {KILLED}")]);
    }

    fn a_stop_that_had_begun_before_the_cursor_was_asked_for(host: Bare) {
        put_reader(&host);
        host.write("/etc/systemd/system/slow.service", "[Service]\nExecStart=/bin/sh -c 'trap \"exit 3\" TERM; while :; do sleep 0.05; done'\nExecStop=/bin/sh -c 'until test -e /run/go; do sleep 0.05; done'\n");
        host.sh("systemctl start slow; systemctl stop --no-block slow");
        host.wait_for_property("slow", "SubState", "stop");
        let run = host.systemctl_show("slow", "InvocationID");
        host.sh("echo something else | systemd-cat");
        let before = scan(&host, None);
        assert_eq!(before.of("slow.service"), [""; 0]);
        host.write("/run/go", "");
        host.wait_for_property("slow", "ActiveState", "failed");
        assert_eq!(scan(&host, Some(&before.cursor)).of("slow.service"), [format!("{run} asked ExitCode Some(Exited(3))")]);
    }

    fn a_death_that_was_half_told_at_the_cursor_is_found_after_a_power_cut(mut host: Bare) {
        put_reader(&host);
        host.write("/etc/systemd/system/slow.service", "[Service]\nExecStart=sleep infinity\nExecStopPost=sleep infinity\n");
        host.sh("systemctl start slow");
        let (_, run) = kill(&host, "slow");
        host.wait_for_property("slow", "SubState", "stop-post");
        let before = scan(&host, None);
        assert_eq!(before.of("slow.service"), [""; 0], "it is not over");
        host.sh("journalctl --sync");
        host.power_cut();
        assert_eq!(scan(&host, Some(&before.cursor)).of("slow.service"), [format!("{run} {KILLED}")]);
    }

    fn the_first_entry_after_the_cursor_is_not_left_out(host: Bare) {
        put_reader(&host);
        host.write("/etc/systemd/system/web.service", "[Service]\nExecStart=sleep infinity\n");
        host.run(&["systemctl", "start", "web"]);
        // The newest entry is one that no scan looks for.
        let marker = |host: &Host| host.sh("echo marker | systemd-cat -t marker; journalctl --sync; journalctl -n 1 -t marker -o json | sed 's/.*\"__CURSOR\":\"\\([^\"]*\\)\".*/\\1/'");
        let cursor = marker(&host);
        let (_, run) = kill(&host, "web");
        host.wait_for_property("web", "ActiveState", "failed");
        assert_eq!(scan(&host, Some(&cursor)).of("web.service"), [format!("{run} {KILLED}")]);
    }

    fn a_cursor_that_leads_nowhere_does_not_fail_the_scan(host: Bare) {
        put_reader(&host);
        host.write("/etc/systemd/system/web.service", "[Service]\nExecStart=sleep infinity\nRestart=always\nRestartSec=0\n");
        host.run(&["systemctl", "start", "web"]);
        let old = scan(&host, None).cursor;
        let (_, first) = kill(&host, "web");
        wait_for_restart(&host, "web", &first);
        let expected = [format!("{first} {KILLED}")];
        for cursor in ["garbage", "s=1;i=2", "", &old.replace("s=", "s=0"), old.split(";t=").next().unwrap()] {
            assert_eq!(scan(&host, Some(cursor)).of("web.service"), expected, "{cursor:?}");
        }
        // Its file is gone.
        host.sh("journalctl --rotate; journalctl --vacuum-size=1; echo new | systemd-cat; journalctl --sync");
        let (_, second) = kill(&host, "web");
        wait_for_restart(&host, "web", &second);
        assert_eq!(scan(&host, Some(&old)).of("web.service"), [format!("{second} {KILLED}")]);
    }

    fn damaged_files_cost_no_more_than_what_they_held(host: Bare) {
        put_reader(&host);
        host.write("/etc/systemd/system/web.service", "[Service]\nExecStart=sleep infinity\nRestart=always\nRestartSec=0\n");
        host.run(&["systemctl", "start", "web"]);
        let before = scan(&host, None).cursor;
        host.sh("journalctl --rotate; journalctl --sync");
        host.sh("for f in /var/log/journal/*/system@*.journal; do dd if=/dev/urandom of=$f bs=1k seek=1 count=200 conv=notrunc 2>/dev/null; done; for f in /var/log/journal/*/system@*.journal; do cp $f ${f%.journal}~; truncate -s 100 $f; done");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        let seen = scan(&host, Some(&before));
        assert_eq!(seen.of("web.service"), [format!("{run} {KILLED}")]);
        assert!(!seen.cursor.is_empty());
    }
}
