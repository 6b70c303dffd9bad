//! Tests of reading wards: each mistake costs what it should, and no more.

mod stacks;

use super::*;
use crate::core::config::step::Action;

fn read(wards: &[SourceFiles]) -> (Vec<Ward>, Vec<Problem>) {
    read_beside(&Stacks::default(), wards)
}

fn read_beside(stacks: &Stacks, wards: &[SourceFiles]) -> (Vec<Ward>, Vec<Problem>) {
    let mut sorted = wards.to_vec();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let mut assembly = Assembly::beside(stacks);
    let (wards, problems): (Vec<_>, Vec<_>) = sorted
        .iter()
        .filter_map(|files| read_ward(files, stacks))
        .map(|read| assembly.admit(read))
        .unzip();
    (wards.into_iter().flatten().collect(), problems.concat())
}

fn files(name: &str, texts: &[&str]) -> SourceFiles {
    let path = |n: usize| match n {
        0 => format!("{name}.ward"),
        n => format!("{name}.ward.d/{n}.conf"),
    };
    let files = texts
        .iter()
        .enumerate()
        .map(|(n, text)| SourceFile {
            path: Path::new(&path(n)).into(),
            text: (*text).to_owned(),
        })
        .collect();
    SourceFiles {
        name: name.into(),
        files,
    }
}

fn one(texts: &[&str]) -> (Option<Ward>, Vec<String>) {
    let (wards, problems) = read(&[files("a", texts)]);
    (
        wards.into_iter().next(),
        problems.iter().map(ToString::to_string).collect(),
    )
}

const DEFINED: &str = "[Service]\nExecStart=/bin/a\n";

#[test]
fn three_lines_adopt_a_daemon() {
    let (ward, problems) = one(&["[Ward]\nUnit=telldusd.service\n"]);
    assert_eq!(problems, [""; 0]);
    assert_eq!(ward.unwrap().unit().as_str(), "telldusd.service");
}

#[test]
fn drop_ins_add_override_and_reset() {
    let main = "[Service]\nExecStart=/bin/a\nEnvironment=X=1\n[Recovery]\nDeathLimit=3\n[OnDeath m]\nLog=one\n[OnDeath]\nLog=unnamed\n";
    let (ward, problems) = one(&[
        main,
        "[Service]\nEnvironment=\n[Recovery]\nDeathLimit=\nDelaySec=1s\n[OnDeath m]\nLog=\nLog=two\nOnce=yes\n",
        "[OnDeath]\nLog=another\n",
    ]);
    assert_eq!(problems, [""; 0]);
    let ward = ward.unwrap();
    assert_eq!(
        ward.native
            .service
            .iter()
            .map(|l| l.value.as_str())
            .collect::<Vec<_>>(),
        ["/bin/a", "X=1", ""]
    );
    assert_eq!(
        (ward.recovery.death_limit, ward.recovery.delay.as_secs()),
        (5, 1)
    );
    let seen: Vec<_> = ward
        .conditions
        .iter()
        .map(|c| (c.id.as_str(), c.once, c.steps.len()))
        .collect();
    assert_eq!(
        seen,
        [
            ("OnDeath-m", true, 1),
            ("OnDeath", false, 1),
            ("OnDeath.2", false, 1)
        ]
    );
    assert_eq!(
        ward.conditions[0].steps[0].action,
        Action::Log("two".into())
    );
}

#[test]
fn a_cleared_condition_is_gone_without_a_word() {
    let (ward, problems) = one(&[
        &format!("{DEFINED}[OnDeath]\nLog=x\n"),
        "[OnDeath]\nExecute=\n",
    ]);
    assert_eq!(problems, [""; 0]);
    assert_eq!(ward.unwrap().conditions, []);
}

