//! The name of a program that requests a full restart without naming itself.

/// Interpreters, for which the script's name is used.
const INTERPRETERS: [&str; 9] = [
    "sh", "bash", "dash", "ash", "zsh", "ksh", "busybox", "perl", "ruby",
];

/// Programs that run another one as a different user; their parent's name is used.
const CHANGERS: [&str; 4] = ["sudo", "doas", "su", "runuser"];

/// Longest name that the kernel keeps, in bytes: `TASK_COMM_LEN` without its end.
const KEPT: usize = 15;

/// A process: its name in the kernel, which for a script is the script's, and its arguments.
#[derive(Debug, Clone, Copy)]
pub struct Program<'p> {
    /// `/proc/PID/comm`, at most 15 bytes.
    pub name: &'p str,
    /// `/proc/PID/cmdline`.
    pub arguments: &'p [String],
}

impl Program<'_> {
    /// Returns true if the name of its parent is used instead of its own.
    #[must_use]
    pub fn is_a_changer(&self) -> bool {
        CHANGERS.contains(&self.name)
    }

    /// Returns its usual name: for an interpreter that of the script.
    #[must_use]
    pub fn called(&self) -> String {
        if let Some(script) = self.script() {
            return base(script).to_owned();
        }
        // The kernel has cut a long name; the arguments have it in full.
        let whole = self
            .arguments
            .iter()
            .map(|argument| base(argument))
            .find(|name| self.is_cut_from(name));
        whole.unwrap_or(self.name).to_owned()
    }

    /// Returns the script that an interpreter runs.
    fn script(&self) -> Option<&str> {
        let is_interpreter = INTERPRETERS.contains(&self.name) || self.name.starts_with("python");
        let mut rest = self
            .arguments
            .iter()
            .skip(1)
            .skip_while(|argument| is_switch(argument));
        // Any other word with a dash is followed by a command, not by a file: sh -c COMMAND.
        rest.next()
            .filter(|argument| is_interpreter && !argument.starts_with('-'))
            .map(String::as_str)
    }

    fn is_cut_from(&self, name: &str) -> bool {
        name == self.name || (self.name.len() == KEPT && name.starts_with(self.name))
    }
}

/// Returns true for switches of shells that may be followed by a script.
fn is_switch(argument: &str) -> bool {
    argument.len() > 1
        && argument.starts_with('-')
        && argument[1..].chars().all(|c| "euxvlB".contains(c))
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, arguments: &[&str], expect: &str) {
        let arguments: Vec<_> = arguments
            .iter()
            .map(|argument| (*argument).to_owned())
            .collect();
        assert_eq!(
            Program {
                name,
                arguments: &arguments
            }
            .called(),
            expect,
            "{name} {arguments:?}"
        );
    }

    #[test]
    fn a_script_is_called_by_its_own_name_however_it_is_run() {
        check("rescue", &["/bin/sh", "/usr/local/bin/rescue"], "rescue");
        check("sh", &["sh", "/opt/rescue.sh", "now"], "rescue.sh");
        check("bash", &["bash", "-eu", "rescue.sh"], "rescue.sh");
        check(
            "python3.11",
            &["/usr/bin/python3.11", "/opt/rescue.py"],
            "rescue.py",
        );
        check(
            "a-very-long-nam",
            &["/bin/sh", "/opt/a-very-long-name-of-a-script", "x"],
            "a-very-long-name-of-a-script",
        );
    }

    #[test]
    fn a_shell_is_called_a_shell() {
        check("bash", &["-bash"], "bash");
        check("bash", &["bash", "-l"], "bash");
        check("sh", &["sh", "-c", "unitward restart-stack x"], "sh");
        check("sh", &["sh", "-ec", "unitward restart-stack x"], "sh");
        check("zsh", &[], "zsh");
    }

    #[test]
    fn a_program_is_called_by_its_whole_name() {
        check("cm", &["/usr/opensync/bin/cm", "-v"], "cm");
        check(
            "a-program-of-15",
            &["./a-program-of-15-and-more"],
            "a-program-of-15-and-more",
        );
        check("renamed", &["/bin/x"], "renamed");
        assert!(
            Program {
                name: "sudo",
                arguments: &[]
            }
            .is_a_changer()
        );
        assert!(
            !Program {
                name: "sudoku",
                arguments: &[]
            }
            .is_a_changer()
        );
    }
}
