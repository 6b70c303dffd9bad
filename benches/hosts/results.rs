//! The results: one JSON file for machines, one table for people.

use comfy_table::{CellAlignment, Table, presets};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Median and 99th percentile of `n` values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) n: usize,
    pub(crate) median: f64,
    pub(crate) p99: f64,
}

impl Figures {
    /// Returns the figures of a value that was measured once.
    pub(crate) fn one(value: f64) -> Self {
        Self {
            n: 1,
            median: value,
            p99: value,
        }
    }

    /// Returns the figures of these values; `None` if there are none.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let n = values.len();
        // The nearest rank: with 300 values the fourth largest.
        let rank = |percent: usize| {
            values
                .get((n * percent).div_ceil(100).saturating_sub(1))
                .copied()
        };
        Some(Self {
            n,
            median: rank(50)?,
            p99: rank(99)?,
        })
    }
}

/// The supervisor or program that ours is compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) version: String,
    /// `None`: it cannot do this at all.
    pub(crate) figures: Option<Figures>,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The measure, such as `recovery/main`.
    pub(crate) name: String,
    /// The host it was measured on, such as `Debian 13`.
    pub(crate) host: String,
    pub(crate) unit: String,
    /// Version of the project, with its commit, because a file keeps the rows of earlier versions.
    /// [`Results::put`] sets it; it is empty in files that are older than this field.
    #[serde(default)]
    pub(crate) version: String,
    pub(crate) ours: Figures,
    /// `None`: there is nothing to compare with.
    pub(crate) peer: Option<Peer>,
    /// Our median divided by the peer's.
    pub(crate) ratio: Option<f64>,
}

/// All rows so far, including those of earlier runs: measures can be taken one at a time.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    /// Processors and kernel.
    machine: String,
    rows: Vec<Row>,
    /// The measured version, as it was when the bench began: the source may change meanwhile.
    #[serde(skip)]
    version: String,
}

impl Results {
    /// Reads the results in the file; none if there is no file.
    pub(crate) fn open() -> Self {
        let read = fs::read_to_string(file())
            .ok()
            .and_then(|text| serde_json::from_str(&text).ok());
        Self {
            machine: machine(),
            version: version(),
            ..read.unwrap_or_default()
        }
    }

    /// Adds a row, or replaces an earlier one of the same measure, host and peer, and writes the
    /// file.
    pub(crate) fn put(&mut self, row: Row) {
        let row = Row {
            version: self.version.clone(),
            ..row
        };
        println!("{}", serde_json::to_string(&row).expect("JSON"));
        let peer = |row: &Row| row.peer.as_ref().map(|peer| peer.name.clone());
        let is_same = |old: &&mut Row| {
            (&old.name, &old.host, peer(old)) == (&row.name, &row.host, peer(&row))
        };
        match self.rows.iter_mut().find(is_same) {
            Some(old) => *old = row,
            None => self.rows.push(row),
        }
        let text = serde_json::to_string_pretty(self).expect("JSON");
        fs::create_dir_all(file().parent().expect("it has a folder")).expect("target is ours");
        fs::write(file(), text + "\n").expect("target is ours");
    }

    /// Returns the table of the README.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header([
            "what",
            "host",
            "unit",
            "Unitward: median (p99)",
            "against",
            "median (p99)",
            "ratio",
        ]);
        for row in &self.rows {
            let figures =
                |figures: &Figures| format!("{} ({})", short(figures.median), short(figures.p99));
            let (name, theirs) = row
                .peer
                .as_ref()
                .map_or(("".to_owned(), "".to_owned()), |peer| {
                    let cannot = || "cannot".to_owned();
                    (
                        format!("{} ({})", peer.name, peer.version),
                        peer.figures.as_ref().map_or_else(cannot, figures),
                    )
                });
            let ratio = row
                .ratio
                .map(|ratio| format!("{ratio:.2}"))
                .unwrap_or_default();
            table.add_row([
                &row.name,
                &row.host,
                &row.unit,
                &figures(&row.ours),
                &name,
                &theirs,
                &ratio,
            ]);
        }
        for column in [3, 5, 6] {
            table
                .column_mut(column)
                .expect("there are seven")
                .set_cell_alignment(CellAlignment::Right);
        }
        format!("{}\n\n{table}", self.machine)
    }
}

impl Row {
    /// Returns a row with our figures beside a peer's, whose figures are `None` if it cannot do
    /// this at all.
    pub(crate) fn new(
        name: &str,
        (host, unit): (&str, &str),
        ours: Figures,
        peer: Option<Peer>,
    ) -> Self {
        let theirs = peer.as_ref().and_then(|peer| peer.figures);
        let ratio = theirs
            .map(|theirs| ours.median / theirs.median)
            .filter(|ratio| ratio.is_finite());
        let [name, host, unit] = [name, host, unit].map(str::to_owned);
        Self {
            name,
            host,
            unit,
            version: String::new(),
            ours,
            peer,
            ratio,
        }
    }
}

/// Formats a value with about three digits.
fn short(value: f64) -> String {
    let digits = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$}")
}

fn file() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    target.join(if divisor().is_some() {
        "bench/quick.json"
    } else {
        "bench/results.json"
    })
}

/// Divisor of the rounds, if only a part of them is wanted: a number above 1, or 10 for anything
/// else. Such results go into a file of their own.
pub(crate) fn divisor() -> Option<usize> {
    let wanted = std::env::var("UNITWARD_BENCH_QUICK").ok()?;
    Some(
        wanted
            .parse()
            .ok()
            .filter(|wanted| *wanted > 1)
            .unwrap_or(10),
    )
}

/// Returns the package's version and, if it is known, the commit that it was made from.
fn version() -> String {
    let describe = ["describe", "--always", "--dirty", "--exclude=*"];
    let commit = Command::new("git")
        .args(describe)
        .output()
        .ok()
        .filter(|output| output.status.success());
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let package = env!("CARGO_PKG_VERSION");
    commit.map_or_else(
        || package.to_owned(),
        |commit| format!("{package} ({commit})"),
    )
}

fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or_default();
    format!(
        "{processors} x {}, Linux {kernel}",
        model.trim_start_matches([' ', '\t', ':'])
    )
}
