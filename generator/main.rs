//! `unitward-generator`: a systemd generator (systemd.generator(7)).
//!
//! Arguments → read → plan → write; the library does each. It always exits with 0, because a
//! mistake in a ward must not make systemd distrust the boot; mistakes go to the kernel log.

mod write;

use std::path::{Path, PathBuf};
use unitward::core::config::Cost;
use unitward::core::unit::{Output, Rank};
use unitward::edge::conveyor;
use unitward::edge::kmsg::{self, Priority};
use unitward::edge::planner::Planner;
use unitward::edge::root::Files;
use write::Writer;

fn main() {
    let mut arguments = std::env::args_os().skip(1).peekable();
    let root = if arguments.next_if(|word| word == "--root").is_some() {
        arguments.next()
    } else {
        Some("/".into())
    };
    // The early directory, the second, stays empty. If only one directory is given, everything goes
    // there.
    match (root, arguments.next(), arguments.nth(1)) {
        (Some(root), Some(normal), late) => {
            let late = late.unwrap_or_else(|| normal.clone());
            generate(
                &PathBuf::from(root),
                &Directories {
                    normal: normal.into(),
                    late: late.into(),
                },
            );
        }
        _ => eprintln!("usage: unitward-generator [--root DIR] NORMAL-DIR [EARLY-DIR LATE-DIR]"),
    }
    // Without dropping the plan: the process's end frees a thousand wards faster.
    std::process::exit(0)
}

/// The directories for generated units.
struct Directories {
    normal: PathBuf,
    late: PathBuf,
}

/// A writer for each of the directories.
struct Writers<'a> {
    normal: Writer<'a>,
    late: Writer<'a>,
}

impl Writers<'_> {
    fn write(&mut self, outputs: &[Output]) {
        for output in outputs {
            match output.rank {
                Rank::Normal => self.normal.write(output),
                Rank::Late => self.late.write(output),
            }
        }
    }
}

/// Reads below `root`, writes into `directories`.
///
/// With many wards one thread reads and plans while another writes, which takes about as long. A
/// ward is dropped by the thread that made it, and only so many outputs wait to be written, so ten
/// thousand need no more memory than hundreds.
fn generate(root: &Path, directories: &Directories) {
    let mut files = Files::list(root);
    let stacks = files.stacks();
    let mut planner = Planner::new(root, &stacks);
    let mut writers = Writers {
        normal: Writer::new(&directories.normal),
        late: Writer::new(&directories.late),
    };
    let mut problems = Vec::new();
    conveyor::convey(
        |hand_over| {
            files.wards(&stacks, &mut |read| {
                let planned = planner.plan(read);
                problems.extend(planned.problems);
                hand_over(planned.outputs);
            });
        },
        |outputs: Vec<Output>| writers.write(&outputs),
    );
    for stack in planner.stacks() {
        writers.write(&stack.outputs);
        problems.extend(stack.problem);
    }
    let (_, unread) = files.settings();
    for problem in unread.iter().chain(&problems) {
        let priority = if problem.mistake.cost() == Cost::Nothing {
            Priority::Notice
        } else {
            Priority::Warning
        };
        kmsg::log(priority, &problem.to_string());
    }
    let Writers { normal, late } = writers;
    for (path, error) in normal.failed.iter().chain(&late.failed) {
        kmsg::log(
            Priority::Warning,
            &format!("failed to write {}: {error}", path.display()),
        );
    }
}
