//! What must hold when the dust has settled. Every complaint is collected, so that one run tells all that is wrong.

use super::chaos::{Deed, World};
use super::population::{Death, deaths};
use crate::host::{Host, Message};
use crate::report::told;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the next report may take to come when everything works again.
const CATCHING_UP: Duration = Duration::from_secs(20);
/// Reports on their way at once, and so the number whose acknowledgements one deed can take away.
const IN_FLIGHT: usize = 16;
/// What may pass between a deed here and its effect there.
const SLACK: Duration = Duration::from_secs(2);
/// Runs that are looked up in the journal, one by one; with more complaints than that nobody reads them.
const LOOKED_UP: usize = 40;

/// `MESSAGE_ID=` of systemd: a unit is being started; one is being stopped; a process has ended; a unit has ended well; it is stopped; it has failed.
const STARTING: &str = "7d4958e842da4a758f6c1cdc7b36dcc5";
const STOPPING: &str = "de5b426a63be47a7b6ac3eaac82e2f6f";
const PROCESS_EXIT: &str = "98e322203f7a4ed290d09fe03c09fe15";
const SUCCEEDED: &str = "7ad2d189f7e94e70a38c781354912448";
const STOPPED: &str = "9d1aaa27d60140bd96365438aad20286";
const FAILED: &str = "d9b373ed55a64feb8242e02dbe79a49c";

/// Waits until everything is told, and gives the complaints.
pub(super) fn judge(world: &World) -> Vec<String> {
    let died = deaths(&world.host);
    let known: BTreeSet<_> = died.iter().map(|death| death.invocation.as_str()).collect();
    wait_for_all(world, &known);
    let reports = reports(world);
    let mut complaints = Vec::new();
    complaints.extend(missing(world, &died, &reports));
    complaints.extend(invented(world, &known, &reports));
    complaints.extend(wrong(world, &died, &reports));
    complaints.extend(out_of_order(world, &reports));
    complaints.extend(unexplained_twins(world, &reports));
    complaints.extend(forgotten(&world.host, &reports));
    complaints
}

/// What was received, as far as the judgement is concerned.
struct Report {
    id: String,
    body: Value,
    heard: SystemTime,
}

fn reports(world: &World) -> Vec<Report> {
    let crashes = world
        .reports
        .received()
        .into_iter()
        .filter(|message| message.topic() == "Crash/Reports");
    crashes
        .map(|message| Report {
            id: id(&message),
            body: message.json(),
            heard: message.heard(),
        })
        .collect()
}

fn id(message: &Message) -> String {
    message
        .user_property("report-id")
        .unwrap_or_else(|| panic!("a report without an id: {message:?}"))
        .to_owned()
}

/// Returns when all have come, or when no more come.
fn wait_for_all(world: &World, known: &BTreeSet<&str>) {
    let (mut missing, mut since) = (known.len(), Instant::now());
    while missing > 0 && since.elapsed() < CATCHING_UP {
        std::thread::sleep(Duration::from_millis(200));
        let told: BTreeSet<_> = reports(world).into_iter().map(|report| report.id).collect();
        let left = known.iter().filter(|id| !told.contains(**id)).count();
        if left < missing {
            println!("{left} of {} reports are still to come", known.len());
            (missing, since) = (left, Instant::now());
        }
    }
    // A twin or an invention would come about now.
    std::thread::sleep(Duration::from_secs(2));
}

/// Deaths that nobody was told of. A run that systemd was stopping already has not crashed. What a power cut took with it,
/// nobody can tell: then a death may be missing of which the journal, too, knows nothing.
fn missing(world: &World, died: &[Death], reports: &[Report]) -> Vec<String> {
    let told: BTreeSet<_> = reports.iter().map(|report| report.id.as_str()).collect();
    let missing: Vec<_> = died
        .iter()
        .filter(|death| !told.contains(death.invocation.as_str()))
        .collect();
    let accused = missing.iter().take(LOOKED_UP).filter_map(|death| {
        let entries = of_run(&world.host, &death.invocation);
        (!was_being_stopped(&entries)
            && !went_down_with_the_host(world, death, &entries)
            && !was_cut_off(world, died, death, &entries))
        .then(|| {
            format!(
                "not told, died at {:.3}: {death:?}; {}",
                since(world, death.at),
                in_short(&entries)
            )
        })
    });
    let rest = missing.len().saturating_sub(LOOKED_UP);
    accused
        .chain((rest > 0).then(|| format!("not told: {rest} more")))
        .collect()
}

