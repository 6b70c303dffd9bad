//! Tests of several stacks, and of the wards that name them.

use super::*;

/// The stacks of these names and texts.
fn stacks(texts: &[(&str, &str)]) -> (Stacks, Vec<String>) {
    let read = texts.iter().filter_map(|(name, text)| {
        let path = Path::new(&format!("{name}.stack")).into();
        read_stack(&SourceFiles {
            name: (*name).into(),
            files: vec![SourceFile {
                path,
                text: (*text).into(),
            }],
        })
    });
    let (stacks, problems) = Stacks::settle(read);
    (stacks, problems.iter().map(ToString::to_string).collect())
}

/// One stack `opensync` of the unit `opensync.target`, and one of a service.
fn two() -> Stacks {
    let (stacks, problems) = stacks(&[
        ("opensync", "[Stack]\n"),
        ("web", "[Stack]\nUnit=web-all.service\n"),
    ]);
    assert_eq!(problems, [""; 0]);
    stacks
}

/// The ward `a` beside [`two`] stacks, and what is wrong with it.
fn ward(text: &str) -> (Option<Ward>, Vec<String>) {
    let (wards, problems) = read_beside(&two(), &[files("a", &[&format!("{DEFINED}{text}")])]);
    (
        wards.into_iter().next(),
        problems.iter().map(ToString::to_string).collect(),
    )
}

fn stack(name: &str) -> StackName {
    StackName::new(name).unwrap()
}

#[test]
fn two_stacks_for_one_unit_leave_the_first() {
    let adopts = "[Stack]\nUnit=b.target\n";
    let (stacks, problems) = stacks(&[
        ("a", adopts),
        ("b", "[Stack]\n"),
        ("c", adopts),
        ("d", "[Stack]\n"),
    ]);
    assert_eq!(
        stacks
            .iter()
            .map(|stack| stack.name.as_str())
            .collect::<Vec<_>>(),
        ["a", "d"]
    );
    assert_eq!(problems.len(), 2, "{problems:?}");
    for (problem, file) in problems.iter().zip(["b.stack: ", "c.stack:2:6: "]) {
        assert!(
            problem.starts_with(file)
                && problem.contains("b.target is the unit of a.stack already"),
            "{problem}"
        );
    }
}

#[test]
fn a_name_that_cannot_name_a_stack_is_refused() {
    let (stacks, problems) = stacks(&[
        ("a b", "[Stack]\n"),
        ("a@b", "[Stack]\n"),
        ("", "[Stack]\n"),
    ]);
    assert_eq!(
        (stacks.iter().count(), problems.len()),
        (0, 3),
        "{problems:?}"
    );
    assert!(
        problems
            .iter()
            .all(|problem| problem.contains("cannot name a stack")),
        "{problems:?}"
    );
}

#[test]
fn a_target_that_is_there_is_not_defined_again() {
    let file = SourceFile {
        path: Path::new("network.stack").into(),
        text: "[Stack]\n".into(),
    };
    let files = SourceFiles {
        name: "network".into(),
        files: vec![file],
    };
    let adopting = SourceFiles {
        files: vec![SourceFile {
            text: "[Stack]\nUnit=network.target\n".into(),
            ..files.files[0].clone()
        }],
        ..files.clone()
    };
    for (files, there, left) in [(&files, true, 0), (&files, false, 1), (&adopting, true, 1)] {
        let mut read = read_stack(files).unwrap();
        read.spare_existing(|target| {
            there.then(|| format!("/usr/lib/systemd/system/{target}").into())
        });
        let (stacks, problems) = Stacks::settle([read]);
        assert_eq!((stacks.iter().count(), problems.len()), (left, 1 - left));
        let said = problems.iter().map(ToString::to_string).collect::<String>();
        assert!(left == 1 || said.contains("Unit=network.target"), "{said}");
    }
}

#[test]
fn a_ward_belongs_to_the_stack_it_names() {
    let (ward, problems) = ward(
        "[Ward]\nStack=opensync\n[Recovery]\nOnLimit=restart-stack\n[OnDeath]\nRestartStack=web\n",
    );
    assert_eq!(problems, [""; 0]);
    let ward = ward.unwrap();
    assert_eq!(
        (&ward.stack, ward.recovery.on_limit),
        (&Some(stack("opensync")), OnLimit::RestartStack)
    );
    assert_eq!(
        ward.conditions[0].steps[0].action,
        Action::RestartStack(stack("web"))
    );
    let (ward, problems) = self::ward("[Ward]\nStack=opensync\nStack=\n");
    assert_eq!((ward.unwrap().stack, problems), (None, vec![]));
}

