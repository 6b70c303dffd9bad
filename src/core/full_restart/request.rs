//! The protocol of a stack's socket: the text of a request and of its answer.
//!
//! The request is text: a line that names the protocol, lines `key=value`, an empty line, and then
//! the caller's backtrace in the lines of a report, if it has one. The caller closes its half of
//! the connection after it. The answer is one line: an errno as a decimal number, 0 for success, a
//! space and words for people. libunitward writes the same in C.
//!
//! Invariants: any bytes make a request or an error, never a panic; the output is bounded and has
//! no control or invisible character in it except the newlines of the backtrace, so that no name of
//! a program can forge a line.

use crate::core::crash::backtrace::{FRAMES, LINE};
use crate::core::crash::observation::InvocationId;
use crate::core::visible::is_visible;
use std::fmt::Write as _;

/// Directory of the sockets; a stack's name is its socket's.
pub const SOCKETS: &str = "/run/unitward/stacks";

/// The first line of a request.
pub const PROTOCOL: &str = "unitward-restart-stack 1";

/// Longest request in bytes: an uncut backtrace has 16 KiB.
pub const LONGEST: usize = 32 << 10;

/// Longest name of a caller in bytes.
const CALLER: usize = 256;

/// A request for a full restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The caller: a function, a program, or a ward with the event that led to the request.
    pub caller: String,
    /// The death that led to it. It is accepted from root only.
    pub cause: Option<Cause>,
    /// Time of the answer.
    pub answer: AnswerWhen,
    /// The caller's own stack, one frame a line as in a report.
    pub backtrace: Option<String>,
}

/// The run whose death led to a full restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The unit.
    pub unit: String,
    /// Its run.
    pub invocation: InvocationId,
}

/// Time at which a caller is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerWhen {
    /// As soon as the restart is under way or has failed.
    Begun,
    /// At the end of the restart.
    Over,
}

/// The reason why bytes are no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// Longer than [`LONGEST`].
    #[error("it is longer than 32 KiB")]
    TooLong,
    /// A different first line.
    #[error("it does not begin with {PROTOCOL:?}")]
    Protocol,
    /// An unknown line.
    #[error("line {0} is not understood")]
    Line(usize),
    /// No caller.
    #[error("no caller is named")]
    Nobody,
}

impl Request {
    /// Renders the bytes for the socket.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{PROTOCOL}\ncaller={}\n", printable(&self.caller, CALLER));
        if let Some(cause) = &self.cause {
            writeln!(text, "cause={} {}", cause.unit, cause.invocation)
                .expect("writing to a string never fails");
        }
        if self.answer == AnswerWhen::Over {
            text.push_str("answer=over\n");
        }
        text.push('\n');
        // The receiver would reject a longer backtrace entirely.
        text.push_str(
            &self
                .backtrace
                .as_deref()
                .and_then(frames)
                .unwrap_or_default(),
        );
        text
    }

    /// Parses them.
    ///
    /// # Errors
    /// [`BadRequest`], the reason.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadRequest> {
        if bytes.len() > LONGEST {
            return Err(BadRequest::TooLong);
        }
        let text = String::from_utf8_lossy(bytes);
        let (head, backtrace) = text
            .split_once("\n\n")
            .unwrap_or((text.trim_end_matches('\n'), ""));
        let mut lines = head.lines().enumerate();
        if lines.next().is_none_or(|(_, line)| line != PROTOCOL) {
            return Err(BadRequest::Protocol);
        }
        let mut request = Self {
            caller: String::new(),
            cause: None,
            answer: AnswerWhen::Begun,
            backtrace: frames(backtrace),
        };
        for (number, line) in lines {
            let wrong = BadRequest::Line(number + 1);
            match line.split_once('=').ok_or(wrong.clone())? {
                ("caller", caller) => request.caller = cut(caller, CALLER),
                ("cause", cause) => request.cause = Some(Cause::parse(cause).ok_or(wrong)?),
                ("answer", "over") => request.answer = AnswerWhen::Over,
                _ => return Err(wrong),
            }
        }
        if request.caller.is_empty() {
            Err(BadRequest::Nobody)
        } else {
            Ok(request)
        }
    }
}

impl Cause {
    fn parse(text: &str) -> Option<Self> {
        let (unit, invocation) = text.split_once(' ')?;
        Some(Self {
            unit: printable(unit, CALLER),
            invocation: InvocationId::parse(invocation)?,
        })
    }
}

/// Formats the lines of a backtrace as in a report: each but the first one is indented by a space.
fn frames(text: &str) -> Option<String> {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .take(FRAMES);
    let lines: Vec<_> = lines.map(|line| cut(line, LINE)).collect();
    (!lines.is_empty()).then(|| lines.join("\n ") + "\n")
}

