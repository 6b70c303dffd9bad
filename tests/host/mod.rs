//! A throw-away Debian host: real PID 1, real D-Bus, journald, systemd-coredump and mosquitto, new for each test and gone
//! after it. systemd-nspawn boots a layer over a cached tree; a boot takes about a third of a second.
//!
//! A test is one sentence and its proof. [`on_both!`](crate::on_both) makes it one test a Debian version, [`on_all!`](crate::on_all)
//! one on Debian testing too:
//!
//! ```ignore
//! on_both! {
//!     fn a_killed_service_is_back(host: Host) {
//!         host.write("/etc/systemd/system/web.service", "[Service]\nExecStart=sleep infinity\nRestart=always\n");
//!         host.run(&["systemctl", "start", "web"]);
//!         let reports = host.subscribe("Crash/Reports");
//!         host.run(&["systemctl", "kill", "--signal=KILL", "web"]);
//!         host.wait_for("the restart", || (host.systemctl_show("web", "NRestarts") == "1").then_some(()));
//!         assert_eq!(reports.wait_for_count(1)[0]["processName"], "web");
//!     }
//! }
//! ```
//!
//! The argument decides what the test gets: `Host` is booted with the project's packages installed (`make deb` makes them),
//! `Bare` is Debian alone, and with `Debian` the test makes its hosts itself. When a test fails, the tail of its host's
//! journal stands below the message.
//!
//! Invariants:
//! * Nothing outlives a host, whichever way the test process ends: see `keep`. `sweep` removes what a killed `keep` left.
//! * Hosts share nothing but read-only trees, so any number of them runs at once. Core dumps are the exception, for they are
//!   the kernel's: see [`Host::capture_cores`].
//! * Nothing is waited for without a bound.
//!
//! What it does not do: a power cut loses what is in the host's memory, but not what a disk's cache would lose.

#![allow(
    dead_code,
    unused_imports,
    reason = "a harness offers more than the tests of the day use"
)]

mod command;
mod cores;
mod journal;
mod keeper;
mod link;
mod process;
mod subscriber;
mod wait;

use std::ops::{Deref, DerefMut};

use keeper::{Keeper, Kind};

pub(crate) use command::Access;
pub(crate) use cores::CoreGuard;
pub(crate) use link::Link;
pub(crate) use process::Tracer;
pub(crate) use subscriber::{Message, Subscriber};

/// The Debian versions that are supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Debian {
    /// Debian 12, systemd 252.
    Bookworm,
    /// Debian 13, systemd 257.
    Trixie,
    /// Debian testing, with the systemd that the next Debian will have. No version of ours is made for it, but what is done there is no
    /// surprise later.
    Testing,
}

impl Debian {
    fn release(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
            Self::Testing => "testing",
        }
    }
}

/// A booted host.
#[derive(Debug)]
pub(crate) struct Host {
    keeper: Keeper,
    leader: u32,
}

impl Host {
    /// Boots a host with the project's packages installed.
    ///
    /// # Panics
    ///
    /// When there are no packages, and when the host does not come up without a failed unit.
    #[track_caller]
    pub(crate) fn boot(debian: Debian) -> Self {
        Self::new(debian, Kind::Installed)
    }

    /// Boots a host without the project's packages.
    ///
    /// # Panics
    ///
    /// When the host does not come up without a failed unit.
    #[track_caller]
    pub(crate) fn bare(debian: Debian) -> Self {
        Self::new(debian, Kind::Bare)
    }

    /// Boots a host without the project's packages, but with those of the programs that the bench compares with. None of
    /// them runs yet.
    ///
    /// # Panics
    ///
    /// When the host does not come up without a failed unit.
    #[track_caller]
    pub(crate) fn with_peers(debian: Debian) -> Self {
        Self::new(debian, Kind::Peers)
    }

    /// Boots a host with the project's packages and the daemons of the matrix. None of these runs yet.
    ///
    /// # Panics
    ///
    /// When there are no packages, and when the host does not come up without a failed unit.
    #[track_caller]
    pub(crate) fn with_matrix(debian: Debian) -> Self {
        Self::new(debian, Kind::Matrix)
    }

