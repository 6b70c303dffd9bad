//! Tests of the names of units, wards and stacks.

use super::*;

#[test]
fn unit_names_follow_systemds_rules() {
    for good in [
        "a.service",
        "fs-nfs2.service",
        "getty@tty1.service",
        "dev-disk\\x2d1.device",
        "a.b.target",
    ] {
        assert!(UnitName::new(good).is_ok(), "{good}");
    }
    for (bad, why) in [
        ("", BadName::Empty),
        ("a", BadName::Suffix),
        ("a.exe", BadName::Suffix),
        (".service", BadName::Empty),
        ("a b.service", BadName::Character),
        ("a/b.service", BadName::Character),
        ("a\nb.service", BadName::Character),
        ("a%n.service", BadName::Character),
        ("getty@.service", BadName::Template),
        ("@x.service", BadName::Empty),
    ] {
        assert_eq!(UnitName::new(bad), Err(why), "{bad:?}");
    }
    assert_eq!(
        UnitName::new(&format!("{}.service", "a".repeat(250))),
        Err(BadName::TooLong)
    );
}

#[test]
fn a_name_without_its_suffix_is_completed() {
    for (name, meant) in [
        ("inetd", Some("inetd.service")),
        ("inetd.servcie", Some("inetd.service")),
        ("net.taget", Some("net.target")),
        ("org.example", Some("org.example.service")),
        ("a b", None),
    ] {
        assert_eq!(
            UnitName::read(name).unwrap_err().nearest.as_deref(),
            meant,
            "{name}"
        );
    }
}

#[test]
fn the_parts_of_a_unit_name_are_those_of_the_specifiers() {
    let unit = UnitName::new("getty@tty1.service").unwrap();
    assert_eq!(
        (unit.stem(), unit.prefix(), unit.instance()),
        ("getty@tty1", "getty", "tty1")
    );
    assert!(StackName::new(&"s".repeat(86)).is_ok());
    assert_eq!(
        StackName::new(&"s".repeat(87)),
        Err(BadName::TooLongForSocket)
    );
    assert_eq!(StackName::new("a@b"), Err(BadName::Instance));
    assert_eq!(
        WardName::new("fs-nfs2").unwrap().service().as_str(),
        "fs-nfs2.service"
    );
}
