//! All fuzz targets over their seeds, over what fuzzing once found, and over some mutations of both. `make fuzz` does so for hours and
//! with a sense for what is new; this needs no instrumented build, and the same bytes come each time in the same order, as many as there is
//! time for.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

#[path = "../fuzz/targets/mod.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};
use targets::{TARGETS, Target};

/// Mutations of a target, and the time after which there are enough on a slow machine.
const MUTATIONS: usize = 4_000;
const LONGEST: Duration = Duration::from_secs(2);

/// How long one input may take, on a machine that does much else.
const LONGEST_INPUT: Duration = Duration::from_secs(20);

/// All files below a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push(path)
        }
    }
    found.sort();
    found
}

fn here(place: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(place)
}

/// The seeds of a target and what was found in it; of configuration the golden trees, too.
fn corpus(target: Target) -> Vec<Vec<u8>> {
    let mut paths = files(&here("fuzz/seeds").join(target.name));
    paths.extend(files(&here("fuzz/regressions").join(target.name)));
    let golden = files(&here("tests/golden"))
        .into_iter()
        .filter(|path| path.components().any(|part| part.as_os_str() == "root"));
    match target.name {
        "ward" => {
            paths.extend(golden.filter(|path| path.extension().is_some_and(|end| end == "ward")))
        }
        "stack" => {
            paths.extend(golden.filter(|path| path.extension().is_some_and(|end| end == "stack")))
        }
        "settings" => paths.extend(golden.filter(|path| path.ends_with("unitward.conf"))),
        _ => {}
    }
    paths
        .into_iter()
        .map(|path| fs::read(path).unwrap())
        .collect()
}

/// A thread that runs inputs of a target, one after the other, each within a bound.
struct Runner {
    target: Target,
    inputs: Sender<Vec<u8>>,
    results: Receiver<Result<(), ()>>,
}

impl Runner {
    fn new(target: Target) -> Self {
        let (inputs, queue) = mpsc::channel::<Vec<u8>>();
        let (results, received) = mpsc::channel();
        thread::spawn(move || {
            for bytes in queue {
                let result = catch_unwind(AssertUnwindSafe(|| target.run(&bytes))).map_err(drop);
                if results.send(result).is_err() {
                    return;
                }
            }
        });
        Self {
            target,
            inputs,
            results: received,
        }
    }

    /// Fails with the input where something does not hold, or it takes too long. The thread then is left behind.
    fn run(&self, bytes: &[u8]) {
        self.inputs.send(bytes.to_vec()).unwrap();
        let fault = match self.results.recv_timeout(LONGEST_INPUT) {
            Ok(Ok(())) => return,
            Ok(Err(())) | Err(RecvTimeoutError::Disconnected) => "fails".to_owned(),
            Err(RecvTimeoutError::Timeout) => format!("takes longer than {LONGEST_INPUT:?}"),
        };
        panic!(
            "{} {fault} with b\"{}\"",
            self.target.name,
            bytes.escape_ascii()
        );
    }
}

/// Numbers without any pattern, the same each time (Marsaglia's xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap()
    }

    /// Changes a few bytes: another value, fewer, more, or a piece of other bytes.
    fn mutate(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        const TELLING: &[u8] = b"\n\r\0\\=[]%\"' ;#$\x7f\x80\xff\xf0/.-{}:,0";
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            match self.below(6) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => bytes[at] = TELLING[self.below(TELLING.len())],
                2 => bytes.insert(at, TELLING[self.below(TELLING.len())]),
                3 => drop(bytes.drain(at..(at + self.below(16)).min(bytes.len()))),
                4 => bytes.truncate(at),
                _ => {
                    let from = self.below(other.len());
                    let piece = &other[from..(from + self.below(32)).min(other.len())];
                    bytes.splice(at..at, piece.iter().copied());
                }
            }
        }
    }
}

#[test]
fn every_target_has_seeds_and_every_seed_a_target() {
    for target in TARGETS {
        assert!(!corpus(target).is_empty(), "{} has no seed", target.name);
    }
    for folder in ["fuzz/seeds", "fuzz/regressions"] {
        for entry in fs::read_dir(here(folder)).into_iter().flatten() {
            let name = entry.unwrap().file_name();
            assert!(
                TARGETS.iter().any(|target| name == target.name),
                "{} in {folder}",
                name.display()
            );
        }
    }
}

#[test]
fn seeds_and_former_findings_are_read_as_they_should() {
    for target in TARGETS {
        let runner = Runner::new(target);
        corpus(target).iter().for_each(|bytes| runner.run(bytes));
    }
}

#[test]
fn mutations_of_them_are_read_as_they_should() {
    for target in TARGETS {
        let (runner, corpus, begun) = (Runner::new(target), corpus(target), Instant::now());
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        for _ in 0..MUTATIONS {
            if begun.elapsed() > LONGEST {
                break;
            }
            let mut bytes = corpus[random.below(corpus.len())].clone();
            let other = random.below(corpus.len());
            random.mutate(&mut bytes, &corpus[other]);
            runner.run(&bytes);
        }
    }
}