#[test]
fn a_drop_in_may_give_the_stack_that_the_limit_needs() {
    let texts = [
        "[Service]\nExecStart=/bin/a\n[Recovery]\nOnLimit=restart-stack\n",
        "[Ward]\nStack=web\n",
    ];
    let (wards, problems) = read_beside(&two(), &[files("a", &texts)]);
    assert_eq!(problems, []);
    assert_eq!(wards[0].recovery.on_limit, OnLimit::RestartStack);
}

#[test]
fn a_stack_that_is_not_there_costs_the_key_and_what_needs_it() {
    let (ward, problems) =
        ward("[Ward]\nStack=opensink\n[Recovery]\nOnLimit=restart-stack\n[OnDeath]\nLog=x\n");
    assert_eq!(
        problems,
        [
            "a.ward:4:7: there is no stack \"opensink\" (did you mean \"opensync\"?); the ward is guarded without one",
            "a.ward:6:9: OnLimit=\"restart-stack\" is not valid: the ward belongs to no stack; name one with Stack= in [Ward]; \
         the default applies",
        ]
    );
    let ward = ward.unwrap();
    assert_eq!(
        (ward.stack, ward.recovery.on_limit, ward.conditions.len()),
        (None, OnLimit::Exclude, 1)
    );
}

#[test]
fn a_step_for_a_stack_that_is_not_there_costs_its_condition() {
    let (ward, problems) = ward("[OnDeath]\nRestartStack=opensink\n[OnStop]\nLog=x\n");
    assert!(
        problems.len() == 1 && problems[0].starts_with("a.ward:4:14: RestartStack="),
        "{problems:?}"
    );
    assert!(
        problems[0].contains("did you mean \"opensync\"?); the whole [OnDeath] is ignored"),
        "{problems:?}"
    );
    assert_eq!(ward.unwrap().conditions.len(), 1);
}

#[test]
fn a_ward_for_the_unit_of_a_stack_is_refused() {
    let adopting = files("guard", &["[Ward]\nUnit=web-all.service\n"]);
    let defining = files("web-all", &[DEFINED]);
    let (wards, problems) = read_beside(&two(), &[adopting, defining, files("other", &[DEFINED])]);
    assert_eq!(
        wards
            .iter()
            .map(|ward| ward.name.as_str())
            .collect::<Vec<_>>(),
        ["other"]
    );
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems.iter().all(|problem| {
        problem
            .to_string()
            .contains("the unit of the stack in web.stack")
    }));
}

#[test]
fn a_first_start_that_leads_to_a_full_restart_of_itself_is_a_circle() {
    let member = "[Ward]\nStack=opensync\n";
    for (text, circle) in [
        ("[OnStart]\nRestartStack=opensync\n", true),
        ("[OnDeath]\nDoNow=yes\nRestartStack=opensync\n", true),
        ("[OnStart]\nIndependent=yes\nRestartStack=opensync\n", true),
        ("[OnDeath]\nRestart=opensync.target\n", true),
        ("[OnDeath]\nRestartStack=opensync\n", false),
        ("[OnRestart]\nRestartStack=opensync\n", false),
        ("[OnLimit]\nRestartStack=opensync\n", false),
        ("[OnStart]\nRestartStack=web\n", false),
        ("[OnStart]\nStart=opensync.target\n", false),
    ] {
        let (ward, problems) = ward(&format!("{member}{text}"));
        assert_eq!(problems.len(), usize::from(circle), "{text}: {problems:?}");
        assert_eq!(
            ward.unwrap().conditions.len(),
            usize::from(!circle),
            "{text}"
        );
        let way = "a.service → opensync.target → a.service";
        assert!(!circle || problems[0].contains(way), "{problems:?}");
    }
    // A circle over another unit, in either order of reading.
    let asks = format!("{DEFINED}[OnStart]\nRestartStack=web\n");
    for (asker, member) in [("a", "b"), ("b", "a")] {
        let joins = format!("{DEFINED}[Ward]\nStack=web\n[OnStart]\nRestart={asker}.service\n");
        let (_, problems) =
            read_beside(&two(), &[files(asker, &[&asks]), files(member, &[&joins])]);
        assert!(
            problems.len() == 1 && problems[0].to_string().contains("web-all.service"),
            "{problems:?}"
        );
    }
}
