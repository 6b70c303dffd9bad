//! The last log lines of a run that died: shown to root, and in the record of its recovery where somebody wants them.

use crate::host::Host;
use crate::on_both;
use crate::recovery_records::QUIET;
use crate::report::{guard, kill, point_at_broker, wait_for_restart};
use serde_json::{Value, json};

/// Says 30 lines, the last one with a sequence that a terminal acts on.
const TALKS: &str = "[Service]\nExecStart=/bin/sh -c 'for n in $(seq 29); do echo line $$n; done; printf \"\\\\033[31mred\\\\n\"; exec sleep infinity'\n";

on_both! {
    fn root_sees_them_and_a_record_has_them_where_that_is_configured(host: Host) {
        let reports = host.subscribe("Crash/Reports");
        let records = host.subscribe("Crash/Recoveries");
        point_at_broker(&host, "");
        guard(&host, "web", "web", TALKS);
        let said = || host.journal(&["-o", "cat", "-u", "web"]).contains("line 29").then_some(());
        host.wait_for("the last line", said);
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        records.wait_for_count(1);
        assert_eq!(records.messages()[0].get("logLines"), None);
        let show = |as_whom: &str| -> Value {
            serde_json::from_str(&host.sh(&format!("{as_whom} unitward reports show {run} --json"))).expect("a document")
        };
        let lines = show("")["logLines"].clone();
        let lines = lines.as_array().expect("lines");
        assert_eq!((lines.len(), &lines[0], &lines[19]), (20, &json!("line 11"), &json!("\u{fffd}[31mred")));
        assert_eq!(show("setpriv --reuid=65534 --clear-groups")["logLines"], Value::Null);
        assert!(host.sh(&format!("unitward reports show {run}")).contains("Log: line 11"));
        point_at_broker(&host, "[Reports]\nLogLines=3\n");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        records.wait_for_count(2);
        let record = &records.messages()[1];
        assert_eq!(record["logLines"], json!(["line 28", "line 29", "\u{fffd}[31mred"]), "{record}");
        reports.wait_for_count(2);
        assert!(reports.received().iter().all(|report| !report.payload().contains("line 2")));
        records.assert_no_more_within(QUIET);
    }
}
