//! A real MQTT 5 client that listens inside a host.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use super::Host;
use super::wait::{BOUND, wait_within};

/// Runs a command until the standard input ends. A kill from outside would hit nsenter, and its orphan inside would keep the
/// host's PID 1 from ending until this machine's own reaps it.
const UNTIL_END_OF_INPUT: &str = "\"$@\" & read -r _; kill $!; wait";

/// A message as mosquitto_sub describes it.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    description: Value,
    heard: SystemTime,
}

impl Message {
    /// The topic it came on.
    pub(crate) fn topic(&self) -> &str {
        self.description["topic"].as_str().unwrap_or_default()
    }

    /// The payload as text.
    pub(crate) fn payload(&self) -> &str {
        self.description["payload"].as_str().unwrap_or_default()
    }

    /// The payload as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.payload())
            .unwrap_or_else(|error| panic!("a payload is no JSON: {error}: {self:?}"))
    }

    /// Whether the broker had kept it before the subscription.
    pub(crate) fn is_retained(&self) -> bool {
        self.description["retain"] == 1
    }

    /// The quality of service it came with.
    pub(crate) fn qos(&self) -> u64 {
        self.description["qos"].as_u64().unwrap_or_default()
    }

    /// The MQTT 5 properties: `content-type`, `user-properties` and so on.
    pub(crate) fn properties(&self) -> &Value {
        &self.description["properties"]
    }

    /// When it was heard here.
    pub(crate) fn heard(&self) -> SystemTime {
        self.heard
    }

    /// The first user property of this name.
    pub(crate) fn user_property(&self, name: &str) -> Option<&str> {
        self.properties()["user-properties"].get(name)?.as_str()
    }
}

/// A subscription. What it receives is collected from its making on; it ends with the value or with the host's PID 1.
#[derive(Debug)]
pub(crate) struct Subscriber {
    process: Child,
    heard: Arc<Mutex<Vec<Heard>>>,
}

#[derive(Clone, Debug)]
enum Heard {
    Acknowledged,
    Message(Message),
    Other(String),
}

impl Host {
    /// Subscribes to a topic of the host's own broker. The broker has acknowledged the subscription when this returns.
    #[track_caller]
    pub(crate) fn subscribe(&self, topic: &str) -> Subscriber {
        self.subscribe_with(&["-q", "2", "-t", topic])
    }

    /// Subscribes as a client whose session the broker keeps: what comes while the connection is down is delivered when it
    /// is up again. It connects again by itself. QoS 1, as reports have.
    ///
    /// Whether the session outlives the broker's own end is a matter of the broker's persistence.
    #[track_caller]
    pub(crate) fn subscribe_durably(&self, client: &str, topics: &[&str]) -> Subscriber {
        let topics = topics.iter().flat_map(|topic| ["-t", topic]);
        let session = ["-c", "-i", client, "-q", "1"];
        self.subscribe_with(&session.into_iter().chain(topics).collect::<Vec<_>>())
    }

    #[track_caller]
    fn subscribe_with(&self, arguments: &[&str]) -> Subscriber {
        let subscriber = Subscriber::start(self, arguments);
        self.wait_for("the broker's acknowledgement of a subscription", || {
            let heard = subscriber.heard();
            heard
                .iter()
                .any(|heard| matches!(heard, Heard::Acknowledged))
                .then_some(())
        });
        subscriber
    }
}

impl Subscriber {
    fn start(host: &Host, arguments: &[&str]) -> Self {
        // --debug tells of the acknowledgement. The payload comes as a JSON string, whatever it is.
        let listen = [
            "stdbuf",
            "--output=L",
            "mosquitto_sub",
            "--debug",
            "-V",
            "5",
            "-F",
            "%j",
        ];
        let mut process = host
            .inside(
                &[
                    &["sh", "-c", UNTIL_END_OF_INPUT, "sh"][..],
                    &listen,
                    arguments,
                ]
                .concat(),
            )
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("failed to start mosquitto_sub");
        let stdout = process.stdout.take().expect("piped");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let copy = Arc::clone(&heard);
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let Ok(mut heard) = copy.lock() else { break };
                heard.push(parse(line));
            }
        });
        Self { process, heard }
    }

    /// The messages so far.
    pub(crate) fn received(&self) -> Vec<Message> {
        let messages = self.heard().into_iter().filter_map(|heard| match heard {
            Heard::Message(message) => Some(message),
            Heard::Acknowledged | Heard::Other(_) => None,
        });
        messages.collect()
    }

    /// How many messages there are so far; cheaper than [`Subscriber::received`].
    pub(crate) fn count(&self) -> usize {
        let heard = self.heard.lock().expect("the collector does not panic");
        heard
            .iter()
            .filter(|heard| matches!(heard, Heard::Message(_)))
            .count()
    }

    /// How often the broker has acknowledged the subscription: once for each connection.
    pub(crate) fn subscriptions(&self) -> usize {
        let heard = self.heard.lock().expect("the collector does not panic");
        heard
            .iter()
            .filter(|heard| matches!(heard, Heard::Acknowledged))
            .count()
    }

    /// The messages' payloads so far, as JSON.
    #[track_caller]
    pub(crate) fn messages(&self) -> Vec<Value> {
        self.received().iter().map(Message::json).collect()
    }

    /// Waits until this many messages have come, and returns all their payloads.
    ///
    /// # Panics
    ///
    /// When they have not come after 20 s.
    #[track_caller]
    pub(crate) fn wait_for_count(&self, count: usize) -> Vec<Value> {
        let enough = wait_within(BOUND, || (self.count() >= count).then_some(()));
        assert!(
            enough.is_some(),
            "waited {BOUND:?} in vain for {count} messages: {:#?}",
            self.heard()
        );
        self.messages()
    }

    /// Asserts that within this time no message comes on top of those there are.
    #[track_caller]
    pub(crate) fn assert_no_more_within(&self, time: Duration) {
        let before = self.received().len();
        let end = Instant::now() + time;
        while Instant::now() < end {
            if self.count() != before {
                let more = &self.received()[before..];
                panic!("there should be no message after the first {before}: {more:#?}");
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until no message has come for this time.
    pub(crate) fn wait_for_silence(&self, time: Duration) {
        let (mut count, mut since) = (self.count(), Instant::now());
        while since.elapsed() < time {
            thread::sleep(Duration::from_millis(10));
            if self.count() != count {
                (count, since) = (self.count(), Instant::now());
            }
        }
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard
            .lock()
            .expect("the collector does not panic")
            .clone()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        // It may have ended with its host.
        let _ = self.process.wait();
    }
}

fn parse(line: String) -> Heard {
    if line.starts_with("Subscribed ") {
        return Heard::Acknowledged;
    }
    match serde_json::from_str(&line) {
        Ok(description @ Value::Object(_)) => Heard::Message(Message {
            description,
            heard: SystemTime::now(),
        }),
        _ => Heard::Other(line),
    }
}
