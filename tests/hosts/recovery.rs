//! What the helper writes down of a recovery: in the run records, and in the journal.

use crate::host::Host;
use crate::on_all;
use crate::report::{guard, kill, wait_for_restart};
use serde_json::Value;
use unitward::core::crash::InvocationId;
use unitward::core::recovery::account::{Account, Died, Outcome, account};
use unitward::edge::record::{GivenUp, RunRecord, StartKind, TimedOut};
use unitward::edge::recoveries::{Chain, chain};

/// MESSAGE_ID of the entry that a run's end makes …
const ENDED: &str = "MESSAGE_ID=988202c664e947dfbbc97abc0ed22e39";
/// … and of that of a restart.
const RESTARTED: &str = "MESSAGE_ID=9def33558a1d4930947d9bc98bbd8ec6";

/// The record of a run of ward `web`, once it is as it should be.
fn record(host: &Host, run: &str, is_whole: impl Fn(&RunRecord) -> bool) -> RunRecord {
    let path = format!("/run/unitward/wards/web/runs/{run}.json");
    host.wait_for("the run's record", || {
        let read: Option<RunRecord> = host
            .has(&path)
            .then(|| serde_json::from_str(&host.read(&path)).unwrap());
        read.filter(|record| is_whole(record))
    })
}

fn is_up(record: &RunRecord) -> bool {
    record.up.is_some()
}

fn has_ended(record: &RunRecord) -> bool {
    record.end.is_some()
}

fn invocation(host: &Host) -> String {
    host.systemctl_show("web", "InvocationID")
}

/// The recovery that this run ended.
fn recovery(host: &Host, last: &RunRecord) -> Chain {
    let lookup = |run: &str| Some(record(host, run, |_| true));
    chain(last, &lookup).unwrap_or_else(|| panic!("no recovery ended with {last:?}"))
}

fn account_of(chain: Chain) -> Account {
    let invocation = InvocationId::parse(&chain.invocation).unwrap();
    let died = Died {
        invocation,
        reason: chain.died.result,
        at: chain.died.at,
    };
    account("web", died, &chain.attempts, chain.ended)
}

/// Kills the present run; gives it and the next.
fn die(host: &Host) -> (String, String) {
    let (_, run) = kill(host, "web");
    wait_for_restart(host, "web", &run);
    (run, invocation(host))
}

/// Kills the present run, which is the last.
fn die_for_good(host: &Host) -> String {
    let (_, run) = kill(host, "web");
    host.wait_for_property("web", "ActiveState", "failed");
    run
}

/// The records that the journal's entries of this kind hold.
fn told(host: &Host, kind: &str) -> Vec<(String, RunRecord)> {
    let entries = host.journal_json(&[kind]);
    let text = |entry: &Value, field: &str| {
        entry[field]
            .as_str()
            .unwrap_or_else(|| panic!("{field} in {entry}"))
            .to_owned()
    };
    entries
        .iter()
        .map(|entry| {
            let record: RunRecord = serde_json::from_str(&text(entry, "UNITWARD_RUN")).unwrap();
            assert_eq!(text(entry, "UNITWARD_INVOCATION_ID"), record.invocation);
            assert_eq!(
                (
                    text(entry, "UNITWARD_WARD"),
                    text(entry, "OBJECT_SYSTEMD_UNIT")
                ),
                (record.ward.clone(), record.unit.clone())
            );
            (text(entry, "MESSAGE"), record)
        })
        .collect()
}

const WARD: &str = "[Service]\nExecStart=sleep infinity\nUser=nobody\n[Recovery]\nMaxDelaySec=0\n\
    [OnDeath]\nExecute=/bin/true above\nLog=above\nRestart=%n\nExecute=/bin/true below\nWaitFor=100ms\n\
    Execute=/bin/sh -c 'test ! -e /run/fail'\nElseExecute=/bin/true else\nExecute=+/bin/true root\n\
    [OnDeath beside]\nIndependent=yes\nLog=beside\n";

/// Step and argument of what [`WARD`] does after a death, in order.
const STEPS: [&str; 6] = ["above", "above", "below", "100ms", "-e /run/fail", "root"];

fn steps(account: &Account) -> Vec<String> {
    let last_words = |argument: &str| {
        let words: Vec<_> = argument.split(' ').collect();
        words[words
            .len()
            .saturating_sub(if argument.contains("fail") { 2 } else { 1 })..]
            .join(" ")
    };
    account
        .steps
        .iter()
        .map(|step| last_words(&step.argument))
        .collect()
}

