//! What the user of a guarded service can put into its environment and its folders decides nothing that root does.

use crate::host::{Access, Host};
use crate::on_both;
use crate::report::{cloud, kill, told, wait_for_restart};
use std::path::Path;
use std::process::Command;

/// What an attacker would set. The programs in /home/app/bin and the library leave a mark when root runs or loads them.
const VARIABLES: [(&str, &str); 31] = [
    ("PATH", "/home/app/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("LD_PRELOAD", "/home/app/lib/libevil.so"),
    ("LD_LIBRARY_PATH", "/home/app/lib"),
    ("LD_AUDIT", "/home/app/lib/libevil.so"),
    ("GCONV_PATH", "/home/app/lib"),
    ("LOCPATH", "/home/app/lib"),
    ("TMPDIR", "/home/app"),
    ("HOME", "/home/app"),
    ("SHELL", "/home/app/bin/sh"),
    ("BASH_ENV", "/home/app/bin/start"),
    ("ENV", "/home/app/bin/start"),
    (
        "DBUS_SYSTEM_BUS_ADDRESS",
        "unixexec:path=/home/app/bin/busctl",
    ),
    (
        "DBUS_SESSION_BUS_ADDRESS",
        "unixexec:path=/home/app/bin/busctl",
    ),
    ("SYSTEMD_OFFLINE", "1"),
    ("SYSTEMD_IGNORE_CHROOT", "1"),
    ("SYSTEMD_UNIT_PATH", "/home/app"),
    ("SYSTEMD_PAGER", "/home/app/bin/busctl"),
    ("SYSTEMD_LOG_TARGET", "null"),
    ("NOTIFY_SOCKET", "/home/app/notify"),
    ("INVOCATION_ID", "../../../../../home/app/links/x"),
    ("SERVICE_RESULT", "success"),
    ("EXIT_CODE", "exited"),
    ("EXIT_STATUS", "0"),
    ("MAINPID", "1"),
    ("JOURNAL_STREAM", "1:1"),
    ("RUST_BACKTRACE", "full"),
    ("RUST_LOG", "trace"),
    ("RUST_MIN_STACK", "1"),
    ("MALLOC_TRACE", "/home/app/links/x.tmp1"),
    ("MALLOC_ARENA_MAX", "1"),
    ("XDG_CONFIG_HOME", "/home/app"),
];

/// Programs that root's code starts by itself or a script of an administrator's might.
const PROGRAMS: [&str; 9] = [
    "systemctl",
    "busctl",
    "timeout",
    "getent",
    "journalctl",
    "systemd-analyze",
    "sh",
    "start",
    "tool",
];

/// Every kind of step that works on something else, in every condition.
const STEPS: &str = "Execute=+/usr/local/bin/administrators\nWaitFor=unit:other.service 5s\n\
    WaitFor=bus:org.freedesktop.DBus 5s\nWaitFor=tcp:localhost:7 100ms\nElseLog=nobody is there\n\
    Restart=other.service\nReload=other.service\nSignal=other.service SIGWINCH\nStart=other.service\nExecute=/bin/true\n";

fn compiled(source: &str, arguments: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/hosts/programs")
        .join(source);
    let made = Command::new("gcc")
        .args(arguments)
        .arg("-o")
        .arg(&out)
        .arg(source)
        .status()
        .unwrap();
    assert!(made.success());
    std::fs::read(out).unwrap()
}

/// A user with a home in which all is ready for root to fall into.
fn attacker(host: &Host) {
    host.sh("useradd --create-home --home-dir=/home/app app; mkdir -p /home/app/bin /home/app/lib /home/app/links");
    for program in PROGRAMS {
        let text = format!(
            "#!/bin/dash\n[ \"$(/usr/bin/id -u)\" != 0 ] || echo {program} >>/home/app/root-ran-a-program\n"
        );
        host.script(&format!("/home/app/bin/{program}"), &text);
    }
    let library = compiled("constructor.c", &["-shared", "-fPIC"]);
    for name in [
        "libevil.so",
        "libcap.so.2",
        "libselinux.so.1",
        "libcrypt.so.1",
        "libpam.so.0",
        "libmount.so.1",
    ] {
        host.write_mode(
            &format!("/home/app/lib/{name}"),
            &library,
            Access {
                mode: 0o755,
                uid: 0,
            },
        );
    }
    let environment: String = VARIABLES
        .iter()
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect();
    host.write("/home/app/env", &environment);
    host.write("/root/victim", "as it was\n");
    host.sh(
        "chmod 600 /root/victim; cd /home/app/links; perl -e 'symlink \"/root/victim\", \"x.tmp$_\" for 1 .. 4000'; \
             ln -s /root/victim x.json; chown -hR app: /home/app",
    );
    host.script(
        "/usr/local/bin/administrators",
        "#!/bin/sh\ntool; systemctl --version; env >>/run/seen\n",
    );
    host.script("/usr/local/bin/tool", "#!/bin/sh\n");
    host.write(
        "/etc/systemd/system/other.service",
        "[Service]\nExecStart=/bin/sleep infinity\n",
    );
}

/// The units and wards of three services of that user's, which have these variables in three ways.
fn services(host: &Host) {
    let quoted = |(name, value): &(&str, &str)| format!("Environment=\"{name}={value}\"\n");
    let names: Vec<_> = VARIABLES.iter().map(|(name, _)| *name).collect();
    let ways = [
        ("inline", VARIABLES.iter().map(quoted).collect::<String>()),
        ("file", "EnvironmentFile=-/home/app/env\n".to_owned()),
        ("passed", format!("PassEnvironment={}\n", names.join(" "))),
    ];
    for (name, way) in ways {
        let unit =
            format!("[Service]\nUser=app\nRestart=always\nExecStart=/bin/sleep infinity\n{way}");
        host.write(&format!("/etc/systemd/system/{name}.service"), &unit);
        let sections = [
            "OnStart",
            "OnDeath",
            "OnAbnormalDeath",
            "OnRestart",
            "OnStop",
            "OnLimit",
        ];
        let conditions: String = sections
            .iter()
            .map(|section| format!("[{section}]\n{STEPS}"))
            .collect();
        let ward = format!(
            "[Ward]\nUnit={name}.service\nStack=all\n[Recovery]\nMaxDelaySec=0\nDeathLimit=2\n"
        );
        let aside = format!("[OnDeath aside]\nIndependent=yes\n{STEPS}");
        host.write(
            &format!("/etc/unitward/{name}.ward"),
            &format!("{ward}{conditions}{aside}"),
        );
        // Whoever adopts a unit and says no more.
        host.write(&format!("/etc/systemd/system/plain-{name}.service"), &unit);
        let plain =
            format!("[Ward]\nUnit=plain-{name}.service\n[Recovery]\nMaxDelaySec=0\nDeathLimit=2\n");
        host.write(&format!("/etc/unitward/plain-{name}.ward"), &plain);
    }
    host.write(
        "/etc/unitward/all.stack",
        "[Stack]\nName=All\nRestartScript=/usr/local/bin/administrators\n",
    );
    let set: Vec<_> = VARIABLES
        .iter()
        .filter(|(name, _)| !name.starts_with("LD_"))
        .collect();
    let words: Vec<_> = set
        .iter()
        .map(|(name, value)| format!("'{name}={value}'"))
        .collect();
    host.sh("systemctl daemon-reload; systemctl start other");
    // The manager's own environment is root's to set; here it stands for what a unit passes on.
    host.sh(&format!("systemctl set-environment {}", words.join(" ")));
}

/// Kills a unit until it is given up, and gives the runs that died.
fn kill_to_the_end(host: &Host, unit: &str) -> Vec<String> {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (_, run) = kill(host, unit);
        wait_for_restart(host, unit, &run);
        runs.push(run);
    }
    runs.push(kill(host, unit).1);
    host.wait_for_property(unit, "ActiveState", "failed");
    runs
}

