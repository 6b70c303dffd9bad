//! The documents of `unitward reports`.

pub(in crate::shell) mod document;
mod downtime;
pub(in crate::shell) mod standing;

use super::{Answer, called};
use crate::core::crash::backtrace::Addresses;
use crate::core::visible::visible;
use crate::edge::history::read::{Reader, Told};
use crate::edge::history::{Cause, HistoryError};
use crate::edge::journal::last_lines;
use crate::edge::root;
use anyhow::Context as _;
use document::Document;
use std::io::ErrorKind;
use std::path::Path;

pub(in crate::shell) use crate::edge::history::read::Wanted;

/// Path of the history below a root directory.
const FILE: &str = "var/lib/unitward/reports.db";
/// Minimum number of digits for which a name is taken for an ID.
pub(super) const FEWEST_DIGITS: usize = 4;

/// Opens the history, or returns the reason why there is nothing to read.
///
/// # Errors
/// It cannot be read, and there is no sentence for the reason.
pub(in crate::shell) fn open(
    root: &Path,
    addresses: Addresses,
) -> anyhow::Result<Result<Reader, String>> {
    Ok(open_if_any(root, addresses)?.and_then(|reader| {
        reader.ok_or_else(|| {
            format!(
                "There is no history yet: unitwardd begins {} when it starts.",
                root.join(FILE).display()
            )
        })
    }))
}

/// Opens the history, if there is one, or returns the reason why it cannot be read.
///
/// # Errors
/// It cannot be read, and there is no sentence for the reason.
pub(super) fn open_if_any(
    root: &Path,
    addresses: Addresses,
) -> anyhow::Result<Result<Option<Reader>, String>> {
    let path = root.join(FILE);
    let shown = path.display();
    Ok(match Reader::open(&path) {
        Ok(reader) => Ok(reader.map(|reader| reader.telling(addresses))),
        Err(HistoryError::Damaged(_)) => Err(format!(
            "{shown} is damaged. unitwardd saves what can be read of it when it starts."
        )),
        Err(HistoryError::Other(Cause::File { source, .. }))
            if source.kind() == ErrorKind::PermissionDenied =>
        {
            Err(format!(
                "Only its owner may read {shown}. Without --root= unitwardd is asked, which answers everybody."
            ))
        }
        Err(HistoryError::Other(why @ Cause::Newer { .. })) => Err(format!("{why}.")),
        Err(error) => return Err(error).with_context(|| format!("failed to read {shown}")),
    })
}

/// Answers with the deaths that are wanted, one document a line, in the order of their times.
pub(super) fn answer(wanted: &Wanted, addresses: Addresses) -> anyhow::Result<Answer> {
    let reader = match open(Path::new("/"), addresses)? {
        Ok(reader) => reader,
        Err(why) => return Ok(Answer::Refused(why)),
    };
    Ok(match documents(&reader, wanted, Path::new("/"))? {
        Ok(found) => Answer::Document(
            found
                .iter()
                .map(|document| document.to_json() + "\n")
                .collect(),
        ),
        Err(why) => Answer::Refused(why),
    })
}

/// Returns the documents of the deaths that are wanted; `root`: the directory below which the
/// history lies.
///
/// # Errors
/// The history cannot be read. The inner error is a sentence: nothing has this name, and nothing
/// ever had it.
pub(in crate::shell) fn documents(
    reader: &Reader,
    wanted: &Wanted,
    root: &Path,
) -> anyhow::Result<Result<Vec<Document>, String>> {
    let found = match deaths(reader, wanted, root)? {
        Ok(found) => found,
        Err(why) => return Ok(Err(why)),
    };
    let mut documents: Vec<_> = found.iter().map(Document::new).collect();
    standing::tell(&mut documents, root);
    if root == Path::new("/") {
        downtime::tell(&mut documents);
    }
    Ok(Ok(documents))
}

/// Returns the deaths that are wanted. A name without deaths is looked up below `root`: it may be
/// that of a unit, or of nothing.
fn deaths(
    reader: &Reader,
    wanted: &Wanted,
    root: &Path,
) -> anyhow::Result<Result<Vec<Told>, String>> {
    let found = reader.deaths(wanted)?;
    let Some(name) = wanted
        .name
        .as_deref()
        .filter(|_| found.is_empty() && wanted.after == 0)
    else {
        return Ok(Ok(found));
    };
    let (config, problems) = root::load(root);
    match called::in_reports(&config, name, root) {
        Some(other) if other != name => Ok(Ok(reader.deaths(&wanted_of(&other, wanted))?)),
        None if !is_known(reader, wanted, name)? => {
            Ok(Err(called::unknown(&config, &problems, name)))
        }
        Some(_) | None => Ok(Ok(found)),
    }
}

/// Returns the same selection for another name.
fn wanted_of(name: &str, wanted: &Wanted) -> Wanted {
    Wanted {
        name: Some(name.to_owned()),
        ..wanted.clone()
    }
}

/// Returns true if the history has a death of this name, at whatever time.
fn is_known(reader: &Reader, wanted: &Wanted, name: &str) -> anyhow::Result<bool> {
    let ever = Wanted {
        since: 0,
        ..wanted_of(name, wanted)
    };
    Ok(!reader.deaths(&ever)?.is_empty())
}

/// Answers with one death, by its ID or the first digits of it.
pub(super) fn answer_one(id: &str, addresses: Addresses) -> anyhow::Result<Answer> {
    let reader = match open(Path::new("/"), addresses)? {
        Ok(reader) => reader,
        Err(why) => return Ok(Answer::Refused(why)),
    };
    Ok(match pick(reader.find(id)?, id) {
        Ok(told) => Answer::Document(whole(&told, Path::new("/"), addresses).to_json()),
        Err(why) => Answer::Refused(why),
    })
}

/// Number of log lines of a run that are shown.
const LOG_LINES: usize = 20;

/// Returns everything about one death of this host. Only those who may read the journal get the log
/// of a run, and only root is known to be one of them.
pub(in crate::shell) fn whole(told: &Told, root: &Path, addresses: Addresses) -> Document {
    let mut document = Document::new(told);
    standing::tell(std::slice::from_mut(&mut document), root);
    // Of a unit without a ward later deaths must be known, too.
    if root == Path::new("/") && document.recovery_state.as_deref() != Some("no-ward") {
        downtime::tell(std::slice::from_mut(&mut document));
    }
    let is_a_run =
        told.restart.is_none() && root == Path::new("/") && addresses == Addresses::Shown;
    if is_a_run {
        document.log_lines =
            last_lines(&told.death.key.unit, &told.death.key.invocation, LOG_LINES).ok();
    }
    document
}

/// Returns the one death that is meant, or a sentence with the remedy.
///
/// # Errors
/// A sentence, if there is no such death or there are several.
pub(in crate::shell) fn pick(mut found: Vec<Told>, id: &str) -> Result<Told, String> {
    let advice = "\"unitward reports\" lists what is known";
    let digits = id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits && id.len() < FEWEST_DIGITS {
        return Err(format!(
            "\"{id}\" is too short: give at least {FEWEST_DIGITS} digits; {advice}."
        ));
    }
    match (found.pop(), found.len()) {
        (None, _) => Err(format!(
            "Nothing is known of \"{}\"; {advice}.",
            visible(id)
        )),
        (Some(told), 0) => Ok(told),
        (Some(_), others) => Err(format!(
            "{} deaths begin with \"{id}\": give more digits; {advice}.",
            others + 1
        )),
    }
}
