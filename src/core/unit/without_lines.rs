//! The consequence for a ward when PID 1 cannot run the lines that Unitward adds to its unit.
//!
//! There is no back-off and no step then. unitwardd notes each death in the place of the lines and
//! so keeps the death limit, if the ward has one.

use crate::core::config::{OnLimit, Ward};

/// Returns the consequence, as the end of a sentence about the unit.
#[must_use]
pub fn without_lines(ward: &Ward) -> String {
    let limit = match (ward.recovery.death_limit, ward.recovery.on_limit) {
        (0, _) => {
            "with DeathLimit=0 nothing ends its restarts, which come as quickly as RestartSec= lets them"
        }
        (_, OnLimit::None) => {
            "with OnLimit=none nothing ends its restarts, which come as quickly as RestartSec= lets them"
        }
        _ => "its death limit is kept by unitwardd alone",
    };
    format!("there is no back-off and no step, and {limit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::unit::tests::ward;

    #[test]
    fn the_limit_is_kept_by_the_daemon_if_there_is_one() {
        for (recovery, end) in [
            ("", "its death limit is kept by unitwardd alone"),
            ("DeathLimit=0\n", "as quickly as RestartSec= lets them"),
            ("OnLimit=none\n", "as quickly as RestartSec= lets them"),
        ] {
            let ward = ward(&format!(
                "[Service]\nExecStart=/usr/bin/web\n[Recovery]\n{recovery}"
            ));
            assert!(without_lines(&ward).ends_with(end), "{recovery}");
        }
    }
}
