//! Deaths of wards' units that their records lack.

use super::Scene;
use crate::core::crash::tracker::Ended;
use crate::core::crash::verdict::{self, Nature, Verdict};
use crate::core::recovery::series::LastEnd;
use crate::edge::step::stand_in::Unnoted;

/// Returns the death to be noted; `None`: the unit has no ward, the end was asked for, or it was
/// not observed.
pub(super) fn death(
    scene: Scene<'_>,
    name: &str,
    ended: &Ended,
    nature: &Nature,
) -> Option<Unnoted> {
    let ward = scene.rules.guard.ward(name)?;
    let last = ended.last.as_ref()?;
    let judged = verdict::judge(ended, None, nature, None);
    let kind = match judged.verdict {
        Verdict::Crash => LastEnd::AbnormalDeath,
        Verdict::Death => LastEnd::Death,
        Verdict::Requested => return None,
    };
    Some(Unnoted {
        ward: ward.into_owned(),
        unit: name.to_owned(),
        invocation: ended.invocation.clone(),
        restarts: last.restarts,
        begun: last.main.started_at.unwrap_or(last.changed_at) / 1_000,
        kind,
        result: last.result.word().to_owned(),
        process: judged.process,
        pid: judged.pid,
        at: judged.at.unwrap_or(scene.now.epoch_ms),
    })
}
