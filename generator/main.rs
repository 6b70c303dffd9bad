//! `unitward-generator`: a systemd generator (systemd.generator(7)).
//!
//! Arguments → read → plan → write; what each does is the library's. It exits with 0 whatever it meets, because a
//! mistake in a ward must not make systemd distrust the boot; mistakes go to the kernel log.

mod write;

use std::path::{Path, PathBuf};
use unitward::core::config::{Cost, Problem, Ward};
use unitward::core::unit::{self, AdoptedUnits};
use unitward::edge::kmsg::{self, Priority};
use unitward::edge::{parallel, root, unit_files};
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
fn generate(root: &Path, directory: &Path) {
    let (config, mut problems) = root::load(root);
    let (adopted, missing) = unit_files::adopted(root, &config);
    let (wards, twice) = unit::without_collisions(&config);
    problems.extend(missing.into_iter().chain(twice));
    // Each ward's text is written and forgotten before the next one is made.
    let parts = parallel::chunks(&wards, |wards| write_all(directory, wards, &adopted));
    let mut failed = Vec::new();
    for (wrong, unwritten) in parts {
        problems.extend(wrong);
        failed.extend(unwritten);
    }
    for problem in &problems {
        let priority = if problem.mistake.cost() == Cost::Nothing { Priority::Notice } else { Priority::Warning };
        kmsg::log(priority, &problem.to_string());
    }
    for (path, error) in failed {
        kmsg::log(Priority::Warning, &format!("failed to write {}: {error}", path.display()));
    }
}

type Failure = (PathBuf, std::io::Error);

/// Writes the units of `wards`; gives the problems in them and what could not be written.
fn write_all(directory: &Path, wards: &[&Ward], adopted: &AdoptedUnits) -> (Vec<Problem>, Vec<Failure>) {
    let mut writer = match Writer::new(directory) {
        Ok(writer) => writer,
        Err(error) => return (Vec::new(), vec![(directory.to_owned(), error)]),
    };
    let mut problems = Vec::new();
    for ward in wards {
        let (outputs, wrong) = unit::outputs(ward, adopted);
        outputs.iter().for_each(|output| writer.write(output));
        problems.extend(wrong);
    }
    (problems, writer.failed)
}
