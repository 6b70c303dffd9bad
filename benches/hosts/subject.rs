//! A subject: a host on which one way of supervising is set up, with a meter inside.

use super::meter::{Expected, Stroke};
use super::pace::Paced;
use crate::host::{Access, Debian, Host};
use serde::de::DeserializeOwned;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

/// Path of this program inside a host.
pub(crate) const BENCH: &str = "/usr/local/bin/bench";
/// The measured service's program.
pub(crate) const WORKER: &str = "/usr/local/bin/worker";

/// A host with its meter, on which a supervisor is measured.
pub(crate) struct Subject {
    /// Version of the package that does the job.
    pub(crate) version: String,
    pub(crate) host: Host,
    meter: Meter,
}

/// Setup of a subject.
#[derive(Clone)]
pub(crate) struct Recipe {
    /// Its name in the results.
    pub(crate) name: &'static str,
    /// The measures that it takes part in, including those that it cannot do.
    pub(crate) measures: &'static [&'static str],
    /// The folder in `benches/peers` whose files are put into its host.
    pub(crate) folder: &'static str,
    pub(crate) stock: Stock,
    /// The package that does the job.
    pub(crate) package: &'static str,
    /// A shell script that starts everything.
    pub(crate) start: &'static str,
    /// The events that follow a kill.
    pub(crate) expected: Expected,
    /// Number of workers.
    pub(crate) workers: usize,
    /// It takes its turn every so many rounds: recipes that need a second for each kill would take
    /// up the whole time.
    pub(crate) every: usize,
    /// Polling interval, if it polls. Its kills are spread over that time.
    pub(crate) cycle: Duration,
}

/// The packages that are installed on its host.
#[derive(Clone, Copy)]
pub(crate) enum Stock {
    /// The project's packages.
    Ours,
    Debian,
    Peers,
}

impl Subject {
    /// Boots its host, sets it up and waits until its workers are up.
    pub(crate) fn new(debian: Debian, recipe: &Recipe) -> Self {
        let host = match recipe.stock {
            Stock::Ours => Host::boot(debian),
            Stock::Debian => Host::bare(debian),
            Stock::Peers => Host::with_peers(debian),
        };
        put_folder(
            &host,
            "",
            &Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("benches/peers")
                .join(recipe.folder),
        );
        let start = |host: &Host| {
            host.sh(recipe.start);
        };
        let subject = Self::on(host, (&recipe.expected, recipe.workers), start);
        let version = subject.host.sh(&format!(
            "dpkg-query -W -f '${{Version}}' {}",
            recipe.package
        ));
        Self { version, ..subject }
    }

    /// Makes a subject of a host: puts the meter there, sets the host up and waits until so many
    /// workers are up.
    pub(crate) fn on(
        host: Host,
        (expected, workers): (&Expected, usize),
        set_up: impl FnOnce(&Host),
    ) -> Self {
        put(
            &host,
            BENCH,
            &std::env::current_exe().expect("this program"),
        );
        put(
            &host,
            WORKER,
            Path::new(
                &std::env::var("UNITWARD_BENCH_WORKER").expect("make bench names the worker"),
            ),
        );
        // No message of a burst is dropped, whatever its sender.
        host.write(
            "/etc/mosquitto/conf.d/bench.conf",
            "max_queued_messages 0\nset_tcp_nodelay true\n",
        );
        host.sh("systemctl restart mosquitto");
        let mut meter = Meter::start(&host, expected);
        set_up(&host);
        let up: usize = meter.ask(&format!("ready {workers}"));
        assert_eq!(up, workers, "the workers are up");
        Self {
            version: String::new(),
            host,
            meter,
        }
    }

    /// Kills so many of the workers at once.
    pub(crate) fn strike(&mut self, workers: usize) -> Stroke {
        self.meter.ask(&format!("kill {workers}"))
    }

    /// Kills so many workers a second for some time.
    pub(crate) fn pace(&mut self, rate: usize) -> Paced {
        self.meter.ask(&format!("pace {rate}"))
    }
}

/// Puts a program into a host.
pub(crate) fn put(host: &Host, path: &str, program: &Path) {
    let program =
        fs::read(program).unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    host.write_mode(
        path,
        &program,
        Access {
            mode: 0o755,
            uid: 0,
        },
    );
}

/// Puts a folder's files below this path, with their modes.
fn put_folder(host: &Host, below: &str, folder: &Path) {
    for entry in
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        let entry = entry.expect("the folder is readable");
        let path = format!("{below}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            put_folder(host, &path, &entry.path());
        } else {
            let mode = entry.metadata().expect("it is there").permissions().mode() & 0o777;
            let text = fs::read(entry.path()).expect("it is readable");
            host.write_mode(&path, &text, Access { mode, uid: 0 });
        }
    }
}

/// The meter's process inside the host.
struct Meter {
    process: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Meter {
    fn start(host: &Host, expected: &Expected) -> Self {
        let [topic, restarts, steps] = expected.arguments();
        let mut process = host
            .inside(&[BENCH, "meter", &topic, &restarts, &steps])
            .stdin(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the meter");
        let commands = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("piped"));
        let mut meter = Self {
            process,
            commands,
            answers,
        };
        assert_eq!(meter.answer::<String>(), "listening");
        meter
    }

    fn ask<T: DeserializeOwned>(&mut self, command: &str) -> T {
        let commands = self
            .commands
            .as_mut()
            .expect("it is closed by the end only");
        writeln!(commands, "{command}")
            .and_then(|()| commands.flush())
            .expect("the meter reads");
        self.answer()
    }

    fn answer<T: DeserializeOwned>(&mut self) -> T {
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .expect("the meter answers");
        serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("the meter says {line:?}: {error}"))
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        drop(self.commands.take());
        // It may have ended with its host.
        let _ = self.process.wait();
    }
}
