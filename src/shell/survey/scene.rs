//! Input of the answers about wards and stacks: configuration, unit data from PID 1 and run
//! records, each read once.

mod book;
mod chosen;

pub(super) use book::Book;
pub(super) use chosen::Chosen;

use super::pid1::{self, UnitSeen};
use super::{instances, line};
use crate::core::config::{Config, Problem, Stack, UnitName, Ward};
use crate::core::unit::{Content, Output, Rank, service_name, stands_alone};
use crate::edge::exclusion::Standing;
use crate::edge::planner::Planner;
use crate::edge::record::{Present, WardState};
use crate::edge::root::Files;
use crate::edge::{clock, up};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::Path;
use zbus::Connection;

/// The daemon's unit.
pub(super) const DAEMON: &str = "unitwardd.service";

/// Amount of data that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// The states of wards and stacks.
    Line,
    /// Also all counters.
    Counters,
    /// Also all properties of the units.
    Whole,
}

/// Snapshot of all input.
#[derive(Debug, Default)]
pub(super) struct Scene {
    /// Time of the snapshot, in milliseconds since the epoch.
    pub(super) epoch: u64,
    /// The same in milliseconds since boot, the clock of a series.
    pub(super) boot: u64,
    pub(super) config: Config,
    pub(super) problems: Vec<Problem>,
    /// The units whose planned files differ from those that the generator has written, with the
    /// planned ones.
    pub(super) stale: HashMap<UnitName, Vec<Output>>,
    pub(super) units: HashMap<String, UnitSeen>,
    pub(super) books: HashMap<String, Book>,
}

impl Scene {
    /// Reads the configuration below `/`.
    pub(super) fn read() -> Self {
        let root = Path::new("/");
        let mut files = Files::list(root);
        let stacks = files.stacks();
        let mut scene = Self {
            epoch: clock::since_epoch(),
            boot: clock::since_boot(),
            ..Self::default()
        };
        let mut planner = Planner::new(root, &stacks);
        files.wards(&stacks, &mut |read| {
            let planned = planner.plan(read).on_running_host(root);
            scene.problems.extend(planned.problems);
            if let Some(ward) = planned.ward {
                if !planned.outputs.iter().all(is_written) {
                    scene.stale.insert(ward.unit(), planned.outputs);
                }
                scene.config.wards.push(ward);
            }
        });
        scene
            .config
            .wards
            .sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
        for stack in planner.stacks() {
            let stack = stack.on_running_host(root);
            scene.problems.extend(stack.problem);
            if !stack.outputs.iter().all(is_written) {
                scene
                    .stale
                    .insert(stack.described.stack.unit(), stack.outputs);
            }
        }
        let (settings, problems) = files.settings();
        scene.problems.extend(problems);
        scene.config.settings = settings;
        scene.config.stacks = stacks.into_vec();
        scene
    }

    /// Reads the state and the records of these wards and stacks, and the state of the daemon.
    ///
    /// # Errors
    /// PID 1 does not answer.
    pub(super) async fn look(
        &mut self,
        bus: &Connection,
        depth: Depth,
        chosen: &Chosen,
    ) -> anyhow::Result<()> {
        self.add_instances(&instances::known(bus, &self.config, chosen).await?);
        // A template is no unit that PID 1 could be asked about.
        let wards: Vec<&Ward> = self
            .config
            .wards
            .iter()
            .filter(|ward| chosen.has_ward(ward) && !ward.is_template())
            .collect();
        let stacks = self
            .config
            .stacks
            .iter()
            .filter(|stack| chosen.has_stack(stack));
        let mut names: Vec<String> = wards.iter().map(|ward| ward.unit().to_string()).collect();
        names.extend(stacks.map(|stack| stack.unit().to_string()));
        if depth != Depth::Line {
            names.extend(wards.iter().flat_map(|ward| services(ward)));
        }
        names.push(DAEMON.to_owned());
        let mut units = pid1::list(bus, &names).await?;
        let mut described: Vec<&mut UnitSeen> = units
            .iter_mut()
            .filter(|unit| depth == Depth::Whole || unit.is_changing())
            .collect();
        pid1::describe(bus, &mut described).await?;
        self.units = names.into_iter().zip(units).collect();
        // During a daemon-reload the generator's directory is empty; PID 1 answers after it.
        self.stale
            .retain(|_, outputs| !outputs.iter().all(is_written));
        for ward in wards {
            let standing = if self.unit(&ward.unit()).is_down() {
                Standing::Down
            } else {
                Standing::Up
            };
            let mut book = Book::read(&WardState::of(ward.name.as_str()), depth, standing);
            let details = self.unit(&ward.unit()).details.as_ref();
            if let Some(dying) = details.and_then(|details| details.dying.as_ref()) {
                book.dies(dying);
            }
            let now = Present {
                epoch: self.epoch,
                boot: self.boot,
            };
            book.runs.iter_mut().for_each(|run| run.tell_by(now));
            book.totals
                .last_death
                .iter_mut()
                .for_each(|(_, end)| end.tell_by(now));
            self.books.insert(ward.name.to_string(), book);
        }
        self.complete(bus).await;
        self.date(bus).await;
        Ok(())
    }

