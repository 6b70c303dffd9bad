//! Thousands of questions at once: answered or refused, and nothing else suffers.

use crate::host::Host;
use crate::on_both;
use crate::report::{anonymous, guard, kill, told};
use futures_util::StreamExt as _;
use std::path::Path;
use std::time::Duration;
use zbus::message::{Flags, Message, Type};
use zbus::{Connection, MessageStream, connection::Builder};

/// Questions sent without waiting for an answer.
const QUESTIONS: usize = 4_000;
/// What the daemon may have grown by afterwards, in KiB.
const GROWTH: u64 = 6_000;

/// Floods the bus behind this socket, from outside of the host; gives how many questions were answered, and refused.
fn flood_and_count(socket: &Path) -> (usize, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let bus = Builder::address(format!("unix:path={}", socket.display()).as_str())
            .build()
            .await
            .unwrap();
        let both = async { tokio::join!(flood(&bus), answers(MessageStream::from(&bus))).1 };
        tokio::time::timeout(Duration::from_secs(60), both)
            .await
            .expect("all come in time")
    })
}

/// Sends all of them; every second one wants no answer, which counts against no limit of the bus.
async fn flood(bus: &Connection) {
    for number in 0..QUESTIONS {
        let call = Message::method_call("/org/unitward1", "Reports")
            .destination("org.unitward1")
            .interface("org.unitward1.Manager");
        let call = if number % 2 == 0 {
            call
        } else {
            call.with_flags(Flags::NO_REPLY_EXPECTED)
        };
        bus.send(&call.build(&(0_i64, 0_u64, "")).unwrap())
            .await
            .unwrap();
    }
}

/// Counts answers and refusals until all are there.
async fn answers(mut stream: MessageStream) -> (usize, usize) {
    let (mut answered, mut refused) = (0, 0);
    while answered + refused < QUESTIONS / 2 {
        let message = stream.next().await.expect("the connection lasts").unwrap();
        match message.message_type() {
            Type::MethodReturn => answered += 1,
            Type::Error => {
                let header = message.header();
                let name = header.error_name().unwrap().as_str();
                assert!(
                    name.ends_with(".LimitsExceeded"),
                    "{name}: {:?}",
                    message.body().deserialize::<&str>()
                );
                refused += 1;
            }
            Type::MethodCall | Type::Signal => {}
        }
    }
    (answered, refused)
}

fn threads(host: &Host) -> usize {
    host.sh("ls /proc/$(systemctl show -P MainPID unitwardd)/task | wc -l")
        .parse()
        .unwrap()
}

on_both! {
    fn a_flood_of_questions_delays_no_report_and_leaves_nothing_behind(host: Host) {
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\n");
        host.wait_for("org.unitward1", || {
            host.try_run(&["busctl", "--system", "status", "org.unitward1"]).status.success().then_some(())
        });
        // What the first questions load for good is not what a flood leaves.
        host.run(&["busctl", "--system", "call", "org.unitward1", "/org/unitward1", "org.unitward1.Manager", "Reports", "xts", "0", "0", ""]);
        let before = anonymous(&host);
        let path = host.path("/run/dbus/system_bus_socket");
        let flooding = std::thread::spawn(move || flood_and_count(&path));
        let (_, run) = kill(&host, "web");
        host.wait_for("the death in the history", || {
            let known = told(&host).unwrap_or_default();
            known.iter().any(|death| death["invocation"] == run.as_str()).then_some(())
        });
        assert!(!flooding.is_finished(), "it was there before all questions had their answers");
        assert!(threads(&host) < 12, "{}", threads(&host));
        let (answered, refused) = flooding.join().unwrap();
        assert!(answered >= 2 && refused > 0, "{answered} answered, {refused} refused");
        host.wait_for("the end of all answers", || {
            (host.sh("pgrep -c -P $(systemctl show -P MainPID unitwardd) || true") == "0").then_some(())
        });
        let after = anonymous(&host);
        assert!(after < before + GROWTH, "{before} KiB before, {after} KiB after");
        assert_eq!(host.systemctl_show("unitwardd", "NRestarts"), "0");
        let (_, said) = {
            let output = host.run(&["busctl", "--system", "call", "org.unitward1", "/org/unitward1", "org.unitward1.Manager", "Reports", "xts", "0", "0", ""]);
            (output.status, String::from_utf8_lossy(&output.stdout).into_owned())
        };
        assert!(said.contains(&run), "{said}");
    }
}
