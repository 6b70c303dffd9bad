//! Tests of wards and their explanations, which are kept as fixtures.

use super::*;
use crate::core::config::{
    Assembly, SourceFile, SourceFiles, Stacks, read_settings, read_stack, read_ward,
};
use std::path::Path;

fn source(name: &str, text: &str) -> SourceFiles {
    let path = Path::new("/etc/unitward").join(name).into();
    let stem = name.rsplit_once('.').unwrap().0;
    SourceFiles {
        name: stem.to_owned(),
        files: vec![SourceFile {
            path,
            text: text.to_owned(),
        }],
    }
}

const STACK: &str = "[Stack]\nName=OpenSync\nInhibitFile=/run/upgrading\n";
const CLOUD: &str = "[MQTT]\nBroker=mqtt://cloud:1883\n";

fn explained(ward: &str, adopted: Option<&AdoptedUnit>, settings: &str) -> String {
    let read = read_stack(&source("opensync.stack", STACK)).expect("a stack");
    let (stacks, _) = Stacks::settle([read]);
    let read = read_ward(&source("web.ward", ward), &stacks).unwrap();
    let (ward, problems) = Assembly::beside(&stacks).admit(read);
    let ward = ward.unwrap_or_else(|| panic!("{problems:?}"));
    let members =
        ["cm.service", "dm.service", "web.service"].map(|name| UnitName::new(name).unwrap());
    let stack = ward
        .stack
        .as_ref()
        .and_then(|name| stacks.iter().find(|stack| stack.name == *name));
    let (settings, _) = read_settings(&source("unitward.conf", settings).files);
    let stack = stack.map(|stack| (stack, members.as_slice()));
    text(
        &explain(Subject {
            ward: &ward,
            adopted,
            stack,
            bound: &[],
            settings: &settings,
        }),
        80,
    )
}

fn adopted(restart: Option<&str>) -> AdoptedUnit {
    AdoptedUnit {
        restart: restart.map(str::to_owned),
        ..AdoptedUnit::default()
    }
}

fn check(said: &str, expect: &str) {
    assert!(
        said.lines()
            .all(|line| line.chars().count() <= 80 || !line.trim().contains(' ')),
        "{said}"
    );
    assert_eq!(said, expect, "{said}");
}

const SERVICE: &str = "[Service]\nExecStart=/usr/sbin/web\n";

#[test]
fn a_plain_service() {
    check(
        &explained(SERVICE, None, ""),
        include_str!("fixtures/plain.txt"),
    );
}

#[test]
fn the_compound_restart_of_the_manual() {
    let steps = "[OnDeath]\nExecute=/usr/bin/umount -l /armle-v7\nRestart=%n\nWaitFor=path:/dev/nfs2 2s\n\
        Execute=+/usr/bin/mount -t nfs 10.12.1.115:/armle-v7 /armle-v7\nElseLog=could not mount /armle-v7\nWaitFor=2s\n\
        Execute=-/usr/bin/mount -t nfs 10.12.1.115:/web /web\nRestart=inetd.service\n";
    check(
        &explained(&format!("{SERVICE}{steps}"), None, CLOUD),
        include_str!("fixtures/compound.txt"),
    );
}

#[test]
fn an_adopted_unit_that_comes_back_always() {
    let ward =
        "[Ward]\nUnit=telldusd.service\nReport=death\n[Recovery]\nDelaySec=1s\nMaxDelaySec=8s\n";
    check(
        &explained(ward, Some(&adopted(Some("always"))), CLOUD),
        include_str!("fixtures/adopted.txt"),
    );
}

#[test]
fn an_adopted_unit_that_nothing_restarts() {
    check(
        &explained("[Ward]\nUnit=telldusd.service\n", Some(&adopted(None)), ""),
        include_str!("fixtures/not-restarted.txt"),
    );
}