    /// The same with six of these daemons, whose layer is made in a minute.
    #[track_caller]
    pub(crate) fn with_six(debian: Debian) -> Self {
        Self::new(debian, Kind::Six)
    }

    #[track_caller]
    fn new(debian: Debian, kind: Kind) -> Self {
        let mut keeper = Keeper::start(debian.release(), kind);
        let leader = keeper.power_on();
        let host = Self { keeper, leader };
        let state = host.settled_state();
        assert_eq!(
            state,
            "running",
            "failed units: {}",
            host.failed_units().join(", ")
        );
        host
    }

    /// The host's PID 1 as this machine numbers it.
    pub(crate) fn leader(&self) -> u32 {
        self.leader
    }

    /// Reboots in an orderly way and waits until the host is up again. What is on the disk stays.
    ///
    /// Units may have failed afterwards: it is up to the test to look at [`Host::failed_units`].
    #[track_caller]
    pub(crate) fn reboot(&mut self) {
        // The host may be gone before the command is over, so the outcome of the command says nothing.
        self.try_run(&["systemctl", "--no-block", "reboot"]);
        self.comes_back();
    }

    /// Waits for the end of a reboot that somebody inside has asked for.
    #[track_caller]
    pub(crate) fn comes_back(&mut self) {
        const REBOOT_REQUESTED: i32 = 133;
        self.keeper.wait_until_down(REBOOT_REQUESTED);
        self.power_on();
    }

    /// Shuts the host down in an orderly way.
    #[track_caller]
    pub(crate) fn power_off(&mut self) {
        self.try_run(&["systemctl", "--no-block", "poweroff"]);
        self.keeper.wait_until_down(0);
    }

    /// Takes the power away from all processes at once and boots again.
    #[track_caller]
    pub(crate) fn power_cut(&mut self) {
        self.keeper.cut();
        self.power_on();
    }

    /// Boots the host after a [`Host::power_off`].
    #[track_caller]
    pub(crate) fn power_on(&mut self) {
        self.leader = self.keeper.power_on();
        self.settled_state();
    }

    /// The units that are in the failed state.
    #[track_caller]
    pub(crate) fn failed_units(&self) -> Vec<String> {
        let listed = self.sh("systemctl list-units --failed --plain --no-legend | cut -d' ' -f1");
        listed.lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn settled_state(&self) -> String {
        self.stdout_of(&["systemctl", "is-system-running", "--wait"])
    }
}

impl From<Debian> for Host {
    fn from(debian: Debian) -> Self {
        Self::boot(debian)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.last_words());
        }
    }
}

/// A host without the project's packages, for [`on_both!`](crate::on_both); see [`Host::bare`].
#[derive(Debug)]
pub(crate) struct Bare(Host);

impl From<Debian> for Bare {
    fn from(debian: Debian) -> Self {
        Self(Host::bare(debian))
    }
}

impl Deref for Bare {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.0
    }
}

impl DerefMut for Bare {
    fn deref_mut(&mut self) -> &mut Host {
        &mut self.0
    }
}

/// Makes each function a test on Debian 12 and one on Debian 13. Its only argument is anything made `From<Debian>`.
#[macro_export]
macro_rules! on_both {
    ($($functions:tt)+) => { $crate::on_each! { [on_bookworm Bookworm, on_trixie Trixie] $($functions)+ } };
}

/// The same, and one on Debian testing: for the core of what we promise.
#[macro_export]
macro_rules! on_all {
    ($($functions:tt)+) => {
        $crate::on_each! { [on_bookworm Bookworm, on_trixie Trixie, on_testing Testing] $($functions)+ }
    };
}

/// Makes each function a test on each of these versions.
#[macro_export]
macro_rules! on_each {
    ($versions:tt $($(#[$attribute:meta])* fn $name:ident($($argument:ident)+ : $type:ty) $body:block)+) => {$(
        $(#[$attribute])*
        mod $name {
            use super::*;

            fn proof($($argument)+: $type) $body

            $crate::tests_on! { $type, $versions }
        }
    )+};
}

/// The tests of one function.
#[macro_export]
macro_rules! tests_on {
    ($type:ty, [$($test:ident $debian:ident),+]) => {$(
        #[test]
        fn $test() {
            proof(<$type>::from($crate::host::Debian::$debian));
        }
    )+};
}
