//! The accounts of each run, from the journal and the run records.

use crate::core::crash::observation::InvocationId;
use crate::core::crash::tracker::Activity;
use crate::core::crash::verdict::Testimony;
use crate::core::crash::witness::Restarted;
use crate::edge::history::entry::{Key, Witness};
use crate::edge::journal::{JournalEnd, JournalRun, Scan};
use crate::edge::record::{RunRecord, StartKind, Up};
use std::collections::{BTreeMap, HashSet, btree_map};

/// All runs of which there is an account.
#[derive(Debug, Default)]
pub(super) struct Runs(BTreeMap<Key, Accounts>);

/// All accounts of one run.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    record: Option<(RunRecord, Witness)>,
    journal: Option<(Testimony, Activity)>,
    /// Place of the journal's first entry on the run, which is not before it was up.
    pub(super) up: Option<u64>,
    /// Place of the run's end in the journal.
    pub(super) end: Option<u64>,
}

/// The end of a run by the best account of it.
pub(super) struct Ending {
    pub(super) testimony: Testimony,
    pub(super) activity: Activity,
    pub(super) witness: Witness,
}

impl Runs {
    /// Collects the accounts: `records` are the run records of the present boot.
    pub(super) fn collect(scan: Scan, present: &str, records: Vec<RunRecord>) -> Self {
        let mut runs = Self::default();
        for copied in scan.runs {
            runs.add_copied(copied);
        }
        for ended in scan.ends {
            runs.add_ended(ended);
        }
        for restarted in scan.restarted {
            runs.add_restarted(restarted);
        }
        for record in records {
            runs.add_recorded(present, record);
        }
        runs
    }

    /// Iterates over the runs, ordered by their keys.
    pub(super) fn iter(&self) -> btree_map::Iter<'_, Key, Accounts> {
        self.0.iter()
    }

    /// Returns the record of a run.
    pub(super) fn record(&self, key: &Key) -> Option<&RunRecord> {
        self.0.get(key)?.record()
    }

    /// Returns the record of another run of the same unit in the same boot.
    pub(super) fn record_beside(&self, key: &Key, invocation: &str) -> Option<RunRecord> {
        let other = beside(key, invocation)?;
        self.record(&other).cloned()
    }

    /// Returns the runs that a later run's record names.
    pub(super) fn answered(&self) -> HashSet<Key> {
        let mut answered = HashSet::new();
        for (key, accounts) in &self.0 {
            let Some(record) = accounts.record() else {
                continue;
            };
            let named = [record.follows.as_deref(), record.breaks_off.as_deref()];
            answered.extend(
                named
                    .into_iter()
                    .flatten()
                    .filter_map(|invocation| beside(key, invocation)),
            );
        }
        answered
    }

    /// Adds the copy of a record that `unitward-step` put into the journal.
    fn add_copied(&mut self, copied: JournalRun) {
        let JournalRun {
            boot,
            record,
            first,
            last,
        } = copied;
        if let Some(accounts) = self.of_record(&boot, &record) {
            (accounts.up, accounts.end) = (Some(first), record.end.as_ref().map(|_| last));
            accounts.record = Some((record, Witness::Journal));
        }
    }

    /// Adds an end that PID 1's messages show.
    fn add_ended(&mut self, ended: JournalEnd) {
        let key = Key {
            boot: ended.boot,
            unit: ended.unit,
            invocation: ended.invocation,
        };
        let accounts = self.0.entry(key).or_default();
        accounts.end = Some(ended.place);
        accounts.journal = Some((ended.testimony, ended.activity));
    }

    /// Adds a run that was up after a death, as PID 1's messages show it.
    ///
    /// The run that died has a record if it is a ward's. A run that is up has no copy of its record
    /// in the journal while it goes on, and a power cut takes the record with all of /run.
    fn add_restarted(&mut self, restarted: Restarted) {
        let Restarted {
            boot,
            unit,
            invocation,
            follows,
            at,
            place,
        } = restarted;
        let key = Key {
            boot,
            unit,
            invocation,
        };
        let died = Key {
            invocation: follows,
            ..key.clone()
        };
        let Some(ward) = self.record(&died).map(|record| record.ward.clone()) else {
            return;
        };
        let accounts = self.0.entry(key.clone()).or_default();
        accounts.up = Some(accounts.up.map_or(place, |up| up.min(place)));
        let (record, _) = accounts.record.get_or_insert_with(|| {
            let (run, start) = (key.invocation.as_str(), StartKind::AfterAbnormalDeath);
            let record = RunRecord {
                follows: Some(died.invocation.to_string()),
                ..RunRecord::new(&ward, &key.unit, run, start)
            };
            (record, Witness::Journal)
        });
        record.up = record.up.or(Some(Up {
            main: at,
            at,
            since_boot: None,
        }));
    }

    /// Adds a run record of the present boot.
    fn add_recorded(&mut self, present: &str, record: RunRecord) {
        if let Some(accounts) = self.of_record(present, &record) {
            accounts.record = Some((record, Witness::Record));
        }
    }

    /// Returns the accounts of a record's run; `None`: its invocation id is damaged.
    fn of_record(&mut self, boot: &str, record: &RunRecord) -> Option<&mut Accounts> {
        let key = Key {
            boot: boot.to_owned(),
            unit: record.unit.clone(),
            invocation: InvocationId::parse(&record.invocation)?,
        };
        Some(self.0.entry(key).or_default())
    }
}

impl Accounts {
    /// Returns the record of the run.
    pub(super) fn record(&self) -> Option<&RunRecord> {
        self.record.as_ref().map(|(record, _)| record)
    }

    /// Returns the end of the run by the best account of it.
    pub(super) fn ending(&self) -> Option<Ending> {
        let noted = self.record.as_ref().and_then(|(record, witness)| {
            Some(Ending {
                testimony: record.end.as_ref()?.testimony(),
                activity: Activity::Seen,
                witness: *witness,
            })
        });
        noted.or_else(|| {
            let (testimony, activity) = self.journal.clone()?;
            Some(Ending {
                testimony,
                activity,
                witness: Witness::Journal,
            })
        })
    }
}

/// Returns the key of another run of the same unit in the same boot; `None`: its invocation id is
/// damaged.
pub(super) fn beside(key: &Key, invocation: &str) -> Option<Key> {
    Some(Key {
        invocation: InvocationId::parse(invocation)?,
        ..key.clone()
    })
}
