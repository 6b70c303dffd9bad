//! Runs generators in turns, inside a host: each makes units of as many descriptions, a run after
//! the other's, so that a change of the machine's pace affects all of them. All their input and
//! output is on the tmpfs `/run`.
//!
//! A ward has four steps and its restart; the description of a container has the same as lines that
//! systemd runs at every start. The bare writer gets the generator's output as its input.

use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The generator's program.
pub(crate) const GENERATOR: &str = "/usr/lib/systemd/system-generators/unitward-generator";
/// The bare writer's program; see `benches/writer.rs`.
pub(crate) const WRITER: &str = "/usr/local/bin/writer";
/// podman's generator, as its package installs it.
const QUADLET: &str = "/usr/lib/systemd/system-generators/podman-system-generator";

/// Time of each run, in milliseconds.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Times {
    pub(crate) unitward: Vec<f64>,
    pub(crate) rename: Vec<f64>,
    pub(crate) plain: Vec<f64>,
    pub(crate) quadlet: Vec<f64>,
}

/// Prints the [`Times`] of `WARDS ROUNDS`.
pub(crate) fn run(arguments: &[String]) {
    let numbers: Vec<usize> = arguments
        .iter()
        .map(|argument| argument.parse().expect("a number"))
        .collect();
    let [wards, rounds] = numbers.as_slice() else {
        panic!("usage: bench turns WARDS ROUNDS")
    };
    println!(
        "{}",
        serde_json::to_string(&take_turns(*wards, *rounds)).expect("JSON")
    );
}

fn take_turns(wards: usize, rounds: usize) -> Times {
    let place = Place::new(Path::new("/run/turns"), wards);
    let mut generator = Command::new(GENERATOR);
    generator.arg("--root").arg(&place.root).arg(&place.out);
    let mut quadlet = Command::new(QUADLET);
    quadlet
        .env("QUADLET_UNIT_DIRS", &place.containers)
        .args([&place.out; 3]);
    let writer = |how: &str| {
        let mut writer = Command::new(WRITER);
        writer.arg(how).arg(&place.blob).arg(&place.out);
        writer
    };
    let (mut plain, mut rename) = (writer("plain"), writer("rename"));
    place.time(&mut generator);
    fs::write(&place.blob, blob(&place.out)).expect("the blob");
    let mut times = Times::default();
    for round in 0..=rounds {
        for (command, times) in [
            (&mut generator, &mut times.unitward),
            (&mut rename, &mut times.rename),
            (&mut plain, &mut times.plain),
            (&mut quadlet, &mut times.quadlet),
        ] {
            let time = place.time(command);
            // The first round warms the caches.
            if round > 0 {
                times.push(time);
            }
        }
    }
    times
}

/// The paths of all input and output.
struct Place {
    wards: usize,
    root: PathBuf,
    containers: PathBuf,
    blob: PathBuf,
    out: PathBuf,
}

impl Place {
    fn new(at: &Path, wards: usize) -> Self {
        let [root, containers, blob, out] =
            ["root", "containers", "blob", "out"].map(|name| at.join(name));
        let folder = root.join("etc/unitward");
        let _ = fs::remove_dir_all(at);
        fs::create_dir_all(&folder)
            .and_then(|()| fs::create_dir_all(&containers))
            .expect("a place to work");
        for n in 0..wards {
            fs::write(folder.join(format!("service-{n:05}.ward")), ward(n)).expect("a ward");
            fs::write(
                containers.join(format!("service-{n:05}.container")),
                container(n),
            )
            .expect("a container");
        }
        Self {
            wards,
            root,
            containers,
            blob,
            out,
        }
    }

    /// Returns the time of a run into an empty directory, in milliseconds. There must be as many
    /// services as wards afterwards.
    fn time(&self, command: &mut Command) -> f64 {
        let _ = fs::remove_dir_all(&self.out);
        fs::create_dir(&self.out).expect("a place to write");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let begun = Instant::now();
        let status = command.status().expect("it can be run");
        let time = begun.elapsed().as_secs_f64() * 1e3;
        assert!(status.success(), "{command:?}: {status}");
        let names = fs::read_dir(&self.out)
            .expect("a folder")
            .flatten()
            .map(|entry| entry.file_name());
        let services = names
            .filter(|name| name.to_string_lossy().ends_with(".service"))
            .count();
        assert_eq!(services, self.wards, "{command:?}");
        time
    }
}

fn ward(n: usize) -> String {
    let steps = "Execute=/usr/bin/umount -l /mnt\nRestart=%n\nWaitFor=2s\nExecute=/usr/bin/mount /mnt\nRestart=inetd.service\n";
    format!(
        "[Unit]\nDescription=Service {n}\n\n[Service]\nExecStart=/usr/sbin/service-{n} --foreground\n\n[Install]\nWantedBy=multi-user.target\n\n[OnDeath]\n{steps}"
    )
}

/// Returns the description of a container, as podman-systemd.unit(5) has it, with the image's full
/// name as it advises; the steps are lines of systemd's.
fn container(n: usize) -> String {
    let steps = "ExecStartPre=-/usr/bin/umount -l /mnt\nExecStartPost=-/usr/bin/sleep 2s\nExecStartPost=-/usr/bin/mount /mnt\nExecStartPost=-/usr/bin/systemctl restart inetd.service\n";
    format!(
        "[Unit]\nDescription=Service {n}\n\n[Container]\nImage=registry.example/service:{n}\nExec=/usr/sbin/service-{n} --foreground\n\n[Service]\nRestart=on-failure\n{steps}\n[Install]\nWantedBy=multi-user.target\n"
    )
}

/// Returns one text that holds a whole tree: kind, path and content, each with its length; folders
/// first.
fn blob(tree: &Path) -> String {
    let mut entries = Vec::new();
    let mut open = vec![tree.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(at).expect("a folder").flatten() {
            let path = entry.path();
            let name = path
                .strip_prefix(tree)
                .expect("it is below")
                .display()
                .to_string();
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
    entries
        .iter()
        .map(|(kind, name, text)| format!("{kind} {} {} {name}{text}", name.len(), text.len()))
        .collect()
}
