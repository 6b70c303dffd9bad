//! Where wards come from and what the unit made of them is called: search path, masks, drop-ins, `[Install]`.

use crate::host::Host;
use crate::on_both;
use crate::report::{guard, kill, wait_for_restart};

/// A ward that says where it came from.
fn ward(origin: &str) -> String {
    format!("[Unit]\nDescription={origin}\n[Service]\nExecStart=sleep infinity\n")
}

fn reload(host: &Host) {
    host.run(&["systemctl", "daemon-reload"]);
}

fn load_state(host: &Host, unit: &str) -> String {
    host.systemctl_show(unit, "LoadState")
}

/// All that `unitward check` prints, which fails where there is a mistake.
fn complaints(host: &Host) -> String {
    let output = host.try_run(&["unitward", "check"]);
    [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat()
}

on_both! {
    fn the_first_directory_that_has_a_ward_wins(host: Host) {
        for directory in ["/etc", "/run", "/usr/lib"] {
            host.write(&format!("{directory}/unitward/web.ward"), &ward(directory));
        }
        for directory in ["/etc", "/run", "/usr/lib"] {
            reload(&host);
            assert_eq!(host.systemctl_show("web", "Description"), directory);
            assert_eq!(host.systemctl_show("web", "SourcePath"), format!("{directory}/unitward/web.ward"));
            host.sh(&format!("rm {directory}/unitward/web.ward"));
        }
        reload(&host);
        assert_eq!(load_state(&host, "web"), "not-found");
    }

    fn an_empty_file_or_a_link_to_nowhere_masks_a_ward(host: Host) {
        host.write("/usr/lib/unitward/web.ward", &ward("/usr/lib"));
        reload(&host);
        assert_eq!(load_state(&host, "web"), "loaded");
        for mask in [": >/etc/unitward/web.ward", "ln -s /dev/null /etc/unitward/web.ward", ": >/run/unitward/web.ward", "ln -s /dev/null /run/unitward/web.ward"] {
            host.sh(mask);
            reload(&host);
            assert_eq!(load_state(&host, "web"), "not-found", "{mask}");
            assert!(!host.try_run(&["systemctl", "start", "web"]).status.success(), "{mask}");
            assert!(complaints(&host).contains("no problem found"), "a mask is no mistake: {mask}");
            host.sh("rm -f /etc/unitward/web.ward /run/unitward/web.ward");
            reload(&host);
            assert_eq!(load_state(&host, "web"), "loaded", "after {mask}");
        }
    }

    fn a_mask_frees_an_adopted_unit(host: Host) {
        host.write("/etc/systemd/system/web.service", "[Service]\nExecStart=sleep infinity\nRestart=always\n");
        host.write("/usr/lib/unitward/web-guard.ward", "[Ward]\nUnit=web.service\n");
        reload(&host);
        assert!(host.systemctl_show("web", "DropInPaths").contains("50-unitward.conf"));
        host.sh("ln -s /dev/null /etc/unitward/web-guard.ward");
        reload(&host);
        assert_eq!(host.systemctl_show("web", "DropInPaths"), "");
        assert_eq!(load_state(&host, "web"), "loaded");
    }

    fn drop_ins_of_all_directories_change_the_unit_in_the_order_of_their_names(host: Host) {
        host.write("/usr/lib/unitward/web.ward", &ward("shipped"));
        let drop_in = |path: &str, word: &str| host.write(path, &format!("[Service]\nEnvironment={word}\nEnvironment=LAST={word}\n"));
        drop_in("/usr/lib/unitward/web.ward.d/30-vendor.conf", "vendor=1");
        drop_in("/run/unitward/web.ward.d/20-run.conf", "run=1");
        drop_in("/etc/unitward/web.ward.d/10-admin.conf", "admin=1");
        reload(&host);
        assert_eq!(host.systemctl_show("web", "Environment"), "admin=1 LAST=vendor=1 run=1 vendor=1");
        // Of one name the first directory's counts, also if it says nothing.
        drop_in("/usr/lib/unitward/web.ward.d/10-admin.conf", "never=1");
        drop_in("/run/unitward/web.ward.d/30-vendor.conf", "runtime=1");
        host.sh("ln -s /dev/null /etc/unitward/web.ward.d/20-run.conf");
        reload(&host);
        assert_eq!(host.systemctl_show("web", "Environment"), "admin=1 LAST=runtime=1 runtime=1");
        host.sh("rm -r /etc/unitward/web.ward.d /run/unitward/web.ward.d /usr/lib/unitward/web.ward.d");
        reload(&host);
        assert_eq!(host.systemctl_show("web", "Environment"), "");
    }

    fn a_drop_in_continues_a_condition_and_clears_its_steps(host: Host) {
        host.script("/usr/local/bin/note", "#!/bin/sh\necho \"$*\" >>/var/log/notes\n");
        host.write("/usr/lib/unitward/web.ward", &format!("{}[OnDeath mounts]\nExecute=/usr/local/bin/note shipped\n", ward("shipped")));
        host.write("/etc/unitward/web.ward.d/more.conf", "[OnDeath mounts]\nExecute=/usr/local/bin/note added\n");
        host.sh("systemctl daemon-reload; systemctl start web");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        assert_eq!(host.read("/var/log/notes"), "shipped\nadded\n");
        host.write("/etc/unitward/web.ward.d/more.conf", "[OnDeath mounts]\nExecute=\nExecute=/usr/local/bin/note instead\n");
        host.sh("rm /var/log/notes; systemctl daemon-reload");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        assert_eq!(host.read("/var/log/notes"), "instead\n");
    }

    fn an_unsafe_drop_in_takes_the_ward_with_it_and_no_other(host: Host) {
        host.write("/etc/unitward/web.ward", &ward("web"));
        host.write("/etc/unitward/other.ward", &ward("other"));
        host.write_mode("/etc/unitward/web.ward.d/open.conf", b"[Service]\nNice=1\n", crate::host::Access { mode: 0o666, uid: 0 });
        reload(&host);
        assert_eq!((load_state(&host, "web"), load_state(&host, "other")), ("not-found".into(), "loaded".into()));
        let told = complaints(&host);
        assert!(told.contains("/etc/unitward/web.ward.d/open.conf"), "{told}");
    }

    fn a_deleted_ward_leaves_its_service_running_until_it_is_stopped(host: Host) {
        guard(&host, "web", "web", &ward("web"));
        let pid = host.systemctl_show("web", "MainPID");
        host.sh("rm /etc/unitward/web.ward; systemctl daemon-reload");
        assert_eq!((host.systemctl_show("web", "ActiveState"), host.systemctl_show("web", "MainPID")), ("active".into(), pid));
        host.run(&["systemctl", "stop", "web"]);
        assert_eq!(load_state(&host, "web"), "not-found");
        assert!(!host.try_run(&["systemctl", "start", "web"]).status.success());
        assert_eq!(host.sh("systemctl list-units --all --plain --no-legend 'web*' 'unitward-web*'"), "");
    }

    fn a_deleted_ward_gives_an_adopted_unit_back(host: Host) {
        host.write("/etc/systemd/system/web.service", "[Service]\nExecStart=sleep infinity\nRestart=always\nRestartSec=1ms\n");
        guard(&host, "web-guard", "web", "[Ward]\nUnit=web.service\n[OnDeath]\nExecute=/bin/touch /run/stepped\n");
        let (pid, run) = (host.systemctl_show("web", "MainPID"), host.systemctl_show("web", "InvocationID"));
        host.sh("rm /etc/unitward/web-guard.ward; systemctl daemon-reload");
        assert_eq!(host.systemctl_show("web", "MainPID"), pid, "it goes on");
        for property in ["DropInPaths", "ExecCondition", "ExecStartPre", "ExecStartPost", "ExecStopPost"] {
            assert_eq!(host.systemctl_show("web", property), "", "{property}");
        }
        kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        assert!(!host.has("/run/stepped"));
    }

    fn an_alias_is_a_name_to_start_by(host: Host) {
        host.write("/etc/unitward/web.ward", &format!("{}[Install]\nAlias=www.service httpd.service\n", ward("web")));
        host.sh("systemctl daemon-reload; systemctl start www");
        assert_eq!(host.systemctl_show("web", "ActiveState"), "active");
        let mut names: Vec<_> = host.systemctl_show("httpd", "Names").split(' ').map(str::to_owned).collect();
        names.sort();
        assert_eq!(names, ["httpd.service", "web.service", "www.service"]);
        let (_, run) = kill(&host, "www");
        wait_for_restart(&host, "httpd", &run);
        host.run(&["systemctl", "stop", "httpd.service"]);
        assert_eq!(host.systemctl_show("web", "ActiveState"), "inactive");
    }

    fn an_alias_never_takes_the_name_of_another_unit(host: Host) {
        host.write("/etc/systemd/system/local.service", "[Unit]\nDescription=local\n[Service]\nExecStart=sleep infinity\n");
        host.write("/usr/lib/systemd/system/packaged.service", "[Unit]\nDescription=packaged\n[Service]\nExecStart=sleep infinity\n");
        for (name, alias) in [("alpha", "beta.service local.service"), ("beta", "alpha.service packaged.service"), ("gamma", "beta.service")] {
            host.write(&format!("/etc/unitward/{name}.ward"), &format!("{}[Install]\nAlias={alias}\n", ward(name)));
        }
        host.sh("systemctl daemon-reload; systemctl start alpha beta gamma local packaged");
        for name in ["alpha", "beta", "gamma", "local", "packaged"] {
            let shown = ["Description", "Id", "Names", "ActiveState"].map(|property| host.systemctl_show(name, property));
            let unit = format!("{name}.service");
            assert_eq!(shown, [name, &unit, &unit, "active"]);
        }
    }

    fn an_alias_that_two_wards_want_goes_to_the_first_and_the_other_is_told(host: Host) {
        for name in ["alpha", "beta"] {
            host.write(&format!("/etc/unitward/{name}.ward"), &format!("{}[Install]\nAlias=shared.service\n", ward(name)));
        }
        host.sh("systemctl daemon-reload; systemctl start shared");
        let told = complaints(&host);
        assert!(told.contains("/etc/unitward/beta.ward:") && !told.contains("/etc/unitward/alpha.ward:"), "{told}");
        assert_eq!(host.systemctl_show("shared", "Id"), "alpha.service");
    }

    fn a_wanted_ward_starts_at_boot(mut host: Host) {
        host.write("/etc/unitward/web.ward", &format!("{}[Install]\nWantedBy=multi-user.target\n[OnStart]\nExecute=/bin/touch /var/log/started\n", ward("web")));
        host.write("/etc/unitward/idle.ward", &ward("idle"));
        host.write("/etc/systemd/system/web2.service", "[Service]\nExecStart=sleep infinity\n");
        host.write("/etc/unitward/web2-guard.ward", "[Ward]\nUnit=web2.service\n[Install]\nWantedBy=multi-user.target\n");
        host.reboot();
        assert_eq!(host.failed_units(), [""; 0]);
        for unit in ["web", "web2"] {
            host.wait_for_property(unit, "ActiveState", "active");
        }
        assert_eq!(host.systemctl_show("idle", "ActiveState"), "inactive");
        assert!(host.has("/var/log/started"), "the boot's start is a first start");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
    }

    fn a_ward_is_required_without_being_enabled(host: Host) {
        be_pulled_in(&host, "RequiredBy");
        assert_eq!(host.systemctl_show("whole.target", "Requires"), "web.service");
    }

    fn a_ward_is_upheld_without_being_enabled(host: Host) {
        be_pulled_in(&host, "UpheldBy");
        assert_eq!(host.systemctl_show("whole.target", "Upholds"), "web.service");
        host.run(&["systemctl", "stop", "web"]);
        host.wait_for_property("web", "ActiveState", "active");
    }
}

/// A target that starts a ward which has `key` in `[Install]`.
fn be_pulled_in(host: &Host, key: &str) {
    host.write(
        "/etc/unitward/web.ward",
        &format!("{}[Install]\n{key}=whole.target\n", ward("web")),
    );
    host.write(
        "/etc/systemd/system/whole.target",
        "[Unit]\nDescription=whole\n",
    );
    host.sh("systemctl daemon-reload; systemctl start whole.target");
    host.wait_for_property("web", "ActiveState", "active");
}
