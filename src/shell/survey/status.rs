//! The document of `unitward status`: everything about one ward, or about one stack.

use super::Answer;
use super::acts::{ConditionTold, Counters, conditions, counters};
use super::left_out;
use super::line::{DeathTold, Line, line, reason};
use super::list::{StackLine, stack_line};
use super::memory::{self, CrashTold, Memory, RecoveryTold};
use super::outlook::{Outlook, on_limit, outlook};
use super::pid1::{Details, UnitSeen};
pub(in crate::shell) use super::restarts::RestartTold;
use super::restarts::full_restarts;
use super::scene::{Book, Chosen, Depth, Scene};
use crate::core::config::time_span::millis;
use crate::core::config::{Problem, Stack, Ward};
use crate::core::crash::backtrace::Addresses;
use crate::core::recovery::account;
use crate::edge::full_restart::record::{RestartRecord, Restarts};
use crate::edge::history::read::Told;
use crate::edge::record::RunRecord;
use crate::edge::recoveries;
use serde::{Deserialize, Serialize};
use std::path::Path;
use zbus::Connection;

/// Number of deaths, and of full restarts, that are shown.
const TOLD: usize = 3;

/// Status of a ward or of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub(in crate::shell) enum Status {
    Ward(Box<WardStatus>),
    Stack(Box<StackStatus>),
}

/// Status of a ward. The order of the fields is the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct WardStatus {
    pub(in crate::shell) timestamp: u64,
    #[serde(flatten)]
    pub(in crate::shell) line: Line,
    pub(in crate::shell) description: Option<String>,
    /// Path of the ward's own file.
    pub(in crate::shell) file: String,
    /// Paths of the ward's drop-ins, in the order they apply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(in crate::shell) drop_ins: Vec<String>,
    pub(in crate::shell) unit_files: Vec<String>,
    pub(in crate::shell) unit_file_state: Option<String>,
    pub(in crate::shell) load_state: String,
    pub(in crate::shell) load_error: Option<String>,
    pub(in crate::shell) active_state: String,
    pub(in crate::shell) sub_state: String,
    pub(in crate::shell) pid: Option<u32>,
    pub(in crate::shell) status: Option<String>,
    pub(in crate::shell) recovery: Settings,
    /// Consequences of the next crash; `None` while nothing of it runs.
    pub(in crate::shell) next: Option<Outlook>,
    pub(in crate::shell) since_boot: Counters,
    pub(in crate::shell) conditions: Vec<ConditionTold>,
    /// Newest first.
    pub(in crate::shell) crashes: Vec<CrashTold>,
    pub(in crate::shell) last_recovery: Option<RecoveryTold>,
    pub(in crate::shell) reports_waiting: Option<u64>,
    pub(in crate::shell) history_problem: Option<String>,
    pub(in crate::shell) problems: Vec<String>,
    /// Unit of the stack with the same name; a question by that unit is answered with the stack.
    pub(in crate::shell) stack_of_same_name: Option<String>,
}

/// Restart settings of the ward and its unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct Settings {
    /// The unit's `Restart=`.
    pub(in crate::shell) restart: Option<String>,
    /// The unit's `RestartSec=`.
    pub(in crate::shell) restart_ms: Option<u64>,
    pub(in crate::shell) delay_ms: u64,
    pub(in crate::shell) max_delay_ms: u64,
    pub(in crate::shell) reset_after_ms: u64,
    /// `exclude`, `restart-stack`, `reboot` or `none`.
    pub(in crate::shell) on_limit: String,
}

/// Status of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::shell) struct StackStatus {
    pub(in crate::shell) timestamp: u64,
    #[serde(flatten)]
    pub(in crate::shell) line: StackLine,
    pub(in crate::shell) description: Option<String>,
    pub(in crate::shell) file: String,
    pub(in crate::shell) wards: Vec<Line>,
    /// Newest first.
    pub(in crate::shell) full_restarts: Vec<RestartTold>,
    pub(in crate::shell) history_problem: Option<String>,
    pub(in crate::shell) problems: Vec<String>,
}

