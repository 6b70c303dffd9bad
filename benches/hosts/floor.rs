//! The lower bound of "crash to subscriber", inside a host: a bare listener that publishes a unit's
//! death the moment PID 1's first signal of it arrives. It stores nothing, queries nothing, and
//! knows neither reason nor process.

use futures_util::StreamExt as _;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{AsyncClient, MqttOptions};
use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::time::Duration;
use zbus::{Connection, MatchRule, MessageStream, Variant};

/// The topic on which it publishes.
pub(crate) const TOPIC: &str = "floor";

/// Runs until it is killed.
pub(crate) fn run() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(listen()).expect("the system bus");
}

async fn listen() -> zbus::Result<()> {
    let mut options = MqttOptions::new("floor", "127.0.0.1", 1883);
    options.set_keep_alive(Duration::from_secs(60));
    let mut network = options.network_options();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    let (client, mut events) = AsyncClient::new(options, 1_000);
    tokio::spawn(async move {
        loop {
            events.poll().await.expect("the broker is there");
        }
    });
    let bus = Connection::system().await?;
    let (systemd, manager) = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1");
    let rule = MatchRule::builder()
        .msg_type(zbus::message::Type::Signal)
        .interface("org.freedesktop.DBus.Properties")
        .member("PropertiesChanged")
        .path_namespace("/org/freedesktop/systemd1/unit")
        .build()?;
    let mut signals = MessageStream::for_match_rule(rule, &bus, NonZeroUsize::new(10_000)).await?;
    bus.call_method(
        Some(systemd),
        manager,
        Some("org.freedesktop.systemd1.Manager"),
        "Subscribe",
        &(),
    )
    .await?;
    println!("listening");
    let mut dead = HashSet::new();
    while let Some(signal) = signals.next().await {
        let signal = signal?;
        let path = signal
            .header()
            .path()
            .map(ToString::to_string)
            .unwrap_or_default();
        let body = signal.body();
        let (_, changed, _): (&str, HashMap<&str, Variant<'_>>, Vec<&str>) = body.deserialize()?;
        let word = |key: &str| {
            changed
                .get(key)
                .and_then(|value| value.downcast_ref::<&str>().ok())
        };
        if word("ActiveState") == Some("active") {
            dead.remove(&path);
        }
        if word("Result").is_some_and(|result| result != "success") && dead.insert(path.clone()) {
            client
                .publish(TOPIC, QoS::AtMostOnce, false, path)
                .await
                .expect("there is room");
        }
    }
    Ok(())
}
