//! What is done to a host and to its broker.
//!
//! The broker and the subscriber are on a host of their own, at the other end of a cable: so neither a reboot nor a power cut
//! takes what they have received. That an acknowledged message is a delivered one holds of this broker because
//! * its session with the subscriber is on its disk, and an orderly stop writes what waits there, too;
//! * it is killed only when a marker has just come through: then the subscriber is connected and nothing waits for it, and
//!   mosquitto writes a message to such a subscriber's socket before it acknowledges it to the sender (`sub__messages_queue`
//!   before `send__puback` in its `handle_publish.c`). The socket outlives it.

use super::dice::Dice;
use crate::host::{Debian, Host, Link, Subscriber};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

/// Where the subscriber hears that everything before has come through.
const MARKER: &str = "Test/Marker";

const BROKER: &str = "\
listener 1883 0.0.0.0
allow_anonymous true
autosave_interval 1
autosave_on_changes true
max_queued_messages 0
max_inflight_messages 1000
";

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    KillDaemon,
    StopDaemon,
    FreezeDaemon,
    StopBroker,
    KillBroker,
    CutNetwork,
    ReloadManager,
    ReexecuteManager,
    RestartBus,
    Reboot,
    PowerCut,
}

impl Deed {
    /// Those that may be done again and again.
    pub(super) const REPEATABLE: [Self; 9] = [
        Self::KillDaemon,
        Self::StopDaemon,
        Self::FreezeDaemon,
        Self::StopBroker,
        Self::KillBroker,
        Self::CutNetwork,
        Self::ReloadManager,
        Self::ReexecuteManager,
        Self::RestartBus,
    ];

    /// Whether a report that was on its way may have to be sent again: its acknowledgement may be lost.
    pub(super) fn cuts_a_connection(self) -> bool {
        match self {
            Self::KillDaemon
            | Self::StopDaemon
            | Self::StopBroker
            | Self::KillBroker
            | Self::CutNetwork
            | Self::Reboot
            | Self::PowerCut => true,
            Self::FreezeDaemon
            | Self::ReloadManager
            | Self::ReexecuteManager
            | Self::RestartBus => false,
        }
    }
}

/// A deed and its time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disturbance {
    pub(super) deed: Deed,
    pub(super) began: SystemTime,
    pub(super) mended: SystemTime,
}

/// The host, its cloud, and what was done to them.
#[derive(Debug)]
pub(super) struct World {
    pub(super) host: Host,
    cloud: Host,
    pub(super) reports: Subscriber,
    pub(super) disturbances: Vec<Disturbance>,
    pub(super) begun: SystemTime,
    markers: usize,
}

impl World {
    /// Boots both and connects them.
    pub(super) fn new(debian: Debian) -> Self {
        let cloud = Host::bare(debian);
        cloud.write("/etc/mosquitto/conf.d/cloud.conf", BROKER);
        // It comes back when the test says so.
        let unit = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=no\n";
        cloud.write("/etc/systemd/system/mosquitto.service.d/test.conf", unit);
        cloud.sh("systemctl daemon-reload; systemctl restart mosquitto");
        let reports = cloud.subscribe_durably("witness", &["Crash/#", MARKER]);
        // From here on the session is on the broker's disk.
        cloud.sh("systemctl restart mosquitto");
        let host = Host::boot(debian);
        host.plug_into(&cloud);
        let settings = "[MQTT]\nBroker=mqtt://10.77.0.1:1883\n[Reports]\nBurst=100000\n[Watch]\nUnits=plain-*.service\n";
        host.write("/etc/unitward/unitward.conf", settings);
        // They are restarted more often than any host would.
        for unit in ["dbus", "unitwardd"] {
            host.write(
                &format!("/etc/systemd/system/{unit}.service.d/often.conf"),
                "[Unit]\nStartLimitIntervalSec=0\n",
            );
        }
        host.sh("systemctl daemon-reload; systemctl reload unitwardd");
        let mut world = Self {
            host,
            cloud,
            reports,
            disturbances: Vec::new(),
            begun: SystemTime::now(),
            markers: 0,
        };
        world.pass_a_marker();
        world
    }

