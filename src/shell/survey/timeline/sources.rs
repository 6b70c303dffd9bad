//! Where the document is read from: the history, this boot's run records, the configuration.

use super::course::{self, Progress};
use super::document::{Document, FullRestart, Recovery};
use super::members;
use crate::core::config::nearest;
use crate::core::crash::Cause;
use crate::core::crash::observation::{InvocationId, ServiceResult};
use crate::core::crash::reason::TimeLimits;
use crate::core::crash::tracker::Waited;
use crate::core::crash::verdict::process_end;
use crate::core::recovery::account::{Account, Died, Ended, account};
use crate::edge::history::read::{Reader, Told, Wanted};
use crate::edge::history::{Cause as Wrong, HistoryError};
use crate::edge::record::{self, End, RunRecord, TimedOut, WardState};
use crate::edge::recoveries::{Chain, UnderWay, chains, under_way};
use crate::edge::{root, systemctl};
use anyhow::Context as _;
use std::collections::HashSet;
use std::path::Path;

/// The history's file.
const HISTORY: &str = "/var/lib/unitward/reports.db";

/// The history, where there is one.
pub(super) struct Sources {
    reader: Option<Reader>,
}

impl Sources {
    /// Opens the history; or says why it cannot be read.
    pub(super) fn open() -> anyhow::Result<Result<Self, String>> {
        Ok(match Reader::open(Path::new(HISTORY)) {
            Ok(reader) => Ok(Self { reader }),
            Err(HistoryError::Damaged(_)) => {
                Err(format!("{HISTORY} is damaged. unitwardd saves what can be read of it when it starts."))
            }
            Err(HistoryError::Other(why @ Wrong::Newer { .. })) => Err(format!("{why}.")),
            Err(error) => return Err(error).with_context(|| format!("failed to read {HISTORY}")),
        })
    }

    /// All since then, of this ward where one is named.
    pub(super) fn since(&mut self, since: u64, name: Option<&str>) -> anyhow::Result<Document> {
        let wanted = Wanted { after: 0, since, name: name.map(str::to_owned) };
        let told = self.reader.as_ref().map_or_else(|| Ok(Vec::new()), |reader| reader.deaths(&wanted))?;
        let mut document = gather(&told);
        document.since = Some(since);
        let fresh = record::wards().into_iter().filter(|ward| name.is_none_or(|name| name == ward));
        let stored: HashSet<String> = document.recoveries.iter().map(|recovery| recovery.invocation.clone()).collect();
        for recovery in fresh.flat_map(|ward| recorded(&ward)) {
            if recovery.timestamp >= since && !stored.contains(&recovery.invocation) {
                document.recoveries.push(recovery);
            }
        }
        document.recoveries.sort_by_key(|recovery| recovery.timestamp);
        Ok(document)
    }

    /// The latest, of this ward, unit or stack where one is named.
    pub(super) fn latest(&mut self, name: Option<&str>) -> anyhow::Result<Option<Document>> {
        let stored = self.reader.as_ref().map(|reader| reader.latest_course(name)).transpose()?.flatten();
        let of = name.map(|name| name.strip_suffix(".service").unwrap_or(name));
        // What somebody asks for is compared with what there is, never a path.
        let wards: Vec<_> = record::wards().into_iter().filter(|ward| of.is_none_or(|of| of == ward)).collect();
        let fresh = wards.iter().flat_map(|ward| recorded(ward)).max_by_key(|recovery| recovery.timestamp);
        Ok(match (stored, fresh) {
            (Some(told), Some(recovery)) if told.death.at >= recovery.timestamp => Some(gather(&[told])),
            (_, Some(recovery)) => Some(Document { recoveries: vec![recovery], ..Document::default() }),
            (Some(told), None) => Some(gather(&[told])),
            (None, None) => None,
        })
    }

    /// The one with this ID; or why it cannot be told, if the ID is known.
    pub(super) fn with_id(&mut self, id: &str) -> anyhow::Result<Option<Result<Document, String>>> {
        let mut told = self.reader.as_ref().map_or_else(|| Ok(Vec::new()), |reader| reader.find(id))?;
        let begins = |recovery: &Recovery| recovery.invocation.starts_with(&id.to_ascii_lowercase());
        let fresh: Vec<_> = record::wards().iter().flat_map(|ward| recorded(ward)).filter(begins).collect();
        if told.len() > 1 {
            let advice = "give more digits; \"unitward reports\" lists what is known";
            return Ok(Some(Err(format!("{} deaths begin with \"{id}\": {advice}.", told.len()))));
        }
        let found = told.pop().map(|told| gather(&[told]));
        if let Some(document) = found.as_ref().filter(|document| !document.is_empty()) {
            return Ok(Some(Ok(document.clone())));
        }
        let fresh =
            fresh.into_iter().next().map(|recovery| Document { recoveries: vec![recovery], ..Document::default() });
        let none = || {
            "No recovery began with that death: it prolonged one, or nothing restarts the unit. \
             \"unitward reports\" shows which deaths were recovered from."
                .to_owned()
        };
        Ok(fresh.map(Ok).or_else(|| found.map(|_| Err(none()))))
    }

