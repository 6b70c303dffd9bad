//! Tests of exclusions and readmissions by hand.

use super::*;

#[test]
fn a_ward_is_found_by_its_name_and_by_its_unit() {
    let pair = |ward: &str, unit: &str| (ward.to_owned(), unit.to_owned());
    let wards = BTreeMap::from([
        pair("web", "telldusd.service"),
        pair("own", "own.service"),
        pair("x", "web.service"),
    ]);
    for (name, ward) in [
        ("web", "web"),
        ("telldusd.service", "web"),
        ("telldusd", "web"),
        ("web.service", "x"),
    ] {
        assert_eq!(find(&wards, name).unwrap().ward, ward, "{name}");
    }
    assert_eq!(
        find(&wards, "webb").unwrap_err(),
        "There is no ward webb, did you mean web?"
    );
    assert!(
        find(&BTreeMap::new(), "web")
            .unwrap_err()
            .contains("daemon-reload")
    );
}

#[test]
fn an_instance_is_found_and_its_template_is_refused() {
    let pairs = [
        ("web@", "web@.service"),
        ("tty@", "getty@.service"),
        ("own", "getty@tty1.service"),
    ];
    let wards = pairs
        .map(|(ward, unit)| (ward.to_owned(), unit.to_owned()))
        .into();
    for (name, ward, unit) in [
        ("web@a\\x2db", "web@a\\x2db", "web@a\\x2db.service"),
        ("web@a.service", "web@a", "web@a.service"),
        ("getty@tty2", "tty@tty2", "getty@tty2.service"),
        ("tty@tty1", "own", "getty@tty1.service"),
    ] {
        assert_eq!(
            find(&wards, name),
            Ok(Subject {
                ward: ward.into(),
                unit: unit.into()
            }),
            "{name}"
        );
    }
    for template in ["web@", "getty@.service"] {
        assert!(
            find(&wards, template)
                .unwrap_err()
                .contains("name one of its instances"),
            "{template}"
        );
    }
    for none in ["web@a/b", "web@a b", "web"] {
        assert!(
            find(&wards, none)
                .unwrap_err()
                .starts_with("There is no ward"),
            "{none}"
        );
    }
}

#[test]
fn a_reason_that_is_too_long_is_refused_and_not_cut() {
    assert_eq!(reason("it eats\n\u{7}the disk").unwrap(), "it eatsthe disk");
    assert_eq!(reason(&"ä".repeat(200)).unwrap(), "ä".repeat(200));
    assert_eq!(
        reason(&"ä".repeat(201)).unwrap_err(),
        "The reason has 201 characters, and may have 200: make it shorter."
    );
}

#[test]
fn a_unit_that_is_being_stopped_counts_as_down_and_one_that_waits_for_its_restart_does_not() {
    for (active, standing) in [
        ("inactive", Standing::Down),
        ("failed", Standing::Down),
        ("deactivating", Standing::Down),
        ("active", Standing::Up),
        ("activating", Standing::Up),
    ] {
        let shown = Shown {
            load: "loaded".into(),
            active: active.into(),
        };
        assert_eq!(shown.standing(), standing, "{active}");
    }
}
