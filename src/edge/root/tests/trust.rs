//! Tests of the files that are trusted, by who has them and the way to them in hand.

use super::*;

/// Gives a file to another user; `false`: this process may not.
fn give_away(path: &Path) -> bool {
    lchown(path, Some(65_534), None).is_ok()
}

/// A link and its target.
type Link = (&'static str, &'static str);

/// Links that lead to a file, the part of the way that is given to a user, and the expected
/// message.
const WAYS: [(&[Link], &str, &str); 12] = [
    // The user's folder itself, and one further up.
    (
        &[("etc/unitward/a.ward", "/home/app/a.ward")],
        "home/app",
        "the directory /home/app belongs to user 65534",
    ),
    (
        &[("etc/unitward/a.ward", "/home/app/a.ward")],
        "home",
        "the directory /home belongs",
    ),
    (
        &[("etc/unitward/a.ward", "../../home/app/a.ward")],
        "home/app",
        "the directory /home/app belongs",
    ),
    // A link in a folder of root's that leads by way of the user's.
    (
        &[
            ("etc/unitward/a.ward", "/srv/a.ward"),
            ("srv/a.ward", "/home/app/a.ward"),
        ],
        "home/app",
        "the directory /home/app belongs",
    ),
    (
        &[
            ("etc/unitward/a.ward", "/srv/app/a.ward"),
            ("srv/app", "/home/app"),
        ],
        "home/app",
        "the directory /home/app belongs",
    ),
    // The way leads through the user's folder and out of it again.
    (
        &[
            ("etc/unitward/a.ward", "/home/app/back/a.ward"),
            ("home/app/back", "/srv"),
            ("srv/a.ward", "/etc/a.ward"),
        ],
        "home/app",
        "the directory /home/app belongs",
    ),
    // The user's link in a folder of root's.
    (
        &[
            ("etc/unitward/a.ward", "/srv/app/a.ward"),
            ("srv/app", "/home/app"),
        ],
        "srv/app",
        "the link /srv/app belongs to user 65534; make it root's with chown --no-dereference root",
    ),
    (
        &[("etc/unitward/a.ward", "/home/app/a.ward")],
        "etc/unitward/a.ward",
        "the link /etc/unitward/a.ward belongs",
    ),
    // A folder of drop-ins, and those of the search path.
    (
        &[("etc/unitward/w.ward.d", "/home/app/d")],
        "home/app",
        "/etc/unitward/w.ward.d: the directory /home/app belongs",
    ),
    (
        &[("run/unitward", "/home/app")],
        "home/app",
        "/run/unitward: the directory /home/app belongs",
    ),
    (&[], "etc", "/etc/unitward: the directory /etc belongs"),
    // A mask: what it masks is root's to choose, too.
    (
        &[
            ("etc/unitward/w.ward", "/home/app/null"),
            ("home/app/null", "/dev/null"),
        ],
        "home/app",
        "/etc/unitward/w.ward: ",
    ),
];

#[test]
fn a_file_is_not_trusted_when_somebody_else_has_a_folder_or_a_link_on_the_way_in_hand() {
    for (links, given, said) in WAYS {
        let root = tree(&[
            ("home/app/a.ward", WARD),
            ("home/app/d/x.conf", "[Recovery]\nDeathLimit=1\n"),
            ("srv/x", ""),
            ("etc/a.ward", WARD),
            ("etc/unitward/unitward.conf", "[Node]\nNodeId=x\n"),
            ("usr/lib/unitward/w.ward", "[Ward]\nUnit=w.service\n"),
        ]);
        for (link, target) in links {
            let link = root.path().join(link);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            symlink(target, link).unwrap();
        }
        let (_, problems) = names(root.path());
        assert_eq!(problems, [""; 0], "while all is root's: {links:?}");
        if !give_away(&root.path().join(given)) {
            return;
        }
        let (wards, problems) = names(root.path());
        assert!(
            problems.len() == 1 && problems[0].contains(said),
            "{links:?} {given}: {problems:?}"
        );
        assert!(
            !wards.contains(&"/etc/unitward/a.ward".to_owned()),
            "{links:?} {given}"
        );
        if problems[0].starts_with("/etc/unitward/w.ward") {
            assert_eq!(wards, [""; 0], "a ward without its drop-ins is another one");
        }
    }
}

