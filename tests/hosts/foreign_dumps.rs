//! Entries and core dumps of others: they take nobody's backtrace away.

use crate::foreign_objects::compile;
use crate::host::{Bare, Host};
use crate::on_both;
use crate::report::cloud;
use serde_json::Value;
use unitward::edge::coredump::{Core, Dumper, MATCH};

/// Dumps of each of two users.
const DUMPS: usize = 12;

/// A service that crashes in `main` when it is started.
fn victim(host: &Host) {
    compile(host, "levels.c", &[], "/opt/victim");
    host.write(
        "/etc/systemd/system/victim.service",
        "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/opt/victim\nLimitCORE=infinity\n",
    );
}

fn assert_has_backtrace(report: &Value) {
    let backtrace = report["backtrace"].as_str().unwrap_or_default();
    assert!(
        backtrace.contains(": descend 0x") && backtrace.contains(": main 0x"),
        "{report}"
    );
}

on_both! {
    fn what_others_write_about_core_dumps_keeps_no_backtrace_from_its_report(host: Host) {
        let reports = cloud(&host, "[Watch]\nUnits=victim.service\n");
        victim(&host);
        host.write("/opt/flood.pl", include_str!("programs/flood.pl"));
        let _cores = host.capture_cores();
        host.sh("systemctl daemon-reload; for each in 1 2 3; do systemd-run --quiet --uid=nobody perl /opt/flood.pl; done");
        host.wait_for("the flood", || {
            let seen = host.sh(&format!("journalctl --quiet --lines=1000 --output=cat --output-fields=_UID {MATCH} | wc -l"));
            (seen == "1000").then_some(())
        });
        host.run(&["systemctl", "start", "victim"]);
        assert_has_backtrace(&reports.wait_for_count(1)[0]);
    }

    fn a_program_whose_names_take_long_delays_nobody_elses_backtrace(host: Host) {
        let units = "[Watch]\nUnits=victim.service slow-1.service slow-2.service\n[Reports]\nBacktraceTimeoutSec=7\n";
        let reports = cloud(&host, units);
        victim(&host);
        compile(&host, "slow_names.c", &[], "/opt/slow");
        for name in ["slow-1", "slow-2"] {
            host.write(&format!("/etc/systemd/system/{name}.service"), "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\n\
                RestartSec=500ms\nExecStart=/opt/slow\nLimitCORE=infinity\n");
        }
        let _cores = host.capture_cores();
        host.sh("systemctl daemon-reload; systemctl start slow-1 slow-2");
        for name in ["slow-1", "slow-2"] {
            let restarts = || host.systemctl_show(name, "NRestarts").parse::<u32>().unwrap();
            host.wait_for("some crashes", || (restarts() >= 8).then_some(()));
        }
        host.run(&["systemctl", "start", "victim"]);
        let report = host.wait_for("the report", || reports.messages().into_iter().find(|report| report["name"] == "victim"));
        assert_has_backtrace(&report);
        host.sh("systemctl stop slow-1 slow-2");
    }

    fn what_journalctl_selects_is_every_entry_that_is_believed_and_no_other(host: Bare) {
        host.run(&["useradd", "--uid=1000", "ordinary"]);
        victim(&host);
        host.sh("cd /etc/systemd/system; sed 's/^LimitCORE/User=ordinary\\n&/' victim.service >others.service; systemctl daemon-reload");
        let dumps = std::env::var("UNITWARD_TEST_DUMPS").map_or(DUMPS, |dumps| dumps.parse().unwrap());
        let cores = host.capture_cores();
        let matched = |count: usize| (host.journal_json(&["--output-fields=_UID", MATCH]).len() == count).then_some(());
        for dump in 1..=dumps {
            host.sh("systemctl start victim others");
            host.wait_for("the core dumps", || matched(2 * dump));
        }
        drop(cores);
        host.sh(&format!("printf '{MATCH}\\nMESSAGE=lie\\nCOREDUMP_UNIT=victim.service\\n' >/opt/lie"));
        host.run(&["systemd-run", "--quiet", "--wait", "--uid=ordinary", "logger", "--journald=/opt/lie"]);
        let dumper = Dumper::of(&host.path("/"));
        let believed = |entry: &Value| Core::parse(&entry.to_string(), dumper).is_some();
        let all = host.journal_json(&[MATCH]);
        assert_eq!(all.len(), 2 * dumps + 1);
        let of_root: Vec<_> = all.iter().filter(|entry| entry["COREDUMP_UID"] == "0").collect();
        assert!(of_root.len() == dumps && of_root.iter().all(|entry| believed(entry)), "{of_root:?}");
        // Of others' it may be unknown who wrote them, where journald was too busy to look in time.
        let matches: Vec<_> = dumper.matches().collect();
        let selected = host.journal_json(&matches.iter().map(String::as_str).collect::<Vec<_>>());
        let cursors = |entries: Vec<&Value>| entries.iter().map(|entry| entry["__CURSOR"].to_string()).collect::<Vec<_>>();
        assert_eq!(cursors(selected.iter().collect()), cursors(all.iter().filter(|entry| believed(entry)).collect()));
    }
}
