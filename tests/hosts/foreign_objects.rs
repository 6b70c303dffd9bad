//! Programs that choose what their objects and functions are called so that it hurts whoever looks them up.

use crate::development;
use crate::host::{Access, Host};
use crate::on_both;
use crate::report::cloud;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Compiles a source of `programs` for the host, which has no compiler.
pub(crate) fn compile(host: &Host, source: &str, arguments: &[&str], path: &str) {
    let made = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/hosts/programs")
        .join(source);
    let mut compiler = Command::new("cc");
    compiler
        .args(["-O1", "-fno-optimize-sibling-calls", "-o"])
        .arg(&made)
        .arg(source)
        .args(arguments);
    let compiled = compiler
        .status()
        .unwrap_or_else(|error| panic!("failed to run {compiler:?}: {error}"));
    assert!(compiled.success(), "{compiler:?}");
    host.write_mode(
        path,
        &std::fs::read(&made).unwrap(),
        Access {
            mode: 0o755,
            uid: 0,
        },
    );
}

/// Notes what is to be seen of the process that reads objects as soon as there is one that is confined: it gets stuck with an
/// endless name, and is there for a while.
const NOTE: &str = "\
until pid=$(pgrep -fo -- '^/proc/self/exe --symbols$') && grep -q '^Seccomp:.*2$' /proc/$pid/status; do sleep 0.02; done
grep -E '^(CapInh|CapPrm|CapEff|NoNewPrivs|Seccomp):' /proc/$pid/status
ls -l /proc/$pid/fd
grep -E 'core file size|address space|open files|processes' /proc/$pid/limits
tr '\\0' '\\n' </proc/$pid/environ";

/// What was noted, of whichever service the process belongs to.
fn assert_is_confined(noted: &str) {
    let value = |key: &str| {
        let line = noted
            .lines()
            .find(|line| line.starts_with(key))
            .unwrap_or_else(|| panic!("{key} in {noted}"));
        line[key.len()..]
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    for key in ["CapInh:", "CapPrm:", "CapEff:"] {
        assert_eq!(value(key), "0000000000000000", "{noted}");
    }
    assert_eq!(
        (value("NoNewPrivs:"), value("Seccomp:")),
        ("1".into(), "2".into())
    );
    assert_eq!(value("Max core file size"), "0 0 bytes");
    assert_eq!(value("Max address space"), "268435456 268435456 bytes");
    let open: Vec<_> = noted
        .lines()
        .filter_map(|line| line.split_once(" -> "))
        .map(|(_, target)| target)
        .collect();
    let (input, rest) = open.split_first().expect("it has a socket");
    assert!(input.starts_with("socket:"), "{noted}");
    let is_known = |file: &&str| {
        *file == "/dev/null" || file.starts_with("/opt/") || file.starts_with("/usr/lib/")
    };
    assert!(rest.iter().all(is_known), "{noted}");
    let environment: Vec<_> = noted
        .lines()
        .skip_while(|line| !line.starts_with("Max open files"))
        .skip(1)
        .collect();
    let environment: Vec<_> = environment
        .into_iter()
        .filter(|line| line.contains('='))
        .collect();
    assert_eq!(
        environment,
        [
            "LC_ALL=C",
            &format!("PATH={}", unitward::core::environment::PATH)
        ],
        "{noted}"
    );
}

on_both! {
    fn a_crash_in_a_function_with_an_endless_name_is_reported_in_time_with_all_other_names(host: Host) {
        let reports = cloud(&host, "[Watch]\nUnits=endless.service\n[Reports]\nBacktraceTimeoutSec=8\n");
        compile(&host, "endless.c", &[], "/opt/endless");
        host.write("/etc/systemd/system/endless.service", "[Service]\nExecStart=/opt/endless\nLimitCORE=infinity\n");
        host.script("/opt/note", &format!("#!/bin/sh\n{NOTE}\n"));
        host.run(&["systemd-run", "--quiet", "--unit=note", "--property=StandardOutput=file:/run/noted", "/opt/note"]);
        let _cores = host.capture_cores();
        host.sh("systemctl daemon-reload; systemctl start endless");
        let reports = reports.wait_for_count(1);
        let backtrace = reports[0]["backtrace"].as_str().unwrap();
        let endless = format!("_Z{}", "1aIcvStL".repeat(12));
        let lines: Vec<_> = backtrace.lines().collect();
        assert!(lines[0].contains(&format!(": {endless} 0x")) && lines[0].ends_with(" /opt/endless"), "{backtrace}");
        assert!(lines[1].contains(": ordinary 0x") && lines[2].contains(": main 0x"), "{backtrace}");
        assert!(backtrace.contains(": __libc_start_main 0x"), "{backtrace}");
        host.wait_for_property("note", "ActiveState", "inactive");
        assert_is_confined(&host.read("/run/noted"));
        // Nothing is left behind that goes on with it.
        host.wait_for("the end of all processes that read objects", || host.sh("pgrep -fc -- '--symbols$' || :").starts_with('0').then_some(()));
        let used = || host.systemctl_show("unitwardd", "CPUUsageNSec").parse::<u64>().unwrap();
        let before = used();
        std::thread::sleep(Duration::from_secs(1));
        assert!(used() - before < 500_000_000, "no thread of the daemon is busy");
    }

    fn a_device_in_the_place_of_a_members_object_is_left_alone(host: Host) {
        let reports = cloud(&host, "");
        host.sh("useradd --uid=1000 app");
        compile(&host, "disguise.c", &["-DLIBRARY", "-shared", "-fPIC"], "/opt/disguise.so");
        development::install(&host, "disguise.c", "/opt/disguise");
        host.write("/etc/unitward/shop.stack", "[Stack]\nName=Shop\n");
        host.write("/etc/unitward/disguise.ward", "[Ward]\nStack=shop\n[Service]\nExecStart=/opt/disguise\nUser=app\n");
        host.sh("systemctl daemon-reload; systemctl start unitward-stack@shop.socket shop.target");
        let said = || host.journal(&["--unit=disguise", "--output=cat"]);
        host.wait_for("the disguise", || said().contains("disguised").then_some(()));
        host.run(&["systemctl", "kill", "--signal=USR1", "disguise"]);
        let told = host.wait_for("what became of the device", || {
            said().lines().find(|line| line.starts_with("the device")).map(str::to_owned)
        });
        assert_eq!(told, "the device was left alone", "{}", said());
        let report = host.wait_for("the report", || reports.messages().into_iter().next());
        let backtrace = report["backtrace"].as_str().unwrap();
        assert!(backtrace.contains(": (null) 0 /dev/full\n"), "{backtrace}");
        assert!(backtrace.contains(": exported 0x") && backtrace.contains(": ask 0x"), "{backtrace}");
        assert!(backtrace.contains(": main 0x"), "{backtrace}");
    }
}
