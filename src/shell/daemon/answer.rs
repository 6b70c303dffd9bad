//! The worker process that answers one D-Bus query: `unitwardd --answer root|user WORD ARGUMENT…`.
//! The daemon starts one for each query.
//!
//! So an answer cannot block the daemon, however slow the disk is, nor leave anything in its
//! memory; a worker that takes too long is killed. Another reason: closing a file drops all locks
//! that the process has on it (fcntl(2)), those of SQLite too, so the process that writes the
//! history must not open its file in any other way.

use crate::core::crash::backtrace::Addresses;
use crate::core::visible::visible;
use crate::shell::survey::reports::Wanted;
use crate::shell::survey::timeline::Which;
use crate::shell::survey::{Answer, Question, answer};
use anyhow::Context as _;
use std::io::Write as _;
use std::process::ExitCode;

/// First argument of the worker process.
pub(super) const OPTION: &str = "--answer";
/// Exit status of a refusal; standard output has the sentence that says why.
pub(super) const REFUSED: i32 = 3;

/// Score of the worker that makes the kernel kill it first when memory is short; see
/// proc_pid_oom_score_adj(5).
const EXPENDABLE: &str = "1000";

/// The word for a caller that is root.
const ROOT: &str = "root";
/// The word for any other caller.
const USER: &str = "user";

/// Encodes a question as arguments, for a caller with this user id, which the bus supplies.
pub(super) fn words(user: u32, question: &Question) -> Vec<String> {
    let who = if user == 0 { ROOT } else { USER };
    match question {
        Question::List => owned([who, "list"]),
        Question::Status(ward) => owned([who, "status", ward]),
        Question::Tree(ward) => owned([who, "tree", ward]),
        Question::Timeline(Which(which)) => owned([who, "timeline", which]),
        Question::Report(id) => owned([who, "report", id]),
        Question::Reports(Wanted { after, since, name }) => {
            let name = name.as_deref().unwrap_or_default();
            owned([who, "reports", &after.to_string(), &since.to_string(), name])
        }
    }
}

/// Copies words.
fn owned<const COUNT: usize>(words: [&str; COUNT]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// Decodes the arguments to a question, and to the form in which its caller may see addresses.
fn question(words: &[String]) -> Option<(Question, Addresses)> {
    let (who, words) = words.split_first()?;
    let addresses = match who.as_str() {
        ROOT => Addresses::Shown,
        USER => Addresses::Masked,
        _ => return None,
    };
    let (word, rest) = words.split_first()?;
    let question = match (word.as_str(), rest) {
        ("list", []) => Question::List,
        ("status", [ward]) => Question::Status(ward.clone()),
        ("tree", [ward]) => Question::Tree(ward.clone()),
        ("timeline", [which]) => Question::Timeline(Which(which.clone())),
        ("report", [id]) => Question::Report(id.clone()),
        ("reports", [after, since, name]) => Question::Reports(Wanted {
            after: after.parse().ok()?,
            since: since.parse().ok()?,
            name: Some(name.clone()).filter(|name| !name.is_empty()),
        }),
        _ => return None,
    };
    Some((question, addresses))
}

/// Answers a question on standard output.
pub(super) fn respond(words: &[String]) -> ExitCode {
    // Any user may ask, so when memory is short this process is killed, and neither the daemon nor
    // the host's services. A kernel that refuses the score changes nothing about the answer.
    let _ = std::fs::write("/proc/self/oom_score_adj", EXPENDABLE);
    match found(words) {
        Ok(Answer::Document(text)) => print(&text, ExitCode::SUCCESS),
        Ok(Answer::Refused(why)) => print(
            &why,
            ExitCode::from(u8::try_from(REFUSED).expect("it is small")),
        ),
        Err(error) => {
            eprintln!("{}", visible(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

fn found(words: &[String]) -> anyhow::Result<Answer> {
    let (question, addresses) =
        question(words).context("failed to understand the question: it is none of the daemon's")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start")?;
    runtime.block_on(answer(&question, addresses))
}

/// Prints an answer; returns [`ExitCode::FAILURE`] if the reader is gone.
fn print(text: &str, status: ExitCode) -> ExitCode {
    let mut out = std::io::stdout().lock();
    if out
        .write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .is_ok()
    {
        status
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_is_understood_by_the_process_that_answers_it() {
        let wanted = |name: Option<&str>| {
            Question::Reports(Wanted {
                after: 3,
                since: 9,
                name: name.map(str::to_owned),
            })
        };
        for asked in [
            Question::List,
            Question::Status("web".into()),
            Question::Tree(String::new()),
            Question::Timeline(Which("@7".into())),
            Question::Report("--help".into()),
            wanted(None),
            wanted(Some("a b\n")),
        ] {
            assert_eq!(
                question(&words(0, &asked)),
                Some((asked.clone(), Addresses::Shown))
            );
            assert_eq!(
                question(&words(1_000, &asked)),
                Some((asked, Addresses::Masked))
            );
        }
        for wrong in [
            &["root", "list", "more"][..],
            &["list"],
            &["nobody", "list"],
            &["root"],
        ] {
            assert_eq!(
                question(
                    &wrong
                        .iter()
                        .map(|word| (*word).to_owned())
                        .collect::<Vec<_>>()
                ),
                None,
                "{wrong:?}"
            );
        }
        assert_eq!(question(&[]), None);
    }
}
