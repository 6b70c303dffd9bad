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

/// Identity in every report. `None`: the daemon finds it out from the host.
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

/// Where and how reports leave the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mqtt {
    /// `Broker=`; `None`: no cloud, reports stay local.
    pub broker: Option<Broker>,
    /// Whether `Broker=` names one, be it by mistake: then reports wait until the mistake is mended.
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
    /// Whether the connection is encrypted (`mqtts://`).
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

/// Where a file is that the daemon reads when it connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileAt {
    /// At this absolute path.
    Path(PathBuf),
    /// In the service's credentials (systemd.exec(5), `LoadCredential=`), under this name.
    Credential(String),
}

/// What the host shows to a broker that asks who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// `CertFile=`, with the certificates that lead to its authority.
    pub certificate: FileAt,
    /// `KeyFile=`.
    pub key: FileAt,
}

/// The smallest bound of the history, in bytes. Less holds no history worth the name: the empty tables alone take a third of it.
pub const LEAST_HISTORY: u64 = 256 << 10;

/// What is reported and how much of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reports {
    /// `Crashes=`: report crashes at all.
    pub crashes: bool,
    /// `Recoveries=`: publish recoveries.
    pub recoveries: bool,
    /// `Burst=`: full reports for each ward …
    pub burst: u32,
    /// … `BurstIntervalSec=`: in this time; the rest is summed up.
    pub burst_interval: Duration,
    /// `BacktraceTimeoutSec=`: how long a dumped core's backtrace is waited for.
    pub backtrace_timeout: Duration,
    /// `LogLines=`: how many of the dead run's last log lines stand in the record of a recovery.
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