    /// What to say of a name of which nothing is known.
    pub(super) fn unknown(&self, name: &str) -> String {
        let (config, _) = root::load(Path::new("/"));
        let wards: Vec<_> = config.wards.iter().map(|ward| ward.name.as_str()).collect();
        let stacks = config.stacks.iter().map(|stack| stack.name.as_str());
        if config.wards.iter().any(|ward| ward.name.as_str() == name || ward.unit().as_str() == name) {
            return format!("{name} has not had to recover yet.");
        }
        if config.stacks.iter().any(|stack| stack.name.as_str() == name) {
            return format!("Stack {name} has not been restarted yet.");
        }
        let meant = nearest(name, wards.into_iter().chain(stacks));
        let meant = meant.map_or_else(String::new, |meant| format!(", did you mean \"{meant}\"?"));
        let end = if meant.is_empty() { "." } else { "" };
        format!("There is no ward and no death called {name:?}{meant}{end} \"unitward reports\" lists what is known.")
    }

    /// Adds the members of the full restarts.
    pub(super) fn add_members(&self, document: &mut Document) {
        if document.full_restarts.is_empty() {
            return;
        }
        let (config, _) = root::load(Path::new("/"));
        for restart in &mut document.full_restarts {
            let FullRestart { stack, timestamp, end_ms, .. } = &*restart;
            let within = (*timestamp, end_ms.map(|end| timestamp + end));
            let is_member = |ward: &&crate::core::config::Ward| {
                ward.stack.as_ref().is_some_and(|name| name.as_str() == stack.as_str())
            };
            let wards = config.wards.iter().filter(is_member);
            let runs = wards.map(|ward| WardState::of(ward.name.as_str()).runs());
            let members: Vec<_> = runs.filter_map(|runs| members::member(&runs, within)).collect();
            restart.members = members;
        }
    }
}

impl Document {
    fn is_empty(&self) -> bool {
        self.recoveries.is_empty() && self.full_restarts.is_empty()
    }
}

fn gather(told: &[Told]) -> Document {
    Document {
        recoveries: told.iter().filter_map(course::stored).collect(),
        full_restarts: told.iter().filter_map(course::full_restart).collect(),
        ..Document::default()
    }
}

/// The recoveries that the latest run of a ward is a part of: at most two that are over, or one that goes on.
fn recorded(ward: &str) -> Vec<Recovery> {
    let state = WardState::of(ward);
    let Some(latest) = state.latest_run() else { return Vec::new() };
    let lookup = |run: &str| state.run(run).ok();
    let over = chains(&latest, &lookup).into_iter().filter_map(|chain| over(&latest, &chain));
    let open = under_way(&latest, &lookup).filter(|_| comes_back(&latest)).and_then(|open| going_on(&latest, &open));
    over.chain(open).collect()
}

fn over(latest: &RunRecord, chain: &Chain) -> Option<Recovery> {
    let Chain { invocation, died, attempts, ended } = chain;
    let told = account(&latest.ward, how(invocation, died)?, attempts, *ended);
    let at = match ended {
        Ended::Up => attempts.last().and_then(|attempt| attempt.up).map(|up| up.at),
        Ended::GivenUp(_) => latest.end.as_ref().map(|end| end.at),
    };
    Some(course::recorded(&told, attempts, (&latest.unit, Progress::Over(at.unwrap_or(died.at)))))
}

fn going_on(latest: &RunRecord, open: &UnderWay) -> Option<Recovery> {
    let UnderWay { invocation, died, attempts } = open;
    let told: Account = account(&latest.ward, how(invocation, died)?, attempts, Ended::Up);
    Some(course::recorded(&told, attempts, (&latest.unit, Progress::UnderWay)))
}

/// Whether systemd is about to start the unit again, or does so.
fn comes_back(latest: &RunRecord) -> bool {
    let shown = systemctl::show(&latest.unit, &["ActiveState"]);
    shown.is_ok_and(|shown| matches!(shown.get("ActiveState"), "activating" | "deactivating" | "reloading"))
}

/// How it died. The numbers of the unit's time limits are not looked up.
fn how(invocation: &str, end: &End) -> Option<Died> {
    let waited = match end.timed_out {
        Some(TimedOut::Start) => Waited::Start,
        Some(TimedOut::Stop) => Waited::Stop,
        Some(TimedOut::Run) | None => Waited::Run,
    };
    let process = process_end(&end.code, &end.status);
    let cause = Cause::new(&ServiceResult::parse(&end.result), process, (waited, &TimeLimits::default()));
    Some(Died { invocation: InvocationId::parse(invocation)?, reason: cause.to_string(), at: end.at })
}
