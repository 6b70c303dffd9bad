//! Full restarts as their restarter makes them: who may ask, who is answered what, and what stands on the disk afterwards.

use crate::development;
use crate::host::{Access, Host};
use crate::on_both;
use serde_json::Value;
use std::time::{Duration, Instant};

pub(crate) const MEMBERS: [&str; 3] = ["web", "db", "till"];
const MEMBER: &str = "[Service]\nExecStart=sleep infinity\nRestart=always\n[Ward]\nStack=shop\n";

/// The stack `shop` with three members, up. `more` are other files of the configuration. What the daemon makes of full restarts is
/// not what is shown here, and it takes the records away, so it does not run.
pub(crate) fn set_up(host: &Host, stack: &str, more: &[(&str, &str)]) {
    host.run(&["systemctl", "stop", "unitwardd"]);
    host.write(
        "/etc/unitward/shop.stack",
        &format!("[Stack]\nName=Shop\n{stack}"),
    );
    for member in MEMBERS {
        host.write(&format!("/etc/unitward/{member}.ward"), MEMBER);
    }
    for (file, text) in more {
        host.write(&format!("/etc/unitward/{file}"), text);
    }
    host.run(&["unitward", "check"]);
    let unit = stack.trim().strip_prefix("Unit=").unwrap_or("shop.target");
    host.sh(&format!("systemctl daemon-reload; systemctl start {unit}"));
}

pub(crate) fn pids(host: &Host) -> Vec<String> {
    MEMBERS
        .iter()
        .map(|member| host.systemctl_show(member, "MainPID"))
        .collect()
}

/// Whether every member runs in another process than then.
pub(crate) fn all_are_new(host: &Host, then: &[String]) -> bool {
    pids(host)
        .iter()
        .zip(then)
        .all(|(now, then)| now != then && now != "0")
}

/// The records of full restarts, the oldest first.
pub(crate) fn records(host: &Host) -> Vec<Value> {
    let text = host.sh("cat /var/lib/unitward/restarts/shop/*.json 2>/dev/null || true");
    let found = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    let mut found: Vec<_> = found
        .map(|record| record.expect("a whole record"))
        .collect();
    found.sort_by_key(|record| record["at"].as_u64());
    found
}

/// The only record, once it is complete.
#[track_caller]
pub(crate) fn the_record(host: &Host) -> Value {
    let mut all = host.wait_for("the record's end", || {
        let all = records(host);
        all.iter()
            .all(|record| !record["end"].is_null())
            .then_some(all)
            .filter(|all| !all.is_empty())
    });
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

/// Status and words of a command, both outputs together.
pub(crate) fn outcome(host: &Host, command: &str) -> (i32, String) {
    let done = host.try_run(&["bash", "-c", &format!("{{ {command}; }} 2>&1")]);
    (
        done.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&done.stdout).trim().to_owned(),
    )
}

/// What the restarter said.
pub(crate) fn said(host: &Host) -> String {
    host.journal(&["-o", "cat", "-t", "unitward"])
}

/// Connects to a stack's socket as root, so many times, and makes `/run/go` for those who wait until that is done; says to each what
/// stands in `/run/said` (with `%` for its number) and whether that was all, and prints what each is answered.
const CALLERS: &str = r#"
use IO::Socket::UNIX;
$SIG{PIPE} = "IGNORE";
my ($stack, $count, $ends) = @ARGV;
my $text = do { local $/; open my $file, "<", "/run/said"; <$file> };
my @callers = map { IO::Socket::UNIX->new(Peer => "/run/unitward/stacks/$stack") or die "connect: $!" } 1..$count;
open my $go, ">", "/run/go" or die "/run/go: $!";
for my $number (0..$#callers) {
    (my $said = $text) =~ s/%/$number/g;
    syswrite $callers[$number], $said;
    shutdown $callers[$number], 1 if $ends;
}
for my $caller (@callers) { my $answer = do { local $/; <$caller> }; chomp $answer; print "$answer\n"; }
"#;

/// Whether a caller says that it has said all.
#[derive(Clone, Copy)]
pub(crate) enum Says {
    All,
    Part,
}

