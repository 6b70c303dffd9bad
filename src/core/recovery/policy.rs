//! `Restart=`: the ends after which systemd starts a service again (systemd.service(5)).

/// Returns true if systemd restarts after this `Result` of an end without a request. The caller
/// handles exit statuses that the unit lists separately.
#[must_use]
pub fn restarts(policy: &str, result: &str) -> bool {
    match (policy, result) {
        ("always", _) => true,
        ("on-failure", result) => result != "success",
        ("on-abnormal", result) => !matches!(result, "success" | "exit-code"),
        ("on-abort", "signal" | "core-dump")
        | ("on-watchdog", "watchdog")
        | ("on-success", "success") => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_policy_has_its_results() {
        let all = [
            "success",
            "exit-code",
            "signal",
            "core-dump",
            "watchdog",
            "timeout",
        ];
        for (policy, expect) in [
            ("no", [false; 6]),
            ("always", [true; 6]),
            ("on-success", [true, false, false, false, false, false]),
            ("on-failure", [false, true, true, true, true, true]),
            ("on-abnormal", [false, false, true, true, true, true]),
            ("on-abort", [false, false, true, true, false, false]),
            ("on-watchdog", [false, false, false, false, true, false]),
        ] {
            assert_eq!(
                all.map(|result| restarts(policy, result)),
                expect,
                "{policy}"
            );
        }
    }
}
