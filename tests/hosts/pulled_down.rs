//! How `list` tells wards apart that are down and have not failed.

use crate::host::Host;
use crate::on_both;
use serde_json::{Value, json};

const SLEEPS: &str = "[Service]\nExecStart=sleep infinity\n";

/// The ward's line: `state by unit reason`.
fn line(host: &Host, ward: &str) -> Value {
    let list: Value = serde_json::from_str(&host.sh("unitward list --json")).expect("a document");
    let wards = list["wards"].as_array().expect("wards");
    let line = wards
        .iter()
        .find(|line| line["name"] == ward)
        .expect("the ward");
    json!([
        line["state"],
        line["down"]["by"],
        line["down"]["unit"],
        line["down"]["reason"]
    ])
}

on_both! {
    fn a_stop_a_clean_end_and_another_units_end_are_told_apart(host: Host) {
        host.write("/etc/systemd/system/db.service", SLEEPS);
        let needs = |how: &str| format!("[Unit]\nAfter=db.service\n{how}=db.service\n{SLEEPS}Restart=always\n");
        host.write("/etc/unitward/asked.ward", SLEEPS);
        host.write("/etc/unitward/itself.ward", SLEEPS);
        host.write("/etc/unitward/bound.ward", &needs("BindsTo"));
        host.write("/etc/unitward/requires.ward", &needs("Requires"));
        host.write("/etc/unitward/part.ward", &needs("PartOf"));
        host.write("/etc/unitward/never.ward", SLEEPS);
        host.sh("systemctl daemon-reload; systemctl start db asked itself bound requires part");
        host.sh("systemctl stop asked; systemctl kill --kill-whom=main -s TERM itself");
        host.wait_for_property("itself", "ActiveState", "inactive");
        assert_eq!(line(&host, "never"), json!(["stopped", null, null, null]));
        assert_eq!(line(&host, "asked"), json!(["stopped", "request", null, null]));
        assert_eq!(line(&host, "itself"), json!(["stopped", "itself", null, "SIG 15 (Terminated)"]));
        host.sh("systemctl kill --kill-whom=main -s KILL db");
        host.wait_for_property("bound", "ActiveState", "inactive");
        assert_eq!(line(&host, "bound"), json!(["stopped", "unit", "db.service", null]));
        assert_eq!(line(&host, "requires")[0], "running");
        host.sh("systemctl start db; systemctl stop db");
        for ward in ["requires", "part"] {
            assert_eq!(line(&host, ward), json!(["stopped", "unit", "db.service", null]), "{ward}");
        }
        let list = host.sh("unitward list");
        assert!(list.contains("pulled down (by db.service)"), "{list}");
        assert!(list.contains("ended by itself (SIG 15 (Terminated))"), "{list}");
    }
}
