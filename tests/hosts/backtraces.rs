//! Backtraces of real core dumps: the same functions and offsets as gdb finds in them.

use crate::gdb::{gdb, told};
use crate::host::{Access, Bare, Host};
use crate::on_both;
use crate::report::cloud;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use unitward::edge::coredump::{Core, Dumper, MATCH};
use unitward::edge::symbols::Resolver;

/// Where the programs are on a host.
pub(crate) const FOLDER: &str = "/opt/programs";

/// A program, how it is made out of a source in `programs`, and the functions its own frames must be in.
struct Program {
    name: &'static str,
    compiler: &'static str,
    arguments: &'static [&'static str],
    source: &'static str,
    functions: &'static [&'static str],
}

const PROGRAMS: [Program; 10] = [
    Program {
        name: "fixed",
        compiler: "gcc",
        arguments: &["-no-pie"],
        source: "levels.c",
        functions: LEVELS,
    },
    Program {
        name: "movable",
        compiler: "gcc",
        arguments: &["-pie", "-fPIE"],
        source: "levels.c",
        functions: LEVELS,
    },
    Program {
        name: "stripped",
        compiler: "gcc",
        arguments: &["-s"],
        source: "levels.c",
        functions: &["(null)"; 5],
    },
    Program {
        name: "exported",
        compiler: "gcc",
        arguments: &["-s", "-rdynamic"],
        source: "levels.c",
        functions: LEVELS,
    },
    Program {
        name: "libgive-up.so",
        compiler: "gcc",
        arguments: &["-shared", "-fPIC"],
        source: "library.c",
        functions: &[],
    },
    Program {
        name: "caller",
        compiler: "gcc",
        arguments: &["-L.", "-Wl,-rpath,/opt/programs", "-l:libgive-up.so"],
        source: "caller.c",
        functions: &["give_up", "library_entry", "main"],
    },
    Program {
        name: "crowded",
        compiler: "gcc",
        arguments: &["-L.", "-Wl,-rpath,/opt/programs", "-l:libgive-up.so"],
        source: "crowded.c",
        functions: &["give_up", "library_entry", "main"],
    },
    Program {
        name: "thread",
        compiler: "gcc",
        arguments: &["-pthread"],
        source: "thread.c",
        functions: &["work_too_hard", "run_second_thread"],
    },
    Program {
        name: "names",
        compiler: "g++",
        arguments: &[],
        source: "names.cc",
        functions: &[
            "mount::tables::Ring<int, 7>::push(int*)",
            "mount::tables::fill(mount::tables::Ring<int, 7>&, int*)",
            "main",
        ],
    },
    Program {
        name: "panics",
        compiler: "rustc",
        arguments: &[
            "--edition=2024",
            "-Copt-level=1",
            "-Cpanic=abort",
            "-Cstrip=debuginfo",
        ],
        source: "panics.rs",
        functions: &["<panics::Shelf<T> as panics::Reach>::reach", "panics::main"],
    },
];

const LEVELS: &[&str] = &["reach_too_far", "descend", "descend", "descend", "main"];

/// Makes the programs once, and says where they are.
fn programs() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs");
        fs::create_dir_all(&folder).unwrap();
        for Program {
            name,
            compiler,
            arguments,
            source,
            ..
        } in PROGRAMS
        {
            let source = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/hosts/programs")
                .join(source);
            let optimised: &[&str] = if compiler == "rustc" { &[] } else { &["-O1"] };
            let mut command = Command::new(compiler);
            command
                .current_dir(&folder)
                .arg(source)
                .args(optimised)
                .args(arguments)
                .args(["-o", name]);
            let made = command
                .status()
                .unwrap_or_else(|error| panic!("failed to run {compiler}: {error}"));
            assert!(made.success(), "{command:?}");
        }
        folder
    })
}

/// Puts a program and a service for it on the host.
fn install(host: &Host, program: &str, service: &str) {
    let content = fs::read(programs().join(program)).unwrap();
    host.write_mode(
        &format!("{FOLDER}/{program}"),
        &content,
        Access {
            mode: 0o755,
            uid: 0,
        },
    );
    let service = format!("[Service]\nExecStart={FOLDER}/{program}\nLimitCORE=infinity\n{service}");
    host.write(&format!("/etc/systemd/system/{program}.service"), &service);
}

/// Starts the units, each of which dumps core, and gives the entry about each. One by one: systemd-coredump refuses more than eight
/// at a time.
fn crash(host: &Host, units: &[&str]) -> Vec<Value> {
    let _cores = host.capture_cores();
    dump(host, units)
}