/// A clean end of which PID 1 had not said anything when the host went down, and then told that it had wanted the unit stopped: an
/// end that comes to its judgement after the stop was wanted counts as asked for.
fn went_down_with_the_host(world: &World, death: &Death, entries: &[Value]) -> bool {
    let time = |millis: u64| UNIX_EPOCH + Duration::from_millis(millis);
    let mut reboots = world
        .disturbances
        .iter()
        .filter(|disturbance| disturbance.deed == Deed::Reboot);
    let [stopped, succeeded] = entries.iter().rev().take(2).collect::<Vec<_>>()[..] else {
        return false;
    };
    let told = millis(succeeded)
        .map(time)
        .filter(|_| stopped["MESSAGE_ID"] == STOPPED && succeeded["MESSAGE_ID"] == SUCCEEDED);
    reboots.any(|reboot| {
        told.is_some_and(|told| told > reboot.began) && time(death.at) < reboot.mended
    })
}

/// The last death of its unit before the power was cut, of which PID 1 had not said a word by then: on a busy machine that takes it
/// seconds, for it runs our lines first. Once the unit was started anew, its end was known.
fn was_cut_off(world: &World, died: &[Death], death: &Death, entries: &[Value]) -> bool {
    let time = |death: &Death| UNIX_EPOCH + Duration::from_millis(death.at);
    let at = time(death);
    let mut cuts = world
        .disturbances
        .iter()
        .filter(|disturbance| disturbance.deed == Deed::PowerCut);
    let is_last = cuts.any(|cut| {
        let lived_again = |other: &&Death| {
            other.name == death.name && time(other) > at && time(other) < cut.began
        };
        at < cut.mended
            && !died.iter().any(|other| lived_again(&other))
            && !was_started(world, death, cut.began)
    });
    is_last
        && !entries.iter().any(|entry| {
            [PROCESS_EXIT, FAILED]
                .iter()
                .any(|id| entry["MESSAGE_ID"] == **id)
        })
}

/// Whether PID 1 has told of a start of the unit between its death and this moment.
fn was_started(world: &World, death: &Death, before: SystemTime) -> bool {
    let starts = world.host.journal_json(&[
        "_PID=1",
        &format!("UNIT={}.service", death.name),
        &format!("MESSAGE_ID={STARTING}"),
    ]);
    let times = starts
        .iter()
        .filter_map(|entry| entry["_SOURCE_REALTIME_TIMESTAMP"].as_str()?.parse().ok());
    let mut times = times.map(|micros| UNIX_EPOCH + Duration::from_micros(micros));
    times.any(|time| time > UNIX_EPOCH + Duration::from_millis(death.at) && time < before)
}

/// Reports of runs that never died, or that were asked to.
fn invented(world: &World, known: &BTreeSet<&str>, reports: &[Report]) -> Vec<String> {
    let strange: BTreeMap<_, _> = reports
        .iter()
        .map(|report| (report.id.as_str(), &report.body))
        .collect();
    let strange = strange.into_iter().filter(|(id, _)| !known.contains(id));
    let invented = strange.take(LOOKED_UP).filter_map(|(id, body)| {
        let entries = of_run(&world.host, id);
        // A start that fails because the manager is busy with itself is a crash, though no service announced it.
        let failed = entries.iter().any(|entry| entry["MESSAGE_ID"] == FAILED);
        println!("unannounced: {id} {body}; {}", in_short(&entries));
        (!failed || was_being_stopped(&entries))
            .then(|| format!("invented: {id} {body}; {}", in_short(&entries)))
    });
    invented.collect()
}

/// Reports that say something else than what happened.
fn wrong(world: &World, died: &[Death], reports: &[Report]) -> Vec<String> {
    let died: BTreeMap<_, _> = died
        .iter()
        .map(|death| (death.invocation.as_str(), death))
        .collect();
    let wrong = reports.iter().filter_map(|report| {
        let death = died.get(report.id.as_str())?;
        let body = &report.body;
        let at = body["timestamp"].as_u64()?;
        let is_right = body["name"] == death.name.as_str()
            && body["reason"] == death.way.reason()
            && at + 50 >= death.at;
        // The machine is busy, but a death is not told with the time at which it was found.
        if is_right && at <= death.at + 3000 {
            return None;
        }
        // A service may wait for the processor between its last word and its end. PID 1 has seen the latter.
        let entries = of_run(&world.host, &report.id);
        let exit = entries
            .iter()
            .find(|entry| entry["MESSAGE_ID"] == PROCESS_EXIT)
            .and_then(millis);
        let is_right = is_right && exit.is_some_and(|exit| at <= exit + 50);
        (!is_right).then(|| {
            let (off, when) = (
                at as i64 - death.at as i64,
                story(world, death.at, report.heard),
            );
            format!(
                "wrong, {when}, off by {off} ms: {body} for {death:?}; {}",
                in_short(&entries)
            )
        })
    });
    wrong.collect()
}