/// Answers the question.
pub(super) async fn answer(
    bus: &Connection,
    name: &str,
    addresses: Addresses,
) -> anyhow::Result<Answer> {
    let mut scene = Scene::read();
    let Some(chosen) = Chosen::find(&scene.config, name) else {
        return Ok(Answer::Refused(left_out::unknown(bus, &scene, name).await?));
    };
    scene.look(bus, Depth::Whole, &chosen).await?;
    // The daemon removes a restart's record once the history has it, so the records come first.
    let stack = scene
        .config
        .stacks
        .iter()
        .find(|stack| chosen.has_stack(stack));
    let records = stack
        .map(|stack| Restarts::of(stack.name.as_str()).all())
        .unwrap_or_default();
    let memory = memory::open(addresses);
    let ward = scene
        .config
        .wards
        .iter()
        .find(|ward| matches!(chosen, Chosen::Ward(_)) && chosen.has_ward(ward));
    let status = match (ward, stack) {
        (Some(ward), _) => Status::Ward(Box::new(of_ward(
            &scene,
            ward,
            &Remembered::of(&memory, ward),
        ))),
        (None, Some(stack)) => Status::Stack(Box::new(of_stack(&scene, stack, &memory, &records))),
        (None, None) => anyhow::bail!("failed to find {name:?} again"),
    };
    Ok(Answer::Document(serde_json::to_string(&status)?))
}

/// Data of a ward from the history.
#[derive(Debug, Default)]
struct Remembered {
    deaths: Vec<Told>,
    waiting: Option<u64>,
    problem: Option<String>,
}

impl Remembered {
    /// Reads the data of the ward with this name.
    fn read(memory: &Memory, name: &str) -> Result<Self, String> {
        let reader = memory.as_ref().map_err(Clone::clone)?;
        let deaths = reader
            .last_deaths(name, TOLD as u32)
            .map_err(memory::whole)?;
        let waiting = reader.waiting_of(name).map_err(memory::whole)?;
        Ok(Self {
            deaths,
            waiting: Some(waiting),
            problem: None,
        })
    }

    /// Returns the data of a ward, or the problem with the history.
    fn of(memory: &Memory, ward: &Ward) -> Self {
        Self::read(memory, ward.name.as_str()).unwrap_or_else(|problem| Self {
            problem: Some(problem),
            ..Self::default()
        })
    }
}

fn of_ward(scene: &Scene, ward: &Ward, history: &Remembered) -> WardStatus {
    let (unit, book) = (scene.unit(&ward.unit()), scene.book(ward));
    let unknown = Details::default();
    let details = unit.details.as_ref().unwrap_or(&unknown);
    let recovery = &ward.recovery;
    let unseen = unseen(ward, unit);
    let mut next = (!unit.is_down()).then(|| outlook(ward, &book.series, scene.boot, details));
    if let Some(next) = next.as_mut().filter(|_| unseen.is_some()) {
        (next.restarts, next.after_ms, next.deaths_left) = (false, None, None);
    }
    let namesake = scene
        .config
        .stacks
        .iter()
        .find(|stack| stack.name.as_str() == ward.name.as_str());
    WardStatus {
        timestamp: scene.epoch,
        line: line(scene, ward),
        description: known(&unit.description).filter(|text| *text != ward.unit().as_str()),
        file: ward.path.display().to_string(),
        drop_ins: ward
            .drop_ins
            .iter()
            .map(|path| path.display().to_string())
            .collect(),
        unit_files: details.files.clone(),
        unit_file_state: known(&details.file_state),
        load_state: unit.load.clone(),
        load_error: details.load_error.clone().filter(|_| unit.load != "loaded"),
        active_state: unit.active.clone(),
        sub_state: unit.sub.clone(),
        pid: details.pid,
        status: known(&details.status_text),
        recovery: Settings {
            restart: known(&details.restart),
            restart_ms: unit
                .details
                .as_ref()
                .map(|details| millis(details.restart_delay)),
            delay_ms: millis(recovery.delay),
            max_delay_ms: millis(recovery.max_delay),
            reset_after_ms: millis(recovery.reset_after),
            on_limit: on_limit(recovery.on_limit).to_owned(),
        },
        next,
        since_boot: counters(&book.totals),
        conditions: conditions(scene, ward),
        crashes: crashes(&history.deaths, book, details),
        last_recovery: last_recovery(&history.deaths, ward, book, details),
        reports_waiting: history.waiting,
        history_problem: history.problem.clone(),
        problems: problems(&scene.problems, &ward.path)
            .into_iter()
            .chain(unseen)
            .collect(),
        stack_of_same_name: namesake.map(|stack| stack.unit().to_string()),
    }
}

/// Returns the word; `None`: it is empty.
fn known(word: &str) -> Option<String> {
    Some(word.to_owned()).filter(|word| !word.is_empty())
}

