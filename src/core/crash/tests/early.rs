//! A crash is reported before its run is known to be over, if it has no other possible cause.

use super::*;

/// Returns the numbers of observations after which the end was reported and the run over; 0: never.
fn told_and_over(text: &str) -> (usize, usize) {
    let mut tracker = Tracker::new(Duration::ZERO);
    let (mut told, mut over) = (0, 0);
    for (index, line) in lines(text).enumerate() {
        let findings = tracker.observe(&observation(line).1);
        for ended in findings.ended {
            assert_eq!((told, ended.evidence), (0, Evidence::Unasked), "{text}");
            told = index + 1;
        }
        if findings.over.is_some() {
            assert_eq!((over, findings.over), (0, Some(run("a"))), "{text}");
            over = index + 1;
        }
    }
    (told, over)
}

#[test]
fn a_plain_crash_is_told_before_the_run_is_over() {
    let up = "u a active/running main pid=1\n";
    let died = "u a deactivating/stop-post result=signal control pid=1 killed=9 t=9 left=10\n";
    let restarts = "u a activating/auto-restart result=signal pid=1 killed=9 t=9 left=10\n";
    assert_eq!(
        told_and_over(&format!("{up}{died}{died}{restarts}{restarts}")),
        (2, 4)
    );
    let next = "u b active/running main pid=2 n=1";
    assert_eq!(
        told_and_over(&format!("{up}{died}{next}")),
        (2, 3),
        "that it was over was not shown"
    );
    // All other ends are reported when the run is over.
    for (dying, why) in [
        (
            "job=5 result=signal control pid=1 killed=9 t=9 left=10",
            "a stop that came in between",
        ),
        (
            "result=signal control pid=1 killed=9 t=9 left=8",
            "a stop whose job is no more",
        ),
        (
            "result=exit-code control pid=1 exited=0 t=9 left=10",
            "a control process failed",
        ),
        (
            "result=timeout control pid=1 killed=9 t=9 left=10",
            "which time limit it was the record knows",
        ),
        (
            "result=success control pid=1 exited=0 t=9 left=10",
            "nothing failed",
        ),
    ] {
        let (told, over) = told_and_over(&format!(
            "{up}u a deactivating/stop-post {dying}\n{restarts}"
        ));
        assert_eq!((told, over), (3, 0), "{why}");
    }
    assert_eq!(
        told_and_over(&format!(
            "u a activating/start main pid=1\n{died}{restarts}"
        )),
        (3, 0),
        "it was never up"
    );
}
