//! Recorded sequences of real hosts: unchanged, with signals repeated and with signals lost.

use super::{check, lines, observation, told};
use crate::core::crash::observation::{InvocationId, Observation};
use crate::core::crash::tracker::Tracker;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

const RECORDED: [(&str, &str); 2] = [
    (include_str!("../recorded/systemd-252.txt"), "252"),
    (include_str!("../recorded/systemd-257.txt"), "257"),
];

fn recorded(text: &str) -> Vec<(String, Observation)> {
    lines(text).map(observation).collect()
}

#[test]
fn recorded_hosts_give_the_ends_that_were_brought_about() {
    let common = ["runtime", "oneshotfail", "notifydie", "exit3", "wd", "pre"];
    for (text, version) in RECORDED {
        let told = told(&recorded(text));
        for unit in common {
            assert_eq!(
                told.iter()
                    .filter(|end| end.split(' ').next() == Some(unit))
                    .count(),
                1,
                "{version} {unit}"
            );
        }
        assert!(
            !told
                .iter()
                .any(|end| end.starts_with("term3") || end.starts_with("oneshot ")),
            "{version}"
        );
    }
}

#[test]
fn recorded_hosts_give_these_ends_and_no_other() {
    check(
        RECORDED[0].0,
        &[
            "kill 48e2 Crash SIG 9 (Killed)",
            "kill f94b Crash SIG 9 (Killed)",
            "exit3 a2b4 Crash EXIT 3",
            "203 c999 Crash EXIT 219 (CGROUP)",
            "wd d9c2 Crash Watchdog timeout (1s)",
            "starttimeout d91a Crash Start timeout (1s)",
            "notifydie a2c5 Crash EXIT 4",
            "fork 967b Crash SIG 9 (Killed)",
            "pre 4b5b Crash <NA>",
            "post 670c Crash SIG 9 (Killed)",
            "post 95fd Crash SIG 9 (Killed)",
            "direct d7e6 Crash SIG 9 (Killed)",
            "direct 1929 Crash SIG 9 (Killed)",
            "clean c627 Death EXIT 0",
            "oneshotfail 0481 Crash EXIT 7",
            "loop 75c4 Crash EXIT 5",
            "loop bc9a Crash EXIT 5",
            "loop 74a4 Crash EXIT 5",
            "runtime 7611 Crash Runtime timeout (1s)",
            "stopto c690 Death EXIT 0",
        ],
    );
    check(
        RECORDED[1].0,
        &[
            "kill a211 Crash SIG 9 (Killed)",
            "exit3 4329 Crash EXIT 3",
            "203 6956 Crash EXIT 203 (EXEC)",
            "wd 41de Crash Watchdog timeout (1s)",
            "starttimeout 8290 Crash Start timeout (1s)",
            "notifydie d927 Crash EXIT 4",
            "fork b0f1 Crash SIG 9 (Killed)",
            "pre e59d Crash <NA>",
            "post be4e Crash SIG 9 (Killed)",
            "post 8004 Crash Start failed (resources)",
            "direct 1e15 Crash SIG 9 (Killed)",
            "direct 0f60 Crash SIG 9 (Killed)",
            "clean f66b Death EXIT 0",
            "oneshotfail 8a89 Crash EXIT 7",
            "loop 5de6 Crash EXIT 5",
            "loop 7ae3 Crash EXIT 5",
            "loop b62c Crash EXIT 5",
            "runtime 08ba Crash Runtime timeout (1s)",
            "stopto 157e Crash Stop timeout (1s)",
        ],
    );
}

#[test]
fn repeated_signals_change_nothing() {
    for (text, version) in RECORDED {
        let once = recorded(text);
        let thrice: Vec<_> = once
            .iter()
            .flat_map(|seen| [seen.clone(), seen.clone(), seen.clone()])
            .collect();
        assert_eq!(told(&thrice), told(&once), "{version}");
    }
}

#[test]
fn a_lost_signal_costs_at_most_an_end_it_was_the_only_one_to_show() {
    let who = |end: &String| end.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" ");
    for (text, version) in RECORDED {
        let all = recorded(text);
        let expect: HashSet<_> = told(&all).iter().map(who).collect();
        for lost in 0..all.len() {
            let mut rest = all.clone();
            let (unit, gone) = rest.remove(lost);
            let told: Vec<_> = told(&rest).iter().map(who).collect();
            let distinct: HashSet<_> = told.iter().cloned().collect();
            assert_eq!(
                distinct.len(),
                told.len(),
                "{version}: told twice without {gone:?}"
            );
            assert!(
                distinct.is_subset(&expect),
                "{version}: {:?} without {gone:?}",
                distinct.difference(&expect)
            );
            let lost_run = format!(
                "{unit} {}",
                &gone.invocation.as_ref().map_or("", InvocationId::as_str)[..4]
            );
            assert!(
                expect.difference(&distinct).all(|end| *end == lost_run),
                "{version}: without {gone:?}"
            );
        }
    }
}

#[test]
fn no_end_is_told_twice_whatever_is_lost() {
    let mut random: u64 = 42;
    for (text, _) in RECORDED {
        let all = recorded(text);
        for _ in 0..300 {
            let some: Vec<_> = all
                .iter()
                .filter(|_| {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    random >> 62 == 0
                })
                .cloned()
                .collect();
            let told = told(&some);
            let runs: HashSet<_> = told.iter().map(|end| end.split(' ').nth(1)).collect();
            assert_eq!(runs.len(), told.len());
        }
    }
}

#[test]
fn what_ended_before_the_watch_began_is_not_told() {
    for (text, version) in RECORDED {
        let all = recorded(text);
        for first in 0..all.len() {
            let since = all[first].1.changed + Duration::from_micros(1);
            let mut trackers = BTreeMap::new();
            let mut told = HashSet::new();
            for (unit, now) in &all[first..] {
                let tracker = trackers.entry(unit).or_insert_with(|| Tracker::new(since));
                for ended in tracker.observe(now).ended {
                    assert!(now.changed >= since, "{version}: {ended:?}");
                    assert!(told.insert(ended.invocation), "{version}: twice");
                }
            }
        }
    }
}