/// What `count` callers are answered who come at the same time and say this, with their number for each `%`.
fn answers(host: &Host, count: usize, said: (&[u8], Says)) -> Vec<String> {
    answers_of(host, "shop", count, said)
}

/// The same of any stack's restarter.
pub(crate) fn answers_of(
    host: &Host,
    stack: &str,
    count: usize,
    (bytes, says): (&[u8], Says),
) -> Vec<String> {
    host.write("/run/callers", CALLERS);
    host.write_mode(
        "/run/said",
        bytes,
        Access {
            mode: 0o600,
            uid: 0,
        },
    );
    let ends = match says {
        Says::All => "1",
        Says::Part => "0",
    };
    let done = host.run(&["perl", "/run/callers", stack, &count.to_string(), ends]);
    String::from_utf8_lossy(&done.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Asserts that since then the journal was told of no more refusals than it bears: ten in each minute, and the sum of the others.
fn assert_not_flooded(host: &Host, begun: Instant) {
    let refused = host
        .journal_json(&["MESSAGE_ID=f73e7bf575874841b9c6dfc2ac2b9f7b"])
        .len() as u64;
    let minutes = 1 + begun.elapsed().as_secs() / 60;
    assert!(
        refused <= 11 * minutes,
        "the journal is flooded: {refused} in {:?}",
        begun.elapsed()
    );
}

on_both! {
    fn all_members_are_restarted_and_the_record_tells_of_it(host: Host) {
        set_up(&host, "", &[]);
        let (then, runs) = (pids(&host), MEMBERS.map(|member| host.systemctl_show(member, "InvocationID")));
        let target = host.systemctl_show("shop.target", "InvocationID");
        host.write("/root/trace", "0 > 0x1: f 0x2 /bin/f\n1 > 0x3: main 0x4 /bin/f\n");
        let (status, words) = outcome(&host, "unitward restart-stack shop --caller f --backtrace /root/trace --wait");
        assert!(status == 0 && words.starts_with("Done in ") && words.contains("Shop was restarted"), "{words}");
        assert!(all_are_new(&host, &then));
        let record = the_record(&host);
        assert_eq!((&record["stack"], &record["name"], &record["unit"]), (&"shop".into(), &"Shop".into(), &"shop.target".into()));
        assert_eq!((&record["caller"], &record["ended"]), (&"f".into(), &target.into()));
        assert_eq!(record["backtrace"], "0 > 0x1: f 0x2 /bin/f\n 1 > 0x3: main 0x4 /bin/f\n");
        assert_eq!((&record["by"]["uid"], &record["end"]["outcome"], &record["end"]["trouble"]), (&0.into(), &"restarted".into(), &"".into()));
        for (member, run) in MEMBERS.iter().zip(&runs) {
            let noted = record["members"].as_array().unwrap().iter().find(|noted| noted["unit"] == format!("{member}.service"));
            assert_eq!(noted.expect("a member")["run"], run.as_str());
        }
        assert_eq!(host.sh("stat -c %a /var/lib/unitward/restarts"), "700");
        let begun = host.journal_json(&["MESSAGE_ID=1dff5b1af2604d85939d8e9ff6562ab4"]);
        assert_eq!((&begun[0]["UNITWARD_STACK"], &begun[0]["UNITWARD_CALLER"]), (&"shop".into(), &"f".into()));
        assert_eq!(begun[0]["UNITWARD_RESTART_ID"], record["id"]);
        assert!(host.journal(&["-u", "shop.target", "-o", "cat"]).contains("Restarted Shop for f in "));
        assert!(host.journal(&["-x", "-t", "unitward"]).contains("All members are back"), "the catalog has it");
        // It goes when nobody asks any more, and comes again.
        host.wait_for_property("unitward-stack@shop.service", "ActiveState", "inactive");
        assert_eq!(host.systemctl_show("unitward-stack@shop.socket", "SubState"), "listening");
        let then = pids(&host);
        assert_eq!(outcome(&host, "unitward restart-stack shop").1, "Restarting shop.");
        host.wait_for("the second restart", || all_are_new(&host, &then).then_some(()));
        host.wait_for("its record", || (records(&host).len() == 2).then_some(()));
        assert_eq!(host.failed_units(), [""; 0]);
    }

    fn root_and_members_may_ask_and_nobody_else(host: Host) {
        host.script("/usr/local/bin/asks", "#!/bin/bash\nask() { unitward restart-stack shop >/run/asked 2>&1; }\ntrap ask USR1\nwhile :; do sleep 0.1; done\n");
        let asking = "[Service]\nUser=nobody\nExecStart=/usr/local/bin/asks\n[Ward]\nStack=shop\n";
        set_up(&host, "", &[("asks.ward", asking)]);
        host.sh("install --owner=nobody /dev/null /run/asked");
        let then = pids(&host);
        let (status, words) = outcome(&host, "runuser -u nobody -- unitward restart-stack shop");
        assert_eq!((status, words.as_str()), (1, "Failed to restart shop: only root and members of shop may ask for its restart."));
        assert!(!all_are_new(&host, &then) && records(&host).is_empty());
        let refused = host.journal_json(&["MESSAGE_ID=f73e7bf575874841b9c6dfc2ac2b9f7b"]);
        assert_eq!((refused.len(), &refused[0]["UNITWARD_UID"], &refused[0]["UNITWARD_CALLER"]), (1, &"65534".into(), &"unitward".into()));
        host.run(&["systemctl", "kill", "--kill-whom=main", "--signal=USR1", "asks"]);
        host.wait_for("the member's restart", || all_are_new(&host, &then).then_some(()));
        let record = the_record(&host);
        assert_eq!((&record["caller"], &record["by"]["unit"]), (&"asks".into(), &"asks.service".into()));
        assert_eq!(record["by"]["uid"], 65_534);
    }

    fn a_script_is_called_by_its_name_also_behind_sudo(host: Host) {
        set_up(&host, "", &[]);
        host.script("/usr/local/bin/rescue", "#!/bin/sh\nunitward restart-stack shop --wait\n");
        host.script("/usr/local/bin/rescue-as-root", "#!/bin/sh\nrunuser -u root -- unitward restart-stack shop --wait\n");
        for (count, (command, caller)) in [("rescue", "rescue"), ("rescue-as-root", "rescue-as-root"), ("sh /usr/local/bin/rescue", "rescue")].into_iter().enumerate() {
            assert_eq!(outcome(&host, command).0, 0);
            assert_eq!(records(&host)[count]["caller"], caller, "{command}");
        }
    }

    fn while_the_inhibit_file_is_there_nothing_happens_but_one_line(host: Host) {
        set_up(&host, "InhibitFile=/run/hold\n", &[]);
        host.write("/run/hold", "");
        let then = pids(&host);
        let (status, words) = outcome(&host, "unitward restart-stack shop --wait");
        assert_eq!((status, words.as_str()), (1, "Failed to restart shop: Shop is not restarted while /run/hold exists."));
        assert_eq!((pids(&host), records(&host).len()), (then.clone(), 0));
        assert_eq!(said(&host).lines().count(), 1, "{}", said(&host));
        assert_eq!(host.journal_json(&["MESSAGE_ID=9dbbfce3fe57423193f15eb9d21b0ce7"]).len(), 1);
        // Six at once are one event.
        for when in ["", "answer=over\n"] {
            let request = format!("unitward-restart-stack 1\ncaller=f%\n{when}\n");
            let answers = answers(&host, 6, (request.as_bytes(), Says::All));
            assert!(answers.iter().all(|answer| answer.starts_with("125 ")), "{answers:?}");
        }
        assert_eq!((pids(&host), records(&host).len()), (then.clone(), 0));
        let lines = said(&host);
        assert_eq!(lines.lines().count(), 3, "{lines}");
        let told = "Shop is not restarted while /run/hold exists; asked for by f0, f1, f2, f3 and 2 more.";
        assert!(lines.trim().ends_with(told), "{lines}");
        host.sh("rm /run/hold");
        assert_eq!(outcome(&host, "unitward restart-stack shop --wait").0, 0);
        assert!(all_are_new(&host, &then));
    }

    fn what_the_configuration_says_now_counts(host: Host) {
        set_up(&host, "", &[]);
        let then = pids(&host);
        let hold = "[Stack]\nName=Shop\nInhibitFile=/run/hold\n";
        // Whoever is refused has it read, and it is changed right afterwards.
        host.write("/root/new", hold);
        let (status, words) = outcome(
            &host,
            "touch /run/hold; runuser -u nobody -- unitward restart-stack shop; cp /root/new /etc/unitward/shop.stack; exec unitward restart-stack shop",
        );
        assert_eq!(status, 1);
        assert!(words.ends_with("Failed to restart shop: Shop is not restarted while /run/hold exists."), "{words}");
        assert_eq!((pids(&host), records(&host).len()), (then, 0));
        let (status, words) = outcome(&host, "runuser -u nobody -- unitward restart-stack shop; rm /etc/unitward/shop.stack; exec unitward restart-stack shop");
        assert_eq!(status, 1);
        assert!(words.ends_with("Failed to restart shop: there is no stack shop in the configuration."), "{words}");
    }

    fn two_hundred_who_ask_at_once_are_one_restart(host: Host) {
        // Slow enough that none of them comes too late.
        let slow = "[Service]\nExecStart=sleep infinity\nExecStartPre=sleep 3\n[Ward]\nStack=shop\n";
        set_up(&host, "", &[("slow.ward", slow)]);
        let then = pids(&host);
        let request = b"unitward-restart-stack 1\ncaller=f%\nanswer=over\n\n0 > 0x1: f 0x2 /bin/f\n";
        let answers = answers(&host, 200, (request, Says::All));
        assert_eq!(answers.len(), 200);
        assert!(answers.iter().all(|answer| answer.starts_with("0 ")), "{answers:?}");
        assert!(all_are_new(&host, &then));
        let record = the_record(&host);
        assert_eq!(record["joined"].as_array().map(Vec::len), Some(64), "the names of so many are kept");
    }

    fn garbage_and_silence_disturb_nobody(host: Host) {
        set_up(&host, "", &[]);
        let then = pids(&host);
        for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\xff\xfe\n", b"unitward-restart-stack 2\ncaller=x\n\n", b"unitward-restart-stack 1\n\n", &[b'x'; 1 << 20]] {
            let answers = answers(&host, 1, (bytes, Says::All));
            assert!(answers[0].starts_with("22 "), "{answers:?}");
        }
        assert_eq!(answers(&host, 9, (b"", Says::All)), [""; 9], "who says nothing is answered nothing");
        let begun = Instant::now();
        assert_eq!(answers(&host, 70, (b"", Says::Part)), [""; 70], "nor who never comes to an end of it");
        let took = begun.elapsed().as_secs();
        assert!((9..60).contains(&took), "ten seconds for each, and for all at the same time: {took}");
        let unfinished = b"unitward-restart-stack 1\ncaller=f\n\n";
        assert!(answers(&host, 1, (unfinished, Says::Part))[0].starts_with("110 "), "a request without an end is none");
        assert_eq!((pids(&host), records(&host).len()), (then, 0));
        assert_eq!(host.systemctl_show("unitward-stack@shop.service", "NRestarts"), "0");
        assert_eq!(outcome(&host, "unitward restart-stack shop --wait").0, 0);
    }

    fn who_may_not_ask_cannot_keep_others_from_it(host: Host) {
        set_up(&host, "", &[]);
        let then = pids(&host);
        let begun = Instant::now();
        let flood = "for round in 1 2 3 4 5; do for i in $(seq 40); do unitward restart-stack shop & done; wait; done";
        host.write("/root/flood", flood);
        host.sh("systemd-run --quiet --unit=flood --uid=nobody sh -c \"$(cat /root/flood)\"");
        host.wait_for("the flood", || said(&host).contains("Refused").then_some(()));
        let (status, words) = outcome(&host, "unitward restart-stack shop --wait");
        assert!(status == 0, "{words}");
        assert!(all_are_new(&host, &then));
        host.wait_for("its end", || (host.systemctl_show("flood", "ActiveState") != "active").then_some(()));
        assert_not_flooded(&host, begun);
        assert_eq!(records(&host).len(), 1);
        // With nobody else there it ends, though not soon, and has summed up.
        let ended = || (host.systemctl_show("unitward-stack@shop.service", "ActiveState") == "inactive").then_some(());
        host.wait_for_within(Duration::from_secs(90), "its end", ended);
        assert!(said(&host).contains("times more."), "{}", said(&host));
        assert_eq!(host.systemctl_show("unitward-stack@shop.socket", "SubState"), "listening");
    }

    fn one_that_connects_without_end_keeps_nobody_waiting(host: Host) {
        set_up(&host, "", &[]);
        host.write("/run/flood", "use IO::Socket::UNIX; while (1) { IO::Socket::UNIX->new(Peer => '/run/unitward/stacks/shop') }");
        let begun = Instant::now();
        host.sh("for i in 1 2; do systemd-run --quiet --unit=flood$i --uid=nobody perl /run/flood; done");
        host.wait_for("the flood", || said(&host).contains("Refused").then_some(()));
        for _ in 0..5 {
            let then = pids(&host);
            let (status, words) = outcome(&host, "unitward restart-stack shop");
            assert!(status == 0 && words.starts_with("Restarting shop"), "{words}");
            let (status, words) = outcome(&host, "unitward restart-stack shop --wait");
            assert!(status == 0 && all_are_new(&host, &then), "{words}");
        }
        assert_not_flooded(&host, begun);
        host.sh("systemctl stop flood1 flood2");
    }

    fn a_stack_that_is_no_more_or_not_yet_is_said_so(host: Host) {
        set_up(&host, "", &[]);
        let (status, words) = outcome(&host, "unitward restart-stack shpo");
        assert_eq!((status, words.as_str()), (1, "There is no stack shpo, did you mean shop?"));
        assert_eq!(outcome(&host, "unitward restart-stack").0, 2);
        host.write("/etc/systemd/system/unitward-stack@.socket.d/slow.conf", "[Socket]\nExecStartPre=sleep 3\n");
        host.sh("systemctl daemon-reload; systemctl stop unitward-stack@shop.socket");
        let (status, words) = outcome(&host, "runuser -u nobody -- unitward restart-stack shop");
        assert!(status == 1 && words.contains("systemctl start unitward-stack@shop.socket"), "{words}");
        assert_eq!(outcome(&host, "unitward restart-stack shop --wait").0, 0, "root has systemd listen again, however long that takes");
        host.sh("rm /etc/unitward/*; systemctl daemon-reload");
        let (status, words) = outcome(&host, "sleep 1; unitward restart-stack shop");
        assert_eq!((status, words.as_str()), (1, "Failed to restart shop: there is no stack shop in the configuration."));
    }

    fn a_service_can_stand_for_the_stack(host: Host) {
        host.write("/etc/systemd/system/mall.service", "[Service]\nExecStart=sleep infinity\n");
        set_up(&host, "Unit=mall.service\n", &[]);
        host.wait_for("the members", || pids(&host).iter().all(|pid| pid != "0").then_some(()));
        host.run(&["systemctl", "stop", "till"]);
        let (then, mall) = (pids(&host), host.systemctl_show("mall", "MainPID"));
        assert_eq!(outcome(&host, "unitward restart-stack shop --wait").0, 0);
        assert!(all_are_new(&host, &then), "also the one that was down");
        assert_ne!(host.systemctl_show("mall", "MainPID"), mall);
        let record = the_record(&host);
        assert_eq!((&record["unit"], &record["end"]["trouble"]), (&"mall.service".into(), &"".into()));
        assert_eq!(record["members"][1], serde_json::json!({"unit": "till.service", "run": null}));
    }

    fn functions_that_a_program_does_not_export_are_named_all_the_same(host: Host) {
        set_up(&host, "", &[]);
        development::install(&host, "hidden.c", "/usr/local/bin/hidden");
        assert_eq!(outcome(&host, "hidden"), (0, "0".to_owned()));
        let record = the_record(&host);
        assert_eq!(record["caller"], "find_out");
        let backtrace = record["backtrace"].as_str().unwrap();
        for (line, function) in backtrace.lines().zip(["find_out", "look_after", "main"]) {
            assert!(line.contains(&format!(": {function} 0x")) && line.ends_with(" /usr/local/bin/hidden"), "{backtrace}");
        }
    }
}
