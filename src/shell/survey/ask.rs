//! Source of an answer: this process if it may read the history, else the daemon.

use super::pid1::UnitSeen;
use super::scene::DAEMON;
use super::timeline::Which;
use super::{Answer, Question, answer, pid1};
use crate::core::crash::backtrace::Addresses;
use crate::shell::interface::{BUS_NAME, MANAGER_INTERFACE, OBJECT_PATH, REFUSED, WARDS_INTERFACE};
use anyhow::Context as _;
use std::io::ErrorKind;
use std::time::{Duration, Instant};
use zbus::{Connection, connection, fdo};

/// Time limit of a call: longer than the daemon takes for an answer at most, and than PID 1 is
/// silent during a reload.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time for which a daemon that is being started may lack its bus name, and the interval at which
/// that is checked.
const STARTING: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(100);

/// Answers a question: in this process for root, by the daemon for other users.
///
/// # Errors
/// There is no bus, the daemon's answer cannot be read, or [`answer`] fails. A daemon that does not
/// run is an [`Answer::Refused`].
pub(in crate::shell) async fn ask(question: &Question) -> anyhow::Result<Answer> {
    if rustix::process::geteuid().is_root() {
        answer(question, Addresses::Shown).await
    } else {
        ask_daemon(&connect_to_daemon().await?, question).await
    }
}

/// Connects to the system bus, with a time limit for every call.
///
/// # Errors
/// There is no bus.
pub(super) async fn connect() -> anyhow::Result<Connection> {
    connection::Builder::system()
        .method_timeout(PATIENCE)
        .build()
        .await
        .context("failed to connect to the system bus")
}

/// Does the same, and waits until a daemon that runs has its name: after systemd counts it as
/// started, the bus takes a moment to give it the name.
///
/// # Errors
/// There is no bus.
pub(in crate::shell) async fn connect_to_daemon() -> anyhow::Result<Connection> {
    let bus = connect().await?;
    let until = Instant::now() + STARTING;
    while !has_daemon(&bus).await.unwrap_or(false)
        && runs(&bus).await.unwrap_or(false)
        && Instant::now() < until
    {
        tokio::time::sleep(TICK).await;
    }
    Ok(bus)
}

/// Returns true if the daemon has its bus name.
async fn has_daemon(bus: &Connection) -> zbus::Result<bool> {
    let of_bus = "org.freedesktop.DBus";
    bus.call_method(
        Some(of_bus),
        "/org/freedesktop/DBus",
        Some(of_bus),
        "NameHasOwner",
        &BUS_NAME,
    )
    .await?
    .body()
    .deserialize()
}

/// Returns true if the daemon is up, or systemd is about to start it: after its death, what is left
/// of it is ended first.
async fn runs(bus: &Connection) -> anyhow::Result<bool> {
    let unit = seen(bus).await?;
    Ok(match unit.job.as_deref() {
        Some(job) => job != "stop",
        None => !matches!(unit.active.as_str(), "inactive" | "failed" | "maintenance"),
    })
}

/// Returns the state of the daemon's unit.
async fn seen(bus: &Connection) -> anyhow::Result<UnitSeen> {
    let mut seen = pid1::list(bus, &[DAEMON.to_owned()]).await?;
    seen.pop().context("failed to ask systemd for unitwardd")
}

async fn ask_daemon(bus: &Connection, question: &Question) -> anyhow::Result<Answer> {
    let (interface, method, argument) = match question {
        Question::List => (WARDS_INTERFACE, "List", None),
        Question::Status(ward) => (WARDS_INTERFACE, "Status", Some(ward)),
        Question::Tree(ward) => (WARDS_INTERFACE, "Tree", Some(ward)),
        Question::Timeline(Which(which)) => (MANAGER_INTERFACE, "Timeline", Some(which)),
        Question::Report(id) => (MANAGER_INTERFACE, "Report", Some(id)),
        Question::Reports(wanted) => return reports(bus, wanted).await,
    };
    let (daemon, interface) = (Some(BUS_NAME), Some(interface));
    let reply = match argument {
        Some(argument) => {
            bus.call_method(daemon, OBJECT_PATH, interface, method, argument)
                .await
        }
        None => {
            bus.call_method(daemon, OBJECT_PATH, interface, method, &())
                .await
        }
    };
    read(bus, reply).await
}