#[test]
fn a_folder_on_the_way_that_others_may_write_is_not_trusted_with_the_sticky_bit_either() {
    for mode in [0o777, 0o775, 0o1777] {
        let root = tree(&[("tmp/a.ward", WARD), ("etc/unitward/x", "")]);
        symlink("/tmp/a.ward", root.path().join("etc/unitward/a.ward")).unwrap();
        fs::set_permissions(root.path().join("tmp"), fs::Permissions::from_mode(mode)).unwrap();
        let (wards, problems) = names(root.path());
        let said = "/etc/unitward/a.ward: others than its owner may write the directory /tmp; take that away with chmod go-w";
        assert!(
            wards.is_empty() && problems.len() == 1 && problems[0].starts_with(said),
            "{mode:o}: {problems:?}"
        );
    }
}

#[test]
fn folders_that_are_links_of_roots_are_passed() {
    let root = tree(&[
        ("usr/lib/unitward/v.ward", "[Ward]\nUnit=v.service\n"),
        ("srv/conf/a.ward", WARD),
        ("etc/x", ""),
    ]);
    // As where /usr is merged, and the configuration is kept elsewhere.
    symlink("usr/lib", root.path().join("lib")).unwrap();
    symlink("../srv/conf", root.path().join("etc/unitward")).unwrap();
    fs::create_dir_all(root.path().join("srv/conf/a.ward.d")).unwrap();
    symlink(
        "/lib/unitward/../../../srv/./drop-in",
        root.path().join("srv/conf/a.ward.d/x.conf"),
    )
    .unwrap();
    fs::write(
        root.path().join("srv/drop-in"),
        "[Recovery]\nDeathLimit=3\n",
    )
    .unwrap();
    let (config, problems) = load(root.path());
    assert_eq!(problems, []);
    let wards: Vec<_> = config
        .wards
        .iter()
        .map(|ward| ward.path.display().to_string())
        .collect();
    assert_eq!(wards, ["/etc/unitward/a.ward", "/usr/lib/unitward/v.ward"]);
    assert_eq!(config.wards[0].recovery.death_limit, 3);
}

#[test]
fn whoever_builds_an_image_may_own_it() {
    let root = tree(&[
        ("etc/unitward/a.ward", WARD),
        ("srv/b.ward", "[Ward]\nUnit=b.service\n"),
    ]);
    symlink("/srv/b.ward", root.path().join("etc/unitward/b.ward")).unwrap();
    let all = [
        "",
        "etc",
        "etc/unitward",
        "etc/unitward/a.ward",
        "etc/unitward/b.ward",
        "srv",
        "srv/b.ward",
    ];
    if !all.iter().all(|path| give_away(&root.path().join(path))) {
        return;
    }
    assert_eq!(
        names(root.path()),
        (
            vec!["/etc/unitward/a.ward".into(), "/etc/unitward/b.ward".into()],
            vec![]
        )
    );
    // Root's own are as good, another user's are not.
    chown(root.path().join("srv"), Some(0), None).unwrap();
    assert_eq!(names(root.path()).0.len(), 2);
    chown(root.path().join("srv"), Some(1_000), None).unwrap();
    assert_eq!(names(root.path()).0, ["/etc/unitward/a.ward"]);
}

#[test]
fn files_that_others_can_replace_are_told() {
    let root = tree(&[("opt/app/run", "#!"), ("etc/key", "key")]);
    assert_eq!(in_other_hands(root.path(), Path::new("/opt/app/run")), None);
    assert_eq!(in_other_hands(root.path(), Path::new("/opt/missing")), None);
    fs::set_permissions(
        root.path().join("etc/key"),
        fs::Permissions::from_mode(0o620),
    )
    .unwrap();
    let said = in_other_hands(root.path(), Path::new("/etc/key")).unwrap();
    assert_eq!(
        said,
        "others than its owner may write the file /etc/key; take that away with chmod go-w"
    );
    if give_away(&root.path().join("opt/app")) {
        let said = in_other_hands(root.path(), Path::new("/opt/app/run")).unwrap();
        assert_eq!(
            said,
            "the directory /opt/app belongs to user 65534; make it root's with chown root"
        );
    }
}
