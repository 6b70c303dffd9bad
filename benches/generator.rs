//! What the generator costs, as whole processes, side by side in one run.
//!
//! * nothing configured, against `/bin/true`: every boot and every daemon-reload pays this;
//! * 1,000 wards of four steps each, against a program that only writes the same files (this one, called with
//!   `--whole` or `--plain`): what is left is reading, parsing and planning. `--whole` writes each file under another
//!   name and renames it, so that it appears whole or not at all, as a generator must; `--plain` just writes.
//!
//! The two commands of a pair take turns, so a change of the machine's pace meets both. Printed are the medians and the
//! median of the ratios, a line of JSON each.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const WARDS: usize = 1_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [how, blob, directory] = arguments.as_slice()
        && let Some(how) = How::of(how)
    {
        return write_only(how, Path::new(blob), Path::new(directory));
    }
    let place =
        tempfile::Builder::new().prefix("unitward-bench").tempdir_in("/dev/shm").expect("a tmpfs, as /run is one");
    empty(place.path());
    thousand(place.path());
}

fn empty(place: &Path) {
    let (root, out) = (place.join("empty"), place.join("empty-out"));
    fs::create_dir_all(&root).and_then(|()| fs::create_dir_all(&out)).expect("a place to work");
    compare(
        "generator/empty",
        "/bin/true",
        300,
        [&mut || generate(&root, &out), &mut || run(&mut Command::new("/bin/true"))],
    );
}

fn thousand(place: &Path) {
    let (root, out, blob) = (place.join("many"), place.join("many-out"), place.join("blob"));
    let folder = root.join("etc/unitward");
    fs::create_dir_all(&folder).expect("a place to work");
    for n in 0..WARDS {
        let steps = "Execute=/usr/bin/umount -l /mnt\nRestart=%n\nWaitFor=2s\nExecute=/usr/bin/mount /mnt\nRestart=inetd.service\n";
        let text = format!(
            "[Unit]\nDescription=Service {n}\n\n[Service]\nExecStart=/usr/sbin/service-{n} --foreground\n\n[Install]\nWantedBy=multi-user.target\n\n[OnDeath]\n{steps}"
        );
        fs::write(folder.join(format!("service-{n:04}.ward")), text).expect("a ward");
    }
    fresh(&out);
    generate(&root, &out);
    write_blob(&out, &blob);
    let this = std::env::current_exe().expect("this program");
    for (how, other) in [("--whole", "write-only-whole"), ("--plain", "write-only-plain")] {
        let mut write = || {
            fresh(&out);
            run(Command::new(&this).arg(how).arg(&blob).arg(&out))
        };
        let mut all = || {
            fresh(&out);
            generate(&root, &out)
        };
        compare("generator/1000-wards", other, 40, [&mut all, &mut write]);
    }
}

/// Runs the two in turn and prints what came out.
fn compare(name: &str, other: &str, rounds: usize, pair: [&mut dyn FnMut() -> Duration; 2]) {
    let mut times = [Vec::new(), Vec::new()];
    let mut ratios = Vec::new();
    for round in 0..=rounds {
        let (a, b) = (pair[0](), pair[1]());
        // The first round warms the caches.
        if round > 0 {
            times[0].push(a.as_secs_f64() * 1e3);
            times[1].push(b.as_secs_f64() * 1e3);
            ratios.push(a.as_secs_f64() / b.as_secs_f64());
        }
    }
    let [ours, theirs] = times.map(median);
    println!(
        "{{\"bench\":\"{name}\",\"unit\":\"ms\",\"median\":{ours:.3},\"against\":\"{other}\",\"againstMedian\":{theirs:.3},\"ratio\":{:.2},\"rounds\":{rounds}}}",
        median(ratios)
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn generate(root: &Path, out: &Path) -> Duration {
    // `make bench` names the one that is packaged, which is linked statically.
    let packaged = std::env::var("UNITWARD_GENERATOR");
    let mut command = Command::new(packaged.as_deref().unwrap_or(env!("CARGO_BIN_EXE_unitward-generator")));
    run(command.arg("--root").arg(root).arg(out))
}

fn run(command: &mut Command) -> Duration {
    let begun = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().expect("it can be run");
    assert!(status.success(), "{command:?}");
    begun.elapsed()
}

fn fresh(directory: &Path) {
    let _ = fs::remove_dir_all(directory);
    fs::create_dir_all(directory).expect("a place to write");
}

/// One file that holds a whole tree: kind, path and content, each with its length.
fn write_blob(tree: &Path, blob: &Path) {
    let mut entries = Vec::new();
    let mut open = vec![tree.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(at).expect("a folder").flatten() {
            let path = entry.path();
            let name = path.strip_prefix(tree).expect("it is below").display().to_string();
            if let Ok(target) = fs::read_link(&path) {
                entries.push(('l', name, target.display().to_string()));
            } else if path.is_dir() {
                entries.insert(0, ('d', name, String::new()));
                open.push(path);
            } else {
                entries.push(('f', name, fs::read_to_string(&path).expect("a unit")));
            }
        }
    }
    let text: String =
        entries.iter().map(|(kind, name, text)| format!("{kind} {} {} {name}{text}", name.len(), text.len())).collect();
    fs::write(blob, text).expect("the blob");
}

/// How the other program writes.
#[derive(Clone, Copy, PartialEq)]
enum How {
    Whole,
    Plain,
}

impl How {
    fn of(flag: &str) -> Option<Self> {
        [("--whole", Self::Whole), ("--plain", Self::Plain)]
            .into_iter()
            .find(|(name, _)| *name == flag)
            .map(|(_, how)| how)
    }
}

fn write_only(how: How, blob: &Path, out: &Path) {
    let text = fs::read_to_string(blob).expect("the blob");
    let temporary = out.join(".temporary");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let mut fields = rest.splitn(4, ' ');
        let mut field = || fields.next().expect("a field");
        let (kind, name, content, tail) = (field(), field(), field(), field());
        let (name, content): (usize, usize) = (name.parse().expect("a length"), content.parse().expect("a length"));
        let path = out.join(&tail[..name]);
        let content_text = &tail[name..name + content];
        match kind {
            "d" => fs::create_dir(path).expect("a folder"),
            "l" => std::os::unix::fs::symlink(content_text, path).expect("a link"),
            _ if how == How::Plain => fs::write(path, content_text).expect("a file"),
            _ => fs::write(&temporary, content_text).and_then(|()| fs::rename(&temporary, path)).expect("a file"),
        }
        rest = &tail[name + content..];
    }
}
