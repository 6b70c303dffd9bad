//! Outcomes as they were: steps that failed, crashes that nothing restarts.

use crate::host::Host;
use crate::on_both;
use crate::report::{documents, guard, kill};
use serde_json::json;

const LASTING: &str = "[Service]\nExecStart=sleep infinity\n";

on_both! {
    fn a_step_that_the_start_cannot_do_without_is_named(host: Host) {
        guard(&host, "web", "web", &format!("{LASTING}[OnDeath]\nOnStepFailure=fail\nExecute=/bin/false\nRestart=%n\n[Recovery]\nDeathLimit=1\n"));
        kill(&host, "web");
        let told = host.wait_for("both deaths", || Some(documents(&host, &["reports", "--ward", "web"])).filter(|told| told.len() == 2));
        assert_eq!(told[1]["reason"], "EXIT 1");
        let said = host.journal(&["-t", "unitward-step", "-o", "cat"]);
        assert!(said.contains("(step 1 of [OnDeath] failed: Execute)"), "{said}");
    }

    fn a_recovery_that_an_exclusion_breaks_off_has_ended_though_the_ward_is_back_at_once(host: Host) {
        guard(&host, "fm", "fm", &format!("{LASTING}Restart=on-failure\nRestartSec=2\n"));
        host.sh("systemctl kill --kill-whom=main -s KILL fm; sleep 0.3; unitward exclude fm; unitward readmit fm");
        let told = host.wait_for("the end of the recovery", || {
            let told = documents(&host, &["reports", "--ward", "fm"]);
            (told.len() == 1 && told[0]["recovery"]["outcome"].is_string()).then_some(told)
        });
        assert_eq!(told[0]["recovery"]["outcome"], "ended", "{told:?}");
        assert_eq!(host.systemctl_show("fm", "ActiveState"), "active");
    }

    fn crashes_that_nothing_restarts_have_failed_and_are_down(host: Host) {
        host.write("/etc/unitward/unitward.conf", "[Watch]\nUnits=plain.service\n");
        host.write("/etc/systemd/system/plain.service", LASTING);
        guard(&host, "cleans", "cleans", &format!("{LASTING}Restart=no\n[OnDeath]\nExecute=/bin/true\n"));
        guard(&host, "limit", "limit plain", &format!("{LASTING}[Recovery]\nDeathLimit=1\n"));
        host.sh("systemctl reload unitwardd");
        for unit in ["cleans", "plain"] { kill(&host, unit); }
        let (_, run) = kill(&host, "limit");
        crate::report::wait_for_restart(&host, "limit", &run);
        kill(&host, "limit");
        let failed = host.wait_for("all that failed", || {
            let failed = documents(&host, &["reports", "--failed"]);
            (failed.len() == 3).then_some(failed)
        });
        assert!(failed.iter().all(|one| one["isDown"] == true && one["downMs"].as_u64().is_some()), "{failed:?}");
        let summary = documents(&host, &["reports", "--summary"]).remove(0);
        for ward in summary["wards"].as_array().unwrap() {
            assert_eq!(json!([ward["failed"], ward["downtimeUnknown"]]), json!([1, 0]), "{ward}");
            assert!(ward["availability"].as_f64().unwrap() < 1.0, "{ward}");
        }
        host.sh("systemctl start cleans plain");
        host.wait_for("both to be up", || {
            let told = documents(&host, &["reports", "--ward", "cleans"]);
            (told[0]["isDown"].is_null() && told[0]["downMs"].as_u64().is_some_and(|ms| ms > 0)).then_some(())
        });
    }
}
