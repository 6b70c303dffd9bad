//! The supervisors in the measures of deaths, and their setup. Their configuration is in
//! `benches/peers`.

use super::floor;
use super::meter::Expected;
use super::subject::{Recipe, Stock};
use crate::host::Debian;
use std::time::Duration;

/// Time from the kill to the message at the subscriber.
pub(crate) const REPORT: &str = "crash-to-subscriber";
/// Time from the kill to the main process's first instruction, without steps.
pub(crate) const MAIN: &str = "recovery/main";
/// The same with four steps, of which two are before the restart.
pub(crate) const STEPS_MAIN: &str = "recovery/steps/main";
/// Time from the kill to the end of the last of four steps.
pub(crate) const STEPS_LAST: &str = "recovery/steps/last";

/// The name under which the project takes part.
pub(crate) const OURS: &str = "unitward";
/// The name of the bare listener.
pub(crate) const FLOOR: &str = "floor: a bare listener";

const REPORTS: &str = "Crash/Reports";
const START_UNIT: &str = "systemctl daemon-reload; systemctl start web";
const START_WARD: &str =
    "systemctl daemon-reload; systemctl restart unitwardd; systemctl start web; sleep 0.5";

/// Returns the project with a ward in this folder.
pub(crate) fn ours(folder: &'static str, steps: usize) -> Recipe {
    Recipe {
        name: OURS,
        measures: if steps == 0 {
            &[REPORT, MAIN]
        } else {
            &[STEPS_MAIN, STEPS_LAST]
        },
        folder,
        stock: Stock::Ours,
        package: "unitward",
        start: START_WARD,
        expected: Expected {
            topic: REPORTS.to_owned(),
            restarts: true,
            steps,
        },
        workers: 1,
        every: if steps == 0 { 1 } else { 3 },
        cycle: Duration::ZERO,
    }
}

/// Returns the bare listener beside a service that systemd restarts.
pub(crate) fn floor() -> Recipe {
    Recipe {
        start: "systemctl daemon-reload; systemctl start floor; sleep 0.5; systemctl start web",
        expected: Expected {
            topic: floor::TOPIC.to_owned(),
            restarts: true,
            steps: 0,
        },
        ..systemd(FLOOR, "floor", &[REPORT])
    }
}

/// Returns the same beside a service that has an `ExecStopPost=` line, as a ward's has: no listener
/// learns of such a death sooner.
fn floor_of_wards() -> Recipe {
    let name = "floor: the same, of a service with ExecStopPost=";
    Recipe {
        name,
        folder: "floor-stop-post",
        every: 2,
        ..floor()
    }
}

/// Returns the same beside services with the two lines that a ward has without steps: the least
/// that a storm of wards costs PID 1.
pub(crate) fn floor_of_two_lines() -> Recipe {
    Recipe {
        name: "floor: the same, of services with two lines",
        folder: "floor-two-lines",
        ..floor()
    }
}

/// Returns all recipes for this version: the peers' own hosts are Debian 13.
pub(crate) fn all(debian: Debian) -> Vec<Recipe> {
    let mut recipes = of(debian);
    // Beginnings of names, with commas between: for a look at some of the peers.
    if let Ok(wanted) = std::env::var("UNITWARD_BENCH_PEERS") {
        let is_wanted = |recipe: &Recipe| wanted.split(',').any(|one| recipe.name.starts_with(one));
        recipes.retain(|recipe| recipe.name == OURS || is_wanted(recipe));
    }
    recipes
}

#[expect(clippy::too_many_lines, reason = "a table of recipes")]
fn of(debian: Debian) -> Vec<Recipe> {
    // Before systemd 254 a unit that will be restarted does not count as failed
    // (systemd.service(5), Restart=).
    let (on_failure, rarely) = if debian == Debian::Bookworm {
        ("", 300)
    } else {
        (REPORTS, 1)
    };
    let template = systemd(
        "systemd, OnFailure= with mosquitto_pub",
        "on-failure",
        &[REPORT],
    );
    let stop_post = systemd(
        "systemd, ExecStopPost= with mosquitto_pub",
        "stop-post",
        &[REPORT],
    );
    let steps = Expected {
        restarts: true,
        steps: 4,
        ..Expected::default()
    };
    let with_steps = |name, folder| Recipe {
        expected: steps.clone(),
        every: 3,
        ..systemd(name, folder, &[STEPS_MAIN, STEPS_LAST])
    };
    let mut all = vec![
        ours("unitward", 0),
        floor(),
        floor_of_wards(),
        telling(
            Recipe {
                every: rarely,
                ..template
            },
            on_failure,
        ),
        telling(
            Recipe {
                every: 2,
                ..stop_post
            },
            REPORTS,
        ),
        Recipe {
            every: 2,
            ..systemd("systemd, RestartSec=0", "systemd", &[MAIN])
        },
        Recipe {
            every: 2,
            ..systemd(
                "systemd, two lines that do nothing",
                "systemd-two-lines",
                &[MAIN],
            )
        },
        Recipe {
            every: 3,
            ..systemd("systemd, default RestartSec=", "systemd-default", &[MAIN])
        },
        ours("unitward-steps", 4),
        with_steps("systemd, ExecStartPre= and ExecStartPost=", "systemd-steps"),
        with_steps(
            "systemd, the same and two lines that do nothing",
            "systemd-steps-two-lines",
        ),
    ];
    if debian == Debian::Trixie {
        let everything = &[REPORT, MAIN, STEPS_MAIN, STEPS_LAST];
        let monit = peer("monit", &[REPORT, MAIN], "systemctl start monit");
        let monit = Recipe {
            every: 15,
            cycle: Duration::from_secs(1),
            ..monit
        };
        let supervisord = peer("supervisord", everything, "systemctl start supervisor");
        all.extend([
            telling(
                Recipe {
                    package: "supervisor",
                    every: 6,
                    ..supervisord
                },
                REPORTS,
            ),
            Recipe {
                every: 4,
                ..peer("runit", everything, START_RUNIT)
            },
            Recipe {
                every: 4,
                ..peer("s6", everything, START_S6)
            },
            Recipe {
                expected: steps,
                folder: "monit-steps",
                measures: &[STEPS_MAIN, STEPS_LAST],
                ..monit.clone()
            },
            telling(monit, REPORTS),
        ]);
    }
    all
}

const START_RUNIT: &str = "mkdir -p /etc/service; ln -s /etc/sv/web /etc/service/web; systemctl daemon-reload; systemctl start runit";
const START_S6: &str = "systemctl daemon-reload; systemctl start s6";

fn systemd(name: &'static str, folder: &'static str, measures: &'static [&'static str]) -> Recipe {
    Recipe {
        name,
        measures,
        folder,
        stock: Stock::Debian,
        package: "systemd",
        start: START_UNIT,
        expected: Expected {
            restarts: true,
            ..Expected::default()
        },
        workers: 1,
        every: 1,
        cycle: Duration::ZERO,
    }
}

fn peer(name: &'static str, measures: &'static [&'static str], start: &'static str) -> Recipe {
    Recipe {
        stock: Stock::Peers,
        package: name,
        start,
        ..systemd(name, name, measures)
    }
}

fn telling(recipe: Recipe, topic: &str) -> Recipe {
    Recipe {
        expected: Expected {
            topic: topic.to_owned(),
            ..recipe.expected
        },
        ..recipe
    }
}
