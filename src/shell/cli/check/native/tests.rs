//! Tests of the warnings that are made of systemd's complaints.

use super::*;
use crate::core::config::{Assembly, SourceFile, SourceFiles, Stacks, read_ward};
use crate::core::unit::{Output, Rank};

fn ward(name: &str, text: &str) -> Ward {
    let path = format!("/etc/unitward/{name}.ward");
    let file = SourceFile::decode(Path::new(&path).into(), text.as_bytes().to_vec());
    let read = read_ward(
        &SourceFiles {
            name: name.to_owned(),
            files: vec![file],
        },
        &Stacks::default(),
    )
    .unwrap();
    Assembly::default().admit(read).0.unwrap()
}

/// The sentences about a defined and an adopting ward.
fn judged(complaints: Vec<Complaint>) -> Vec<String> {
    let web = ward(
        "web",
        "[Unit]\nAfter=db.service\n[Service]\nType=dbus\nExecStart=/bin/web\nNice=x\n",
    );
    let old = ward("old", "[Ward]\nUnit=old.service\n");
    let file = |path: &str, text: &str| Output {
        rank: Rank::Normal,
        path: path.to_owned(),
        content: Content::File(text.to_owned()),
    };
    let checked = Checked {
        wards: 2,
        stacks: 1,
        outputs: vec![
            file("web.service", "[Service]\nType=dbus\nNice=x\n"),
            file("unitward-web-OnLimit.service", ""),
            file("old.service.d/50-unitward.conf", ""),
            file("all.target", ""),
        ],
        problems: Vec::new(),
        guarded: vec![(web, 0), (old, 2)],
        stack_units: vec![(Place::whole(Path::new("/etc/unitward/all.stack").into()), 3)],
        units_not_known: false,
    };
    let mut judgement = Judgement {
        units: units(&checked),
        known: &[],
        said: Vec::new(),
        has_cycle: false,
        last: HashMap::new(),
    };
    complaints
        .into_iter()
        .for_each(|complaint| judgement.take(complaint));
    judgement.said.iter().map(Problem::sentence).collect()
}

fn unit(unit: &str, text: &str) -> Complaint {
    Complaint::Unit {
        unit: unit.to_owned(),
        text: text.to_owned(),
    }
}

fn line(file: File, line: usize, text: &str) -> Complaint {
    Complaint::Line {
        file,
        line,
        text: text.to_owned(),
    }
}

#[track_caller]
fn check(complaints: Vec<Complaint>, expect: &[&str]) {
    let said = judged(complaints);
    assert_eq!(said.len(), expect.len(), "{said:?}");
    for (said, expect) in said.iter().zip(expect) {
        assert!(said.starts_with(expect), "{said}\n{expect}");
    }
}

#[test]
fn what_systemd_refuses_to_load_is_told_where_the_ward_says_so() {
    let no_name = "Service is of type D-Bus but no D-Bus service name has been specified. Refusing";
    let not_loaded = |unit: &str| Complaint::NotLoaded {
        unit: unit.to_owned(),
    };
    check(
        vec![unit("web.service", no_name), not_loaded("web.service")],
        &[
            "/etc/unitward/web.ward:4:6: systemd does not load web.service: Service is of type D-Bus but",
        ],
    );
    check(
        vec![unit(
            "old.service",
            "Service has no ExecStart=, ExecStop=, or SuccessAction=. Refusing",
        )],
        &[
            "/etc/unitward/old.ward:2:6: systemd does not load old.service: Service has no ExecStart=",
        ],
    );
    let planned = File::Planned("web.service".to_owned());
    check(
        vec![
            line(planned, 3, "Failed to parse: x"),
            not_loaded("web.service"),
        ],
        &[
            "/etc/unitward/web.ward:6:6: systemd does not load web.service: systemd says of Nice=x: Failed",
        ],
    );
    check(vec![not_loaded("other.service")], &[]);
}

#[test]
fn lines_of_an_adopted_units_own_files_are_told_but_for_those_of_packages() {
    let of = |path: &str| {
        line(
            File::Other(path.into()),
            3,
            "Unknown key 'X' in section [Service], ignoring",
        )
    };
    for path in [
        "/etc/systemd/system/old.service",
        "/etc/systemd/system/old.service.d/a.conf",
    ] {
        check(
            vec![of(path)],
            &[&format!(
                "{path}:3: warning: systemd says of this line of old.service, which is guarded: Unk"
            )],
        );
    }
    for path in [
        "/usr/lib/systemd/system/old.service",
        "/etc/systemd/system/else.service",
        "/etc/systemd/system/service.d/a",
    ] {
        check(vec![of(path)], &[]);
    }
    let refused = Complaint::NotLoaded {
        unit: "old.service".to_owned(),
    };
    let place = "/etc/unitward/old.ward:2:6: systemd does not load old.service: /usr/lib/systemd/system/old.service:3: Unknown";
    check(
        vec![of("/usr/lib/systemd/system/old.service"), refused],
        &[place],
    );
}

#[test]
fn of_a_unit_as_a_whole_only_what_concerns_the_ward_is_told() {
    check(
        vec![
            unit(
                "web.service",
                "Failed to create web.service/start: Unit db.service not found",
            ),
            unit(
                "web.service",
                "Command /bin/web is not executable: No such file or directory",
            ),
            unit(
                "unitward-web-OnLimit.service",
                "Command /usr/lib/unitward/unitward-step is not executable: No",
            ),
            unit("all.target", "Something"),
            unit("ssh.service", "Something"),
            unit(
                "web.service",
                "Job web.service/start deleted to break ordering cycle starting with x",
            ),
        ],
        &[
            "/etc/unitward/web.ward:2:7: warning: systemd could not start web.service: Unit db.service not found; correct",
            "/etc/unitward/web.ward:5:11: warning: systemd says of web.service: Command /bin/web is not executable: No such",
            "/etc/unitward/all.stack: warning: systemd says of all.target: Something; correct it",
        ],
    );
    let cycle = || Complaint::Cycle {
        units: ["web.service", "db.service"].map(str::to_owned).to_vec(),
    };
    check(
        vec![
            cycle(),
            cycle(),
            Complaint::Cycle {
                units: vec!["a.service".to_owned()],
            },
        ],
        &[
            "/etc/unitward/web.ward:2:7: warning: db.service and web.service wait for each other, so systemd leaves one",
        ],
    );
}
