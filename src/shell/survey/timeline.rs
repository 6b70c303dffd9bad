//! The document of `unitward timeline`: what happened when in a recovery, or in all since a time.
//!
//! A recovery that is over is read from the history, which keeps its times after `/run` is gone. One that goes on, or that nobody has
//! stored because the daemon is down, is put together from the run records.

mod course;
mod document;
mod members;
mod sources;

pub(in crate::shell) use document::{Attempt, Document, FullRestart, Member, Recovery, Step, Times};

use super::Answer;
use crate::edge::clock;
use sources::Sources;

/// Which recoveries: a ward's, unit's or stack's name for the latest of it, the ID of a death for the one that it began, or `@` and
/// milliseconds since the epoch for all since then, with a space and a name for those of one ward; empty: the latest of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::shell) struct Which(pub(in crate::shell) String);

/// Digits of an ID that are taken for one.
const FEWEST_DIGITS: usize = 4;

/// What is asked.
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
        let (since, name) = rest.split_once(' ').map_or((rest, None), |(since, name)| (since, Some(name)));
        Some(Wanted::Since(since.parse().ok()?, name))
    }
}

/// Answers it.
pub(super) fn answer(which: &Which) -> anyhow::Result<Answer> {
    let now = clock::since_epoch();
    let Some(wanted) = which.wanted() else {
        return Ok(Answer::Refused(format!("{:?} is no time: \"@\" and milliseconds are expected.", which.0)));
    };
    let mut sources = match Sources::open()? {
        Ok(sources) => sources,
        Err(why) => return Ok(Answer::Refused(why)),
    };
    let mut document = match wanted {
        Wanted::Since(since, name) => sources.since(since, name)?,
        Wanted::Latest(name) => match find(&mut sources, name)? {
            Ok(found) => found,
            Err(why) => return Ok(Answer::Refused(why)),
        },
    };
    document.now = now;
    sources.add_members(&mut document);
    Ok(Answer::Document(document.to_json()))
}

/// The latest of a name, or the one of an ID; or why there is none.
fn find(sources: &mut Sources, name: Option<&str>) -> anyhow::Result<Result<Document, String>> {
    if let Some(found) = sources.latest(name)? {
        return Ok(Ok(found));
    }
    let Some(name) = name else {
        return Ok(Err("Nothing has had to recover yet.".to_owned()));
    };
    let is_id = name.len() >= FEWEST_DIGITS && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_id && let Some(found) = sources.with_id(name)? {
        return Ok(found);
    }
    Ok(Err(sources.unknown(name)))
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
