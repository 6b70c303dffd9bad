//! Tests of the table's layout.

use super::*;
use crate::shell::cli::reports::tests::{check, every_kind, zone};

#[test]
fn a_list_fits_on_a_terminal_of_80_columns() {
    let found = every_kind().all();
    let list = |width, found: &[Document]| {
        Table::new(Sheet {
            paint: Paint::Plain,
            width: Some(width),
        })
        .lines(found, &zone())
    };
    let expect = "
TIME            ID        WARD      REASON         REPORT        RECOVERY
02-06 11:42:24  11111111  web       SIG 11         sent          recovered 184ms
02-06 11:42:25  22222222  web       EXIT 3         refused       excluded
02-06 11:42:26  33333333  web       EXIT 3         waiting       -
02-06 11:42:27  44444444  web       EXIT 3         held          -
02-06 11:42:28  55555555  web       EXIT 3         summed up     -
02-06 11:42:29  66666666  web       EXIT 3         local         -
02-06 11:42:30  77777777  other     -              not reported  -
02-06 11:42:31  88888888  web       EXIT 3         waiting       -
02-06 11:42:32  99999999  OpenSync  OpenSync res…  local         failed
";
    check(&list(80, &found), expect);
    assert!(
        list(140, &found).contains("  PID  "),
        "{}",
        list(140, &found)
    );
    assert!(
        list(80, &found[1..4]).starts_with("TIME                     ID"),
        "what has room for all is told in full"
    );
    let narrow = list(50, &found);
    assert!(
        narrow.lines().all(|line| line.chars().count() <= 50),
        "{narrow}"
    );
}

#[test]
fn a_followers_later_line_without_room_has_a_header_of_its_own() {
    let found = every_kind().all();
    let mut table = Table::new(Sheet {
        paint: Paint::Plain,
        width: Some(80),
    });
    let lines = table.lines(&found[1..2], &zone()) + &table.lines(&found[..1], &zone());
    let expect = "
TIME                     ID        WARD  REASON  PID   REPORT   RECOVERY
2025-02-06 11:42:25.963  22222222  web   EXIT 3  1002  refused  excluded
TIME            ID        WARD  REASON  REPORT  RECOVERY
02-06 11:42:24  11111111  web   SIG 11  sent    recovered 184ms
";
    check(&lines, expect);
}
