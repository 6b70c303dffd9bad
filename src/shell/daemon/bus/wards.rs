//! The interface `org.unitward1.Wards`: queries, rulings and signals of wards.

#![expect(
    clippy::too_many_arguments,
    reason = "the arguments of methods and signals are the interface"
)]

use super::caller::Caller;
use super::clerks::Clerks;
use super::refusal::Refusal;
use super::rule::Ruler;
use crate::shell::survey::Question;
use std::sync::Arc;
use zbus::Connection;
use zbus::message::Header;
use zbus::object_server::SignalEmitter;

/// The interface's object. Its signals are declared for the introspection only.
pub(super) struct Wards {
    pub(super) clerks: Arc<Clerks>,
    pub(super) ruler: Ruler,
}

#[zbus::interface(name = "org.unitward1.Wards", introspection_docs = false)]
impl Wards {
    #[zbus(out_args("document"))]
    async fn list(
        &self,

        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<String, Refusal> {
        self.clerks
            .answer(Caller::of(bus, &call), Question::List)
            .await
    }

    #[zbus(out_args("document"))]
    async fn status(
        &self,
        name: String,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<String, Refusal> {
        self.clerks
            .answer(Caller::of(bus, &call), Question::Status(name))
            .await
    }

    #[zbus(out_args("document"))]
    async fn tree(
        &self,
        name: String,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<String, Refusal> {
        self.clerks
            .answer(Caller::of(bus, &call), Question::Tree(name))
            .await
    }

    #[zbus(out_args("changed"))]
    async fn exclude(
        &self,
        name: String,
        why: String,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<bool, Refusal> {
        self.ruler
            .exclude(Caller::of(bus, &call), &name, &why)
            .await
    }

    #[zbus(out_args("changed"))]
    async fn readmit(
        &self,
        name: String,
        #[zbus(header)] call: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<bool, Refusal> {
        self.ruler.readmit(Caller::of(bus, &call), &name).await
    }

    #[zbus(signal)]
    async fn death(
        emitter: &SignalEmitter<'_>,
        ward: &str,
        unit: &str,
        invocation: &str,
        reason: &str,
        pid: u32,
        at: u64,
        crash: bool,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn recovery(
        emitter: &SignalEmitter<'_>,
        ward: &str,
        invocation: &str,
        outcome: &str,
        restarts: u32,
        downtime_ms: u64,
        recovery_ms: u64,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn excluded(
        emitter: &SignalEmitter<'_>,
        ward: &str,
        by: &str,
        why: &str,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn readmitted(emitter: &SignalEmitter<'_>, ward: &str, by: &str) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn state_changed(
        emitter: &SignalEmitter<'_>,
        ward: &str,
        unit: &str,
        state: &str,
        substate: &str,
    ) -> zbus::Result<()>;
}
