//! Brokers that hang up, say nothing, speak an old dialect, take only small reports or die all the time.

use crate::brokers::{
    OPEN_DOOR, SEVERAL_TRIES, assert_patience, change_door, connections, die, door_knocks, front,
    make_door, told, wait_for_pids, wait_for_status, wait_for_word, watch, watch_web,
};
use crate::host::{Host, Message};
use crate::on_both;
use crate::report::{cloud, kill};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The broker behind the door.
const DOOR: &str = "Broker=mqtt://127.0.0.1:1885\nClientId=gw\n";
/// Reads a CONNECT of less than 130 bytes into a file and the version of its protocol into a variable.
const READ_GREETING: &str = "greeting=$(mktemp); dd bs=1 count=2 of=$greeting status=none
    length=$(od -An -tu1 -j1 -N1 $greeting); dd bs=1 count=$((length)) status=none >>$greeting
    version=$(od -An -tu1 -j8 -N1 $greeting | tr -d ' ')\n";
/// Lets in the client that has greeted.
const LET_IN: &str = "if [ $version = 5 ]; then printf '\\x20\\x03\\x00\\x00\\x00'; else printf '\\x20\\x02\\x00\\x00'; fi\n";
/// Passes on what MQTT 3.1.1 says and refuses the rest as a broker of that time does.
const ONLY_3_1_1: &str = "if [ $version = 5 ]; then printf '\\x20\\x02\\x00\\x01'; exit; fi
    exec 3<>/dev/tcp/127.0.0.1/1883 4<&0; cat $greeting >&3; cat <&3 & cat <&4 >&3 & wait -n; kill $(jobs -p); wait";
/// How long a broker floods us.
const FLOOD: Duration = Duration::from_secs(8);
/// MESSAGE_IDs.
const DISCONNECTED: &str = "e96d0b31f2c84a579b08d5167ae423cc";
const PROTOCOL: &str = "b47d1c05e6f24a1d9c3807be52f9a61d";
const NO_ANSWER: &str = "ec877faf0d4b45ee8f70d9e490526d52";
const NOT_AUTHORIZED: &str = "8fe961058274426ca21ffa513f11c612";
const PARKED: &str = "MESSAGE_ID=1f6c313fa9ef430da3c9c03ce227784c";
const DROPPED: &str = "MESSAGE_ID=a07b5cd81e63490f8c2f19e4d6703b5a";

/// A unit whose name makes its reports long.
fn long_name() -> String {
    format!("long-{}", "x".repeat(190))
}

