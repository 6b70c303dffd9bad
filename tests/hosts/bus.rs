//! The service on the bus: what it offers to whom, what it tells, and that it lasts.

use crate::development::package;
use crate::host::{Access, Host};
use crate::on_both;
use crate::report::{guard, kill, wait_for_restart};
use serde_json::Value;

const WEB: &str = "[Service]\nExecStart=sleep infinity\n";
const MANAGER: &str = "busctl --system call org.unitward1 /org/unitward1 org.unitward1.Manager";
const WARDS: &str = "busctl --system call org.unitward1 /org/unitward1 org.unitward1.Wards";

/// Waits until the service has its name.
fn wait_for_service(host: &Host) {
    host.wait_for("org.unitward1", || {
        host.try_run(&["busctl", "--system", "status", "org.unitward1"])
            .status
            .success()
            .then_some(())
    });
}

/// What a user's command says, on both outputs, and whether it succeeds.
fn as_nobody(host: &Host, command: &str) -> (bool, String) {
    let output = host.try_run(&[
        "runuser",
        "-u",
        "nobody",
        "--",
        "sh",
        "-c",
        &format!("{command} 2>&1"),
    ]);
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout)
            .trim_end()
            .to_owned(),
    )
}

/// Starts `unitward monitor --json` as an unprivileged user; it is ready when this returns.
fn listen(host: &Host) {
    wait_for_service(host);
    host.sh("touch /run/heard; systemd-run --quiet --unit=ear --uid=nobody --property=StandardOutput=append:/run/heard unitward monitor --json");
    host.wait_for("the ear", || {
        let pid = host.systemctl_show("ear", "MainPID");
        let names = host.sh(&format!(
            "busctl --system list --no-legend | awk '$2 == {pid} {{ print $1 }}'"
        ));
        (!names.is_empty()).then_some(())
    });
    // It has subscribed when it hears of a property that every client may ask for: of its own ward's state.
    host.wait_for("its first words", || {
        host.sh("systemctl start probe");
        host.sh("systemctl stop probe");
        (!heard(host).is_empty()).then_some(())
    });
}

