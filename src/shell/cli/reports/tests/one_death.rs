//! Tests of what is told of one death.

use super::*;

#[test]
fn all_is_told_of_one_death() {
    let root = every_kind();
    let detail = |id: &str| {
        detail::detail(
            &Document::new(&pick(root.reader().find(id).unwrap(), id).unwrap()),
            &zone(),
        )
    };
    let crash = "
        Ward: web
        Unit: web.service
        Time: 2025-02-06 11:42:24.963
      Reason: SIG 11 (Segmentation fault)
         PID: 1001
  Invocation: 11111111000000000000000000000001
        Boot: 7f8e9ad4c3b2a1908f7e6d5c4b3a2918
     Witness: systemd's signal on D-Bus
      Report: sent 2025-02-06 11:42:24.968, report-id 00000000000000000000000000000001
   Backtrace: 0 > 0xb6bcca00: main 0x34 /usr/sbin/web
              1 > 0xb6bcca10: (null) 0 /lib/libc.so.6
    Recovery: recovered 2025-02-06 11:42:29.275, 1 restart, 184ms down, 4s 312ms to the last step
              report waiting, report-id 00000000000000000000000000000002
       Steps: OnDeath  Execute  /usr/bin/mount /a  ok      41ms
              OnDeath  WaitFor  path:/a 2s         failed  2s
";
    check(&detail("1111"), crash);
    check(&detail(&format!("{:032x}", 1)), crash);
    check(&detail("11111111000000000000000000000001"), crash);
    let clean = "
        Ward: other
        Unit: other.service
        Time: 2025-02-06 11:42:30.963
      Reason: unknown
         PID: unknown
  Invocation: 77777777000000000000000000000007
        Boot: 7f8e9ad4c3b2a1908f7e6d5c4b3a2918
     Witness: the journal
      Report: not reported
   Backtrace: none
    Recovery: none is known
";
    check(&detail("7777"), clean);
    let restart = "
       Stack: OpenSync
        Unit: web.service
        Time: 2025-02-06 11:42:32.963
      Reason: OpenSync restarted by web (5 deaths in 60 s)
  Invocation: 99999999000000000000000000000009
        Boot: 7f8e9ad4c3b2a1908f7e6d5c4b3a2918
     Witness: the run record
      Report: local
   Backtrace: none
      Caller: web (5 deaths in 60 s)
  Because of: death 88888888000000000000000000000008 of web.service
     Outcome: failed 2025-02-06 11:42:35.963
              web.service did not come back
";
    check(&detail("9999"), restart);
    assert!(
        detail("8888").contains("\n      Led to: full restart 99999999000000000000000000000009\n")
    );
}

#[test]
fn an_id_that_tells_no_death_says_what_to_do() {
    let root = every_kind();
    let mut second = death(9, Fate::Local);
    second.key.invocation = InvocationId::parse("1111ffffffffffffffffffffffffffff").unwrap();
    root.history()
        .apply(NOW, &[Change::Death(Box::new(second))])
        .unwrap();
    let why = |id: &str| pick(root.reader().find(id).unwrap(), id).unwrap_err();
    check(
        &why("111"),
        "\"111\" is too short: give at least 4 digits; \"unitward reports\" lists what is known.",
    );
    check(
        &why("abcd"),
        "Nothing is known of \"abcd\"; \"unitward reports\" lists what is known.",
    );
    check(
        &why("1111"),
        "2 deaths begin with \"1111\": give more digits; \"unitward reports\" lists what is known.",
    );
    check(
        &why("x\u{1b}*"),
        "Nothing is known of \"x\u{fffd}*\"; \"unitward reports\" lists what is known.",
    );
    check(
        &why(""),
        "\"\" is too short: give at least 4 digits; \"unitward reports\" lists what is known.",
    );
}

#[test]
fn text_from_elsewhere_does_nothing_to_the_terminal() {
    let root = Root::new();
    let mut odd = death(1, Fate::Local);
    (odd.reason, odd.backtrace) = (
        "EXIT 3\u{1b}[2J\nfake".into(),
        Some("0 > \u{1b}]0;x\u{7}".into()),
    );
    root.history()
        .apply(NOW, &[Change::Death(Box::new(odd))])
        .unwrap();
    let found = root.all();
    let printed = Table::new(PLAIN).lines(&found, &zone()) + &detail::detail(&found[0], &zone());
    assert!(
        !printed.contains('\u{1b}') && printed.contains("EXIT 3\u{fffd}[2J\u{fffd}fake"),
        "{printed}"
    );
}

#[test]
fn the_last_log_lines_stand_below_the_backtrace() {
    let mut death = every_kind().all().remove(3);
    let text = |death: &Document| detail::detail(death, &zone());
    assert!(!text(&death).contains("Log:"));
    death.log_lines = Some(vec!["out of handles".into(), "giving up".into()]);
    assert!(
        text(&death).contains("         Log: out of handles\n              giving up\n"),
        "{}",
        text(&death)
    );
    death.log_lines = Some(vec![]);
    assert!(text(&death).contains("Log: the journal has no line of this run\n"));
}

#[test]
fn where_there_is_no_recovery_it_says_why() {
    use crate::shell::survey::reports::document::Standing;
    let check = |standing: Standing, cell: &str, line: &str| {
        let mut death = every_kind().all().remove(3);
        death.stand(standing);
        let table = Table::new(PLAIN).lines(std::slice::from_ref(&death), &zone());
        assert!(
            table.trim_end().ends_with(&format!("held    {cell}")),
            "{table}"
        );
        let detail = detail::detail(&death, &zone());
        assert!(
            detail
                .trim_end()
                .ends_with(&format!("    Recovery: {line}")),
            "{detail}"
        );
    };
    let first = "1".repeat(32);
    check(Standing::UnderWay, "under way", "under way");
    check(
        Standing::PartOf(first.clone()),
        "part of 11111111",
        &format!("part of that from death {first}"),
    );
    check(Standing::NoWard, "no ward", "none, no ward guards the unit");
    check(Standing::NotKnown, "not known", "none is known");
    check(
        Standing::NotRestarted,
        "not restarted",
        "none, systemd does not restart the unit after such a death",
    );
}

#[test]
fn deaths_while_an_earlier_recovery_went_on_were_part_of_it() {
    let mut found = every_kind().all();
    let root = tempfile::tempdir().unwrap();
    let wards = root.path().join("etc/unitward");
    std::fs::create_dir_all(&wards).unwrap();
    std::fs::write(wards.join("web.ward"), "").unwrap();
    crate::shell::survey::reports::standing::tell(&mut found, root.path());
    let told = found
        .iter()
        .map(|death| death.recovery_state.as_deref().unwrap_or("-"));
    // The recovery from the second lasted until after the sixth.
    let expect = [
        "-",
        "-",
        "part-of",
        "part-of",
        "part-of",
        "part-of",
        "no-ward",
        "not-known",
        "-",
    ];
    assert_eq!(told.collect::<Vec<_>>(), expect);
    assert_eq!(
        found[3].recovery_of.as_deref(),
        Some(found[1].invocation.as_str())
    );
}