/// The same while this host's dumps are captured.
fn dump(host: &Host, units: &[&str]) -> Vec<Value> {
    host.run(&["systemctl", "daemon-reload"]);
    let crash = |unit: &&str| {
        host.run(&["systemctl", "start", unit]);
        let of_unit = format!("COREDUMP_UNIT={unit}.service");
        host.wait_for("the core dump", || {
            host.journal_json(&[MATCH, &of_unit]).pop()
        })
    };
    units.iter().map(crash).collect()
}

fn core(host: &Host, entry: &Value) -> Core {
    let core = Core::parse(&entry.to_string(), Dumper::of(&host.path("/")));
    core.unwrap_or_else(|| panic!("not believed: {entry}"))
}

fn backtrace(host: &Host, core: &Core) -> String {
    let resolver = Resolver::with_program(
        env!("CARGO_BIN_EXE_unitwardd").into(),
        Instant::now() + Duration::from_secs(10),
    );
    core.backtrace(&host.path("/"), &resolver)
        .expect("the entry has a stack")
}

on_both! {
    fn every_line_says_what_gdb_says(host: Bare) {
        for program in &PROGRAMS {
            install(&host, program.name, "");
        }
        host.sh(&format!("sed 's|{FOLDER}/panics|& segfault|' /etc/systemd/system/panics.service >/etc/systemd/system/segfaults.service"));
        let programs: Vec<_> = PROGRAMS.iter().filter(|program| !program.functions.is_empty()).collect();
        let mut units: Vec<_> = programs.iter().map(|program| (program.name, program.name, program.functions)).collect();
        units.push(("segfaults", "panics", &["panics::follow_a_null_pointer", "panics::main"]));
        let names: Vec<_> = units.iter().map(|(unit, ..)| *unit).collect();
        for ((unit, program, functions), entry) in units.iter().zip(crash(&host, &names)) {
            let text = backtrace(&host, &core(&host, &entry));
            let lines = told(&text);
            let own = lines.iter().filter(|(_, object)| object.starts_with(FOLDER)).map(|(line, _)| line.function.as_str());
            let own: Vec<_> = own.skip_while(|function| function != &functions[0]).take(functions.len()).collect();
            assert_eq!(own, *functions, "{unit}:\n{text}");
            let (ours, objects): (Vec<_>, Vec<_>) = lines.into_iter().unzip();
            let addresses: Vec<_> = ours.iter().map(|line| line.address).collect();
            let mut theirs = gdb(&host, program, &entry, &addresses);
            // gdb guesses where there is nothing to unwind by; systemd-coredump stops there.
            theirs.truncate(ours.len());
            assert_eq!(ours, theirs, "{unit}:\n{text}");
            assert!(objects.iter().all(|object| host.has(object)), "{unit}:\n{text}");
            assert!(ours.iter().any(|line| line.offset.is_some_and(|offset| offset > 0)), "{unit}:\n{text}");
        }
    }

    fn a_report_carries_the_backtrace_and_waits_for_it_no_longer_than_it_may(host: Host) {
        let reports = cloud(&host, "[Watch]\nUnits=caller.service thread.service\n[Reports]\nBacktraceTimeoutSec=60\n");
        for program in ["libgive-up.so", "caller", "thread"] {
            install(&host, program, "");
        }
        // The daemon looks for an entry only while there is somebody who will write it.
        let _cores = host.capture_cores();
        let told = |name| reports.messages().into_iter().find(|report| report["name"] == name);
        for (name, entry) in ["caller", "thread"].into_iter().zip(dump(&host, &["caller", "thread"])) {
            let report = host.wait_for(&format!("the report of {name}"), || told(name));
            assert_eq!(report["backtrace"], backtrace(&host, &core(&host, &entry)), "{name}");
            assert_eq!(report["pid"], entry["COREDUMP_PID"], "{name}");
            let show = format!("unitward reports show --json {}", reports.received()[0].user_property("report-id").unwrap());
            host.wait_for("the backtrace in the history", || host.sh(&show).contains("backtrace\":\"0 > 0x").then_some(()));
        }
        // systemd-coredump tells of this one, but has not looked into it.
        cloud(&host, "[Watch]\nUnits=movable.service\n[Reports]\nBacktraceTimeoutSec=1\n");
        install(&host, "movable", "");
        host.write("/etc/systemd/coredump.conf.d/none.conf", "[Coredump]\nProcessSizeMax=1\n");
        dump(&host, &["movable"]);
        let report = host.wait_for("the report without a backtrace", || told("movable"));
        assert_eq!((&report["reason"], &report["backtrace"]), (&"SIG 11 (Segmentation fault)".into(), &"<NA>".into()));
    }

    fn a_memory_map_the_journal_has_no_room_for_is_taken_from_the_core(host: Bare) {
        install(&host, "libgive-up.so", "");
        install(&host, "crowded", "");
        for (compress, suffix) in [("no", "000000"), ("yes", ".zst")] {
            host.write("/etc/systemd/coredump.conf.d/x.conf", &format!("[Coredump]\nCompress={compress}\n"));
            let entry = crash(&host, &["crowded"]).remove(0);
            assert!(entry["COREDUMP_FILENAME"].as_str().unwrap().ends_with(suffix), "{entry}");
            let told = entry["COREDUMP_PROC_MAPS"].as_str().unwrap();
            assert!(told.len() < 8192 && !told.contains("libc.so"), "{told}");
            let text = backtrace(&host, &core(&host, &entry));
            assert!(text.contains(&format!(": give_up 0x17 {FOLDER}/libgive-up.so\n")), "{text}");
            assert!(text.contains(": abort 0x") && text.contains(" /usr/lib/x86_64-linux-gnu/libc.so.6\n"), "{text}");
            host.sh("rm /var/lib/systemd/coredump/*; journalctl --rotate --vacuum-time=1us");
            let text = backtrace(&host, &core(&host, &entry));
            // Without the core the journal's words are all there is.
            assert!(text.contains(": give_up 0 libgive-up.so\n") && text.contains(": abort 0 libc.so.6\n"), "{text}");
        }
    }

    fn what_was_replaced_since_the_crash_is_not_looked_into(host: Bare) {
        install(&host, "movable", "");
        let entry = crash(&host, &["movable"]).remove(0);
        let core = core(&host, &entry);
        let before = backtrace(&host, &core);
        assert!(before.contains(": main 0x"), "{before}");
        install(&host, "movable", "");
        let after = backtrace(&host, &core);
        // The name is systemd-coredump's, from the time of the crash.
        assert!(after.contains(&format!(": main 0 {FOLDER}/movable\n")), "{after}");
        assert!(after.contains(": __libc_start_main 0x"), "{after}");
        host.run(&["rm", &format!("{FOLDER}/movable")]);
        assert_eq!(backtrace(&host, &core), after);
    }

    fn a_core_is_known_by_its_unit_its_run_and_its_process(host: Bare) {
        host.run(&["useradd", "--uid=1000", "ordinary"]);
        install(&host, "movable", "User=ordinary\nExecStartPre=+/bin/sh -c 'echo $INVOCATION_ID >/run/invocation'\n");
        install(&host, "fixed", &format!("ExecStart=\nExecStart=/usr/bin/env -i {FOLDER}/fixed\n"));
        let entries = crash(&host, &["movable", "fixed"]);
        let known = core(&host, &entries[0]);
        assert_eq!(known.unit, "movable.service");
        assert_eq!(known.invocation.as_ref().unwrap().as_str(), host.read("/run/invocation").trim());
        assert_eq!(known.pid.to_string(), host.systemctl_show("movable", "ExecMainPID"));
        assert_eq!(known.signal, 11);
        assert_eq!(known.boot, entries[0]["_BOOT_ID"].as_str().unwrap());
        let nameless = core(&host, &entries[1]);
        assert_eq!((nameless.unit.as_str(), &nameless.invocation), ("fixed.service", &None));
        assert_eq!(nameless.pid.to_string(), host.systemctl_show("fixed", "ExecMainPID"));
    }

    fn nobody_else_is_believed(host: Bare) {
        host.run(&["useradd", "--uid=1000", "ordinary"]);
        let lie = ["MESSAGE=Process 1 (x) of user 0 dumped core.", MATCH, "COREDUMP_UNIT=dbus.service", "COREDUMP_PID=1",
            "COREDUMP_SIGNAL=11", "COREDUMP_TIMESTAMP=1795237614000000"].join("\n");
        host.write("/opt/lie", &format!("{lie}\n"));
        host.run(&["systemd-run", "--quiet", "--wait", "--uid=ordinary", "logger", "--journald=/opt/lie"]);
        let entries = host.journal_json(&[MATCH]);
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0]["COREDUMP_UNIT"], "dbus.service");
        assert_eq!(Core::parse(&entries[0].to_string(), Dumper::of(&host.path("/"))), None);
        // The same words are believed of whom they ought to come from.
        host.run(&["systemd-run", "--quiet", "--wait", "--uid=systemd-coredump", "logger", "--journald=/opt/lie"]);
        let entry = host.journal_json(&[MATCH]).pop().unwrap();
        assert!(Core::parse(&entry.to_string(), Dumper::of(&host.path("/"))).is_some(), "{entry}");
    }
}
