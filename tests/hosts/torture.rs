//! Torture: 22 services die all the time while the daemon, its broker, the network between them, the bus and PID 1 are killed,
//! stopped, frozen, cut and restarted at random. No crash may go unreported, none may be told twice without need.
//!
//! It ends after so many deaths or so many seconds, whichever comes first: `UNITWARD_TORTURE_DEATHS` (300; 2000 is a
//! thorough run) and `UNITWARD_TORTURE_SECONDS` (60; 600). `UNITWARD_TORTURE_SEED` repeats the deeds of an earlier run, and
//! `UNITWARD_TORTURE_DEEDS=RestartBus,KillDaemon` does only these, to find out which of them it was.

mod chaos;
mod dice;
mod judgement;
mod population;

use crate::host::Debian;
use crate::on_both;
use chaos::{Deed, World};
use dice::Dice;
use std::time::{Duration, Instant, SystemTime};

/// How much of it.
struct Measure {
    deaths: usize,
    time: Duration,
}

impl Measure {
    fn from_environment() -> Self {
        let deaths = number_from("UNITWARD_TORTURE_DEATHS").unwrap_or(300);
        let seconds = number_from("UNITWARD_TORTURE_SECONDS").unwrap_or(60);
        Self {
            deaths: deaths as usize,
            time: Duration::from_secs(seconds),
        }
    }
}

/// A number from the environment.
///
/// # Panics
///
/// When it is something else: a typing error must not make a short run of a long one.
fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|error| panic!("{variable}={text}: {error}")),
    )
}

/// What is done again and again.
fn deeds() -> Vec<Deed> {
    let Ok(wanted) = std::env::var("UNITWARD_TORTURE_DEEDS") else {
        return Deed::REPEATABLE.to_vec();
    };
    let deeds = wanted.split(',').map(|name| {
        let known = Deed::REPEATABLE
            .into_iter()
            .find(|deed| format!("{deed:?}") == name);
        known.unwrap_or_else(|| {
            panic!(
                "UNITWARD_TORTURE_DEEDS={wanted}: there is {:?}",
                Deed::REPEATABLE
            )
        })
    });
    deeds.collect()
}

/// Lets them die until there is enough of it, with `once` in the middle, then mends everything and judges.
fn torture(debian: Debian, once: Deed) {
    let mut dice = Dice::roll_or_repeat();
    let measure = Measure::from_environment();
    let mut world = World::new(debian);
    population::settle(&world.host);
    population::let_die(&world.host);
    let begun = Instant::now();
    world.begun = SystemTime::now();
    let (mut deck, mut booted, deeds) = (Vec::new(), false, deeds());
    loop {
        let (deaths, time) = (population::count_deaths(&world.host), begun.elapsed());
        let is_enough = deaths >= measure.deaths || time >= measure.time;
        let deed = match deck.pop() {
            _ if !booted
                && (is_enough || deaths >= measure.deaths / 2 || time >= measure.time / 2) =>
            {
                once
            }
            _ if is_enough => break,
            Some(deed) => deed,
            None => {
                deck = dice.shuffled(&deeds);
                continue;
            }
        };
        println!("{:6.3} s, {deaths} deaths: {deed:?}", time.as_secs_f64());
        world.disturb(deed, &mut dice);
        if deed == once {
            booted = true;
            population::let_die(&world.host);
        }
        std::thread::sleep(dice.time(50, 500));
    }
    population::let_live(&world.host);
    println!(
        "{:6.3} s, {} deaths",
        begun.elapsed().as_secs_f64(),
        population::count_deaths(&world.host)
    );
    let complaints = judgement::judge(&world);
    assert!(
        complaints.is_empty(),
        "{} complaints:\n{}",
        complaints.len(),
        complaints.join("\n")
    );
}

on_both! {
    fn no_crash_goes_unreported_whatever_is_done_to_the_host(debian: Debian) {
        torture(debian, Deed::Reboot);
    }

    fn a_power_cut_takes_only_what_no_disk_knew_of(debian: Debian) {
        torture(debian, Deed::PowerCut);
    }
}
