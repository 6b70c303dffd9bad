//! What is checked of each daemon. What is expected is what PID 1 says of the unit; what is seen is what Unitward's own documents say.

use super::table::Daemon;
use crate::host::Host;
use serde_json::Value;
use std::time::Duration;

/// squid alone takes 30 s to stop.
const BOUND: Duration = Duration::from_secs(45);
/// How long a service that goes on is looked at.
const A_WHILE: Duration = Duration::from_millis(700);
/// PID 1's message that it will restart a unit.
const RESTART_SCHEDULED: &str = "5eb03494b6584870a536b337290809b3";
/// PID 1's message about the end of a process.
const PROCESS_EXITED: &str = "98e322203f7a4ed290d09fe03c09fe15";

/// Why a check says nothing of a daemon.
const NO_MAIN_PROCESS: Cell = Cell::NotApplicable("no main process");

/// What stands in the table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell {
    Ok,
    NotApplicable(&'static str),
}

/// A fault is told in words.
pub(super) type Verdict = Result<Cell, String>;

type Check = fn(&mut Guarded) -> Verdict;

/// In the order in which they are made.
pub(super) const CHECKS: [(&str, Check); 9] = [
    ("reload", |guarded| guarded.survives_a_reload_of_systemd()),
    ("kill", |guarded| guarded.recovers_from("KILL")),
    ("SEGV", |guarded| guarded.recovers_from("SEGV")),
    ("child", |guarded| guarded.outlives_a_child()),
    ("own reload", |guarded| guarded.reloads()),
    ("restart", |guarded| {
        guarded.is_restarted("systemctl restart")
    }),
    ("upgrade", |guarded| {
        guarded.is_restarted("deb-systemd-invoke restart")
    }),
    ("stop", |guarded| guarded.stops()),
    ("limit", |guarded| guarded.reaches_its_limit()),
];

/// One daemon on a host, from its start to the end of its ward.
pub(super) struct Guarded<'a> {
    host: &'a Host,
    unit: String,
    ward: String,
    /// The deaths for which PID 1 schedules no restart.
    not_restarted: usize,
}

/// What PID 1 says of a unit at one moment.
#[derive(Debug)]
struct Now {
    state: String,
    run: String,
    pid: String,
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

    fn survives_a_reload_of_systemd(&mut self) -> Verdict {
        let before = self.now();
        let own = self.host.systemctl_show(&self.unit, "Restart");
        let restart = if own == "no" {
            "[Service]\nRestart=on-failure\n"
        } else {
            ""
        };
        self.host.write(
            &self.path(),
            &format!("[Ward]\nUnit={}\n{restart}", self.unit),
        );
        self.ask("unitward check")?;
        self.ask("systemctl daemon-reload")?;
        let after = self.now();
        if (&before.run, &before.pid) != (&after.run, &after.pid) {
            return Err(format!("{before:?} became {after:?}"));
        }
        self.reads("running or done", |ward| {
            ["running", "done"]
                .iter()
                .any(|state| ward["state"] == *state)
                && ward["needsReload"] == false
        })?;
        self.counts(0)
    }

    fn recovers_from(&mut self, signal: &str) -> Verdict {
        let before = self.now();
        if before.pid == "0" {
            return Ok(NO_MAIN_PROCESS);
        }
        self.ask(&format!(
            "systemctl kill --kill-whom=main --signal={signal} '{}'",
            self.unit
        ))?;
        if self.ended_or_another_run(&before)?.state == "failed" {
            return self.is_not_restarted(&before.run);
        }
        let death = self.death(&before.run, "recovered")?;
        if death["pid"].to_string().trim_matches('"') != before.pid {
            return Err(format!("pid {} instead of {}", death["pid"], before.pid));
        }
        let told = death["reason"].as_str().unwrap_or_default();
        let sent = if signal == "KILL" {
            "SIG 9 "
        } else {
            "SIG 11 "
        };
        let expected = self
            .end_by_pid_1(&before.run)
            .unwrap_or_else(|| sent.into());
        if !told.starts_with(&expected) {
            return Err(format!("told as {told}, by PID 1 {expected}"));
        }
        let drawn = self.json(&format!("unitward timeline '{}' --json", before.run))?;
        if drawn["recoveries"][0]["outcome"] != "recovered" {
            return Err(format!("drawn as {}", drawn["recoveries"]));
        }
        self.reads("running", |ward| ward["state"] == "running")?;
        let deaths = self.restarts_by_pid_1()? + self.not_restarted;
        self.counts(deaths)
    }