/// Wards whose deaths were not told in the order in which they happened; of twins the first counts.
fn out_of_order(world: &World, reports: &[Report]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut last: BTreeMap<String, (u64, &Report)> = BTreeMap::new();
    let mut complaints = Vec::new();
    for report in reports.iter().filter(|report| seen.insert(&report.id)) {
        let (name, at) = (
            report.body["name"].to_string(),
            report.body["timestamp"].as_u64().unwrap_or_default(),
        );
        let before = last.insert(name.clone(), (at, report));
        if let Some((younger, early)) = before.filter(|(before, _)| *before > at) {
            let (first, then) = (
                story(world, younger, early.heard),
                story(world, at, report.heard),
            );
            complaints.push(format!(
                "out of order: {name}'s {}, {first}; then {}, {then}",
                early.id, report.id
            ));
        }
    }
    complaints
}

/// When it died and when it was told, in seconds since the beginning, as the deeds are told.
fn story(world: &World, at: u64, heard: SystemTime) -> String {
    let heard = heard
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    format!(
        "died at {:.3}, told at {:.3}",
        since(world, at),
        since(world, heard.try_into().unwrap_or_default())
    )
}

/// Seconds since the beginning.
fn since(world: &World, at: u64) -> f64 {
    let at = UNIX_EPOCH + Duration::from_millis(at);
    at.duration_since(world.begun)
        .unwrap_or_default()
        .as_secs_f64()
}

/// Twins between whose receptions nothing happened that could have taken an acknowledgement away, or that differ.
fn unexplained_twins(world: &World, reports: &[Report]) -> Vec<String> {
    let mut first: BTreeMap<&str, &Report> = BTreeMap::new();
    let (mut complaints, mut twins) = (Vec::new(), 0);
    let cuts: Vec<_> = world
        .disturbances
        .iter()
        .filter(|disturbance| disturbance.deed.cuts_a_connection())
        .collect();
    for report in reports {
        let Some(earlier) = first.insert(&report.id, report) else {
            continue;
        };
        twins += 1;
        let explains = |cut: &&&super::chaos::Disturbance| {
            earlier.heard < cut.mended + SLACK && report.heard > cut.began
        };
        if !cuts.iter().any(|cut| explains(&cut)) {
            let apart = report
                .heard
                .duration_since(earlier.heard)
                .unwrap_or_default();
            complaints.push(format!(
                "a twin for no reason, {apart:?} later: {} {}",
                report.id, report.body
            ));
        }
        if earlier.body != report.body {
            complaints.push(format!(
                "twins that differ: {} and {}",
                earlier.body, report.body
            ));
        }
    }
    println!(
        "{} reports, {twins} twins, {} disturbances that cut a connection",
        reports.len(),
        cuts.len()
    );
    if twins > IN_FLIGHT * cuts.len() {
        complaints.push(format!(
            "{twins} twins are more than {} disturbances explain",
            cuts.len()
        ));
    }
    complaints
}

/// Reports that the host itself does not remember.
fn forgotten(host: &Host, reports: &[Report]) -> Vec<String> {
    let remembered = match told(host) {
        Ok(entries) => entries,
        Err(why) => return vec![format!("unitward reports --json: {why}")],
    };
    let remembered: BTreeSet<_> = remembered
        .iter()
        .filter_map(|entry| entry["invocation"].as_str())
        .collect();
    let sent: BTreeSet<_> = reports.iter().map(|report| report.id.as_str()).collect();
    let forgotten = sent.into_iter().filter(|id| !remembered.contains(id));
    forgotten
        .take(LOOKED_UP)
        .map(|id| format!("not remembered: {id}"))
        .collect()
}

/// What PID 1 said of a run, oldest first.
fn of_run(host: &Host, invocation: &str) -> Vec<Value> {
    host.journal_json(&["_PID=1", &format!("INVOCATION_ID={invocation}")])
}

fn was_being_stopped(entries: &[Value]) -> bool {
    let place = |id: &str| entries.iter().position(|entry| entry["MESSAGE_ID"] == id);
    match (place(STOPPING), place(PROCESS_EXIT)) {
        (Some(stopping), Some(exit)) => stopping < exit,
        (stopping, None) => stopping.is_some(),
        (None, Some(_)) => false,
    }
}

/// What systemd said and when, in the milliseconds of the deaths.
fn in_short(entries: &[Value]) -> String {
    let said = entries
        .iter()
        .filter_map(|entry| Some(format!("{} {}", millis(entry)?, entry["MESSAGE"].as_str()?)));
    format!("systemd: {:?}", said.collect::<Vec<_>>())
}

/// When it was said, in the milliseconds of the deaths.
fn millis(entry: &Value) -> Option<u64> {
    let micros: u64 = entry["_SOURCE_REALTIME_TIMESTAMP"].as_str()?.parse().ok()?;
    Some(micros / 1000)
}
