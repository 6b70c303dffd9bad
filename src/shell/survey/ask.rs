//! Where a command gets an answer: on the spot where it may read the history, else from the daemon.

use super::timeline::Which;
use super::{Answer, Question, answer};
use anyhow::Context as _;
use zbus::Connection;

/// The daemon's name on the system bus.
pub(in crate::shell) const BUS_NAME: &str = "org.unitward1";
/// Its one object.
pub(in crate::shell) const OBJECT_PATH: &str = "/org/unitward1";
/// The interface with what concerns the whole host.
pub(in crate::shell) const MANAGER_INTERFACE: &str = "org.unitward1.Manager";
/// The interface with what concerns wards.
pub(in crate::shell) const WARDS_INTERFACE: &str = "org.unitward1.Wards";

/// The error under which the daemon answers with [`Answer::Refused`].
pub(in crate::shell) const REFUSED: &str = "org.unitward1.Error.Refused";

/// Answers on the spot for root, and has the daemon answer for everybody else.
///
/// # Errors
/// There is no bus, the daemon does not run, or what [`answer`] fails with.
pub(in crate::shell) async fn ask(question: &Question) -> anyhow::Result<Answer> {
    let bus = Connection::system().await.context("failed to connect to the system bus")?;
    if rustix::process::geteuid().is_root() { answer(&bus, question).await } else { ask_daemon(&bus, question).await }
}

async fn ask_daemon(bus: &Connection, question: &Question) -> anyhow::Result<Answer> {
    let call = |interface, method| (interface, method);
    let (place, reply) = match question {
        Question::List => (call(WARDS_INTERFACE, "List"), None),
        Question::Status(ward) => (call(WARDS_INTERFACE, "Status"), Some(ward.clone())),
        Question::Tree(ward) => (call(WARDS_INTERFACE, "Tree"), Some(ward.clone())),
        Question::Timeline(Which(which)) => (call(MANAGER_INTERFACE, "Timeline"), Some(which.clone())),
        Question::Report(id) => (call(MANAGER_INTERFACE, "Report"), Some(id.clone())),
        Question::Reports(wanted) => return reports(bus, wanted).await,
    };
    let ((interface, method), argument) = (place, reply);
    let reply = match argument {
        Some(argument) => bus.call_method(Some(BUS_NAME), OBJECT_PATH, Some(interface), method, &argument).await,
        None => bus.call_method(Some(BUS_NAME), OBJECT_PATH, Some(interface), method, &()).await,
    };
    read(reply)
}

async fn reports(bus: &Connection, wanted: &super::reports::Wanted) -> anyhow::Result<Answer> {
    let (after, since, name) = (wanted.after, wanted.since, wanted.name.clone().unwrap_or_default());
    let body = (after, since, name);
    read(bus.call_method(Some(BUS_NAME), OBJECT_PATH, Some(MANAGER_INTERFACE), "Reports", &body).await)
}

fn read(reply: zbus::Result<zbus::Message>) -> anyhow::Result<Answer> {
    match reply {
        Ok(reply) => Ok(Answer::Document(reply.body().deserialize().context("failed to read unitwardd's answer")?)),
        Err(zbus::Error::MethodError(name, why, _)) if name.as_str() == REFUSED => {
            Ok(Answer::Refused(why.unwrap_or_default()))
        }
        Err(zbus::Error::MethodError(name, ..)) if name.as_str().ends_with(".ServiceUnknown") => Ok(Answer::Refused(
            "unitwardd, which answers for everybody but root, does not run: \"systemctl start unitwardd\" starts it."
                .to_owned(),
        )),
        Err(error) => Err(error).context("failed to ask unitwardd"),
    }
}
