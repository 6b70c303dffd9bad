//! The meter, inside a host: kills, and notes when what follows a kill has come.
//!
//! It takes a command a line from its standard input and answers with a line of JSON:
//!
//! * `ready N`: waits until N workers are up;
//! * `kill K`: kills K of them at once, and tells after how many microseconds the last of their reports was in its hand as an
//!   MQTT subscriber, the last of them was up again, and the last of their steps was done. `null`: not within the bound;
//! * `pace R`: kills R of them a second for some seconds, and tells how far the reports fell behind: see `pace`.
//!
//! All times are of the one monotonic clock of the kernel.

use super::pace;
use super::worker_says::{SOCKET, Said};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{Client, Event, MqttOptions};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::io::BufRead;
use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take. Slower is a failure.
const BOUND: Duration = Duration::from_secs(30);

/// How long the workers may take to start: a thousand of them take their time.
const START: Duration = Duration::from_secs(600);

/// What is expected after a kill.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    /// The topic on which each death is told; empty: none is.
    pub(crate) topic: String,
    /// Whether a process that died is started anew.
    pub(crate) restarts: bool,
    /// How many steps each recovery has.
    pub(crate) steps: usize,
}

impl Expected {
    /// As arguments of the meter.
    pub(crate) fn arguments(&self) -> [String; 3] {
        [self.topic.clone(), u8::from(self.restarts).to_string(), self.steps.to_string()]
    }

    fn parse(arguments: &[String]) -> Self {
        let [topic, restarts, steps] = arguments else { panic!("meter TOPIC RESTARTS STEPS") };
        Self { topic: topic.clone(), restarts: restarts == "1", steps: steps.parse().expect("a number") }
    }
}

/// What came of a stroke: microseconds from the kill to the last of each.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Stroke {
    pub(crate) report: Option<f64>,
    pub(crate) up: Option<f64>,
    pub(crate) steps: Option<f64>,
    /// How many reports had come by the end.
    pub(crate) reports: usize,
}

/// What has come to the meter.
pub(crate) enum Came {
    /// A worker's word.
    Worker(Said),
    /// A report: when, and which process died, where it says so.
    Report(i64, Option<i32>),
}

/// Runs until its standard input ends.
pub(crate) fn run(arguments: &[String]) {
    let expected = Expected::parse(arguments);
    let (sender, came) = mpsc::channel();
    listen_to_workers(sender.clone());
    if !expected.topic.is_empty() {
        subscribe(&expected.topic, sender);
    }
    let mut meter = Meter { expected, came, up: VecDeque::new() };
    println!("\"listening\"");
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let (verb, number) = line.split_once(' ').expect("VERB NUMBER");
        let number = number.parse().expect("a number");
        match verb {
            "ready" => println!("{}", meter.wait_for_workers(number)),
            "kill" => println!("{}", serde_json::to_string(&meter.kill(number)).expect("JSON")),
            "pace" => println!("{}", serde_json::to_string(&pace::kill(&mut meter, number)).expect("JSON")),
            _ => panic!("{verb}?"),
        }
    }
}

/// What listens.
pub(crate) struct Meter {
    expected: Expected,
    pub(crate) came: Receiver<Came>,
    /// The workers that are up, in the order in which they came.
    pub(crate) up: VecDeque<i32>,
}

impl Meter {
    fn wait_for_workers(&mut self, number: usize) -> usize {
        let begun = Instant::now();
        while self.up.len() < number
            && let Ok(came) = self.came.recv_timeout(START.saturating_sub(begun.elapsed()))
        {
            if let Came::Worker(Said::Up { pid, .. }) = came {
                self.up.push_back(pid);
            }
        }
        self.up.len()
    }