/// Reads a ward with one mistake: the line and the words that the message must name, and the number
/// of conditions that remain (`None`: the ward is lost).
fn check(text: &str, line: usize, words: &[&str], remaining: Option<usize>) {
    let (ward, problems) = one(&[text]);
    assert_eq!(problems.len(), 1, "{text}: {problems:?}");
    let place = if line == 0 {
        "a.ward: ".to_owned()
    } else {
        format!("a.ward:{line}:")
    };
    assert!(problems[0].starts_with(&place), "{text}: {problems:?}");
    for word in words {
        assert!(problems[0].contains(word), "{text}: {word} in {problems:?}");
    }
    assert_eq!(ward.map(|w| w.conditions.len()), remaining, "{text}");
}

#[test]
fn a_bad_key_costs_its_key() {
    check(
        &format!("{DEFINED}[Recovery]\nDelaySec=soon\n[OnDeath]\nLog=x"),
        4,
        &["DelaySec", "soon", "time span"],
        Some(1),
    );
    check(
        &format!("{DEFINED}[Recovery]\nDeathLimt=1"),
        4,
        &["did you mean \"DeathLimit\"?"],
        Some(0),
    );
    check(
        &format!("{DEFINED}[Recovry]\nDeathLimit=1"),
        3,
        &["did you mean \"Recovery\"?"],
        Some(0),
    );
    check(
        &format!("{DEFINED}[Ward]\nReport=maybe"),
        4,
        &["abnormal, death or no"],
        Some(0),
    );
    check(
        &format!("{DEFINED}[Ward]\nGroup=x"),
        4,
        &["Group=", "not in this version"],
        Some(0),
    );
    check(
        &format!("{DEFINED}[Ward]\nStack=x"),
        4,
        &["there is no stack \"x\", write x.stack"],
        Some(0),
    );
    check(
        &format!("{DEFINED}[Recovery]\nOnLimit=restart-stack"),
        4,
        &["belongs to no stack", "Stack="],
        Some(0),
    );
    check(
        &format!("{DEFINED}[Recovery]\nOnLimit=give-up"),
        4,
        &["exclude, restart-stack, reboot or none"],
        Some(0),
    );
    check(
        &format!("{DEFINED}[Recovery]\nDeathLimit=-1"),
        4,
        &["number of deaths"],
        Some(0),
    );
}

#[test]
fn a_bad_step_costs_its_condition() {
    for (section, line, word) in [
        ("[OnDeath]\nExecute=mount /a", 4, "absolute path"),
        ("[OnDeath]\nExecute=/bin/a ; /bin/b", 4, "second step"),
        ("[OnDeath]\nExecute=/bin/a 5%", 4, "%%"),
        ("[OnDeath]\nExceute=/bin/a", 4, "did you mean \"Execute\"?"),
        ("[OnDeath]\nLog=x\nnot a line", 5, "Key=Value"),
        ("[OnDeath]\nWaitFor=soon", 4, "time span"),
        ("[OnDeath]\nRestart=inetd", 4, "suffix"),
        ("[OnDeath]\nRestart=%n\nRestart=%n", 5, "restarts once"),
        (
            "[OnDeath]\nIndependent=yes\nRestart=%n\nLog=x",
            5,
            "beside the restart",
        ),
        ("[OnStart]\nRestart=%n", 4, "[OnDeath]"),
        ("[OnStart]\nDoNow=yes\nLog=x", 4, "[OnDeath]"),
        ("[OnDeath]\nElseLog=x", 4, "step above"),
        ("[OnDeath]\nRestart=%n\nElseLog=x", 5, "Else"),
        ("[OnDeath]\nStatus=g/i 1 x", 4, "not in this version"),
        (
            "[OnDeath]\nRestartStack=x",
            4,
            "there is no such stack, write x.stack",
        ),
        ("[OnDeath]\nRestartStack=x y", 4, "cannot name a stack"),
        (
            "[OnDeath]\nOnStepFailure=panic\nLog=x",
            4,
            "continue, break or fail",
        ),
        ("[OnDeath]\nOnce=maybe\nLog=x", 4, "yes or no"),
        ("[OnDeath]", 3, "no step"),
        ("[OnDeath a/b]\nLog=x", 3, "letters"),
        ("[OnState a b]\nLog=x", 3, "not in this version"),
        ("[OnStop]\nIndependent=yes\nLog=x", 4, "take the line out"),
    ] {
        check(
            &format!("{DEFINED}{section}\n[OnStop]\nLog=still here\n"),
            line,
            &[word],
            Some(1),
        );
    }
}