on_all! {
    fn a_restart_is_told_with_what_it_answers_its_steps_in_order_and_its_times(host: Host) {
        guard(&host, "web", "web", WARD);
        let first = record(&host, &invocation(&host), is_up);
        assert_eq!((first.start, &first.follows), (StartKind::First, &None));
        let (died, next) = die(&host);
        let restart = record(&host, &next, is_up);
        assert_eq!((restart.start, restart.restarts), (StartKind::AfterAbnormalDeath, 1));
        assert_eq!(restart.follows.as_ref(), Some(&died));
        let account = account_of(recovery(&host, &restart));
        assert_eq!(steps(&account), STEPS);
        assert_eq!((account.outcome, account.restarts, account.invocation.as_str()), (Outcome::Recovered, 1, died.as_str()));
        let (downtime, whole) = (account.downtime_ms.unwrap(), account.recovery_ms.unwrap());
        assert!(downtime + 100 <= whole && whole < 10_000, "{account:?}");
        let shown = host.sh("date --date=\"$(systemctl show -P ExecMainStartTimestamp web)\" +%s").parse::<u64>().unwrap();
        assert_eq!(restart.up.unwrap().main / 1_000, shown, "the time is PID 1's");
        assert_eq!(told(&host, RESTARTED), [("Restarted web.service, attempt 1, all of its 7 steps done.".to_owned(), restart)]);
    }

    fn a_step_that_failed_is_told_and_its_else_stands_behind_it(host: Host) {
        guard(&host, "web", "web", WARD);
        host.write("/run/fail", "");
        let (_, next) = die(&host);
        let account = account_of(recovery(&host, &record(&host, &next, is_up)));
        assert_eq!(steps(&account), ["above", "above", "below", "100ms", "-e /run/fail", "else", "root"]);
        assert_eq!((account.outcome, account.steps[4].result), (Outcome::StepFailed, unitward::core::recovery::account::StepOutcome::Failed));
    }

    fn restarts_that_fail_are_part_of_the_recovery_that_follows(host: Host) {
        let failing = WARD.replace("[OnDeath]\n", "[OnDeath]\nOnStepFailure=fail\n").replace("MaxDelaySec=0", "DeathLimit=0\nDelaySec=300ms");
        guard(&host, "web", "web", &failing);
        host.write("/run/fail", "");
        let (_, died) = kill(&host, "web");
        host.wait_for("two failed restarts", || (host.systemctl_show("web", "NRestarts").parse::<u32>().unwrap() >= 3).then_some(()));
        host.sh("rm /run/fail");
        host.wait_for_property("web", "ActiveState", "active");
        let account = account_of(recovery(&host, &record(&host, &invocation(&host), is_up)));
        assert_eq!((account.outcome, account.invocation.as_str()), (Outcome::Recovered, died.as_str()));
        assert!(account.restarts >= 3, "{account:?}");
        assert_eq!(account.steps.len() as u32, STEPS.len() as u32 * account.restarts, "the else in place of the last step: {account:?}");
        assert!(account.downtime_ms.unwrap() > 600, "{account:?}");
    }

    fn a_stop_and_a_start_by_hand_answer_no_death(host: Host) {
        guard(&host, "web", "web", &WARD.replace("ExecStart=", "RestartSec=15\nExecStart="));
        kill(&host, "web");
        host.wait_for_property("web", "SubState", "auto-restart");
        host.sh("systemctl stop web; systemctl start web");
        let started = record(&host, &invocation(&host), is_up);
        assert_eq!((started.start, started.follows.clone()), (StartKind::First, None));
        host.run(&["systemctl", "stop", "web"]);
        assert!(record(&host, &started.invocation, has_ended).end.unwrap().asked);
        let (message, ended) = told(&host, ENDED).pop().unwrap();
        assert_eq!((message.as_str(), ended.invocation), ("Noted the end of web.service: signal TERM, as asked for.", started.invocation));
    }

    fn what_the_limit_led_to_is_noted_as_it_was_decided(host: Host) {
        for (on_limit, expected) in [("exclude", Some(GivenUp::Exclude)), ("reboot", Some(GivenUp::Exclude)), ("none", None)] {
            guard(&host, "web", "web", &format!("[Service]\nExecStart=sleep infinity\n[Recovery]\nMaxDelaySec=0\nDeathLimit=1\nOnLimit={on_limit}\n"));
            let (first, _) = die(&host);
            let run = if expected.is_some() { die_for_good(&host) } else { die(&host).0 };
            let last = record(&host, &run, has_ended);
            let end = last.end.clone().unwrap();
            assert_eq!((end.limit_reached, end.given_up), (true, expected), "{on_limit}");
            assert_eq!(record(&host, &first, has_ended).end.unwrap().given_up, None);
            let (message, told) = told(&host, ENDED).pop().unwrap();
            assert_eq!((message.as_str(), &told), ("Noted the end of web.service: signal KILL, nobody asked for it.", &last));
            if expected.is_some() {
                let account = account_of(recovery(&host, &last));
                assert_eq!((account.outcome, account.restarts, account.downtime_ms), (Outcome::Excluded, 0, None));
            }
            host.sh("systemctl stop web; rm -f /run/unitward/wards/web/excluded.json");
        }
    }

    fn a_time_out_is_told_by_the_phase_it_struck_in(host: Host) {
        // Our own lines have no more time than that.
        let deaf = "ExecStart=/bin/sh -c 'trap \"\" TERM; touch /run/deaf; while :; do sleep 0.1; done'\n\
            ExecStartPost=/bin/sh -c 'until test -e /run/deaf; do sleep 0.05; done'\nTimeoutStopSec=3s\n";
        for (service, verb, expected) in [
            ("Type=notify\nExecStart=sleep infinity\nTimeoutStartSec=3s\n", "start", TimedOut::Start),
            ("ExecStart=sleep infinity\nRuntimeMaxSec=500ms\n", "start", TimedOut::Run),
            ("ExecStart=sleep 0.5\nExecStop=sleep infinity\nTimeoutStopSec=3s\n", "start", TimedOut::Stop),
            (deaf, "restart", TimedOut::Stop),
        ] {
            host.write("/etc/unitward/web.ward", &format!("[Service]\nRestart=no\n{service}"));
            host.sh("systemctl daemon-reload; systemctl start web || true");
            let run = invocation(&host);
            host.sh(&format!("systemctl {verb} --no-block web"));
            let end = record(&host, &run, has_ended).end.unwrap();
            assert_eq!((end.result.as_str(), end.timed_out, end.asked), ("timeout", Some(expected), verb == "restart"), "{service}");
            host.sh("systemctl kill --signal=KILL web || true; systemctl stop web; systemctl reset-failed web || true");
        }
    }

    fn a_full_run_directory_does_not_keep_it_from_the_journal(host: Host) {
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\n[Recovery]\nMaxDelaySec=0\n[OnDeath]\nLog=x\n");
        host.sh("mount -t tmpfs -o size=4k full /run/unitward/wards; dd if=/dev/zero of=/run/unitward/wards/fill bs=4k count=1 2>/dev/null || true");
        let (died, next) = die(&host);
        assert_eq!(told(&host, ENDED).pop().unwrap().1.invocation, died);
        let restarted = told(&host, RESTARTED).pop().unwrap().1;
        assert_eq!((restarted.invocation, restarted.start, restarted.restarts), (next, StartKind::AfterAbnormalDeath, 1));
        assert!(restarted.up.is_some());
        host.sh("umount /run/unitward/wards");
    }

    fn a_journal_that_hangs_delays_no_recovery(host: Host) {
        guard(&host, "web", "web", "[Service]\nExecStart=sleep infinity\nStandardOutput=null\n[Recovery]\nMaxDelaySec=0\nDeathLimit=0\n[OnDeath]\nLog=a\nLog=b\nLog=c\n");
        let journald = host.systemctl_show("systemd-journald", "MainPID");
        host.sh("systemctl stop unitwardd");
        host.sh(&format!("kill -STOP {journald}"));
        // Its socket is full as soon as a sender has to wait, here until `timeout` ends it.
        host.sh("for i in $(seq 2000); do timeout 0.2 logger --journald </etc/os-release || { test $? = 124; exit; }; done; exit 1");
        let (_, next) = die(&host);
        let account = account_of(recovery(&host, &record(&host, &next, is_up)));
        host.sh(&format!("kill -CONT {journald}"));
        // Each of its processes has waited for the journal for a tenth of a second.
        assert!(account.recovery_ms.unwrap() < 10_000, "{account:?}");
        let (_, next) = die(&host);
        record(&host, &next, is_up);
        assert_eq!(told(&host, RESTARTED).pop().unwrap().1.invocation, next, "it speaks again");
    }
}
