//! The document of `unitward timeline`: the course of a recovery, or of all since a time.
//!
//! A recovery that is over is read from the history, which keeps its times after `/run` is gone.
//! One that goes on, or that is not stored because the daemon is down, is assembled from the run
//! records; a full restart from its own record.

mod course;
mod document;
mod downtime;
mod members;
mod records;
mod restarts;
mod sources;
mod subject;

pub(in crate::shell) use document::{
    Attempt, Document, FullRestart, Member, Recovery, Step, Times,
};
pub(super) use restarts::full_restarts;

use super::Answer;
use super::reports::FEWEST_DIGITS;
use crate::core::crash::backtrace::Addresses;
use crate::edge::{clock, root};
use sources::Sources;
use std::path::Path;
use subject::Subject;

/// Selection of recoveries: the name of a ward, unit or stack for its latest one; the ID of a death
/// or full restart; or `@` and milliseconds since the epoch for all since then, with a space and a
/// name for those of one ward or stack. Empty: the latest of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shell) struct Which(pub(in crate::shell) String);

/// A selection, parsed.
#[derive(Debug, PartialEq, Eq)]
enum Wanted<'a> {
    Latest(Option<&'a str>),
    Since(u64, Option<&'a str>),
}

impl Which {
    fn wanted(&self) -> Option<Wanted<'_>> {
        let text = self.0.as_str();
        let Some(rest) = text.strip_prefix('@') else {
            return Some(Wanted::Latest(Some(text).filter(|name| !name.is_empty())));
        };
        let (since, name) = rest
            .split_once(' ')
            .map_or((rest, None), |(since, name)| (since, Some(name)));
        Some(Wanted::Since(since.parse().ok()?, name))
    }
}

/// Answers the question.
pub(super) fn answer(which: &Which, addresses: Addresses) -> anyhow::Result<Answer> {
    let now = clock::since_epoch();
    let Some(wanted) = which.wanted() else {
        return Ok(Answer::Refused(format!(
            "{:?} is no time: \"@\" and milliseconds are expected.",
            which.0
        )));
    };
    let mut sources = match Sources::open(addresses)? {
        Ok(sources) => sources,
        Err(why) => return Ok(Answer::Refused(why)),
    };
    let (config, problems) = root::load(Path::new("/"));
    let (Wanted::Since(_, name) | Wanted::Latest(name)) = wanted;
    let subject = Subject::of(&config, name);
    let found = match wanted {
        Wanted::Since(since, _) => all(&mut sources, since, &subject)?.map(Ok),
        Wanted::Latest(name) => find(&mut sources, name, &subject)?,
    };
    let mut document = match found {
        Some(Ok(found)) => found,
        Some(Err(why)) => return Ok(Answer::Refused(why)),
        None => return Ok(Answer::Refused(subject.nothing(&config, &problems))),
    };
    document.now = now;
    Sources::add_members(&config, &mut document);
    downtime::add(&mut document, now.saturating_sub(clock::since_boot()));
    Ok(Answer::Document(document.to_json()))
}

/// Returns all of the subject since then; `None`: nothing ever had its name.
fn all(sources: &mut Sources, since: u64, subject: &Subject) -> anyhow::Result<Option<Document>> {
    let found = sources.since(since, subject)?;
    let is_unknown = found.is_empty()
        && matches!(subject, Subject::Other(_))
        && sources.latest(subject)?.is_none();
    Ok((!is_unknown).then_some(found))
}

/// Returns the latest of the subject, or the one with an ID, which `name` may be too; `None`: there
/// is none. The inner error is the reason why there is no course of a known ID.
fn find(
    sources: &mut Sources,
    name: Option<&str>,
    subject: &Subject,
) -> anyhow::Result<Option<Result<Document, String>>> {
    if let Some(found) = sources.latest(subject)? {
        return Ok(Some(Ok(found)));
    }
    match name.filter(|name| is_id(name)) {
        Some(id) => sources.with_id(id),
        None => Ok(None),
    }
}

/// Returns true if the name can be an ID, or the first digits of one.
fn is_id(name: &str) -> bool {
    name.len() >= FEWEST_DIGITS && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(which: &str, expect: Option<Wanted<'_>>) {
        assert_eq!(Which(which.to_owned()).wanted(), expect, "{which:?}");
    }

    #[test]
    fn a_question_is_a_name_an_id_or_a_time() {
        check("", Some(Wanted::Latest(None)));
        check("web", Some(Wanted::Latest(Some("web"))));
        check("9e3779b9", Some(Wanted::Latest(Some("9e3779b9"))));
        check("@5", Some(Wanted::Since(5, None)));
        check("@5 web@2", Some(Wanted::Since(5, Some("web@2"))));
        check("@yesterday", None);
    }
}
