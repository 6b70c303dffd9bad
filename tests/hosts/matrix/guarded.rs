//! A daemon on a host, and what PID 1 and Unitward's own documents say of it.

use super::checks::{Cell, Verdict};
use super::table::Daemon;
use crate::host::Host;
use serde_json::Value;
use std::time::Duration;

/// squid alone takes 30 s to stop.
pub(super) const BOUND: Duration = Duration::from_secs(45);
/// How long a service that goes on is looked at.
pub(super) const A_WHILE: Duration = Duration::from_millis(700);
/// PID 1's message that it will restart a unit.
const RESTART_SCHEDULED: &str = "5eb03494b6584870a536b337290809b3";
/// PID 1's message about the end of a process.
const PROCESS_EXITED: &str = "98e322203f7a4ed290d09fe03c09fe15";

/// One daemon on a host, from its start to the end of its ward.
pub(super) struct Guarded<'a> {
    pub(super) host: &'a Host,
    pub(super) unit: String,
    pub(super) ward: String,
    /// The deaths for which PID 1 schedules no restart.
    pub(super) not_restarted: usize,
}

/// What PID 1 says of a unit at one moment.
#[derive(Debug)]
pub(super) struct Now {
    pub(super) state: String,
    pub(super) run: String,
    pub(super) pid: String,
}

impl<'a> Guarded<'a> {
    /// Starts the daemon as Debian has made it, without a ward.
    pub(super) fn start(host: &'a Host, daemon: &Daemon) -> Result<Self, String> {
        let guarded = Self {
            host,
            unit: daemon.service(),
            ward: daemon.ward(),
            not_restarted: 0,
        };
        guarded.ask(&daemon.setup)?;
        guarded.ask(&format!("systemctl start '{}'", guarded.unit))?;
        guarded.active("the start").map(|_| guarded)
    }

    /// Takes the ward away and stops what runs.
    pub(super) fn end(self) {
        let triggers = self.triggers().join(" ");
        let _ = self.ask(&format!(
            "rm -f '/etc/unitward/{}.ward'; systemctl daemon-reload; systemctl stop {triggers} '{unit}'; systemctl reset-failed '{unit}'",
            self.ward,
            unit = self.unit
        ));
    }

    /// Brings the service back for the next check, whatever the last one has left.
    pub(super) fn revive(&self) {
        let _ = self.ask(&format!(
            "unitward readmit '{}'; systemctl reset-failed '{}'",
            self.ward, self.unit
        ));
        let _ = self.ask(&format!("systemctl start '{}'", self.unit));
        let _ = self.active("a start");
    }

    pub(super) fn path(&self) -> String {
        format!("/etc/unitward/{}.ward", self.ward)
    }

    pub(super) fn now(&self) -> Now {
        let [state, run, pid] = self
            .host
            .systemctl_shows(&self.unit, ["ActiveState", "InvocationID", "MainPID"]);
        Now { state, run, pid }
    }

    /// Sockets, timers and paths that are not stopped with the unit.
    pub(super) fn triggers(&self) -> Vec<String> {
        self.host
            .systemctl_show(&self.unit, "TriggeredBy")
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    }

    pub(super) fn ask(&self, script: &str) -> Result<String, String> {
        let output = self.host.try_run(&["bash", "-c", script]);
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        let said = [output.stdout, output.stderr].concat();
        Err(format!(
            "{script}: {}",
            String::from_utf8_lossy(&said).trim()
        ))
    }

    pub(super) fn json(&self, command: &str) -> Result<Value, String> {
        let told = self.ask(command)?;
        serde_json::from_str(&told).map_err(|error| format!("{command}: {error}: {told}"))
    }

    pub(super) fn deaths(&self) -> Result<Vec<Value>, String> {
        let told = self.ask(&format!("unitward reports --json --ward '{}'", self.ward))?;
        told.lines()
            .map(|line| serde_json::from_str(line).map_err(|error| format!("{error}: {line}")))
            .collect()
    }

    pub(super) fn told(&self, run: &str) -> Option<Value> {
        self.deaths()
            .ok()?
            .into_iter()
            .find(|death| death["invocation"] == run)
    }

    /// Waits until the service is up, with nothing left to do.
    pub(super) fn active(&self, after: &str) -> Result<Now, String> {
        let up = || {
            let [state, job] = self
                .host
                .systemctl_shows(&self.unit, ["ActiveState", "Job"]);
            (state == "active" && job.is_empty()).then_some(())
        };
        if self.host.comes_true_within(BOUND, up) {
            Ok(self.now())
        } else {
            Err(format!("{after}: {:?}", self.now()))
        }
    }

