//! Whom the configuration is taken from: root alone, all the way from the root directory.

use crate::host::Host;
use crate::on_both;

const WARD: &str = "[Service]\nExecStart=/bin/sleep infinity\n";
const GIVEN: &str = "/run/systemd/generator/given.service";

on_both! {
    fn a_user_cannot_put_a_file_of_roots_where_a_link_of_roots_leads(host: Host) {
        // Files that are root's and lie where the user may rename them: one that root links to, and one that it never meant.
        host.sh("mkdir -p /home/app/conf; chown nobody /home/app");
        host.write("/home/app/conf/given.ward", WARD);
        host.write("/home/app/other/given.ward", "[Service]\nExecStart=/bin/sleep infinity\n[OnDeath]\nExecute=/bin/touch /run/owned\n");
        host.sh("ln -s /home/app/conf/given.ward /etc/unitward/given.ward");
        let as_user = |command: &str| host.sh(&format!("runuser -u nobody -- sh -c '{command}'"));
        as_user("cd /home/app; mv conf aside; mv other conf");
        host.sh("systemctl daemon-reload");
        let written = host.sh(&format!("cat {GIVEN} 2>/dev/null || true"));
        assert!(!written.contains("/run/owned"), "the user's choice is in a unit: {written}");
        assert_eq!(written, "", "and without it nothing is known of what root meant");
        let said = host.sh("unitward check || true");
        assert!(said.contains("/etc/unitward/given.ward: the directory /home/app belongs to user 65534; make it root's with chown root"), "{said}");
        // It works again as the advice says.
        host.sh("chown root /home/app; systemctl daemon-reload; unitward check");
        assert!(host.has(GIVEN));
    }

    fn what_the_configuration_names_and_a_user_can_replace_is_warned_of(host: Host) {
        host.sh("mkdir -p /opt/app; printf '#!/bin/sh\\n' >/opt/app/again; chmod +x /opt/app/again; echo secret >/opt/app/password; chown nobody /opt/app");
        host.write("/etc/unitward/shop.stack", "[Stack]\nRestartScript=/opt/app/again\nInhibitFile=/opt/app/hold\nReport=no\n");
        host.write("/etc/unitward/web.ward", &format!("{WARD}Restart=always\nEnvironmentFile=-/opt/app/env\n[Ward]\nStack=shop\n[OnDeath]\nExecute=+/opt/app/again\n"));
        host.write("/etc/unitward/unitward.conf", "[MQTT]\nBroker=mqtt://127.0.0.1\nUsername=x\nPasswordFile=/opt/app/password\n");
        let said = host.sh("unitward check");
        let whose = "the directory /opt/app belongs to user 65534; make it root's with chown root";
        for (line, about) in [
            ("/etc/unitward/shop.stack:2:", "what runs as root is not root's alone to choose"),
            ("/etc/unitward/web.ward:8:", "what runs as root is not root's alone to choose"),
            ("/etc/unitward/web.ward:4:", "EnvironmentFile=/opt/app/env sets variables for steps that run as root"),
            ("/etc/unitward/unitward.conf:4:", "PasswordFile=/opt/app/password is not root's alone"),
        ] {
            let found = said.lines().find(|said| said.starts_with(line)).unwrap_or_default();
            assert!(found.contains("warning") && found.contains(about) && found.ends_with(whose), "{line}: {said}");
        }
        assert!(!said.contains("InhibitFile"), "who may say that nothing is restarted is the administrator's choice: {said}");
        host.sh("chown root /opt/app");
        assert!(!host.sh("unitward check").contains("root's alone"));
    }

    fn settings_by_which_a_services_user_reaches_into_what_is_roots_are_warned_of(host: Host) {
        host.write("/etc/systemd/system/app.service", "[Service]\nUser=nobody\nDelegate=yes\nRestart=always\nExecStart=/bin/sleep infinity\n");
        host.write("/etc/unitward/app.ward", "[Ward]\nUnit=app.service\n[Service]\nRuntimeDirectory=x unitward/y\n");
        let said = host.sh("unitward check");
        assert!(said.contains("/etc/unitward/app.ward:2:") && said.contains("Delegate= gives the service's user the control groups"), "{said}");
        assert!(said.contains("/etc/unitward/app.ward:4:18: warning: the directory unitward/y of this service is Unitward's"), "{said}");
        host.write("/etc/unitward/app.ward", "[Ward]\nUnit=app.service\n[Service]\nUser=root\nRuntimeDirectory=unitward\n");
        assert!(!host.sh("unitward check").contains("user"), "{}", host.sh("unitward check"));
    }
}
