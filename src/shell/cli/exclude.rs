//! `unitward exclude` and `readmit`: make unitwardd do it, or do it themselves if unitwardd does
//! not run, wait for the outcome, and print it.

use super::progress::while_waiting;
use super::refuse;
use crate::edge::exclusion::{self, By, Exclusion};
use crate::edge::log;
use crate::edge::pid1::{self, Properties, Wanted};
use crate::edge::record::WardState;
use crate::edge::ruling::{self, Refusal, Subject};
use crate::shell::cli::say;
use crate::shell::interface::{BUS_NAME, OBJECT_PATH, WARDS_INTERFACE};
use crate::shell::survey::{connect_to_daemon, is_absent, sentence};
use anyhow::Context as _;
use clap::Args;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};
use zbus::DynamicType;

/// Time limit for a unit to go up or down: longer than systemd's own default time-outs.
const PATIENCE: Duration = Duration::from_secs(120);
/// Interval at which the unit is examined meanwhile.
const TICK: Duration = Duration::from_millis(200);
/// Time after which a run counts as up: many services are `active` before they have read their
/// configuration.
const LASTING: Duration = Duration::from_secs(1);

/// The arguments of `exclude`.
#[derive(Debug, Args)]
pub(super) struct Exclude {
    /// The ward: the stem of its file, or its unit.
    #[arg(value_name = "NAME")]
    name: String,
    /// Reason, shown by "unitward list" and "status"
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
}

/// The arguments of `readmit`.
#[derive(Debug, Args)]
pub(super) struct Readmit {
    /// The ward: the stem of its file, or its unit.
    #[arg(value_name = "NAME")]
    name: String,
}

/// Outcome of a readmission for the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Became {
    Up,
    /// It has ended as it should, as a oneshot service does.
    Done,
    Failed,
    /// Its ward was excluded again.
    Excluded,
}

/// Outcome of an exclusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// The unit is down.
    Down,
    /// It is no longer in force: the ward was readmitted.
    Ended,
}

/// Runs `unitward exclude`.
pub(super) fn exclude(arguments: &Exclude) -> anyhow::Result<ExitCode> {
    let (subject, reason) = match find("exclude", &arguments.name) {
        Ok(subject) => (subject, arguments.reason.as_str()),
        Err(why) => return Ok(refuse(&why)),
    };
    let changed = match rule("Exclude", &(subject.ward.as_str(), reason), || {
        ruling::exclude(&subject, reason, drop)
    })? {
        Ok(changed) => changed,
        Err(why) => return Ok(refuse(&why)),
    };
    let Subject { ward: name, unit } = subject;
    if !changed {
        say(&format!("{name} is excluded already."));
        return Ok(ExitCode::SUCCESS);
    }
    let ward = WardState::of(&name);
    let until = format!("until \"unitward readmit {name}\"");
    // The state is read first: a unit that was down before its ward was seen to be excluded was not
    // started in between.
    let became = while_waiting(&format!("Stopping {unit}"), || {
        wait(|| Ok(kept(&state(&unit)?, exclusion::load(&ward).as_ref())))
    })?;
    let with = with_it(exclusion::load(&ward).as_ref());
    Ok(match became {
        Some(Kept::Down) => said(&format!(
            "{name} is excluded: {unit} is down {until}{with}."
        )),
        Some(Kept::Ended) => refuse(&format!(
            "{name} is not excluded: somebody has readmitted it meanwhile."
        )),
        None => said(&format!(
            "{name} is excluded: {unit} is still being stopped, and stays down {until}{with}."
        )),
    })
}

/// Runs `unitward readmit`.
pub(super) fn readmit(arguments: &Readmit) -> anyhow::Result<ExitCode> {
    let subject = match find("readmit", &arguments.name) {
        Ok(subject) => subject,
        Err(why) => return Ok(refuse(&why)),
    };
    let changed = match rule("Readmit", &subject.ward.as_str(), || {
        ruling::readmit(&subject, drop)
    })? {
        Ok(changed) => changed,
        Err(why) => return Ok(refuse(&why)),
    };
    let Subject { ward: name, unit } = subject;
    if !changed {
        return Ok(said(&format!(
            "{name} is not excluded: {}.",
            advise(&unit, &state(&unit)?)
        )));
    }
    let mut lasting = Lasting::default();
    let ward = WardState::of(&name);
    // The state is read first: an exclusion marks the ward before it has its unit stopped.
    let became = while_waiting(&format!("Starting {unit}"), || {
        wait(|| {
            let shown = pid1::ask(&unit, SHOWN)?;
            Ok(lasting.look(&shown, exclusion::load(&ward).as_ref()))
        })
    })?;
    let advice = format!("\"systemctl status {unit}\" shows why");
    Ok(match became {
        Some(Became::Up) => said(&format!("{name} is readmitted: {unit} is up.")),
        Some(Became::Done) => said(&format!(
            "{name} is readmitted: {unit} has run and is done."
        )),
        Some(Became::Excluded) => refuse(&format!(
            "{name} is not readmitted: somebody has excluded it meanwhile."
        )),
        Some(Became::Failed) => refuse(&format!(
            "{name} is readmitted, but {unit} has failed: {advice}."
        )),
        None => refuse(&format!(
            "{name} is readmitted, but {unit} is not up yet: {advice}."
        )),
    })
}

