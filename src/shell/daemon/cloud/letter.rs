//! A report as it is published, shortened to the broker's limit.
//!
//! An MQTT 5 broker may announce the largest packet, or only refuse a larger one: then half of the
//! refused size is tried, and so on down to a report without its backtrace.

use crate::core::crash::report::{Report, UNKNOWN};
use crate::edge::history::entry::{Channel, StoredReport};
use std::borrow::Cow;

/// A message to publish.
#[derive(Debug, Clone, Copy)]
pub(super) struct Letter<'r> {
    pub(super) topic: &'r str,
    /// The user property `report-id`, by which the cloud drops duplicates.
    pub(super) id: &'r str,
    pub(super) payload: &'r [u8],
}

/// The size of payloads that the broker refused as too large without having announced a limit.
#[derive(Debug, Default)]
pub(super) struct Scale {
    /// The latest payload: `seq` of its report, and size in bytes.
    latest: Option<(u64, usize)>,
    refused: Option<(u64, usize)>,
}

impl Scale {
    /// Returns the payload for this report, in at most `most` bytes; `None`: no form of it is small
    /// enough.
    pub(super) fn payload<'r>(
        &mut self,
        report: &'r StoredReport,
        most: usize,
    ) -> Option<Cow<'r, [u8]>> {
        let payload = match self.refused.filter(|(seq, _)| *seq == report.seq) {
            None => fit(report, most)?,
            Some((_, refused)) => {
                let half = fit(report, most.min(refused / 2));
                half.or_else(|| smallest(report))
                    .filter(|payload| payload.len() < refused && payload.len() <= most)?
            }
        };
        self.latest = Some((report.seq, payload.len()));
        Some(payload)
    }

    /// Notes that the broker has refused the latest payload of this report as too large.
    pub(super) fn too_large(&mut self, report: &StoredReport) {
        let latest = self.latest.filter(|(seq, _)| *seq == report.seq);
        self.refused = latest.or(Some((report.seq, report.payload.len())));
    }
}

fn fit(report: &StoredReport, most: usize) -> Option<Cow<'_, [u8]>> {
    if report.payload.len() <= most {
        return Some(Cow::Borrowed(&report.payload));
    }
    Some(Cow::Owned(read(report)?.shortened(most)?.to_json()))
}

fn smallest(report: &StoredReport) -> Option<Cow<'_, [u8]>> {
    Some(Cow::Owned(
        Report {
            backtrace: UNKNOWN.to_owned(),
            ..read(report)?
        }
        .to_json(),
    ))
}

/// Decodes a report that can be shortened; `None`: the record of a recovery, which has nothing to
/// leave out, or damaged.
fn read(report: &StoredReport) -> Option<Report> {
    match report.channel {
        Channel::Crash => serde_json::from_slice(&report.payload).ok(),
        Channel::Recovery => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::crash::observation::InvocationId;
    use crate::edge::history::entry::Key;

    fn report(channel: Channel, frames: usize) -> StoredReport {
        let na = || UNKNOWN.to_owned();
        let backtrace = if frames == 0 {
            na()
        } else {
            "0 > 0x1: main 0x34 /usr/sbin/web\n".repeat(frames)
        };
        let (name, reason) = ("web".to_owned(), "SIG 11 (Segmentation fault)".to_owned());
        let (node_id, location_id, firmware_version, model, pid) = (na(), na(), na(), na(), na());
        let whole = Report {
            node_id,
            location_id,
            firmware_version,
            model,
            pid,
            name,
            reason,
            timestamp: 1,
            backtrace,
        };
        let invocation = InvocationId::parse(&"1".repeat(32)).unwrap();
        let death = Key {
            boot: String::new(),
            unit: "web.service".into(),
            invocation,
        };
        StoredReport {
            seq: 1,
            id: "id".into(),
            lane: "web".into(),
            channel,
            death,
            payload: whole.to_json(),
        }
    }

    #[test]
    fn what_the_broker_takes_is_not_touched() {
        let report = report(Channel::Recovery, 32);
        let payload = Scale::default().payload(&report, report.payload.len());
        assert!(matches!(payload, Some(Cow::Borrowed(bytes)) if bytes == report.payload));
    }

    #[test]
    fn a_known_limit_costs_frames_and_then_the_report() {
        let (long, bare) = (report(Channel::Crash, 32), report(Channel::Crash, 0));
        let mut scale = Scale::default();
        let some = scale.payload(&long, 600).unwrap();
        assert!(some.len() <= 600 && some.len() > 500, "{}", some.len());
        assert_eq!(
            scale.payload(&long, bare.payload.len()).unwrap(),
            bare.payload
        );
        assert_eq!(scale.payload(&long, bare.payload.len() - 1), None);
        assert_eq!(scale.payload(&report(Channel::Recovery, 32), 600), None);
    }

    #[test]
    fn a_limit_that_shows_only_by_refusals_is_approached_by_halves() {
        for limit in [0, 250, 600, 1_000] {
            let (long, mut scale, mut tries) =
                (report(Channel::Crash, 32), Scale::default(), Vec::new());
            let taken = loop {
                let Some(size) = scale
                    .payload(&long, usize::MAX)
                    .map(|payload| payload.len())
                else {
                    break None;
                };
                tries.push(size);
                if size <= limit {
                    break Some(size);
                }
                scale.too_large(&long);
            };
            let bare = report(Channel::Crash, 0).payload.len();
            assert_eq!(taken.is_some(), limit >= bare, "{limit}: {tries:?}");
            assert!(
                tries.len() <= 5 && tries.is_sorted_by(|a, b| a > b),
                "{limit}: {tries:?}"
            );
            assert!(
                taken.is_some() || tries.last() == Some(&bare),
                "{limit}: {tries:?}"
            );
        }
    }

    #[test]
    fn one_refusal_says_nothing_of_other_reports() {
        let (long, mut scale) = (report(Channel::Crash, 32), Scale::default());
        scale.too_large(&long);
        let other = StoredReport {
            seq: 2,
            ..report(Channel::Crash, 32)
        };
        assert_eq!(scale.payload(&other, usize::MAX).unwrap(), other.payload);
    }
}
