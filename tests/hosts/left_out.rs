//! Wards whose file was removed, or is refused for a mistake, while systemd still guards their units.

use crate::host::Host;
use crate::on_both;
use crate::report::guard;
use serde_json::{Value, json};

const WEB: &str = "[Service]\nExecStart=sleep infinity\n";

fn left_out(host: &Host) -> Value {
    let output = host.run(&["unitward", "list", "--json"]);
    let list: Value = serde_json::from_slice(&output.stdout).expect("a document");
    let told = list["leftOut"].as_array().cloned().unwrap_or_default();
    told.into_iter()
        .map(|one| json!([one["name"], one["why"], one["state"], one["guarded"]]))
        .collect()
}

/// What a refused `unitward status` says.
fn status(host: &Host, name: &str) -> String {
    let output = host.try_run(&["unitward", "status", name]);
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

on_both! {
    fn a_ward_that_is_gone_or_refused_is_told_until_nothing_of_it_is_left(host: Host) {
        host.write("/usr/lib/systemd/system/packaged.service", WEB);
        guard(&host, "web", "web", WEB);
        guard(&host, "other", "packaged", "[Ward]\nUnit=packaged.service\n");
        assert_eq!(left_out(&host), json!([]));
        host.sh("rm /etc/unitward/web.ward");
        host.write("/etc/unitward/other.ward", "[Wart]\nUnit=packaged.service\n");
        assert_eq!(left_out(&host), json!([["other", "mistake", "running", true], ["web", "removed", "running", true]]));
        for name in ["web", "web.service", "web.ward"] {
            let said = status(&host, name);
            assert_eq!(said, "web: /etc/unitward/web.ward is gone; systemd still guards web.service as an earlier file said: \"systemctl daemon-reload\" ends that.\n");
        }
        let said = status(&host, "packaged");
        assert!(said.starts_with("other: left out because of a mistake: /etc/unitward/other.ward: "), "{said}");
        assert!(said.contains("systemd still guards packaged.service as an earlier file said"), "{said}");
        let list = host.sh("unitward list 2>&1");
        assert!(list.contains("web       file removed  web.service       running  as before"), "{list}");
        host.sh("systemctl daemon-reload");
        assert_eq!(left_out(&host), json!([["other", "mistake", "running", false], ["web", "removed", "running", false]]));
        let said = status(&host, "web");
        assert!(said.contains("web.service runs on and is not guarded: \"systemctl stop web.service\" ends it."), "{said}");
        host.sh("systemctl stop web; rm /etc/unitward/other.ward");
        assert_eq!(left_out(&host), json!([]));
        assert!(status(&host, "web").starts_with("There is no ward \"web\""));
    }
}
