//! Tests of the conversion of what PID 1 tells.

use super::*;
use crate::edge::pid1::Properties;

#[test]
fn what_is_told_of_a_unit_is_of_one_moment() {
    let listed = UnitSeen {
        job: Some("start".into()),
        sub: "start-pre".into(),
        ..UnitSeen::default()
    };
    let check = |number: u32, job: Option<&str>| {
        let path = zbus::ObjectPath::try_from("/job/3").unwrap();
        let told = Properties::from([
            ("LoadState", "loaded".into()),
            ("ActiveState", "active".into()),
            ("SubState", "running".into()),
            ("Job", Variant::from((number, path))),
            ("MainPID", 7_u32.into()),
            ("NRestarts", 2_u32.into()),
        ]);
        let mut unit = listed.clone();
        unit.renew(&told);
        assert_eq!(
            [&unit.load, &unit.active, &unit.sub],
            ["loaded", "active", "running"]
        );
        assert_eq!(unit.job.as_deref(), job);
        let details = unit.details.unwrap();
        assert_eq!((details.pid, details.restarts), (Some(7), Some(2)));
    };
    check(0, None);
    check(3, Some("start"));
}
