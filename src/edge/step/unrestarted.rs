//! The services of `[OnDeath]` and `[OnAbnormalDeath]`, for deaths that no restart follows.

use super::arguments::Arguments;
use crate::core::config::ConditionKind;
use crate::core::recovery::Series;
use crate::core::recovery::gate;
use crate::core::recovery::series::LastEnd;
use crate::core::unit::condition_service_name;
use std::io;

/// Returns the services of the conditions that fire at this death; those with `Once=` are marked in
/// `series`, which must be saved before they are started.
///
/// # Errors
/// The line does not name the ward.
pub(super) fn services(
    death: LastEnd,
    series: &mut Series,
    arguments: &Arguments,
) -> io::Result<Vec<String>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_death_fires_its_conditions_and_those_with_once_only_once() {
        let words = "web web.service --unrestarted=OnDeath --unrestarted=OnAbnormalDeath-x \
                     --unrestarted-once=OnDeath-b";
        let arguments = Arguments::parse(&words.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let mut series = Series::default();
        let mut of = |death| services(death, &mut series, &arguments).unwrap();
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
    }
}