    pub(super) fn another_run(&self, before: &Now) -> Result<Now, String> {
        let other =
            || Some(self.now()).filter(|now| now.run != before.run && now.state == "active");
        if self.host.comes_true_within(BOUND, other) {
            self.active("another run")
        } else {
            Err(format!("not back from {before:?}: {:?}", self.now()))
        }
    }

    pub(super) fn ended_or_another_run(&self, before: &Now) -> Result<Now, String> {
        // On its way to a restart a unit is failed for a moment.
        let for_good = || {
            !self
                .host
                .comes_true_within(A_WHILE, || (self.now().state != "failed").then_some(()))
        };
        let over = |now: &Now| {
            now.state == "active" && now.run != before.run || now.state == "failed" && for_good()
        };
        let mut seen = None;
        let ended = || {
            seen = Some(self.now()).filter(over);
            seen.as_ref().map(drop)
        };
        if self.host.comes_true_within(BOUND, ended) {
            Ok(seen.unwrap_or_else(|| self.now()))
        } else {
            Err(format!(
                "neither ended nor back from {before:?}: {:?}",
                self.now()
            ))
        }
    }

    /// Waits until this run's death is told with the outcome.
    pub(super) fn death(&self, run: &str, outcome: &str) -> Result<Value, String> {
        let mut found = None;
        let told = || {
            found = self.told(run);
            found
                .as_ref()
                .filter(|death| death["recovery"]["outcome"] == outcome)
                .map(drop)
        };
        if self.host.comes_true_within(BOUND, told) {
            Ok(found.unwrap_or_default())
        } else {
            Err(format!("not told as {outcome}: {found:?}"))
        }
    }

    /// Waits until the list says of the ward what is expected.
    pub(super) fn reads(
        &self,
        what: &str,
        expected: impl Fn(&Value) -> bool,
    ) -> Result<(), String> {
        let mut seen = Value::Null;
        let read = || {
            let list = self.json("unitward list --json").ok()?;
            seen = list["wards"]
                .as_array()?
                .iter()
                .find(|ward| ward["name"] == *self.ward)?
                .clone();
            expected(&seen).then_some(())
        };
        if self.host.comes_true_within(BOUND, read) {
            Ok(())
        } else {
            Err(format!("listed as {seen}, not as {what}"))
        }
    }

    /// Whether just so many deaths are told.
    pub(super) fn counts(&self, expected: usize) -> Verdict {
        let mut seen = Vec::new();
        let told = || {
            seen = self.deaths().ok()?;
            (seen.len() >= expected).then_some(())
        };
        let enough = self.host.comes_true_within(BOUND, told);
        let reasons: Vec<_> = seen
            .iter()
            .map(|death| death["reason"].as_str().unwrap_or_default())
            .collect();
        if enough && seen.len() == expected {
            Ok(Cell::Ok)
        } else {
            Err(format!("{expected} deaths expected, not {reasons:?}"))
        }
    }

    /// How often PID 1 has set out to restart the unit: once for each death but those that the limit ended.
    pub(super) fn restarts_by_pid_1(&self) -> Result<usize, String> {
        let said = self.ask(&format!(
            "journalctl -q -o cat MESSAGE_ID={RESTART_SCHEDULED} UNIT='{}' | wc -l",
            self.unit
        ))?;
        said.parse().map_err(|error| format!("{said}: {error}"))
    }

    /// How a run's main process ended, in the words of a report. PID 1 says nothing of it where `ExecStop=` follows.
    pub(super) fn end_by_pid_1(&self, run: &str) -> Option<String> {
        let query = format!(
            "journalctl -q -o json MESSAGE_ID={PROCESS_EXITED} UNIT='{}' INVOCATION_ID={run}",
            self.unit
        );
        let mut said = Value::Null;
        let told = || {
            said = self
                .json(&format!("{query} | grep 'Main process' | head -1"))
                .ok()?;
            Some(())
        };
        if !self.host.comes_true_within(A_WHILE, told) {
            return None;
        }
        let [status, message] =
            ["EXIT_STATUS", "MESSAGE"].map(|field| said[field].as_str().unwrap_or_default());
        Some(if message.contains("code=exited") {
            format!("EXIT {status}")
        } else {
            format!("SIG {status} ")
        })
    }
}
