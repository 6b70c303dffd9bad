//! Tests of the time that a line's steps leave to the back-off.

use super::*;

#[test]
fn the_back_off_leaves_time_for_the_steps_that_act() {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let (_, lines) = list::read(&words(
        "web web.service --step=OnDeath:1 WaitFor 3s --step=OnStart:1 WaitFor 9s --step=OnDeath:2 Execute /bin/a",
    ))
    .unwrap();
    let left = |start, lines| {
        let record = RunRecord::new("web", "web.service", "i", start);
        left_by(lines, &record, Duration::from_secs(13))
    };
    assert_eq!(left(StartKind::AfterDeath, &lines), Duration::from_secs(5));
    assert_eq!(
        left(StartKind::AfterDeath, &lines[..1]),
        Duration::from_secs(10)
    );
    assert_eq!(left(StartKind::First, &lines[..1]), Duration::from_secs(13));
}
