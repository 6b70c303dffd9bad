//! Tests of wards of templates and of their instances.

use super::*;
use crate::core::config::names::UnitName;
use crate::core::config::{Assembly, SourceFile, SourceFiles, read_ward};
use std::path::Path;

fn read(wards: &[(&str, &str)]) -> (Config, Vec<String>) {
    let stacks = Stacks::default();
    let mut assembly = Assembly::beside(&stacks);
    let (mut config, mut said) = (Config::default(), Vec::new());
    for (name, text) in wards {
        let path = Path::new("/").join([name, ".ward"].concat());
        let files = vec![SourceFile {
            path: path.into(),
            text: (*text).to_owned(),
        }];
        let (ward, problems) = assembly.admit(
            read_ward(
                &SourceFiles {
                    name: (*name).into(),
                    files,
                },
                &stacks,
            )
            .unwrap(),
        );
        config.wards.extend(ward);
        said.extend(problems.iter().map(ToString::to_string));
    }
    (config, said)
}

const DEFINED: &str = "[Service]\nExecStart=/a\n";
const GETTY: &str = "[Ward]\nUnit=getty@.service\n";

fn meant(config: &Config, name: &str) -> Option<(String, String)> {
    config
        .ward_meant_by(name)
        .map(|ward| (ward.name.to_string(), ward.unit().to_string()))
}

#[test]
fn an_instance_is_a_ward_by_its_own_name() {
    let (config, said) = read(&[("foo@", DEFINED), ("console@", GETTY)]);
    assert_eq!(said, Vec::<String>::new());
    let check = |name: &str, expect: Option<(&str, &str)>| {
        assert_eq!(
            meant(&config, name),
            expect.map(|(ward, unit)| (ward.into(), unit.into())),
            "{name}"
        );
    };
    check("foo@bar", Some(("foo@bar", "foo@bar.service")));
    check("foo@bar.service", Some(("foo@bar", "foo@bar.service")));
    check("foo@a\\x2db", Some(("foo@a\\x2db", "foo@a\\x2db.service")));
    check("foo@a@b", Some(("foo@a@b", "foo@a@b.service")));
    for name in ["console@tty1", "getty@tty1", "getty@tty1.service"] {
        check(name, Some(("console@tty1", "getty@tty1.service")));
    }
    check("foo@", Some(("foo@", "foo@.service")));
    for none in [
        "foo",
        "foo@a b",
        "foo@a/b",
        "foo@a%i",
        "foo@\n",
        "tty@x",
        &["foo@", &"x".repeat(250)].concat(),
    ] {
        check(none, None);
    }
}

#[test]
fn a_ward_of_an_instances_own_wins() {
    let (config, said) = read(&[
        ("console@", GETTY),
        ("first", "[Ward]\nUnit=getty@tty1.service\n"),
        ("foo@", DEFINED),
        ("foo@bar", DEFINED),
    ]);
    assert_eq!(said, Vec::<String>::new());
    for name in ["first", "getty@tty1", "console@tty1"] {
        assert_eq!(
            meant(&config, name),
            Some(("first".into(), "getty@tty1.service".into())),
            "{name}"
        );
    }
    assert!(matches!(
        config.ward_meant_by("foo@bar"),
        Some(Cow::Borrowed(_))
    ));
    assert!(matches!(
        config.ward_meant_by("foo@baz"),
        Some(Cow::Owned(_))
    ));
}

#[test]
fn what_a_template_and_an_instance_cannot_share_is_refused_in_either_order() {
    let check = |one: (&str, &str), two: (&str, &str), expect: &str| {
        for order in [[one, two], [two, one]] {
            let (config, said) = read(&order);
            assert_eq!(config.wards.len(), 1, "{said:?}");
            assert!(said.len() == 1 && said[0].contains(expect), "{said:?}");
        }
    };
    let adopts = |unit: &str| format!("[Ward]\nUnit={unit}\n");
    check(
        ("foo@", DEFINED),
        ("foo@bar", &adopts("foo@bar.service")),
        "let both wards define",
    );
    check(
        ("g@", GETTY),
        ("getty@tty1", DEFINED),
        "let both wards define",
    );
    check(
        ("console@", GETTY),
        ("console@x", DEFINED),
        "calls its instance getty@x.service",
    );
}

#[test]
fn a_ward_and_its_unit_are_both_templates_or_neither() {
    let (_, said) = read(&[("x", GETTY)]);
    assert!(said[0].contains("rename the file to x@.ward"), "{said:?}");
    let (_, said) = read(&[("x@", "[Ward]\nUnit=getty@tty1.service\n")]);
    assert!(said[0].contains("rename the file to x.ward"), "{said:?}");
}

#[test]
fn steps_of_a_template_name_the_instance() {
    let steps = "[OnDeath]\nExecute=/bin/rm /run/%p/%i %n %%i %H\nRestart=%n\nRestart=helper@%i.service\nSignal=%n HUP\n";
    let (config, said) = read(&[("foo@", &[DEFINED, steps].concat())]);
    assert_eq!(said, Vec::<String>::new());
    let actions = |ward: &Ward| {
        ward.conditions[0]
            .steps
            .iter()
            .map(|step| step.action.clone())
            .collect::<Vec<_>>()
    };
    let of_bar = actions(&config.ward_meant_by("foo@bar").unwrap());
    let Action::Execute(command) = &of_bar[0] else {
        panic!("{of_bar:?}")
    };
    assert_eq!(
        command.words[1..],
        ["/run/foo/bar", "foo@bar.service", "%%i", "%H"]
    );
    assert_eq!(of_bar[1], Action::RestartSelf);
    assert_eq!(
        of_bar[2],
        Action::Restart(UnitName::new("helper@bar.service").unwrap())
    );
    assert_eq!(
        of_bar[3],
        Action::Signal(UnitName::new("foo@bar.service").unwrap(), "SIGHUP".into())
    );
    let Action::Restart(left) = &actions(&config.wards[0])[2] else {
        panic!()
    };
    assert_eq!(left.as_str(), "helper@%i.service");
}
