//! What is checked of each daemon. What is expected is what PID 1 says of the unit; what is seen is what Unitward's own documents say.

use super::guarded::{A_WHILE, BOUND, Guarded};

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

impl Guarded<'_> {
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
}