    /// Puts these instances of templates beside the wards.
    fn add_instances(&mut self, names: &BTreeSet<String>) {
        let Self { config, stale, .. } = self;
        let mut instances = BTreeMap::new();
        for name in names {
            let Some(Cow::Owned(ward)) = config.ward_meant_by(name) else {
                continue;
            };
            let template = ward.unit().template();
            if let Some(outputs) = template.and_then(|template| stale.get(&template)).cloned() {
                stale.insert(ward.unit(), outputs);
            }
            instances.insert(ward.name.to_string(), ward);
        }
        config.wards.extend(instances.into_values());
        config
            .wards
            .sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
    }

    /// Notes which runs are up whose records do not say so, because no line of their units does.
    async fn complete(&mut self, bus: &Connection) {
        let Self {
            config,
            units,
            books,
            ..
        } = self;
        let open = config.wards.iter().filter(|ward| {
            let latest = books.get(ward.name.as_str()).and_then(Book::latest);
            latest.is_some_and(up::is_open)
        });
        let open: HashMap<String, String> = open
            .map(|ward| (ward.unit().to_string(), ward.name.to_string()))
            .collect();
        let mut up: Vec<_> = units
            .iter_mut()
            .filter(|(name, unit)| open.contains_key(*name) && up::is_up(&unit.active))
            .collect();
        let unknown = up
            .iter_mut()
            .map(|(_, unit)| &mut **unit)
            .filter(|unit| unit.up_since.is_none());
        pid1::date_up(bus, &mut unknown.collect::<Vec<_>>()).await;
        for (name, unit) in up {
            let book = open.get(name).and_then(|ward| books.get_mut(ward));
            book.into_iter().for_each(|book| book.complete(unit));
        }
    }

    /// Requests the times that no record knows.
    async fn date(&mut self, bus: &Connection) {
        let wards = self.config.wards.iter();
        let wards = wards.filter(|ward| !self.is_dated(ward)).map(Ward::unit);
        let stacks = self.config.stacks.iter().map(Stack::unit);
        let unknown: HashSet<String> = wards.chain(stacks).map(|unit| unit.to_string()).collect();
        let undated = self.units.iter_mut().filter(|(name, unit)| {
            let is_wanted = unit.changed.is_none() && unit.load != "not-found";
            is_wanted && unknown.contains(*name)
        });
        pid1::date(bus, &mut undated.map(|(_, unit)| unit).collect::<Vec<_>>()).await;
    }

    /// Returns true if the record of the ward's latest run has the time of its present state.
    fn is_dated(&self, ward: &Ward) -> bool {
        let unit = self.units.get(ward.unit().as_str());
        let latest = self.book(ward).latest();
        unit.zip(latest)
            .is_some_and(|(unit, latest)| line::since_by_record(unit, latest).is_some())
    }

    /// Returns the state of a unit; one that was not requested counts as not loaded.
    pub(super) fn unit(&self, name: &UnitName) -> &UnitSeen {
        self.unit_called(name.as_str())
    }

    /// Does the same by its name as text.
    pub(super) fn unit_called(&self, name: &str) -> &UnitSeen {
        static NONE: std::sync::LazyLock<UnitSeen> = std::sync::LazyLock::new(UnitSeen::default);
        self.units.get(name).unwrap_or(&NONE)
    }

    /// Returns the records of a ward; empty ones if they were not read.
    pub(super) fn book(&self, ward: &Ward) -> &Book {
        static NONE: std::sync::LazyLock<Book> = std::sync::LazyLock::new(Book::default);
        self.books.get(ward.name.as_str()).unwrap_or(&NONE)
    }

    /// Returns the members of a stack.
    pub(super) fn members<'a>(&'a self, stack: &'a Stack) -> impl Iterator<Item = &'a Ward> {
        self.config
            .wards
            .iter()
            .filter(move |ward| ward.stack.as_ref() == Some(&stack.name))
    }

    /// Sets the state of a unit, as [`Scene::look`] does.
    #[cfg(test)]
    pub(super) fn place(&mut self, name: &str, unit: UnitSeen) {
        self.units.insert(name.to_owned(), unit);
    }

    /// Sets the records of a ward, as [`Scene::look`] does.
    #[cfg(test)]
    pub(super) fn place_book(&mut self, ward: &str, book: Book) {
        self.books.insert(ward.to_owned(), book);
    }
}

/// Returns the services that the ward's conditions have or may have.
fn services(ward: &Ward) -> impl Iterator<Item = String> {
    let alone = ward
        .conditions
        .iter()
        .filter(|condition| stands_alone(condition) || condition.kind.is_death());
    alone.map(move |condition| service_name(ward, condition))
}

/// Returns true if the generator has written this output, unchanged.
fn is_written(output: &Output) -> bool {
    let directory = match output.rank {
        Rank::Normal => "/run/systemd/generator",
        Rank::Late => "/run/systemd/generator.late",
    };
    let path = Path::new(directory).join(&output.path);
    match &output.content {
        Content::File(text) => fs::read(path).is_ok_and(|written| written == text.as_bytes()),
        Content::Link(target) => {
            fs::read_link(path).is_ok_and(|written| written == Path::new(target))
        }
    }
}