/// Returns the warning that systemd would not see the unit die: it is up, and systemd knows no main
/// process of it.
fn unseen(ward: &Ward, unit: &UnitSeen) -> Option<String> {
    let details = unit.details.as_ref()?;
    // What is "exited" has done its work.
    let is_unseen = unit.active == "active" && unit.sub == "running" && details.pid.is_none();
    is_unseen.then(|| {
        let unit = ward.unit();
        format!(
            "systemd knows no main process of {unit}, so it sees no crash of it and restarts nothing: write PIDFile=, and \
             RemainAfterExit=no, in [Service] of the ward."
        )
    })
}

/// The last deaths, from the history and from the records of those it does not know.
fn crashes(history: &[Told], book: &Book, details: &Details) -> Vec<CrashTold> {
    let mut all: Vec<CrashTold> = history
        .iter()
        .filter(|told| told.restart.is_none())
        .map(memory::crash)
        .collect();
    let kept = book.runs.iter().filter_map(|run| recorded(run, details));
    let news: Vec<_> = kept
        .filter(|crash| {
            all.iter()
                .all(|known| known.death.invocation != crash.death.invocation)
        })
        .collect();
    all.extend(news);
    all.sort_by_key(|crash| std::cmp::Reverse(crash.death.timestamp));
    all.truncate(TOLD);
    all
}

fn recorded(run: &RunRecord, details: &Details) -> Option<CrashTold> {
    let end = run.end.as_ref().filter(|end| end.is_death())?;
    Some(CrashTold {
        death: DeathTold {
            timestamp: end.at,
            reason: reason(end, &details.limits),
            invocation: run.invocation.clone(),
        },
        severity: if end.result == "success" {
            "death"
        } else {
            "crash"
        }
        .to_owned(),
        pid: end.pid,
        report: None,
        frames: Vec::new(),
        more_frames: 0,
    })
}

/// Returns the recovery that ended last: from the records, which know it whether a daemon runs or
/// not, else from the history, which has the earlier ones.
fn last_recovery(
    history: &[Told],
    ward: &Ward,
    book: &Book,
    details: &Details,
) -> Option<RecoveryTold> {
    let recorded = book.runs.iter().find_map(|run| {
        let chain = recoveries::chain(run, &|run| book.run(run).cloned())?;
        let died = chain.died.died(&chain.invocation, &details.limits)?;
        let account = account(ward.name.as_str(), died, &chain.attempts, chain.ended);
        let given_up = run.end.as_ref().map_or(account.timestamp, |end| end.at);
        Some(RecoveryTold {
            timestamp: account
                .recovery_ms
                .map_or(given_up, |ms| account.timestamp.saturating_add(ms)),
            outcome: account.outcome.word().to_owned(),
            restarts: Some(account.restarts.into()),
            downtime_ms: account.downtime_ms,
            recovery_ms: account.recovery_ms,
        })
    });
    recorded.or_else(|| {
        history
            .iter()
            .rev()
            .find_map(|told| told.recovery.as_ref())
            .map(memory::recovery)
    })
}

fn of_stack(
    scene: &Scene,
    stack: &Stack,
    memory: &Memory,
    records: &[RestartRecord],
) -> StackStatus {
    let told = memory.as_ref().map_err(Clone::clone).and_then(|reader| {
        reader
            .last_restarts(stack.name.as_str(), TOLD as u32)
            .map_err(memory::whole)
    });
    let (restarts, history_problem) = match told {
        Ok(told) => (told, None),
        Err(why) => (Vec::new(), Some(why)),
    };
    let unit = scene.unit(&stack.unit());
    StackStatus {
        timestamp: scene.epoch,
        line: stack_line(scene, stack),
        description: Some(unit.description.clone())
            .filter(|text| !text.is_empty() && text != stack.unit().as_str()),
        file: stack.path.display().to_string(),
        wards: scene.members(stack).map(|ward| line(scene, ward)).collect(),
        full_restarts: full_restarts(&restarts, records),
        history_problem,
        problems: problems(&scene.problems, &stack.path),
    }
}

/// Returns the problems in a file and its drop-ins.
fn problems(problems: &[Problem], file: &Path) -> Vec<String> {
    let drop_ins = format!(
        "{}.d",
        file.file_name().unwrap_or_default().to_string_lossy()
    );
    problems
        .iter()
        .filter(|problem| {
            let path: &Path = &problem.at.path;
            let folder = path.parent().and_then(Path::file_name);
            path == file || folder.is_some_and(|folder| *folder == *drop_ins)
        })
        .map(Problem::sentence)
        .collect()
}

#[cfg(test)]
mod tests;
