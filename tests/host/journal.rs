//! What a host's journal says.

use serde_json::Value;

use super::Host;

impl Host {
    /// The output of journalctl with these arguments. All that was logged before the call is in it.
    #[track_caller]
    pub(crate) fn journal(&self, arguments: &[&str]) -> String {
        self.run(&["journalctl", "--sync"]);
        let command = [&["journalctl", "--quiet", "--no-pager"], arguments].concat();
        String::from_utf8_lossy(&self.run(&command).stdout).into_owned()
    }

    /// The journal's entries that these arguments select, with all their fields.
    #[track_caller]
    pub(crate) fn journal_json(&self, arguments: &[&str]) -> Vec<Value> {
        let arguments = [&["--output=json", "--all"], arguments].concat();
        let lines = self.journal(&arguments);
        lines
            .lines()
            .map(|line| {
                serde_json::from_str(line).expect("journalctl writes one JSON object a line")
            })
            .collect()
    }

    /// What a failed test shows of its host. Never panics, for the test already does.
    pub(super) fn last_words(&self) -> String {
        let tail = self.stdout_of(&[
            "journalctl",
            "--quiet",
            "--no-pager",
            "--lines=60",
            "--output=short-monotonic",
        ]);
        if tail.is_empty() {
            "the host's journal cannot be read".into()
        } else {
            format!("the end of the host's journal:\n{tail}")
        }
    }
}