#[test]
fn a_drop_in_behind_ours_has_the_last_word() {
    let lines = |path: &str, text: &str| {
        let path = Path::new(path).into();
        let text = ["[Service]\n", text].concat();
        crate::core::config::syntax::lines_of(&SourceFile { path, text }, "Service")
    };
    let said = |later: &str| {
        let own = lines("/lib/a.service", "Restart=always\nSuccessExitStatus=7\n");
        let unit = AdoptedUnit::new(own, lines("/etc/zz.conf", later));
        let ward = "[Ward]\nUnit=a.service\n[Service]\nRestart=on-failure\nRestartSec=1s\n";
        let said = explained(ward, Some(&unit), "");
        said.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let last = |key: &str, line: u32| {
        format!("{key} It stands in /etc/zz.conf:{line}:1, which has the last word.")
    };
    let never = said("Restart=no\n");
    let why = last("Nothing starts it again: Restart=no.", 2);
    assert!(never.contains(&why), "{never}");
    assert!(never.contains("take that line out."), "{never}");
    let other = said("RestartSec=9\nRestart=on-abort\nRestartPreventExitStatus=3\n");
    for said in [
        last("Restart=on-abort is in force.", 3),
        last("RestartPreventExitStatus=3 makes exceptions.", 4),
        last("systemd itself waits 9 first: RestartSec=.", 2),
    ] {
        assert!(other.contains(&said), "{said}: {other}");
    }
    assert!(
        other.contains("SuccessExitStatus=7 makes exceptions."),
        "{other}"
    );
    let plain = said("Nice=5\n");
    assert!(
        !plain.contains("last word") && plain.contains("waits 1s first"),
        "{plain}"
    );
}

#[test]
fn a_service_whose_main_process_systemd_does_not_know() {
    let said = |more: &str| {
        let unit =
            format!("[Ward]\nUnit=lsb.service\n[Service]\nType=forking\nGuessMainPID=no\n{more}");
        explained(&unit, Some(&adopted(Some("no"))), "")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    let never = said("Restart=always\nRemainAfterExit=yes\n");
    assert!(
        never.contains("(GuessMainPID=no, RemainAfterExit=yes): it notices no death of it at all."),
        "{never}"
    );
    assert!(
        never.contains(
            "Nothing starts it again: systemd sees no death. To have it restarted write PIDFile="
        ),
        "{never}"
    );
    assert!(!never.contains("If it dies too often"), "{never}");
    let last = said("Restart=on-failure\n");
    assert!(
        last.contains("It notices when the last process is gone, and takes that for a clean end."),
        "{last}"
    );
    assert!(
        last.contains("Nothing starts it again: systemd sees no crash."),
        "{last}"
    );
    let always = said("Restart=always\n");
    assert!(
        always.contains("it is started again.") && !always.contains("After a crash"),
        "{always}"
    );
    let known = said("Restart=on-failure\nPIDFile=/run/lsb.pid\n");
    assert!(
        known.contains("notices at once when the main process of lsb.service ends."),
        "{known}"
    );
}

#[test]
fn a_member_of_a_stack_that_restarts_it() {
    let ward = format!(
        "{SERVICE}[Ward]\nStack=opensync\n[Recovery]\nDeathLimit=3\nOnLimit=restart-stack\n"
    );
    check(
        &explained(&ward, None, CLOUD),
        include_str!("fixtures/stack-member.txt"),
    );
}

#[test]
fn every_condition() {
    let ward = "[Service]\nExecStart=/usr/sbin/web\nType=notify\nWatchdogSec=30s\nRestart=always\nRestartSec=2s\n\
        [OnDeath]\nDoNow=yes\nLog=one\nRestart=%n\nStart=a.service\n[OnDeath side]\nIndependent=yes\nExecute=/bin/side\n\
        [OnAbnormalDeath]\nOnStepFailure=break\nStop=b.service\n[OnRestart]\nOnce=yes\nOnStepFailure=fail\nReload=c.service\n\
        [OnStart]\nSignal=d.service SIGHUP\n[OnStop]\nWaitFor=unix:/run/x.sock 3s\n[OnLimit]\nReboot=yes\n";
    check(
        &explained(ward, None, ""),
        include_str!("fixtures/every-condition.txt"),
    );
}

#[test]
fn limits_of_every_kind() {
    let said = |keys: &str| {
        let all = explained(&format!("{SERVICE}[Recovery]\n{keys}"), None, "");
        let at = all.find("If it dies too often").unwrap();
        all[at..]
            .lines()
            .skip(1)
            .take_while(|line| !line.is_empty())
            .map(str::trim)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        said("DeathLimit=0\n"),
        "There is no limit: it is restarted for ever."
    );
    assert!(
        said("DeathLimit=1\nOnLimit=none\n").starts_with(
            "1 death within 1min is tolerated. At the next one within 1min everything"
        )
    );
    assert!(
        said("OnLimit=reboot\n").contains("the host reboots, unless it booted less than 10min ago")
    );
    assert!(
        said("").contains("5 deaths within 1min are tolerated")
            && said("").contains("unitward readmit web")
    );
}

#[test]
fn waits_are_those_of_the_back_off() {
    let said = |keys: &str| {
        let all = explained(&format!("{SERVICE}[Recovery]\n{keys}"), None, "");
        let at = all.find("How long it waits").unwrap();
        let lines = all[at..].lines().skip(1).map(str::trim);
        lines
            .take_while(|line| !line.starts_with("systemd itself"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let all = "The first restart waits no time, those that follow 100ms, 200ms, 400ms, 800ms, 1s 600ms, 3s 200ms, 6s 400ms, \
               12s 800ms and 25s 600ms, then 30s each.";
    assert_eq!(said(""), all);
    assert_eq!(said("MaxDelaySec=0\n"), "Every restart waits no time.");
    assert_eq!(
        said("DelaySec=5s\nMaxDelaySec=0\n"),
        "Every restart waits 5s."
    );
    assert_eq!(
        said("DelaySec=4s\nMaxDelaySec=5s\n"),
        "The first restart waits 4s, each one that follows 5s."
    );
}

#[test]
fn every_restart_policy_says_what_it_does() {
    let said = |policy: &str| explained(&format!("{SERVICE}Restart={policy}\n"), None, "");
    for (policy, word) in [
        ("always", "SIGPIPE) it is started again"),
        ("on-failure", "SIGPIPE) it stays down"),
        ("on-success", "other than 0) it stays down"),
        ("on-abnormal", "but not after an exit status"),
        ("on-abort", "only if a signal or core dump"),
        ("on-watchdog", "only if the watchdog ended it"),
        ("no", "Nothing starts it again"),
    ] {
        let said = said(policy)
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(said.contains(word), "{policy}: {said}");
    }
}

#[test]
fn what_is_not_reported_is_said() {
    let quiet = explained(&format!("{SERVICE}[Ward]\nReport=no\n"), None, CLOUD);
    assert!(
        quiet.contains("No death of it is reported (Report=no)") && !quiet.contains("Reports go"),
        "{quiet}"
    );
    let off = explained(SERVICE, None, "[Reports]\nCrashes=no\n");
    assert!(
        off.contains("Crashes=no in unitward.conf: nothing is reported at all."),
        "{off}"
    );
}