    /// Does it, and mends it after a while.
    pub(super) fn disturb(&mut self, deed: Deed, dice: &mut Dice) {
        let began = SystemTime::now();
        let outage = dice.time(100, 2500);
        let host = &self.host;
        match deed {
            Deed::KillDaemon => {
                // It may be dead already.
                host.try_run(&[
                    "systemctl",
                    "kill",
                    "--kill-whom=main",
                    "--signal=KILL",
                    "unitwardd",
                ]);
            }
            Deed::StopDaemon => {
                host.sh("systemctl stop unitwardd");
                sleep(outage);
                host.sh("systemctl start unitwardd");
            }
            Deed::FreezeDaemon => {
                host.try_run(&[
                    "systemctl",
                    "kill",
                    "--kill-whom=main",
                    "--signal=STOP",
                    "unitwardd",
                ]);
                sleep(Duration::from_secs(1));
                host.try_run(&[
                    "systemctl",
                    "kill",
                    "--kill-whom=main",
                    "--signal=CONT",
                    "unitwardd",
                ]);
            }
            Deed::StopBroker => self.break_the_broker("systemctl stop mosquitto", outage),
            Deed::KillBroker => {
                self.pass_a_marker();
                self.break_the_broker("systemctl kill --signal=KILL mosquitto", outage);
            }
            Deed::CutNetwork => {
                host.set_link(Link::Down);
                sleep(outage);
                host.set_link(Link::Up);
            }
            Deed::ReloadManager => drop(host.run(&["systemctl", "daemon-reload"])),
            Deed::ReexecuteManager => drop(host.run(&["systemctl", "daemon-reexec"])),
            Deed::RestartBus => drop(host.run(&["systemctl", "restart", "dbus"])),
            Deed::Reboot => self.boot_again(reboot),
            Deed::PowerCut => self.boot_again(Host::power_cut),
        }
        self.disturbances.push(Disturbance {
            deed,
            began,
            mended: SystemTime::now(),
        });
    }

    fn break_the_broker(&self, command: &str, outage: Duration) {
        let main = || self.cloud.systemctl_show("mosquitto", "MainPID");
        let broken = main();
        self.cloud.sh(command);
        sleep(outage);
        // systemd may take its time to see that it is dead.
        self.cloud.wait_for("the broker", || {
            self.cloud.try_run(&["systemctl", "start", "mosquitto"]);
            let is_new = main() != broken;
            (is_new && self.cloud.systemctl_show("mosquitto", "ActiveState") == "active")
                .then_some(())
        });
    }

    fn boot_again(&mut self, way: fn(&mut Host)) {
        way(&mut self.host);
        // The daemon has been up for a while, without a network.
        self.host.plug_into(&self.cloud);
    }

    /// Returns when all that the broker has for the subscriber has come.
    fn pass_a_marker(&mut self) {
        self.markers += 1;
        let (cloud, marker) = (&self.cloud, self.markers.to_string());
        cloud.run(&[
            "mosquitto_pub",
            "-V",
            "5",
            "-q",
            "1",
            "-t",
            MARKER,
            "-m",
            &marker,
        ]);
        cloud.wait_for("a marker", || {
            let came = |message: &crate::host::Message| {
                message.topic() == MARKER && message.payload() == marker
            };
            self.reports.received().iter().rev().any(came).then_some(())
        });
    }
}

/// As `systemctl reboot` does it, but without systemd-logind, which may not answer for a minute when the bus was restarted.
fn reboot(host: &mut Host) {
    host.try_run(&[
        "systemctl",
        "--no-block",
        "--job-mode=replace-irreversibly",
        "start",
        "reboot.target",
    ]);
    host.comes_back();
}