    /// Kills a child of the main process, of which PID 1 takes no notice. What the daemon makes of it is its own affair.
    fn outlives_a_child(&mut self) -> Verdict {
        let before = self.now();
        if before.pid == "0" {
            return Ok(NO_MAIN_PROCESS);
        }
        // Some come and go.
        let child = self.ask(&format!(
            "pgrep --parent {} --newest | tee >(xargs -r kill -KILL) || true",
            before.pid
        ))?;
        if child.is_empty() {
            return Ok(Cell::NotApplicable("no child"));
        }
        if self.host.comes_true_within(A_WHILE, || {
            (self.now().run != before.run || self.now().pid == "0").then_some(())
        }) {
            self.another_run(&before)?;
            self.death(&before.run, "recovered")?;
        }
        let deaths = self.restarts_by_pid_1()?;
        self.counts(deaths)
    }

    fn reloads(&mut self) -> Verdict {
        if self.host.systemctl_show(&self.unit, "CanReload") != "yes" {
            return Ok(Cell::NotApplicable("cannot"));
        }
        let before = self.now();
        let deaths = self.deaths()?.len();
        self.ask(&format!("systemctl reload '{}'", self.unit))?;
        // Given time to die of it, as those do that do not handle SIGHUP.
        if !self
            .host
            .comes_true_within(A_WHILE, || (self.now().run != before.run).then_some(()))
        {
            return self.counts(deaths);
        }
        self.is_not_restarted(&before.run)
    }

    /// The daemon makes an end of it for which its `Restart=` has no restart, such as exit status 2 with `on-abnormal`.
    fn is_not_restarted(&mut self, run: &str) -> Verdict {
        let told = || {
            self.told(run)
                .filter(|death| death["recoveryState"] == "not-restarted")
                .map(drop)
        };
        if !self.host.comes_true_within(BOUND, told) {
            return Err(format!("not told as not restarted: {:?}", self.told(run)));
        }
        self.not_restarted += 1;
        self.revive();
        Ok(Cell::NotApplicable("ends, told as not restarted"))
    }

    fn is_restarted(&mut self, command: &str) -> Verdict {
        let before = self.now();
        let deaths = self.deaths()?.len();
        self.ask(&format!("{command} '{}'", self.unit))?;
        self.another_run(&before)?;
        self.counts(deaths)
    }

    fn stops(&mut self) -> Verdict {
        let deaths = self.deaths()?.len();
        // A socket would start it with the next message.
        let triggers = self.triggers().join(" ");
        self.ask(&format!("systemctl stop {triggers} '{}'", self.unit))?;
        if self
            .host
            .comes_true_within(A_WHILE, || (self.now().state == "active").then_some(()))
        {
            return Err("it is up again".into());
        }
        self.reads("stopped", |ward| {
            ward["state"] == "stopped" || ward["state"] == "failed"
        })?;
        self.counts(deaths)?;
        self.ask(&format!("systemctl start '{}'", self.unit))?;
        self.active("the start").map(|_| Cell::Ok)
    }

