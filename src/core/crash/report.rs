//! The report as it leaves the host: OpenSync's structure, nine keys in this order, no others.

use serde::{Deserialize, Serialize};

/// Replacement for an unknown value.
pub const UNKNOWN: &str = "<NA>";

/// A crash or full-restart report. The order of the fields is the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Id of the process that died, as text.
    pub pid: String,
    /// Name of the ward, or of the unit if there is no ward.
    pub name: String,
    /// Reason of the death, in the words of [`super::reason`].
    pub reason: String,
    /// Time of the death, in milliseconds since the epoch.
    pub timestamp: u64,
    /// The crashing thread's frames, one a line.
    pub backtrace: String,
}

impl Report {
    /// Returns the bytes that are published.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self)
            .expect("a struct of strings and one integer always has a JSON form")
    }

    /// Returns the report with as many frames, from the first one on, as fit into `max` bytes;
    /// without any frame the backtrace is [`UNKNOWN`]. `None`: it is too long even so.
    #[must_use]
    pub fn shortened(&self, max: usize) -> Option<Self> {
        let mut short = Self {
            backtrace: String::new(),
            ..self.clone()
        };
        let mut room = max.checked_sub(short.to_json().len())?;
        for frame in self.backtrace.split_inclusive('\n') {
            let quoted = serde_json::to_string(frame).expect("a string always has a JSON form");
            let Some(rest) = room.checked_sub(quoted.len() - 2) else {
                break;
            };
            room = rest;
            short.backtrace.push_str(frame);
        }
        if short.backtrace.is_empty() {
            short.backtrace = UNKNOWN.to_owned();
            room.checked_sub(UNKNOWN.len())?;
        }
        Some(short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segfault() -> Report {
        Report {
            node_id: "ABCDEF1234".into(),
            location_id: "12345667898090".into(),
            firmware_version: "7.0.0".into(),
            model: "OS123".into(),
            pid: "1234".into(),
            name: "fs-nfs2".into(),
            reason: "SIG 11 (Segmentation fault)".into(),
            timestamp: 1_738_838_543_963,
            backtrace: UNKNOWN.into(),
        }
    }

    #[test]
    fn the_bytes_are_those_the_cloud_expects() {
        let expect = concat!(
            r#"{"nodeId":"ABCDEF1234","locationId":"12345667898090","firmwareVersion":"7.0.0","model":"OS123","#,
            r#""pid":"1234","name":"fs-nfs2","reason":"SIG 11 (Segmentation fault)","timestamp":1738838543963,"#,
            r#""backtrace":"<NA>"}"#
        );
        assert_eq!(String::from_utf8(segfault().to_json()).unwrap(), expect);
        assert_eq!(
            serde_json::from_slice::<Report>(expect.as_bytes()).unwrap(),
            segfault()
        );
    }

    #[test]
    fn a_report_is_shortened_by_its_last_frames_and_no_more_than_needed() {
        let frames = [
            "0 > 0x1: \"quoted\\name\" 0x34 /a\n",
            " 1 > 0x2: main 0x5 /\u{e4}\n",
            " 2 > 0x3: start 0 /c\n",
        ];
        let whole = Report {
            backtrace: frames.concat(),
            ..segfault()
        };
        let bare = segfault().to_json().len();
        assert_eq!(whole.shortened(usize::MAX), Some(whole.clone()));
        let mut lengths = Vec::new();
        for max in 0..=whole.to_json().len() {
            let Some(short) = whole.shortened(max) else {
                assert!(max < bare, "{max}");
                continue;
            };
            assert!(short.to_json().len() <= max);
            let kept = frames.iter().scan(String::new(), |text, frame| {
                text.push_str(frame);
                Some(text.clone())
            });
            assert!(
                short.backtrace == UNKNOWN || kept.into_iter().any(|kept| kept == short.backtrace),
                "{short:?}"
            );
            assert_eq!(
                Report {
                    backtrace: whole.backtrace.clone(),
                    ..short.clone()
                },
                whole,
                "nothing else is touched"
            );
            lengths.push(short.backtrace.len());
        }
        assert!(lengths.is_sorted());
        lengths.dedup();
        assert_eq!(lengths.len(), 4, "none, one, two and all three");
        assert_eq!(segfault().shortened(bare), Some(segfault()));
        assert_eq!(segfault().shortened(bare - 1), None);
    }
}