/// Returns the outcome of an exclusion whose unit is in this state; any `mark` means that the ward
/// is excluded, also one that somebody else has made.
fn kept(state: &str, mark: Option<&Exclusion>) -> Option<Kept> {
    match mark {
        Some(_) => matches!(state, "inactive" | "failed").then_some(Kept::Down),
        None => Some(Kept::Ended),
    }
}

/// Returns the end of a sentence that names the units which were stopped with the unit.
fn with_it(mark: Option<&Exclusion>) -> String {
    match mark.map(|mark| mark.triggers.as_slice()) {
        None | Some([]) => String::new(),
        Some([one]) => format!(", and {one} with it"),
        Some(several) => format!(", and {} with it", several.join(", ")),
    }
}

/// Describes the state of a unit whose ward is not excluded, and the remedy.
fn advise(unit: &str, state: &str) -> String {
    match state {
        "failed" | "inactive" => format!("{unit} is {state}, \"systemctl start {unit}\" starts it"),
        "deactivating" => {
            format!("{unit} is being stopped, \"systemctl start {unit}\" starts it again")
        }
        _ => format!("{unit} is {state}, there is nothing to be done"),
    }
}

fn said(text: &str) -> ExitCode {
    say(text);
    ExitCode::SUCCESS
}

/// Has a ward ruled over by the daemon, or, where that does not run, here and now by `rule`.
/// Returns true if anything was to be done, or the sentence that refuses.
fn rule(
    method: &str,
    body: &(impl serde::Serialize + DynamicType),
    rule: impl FnOnce() -> Result<bool, Refusal>,
) -> anyhow::Result<Result<bool, String>> {
    if let Some(ruled) = super::runtime()?.block_on(rule_by_daemon(method, body))? {
        return Ok(ruled);
    }
    log::to_journal("unitward");
    Ok(rule().map_err(Refusal::into_sentence))
}

/// Returns the daemon's answer; `None`: it does not run, or there is no bus.
async fn rule_by_daemon(
    method: &str,
    body: &(impl serde::Serialize + DynamicType),
) -> anyhow::Result<Option<Result<bool, String>>> {
    let Ok(bus) = connect_to_daemon().await else {
        return Ok(None);
    };
    match bus
        .call_method(
            Some(BUS_NAME),
            OBJECT_PATH,
            Some(WARDS_INTERFACE),
            method,
            body,
        )
        .await
    {
        Ok(reply) => Ok(Some(Ok(reply
            .body()
            .deserialize()
            .context("failed to read unitwardd's answer")?))),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => sentence(error)
            .map(|why| Some(Err(why)))
            .context("failed to ask unitwardd"),
    }
}

/// The ward to be ruled over; or the sentence that refuses.
fn find(verb: &str, name: &str) -> Result<Subject, String> {
    if !rustix::process::geteuid().is_root() {
        return Err(format!(
            "Only root may {verb} a ward: try \"sudo unitward {verb} {name}\"."
        ));
    }
    ruling::find_on_disk(name)
}

/// Unit properties that are requested from systemd.
const SHOWN: Wanted<'_> = Wanted {
    unit: &["Job", "ActiveState", "InvocationID"],
    own: &["Result"],
};

fn state(unit: &str) -> anyhow::Result<String> {
    Ok(pid1::ask(unit, SHOWN)
        .context("failed to ask systemd")?
        .text("ActiveState")
        .to_owned())
}

/// Calls `look` until it finds something, or until the time limit is over.
fn wait<T>(mut look: impl FnMut() -> anyhow::Result<Option<T>>) -> anyhow::Result<Option<T>> {
    let until = Instant::now() + PATIENCE;
    loop {
        let found = look()?;
        if found.is_some() || Instant::now() >= until {
            return Ok(found);
        }
        sleep(TICK);
    }
}