fn messages(host: &Host, id: &str) -> Vec<String> {
    let entries = host.journal_json(&[id]);
    entries
        .iter()
        .map(|entry| entry["MESSAGE"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// Waits until the history has so many deaths, and each of them as sent.
fn wait_until_sent(host: &Host, crashes: usize) {
    let sent =
        "unitward reports --json | grep -cE '\"witness\":\"[a-z]+\",\"report\":\"sent\"' || true";
    host.wait_for_within(
        Duration::from_secs(90),
        &format!("{crashes} reports to be sent"),
        || (host.sh(sent) == crashes.to_string()).then_some(()),
    );
}

on_both! {
    fn a_broker_that_hangs_up_at_once_is_told_once_and_tried_with_patience(host: Host) {
        make_door(&host, "exit");
        let reports = cloud(&host, DOOR);
        watch_web(&host);
        let killed = die(&host, 2);
        wait_for_word(&host, DISCONNECTED, "the broker hung up instead of answering (a port for TLS wants mqtts://)");
        assert_patience(&host, || door_knocks(&host));
        assert_eq!(told(&host).len(), 1, "{:?}", told(&host));
        change_door(&host, OPEN_DOOR);
        wait_for_pids(&host, &reports, &killed);
        assert_eq!(connections(&host), ["Connected to mqtt://127.0.0.1:1885, speaking MQTT 5."], "hanging up settles no version");
    }

    fn a_broker_that_never_answers_is_told_once_and_tried_with_patience(host: Host) {
        make_door(&host, "exec sleep infinity");
        let reports = cloud(&host, DOOR);
        watch_web(&host);
        let killed = die(&host, 2);
        wait_for_word(&host, NO_ANSWER, "the broker did not answer in time");
        assert_patience(&host, || door_knocks(&host));
        assert_eq!(told(&host).len(), 1, "{:?}", told(&host));
        change_door(&host, OPEN_DOOR);
        wait_for_pids(&host, &reports, &killed);
        assert_eq!(connections(&host), ["Connected to mqtt://127.0.0.1:1885, speaking MQTT 5."], "silence settles no version");
    }

    fn a_broker_that_has_only_3_1_1_is_spoken_to_in_it(host: Host) {
        make_door(&host, &format!("{READ_GREETING}{ONLY_3_1_1}"));
        let reports = cloud(&host, DOOR);
        watch_web(&host);
        let mut killed = die(&host, 2);
        wait_for_pids(&host, &reports, &killed);
        assert!(reports.received().iter().all(|report| report.user_property("report-id").is_none()));
        assert_eq!(connections(&host), ["Connected to mqtt://127.0.0.1:1885, speaking MQTT 3.1.1."]);
        // Once it is known, 5 is not tried again.
        wait_for_status(&host, "2 messages sent, 0 waiting");
        let before = door_knocks(&host);
        host.sh("systemctl stop 'door@*'");
        killed.extend(die(&host, 1));
        wait_for_pids(&host, &reports, &killed);
        assert_eq!(door_knocks(&host) - before, 1);
        assert_eq!(connections(&host).len(), 2, "{:?}", connections(&host));
    }

    fn a_broker_that_answers_5_and_then_waits_is_spoken_to_in_3_1_1(host: Host) {
        // An answer that MQTT 5 cannot read, on a connection that stays open.
        let stays = ONLY_3_1_1.replace("; exit;", "; sleep infinity;");
        make_door(&host, &format!("{READ_GREETING}{stays}"));
        let reports = cloud(&host, DOOR);
        watch_web(&host);
        let killed = die(&host, 1);
        wait_for_pids(&host, &reports, &killed);
        assert_eq!(connections(&host), ["Connected to mqtt://127.0.0.1:1885, speaking MQTT 3.1.1."]);
    }

    fn a_broker_that_hangs_up_over_every_report_is_no_reason_to_hurry(host: Host) {
        make_door(&host, &format!("{READ_GREETING}{LET_IN}dd bs=1 count=1 status=none of=/dev/null"));
        let reports = cloud(&host, DOOR);
        watch_web(&host);
        let killed = die(&host, 1);
        wait_for_word(&host, DISCONNECTED, "the broker closed the connection");
        assert_patience(&host, || door_knocks(&host));
        host.wait_for_within(SEVERAL_TRIES, "the report to be put aside", || (messages(&host, PARKED).len() == 1).then_some(()));
        assert_eq!((told(&host).len(), connections(&host).len()), (1, 1), "{:?} {:?}", told(&host), connections(&host));
        change_door(&host, OPEN_DOOR);
        // It is tried again by itself, a minute later.
        wait_for_pids(&host, &reports, &killed);
        host.wait_for("word that it works", || (connections(&host).len() == 2).then_some(()));
        assert_eq!(messages(&host, PARKED).len(), 1);
    }

    fn a_report_that_a_broker_hangs_up_over_does_not_hold_up_others(host: Host) {
        front(&host, "max_packet_size 400\nlistener 1884 127.0.0.1\nallow_anonymous true");
        // In front of it somebody who knows 3.1.1 only, so that nothing is said of sizes.
        make_door(&host, &format!("{READ_GREETING}{}", ONLY_3_1_1.replace("/1883", "/1884")));
        let reports = cloud(&host, DOOR);
        let long = long_name();
        watch(&host, &long);
        watch_web(&host);
        host.sh(&format!("systemctl kill --signal=KILL {long}"));
        let killed = die(&host, 3);
        wait_for_pids(&host, &reports, &killed);
        host.wait_for_within(SEVERAL_TRIES, "the long report to be put aside", || (messages(&host, PARKED).len() == 1).then_some(()));
        wait_for_status(&host, "3 messages sent, 1 waiting");
        host.sh("sed -i /max_packet_size/d /etc/front/conf; systemctl restart front; systemctl reload unitwardd");
        host.wait_for_within(SEVERAL_TRIES, "the long report", || (reports.messages().len() == 4).then_some(()));
        assert_eq!(reports.messages()[3]["name"], long.as_str());
        assert_eq!(messages(&host, DROPPED).len(), 0);
    }

    fn a_report_larger_than_the_broker_says_it_takes_is_given_up_and_no_other(host: Host) {
        // The one says so beforehand, the other when it is sent one.
        for limit in ["max_packet_size 400", "message_size_limit 350"] {
            front(&host, &format!("{limit}\nlistener 1884 127.0.0.1\nallow_anonymous true"));
            let reports = cloud(&host, "Broker=mqtt://127.0.0.1:1884\n");
            let long = long_name();
            watch(&host, &long);
            watch_web(&host);
            host.run(&["systemctl", "restart", &long]);
            let before = messages(&host, DROPPED).len();
            host.sh(&format!("systemctl kill --signal=KILL {long}"));
            let killed = die(&host, 2);
            wait_for_pids(&host, &reports, &killed);
            host.wait_for_within(SEVERAL_TRIES, "the end of the long report", || (messages(&host, DROPPED).len() > before).then_some(()));
            let dropped = messages(&host, DROPPED);
            assert_eq!(dropped.len(), before + 1, "{dropped:?}");
            assert!(dropped[before].ends_with("giving it up: it is larger than the broker takes"), "{dropped:?}");
            wait_for_status(&host, "2 messages sent, 0 waiting");
        }
    }

    fn a_backtrace_is_cut_short_for_a_broker_that_takes_only_small_reports(host: Host) {
        let _cores = host.capture_cores();
        host.write("/etc/systemd/system/web.service.d/core.conf", "[Service]\nLimitCORE=infinity\n");
        let crash = |settings: &str| {
            // systemd-coredump gives way to everybody on a busy machine.
            let reports = cloud(&host, &format!("{settings}[Reports]\nBacktraceTimeoutSec=60\n"));
            watch_web(&host);
            wait_for_status(&host, "; connected to ");
            host.sh("systemctl kill --signal=SEGV web");
            host.wait_for_within(SEVERAL_TRIES, "the report", || reports.received().pop())
        };
        let frames = |message: &Message| message.json()["backtrace"].as_str().unwrap_or_default().lines().count();
        let whole = crash("");
        let (all, size) = (frames(&whole), whole.payload().len());
        assert!(all >= 4, "{whole:?}");
        // The one says so beforehand, the other when it is sent one.
        for limit in [format!("max_packet_size {size}"), format!("message_size_limit {}", size - 100)] {
            front(&host, &format!("{limit}\nlistener 1884 127.0.0.1\nallow_anonymous true"));
            let short = crash("Broker=mqtt://127.0.0.1:1884\n");
            assert!(frames(&short) < all && short.payload().len() < size, "{short:?}");
            assert!(short.json()["backtrace"].as_str().is_some_and(|frames| frames.starts_with("0 > ")), "{short:?}");
        }
        let said = messages(&host, "MESSAGE_ID=e99958add1824272be51c19623d7782a");
        assert_eq!(said.iter().filter(|said| said.starts_with("Shortened report ")).count(), 2, "once a broker: {said:?}");
        assert_eq!(messages(&host, DROPPED), [""; 0]);
    }

    fn a_topic_that_is_not_allowed_is_told_once_and_tried_again(host: Host) {
        host.write("/etc/front/acl", "topic read #\n");
        front(&host, "listener 1884 127.0.0.1\nallow_anonymous true\nacl_file /etc/front/acl");
        let reports = cloud(&host, "Broker=mqtt://127.0.0.1:1884\n");
        watch_web(&host);
        let killed = die(&host, 2);
        wait_for_word(&host, NOT_AUTHORIZED, "the broker declines our reports on topic Crash/Reports: not authorized (check its access rules)");
        wait_for_status(&host, "0 messages sent, 2 waiting; connected to mqtt://127.0.0.1:1884");
        host.write("/etc/front/acl", "topic readwrite #\n");
        host.sh("systemctl kill --signal=HUP front");
        wait_for_pids(&host, &reports, &killed);
        assert_eq!((told(&host).len(), connections(&host).len()), (1, 1), "{:?} {:?}", told(&host), connections(&host));
    }

    fn a_broker_that_wants_no_pings_is_none_the_worse_for_them(host: Host) {
        // Its answer to the greeting says a keep-alive time of 0; that of the broker behind is taken away.
        let no_pings = "printf '\\x20\\x06\\x00\\x00\\x03\\x13\\x00\\x00'; exec 3<>/dev/tcp/127.0.0.1/1883 4<&0; cat $greeting >&3
            dd bs=1 count=2 status=none <&3 >$greeting; length=$(od -An -tu1 -j1 -N1 $greeting)
            dd bs=1 count=$((length)) status=none <&3 >/dev/null; cat <&3 & cat <&4 >&3 & wait -n; kill $(jobs -p); wait";
        make_door(&host, &format!("{READ_GREETING}{no_pings}"));
        let reports = cloud(&host, DOOR);
        watch_web(&host);
        let killed = die(&host, 2);
        wait_for_pids(&host, &reports, &killed);
        let before = door_knocks(&host);
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!((told(&host), door_knocks(&host)), (vec![], before));
    }

    fn another_client_of_the_same_id_is_told_and_no_misconduct_of_the_broker(host: Host) {
        drop(cloud(&host, "ClientId=gw\n"));
        wait_for_status(&host, "connected to mqtt://127.0.0.1:1883");
        host.sh("systemd-run --quiet --unit=twin mosquitto_sub -V mqttv5 -i gw -t none");
        let said = host.wait_for("the cause", || told(&host).into_iter().find(|(id, _)| id == DISCONNECTED)).1;
        // Debian 12's mosquitto may hang up without a word.
        let is_silent = host.read("/etc/os-release").contains("bookworm") && said.contains("the broker closed the connection");
        let named = "the broker refuses us: another client with the same client id took our place (check ClientId=)";
        assert!(is_silent || said.contains(named), "{said}");
        host.run(&["systemctl", "stop", "twin"]);
        wait_for_status(&host, "connected to mqtt://127.0.0.1:1883");
        assert_eq!(messages(&host, &format!("MESSAGE_ID={PROTOCOL}")), [""; 0]);
    }

    fn a_name_server_that_never_answers_does_not_hold_up_a_stop(host: Host) {
        // It is there, and reads nothing.
        host.write("/etc/systemd/system/names.socket", "[Socket]\nListenDatagram=127.0.0.1:53\n");
        host.write("/etc/systemd/system/names.service", "[Service]\nExecStart=sleep infinity\n");
        host.sh("systemctl daemon-reload; systemctl start names.socket; echo nameserver 127.0.0.1 >/etc/resolv.conf");
        drop(cloud(&host, "Broker=mqtt://cloud.example\n"));
        wait_for_status(&host, "connecting to mqtt://cloud.example:1883");
        let begun = std::time::Instant::now();
        host.run(&["systemctl", "stop", "unitwardd"]);
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        assert_eq!(host.systemctl_show("unitwardd", "Result"), "success");
    }
}

/// Asserts that a broker which lets everybody in and then sends this without end costs a new daemon next to nothing.
fn flood(host: &Host, bytes: &str) {
    host.sh(&format!(
        "for i in {{1..2000}}; do printf '{bytes}'; done >/run/flood"
    ));
    change_door(
        host,
        &format!("{READ_GREETING}{LET_IN}while cat /run/flood 2>/dev/null; do :; done"),
    );
    host.run(&["systemctl", "restart", "unitwardd"]);
    let begun = door_knocks(host);
    std::thread::sleep(FLOOD);
    let run = format!(
        "_SYSTEMD_INVOCATION_ID={}",
        host.systemctl_show("unitwardd", "InvocationID")
    );
    let about = host.journal(&["-o", "cat", &run]);
    let (knocks, lines) = (door_knocks(host) - begun, about.lines().count());
    let spent = host
        .systemctl_show("unitwardd", "CPUUsageNSec")
        .parse::<u64>()
        .expect("a number")
        / 1_000_000;
    // That it has started, is connected, and is not any more; as many tries as the rests allow; the start of the daemon included.
    assert!(
        lines <= 8 && (1..=6).contains(&knocks) && spent < 500,
        "{bytes}: {knocks} tries, {spent} ms: {about}"
    );
    assert_eq!(told(host).len(), 1, "{bytes}: {:?}", told(host));
    let (id, text) = &told(host)[0];
    assert!(id == PROTOCOL, "{bytes}: {text}");
    assert!(
        connections(host).len() <= 1,
        "{bytes}: {:?}",
        connections(host)
    );
}

on_both! {
    fn a_broker_that_floods_us_costs_next_to_nothing_and_gets_the_reports_once_it_behaves(host: Host) {
        make_door(&host, "exit");
        let reports = cloud(&host, DOOR);
        watch_web(&host);
        let killed = die(&host, 2);
        // PUBLISH, PINGRESP, PUBACK, PUBREC, SUBACK, AUTH, a DISCONNECT that ends before its properties do, and CONNACK. A wrong
        // answer may be to a report, which is then put aside; the last one cannot, so the order of the reports is kept.
        for bytes in [
            "\\x30\\x05\\x00\\x01a\\x00x",
            "\\xd0\\x00",
            "\\x40\\x02\\x7f\\xff",
            "\\x50\\x02\\x00\\x01",
            "\\x90\\x04\\x00\\x01\\x00\\x00",
            "\\xf0\\x02\\x00\\x00",
            "\\xe0\\x02\\x00\\x80",
            "\\x20\\x03\\x00\\x00\\x00",
        ] {
            flood(&host, bytes);
        }
        change_door(&host, OPEN_DOOR);
        wait_for_pids(&host, &reports, &killed);
        wait_for_status(&host, "2 messages sent, 0 waiting; connected to ");
    }
}

/// Wards that die all the time, a few times a second each.
const FLAPPERS: usize = 12;

/// Hundreds of crashes, and this done again and again meanwhile. Gives how many crashes there were.
fn while_they_flap(host: &Host, disturb: &str) -> usize {
    const CRASHES: usize = 300;
    const CRASH: &str = "MESSAGE_ID=8d2b6f0a5c7e4f3f9a1d64e0b7c35281";
    let count = || host.journal(&["-o", "cat", CRASH]).lines().count();
    host.write(
        "/etc/unitward/last.ward",
        "[Service]\nExecStart=/bin/sleep infinity\n",
    );
    let flap = "[Service]\nExecStart=/bin/bash -c 'sleep 0.$((RANDOM % 3 + 1)); kill -KILL $$$$'\n[Recovery]\nDeathLimit=0\nMaxDelaySec=0\n";
    for number in 0..FLAPPERS {
        host.write(&format!("/etc/unitward/flap{number}.ward"), flap);
    }
    host.sh(&format!(
        "systemctl daemon-reload; systemctl start --no-block flap{{0..{}}}",
        FLAPPERS - 1
    ));
    let mut round = 0;
    host.wait_for_within(SEVERAL_TRIES, "enough crashes", || {
        std::thread::sleep(Duration::from_millis(300 + 37 * (round % 7)));
        host.sh(disturb);
        round += 1;
        (round >= 25 && count() >= CRASHES).then_some(())
    });
    host.sh(&format!("systemctl stop flap{{0..{}}}", FLAPPERS - 1));
    // What the daemon hears of later it tells later.
    host.run(&["systemctl", "start", "last"]);
    kill(host, "last");
    host.wait_for("the last crash", || {
        let told = host.journal(&["-o", "cat", CRASH]);
        told.lines()
            .any(|line| line.contains("last.service"))
            .then(|| told.lines().count())
    })
}

on_both! {
    fn a_broker_killed_over_and_over_does_not_stall_the_flow(host: Host) {
        host.write("/etc/systemd/system/mosquitto.service.d/again.conf", "[Service]\nRestart=always\nRestartSec=100ms\n[Unit]\nStartLimitIntervalSec=0\n");
        drop(cloud(&host, "[Reports]\nBurst=100000\n"));
        let crashes = while_they_flap(&host, "systemctl kill --kill-whom=main --signal=KILL mosquitto || true");
        wait_until_sent(&host, crashes);
        wait_for_status(&host, " 0 waiting; connected to mqtt://127.0.0.1:1883");
        assert_eq!((messages(&host, PARKED).len(), messages(&host, DROPPED).len()), (0, 0));
    }

    fn a_connection_cut_over_and_over_loses_nothing_and_keeps_the_order(host: Host) {
        make_door(&host, OPEN_DOOR);
        let reports = cloud(&host, &format!("{DOOR}[Reports]\nBurst=100000\n"));
        let crashes = while_they_flap(&host, "systemctl kill --signal=KILL 'door@*' || true");
        wait_until_sent(&host, crashes);
        wait_for_status(&host, " 0 waiting; connected to mqtt://127.0.0.1:1885");
        let mut seen = BTreeSet::new();
        let mut latest: BTreeMap<String, u64> = BTreeMap::new();
        let received = reports.received();
        for message in &received {
            let id = message.user_property("report-id").expect("MQTT 5 has it").to_owned();
            let (report, new) = (message.json(), seen.insert(id));
            let (name, at) = (report["name"].to_string(), report["timestamp"].as_u64().unwrap());
            let before = latest.entry(name).or_default();
            assert!(!new || at >= *before, "a report was overtaken: {report}");
            *before = at.max(*before);
        }
        assert_eq!(seen.len(), crashes, "none is lost");
        // What was on its way at each loss, at most.
        let losses = door_knocks(&host);
        assert!(received.len() <= crashes + 16 * losses, "{} for {crashes} over {losses} connections", received.len());
    }
}