/// Trims and cuts a text; the result has no blanks at its ends, so that it is the same when it is
/// read again.
fn cut(text: &str, limit: usize) -> String {
    let mut text = printable(text.trim(), limit);
    text.truncate(text.trim_end().len());
    text
}

/// Returns at most `limit` bytes, all of them visible.
pub(crate) fn printable(text: &str, limit: usize) -> String {
    let mut printable = String::new();
    for c in text.chars().map(|c| if is_visible(c) { c } else { '?' }) {
        if printable.len() + c.len_utf8() > limit {
            break;
        }
        printable.push(c);
    }
    printable
}

/// Answer to a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 0, or an errno.
    pub errno: i32,
    /// Text for people.
    pub words: String,
}

impl Answer {
    /// Renders the line for the socket.
    #[must_use]
    pub fn to_line(&self) -> String {
        format!("{} {}\n", self.errno, printable(&self.words, LINE))
    }

    /// Parses it; `None` if it is cut off or has another form.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (errno, words) = line.strip_suffix('\n')?.split_once(' ')?;
        Some(Self {
            errno: errno.parse().ok()?,
            words: words.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            caller: "cm2_trigger_restart_managers".into(),
            cause: Some(Cause {
                unit: "cm.service".into(),
                invocation: InvocationId::parse(&"1f".repeat(16)).expect("32 digits"),
            }),
            answer: AnswerWhen::Over,
            backtrace: Some("0 > 0x1: f 0x2 /usr/bin/cm\n 1 > 0x3: main 0x4 /usr/bin/cm\n".into()),
        }
    }

    #[test]
    fn a_request_is_read_back() {
        let plain = Request {
            cause: None,
            answer: AnswerWhen::Begun,
            backtrace: None,
            ..request()
        };
        for request in [request(), plain] {
            assert_eq!(Request::parse(request.to_text().as_bytes()), Ok(request));
        }
    }

    #[test]
    fn a_long_backtrace_is_cut_before_it_is_sent() {
        let line = format!("#0  0x0001 in {}\n", "deep".repeat(100));
        let long = Request {
            backtrace: Some(line.repeat(900)),
            ..request()
        };
        let parsed = Request::parse(long.to_text().as_bytes()).expect("it fits");
        assert_eq!(
            parsed.backtrace.map(|text| text.lines().count()),
            Some(FRAMES)
        );
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let long = [request().to_text(), "x".repeat(LONGEST)].concat();
        for (text, why) in [
            ("", BadRequest::Protocol),
            ("GET / HTTP/1.0\n\n", BadRequest::Protocol),
            ("unitward-restart-stack 1\n", BadRequest::Nobody),
            ("unitward-restart-stack 1\ncaller= \n\n", BadRequest::Nobody),
            (
                "unitward-restart-stack 1\ncaller=x\nwhat\n\n",
                BadRequest::Line(3),
            ),
            (
                "unitward-restart-stack 1\ncaller=x\ncause=y.service 12\n\n",
                BadRequest::Line(3),
            ),
            (&long, BadRequest::TooLong),
        ] {
            assert_eq!(Request::parse(text.as_bytes()), Err(why), "{text:.60}");
        }
    }

    #[test]
    fn nothing_in_it_can_forge_a_line() {
        let text = "unitward-restart-stack 1\ncaller=a\tb\u{1b}[2J\n\n0 > 0x1: f\u{7} 0 /x\r\n\n\n  1 > 0x2: g 0 /y";
        let request = Request::parse(text.as_bytes()).expect("it is one");
        assert_eq!(request.caller, "a?b?[2J");
        assert_eq!(
            request.backtrace.as_deref(),
            Some("0 > 0x1: f? 0 /x\n 1 > 0x2: g 0 /y\n")
        );
        let deep = format!(
            "unitward-restart-stack 1\ncaller=x\n\n{}",
            "1 > 0x2: g 0 /y\n".repeat(500)
        );
        let deep = Request::parse(deep.as_bytes()).expect("it is one");
        assert_eq!(
            deep.backtrace.map(|text| text.lines().count()),
            Some(FRAMES)
        );
    }

    #[test]
    fn an_answer_is_read_back() {
        let answer = Answer {
            errno: 13,
            words: "only root\nor a member".into(),
        };
        assert_eq!(
            Answer::parse(&answer.to_line()),
            Some(Answer {
                errno: 13,
                words: "only root?or a member".into()
            })
        );
        for cut in ["", "0", "0 ", "13 only", "x y\n"] {
            assert_eq!(Answer::parse(cut), None, "{cut:?}");
        }
    }
}
