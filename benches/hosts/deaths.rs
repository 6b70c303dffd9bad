//! A service dies: how soon does the cloud know, how soon does it run again, how soon is the last of four steps done?
//!
//! Each way of supervising has a host of its own, and they take turns, a kill each, so that a change of the machine's pace
//! meets all of them.

use super::Bench;
use super::floor;
use super::meter::{Expected, Stroke};
use super::results::{Figures, Row};
use super::subject::{BENCH, Recipe, Subject, WORKER};
use crate::host::{Debian, Host};
use std::thread;
use std::time::Duration;

/// What an end leaves to do is over by then, and no two deaths of a service are closer than peers' least time between starts.
const REST: Duration = Duration::from_millis(150);

fn recipes() -> Vec<Recipe> {
    let expected = |topic: &str, steps| Expected { topic: topic.to_owned(), restarts: true, steps };
    let systemd = "systemctl --version | head -1";
    vec![
        Recipe {
            name: "unitward",
            ours: true,
            expected: expected("Crash/Reports", 0),
            workers: 1,
            version: "dpkg-query -W -f '${Version}' unitward",
            set_up: |host| ward(host, ""),
        },
        Recipe {
            name: "unitward, four steps",
            ours: true,
            expected: expected("Crash/Reports", 4),
            workers: 1,
            version: "dpkg-query -W -f '${Version}' unitward",
            set_up: |host| {
                let step = format!("Execute={WORKER} step\n");
                ward(host, &format!("[OnDeath]\n{step}{step}Restart=%n\n{step}{step}"));
            },
        },
        Recipe {
            name: "floor",
            ours: false,
            expected: expected(floor::TOPIC, 0),
            workers: 1,
            version: systemd,
            set_up: |host| {
                host.write(
                    "/etc/systemd/system/floor.service",
                    &format!("[Unit]\nAfter=mosquitto.service\n[Service]\nExecStart={BENCH} floor\n"),
                );
                host.sh("systemctl daemon-reload; systemctl start floor; sleep 0.5");
                service(host, "RestartSec=0\n");
            },
        },
        Recipe {
            name: "systemd, RestartSec=0, four steps",
            ours: false,
            expected: expected("", 4),
            workers: 1,
            version: systemd,
            set_up: |host| {
                let (before, after) =
                    (format!("ExecStartPre={WORKER} step\n"), format!("ExecStartPost={WORKER} step\n"));
                service(host, &format!("RestartSec=0\n{before}{before}{after}{after}"));
            },
        },
        Recipe {
            name: "systemd, RestartSec=0, two lines that do nothing",
            ours: false,
            expected: expected("", 0),
            workers: 1,
            version: systemd,
            set_up: |host| service(host, "RestartSec=0\nExecStartPre=/bin/true\nExecStopPost=/bin/true\n"),
        },
    ]
}

fn ward(host: &Host, more: &str) {
    host.write(
        "/etc/unitward/unitward.conf",
        "[MQTT]\nBroker=mqtt://127.0.0.1:1883\n[Reports]\nBurst=100000\nRecoveries=no\n",
    );
    let text = format!("[Service]\nExecStart={WORKER} up\n[Recovery]\nDeathLimit=0\nDelaySec=0\nMaxDelaySec=0\n{more}");
    host.write("/etc/unitward/web.ward", &text);
    host.sh("systemctl daemon-reload; systemctl restart unitwardd; systemctl start web; sleep 0.5");
}

fn service(host: &Host, more: &str) {
    let text = format!("[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart={WORKER} up\nRestart=always\n{more}");
    host.write("/etc/systemd/system/web.service", &text);
    host.sh("systemctl daemon-reload; systemctl start web");
}

/// Measures on a host of this version.
pub(crate) fn measure(bench: &mut Bench, debian: Debian) {
    let rounds = bench.rounds(300);
    let recipes = recipes();
    let mut subjects: Vec<_> = recipes.iter().map(|recipe| Subject::new(debian, recipe)).collect();
    thread::sleep(Duration::from_secs(1));
    let mut strokes: Vec<Vec<Stroke>> = vec![Vec::new(); subjects.len()];
    for _ in 0..rounds {
        for (subject, strokes) in subjects.iter_mut().zip(&mut strokes) {
            strokes.push(subject.strike(1));
            thread::sleep(REST);
        }
    }
    for (subject, strokes) in subjects.iter().zip(strokes) {
        let of = |value: fn(&Stroke) -> Option<f64>| {
            Figures::of(strokes.iter().filter_map(value).map(|micros| micros / 1e3).collect())
        };
        let values = [of(|stroke| stroke.report), of(|stroke| stroke.up), of(|stroke| stroke.steps)];
        for (name, figures) in ["report", "up", "steps"].iter().zip(values) {
            let Some(figures) = figures else { continue };
            let name = format!("{name}/{}/{}", subject.name, subject.version);
            bench.results.put(Row::new(&name, (bench.host(debian), "ms"), figures, None));
        }
    }
}
