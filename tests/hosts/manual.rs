//! The README and each page of the manual, done on a host as their reader does it: files written, commands typed in their order.
//! What a page promises is looked at when it is done.

use crate::development::package;
use crate::host::{Access, Bare, Host};
use crate::on_both;
use crate::page::{self, Block};
use crate::report;
use std::time::Instant;

/// Does what a page says; gives what came in its other terminals.
#[track_caller]
fn follow(host: &Host, page: &str) -> Vec<String> {
    let begun = Instant::now();
    let mut terminals = 0;
    for block in page::blocks(page) {
        match block {
            Block::File { case, path, text } if case.is_empty() => host.write(&path, &text),
            Block::Commands(commands) => {
                println!("{page}\n{commands}\n{}", type_in(host, &commands))
            }
            Block::Beside(commands) => {
                open_terminal(host, terminals, &commands);
                terminals += 1;
            }
            Block::File { .. } | Block::Shown { .. } => {}
        }
    }
    let came = (0..terminals)
        .map(|terminal| what_came(host, terminal))
        .collect();
    println!("{page}: {:.1} s", begun.elapsed().as_secs_f64());
    came
}

#[track_caller]
fn type_in(host: &Host, commands: &str) -> String {
    let output = host.try_run(&["bash", "-e", "-c", &format!("cd /root\n{commands}")]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{commands}\n{said}");
    said
}

/// Opens one more terminal and waits until the subscriber in it has been let in.
#[track_caller]
fn open_terminal(host: &Host, number: usize, commands: &str) {
    let talkative = commands.replace("mosquitto_sub ", "stdbuf --output=L mosquitto_sub -d ");
    host.script(
        &format!("/root/terminal-{number}"),
        &format!("#!/bin/bash\n{talkative}\n"),
    );
    host.sh(&format!(
        "setsid /root/terminal-{number} </dev/null >/root/said-{number} 2>&1 &"
    ));
    let said = format!("/root/said-{number}");
    host.wait_for("the subscription", || {
        host.read(&said).contains("Subscribed").then_some(())
    });
}

#[track_caller]
fn what_came(host: &Host, number: usize) -> String {
    let said = format!("/root/said-{number}");
    host.wait_for("what the other terminal waits for", || {
        let lines = host.read(&said);
        lines
            .lines()
            .find(|line| line.contains("\"nodeId\""))
            .map(str::to_owned)
    })
}

/// As Debian's package starts it when it is installed.
fn start_nginx(host: &Host) {
    host.run(&["systemctl", "enable", "--now", "nginx"]);
}

fn guard_web(host: &Host) {
    host.write(
        "/etc/unitward/web.ward",
        "[Service]\nExecStart=/usr/bin/sleep infinity\nRestart=always\n",
    );
    host.write(
        "/etc/unitward/unitward.conf",
        "[MQTT]\nBroker=mqtt://127.0.0.1\n",
    );
    host.sh("systemctl daemon-reload; systemctl start web");
}

on_both! {
    fn the_readme_leads_from_a_fresh_host_to_a_guarded_nginx(host: Bare) {
        let file = package("unitward");
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let amd64 = name.rsplit_once('_').map(|(begin, _)| format!("/root/{begin}_amd64.deb")).expect("a package's name");
        host.write_mode(&amd64, &std::fs::read(file).unwrap(), Access { mode: 0o644, uid: 0 });
        start_nginx(&host);
        let came = follow(&host, "README.md");
        assert!(came[0].contains(r#""name":"nginx","reason":"SIG 9 (Killed)""#), "{came:?}");
        host.wait_for("the second recovery", || {
            let deaths = report::told(&host).ok()?;
            let recovered = deaths.iter().filter(|death| death["recovery"]["outcome"] == "recovered").count();
            (recovered == 2).then_some(())
        });
        assert_eq!(host.sh("systemctl is-active nginx unitwardd"), "active\nactive");
    }

    fn the_page_about_guarding_a_daemon_does_what_it_says(host: Host) {
        start_nginx(&host);
        let broker = host.systemctl_show("mosquitto", "MainPID");
        follow(&host, "docs/manual/guard-a-daemon.md");
        assert_eq!(host.systemctl_show("mosquitto", "MainPID"), broker, "it was not touched");
        assert!(host.sh("systemctl cat mosquitto").contains("50-unitward.conf"));
        assert_eq!(host.systemctl_show("sleeper", "ActiveState"), "active");
        assert_eq!(host.systemctl_show("nginx", "ActiveState"), "active");
        assert_eq!(host.systemctl_show("nginx", "Restart"), "no", "as it was before");
        assert_eq!(report::told(&host).expect("the history")[0]["recovery"]["outcome"], "recovered");
    }

    fn the_page_about_compound_restarts_does_what_it_says(host: Host) {
        follow(&host, "docs/manual/compound-restart.md");
        let deaths = report::told(&host).expect("the history");
        let steps = deaths[0]["recovery"]["steps"].as_array().expect("steps");
        let did: Vec<_> = steps.iter().map(|step| (step["step"].as_str().unwrap_or_default(), step["result"].as_str().unwrap_or_default())).collect();
        assert_eq!(did, [("Execute", "ok"), ("WaitFor", "ok"), ("Execute", "ok"), ("Restart", "ok")]);
        assert!(host.has("/run/resolver.state"));
    }

    fn the_page_about_stacks_does_what_it_says(host: Host) {
        follow(&host, "docs/manual/stack.md");
        let told = host.wait_for("the end of the restart", || {
            let told = report::told(&host).expect("the history");
            told.iter().any(|report| report["fullRestart"]["outcome"] == "restarted").then_some(told)
        });
        assert_eq!(told.len(), 1, "the one while InhibitFile= was there is not among them: {told:?}");
    }

    fn the_page_about_brokers_leads_to_a_connection_with_certificates(host: Host) {
        follow(&host, "docs/manual/broker.md");
        let ask = "mosquitto_pub -h localhost -p 8883 --cafile /etc/unitward/tls/authority.pem -t Crash/Reports -m x";
        assert!(!host.try_run(&["sh", "-c", ask]).status.success(), "nobody is let in without a certificate");
        let mine = "--cert /etc/unitward/tls/gateway-1.pem --key /etc/unitward/tls/gateway-1.key";
        host.sh(&format!("{ask} {mine}"));
        assert_eq!(host.sh("stat -c '%U %a' /etc/unitward/tls/gateway-1.key"), "root 600");
    }

    fn the_page_about_reports_does_what_it_says(host: Host) {
        guard_web(&host);
        report::kill(&host, "web");
        host.wait_for("the report", || report::told(&host).ok().filter(|told| told.len() == 1 && told[0]["report"] == "sent"));
        host.wait_for_property("web", "ActiveState", "active");
        let came = follow(&host, "docs/manual/read-the-reports.md");
        assert!(came[0].contains("SIG 11 (Segmentation fault)"), "{came:?}");
    }

    fn the_page_about_seeing_and_previewing_does_what_it_says(host: Host) {
        guard_web(&host);
        follow(&host, "docs/manual/see-and-preview.md");
        assert_eq!(host.systemctl_show("web", "ActiveState"), "active", "readmitted");
        assert!(host.read("/root/web.svg").contains("<svg"));
    }

    fn the_page_about_telling_somebody_does_what_it_says(host: Host) {
        start_nginx(&host);
        // In the place of curl and a mail server.
        host.script("/usr/bin/curl", "#!/bin/sh\nprintf '%s ' \"$@\" >>/root/webhook\necho >>/root/webhook\n");
        host.script("/usr/sbin/sendmail", "#!/bin/sh\ncat >>/root/mail\n");
        follow(&host, "docs/manual/tell-somebody.md");
        host.wait_for("the webhook", || host.has("/root/webhook").then_some(()));
        let sent = host.read("/root/webhook");
        assert!(sent.contains("ward=nginx --data-urlencode condition=OnDeath-webhook --data-urlencode reason=SIG 9 (Killed)"), "{sent}");
        assert_eq!(host.sh("stat -c %a /etc/unitward/webhook.curl"), "600");
        assert!(!host.has("/root/mail"), "nobody was given up");
        for _ in 0..5 {
            let (_, run) = report::kill(&host, "nginx");
            report::wait_for_restart_or_end(&host, "nginx", &run);
        }
        host.wait_for("the mail", || host.has("/root/mail").then(|| host.read("/root/mail")).filter(|mail| mail.contains("readmit")));
        let mail = host.read("/root/mail");
        assert!(mail.contains("nginx was given up, SIG 9 (Killed)") && mail.contains("unitward readmit nginx"), "{mail}");
        host.wait_for("the line", || host.read("/var/log/deaths").contains("nginx OnLimit: SIG 9 (Killed)").then_some(()));
    }
}
