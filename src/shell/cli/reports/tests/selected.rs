//! Tests of the selection of deaths: those that failed, and those of a name.

use super::*;

#[test]
fn what_has_failed_is_told_from_what_came_back() {
    let failed: Vec<_> = every_kind()
        .all()
        .into_iter()
        .filter(Document::has_failed)
        .map(|told| told.sequence)
        .collect();
    assert_eq!(failed, [2, 9]);
}

#[test]
fn a_name_that_nothing_has_is_refused_and_a_units_name_is_the_wards() {
    let root = every_kind();
    let write = |path: &str, text: &str| {
        let path = root.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("etc/unitward/web.ward", "[Ward]\nUnit=httpd.service\n");
    write(
        "etc/unitward/quiet.ward",
        "[Service]\nExecStart=/bin/true\n",
    );
    let found = |name: &str, since: u64| {
        let wanted = Wanted {
            name: Some(name.into()),
            since,
            ..Wanted::default()
        };
        documents(&root.reader(), &wanted, root.0.path())
            .unwrap()
            .map(|found| found.len())
    };
    assert_eq!(found("web", 0), Ok(7));
    assert_eq!(found("httpd.service", 0), Ok(7));
    assert_eq!(found("quiet", 0), Ok(0));
    assert_eq!(found("other", u64::MAX / 2), Ok(0), "it was there once");
    assert_eq!(
        found("wep", 0),
        Err("There is no ward or stack \"wep\", did you mean \"web\"?".into())
    );
}