fn assert_nothing_happened(host: &Host) {
    let marks =
        host.sh("ls -d /home/app/root-* 2>/dev/null || true; cat /home/app/root-ran-a-program 2>/dev/null || true");
    assert_eq!(marks, "", "root has run or loaded what is app's");
    assert_eq!(
        host.sh("cat /root/victim; stat -c %a /root/victim"),
        "as it was\n600"
    );
    let made = host.sh("find / /run -xdev -newer /root/victim -user root -name 'x.json'");
    assert_eq!(made, "", "a file of root's where a variable led it");
}

on_both! {
    fn nothing_in_a_services_environment_decides_what_root_runs_or_writes(host: Host) {
        let _reports = cloud(&host, "");
        attacker(&host);
        services(&host);
        for name in ["inline", "file", "passed", "plain-inline", "plain-file", "plain-passed"] {
            host.sh(&format!("systemctl start {name}"));
            let runs = kill_to_the_end(&host, name);
            // Forged variables would tell of a clean exit in a run that is none.
            let reports = host.wait_for("all deaths", || {
                let told = told(&host).ok()?;
                let of_it: Vec<_> = told.into_iter().filter(|report| report["ward"] == name).collect();
                (of_it.len() >= 3).then_some(of_it)
            });
            for run in &runs {
                let report = reports.iter().find(|report| report["invocation"] == run.as_str());
                assert_eq!(report.map(|report| &report["reason"]), Some(&"SIG 9 (Killed)".into()), "{name} {reports:?}");
            }
            assert_eq!(reports.len(), 3, "{reports:?}");
        }
        for name in ["inline", "file", "passed"] {
            host.sh(&format!("systemctl start {name}; systemctl stop {name}"));
        }
        host.sh("unitward restart-stack all");
        assert_nothing_happened(&host);
        let seen = host.read("/run/seen");
        assert!(!seen.contains("/home/app"), "{seen}");
    }

    fn an_administrators_command_sees_the_units_environment_and_what_systemd_says(host: Host) {
        host.script("/usr/local/bin/look", "#!/bin/sh\numask >/run/look-$1-umask; env >/run/look-$1; ls -l /proc/self/fd >/run/look-$1-fds\n");
        host.write("/etc/systemd/system/web.socket", "[Socket]\nListenStream=/run/web.sock\n");
        host.write("/etc/unitward/web.ward", "[Service]\nExecStart=/bin/sleep infinity\nUser=nobody\nUMask=0027\nFileDescriptorStoreMax=5\n\
            Environment=PORT=80 LANG=C.UTF-8 MAINPID=1 SERVICE_RESULT=forged\n[OnDeath]\nExecute=+/usr/local/bin/look death\n[OnStop]\nExecute=+/usr/local/bin/look stop\n");
        host.sh("systemctl daemon-reload; systemctl start web.socket web");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        let next = host.systemctl_show("web", "InvocationID");
        let pid = host.systemctl_show("web", "MainPID");
        let has = |file: &str, line: &str| host.read(file).lines().any(|found| found == line);
        for line in ["PORT=80", "LANG=C.UTF-8", "HOME=/root", &format!("INVOCATION_ID={next}"), &format!("MAINPID={pid}")] {
            assert!(has("/run/look-death", line), "{line} in {}", host.read("/run/look-death"));
        }
        assert!(!host.read("/run/look-death").contains("forged"));
        assert_eq!(host.read("/run/look-death-umask").trim(), "0027");
        let descriptors = host.read("/run/look-death-fds");
        // Of ls itself: the folder that it lists.
        assert_eq!(descriptors.lines().filter(|line| line.contains(" -> ")).count(), 4, "{descriptors}");
        host.sh("systemctl stop web");
        for line in ["SERVICE_RESULT=success", "EXIT_CODE=killed", "EXIT_STATUS=TERM"] {
            assert!(has("/run/look-stop", line), "{line} in {}", host.read("/run/look-stop"));
        }
    }

    fn a_race_for_the_folders_of_a_first_start_is_never_won(host: Host) {
        host.sh("useradd app");
        host.write_mode("/usr/local/bin/racer", &compiled("racer.c", &["-static", "-O2"]), Access { mode: 0o755, uid: 0 });
        let ward = "[Service]\nType=oneshot\nUser=app\nUMask=0000\nExecStart=/bin/true\n[OnStart]\nLog=x\n";
        for number in 1..=200 {
            host.write(&format!("/etc/unitward/w{number}.ward"), ward);
        }
        host.sh("systemctl daemon-reload; systemd-run --uid=app --unit=racer racer 1 200");
        for number in 1..=200 {
            host.sh(&format!("systemctl start w{number}"));
        }
        assert_eq!(host.systemctl_show("racer", "ActiveState"), "active", "{}", host.journal(&["-u", "racer"]));
        host.sh("systemctl stop racer");
        let wrong = host.sh("find /run/unitward ! -user root -o -perm /022 ! -type l");
        assert_eq!(wrong, "", "somebody else's, or theirs to write");
        assert_eq!(host.sh("ls /run/unitward/wards/*/runs/*.json | wc -l"), "200");
    }

    fn what_somebody_else_has_prepared_below_run_is_moved_out_of_the_way(host: Host) {
        host.sh("useradd app; echo as it was >/root/victim; mkdir /root/records; for n in $(seq 70); do echo '{}' >/root/records/$n.json; done");
        host.write("/etc/unitward/web.ward", "[Service]\nUser=app\nExecStart=/bin/sleep infinity\n[Recovery]\nMaxDelaySec=0\nDeathLimit=2\n[OnDeath]\nLog=x\n");
        host.sh("systemctl daemon-reload; systemctl start web");
        // As if an older version had been raced for the folder.
        host.sh("cd /run/unitward/wards/web; rm -f series.json totals.json totals.lock; mkfifo series.json totals.json totals.lock; \
                 mv runs kept; ln -s /root/records runs; ln -sf /root/victim current; chown -hR app /run/unitward/wards/web");
        for _ in 0..2 {
            let (_, run) = kill(&host, "web");
            wait_for_restart(&host, "web", &run);
        }
        assert_eq!(host.sh("cat /root/victim; ls /root/records | wc -l"), "as it was\n70");
        let said = host.journal(&["-o", "cat", "-t", "unitward-step"]);
        assert!(said.contains("The state of ward web was not root's alone; moved it to /run/unitward/not-roots/web."), "{said}");
        assert_eq!(host.sh("find /run/unitward/wards ! -user root -o -perm /022 ! -type l"), "");
        let record = host.sh("cat /run/unitward/wards/web/runs/$(cat /run/unitward/wards/web/current).json");
        assert!(record.contains("\"action\":\"Log\""), "the steps run again: {record}");
        kill(&host, "web");
        host.wait_for_property("web", "ActiveState", "failed");
    }

    fn a_wider_or_narrower_umask_changes_nothing_of_what_a_wards_steps_can_read(host: Host) {
        host.sh("useradd app");
        host.script("/usr/local/bin/note", "#!/bin/sh\nid -un >>/run/noted/$1\n");
        host.sh("mkdir -m 777 /run/noted");
        host.write("/etc/unitward/web.ward", "[Service]\nUser=app\nUMask=0077\nExecStart=/bin/sleep infinity\n[Recovery]\nMaxDelaySec=0\nDeathLimit=1\n\
            [OnDeath]\nExecute=/usr/local/bin/note death\n[OnLimit]\nExecute=/usr/local/bin/note limit\n");
        // The daemon, whose umask is narrow, is the first to make the ward's folder.
        host.sh("systemctl daemon-reload; systemctl start web; systemctl stop web; rm -rf /run/unitward/wards/web; \
                 unitward exclude web --reason=x || true; unitward readmit web");
        host.wait_for_property("web", "ActiveState", "active");
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        assert_eq!(host.read("/run/noted/death"), "app\n");
        // No bus: what a condition's own service does as the user needs none.
        host.sh("systemctl stop dbus.socket dbus.service");
        kill(&host, "web");
        host.wait_for("the step of [OnLimit]", || host.has("/run/noted/limit").then_some(()));
        assert_eq!(host.read("/run/noted/limit"), "app\n");
    }

    fn a_file_of_somebody_elses_sets_no_variable_for_root_whatever_the_unit_mounts_over_it(host: Host) {
        host.sh("useradd app; mkdir -p /srv/app/data; chown app /srv/app; echo SET=by-app >/srv/app/env");
        host.write("/etc/default/web", "SET=by-root\n");
        host.script("/usr/local/bin/look", "#!/bin/sh\nenv >/run/look-$1\n");
        for (name, file, mounts) in [
            ("plain", "/srv/app/env", ""),
            ("hidden", "/srv/app/env", "TemporaryFileSystem=/srv\nBindPaths=/srv/app/data\n"),
            ("replaced", "/srv/app/env", "BindPaths=/etc:/srv\n"),
            ("pattern", "/srv/app/e*", ""),
            ("roots", "/etc/default/web", "TemporaryFileSystem=/srv\n"),
            ("absent", "/etc/default/none", ""),
        ] {
            host.write(&format!("/etc/unitward/{name}.ward"), &format!("[Service]\nUser=app\nExecStart=/bin/sleep infinity\nRestart=always\n\
                Environment=OWN=stands SET=before\nEnvironmentFile=-{file}\n{mounts}[OnDeath]\nExecute=+/usr/local/bin/look {name}\n"));
            host.sh(&format!("systemctl daemon-reload; systemctl start {name}"));
            let (_, run) = kill(&host, name);
            wait_for_restart(&host, name, &run);
            let seen = host.read(&format!("/run/look-{name}"));
            let set = seen.lines().find(|line| line.starts_with("SET="));
            let expect = match name {
                "roots" => Some("SET=by-root"),
                // What root has written stands.
                _ => Some("SET=before"),
            };
            assert!(set == expect && seen.contains("OWN=stands"), "{name}: {seen}");
        }
    }
}