    fn kill(&mut self, number: usize) -> Stroke {
        while let Ok(came) = self.came.try_recv() {
            if let Came::Worker(Said::Up { pid, .. }) = came {
                self.up.push_back(pid);
            }
        }
        let victims: Vec<i32> = self.up.drain(..number.min(self.up.len())).collect();
        let struck = now();
        for pid in &victims {
            strike(*pid);
        }
        let mut reports = Last::of(if self.expected.topic.is_empty() { 0 } else { number });
        let mut ups = Last::of(if self.expected.restarts { number } else { 0 });
        let mut steps = Last::of(self.expected.steps * number);
        let begun = Instant::now();
        while !(reports.is_complete() && ups.is_complete() && steps.is_complete()) {
            match self.came.recv_timeout(BOUND.saturating_sub(begun.elapsed())) {
                Ok(Came::Report(at, _)) => reports.note(at),
                Ok(Came::Worker(Said::Step { at })) => steps.note(at),
                Ok(Came::Worker(Said::Up { pid, at })) => {
                    self.up.push_back(pid);
                    ups.note(at);
                }
                Err(_) => break,
            }
        }
        let [report, up, steps] = [&reports, &ups, &steps].map(|last| last.since(struck));
        Stroke { report, up, steps, reports: reports.seen }
    }
}

/// When the last of several came.
struct Last {
    wanted: usize,
    seen: usize,
    at: i64,
}

impl Last {
    fn of(wanted: usize) -> Self {
        Self { wanted, seen: 0, at: 0 }
    }

    fn note(&mut self, at: i64) {
        self.seen += 1;
        if self.seen <= self.wanted {
            self.at = self.at.max(at);
        }
    }

    fn is_complete(&self) -> bool {
        self.seen >= self.wanted
    }

    #[allow(clippy::cast_precision_loss, reason = "spans of seconds")]
    fn since(&self, struck: i64) -> Option<f64> {
        (self.wanted > 0 && self.is_complete()).then(|| (self.at - struck) as f64 / 1e3)
    }
}

/// Kills a worker.
pub(crate) fn strike(pid: i32) {
    kill_process(Pid::from_raw(pid).expect("a pid"), Signal::KILL).expect("the worker is there");
}

/// Nanoseconds of the monotonic clock.
pub(crate) fn now() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

fn listen_to_workers(sender: Sender<Came>) {
    // Left by an earlier meter.
    let _ = std::fs::remove_file(SOCKET);
    let socket = UnixDatagram::bind(SOCKET).expect("the meter's socket");
    // Workers may have any user.
    std::fs::set_permissions(SOCKET, std::os::unix::fs::PermissionsExt::from_mode(0o666)).expect("root's file");
    thread::spawn(move || {
        let mut word = [0; 100];
        while let Ok(length) = socket.recv(&mut word) {
            if sender.send(Came::Worker(Said::parse(&word[..length]))).is_err() {
                return;
            }
        }
    });
}

/// Returns when the broker has acknowledged.
fn subscribe(topic: &str, sender: Sender<Came>) {
    let mut options = MqttOptions::new("meter", "127.0.0.1", 1883);
    options.set_keep_alive(Duration::from_secs(60));
    let (client, mut connection) = Client::new(options, 10);
    client.subscribe(topic, QoS::AtMostOnce).expect("there is room");
    let (acknowledged, is_acknowledged) = mpsc::channel();
    thread::spawn(move || {
        // Dropping the client would end the connection.
        let _client = client;
        for event in connection.iter() {
            match event {
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let at = now();
                    if sender.send(Came::Report(at, pid_in(&publish.payload))).is_err() {
                        return;
                    }
                }
                Ok(Event::Incoming(Packet::SubAck(_))) => acknowledged.send(()).expect("it is waited for"),
                Ok(_) => {}
                // The end of the host. Whatever is still waited for will be missed.
                Err(_) => return,
            }
        }
    });
    is_acknowledged.recv_timeout(BOUND).expect("a broker that answers");
}

fn pid_in(report: &[u8]) -> Option<i32> {
    let report: serde_json::Value = serde_json::from_slice(report).ok()?;
    report["pid"].as_str()?.parse().ok()
}
