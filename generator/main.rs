//! `unitward-generator`: a systemd generator (systemd.generator(7)).
//!
//! Arguments → read → plan → write; what each does is the library's. It exits with 0 whatever it meets, because a
//! mistake in a ward must not make systemd distrust the boot; mistakes go to the kernel log.

mod write;

use std::path::{Path, PathBuf};
use unitward::core::config::Cost;
use unitward::edge::conveyor;
use unitward::edge::kmsg::{self, Priority};
use unitward::edge::planner::Planner;
use unitward::edge::root;
use write::Writer;

fn main() {
    let mut arguments = std::env::args_os().skip(1).peekable();
    let root = if arguments.next_if(|word| word == "--root").is_some() { arguments.next() } else { Some("/".into()) };
    match (root, arguments.next()) {
        (Some(root), Some(directory)) => generate(&PathBuf::from(root), &PathBuf::from(directory)),
        _ => eprintln!("usage: unitward-generator [--root DIR] NORMAL-DIR [EARLY-DIR LATE-DIR]"),
    }
    // Without taking the plan apart first: the process's end frees a thousand wards faster.
    std::process::exit(0)
}

/// Reads below `root`, writes into `directory`. The early and the late directory stay empty: a ward's unit overrides
/// what packages ship and is overridden by the administrator's own.
///
/// With many wards one thread reads while another plans and writes; each ward's text is forgotten once written.
fn generate(root: &Path, directory: &Path) {
    let mut planner = Planner::new(root);
    let mut writer = match Writer::new(directory) {
        Ok(writer) => writer,
        Err(error) => return kmsg::log(Priority::Warning, &format!("failed to open {}: {error}", directory.display())),
    };
    let mut unread = Vec::new();
    let mut problems = Vec::new();
    conveyor::convey(
        |hand_over| unread = root::each(root, hand_over).1,
        |read| {
            let planned = planner.plan(read);
            planned.outputs.iter().for_each(|output| writer.write(output));
            problems.extend(planned.problems);
            // The other thread made it; taking it apart here would make both wait for one heap. The process ends soon.
            std::mem::forget(planned.ward);
        },
    );
    for problem in unread.iter().chain(&problems) {
        let priority = if problem.mistake.cost() == Cost::Nothing { Priority::Notice } else { Priority::Warning };
        kmsg::log(priority, &problem.to_string());
    }
    for (path, error) in writer.failed {
        kmsg::log(Priority::Warning, &format!("failed to write {}: {error}", directory.join(path).display()));
    }
}
