//! The daemons, one a line of the file `daemons`, and the page that a run of the matrix writes.

use super::checks::{CHECKS, Cell, Verdict};
use crate::host::{Debian, Host};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// What marks a fault in a row.
pub(super) const FAULT: &str = "**fault**";

/// One line of the table.
#[derive(Clone, Debug)]
pub(super) struct Daemon {
    name: String,
    package: String,
    releases: String,
    /// Prepares the host before the first start.
    pub(super) setup: String,
}

impl Daemon {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn service(&self) -> String {
        format!("{}.service", self.name)
    }

    /// A ward's name has no `@`.
    pub(super) fn ward(&self) -> String {
        self.name.replace('@', "-").trim_end_matches('-').to_owned()
    }

    fn is_on(&self, debian: Debian) -> bool {
        ["both", number(debian)]
            .iter()
            .any(|word| self.releases.starts_with(word))
    }

    /// Whether it is one of those that are tested with all else.
    pub(super) fn is_of_the_six(&self) -> bool {
        self.releases.ends_with(" six")
    }
}

fn number(debian: Debian) -> &'static str {
    match debian {
        Debian::Bookworm => "12",
        Debian::Trixie => "13",
        Debian::Testing => "testing",
    }
}

/// The daemons of a release.
pub(super) fn daemons(debian: Debian) -> Vec<Daemon> {
    let lines = include_str!("daemons")
        .lines()
        .filter(|line| !line.starts_with('#'));
    let all = lines.map(|line| {
        let mut fields = line.splitn(4, '|').map(|field| field.trim().to_owned());
        let mut next = || fields.next().unwrap_or_default();
        Daemon {
            name: next(),
            package: next(),
            releases: next(),
            setup: next(),
        }
    });
    all.filter(|daemon| daemon.is_on(debian)).collect()
}

/// A row of the page.
pub(super) fn row(host: &Host, daemon: &Daemon, verdicts: &[Verdict]) -> String {
    let package = daemon.package.split(' ').next().unwrap_or_default();
    let version = host.sh(&format!(
        "dpkg-query --show --showformat='${{Version}}' {package}"
    ));
    let mut row = format!("| `{}` | {version} | {} |", daemon.name, kind(host, daemon));
    for verdict in verdicts {
        let cell = match verdict {
            Ok(Cell::Ok) => "ok".to_owned(),
            Ok(Cell::NotApplicable(why)) => format!("– {why}"),
            Err(fault) => format!("{FAULT}: {}", fault.replace(['\n', '|'], " ")),
        };
        write!(row, " {cell} |").expect("a string takes all");
    }
    row
}

/// What makes the unit one of its kind.
fn kind(host: &Host, daemon: &Daemon) -> String {
    let facts = [
        "Type",
        "PIDFile",
        "RemainAfterExit",
        "SourcePath",
        "TriggeredBy",
        "User",
        "ProtectSystem",
        "WatchdogUSec",
    ];
    let [
        kind,
        pid_file,
        remains,
        source,
        triggers,
        user,
        protected,
        watchdog,
    ] = host.systemctl_shows(&daemon.service(), facts);
    let more = [
        (!pid_file.is_empty(), "PIDFile"),
        (remains == "yes", "RemainAfterExit"),
        (source.starts_with("/etc/init.d/"), "SysV"),
        (!triggers.is_empty(), "socket"),
        (!user.is_empty(), "User"),
        (protected != "no", "sandbox"),
        (
            !["", "0", "infinity"].contains(&watchdog.as_str()),
            "watchdog",
        ),
    ];
    let more = more.iter().filter(|(has, _)| *has).map(|(_, word)| *word);
    std::iter::once(kind.as_str())
        .chain(more)
        .collect::<Vec<_>>()
        .join(", ")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/matrix")
}

/// Keeps the rows of a part of the run until the page is written.
pub(super) fn keep(debian: Debian, part: usize, rows: &[String]) {
    fs::create_dir_all(folder()).expect("target is ours");
    fs::write(
        folder().join(format!("{}-{part}", number(debian))),
        rows.join("\n"),
    )
    .expect("target is ours");
}

/// Writes `docs/matrix.md` from the rows of all parts.
pub(super) fn write_page(parts: usize) {
    let mut page = include_str!("page.md").to_owned();
    for debian in [Debian::Bookworm, Debian::Trixie] {
        let kept = (0..parts)
            .map(|part| fs::read_to_string(folder().join(format!("{}-{part}", number(debian)))));
        let texts: Vec<String> = kept.collect::<Result<_, _>>().expect("all parts have run");
        let mut rows: Vec<&str> = texts.iter().flat_map(|text| text.lines()).collect();
        rows.sort_unstable();
        let names = CHECKS.map(|(name, _)| name).join(" | ");
        write!(
            page,
            "\n## Debian {}: {} daemons\n\n",
            number(debian),
            rows.len()
        )
        .expect("a string takes all");
        writeln!(
            page,
            "| unit | version | type | {names} |\n|{}",
            "---|".repeat(3 + CHECKS.len())
        )
        .expect("a string takes all");
        writeln!(page, "{}", rows.join("\n")).expect("a string takes all");
    }
    fs::write(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/matrix.md"),
        page,
    )
    .expect("docs is ours");
}
