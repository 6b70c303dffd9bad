//! The interface `org.unitward1.Manager`: properties, queries and signals of the whole host.

#![expect(
    clippy::too_many_arguments,
    reason = "the arguments of methods and signals are the interface"
)]

use super::Facts;
use super::caller::Caller;
use super::clerks::Clerks;
use super::refusal::Refusal;
use crate::shell::survey::Question;
use crate::shell::survey::reports::Wanted;
use crate::shell::survey::timeline::Which;
use std::sync::Arc;
use tokio::sync::watch;
use zbus::Connection;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;

/// The interface's object. Its signals are declared for the introspection only; the service sends
/// them by their types.
pub(super) struct Manager {
    pub(super) facts: watch::Receiver<Facts>,
    pub(super) clerks: Arc<Clerks>,
}

#[zbus::interface(name = "org.unitward1.Manager", introspection_docs = false)]
impl Manager {
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    #[zbus(property)]
    fn node_id(&self) -> String {
        self.facts.borrow().node_id.clone()
    }

    #[zbus(property)]
    fn cloud(&self) -> String {
        self.facts.borrow().cloud.clone()
    }

    #[zbus(property)]
    fn pending_reports(&self) -> u64 {
        self.facts.borrow().pending_reports
    }

    #[zbus(out_args("documents"))]
    async fn reports(
        &self,
        after: i64,
        since: u64,
        name: String,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<String, Refusal> {
        let name = Some(name).filter(|name| !name.is_empty());
        self.clerks
            .answer(
                Caller::of(bus, &call),
                Question::Reports(Wanted { after, since, name }),
            )
            .await
    }

    #[zbus(out_args("document"))]
    async fn report(
        &self,
        id: String,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<String, Refusal> {
        self.clerks
            .answer(Caller::of(bus, &call), Question::Report(id))
            .await
    }

    #[zbus(out_args("document"))]
    async fn timeline(
        &self,
        which: String,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<String, Refusal> {
        self.clerks
            .answer(Caller::of(bus, &call), Question::Timeline(Which(which)))
            .await
    }

    #[zbus(signal)]
    async fn full_restart(
        emitter: &SignalEmitter<'_>,
        stack: &str,
        caller: &str,
        reason: &str,
        at: u64,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn full_restart_over(
        emitter: &SignalEmitter<'_>,
        stack: &str,
        outcome: &str,
        trouble: &str,
    ) -> zbus::Result<()>;
}
