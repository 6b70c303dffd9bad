//! The values of `unitward.conf`, defaults filled in.

use std::path::PathBuf;
use std::time::Duration;

/// `unitward.conf` as one value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// `[Node]`.
    pub node: Node,
    /// `[MQTT]`.
    pub mqtt: Mqtt,
    /// `[Reports]`.
    pub reports: Reports,
    /// `[Watch] Units=`: patterns of units without a ward whose crashes are reported too.
    pub watch: Vec<String>,
}

/// Identity in every report. `None`: the daemon determines the value from the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// `NodeId=`.
    pub node_id: Option<String>,
    /// `LocationId=`.
    pub location_id: Option<String>,
    /// `FirmwareVersion=`.
    pub firmware_version: Option<String>,
    /// `Model=`.
    pub model: Option<String>,
}

/// Publication of reports: broker, credentials, topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mqtt {
    /// `Broker=`; `None`: no cloud, reports stay local.
    pub broker: Option<Broker>,
    /// True if `Broker=` is not empty, even if its value is invalid: then reports wait until the
    /// mistake is corrected.
    pub wants_broker: bool,
    /// `ClientId=`; `None`: derived from the node's id.
    pub client_id: Option<String>,
    /// `Username=`.
    pub username: Option<String>,
    /// `PasswordFile=`.
    pub password_file: Option<FileAt>,
    /// `CAFile=`, for `mqtts://`; `None`: the host's own authorities.
    pub ca_file: Option<FileAt>,
    /// `CertFile=` and `KeyFile=`, for `mqtts://`.
    pub client_certificate: Option<ClientCertificate>,
    /// `CrashTopic=`, with `%n` (node id), `%l` (location id) and `%%` still in it.
    pub crash_topic: String,
    /// `RecoveryTopic=`, likewise.
    pub recovery_topic: String,
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            broker: None,
            wants_broker: false,
            client_id: None,
            username: None,
            password_file: None,
            ca_file: None,
            client_certificate: None,
            crash_topic: "Crash/Reports".to_owned(),
            recovery_topic: "Crash/Recoveries".to_owned(),
        }
    }
}

/// Address of the broker, from `mqtt://host:1883` or `mqtts://host:8883`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Transport of the connection: plain or encrypted.
    pub security: Security,
    /// Host name or address, IPv6 without brackets.
    pub host: String,
    /// TCP port, 1883 or 8883 where none was given.
    pub port: u16,
}

/// Plain or encrypted transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// `mqtt://`.
    Plain,
    /// `mqtts://`.
    Tls,
}

/// Location of a file that the daemon reads when it connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileAt {
    /// At this absolute path.
    Path(PathBuf),
    /// In the service's credentials (systemd.exec(5), `LoadCredential=`), under this name.
    Credential(String),
}

/// Certificate and key that the host presents to a broker that asks for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// `CertFile=`, with the certificates that lead to its authority.
    pub certificate: FileAt,
    /// `KeyFile=`.
    pub key: FileAt,
}

/// The smallest bound of the history, in bytes. Less holds no useful history: the empty tables
/// alone take a third of it.
pub const LEAST_HISTORY: u64 = 256 << 10;

/// Selection and bounds of reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reports {
    /// `Crashes=`: true if crashes are reported.
    pub crashes: bool,
    /// `Recoveries=`: true if recoveries are published.
    pub recoveries: bool,
    /// `Burst=`: number of full reports for each ward …
    pub burst: u32,
    /// … `BurstIntervalSec=`: within this time; the rest is summarised.
    pub burst_interval: Duration,
    /// `BacktraceTimeoutSec=`: longest wait for the backtrace of a dumped core.
    pub backtrace_timeout: Duration,
    /// `LogLines=`: number of the dead run's last log lines in the record of a recovery.
    pub log_lines: usize,
    /// `HistoryMaxUse=`: bound of the history on disk, in bytes, at least [`LEAST_HISTORY`].
    pub history_max_use: u64,
    /// `HistoryMaxAge=`: age after which history is dropped.
    pub history_max_age: Duration,
}

impl Default for Reports {
    fn default() -> Self {
        Self {
            crashes: true,
            recoveries: true,
            burst: 20,
            burst_interval: Duration::from_secs(60),
            backtrace_timeout: Duration::from_secs(10),
            log_lines: 0,
            history_max_use: 16 << 20,
            history_max_age: Duration::from_secs(30 * 24 * 3600),
        }
    }
}