async fn reports(bus: &Connection, wanted: &super::reports::Wanted) -> anyhow::Result<Answer> {
    let (after, since, name) = (
        wanted.after,
        wanted.since,
        wanted.name.clone().unwrap_or_default(),
    );
    let body = (after, since, name);
    read(
        bus,
        bus.call_method(
            Some(BUS_NAME),
            OBJECT_PATH,
            Some(MANAGER_INTERFACE),
            "Reports",
            &body,
        )
        .await,
    )
    .await
}

async fn read(bus: &Connection, reply: zbus::Result<zbus::Message>) -> anyhow::Result<Answer> {
    match reply {
        Ok(reply) => Ok(Answer::Document(
            reply
                .body()
                .deserialize()
                .context("failed to read unitwardd's answer")?,
        )),
        Err(error) => match refusal(bus, error, "answers for everybody but root").await {
            Ok(why) => Ok(Answer::Refused(why)),
            Err(error) => Err(error).context("failed to ask unitwardd"),
        },
    }
}

/// Returns the sentence with which the daemon refuses, or, if the daemon does not run, one that
/// says so; `needed` says what it is needed for.
///
/// # Errors
/// The same error, if users can do nothing about it.
async fn refusal(
    bus: &Connection,
    error: zbus::Error,
    needed: &str,
) -> Result<String, zbus::Error> {
    match error {
        error if is_absent(&error) => Ok(absent(
            needed,
            &seen(bus).await.map(|unit| unit.load).unwrap_or_default(),
        )),
        error => sentence(error),
    }
}

/// Returns true if the error means that the daemon does not run.
pub(in crate::shell) fn is_absent(error: &zbus::Error) -> bool {
    let zbus::Error::FDO(error) = error else {
        return false;
    };
    matches!(
        **error,
        fdo::Error::ServiceUnknown(_) | fdo::Error::NameHasNoOwner(_)
    )
}

/// Returns the remedy if the daemon does not run; `load`: the load state of its unit.
fn absent(needed: &str, load: &str) -> String {
    match load {
        "masked" => format!(
            "unitwardd, which {needed}, is masked: \"systemctl unmask unitwardd\" allows it to start."
        ),
        _ => format!(
            "unitwardd, which {needed}, does not run: \"systemctl start unitwardd\" starts it."
        ),
    }
}

/// Returns the refusal of a daemon that runs, or a sentence that says why it cannot answer.
///
/// # Errors
/// The same error, if users can do nothing about it.
pub(in crate::shell) fn sentence(error: zbus::Error) -> Result<String, zbus::Error> {
    match error {
        zbus::Error::MethodError(name, why, _) if name.as_str() == REFUSED => Ok(why.unwrap_or_default()),
        zbus::Error::FDO(error) => match *error {
            fdo::Error::AccessDenied(why) | fdo::Error::LimitsExceeded(why) | fdo::Error::Failed(why) => Ok(why),
            fdo::Error::NoReply(_) => Ok("unitwardd has ended before it could answer: ask again.".to_owned()),
            error => Err(zbus::Error::FDO(Box::new(error))),
        },
        zbus::Error::InputOutput(error) if error.kind() == ErrorKind::TimedOut => {
            Ok("unitwardd does not answer: \"systemctl status unitwardd\" shows why, \"systemctl restart unitwardd\" helps."
                .to_owned())
        }
        error => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_is_masked_must_be_unmasked_before_it_can_be_started() {
        let told = |load| absent("answers", load);
        assert!(
            told("loaded").ends_with("does not run: \"systemctl start unitwardd\" starts it."),
            "{}",
            told("loaded")
        );
        assert!(
            told("masked").contains("is masked: \"systemctl unmask unitwardd\""),
            "{}",
            told("masked")
        );
    }

    #[test]
    fn a_daemon_that_hangs_is_told_of_in_a_sentence() {
        let error = std::io::Error::from(ErrorKind::TimedOut);
        let said = sentence(zbus::Error::InputOutput(error.into())).unwrap();
        assert!(said.starts_with("unitwardd does not answer: "), "{said}");
        let other = std::io::Error::from(ErrorKind::BrokenPipe);
        assert!(sentence(zbus::Error::InputOutput(other.into())).is_err());
    }
}