    fn reaches_its_limit(&mut self) -> Verdict {
        const LIMIT: usize = 2;
        if self.now().pid == "0" {
            return Ok(NO_MAIN_PROCESS);
        }
        let limit = format!("[Recovery]\nDeathLimit={LIMIT}\nDeathLimitIntervalSec=10min\n");
        self.ask(&format!(
            "echo '{limit}' >>'{}'; systemctl daemon-reload",
            self.path()
        ))?;
        let mut last = self.now();
        for _ in 0..=LIMIT {
            last = self.now();
            self.ask(&format!(
                "systemctl kill --kill-whom=main --signal=KILL '{}'",
                self.unit
            ))?;
            if self.ended_or_another_run(&last)?.state != "active" {
                break;
            }
        }
        self.not_restarted += 1;
        self.reads("excluded", |ward| {
            ward["state"] == "excluded" && ward["exclusion"]["by"] == "limit"
        })?;
        self.death(&last.run, "excluded")?;
        for unit in self.triggers() {
            if self.host.systemctl_show(&unit, "ActiveState") == "active" {
                return Err(format!("{unit} can still start it"));
            }
        }
        let deaths = self.restarts_by_pid_1()? + self.not_restarted;
        self.counts(deaths)?;
        self.ask(&format!("unitward readmit '{}'", self.ward))?;
        self.active("the readmission")?;
        self.reads("running", |ward| ward["state"] == "running")?;
        self.counts(deaths)
    }

    fn path(&self) -> String {
        format!("/etc/unitward/{}.ward", self.ward)
    }

    fn now(&self) -> Now {
        let [state, run, pid] = self
            .host
            .systemctl_shows(&self.unit, ["ActiveState", "InvocationID", "MainPID"]);
        Now { state, run, pid }
    }

    /// Sockets, timers and paths that are not stopped with the unit.
    fn triggers(&self) -> Vec<String> {
        self.host
            .systemctl_show(&self.unit, "TriggeredBy")
            .split_whitespace()
            .map(str::to_owned)
            .collect()
    }

    fn ask(&self, script: &str) -> Result<String, String> {
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

    fn json(&self, command: &str) -> Result<Value, String> {
        let told = self.ask(command)?;
        serde_json::from_str(&told).map_err(|error| format!("{command}: {error}: {told}"))
    }

    fn deaths(&self) -> Result<Vec<Value>, String> {
        let told = self.ask(&format!("unitward reports --json --ward '{}'", self.ward))?;
        told.lines()
            .map(|line| serde_json::from_str(line).map_err(|error| format!("{error}: {line}")))
            .collect()
    }

    fn told(&self, run: &str) -> Option<Value> {
        self.deaths()
            .ok()?
            .into_iter()
            .find(|death| death["invocation"] == run)
    }

    /// Waits until the service is up, with nothing left to do.
    fn active(&self, after: &str) -> Result<Now, String> {
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

    fn another_run(&self, before: &Now) -> Result<Now, String> {
        let other =
            || Some(self.now()).filter(|now| now.run != before.run && now.state == "active");
        if self.host.comes_true_within(BOUND, other) {
            self.active("another run")
        } else {
            Err(format!("not back from {before:?}: {:?}", self.now()))
        }
    }

    fn ended_or_another_run(&self, before: &Now) -> Result<Now, String> {
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
    fn death(&self, run: &str, outcome: &str) -> Result<Value, String> {
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
    fn reads(&self, what: &str, expected: impl Fn(&Value) -> bool) -> Result<(), String> {
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
    fn counts(&self, expected: usize) -> Verdict {
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
    fn restarts_by_pid_1(&self) -> Result<usize, String> {
        let said = self.ask(&format!(
            "journalctl -q -o cat MESSAGE_ID={RESTART_SCHEDULED} UNIT='{}' | wc -l",
            self.unit
        ))?;
        said.parse().map_err(|error| format!("{said}: {error}"))
    }

    /// How a run's main process ended, in the words of a report. PID 1 says nothing of it where `ExecStop=` follows.
    fn end_by_pid_1(&self, run: &str) -> Option<String> {
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
