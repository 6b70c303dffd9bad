//! Sources of the document: the history, this boot's run records, the records of full restarts, the
//! configuration.

use super::document::{Document, FullRestart, Recovery};
use super::restarts::Recorded;
use super::subject::Subject;
use super::{course, members, records};
use crate::core::config::Config;
use crate::core::crash::backtrace::Addresses;
use crate::edge::history::read::{Reader, Told};
use crate::edge::record::{self, WardState};
use crate::edge::up;
use crate::shell::survey::reports::open_if_any;
use std::collections::HashSet;
use std::path::Path;

/// The history, if there is one.
pub(super) struct Sources {
    reader: Option<Reader>,
}

impl Sources {
    /// Opens the history; or returns the reason why it cannot be read. Before there is one, the
    /// records have all data.
    pub(super) fn open(addresses: Addresses) -> anyhow::Result<Result<Self, String>> {
        Ok(open_if_any(Path::new("/"), addresses)?.map(|reader| Self { reader }))
    }

    /// Returns all of the subject since then.
    pub(super) fn since(&mut self, since: u64, subject: &Subject) -> anyhow::Result<Document> {
        let (whose, restarts) = (subject.whose(), Recorded::read(subject).since(since));
        let told = self
            .reader
            .as_ref()
            .map(|reader| reader.courses(since, whose.as_ref()))
            .transpose()?;
        let mut document = gather(&told.unwrap_or_default());
        restarts.add(&mut document.full_restarts);
        document.since = Some(since);
        let stored: HashSet<String> = document
            .recoveries
            .iter()
            .map(|recovery| recovery.invocation.clone())
            .collect();
        for recovery in recorded(subject) {
            if recovery.timestamp >= since && !stored.contains(&recovery.invocation) {
                document.recoveries.push(recovery);
            }
        }
        document
            .recoveries
            .sort_by_key(|recovery| recovery.timestamp);
        Ok(document)
    }

    /// Returns the latest of the subject.
    pub(super) fn latest(&mut self, subject: &Subject) -> anyhow::Result<Option<Document>> {
        let (whose, restarts) = (subject.whose(), Recorded::read(subject));
        let stored = self
            .reader
            .as_ref()
            .map(|reader| reader.latest_course(whose.as_ref()))
            .transpose()?
            .flatten();
        let recovery = recorded(subject)
            .into_iter()
            .max_by_key(|recovery| recovery.timestamp);
        let found = [
            recovery.map(|recovery| (recovery.timestamp, Document::from(recovery))),
            restarts
                .latest()
                .map(|restart| (restart.timestamp, Document::from(restart))),
            stored.map(|told| (told.death.at, gather(&[told]))),
        ];
        // If both have the same one, the stored one, which is the last of these, is used.
        let mut latest = found
            .into_iter()
            .flatten()
            .max_by_key(|(at, _)| *at)
            .map(|(_, document)| document);
        latest
            .iter_mut()
            .for_each(|document| restarts.complete(&mut document.full_restarts));
        Ok(latest)
    }

    /// Returns the one with this ID; or, if the ID is known, the reason why there is no course of
    /// it.
    pub(super) fn with_id(&mut self, id: &str) -> anyhow::Result<Option<Result<Document, String>>> {
        let restarts = Recorded::read(&Subject::All);
        let mut told = self
            .reader
            .as_ref()
            .map_or_else(|| Ok(Vec::new()), |reader| reader.find(id))?;
        let id = id.to_ascii_lowercase();
        let mut fresh = recorded(&Subject::All);
        fresh.retain(|recovery| recovery.invocation.starts_with(&id));
        if told.len() > 1 {
            let advice = "give more digits; \"unitward reports\" lists what is known";
            return Ok(Some(Err(format!(
                "{} deaths begin with \"{id}\": {advice}.",
                told.len()
            ))));
        }
        let mut found = told.pop().map(|told| gather(&[told]));
        found
            .iter_mut()
            .for_each(|document| restarts.complete(&mut document.full_restarts));
        if let Some(document) = found.as_ref().filter(|document| !document.is_empty()) {
            return Ok(Some(Ok(document.clone())));
        }
        let fresh = fresh.into_iter().next().map(Document::from);
        let fresh = fresh.or_else(|| restarts.with_id(&id).map(Document::from));
        Ok(match (fresh, found) {
            (Some(fresh), _) => Some(Ok(fresh)),
            (None, Some(_)) => Some(Err(
                "No recovery began with that death: it prolonged one, or nothing restarts the unit. \
                 \"unitward reports\" shows which deaths were recovered from."
                    .to_owned(),
            )),
            (None, None) => None,
        })
    }

    /// Adds the members of the full restarts.
    pub(super) fn add_members(config: &Config, document: &mut Document) {
        for restart in &mut document.full_restarts {
            let FullRestart {
                stack,
                timestamp,
                end_ms,
                ..
            } = &*restart;
            let span = members::Span {
                began: *timestamp,
                over: end_ms.map(|end| timestamp + end),
            };
            let wards = config.wards.iter().filter(|ward| {
                ward.stack
                    .as_ref()
                    .is_some_and(|name| name.as_str() == stack.as_str())
            });
            let runs = wards.map(|ward| {
                let mut runs = WardState::of(ward.name.as_str()).runs();
                up::complete(&mut runs);
                runs
            });
            let members: Vec<_> = runs
                .filter_map(|runs| members::member(&runs, span))
                .collect();
            restart.members = members;
        }
    }
}

impl Document {
    pub(super) fn is_empty(&self) -> bool {
        self.recoveries.is_empty() && self.full_restarts.is_empty()
    }
}

impl From<Recovery> for Document {
    fn from(recovery: Recovery) -> Self {
        Self {
            recoveries: vec![recovery],
            ..Self::default()
        }
    }
}

fn gather(told: &[Told]) -> Document {
    Document {
        recoveries: told.iter().filter_map(course::stored).collect(),
        full_restarts: told.iter().filter_map(course::full_restart).collect(),
        ..Document::default()
    }
}

/// Returns the recoveries of the subject from the run records. Its name is only compared with
/// existing names, never used as a path.
fn recorded(subject: &Subject) -> Vec<Recovery> {
    let wards: Vec<_> = record::wards()
        .into_iter()
        .filter(|ward| subject.has_records_of(ward))
        .collect();
    records::recoveries(&wards)
}
