//! Starts the services of `[OnDeath]` and `[OnAbnormalDeath]` after a death that no restart
//! follows.

use super::arguments::Arguments;
use super::limit::Decision;
use crate::core::config::ConditionKind;
use crate::core::recovery::Series;
use crate::core::recovery::gate;
use crate::core::recovery::series::LastEnd;
use crate::core::unit::condition_service_name;
use crate::edge::systemctl::{self, Wait};
use std::io;

/// Returns the services of the conditions that fire at this death: none if systemd restarts the
/// unit, or if the death limit gives it up. Those with `Once=` are marked in `series`, which must
/// be saved before they are started.
///
/// # Errors
/// The line does not name the ward.
pub(super) fn services(
    death: LastEnd,
    decision: Option<&Decision>,
    series: &mut Series,
    arguments: &Arguments,
) -> io::Result<Vec<String>> {
    if series.restart_due.is_some() || decision.and_then(Decision::given_up).is_some() {
        return Ok(Vec::new());
    }
    let ward = arguments.word(0)?;
    let fires = |condition: &&str| match gate::kind_of(condition) {
        Some(ConditionKind::Death) => true,
        Some(ConditionKind::AbnormalDeath) => death == LastEnd::AbnormalDeath,
        _ => false,
    };
    let once = arguments
        .all("unrestarted-once")
        .filter(fires)
        .filter(|condition| series.spent.insert((*condition).to_owned()));
    Ok(arguments
        .all("unrestarted")
        .filter(fires)
        .chain(once)
        .map(|condition| condition_service_name(ward, condition))
        .collect())
}

/// Starts the services, each whether or not another one can be started.
///
/// # Errors
/// One of them cannot be started.
pub(super) fn start(services: &[String]) -> io::Result<()> {
    let started: Vec<_> = services
        .iter()
        .map(|service| systemctl::job("start", service, Wait::ForQueue))
        .collect();
    started.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_death_fires_its_conditions_and_those_with_once_only_once() {
        let words = "web web.service --unrestarted=OnDeath --unrestarted=OnAbnormalDeath-x \
                     --unrestarted-once=OnDeath-b";
        let arguments = Arguments::parse(&words.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let mut series = Series::default();
        let mut of = |death| services(death, None, &mut series, &arguments).unwrap();
        assert_eq!(
            of(LastEnd::Death),
            [
                "unitward-web-OnDeath.service",
                "unitward-web-OnDeath-b.service"
            ]
        );
        assert_eq!(
            of(LastEnd::AbnormalDeath),
            [
                "unitward-web-OnDeath.service",
                "unitward-web-OnAbnormalDeath-x.service"
            ]
        );
        series.restart_due = Some(1);
        let of_restart = services(LastEnd::Death, None, &mut series, &arguments).unwrap();
        assert!(of_restart.is_empty(), "they are part of the restart");
    }
}