#[test]
fn a_bad_service_costs_the_ward() {
    check("", 0, &["guards nothing"], None);
    check("[OnDeath]\nLog=x", 0, &["guards nothing"], None);
    check(
        "[Service]\nRestart=always\nExecStop=/bin/a\nExecStartPre=/bin/a",
        0,
        &["guards nothing"],
        None,
    );
    for key in ["ExecStrt", "ExceStart", "execstart", "ExecStarts"] {
        check(
            &format!("[Service]\nRestart=no\n{key}=/bin/a"),
            3,
            &["did you mean \"ExecStart\"?"],
            None,
        );
    }
    check(
        "[Service]\nExecStart=/bin/a\n[Ward]\nUnit=b.service",
        4,
        &["both"],
        None,
    );
    check("[Ward]\nUnit=b", 2, &["suffix"], None);
    check("[Ward]\nUnit=b.socket", 2, &["only a .service"], None);
    check("[Ward]\nUnit=b@.service", 2, &["template"], None);
    check(
        "[Service]\nExecStart=/bin/a\nRestart=sometimes",
        3,
        &["on-failure"],
        None,
    );
    check(
        "[Service]\nExecStart=/bin/a\nType=simpel",
        3,
        &["forking"],
        None,
    );
    check(
        "[Service]\nExecStart=/bin/a\nExecStart=/bin/b",
        3,
        &["oneshot"],
        None,
    );
    check("[Service]\nExecStart=./a", 2, &["absolute path"], None);
    check(
        "[Service]\nExecStart=/bin/a\nType=oneshot\nRestart=always",
        4,
        &["on-failure"],
        None,
    );
    check(
        "[Service]\nExecStart=/bin/a\ngarbage",
        3,
        &["Key=Value"],
        None,
    );
    check("\0\u{1}\u{2}", 1, &["not text"], None);
}

#[test]
fn two_wards_for_one_unit_leave_the_first() {
    let texts = ["[Ward]\nUnit=b.service\n"];
    let (wards, problems) = read(&[
        files("z", &texts),
        files("c", &texts),
        files("b", &[DEFINED]),
    ]);
    assert_eq!(
        wards.iter().map(|w| w.name.as_str()).collect::<Vec<_>>(),
        ["b"]
    );
    assert_eq!(problems.len(), 2);
    assert!(
        problems[0]
            .to_string()
            .contains("guarded by b.ward already"),
        "{}",
        problems[0]
    );
}

#[test]
fn a_circle_of_restarts_costs_the_condition_that_closes_it() {
    let ward =
        |other: &str| format!("{DEFINED}[OnDeath]\nRestart={other}.service\n[OnDeath]\nLog=x\n");
    let (wards, problems) = read(&[
        files("a", &[&ward("b")]),
        files("b", &[&ward("c")]),
        files("c", &[&ward("a")]),
    ]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let said = problems[0].to_string();
    assert!(
        said.starts_with("c.ward:4:9: ")
            && said.contains("c.service → a.service → b.service → c.service"),
        "{said}"
    );
    assert_eq!(
        wards.iter().map(|w| w.conditions.len()).collect::<Vec<_>>(),
        [2, 2, 1]
    );
}

#[test]
fn a_name_that_cannot_name_a_unit_is_refused() {
    let (wards, problems) = read(&[files("a b", &[DEFINED]), files("@x", &[DEFINED])]);
    assert_eq!((wards.len(), problems.len()), (0, 2));
}
