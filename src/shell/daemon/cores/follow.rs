//! One `journalctl --follow` that prints the entries of core dumps, line by line.
//!
//! By itself `--follow` shows only the current boot, which journalctl cannot determine in a
//! container whose `/proc` the sandbox has replaced. `--merge` shows all boots. It would show other
//! machines' journals too, hence the directory.

use crate::edge::coredump::{Dumper, FIELDS, journal_directory};
use crate::edge::program::HostProgram;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// Upper bound of a line, in bytes; longer ones are skipped. With the largest number of mappings
/// that a process may have the memory map has 7 MB.
const LINE: usize = 16 << 20;

/// Time limit of reading the error output of a `journalctl` that ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Upper bound of its error output, in bytes.
const WORDS: u64 = 1024;

/// The process, killed on drop.
pub(super) struct Journal {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Journal {
    /// Starts it at a time, in seconds since the epoch, of any boot.
    ///
    /// # Errors
    /// There is no `journalctl`, or no journal.
    pub(super) fn follow(root: &Path, since: u64, dumper: Dumper) -> io::Result<Self> {
        let Some(directory) = journal_directory(root) else {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "this host has no journal",
            ));
        };
        let mut child = Command::from(HostProgram::Journalctl.command())
            .arg("--directory")
            .arg(directory)
            .args([
                "--merge",
                "--follow",
                "--no-tail",
                "--all",
                "--quiet",
                "--no-pager",
                "--output=json",
            ])
            .args([
                format!("--output-fields={FIELDS}"),
                format!("--since=@{since}"),
            ])
            .args(dumper.matches())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self {
            child,
            lines: Lines::new(BufReader::new(stdout)),
        })
    }

    /// Returns the next entry; `None`: the process has ended. Is cancel-safe.
    pub(super) async fn next(&mut self) -> io::Result<Option<String>> {
        self.lines.next().await
    }

    /// Returns the reason why the process ended.
    pub(super) async fn last_words(mut self) -> String {
        let mut said = Vec::new();
        if let Some(stderr) = self.child.stderr.take() {
            let _ = timeout(LAST_WORDS, stderr.take(WORDS).read_to_end(&mut said)).await;
        }
        match String::from_utf8_lossy(&said).lines().next() {
            Some(line) => line.to_owned(),
            None => match timeout(LAST_WORDS, self.child.wait()).await {
                Ok(Ok(status)) => format!("journalctl ended with {status}"),
                Ok(Err(_)) | Err(_) => "journalctl closed its output".to_owned(),
            },
        }
    }
}

/// Lines of bounded length.
struct Lines<R> {
    reader: R,
    /// The part of the line that has been read; empty if it is too long.
    line: Vec<u8>,
    too_long: bool,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            line: Vec::new(),
            too_long: false,
        }
    }

    /// Returns the next line that is not too long; `None` at the end, also if the last line has no
    /// line break.
    async fn next(&mut self) -> io::Result<Option<String>> {
        loop {
            let piece = self.reader.fill_buf().await?;
            if piece.is_empty() {
                return Ok(None);
            }
            let end = piece.iter().position(|byte| *byte == b'\n');
            let part = &piece[..end.unwrap_or(piece.len())];
            self.too_long |= self.line.len() + part.len() > LINE;
            if self.too_long {
                self.line = Vec::new();
            } else {
                self.line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                if !std::mem::take(&mut self.too_long) {
                    return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut lines = Lines::new(BufReader::with_capacity(7, text));
            let mut all = Vec::new();
            while let Some(line) = lines.next().await.unwrap() {
                all.push(line);
            }
            all
        })
    }

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        assert_eq!(
            lines(b"a\n\nlonger than the buffer\nno end"),
            ["a", "", "longer than the buffer"]
        );
        assert_eq!(lines(b""), [""; 0]);
        assert_eq!(lines(b"\xff\n"), ["\u{fffd}"]);
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_and_the_next_is_not() {
        let text = [
            "x".repeat(LINE),
            "y".repeat(LINE + 1),
            "z".into(),
            String::new(),
        ]
        .join("\n");
        let lines = lines(text.as_bytes());
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [LINE, 1]);
    }
}
