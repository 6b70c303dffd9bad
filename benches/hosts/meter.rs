//! The meter, inside a host: kills workers, and notes the times of the events that follow a kill.
//!
//! It reads a command a line from its standard input and answers with a line of JSON:
//!
//! * `ready N`: waits until N workers are up;
//! * `kill K`: kills K of them at once, and gives the microseconds until it, as an MQTT subscriber,
//!   had received the last of their reports, the last of them was up again, and the last of their
//!   steps was done. `null`: not within the bound;
//! * `pace R`: kills R of them a second for some seconds, and gives the lag of the reports: see
//!   `pace`.
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

/// Upper bound of every wait after a kill. Slower is a failure.
const BOUND: Duration = Duration::from_secs(30);

/// Upper bound of the workers' start: a thousand of them take their time.
const START: Duration = Duration::from_secs(600);

/// The events that are expected after a kill.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    /// The topic of the death reports; empty: there are none.
    pub(crate) topic: String,
    /// True if a process that died is started anew.
    pub(crate) restarts: bool,
    /// Number of steps of each recovery.
    pub(crate) steps: usize,
}

impl Expected {
    /// Returns it as arguments of the meter.
    pub(crate) fn arguments(&self) -> [String; 3] {
        [
            self.topic.clone(),
            u8::from(self.restarts).to_string(),
            self.steps.to_string(),
        ]
    }

    fn parse(arguments: &[String]) -> Self {
        let [topic, restarts, steps] = arguments else {
            panic!("meter TOPIC RESTARTS STEPS")
        };
        Self {
            topic: topic.clone(),
            restarts: restarts == "1",
            steps: steps.parse().expect("a number"),
        }
    }
}

/// Result of a stroke: microseconds from the kill to the last event of each kind.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Stroke {
    pub(crate) report: Option<f64>,
    pub(crate) up: Option<f64>,
    pub(crate) steps: Option<f64>,
    /// Number of reports by the end.
    pub(crate) reports: usize,
}

/// An event at the meter.
pub(crate) enum Came {
    /// A worker's message.
    Worker(Said),
    /// A report: its time, and the ID of the process that died, if it has one.
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
    let mut meter = Meter {
        expected,
        came,
        up: VecDeque::new(),
    };
    println!("\"listening\"");
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let (verb, number) = line.split_once(' ').expect("VERB NUMBER");
        let number = number.parse().expect("a number");
        match verb {
            "ready" => println!("{}", meter.wait_for_workers(number)),
            "kill" => println!(
                "{}",
                serde_json::to_string(&meter.kill(number)).expect("JSON")
            ),
            "pace" => println!(
                "{}",
                serde_json::to_string(&pace::kill(&mut meter, number)).expect("JSON")
            ),
            _ => panic!("{verb}?"),
        }
    }
}

/// State of the meter.
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
            && let Ok(came) = self
                .came
                .recv_timeout(START.saturating_sub(begun.elapsed()))
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
        let mut reports = Last::of(if self.expected.topic.is_empty() {
            0
        } else {
            number
        });
        let mut ups = Last::of(if self.expected.restarts { number } else { 0 });
        let mut steps = Last::of(self.expected.steps * number);
        let begun = Instant::now();
        while !(reports.is_complete() && ups.is_complete() && steps.is_complete()) {
            match self
                .came
                .recv_timeout(BOUND.saturating_sub(begun.elapsed()))
            {
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
        Stroke {
            report,
            up,
            steps,
            reports: reports.seen,
        }
    }
}

/// Time of the last of several events.
struct Last {
    wanted: usize,
    seen: usize,
    at: i64,
}

impl Last {
    fn of(wanted: usize) -> Self {
        Self {
            wanted,
            seen: 0,
            at: 0,
        }
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

/// Returns the monotonic clock, in nanoseconds.
pub(crate) fn now() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

fn listen_to_workers(sender: Sender<Came>) {
    // Left by an earlier meter.
    let _ = std::fs::remove_file(SOCKET);
    let socket = UnixDatagram::bind(SOCKET).expect("the meter's socket");
    // Workers may have any user.
    std::fs::set_permissions(SOCKET, std::os::unix::fs::PermissionsExt::from_mode(0o666))
        .expect("root's file");
    thread::spawn(move || {
        let mut word = [0; 100];
        while let Ok(length) = socket.recv(&mut word) {
            if sender
                .send(Came::Worker(Said::parse(&word[..length])))
                .is_err()
            {
                return;
            }
        }
    });
}

/// Subscribes to the topic, and returns when the broker has acknowledged.
fn subscribe(topic: &str, sender: Sender<Came>) {
    let mut options = MqttOptions::new("meter", "127.0.0.1", 1883);
    options.set_keep_alive(Duration::from_secs(60));
    let (client, mut connection) = Client::new(options, 10);
    client
        .subscribe(topic, QoS::AtMostOnce)
        .expect("there is room");
    let (acknowledged, is_acknowledged) = mpsc::channel();
    thread::spawn(move || {
        // Dropping the client would end the connection.
        let _client = client;
        for event in connection.iter() {
            match event {
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let at = now();
                    if sender
                        .send(Came::Report(at, pid_in(&publish.payload)))
                        .is_err()
                    {
                        return;
                    }
                }
                Ok(Event::Incoming(Packet::SubAck(_))) => {
                    acknowledged.send(()).expect("it is waited for")
                }
                Ok(_) => {}
                // The host ends. Reports that are still expected will be missed.
                Err(_) => return,
            }
        }
    });
    is_acknowledged
        .recv_timeout(BOUND)
        .expect("a broker that answers");
}

fn pid_in(report: &[u8]) -> Option<i32> {
    let report: serde_json::Value = serde_json::from_slice(report).ok()?;
    report["pid"].as_str()?.parse().ok()
}