fn heard(host: &Host) -> Vec<Value> {
    host.read("/run/heard")
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// Waits for an event, `name` with these values.
fn wait_for_event(host: &Host, name: &str, values: &[(&str, &str)]) -> Value {
    host.wait_for(&format!("{name} {values:?}"), || {
        let is_it = |event: &Value| {
            event["event"] == name && values.iter().all(|(key, value)| event[key] == *value)
        };
        heard(host).into_iter().find(is_it)
    })
}

/// A command without the log lines of a run, which are root's to read.
fn without_log(command: &str) -> String {
    format!("{{ {command}; }} | sed '/^ *Log: /d'")
}

on_both! {
    fn everybody_may_read_and_only_root_may_write(host: Host) {
        guard(&host, "web", "web", WEB);
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        wait_for_service(&host);
        let (_, shown) = as_nobody(&host, "busctl --system introspect org.unitward1 /org/unitward1");
        for member in [
            ".Report method s s", ".Reports method xts s", ".Timeline method s s", ".List method - s", ".Status method s s",
            ".Tree method s s", ".Exclude method ss b", ".Readmit method s b", ".Death signal ssssutb", ".Recovery signal sssutt",
            ".Excluded signal sss", ".Readmitted signal ss", ".StateChanged signal ssss", ".FullRestart signal ssst",
            ".FullRestartOver signal sss", ".Version property s", ".NodeId property s", ".Cloud property s", ".PendingReports property t",
        ] {
            let words: Vec<&str> = member.split(' ').collect();
            let is_it = |line: &str| line.split_whitespace().take(words.len()).eq(words.iter().copied());
            assert!(shown.lines().any(is_it), "{member} in\n{shown}");
        }
        let property = |name: &str| {
            as_nobody(&host, &format!("busctl --system get-property org.unitward1 /org/unitward1 org.unitward1.Manager {name}")).1
        };
        assert_eq!(property("PendingReports"), "t 0", "they stay local");
        assert_eq!(property("Cloud"), "s \"no broker, reports stay local\"");
        assert!(property("NodeId").len() > 30, "{}", property("NodeId"));
        assert!(property("Version").starts_with("s \""));
        let peer = "busctl --system call org.unitward1 /org/unitward1 org.freedesktop.DBus.Peer Ping";
        assert_eq!(as_nobody(&host, peer), (true, String::new()));
        let reads = [(WARDS, "List"), (WARDS, "Status s web"), (WARDS, "Tree s ''"), (MANAGER, "Timeline s web")];
        for (interface, read) in reads {
            let call = format!("{interface} {read}").replacen("busctl", "busctl --json=short", 1);
            let (done, said) = as_nobody(&host, &call);
            let reply: Value = serde_json::from_str(&said).unwrap_or_default();
            let document: Value = serde_json::from_str(reply["data"][0].as_str().unwrap_or_default()).unwrap_or_default();
            assert!(done && document.is_object() && document.to_string().contains("\"web\""), "{read}: {said}");
        }
        for write in ["Exclude ss web why", "Readmit s web"] {
            let (done, said) = as_nobody(&host, &format!("{WARDS} {write}"));
            assert!(!done && said.contains("ccess denied"), "{write}: {said}");
        }
        assert_eq!(host.systemctl_show("web", "ActiveState"), "active");
        assert_eq!(host.sh(&format!("{WARDS} Exclude ss web why; {WARDS} Exclude ss web why")), "b true\nb false");
        assert_eq!(host.sh(&format!("{WARDS} Readmit s web")), "b true");
        let (_, said) = as_nobody(&host, "busctl --system introspect org.unitward1 /org");
        assert!(said.contains("Introspectable"), "{said}");
    }

    fn a_lax_policy_opens_nothing(host: Host) {
        guard(&host, "web", "web", WEB);
        wait_for_service(&host);
        host.write("/etc/dbus-1/system.d/lax.conf", "<busconfig><policy context=\"default\"><allow send_destination=\"org.unitward1\"/></policy></busconfig>");
        host.sh("busctl --system call org.freedesktop.DBus / org.freedesktop.DBus ReloadConfig");
        // busctl has words of its own for this error.
        let call = "dbus-send --system --print-reply --dest=org.unitward1 /org/unitward1 org.unitward1.Wards";
        for (verb, member, arguments) in [("exclude", "Exclude", "string:web string:why"), ("readmit", "Readmit", "string:web")] {
            let sentence = format!("Only root may {verb} a ward: try \"sudo unitward {verb} web\".");
            let (done, said) = as_nobody(&host, &format!("{call}.{member} {arguments}"));
            assert!(!done && said.contains(&sentence) && said.contains("org.freedesktop.DBus.Error.AccessDenied"), "{said}");
        }
        assert_eq!(host.systemctl_show("web", "ActiveState"), "active");
    }

    fn deaths_are_answered_to_everybody_as_root_reads_them(host: Host) {
        guard(&host, "web", "web", WEB);
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        let json = host.wait_for("the death and its recovery", || {
            let (_, said) = as_nobody(&host, "unitward reports --json");
            said.contains("\"outcome\":\"recovered\"").then_some(said)
        });
        assert_eq!(host.sh("unitward reports --json"), json);
        assert_eq!(as_nobody(&host, "{ unitward reports 2>/dev/null; }").1, host.sh("unitward reports 2>/dev/null"));
        let show = format!("unitward reports show {}", &run[..8]);
        assert_eq!(as_nobody(&host, &show).1, host.sh(&without_log(&show)));
        assert_eq!(as_nobody(&host, "unitward reports --since=now --ward=web 2>&1"), (true, "0 deaths, 0 reports sent, 0 waiting.".to_owned()));
        let refused = "There is no ward or stack \"none\"; \"unitward list\" shows those there are.";
        assert_eq!(as_nobody(&host, "unitward reports --ward=none 2>&1"), (false, refused.to_owned()));
        let (done, said) = as_nobody(&host, "unitward reports show 0000");
        assert_eq!((done, said.as_str()), (false, "Nothing is known of \"0000\"; \"unitward reports\" lists what is known."));
        let (_, said) = as_nobody(&host, &format!("{MANAGER} Report s 0000"));
        assert!(said.contains("Nothing is known"), "{said}");
        host.sh("touch /run/followed; systemd-run --quiet --unit=follower --uid=nobody --property=StandardOutput=append:/run/followed unitward reports --json --follow");
        host.wait_for("what there is", || host.read("/run/followed").contains(&run).then_some(()));
        let (_, next) = kill(&host, "web");
        host.wait_for("the next death", || host.read("/run/followed").contains(&next).then_some(()));
        assert_eq!(host.read("/run/followed").lines().count(), 2, "each once");
        host.sh("systemctl stop unitwardd");
        let (done, said) = as_nobody(&host, "unitward reports");
        assert!(!done && said.contains("\"systemctl start unitwardd\" starts it."), "{said}");
        assert!(host.sh("unitward reports 2>&1").contains("SIG 9 (Killed)"), "root needs no daemon");
    }

    fn addresses_of_programs_are_told_to_root_alone(host: Host) {
        host.write("/etc/unitward/shop.stack", "[Stack]\nName=Shop\n");
        host.write("/etc/unitward/web.ward", &format!("{WEB}[Ward]\nStack=shop\n"));
        // The last line is none of a report's.
        host.write("/root/trace", "0 > 0x55d7cffb3f37: main 0x34 /usr/bin/prog\n1 > 0x7ffd1badcafe: (null) 0 (null)\nat 0x7ffd1badcafe\n");
        host.sh("systemctl daemon-reload; systemctl start shop.target");
        wait_for_service(&host);
        host.sh("unitward restart-stack shop --caller f --backtrace /root/trace --wait");
        let run = host.wait_for("the restart", || {
            let told: Value = serde_json::from_str(host.sh("unitward reports --json").lines().next()?).ok()?;
            told["invocation"].as_str().map(str::to_owned)
        });
        let secret = |said: &str| said.contains("55d7cffb3f37") || said.contains("7ffd1badcafe");
        for command in ["reports --json", &format!("reports show {run}"), &format!("reports show --json {run}")] {
            let (own, others) = (host.sh(&format!("unitward {command}")), as_nobody(&host, &format!("unitward {command}")));
            assert!(secret(&own), "{command}: {own}");
            assert!(others.0 && !secret(&others.1), "{command}: {}", others.1);
            for kept in ["0 > 0x0: main 0x34 /usr/bin/prog", "1 > 0x0: (null) 0 (null)", "at 0x0"] {
                assert!(others.1.contains(kept), "{command}: {}", others.1);
            }
        }
        for call in [&format!("{MANAGER} Report s {run}"), &format!("{MANAGER} Reports xts 0 0 ''"), &format!("{MANAGER} Timeline s shop"), &format!("{WARDS} Status s shop"), &format!("{WARDS} Tree s ''")] {
            let (done, said) = as_nobody(&host, call);
            assert!(done && !secret(&said), "{call}: {said}");
        }
        // The bus says who asks, and root may be told on it, too.
        assert!(secret(&host.sh(&format!("{MANAGER} Report s {run}"))));
        let (done, said) = as_nobody(&host, "cat /var/lib/unitward/reports.db 2>&1");
        assert!(!done, "{said}");
    }

    fn what_happens_is_told_as_it_happens(host: Host) {
        host.write("/etc/unitward/probe.ward", WEB);
        host.write("/etc/unitward/opensync.stack", "[Stack]\nName=OpenSync\n");
        host.write("/etc/unitward/member.ward", "[Service]\nExecStart=sleep infinity\n[Ward]\nStack=opensync\n");
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\n[Ward]\nReport=no\n[Recovery]\nDeathLimit=1\n");
        listen(&host);
        let (pid, run) = kill(&host, "web");
        let death = wait_for_event(&host, "death", &[("ward", "web"), ("invocation", &run)]);
        assert_eq!(death["reason"], "SIG 9 (Killed)");
        assert_eq!((death["pid"].to_string(), &death["crash"]), (pid, &true.into()));
        let recovery = wait_for_event(&host, "recovery", &[("ward", "web"), ("invocation", &run), ("outcome", "recovered")]);
        assert_eq!(recovery["restarts"], 1);
        wait_for_event(&host, "state-changed", &[("unit", "web.service"), ("state", "activating"), ("substate", "auto-restart")]);
        wait_for_restart(&host, "web", &run);
        kill(&host, "web");
        let excluded = wait_for_event(&host, "excluded", &[("ward", "web"), ("by", "limit")]);
        assert_eq!((&excluded["why"], &excluded["dead_service"]), (&"SIG 9 (Killed)".into(), &"web".into()));
        host.run(&["unitward", "readmit", "web"]);
        wait_for_event(&host, "readmitted", &[("ward", "web"), ("by", "hand")]);
        host.run(&["unitward", "exclude", "web", "--reason=why"]);
        wait_for_event(&host, "excluded", &[("ward", "web"), ("by", "hand"), ("why", "why")]);
        host.run(&["unitward", "readmit", "web"]);
        host.wait_for("the second readmission", || {
            (heard(&host).iter().filter(|event| event["event"] == "readmitted").count() == 2).then_some(())
        });
        host.run(&["systemctl", "start", "opensync.target"]);
        host.run(&["unitward", "restart-stack", "opensync", "--caller=cm", "--wait"]);
        let restart = wait_for_event(&host, "full-restart", &[("stack", "opensync"), ("caller", "cm")]);
        assert_eq!(restart["reason"], "OpenSync restarted by cm");
        wait_for_event(&host, "full-restart-over", &[("stack", "opensync"), ("outcome", "restarted")]);
        let told = |name: &str| heard(&host).iter().filter(|event| event["event"] == name).count();
        assert_eq!((told("death"), told("excluded"), told("readmitted"), told("full-restart")), (2, 2, 2, 1), "each once");
    }

    fn whoever_listens_outlives_the_daemon_and_the_bus(host: Host) {
        guard(&host, "probe", "probe", WEB);
        listen(&host);
        host.sh("kill -KILL $(systemctl show -P MainPID unitwardd)");
        let told = |name: &str, count: usize| {
            host.wait_for(name, || (heard(&host).iter().filter(|event| event["event"] == name).count() == count).then_some(()));
        };
        told("daemon-gone", 1);
        told("daemon-back", 1);
        host.run(&["systemctl", "restart", "dbus"]);
        told("daemon-gone", 2);
        told("daemon-back", 2);
        host.run(&["systemctl", "start", "probe"]);
        let (_, run) = kill(&host, "probe");
        wait_for_event(&host, "death", &[("invocation", &run)]);
        assert_eq!(host.systemctl_show("unitwardd", "NRestarts"), "1", "the restarted bus cost the daemon nothing");
    }

    fn a_reader_that_leaves_ends_the_monitor(host: Host) {
        wait_for_service(&host);
        host.sh("timeout 20 bash -c 'unitward monitor | true'");
    }

    fn a_package_that_is_installed_now_is_on_the_bus_without_a_restart(host: Host) {
        let bus = host.systemctl_show("dbus", "InvocationID");
        host.write_mode("/root/unitward.deb", &std::fs::read(package("unitward")).unwrap(), Access { mode: 0o644, uid: 0 });
        host.run(&["dpkg", "--purge", "unitward"]);
        host.run(&["dpkg", "--install", "/root/unitward.deb"]);
        wait_for_service(&host);
        assert_eq!(as_nobody(&host, &format!("{MANAGER} Reports xts 0 0 ''")), (true, "s \"\"".to_owned()));
        assert_eq!(host.systemctl_show("dbus", "InvocationID"), bus);
    }

    fn every_verb_is_open_to_everybody_or_says_what_to_do(host: Host) {
        host.write("/etc/unitward/opensync.stack", "[Stack]\nName=OpenSync\n");
        guard(&host, "web", "web", WEB);
        let (_, run) = kill(&host, "web");
        wait_for_restart(&host, "web", &run);
        wait_for_service(&host);
        // What is read works as it does for root.
        for read in [
            "check", "plan", "plan --explain web", "plan --diff", "list", "status web", "tree", "timeline web", "reports",
            "reports --json", &format!("reports show {run}"),
        ] {
            let command = format!("unitward {read}");
            let settled = || (as_nobody(&host, &command) == (true, host.sh(&without_log(&format!("{command} 2>&1"))))).then_some(());
            host.wait_for(&command, settled);
        }
        let monitor = as_nobody(&host, "{ timeout 5 unitward monitor; test $? = 124; }");
        assert_eq!(monitor, (true, "Watching 1 ward and 1 stack.".to_owned()));
        // What is written is refused with a sentence.
        for (write, sentence) in [
            ("exclude web", "Only root may exclude a ward: try \"sudo unitward exclude web\"."),
            ("readmit web", "Only root may readmit a ward: try \"sudo unitward readmit web\"."),
            ("restart-stack opensync", "Failed to restart opensync: "),
        ] {
            let (done, said) = as_nobody(&host, &format!("unitward {write}"));
            assert!(!done && said.starts_with(sentence), "{write}: {said}");
        }
    }

    fn the_daemon_is_confined(host: Host) {
        let exposure = host.sh("systemd-analyze security --no-pager unitwardd.service | tail -1");
        let level = exposure.split_whitespace().find_map(|word| word.parse::<f64>().ok()).expect("a number");
        assert!(level <= 2.0, "{exposure}\n{}", host.sh("systemd-analyze security --no-pager unitwardd.service"));
    }
}
