//! Tests of the history, and helpers of all of them.

mod bounds;
mod broken;
mod reading;
mod storing;
mod versions;

use super::entry::{
    Change, Channel, Fate, Key, RestartKnown, Severity, StoredDeath, StoredRecovery, StoredReport,
    StoredRestart, StoredRestartEnd, Witness,
};
use super::*;
use crate::core::crash::observation::InvocationId;
use crate::core::full_restart::RestartOutcome;

pub(super) const BOUNDS: Bounds = Bounds {
    max_use: 16 << 20,
    max_age: Duration::from_secs(30 * 24 * 3600),
};
pub(super) const NOW: u64 = 1_738_838_543_963;

/// The history's file in a directory of its own.
pub(super) struct Place {
    pub(super) directory: tempfile::TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        // In memory if there is a tmpfs: a test that syncs ten thousand times would otherwise wait
        // for the disk.
        Self {
            directory: tempfile::tempdir_in("/dev/shm")
                .or_else(|_| tempfile::tempdir())
                .unwrap(),
        }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join("reports.db")
    }

    pub(super) fn open(&self) -> Opened {
        History::open(&self.path(), BOUNDS, NOW).unwrap()
    }
}

pub(super) fn key(number: u64) -> Key {
    // Scattered like real ones.
    let scattered = u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let invocation = InvocationId::parse(&format!("{scattered:032x}")).unwrap();
    Key {
        boot: format!("{:032x}", 7),
        unit: "fs-nfs2.service".into(),
        invocation,
    }
}

pub(super) fn death(number: u64, fate: Fate) -> Change {
    Change::Death(Box::new(StoredDeath {
        key: key(number),
        name: "fs-nfs2".into(),
        severity: Severity::Crash,
        pid: Some(1234),
        reason: "SIG 11 (Segmentation fault)".into(),
        at: NOW + number,
        backtrace: None,
        witness: Witness::Bus,
        fate,
    }))
}

pub(super) fn payload(number: u64) -> Vec<u8> {
    format!(r#"{{"nodeId":"ABCDEF1234","locationId":"12345667898090","firmwareVersion":"7.0.0","model":"OS123","pid":"1234","name":"fs-nfs2","reason":"SIG 11 (Segmentation fault)","timestamp":{},"backtrace":"<NA>","padding":"as long as one with a longer name"}}"#, NOW + number)
        .into_bytes()
}

/// Makes a crash's report: number `2n` for death `n`.
pub(super) fn report(number: u64) -> Change {
    Change::Report(Box::new(StoredReport {
        seq: 2 * number + 1,
        id: format!("{:032x}", 2 * number + 1),
        lane: "fs-nfs2".into(),
        channel: Channel::Crash,
        death: key(number),
        payload: payload(number),
    }))
}

pub(super) fn record(number: u64) -> String {
    let steps = r#"[{"condition":"OnDeath","step":"Execute","argument":"/usr/bin/mount -t nfs 10.12.1.115:/armle-v7 /armle-v7","result":"ok","ms":41}]"#;
    format!(
        r#"{{"nodeId":"ABCDEF1234","ward":"fs-nfs2","invocation":"{}","reason":"SIG 11 (Segmentation fault)","timestamp":{},"steps":{steps},"outcome":"recovered","restarts":1,"downtimeMs":184,"recoveryMs":4312}}"#,
        key(number).invocation,
        NOW + number
    )
}

pub(super) fn recovery(number: u64) -> Change {
    Change::Recovery(Box::new(StoredRecovery {
        death: key(number),
        ward: "fs-nfs2".into(),
        outcome: "recovered".into(),
        at: NOW + number + 4312,
        record: record(number),
        course: None,
    }))
}

/// Makes a recovery's report: number `2n + 1` for death `n`.
pub(super) fn recovery_report(number: u64) -> Change {
    Change::Report(Box::new(StoredReport {
        seq: 2 * number + 2,
        id: format!("{:032x}", 2 * number + 2),
        lane: "fs-nfs2".into(),
        channel: Channel::Recovery,
        death: key(number),
        payload: record(number).into_bytes(),
    }))
}

fn stored(reports: Vec<StoredReport>) -> Vec<Change> {
    reports
        .into_iter()
        .map(|report| Change::Report(Box::new(report)))
        .collect()
}

fn decided(number: u64, fate: Fate) -> Change {
    Change::Fate {
        key: key(number),
        fate,
        backtrace: None,
        pid: None,
    }
}

fn sent(seq: u64) -> Change {
    Change::Sent { seq, at: NOW + 5 }
}

fn refused(seq: u64) -> Change {
    Change::Refused {
        seq,
        at: NOW + 6,
        why: "Packet too large".into(),
    }
}

fn keys(numbers: impl IntoIterator<Item = u64>) -> Vec<Key> {
    numbers.into_iter().map(key).collect()
}

/// Returns the number that a query yields.
fn count(history: &History, sql: &str) -> i64 {
    history
        .connection
        .query_row(sql, [], |row| row.get(0))
        .unwrap()
}
