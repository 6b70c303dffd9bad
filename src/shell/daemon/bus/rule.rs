//! Excludes and readmits wards for root, one ruling at a time; see [`crate::edge::ruling`].

use super::Facts;
use super::caller::Caller;
use super::refusal::Refusal;
use crate::edge::ruling::{self, Ruling, Subject};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, watch};

/// Number of looks for the news of a daemon-reload; [`RELOAD_TICK`] is the pause before the next
/// look.
const RELOAD_LOOKS: u32 = 30;
const RELOAD_TICK: Duration = Duration::from_millis(100);
/// Executor of rulings over wards, one at a time.
pub(super) struct Ruler {
    facts: watch::Receiver<Facts>,
    rulings: mpsc::Sender<Ruling>,
    turn: Mutex<()>,
}

impl Ruler {
    /// Returns an executor; `rulings` leads to the main loop.
    pub(super) fn new(facts: watch::Receiver<Facts>, rulings: mpsc::Sender<Ruling>) -> Self {
        Self {
            facts,
            rulings,
            turn: Mutex::new(()),
        }
    }

    /// Keeps a ward down; `false`: it is excluded already.
    pub(super) async fn exclude(
        &self,
        caller: Caller<'_>,
        name: &str,
        why: &str,
    ) -> Result<bool, Refusal> {
        must_be_root(caller, "exclude", name).await?;
        let why = why.to_owned();
        self.rule(name, move |subject, tell| {
            ruling::exclude(&subject, &why, tell)
        })
        .await
    }

    /// Starts an excluded ward anew; `false`: it is not excluded.
    pub(super) async fn readmit(&self, caller: Caller<'_>, name: &str) -> Result<bool, Refusal> {
        must_be_root(caller, "readmit", name).await?;
        self.rule(name, |subject, tell| ruling::readmit(&subject, tell))
            .await
    }

    /// Executes a ruling in a thread of its own, because it waits for systemd.
    async fn rule(
        &self,
        name: &str,
        rule: impl FnOnce(Subject, &dyn Fn(Ruling)) -> Result<bool, ruling::Refusal> + Send + 'static,
    ) -> Result<bool, Refusal> {
        let subject = self.find(name).await?;
        let _turn = self.turn.lock().await;
        let rulings = self.rulings.clone();
        let ruled = tokio::task::spawn_blocking(move || {
            // The main loop takes these before all else. Without one the daemon is about to end.
            rule(subject, &|ruling| drop(rulings.blocking_send(ruling)))
        });
        let ruled = ruled
            .await
            .map_err(|error| Refusal::Failed(format!("Failed to rule over {name}: {error}.")))?;
        Ok(ruled?)
    }

    /// Returns the ward of this name, or of this unit.
    ///
    /// The main loop learns of a daemon-reload on a connection of its own, maybe after the caller.
    /// So it gets time while the configuration on disk differs; after that the ward is taken as the
    /// main loop has it.
    async fn find(&self, name: &str) -> Result<Subject, Refusal> {
        let on_disk = on_disk(name).await;
        for _ in 0..RELOAD_LOOKS {
            if self.known(name).ok().as_ref()
                == on_disk.as_ref().and_then(|on_disk| on_disk.as_ref().ok())
            {
                break;
            }
            // A number of looks, not a time: on a busy machine the time may pass without a turn for
            // the main loop.
            tokio::time::sleep(RELOAD_TICK).await;
        }
        // The configuration on disk has the better reason.
        self.known(name)
            .map_err(|why| Refusal::Refused(on_disk.and_then(Result::err).unwrap_or(why)))
    }

    /// Returns the ward of this name as the main loop has it, or the reason why there is none.
    fn known(&self, name: &str) -> Result<Subject, String> {
        ruling::find(&self.facts.borrow().wards, name)
    }
}

/// Returns the ward of this name in the configuration on disk, or the reason why there is none;
/// `None`: the disk takes too long.
async fn on_disk(name: &str) -> Option<Result<Subject, String>> {
    let name = name.to_owned();
    let looked = tokio::task::spawn_blocking(move || ruling::find_on_disk(&name));
    tokio::time::timeout(RELOAD_TICK * RELOAD_LOOKS, looked)
        .await
        .ok()?
        .ok()
}

/// Refuses callers other than root, as the bus' policy does; an administrator may have widened the
/// policy, but not this check.
async fn must_be_root(caller: Caller<'_>, verb: &str, name: &str) -> Result<(), Refusal> {
    if caller.user().await.is_ok_and(|user| user == 0) {
        return Ok(());
    }
    let advice = format!("Only root may {verb} a ward: try \"sudo unitward {verb} {name}\".");
    Err(Refusal::AccessDenied(advice))
}
