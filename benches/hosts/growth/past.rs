//! A past for a host: a history of crashes that were all reported, each with its recovery.

use crate::host::{Access, Host};
use std::fs;
use std::time::Duration;
use unitward::core::crash::observation::InvocationId;
use unitward::edge::clock;
use unitward::edge::history::entry::{
    Change, Channel, Fate, Key, Severity, StoredDeath, StoredRecovery, StoredReport, Witness,
};
use unitward::edge::history::{Bounds, History};

/// The defaults of `HistoryMaxUse=` and `HistoryMaxAge=`.
const BOUNDS: Bounds = Bounds {
    max_use: 16 << 20,
    max_age: Duration::from_secs(30 * 24 * 3600),
};
/// Number of crashes that are stored together.
const TOGETHER: usize = 500;
const RECORD: &str = r#"{"ward":"web-7","condition":"OnDeath","attempt":1,"outcome":"recovered","reason":"SIG 9 (Killed)","duration-ms":1204,"steps":[{"step":"Execute=/usr/bin/umount -l /mnt","result":"done","duration-ms":12},{"step":"Restart=web-7.service","result":"done","duration-ms":41},{"step":"Execute=/usr/bin/mount /mnt","result":"done","duration-ms":33}]}"#;

/// Replaces the host's history by one of so many crashes. As many stay as its bound allows.
pub(super) fn put(host: &Host, entries: usize) {
    let place = tempfile::tempdir().expect("a place to work");
    let file = place.path().join("reports.db");
    let now = clock::since_epoch();
    let mut history = History::open(&file, BOUNDS, now)
        .expect("a new history")
        .history;
    let all: Vec<_> = (1..=entries as u64).collect();
    for some in all.chunks(TOGETHER) {
        let changes: Vec<_> = some.iter().flat_map(|number| crash(*number, now)).collect();
        history.apply(now, &changes).expect("there is room");
    }
    drop(history);
    let bytes = fs::read(&file).expect("a history");
    host.sh("systemctl stop unitwardd; rm -f /var/lib/unitward/reports.db*");
    host.write_mode(
        "/var/lib/unitward/reports.db",
        &bytes,
        Access {
            mode: 0o600,
            uid: 0,
        },
    );
}

fn crash(seq: u64, at: u64) -> Vec<Change> {
    let invocation = InvocationId::parse(&format!("{seq:032x}")).expect("digits");
    let ward = format!("web-{}", seq % 10);
    let key = Key {
        boot: "b".repeat(32),
        unit: format!("{ward}.service"),
        invocation,
    };
    let death = StoredDeath {
        key: key.clone(),
        name: ward.clone(),
        severity: Severity::Crash,
        pid: Some(4711),
        reason: "SIG 9 (Killed)".to_owned(),
        at,
        backtrace: None,
        witness: Witness::Bus,
        fate: Fate::Reported,
    };
    let report = StoredReport {
        seq,
        id: key.invocation.to_string(),
        lane: ward.clone(),
        channel: Channel::Crash,
        death: key.clone(),
        payload: Vec::new(),
    };
    let recovery = StoredRecovery {
        death: key,
        ward,
        outcome: "recovered".to_owned(),
        at,
        record: RECORD.to_owned(),
        course: Some("{}".to_owned()),
    };
    vec![
        Change::Death(Box::new(death)),
        Change::Report(Box::new(report)),
        Change::Sent { seq, at },
        Change::Recovery(Box::new(recovery)),
    ]
}
