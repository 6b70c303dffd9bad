//! The report as it leaves the host: OpenSync's structure, nine keys in this order, nothing added.

use serde::Serialize;

/// What stands for a value that is not known.
pub const UNKNOWN: &str = "<NA>";

/// A crash or full-restart report. The order of the fields is the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `[Node] NodeId=`.
    pub node_id: String,
    /// `[Node] LocationId=`.
    pub location_id: String,
    /// `[Node] FirmwareVersion=`.
    pub firmware_version: String,
    /// `[Node] Model=`.
    pub model: String,
    /// The process that died, as text.
    pub pid: String,
    /// The ward, or the unit where there is no ward.
    pub name: String,
    /// Why, in the words of [`super::reason`].
    pub reason: String,
    /// When it died, milliseconds since the epoch.
    pub timestamp: u64,
    /// The crashing thread's frames, one a line.
    pub backtrace: String,
}

impl Report {
    /// The bytes that are published.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a struct of strings and one integer always has a JSON form")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_the_cloud_expects() {
        let report = Report {
            node_id: "ABCDEF1234".into(),
            location_id: "12345667898090".into(),
            firmware_version: "7.0.0".into(),
            model: "OS123".into(),
            pid: "1234".into(),
            name: "fs-nfs2".into(),
            reason: "SIG 11 (Segmentation fault)".into(),
            timestamp: 1_738_838_543_963,
            backtrace: UNKNOWN.into(),
        };
        let expect = concat!(
            r#"{"nodeId":"ABCDEF1234","locationId":"12345667898090","firmwareVersion":"7.0.0","model":"OS123","#,
            r#""pid":"1234","name":"fs-nfs2","reason":"SIG 11 (Segmentation fault)","timestamp":1738838543963,"#,
            r#""backtrace":"<NA>"}"#
        );
        assert_eq!(String::from_utf8(report.to_json()).unwrap(), expect);
    }
}