/// The run that is up, and the time at which it was first seen.
#[derive(Debug, Default)]
struct Lasting(Option<(String, Instant)>);

impl Lasting {
    /// Returns the outcome for the unit once it is certain; `mark`: that of an exclusion that came
    /// after the readmission.
    fn look(&mut self, shown: &Properties, mark: Option<&Exclusion>) -> Option<Became> {
        // A unit that is up is not excluded despite a mark: systemd may refuse to stop it. The mark
        // of the death limit says no more than the state.
        let by_hand = mark.is_some_and(|mark| mark.by != By::Limit);
        if by_hand
            && matches!(
                shown.text("ActiveState"),
                "inactive" | "failed" | "deactivating"
            )
        {
            return Some(Became::Excluded);
        }
        let run = shown.id("InvocationID").unwrap_or_default();
        match (shown.text("ActiveState"), &self.0) {
            ("active" | "reloading", Some((seen, since))) if *seen == run => {
                (since.elapsed() >= LASTING).then_some(Became::Up)
            }
            ("active" | "reloading", _) => {
                self.0 = Some((run, Instant::now()));
                None
            }
            // It is down because its start has not begun yet.
            ("failed" | "inactive", _) if shown.job().is_some() => None,
            ("failed", _) => Some(Became::Failed),
            ("inactive", _) => Some(if shown.text("Result") == "success" {
                Became::Done
            } else {
                Became::Failed
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbus::ObjectPath;

    #[test]
    fn a_unit_is_up_when_one_run_has_lasted() {
        let shown = |state: &'static str, run: &str, result: &'static str| {
            let run = run.as_bytes().to_vec();
            Properties::from([
                ("ActiveState", state.into()),
                ("InvocationID", run.into()),
                ("Result", result.into()),
            ])
        };
        let look = |lasting: &mut Lasting, shown: &Properties| lasting.look(shown, None);
        let mut lasting = Lasting::default();
        assert_eq!(
            look(&mut lasting, &shown("activating", "a", "success")),
            None
        );
        assert_eq!(look(&mut lasting, &shown("active", "a", "success")), None);
        lasting.0.as_mut().unwrap().1 -= LASTING;
        assert_eq!(
            look(&mut lasting, &shown("active", "b", "success")),
            None,
            "another run"
        );
        lasting.0.as_mut().unwrap().1 -= LASTING;
        assert_eq!(
            look(&mut lasting, &shown("active", "b", "success")),
            Some(Became::Up)
        );
        let job = || (4_u32, ObjectPath::try_from("/job/4").unwrap()).into();
        let waiting =
            |state: &'static str| Properties::from([("Job", job()), ("ActiveState", state.into())]);
        assert_eq!(
            ["inactive", "failed"].map(|state| look(&mut lasting, &waiting(state))),
            [None, None],
            "its start waits"
        );
        assert_eq!(
            look(&mut lasting, &shown("failed", "b", "exit-code")),
            Some(Became::Failed)
        );
        assert_eq!(
            look(&mut lasting, &shown("inactive", "b", "success")),
            Some(Became::Done)
        );
        assert_eq!(
            look(&mut lasting, &shown("inactive", "b", "exit-code")),
            Some(Became::Failed)
        );
        let mark = mark(7);
        let mut marked = |state| lasting.look(&shown(state, "b", "success"), Some(&mark));
        assert_eq!(
            ["inactive", "deactivating"].map(&mut marked),
            [Some(Became::Excluded); 2]
        );
        assert_eq!(marked("activating"), None, "it may be refused to stop it");
        let by_limit = Exclusion::by_limit(7);
        let again = lasting.look(&shown("failed", "b", "exit-code"), Some(&by_limit));
        assert_eq!(again, Some(Became::Failed), "it has died too often again");
    }

    #[test]
    fn an_exclusion_is_over_when_its_mark_is_gone() {
        let mark = mark(7);
        for (state, now, expected) in [
            ("deactivating", Some(&mark), None),
            ("inactive", Some(&mark), Some(Kept::Down)),
            ("failed", Some(&mark), Some(Kept::Down)),
            ("deactivating", None, Some(Kept::Ended)),
            ("inactive", None, Some(Kept::Ended)),
            ("active", None, Some(Kept::Ended)),
        ] {
            assert_eq!(kept(state, now), expected, "{state} {now:?}");
        }
    }

    fn mark(at: u64) -> Exclusion {
        Exclusion {
            at,
            by: By::Hand,
            why: String::new(),
            triggers: Vec::new(),
        }
    }
}
