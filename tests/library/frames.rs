//! Backtraces: the functions, offsets and objects that binutils find at the same addresses.

use crate::build::{Library, source, succeed};
use crate::restarter::{Manner, Restarter, play, run, scenes};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

const PAGE: u64 = 4096;

/// A line of a report.
#[derive(Debug)]
struct Line {
    address: u64,
    /// `None` where no function is known.
    function: Option<(String, u64)>,
    object: String,
}

fn number(digits: &str) -> u64 {
    u64::from_str_radix(
        digits
            .strip_prefix("0x")
            .unwrap_or_else(|| panic!("{digits:?} is hexadecimal")),
        16,
    )
    .unwrap()
}

fn lines(backtrace: &str) -> Vec<Line> {
    let lines = backtrace
        .split_terminator('\n')
        .enumerate()
        .map(|(place, line)| {
            let indented = if place == 0 {
                line
            } else {
                line.strip_prefix(' ').unwrap()
            };
            let rest = indented
                .strip_prefix(&format!("{place} > "))
                .unwrap_or_else(|| panic!("{line:?} is number {place}"));
            let (address, rest) = rest.split_once(": ").unwrap();
            let (function, rest) = rest.split_once(' ').unwrap();
            let (offset, object) = rest.split_once(' ').unwrap();
            let function = match (function, offset) {
                ("(null)", "0") => None,
                _ => Some((function.to_owned(), number(offset))),
            };
            Line {
                address: number(address),
                function,
                object: object.to_owned(),
            }
        });
    lines.collect()
}

/// The functions of an object that it exports.
fn exported(object: &str) -> BTreeMap<String, Vec<u64>> {
    let symbols = succeed(Command::new("nm").args([
        "-D",
        "--defined-only",
        "--without-symbol-versions",
        object,
    ]));
    let mut functions: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for symbol in symbols.lines() {
        let mut words = symbol.split(' ');
        let (Some(value), Some(_), Some(name)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        functions
            .entry(name.to_owned())
            .or_default()
            .push(u64::from_str_radix(value, 16).unwrap());
    }
    functions
}

fn addr2line(object: &str, address: u64) -> String {
    let found =
        succeed(Command::new("addr2line").args(["-f", "-e", object, &format!("{address:#x}")]));
    found.lines().next().unwrap_or_default().to_owned()
}

/// Holds every line against the object that it names, and gives the functions as addr2line finds them in objects below `own`.
fn check(backtrace: &str, own: &Path) -> Vec<String> {
    let lines = lines(backtrace);
    let mut bases = BTreeMap::new();
    for Line {
        address,
        function,
        object,
    } in &lines
    {
        assert!(Path::new(object).is_file(), "{backtrace}");
        let Some((name, offset)) = function else {
            continue;
        };
        let values = exported(object)
            .remove(name)
            .unwrap_or_else(|| panic!("{name} is exported: {backtrace}"));
        let candidates = values
            .iter()
            .filter_map(|value| (address - offset).checked_sub(*value));
        let base = candidates.into_iter().find(|base| base % PAGE == 0);
        let base = base
            .unwrap_or_else(|| panic!("{name} is {offset:#x} before {address:#x}: {backtrace}"));
        assert_eq!(*bases.entry(object).or_insert(base), base, "{backtrace}");
    }
    let own = lines
        .iter()
        .filter(|line| Path::new(&line.object).starts_with(own));
    let names = own.map(
        |Line {
             address,
             function,
             object,
         }| {
            // Of an object whose place no line tells; all of ours are told of, but for one that exports nothing.
            let Some(base) = bases.get(object) else {
                return "?".to_owned();
            };
            let found = addr2line(object, address - 1 - base);
            match function {
                Some((name, _)) => assert_eq!(*name, found, "{backtrace}"),
                None => assert!(
                    !exported(object).contains_key(&found),
                    "{found} is exported: {backtrace}"
                ),
            }
            found
        },
    );
    names.collect()
}

/// The backtrace of `levels.c`, compiled with these options.
fn levels(name: &str, options: &[&str]) -> (String, std::path::PathBuf) {
    let folder = Library::Here.folder().join(name);
    fs::create_dir_all(&folder).unwrap();
    let (between, program) = (folder.join("libbetween.so"), folder.join("levels"));
    Library::Here.compile(&between, &[&source("between.c")], &["-shared", "-fPIC"]);
    Library::Here.compile(&program, &[&source("levels.c"), &between], options);
    let restarter = Restarter::of("levels", Manner::Answer("0 done\n".into()));
    let outcome = run(Command::new(&program).current_dir(restarter.directory()));
    assert_eq!(outcome.errno, 0);
    let request = restarter.request();
    assert_eq!(request.caller, "trigger_restart");
    (request.backtrace.unwrap(), folder)
}

#[test]
fn every_line_is_what_binutils_say() {
    let way = [
        "trigger_restart",
        "check_stability",
        "pass_on_within",
        "pass_on",
        "update_state",
        "main",
        "_start",
    ];
    for (name, options) in [
        ("movable", &["-pie", "-fPIE", "-rdynamic"][..]),
        ("fixed", &["-no-pie", "-rdynamic"]),
        (
            "old-hash",
            &["-pie", "-fPIE", "-rdynamic", "-Wl,--hash-style=sysv"],
        ),
        (
            "optimised",
            &["-O2", "-fno-optimize-sibling-calls", "-rdynamic"],
        ),
    ] {
        let (backtrace, folder) = levels(name, options);
        assert_eq!(check(&backtrace, &folder), way, "{name}:\n{backtrace}");
        let told: Vec<_> = lines(&backtrace)
            .into_iter()
            .map(|line| line.function.map(|(name, _)| name))
            .collect();
        let told: Vec<_> = told
            .iter()
            .map(|name| name.as_deref().unwrap_or("(null)"))
            .collect();
        let (own, begun) = told.split_at(6);
        assert_eq!(
            own,
            [
                "trigger_restart",
                "(null)",
                "(null)",
                "pass_on",
                "update_state",
                "main"
            ],
            "{name}"
        );
        assert!(
            begun.contains(&"__libc_start_main") && begun.last() == Some(&"_start"),
            "{name}:\n{backtrace}"
        );
    }
}

#[test]
fn a_program_that_exports_nothing_is_named_all_the_same() {
    let (backtrace, folder) = levels("closed", &["-pie", "-fPIE"]);
    let program = folder.join("levels");
    let own = lines(&backtrace)
        .into_iter()
        .filter(|line| Path::new(&line.object) == program);
    let functions: Vec<_> = own.map(|line| line.function).collect();
    // _start has no name to go by either.
    assert_eq!(functions, [None, None, None, None, None]);
    check(&backtrace, &folder);
}

#[test]
fn a_deep_stack_is_cut() {
    let restarter = Restarter::of("x", Manner::Answer("0 done\n".into()));
    play(Library::Here, restarter.directory(), &["deep", "x"]);
    let backtrace = restarter.backtrace();
    let lines = lines(&backtrace);
    assert_eq!(lines.len(), 32, "{backtrace}");
    assert!(
        lines[1..]
            .iter()
            .all(|line| matches!(&line.function, Some((name, _)) if name == "call_deep")),
        "{backtrace}"
    );
}

#[test]
fn a_function_that_a_signal_interrupted_is_not_taken_for_the_one_before_it() {
    let restarter = Restarter::of("x", Manner::Answer("0 done\n".into()));
    play(Library::Here, restarter.directory(), &["handler", "x"]);
    let backtrace = restarter.backtrace();
    let functions: Vec<_> = lines(&backtrace)
        .into_iter()
        .filter_map(|line| line.function)
        .collect();
    let (interrupted, _) = functions
        .iter()
        .find(|(name, _)| name == "fault_at_once")
        .unwrap_or_else(|| panic!("{backtrace}"));
    assert_eq!(interrupted, "fault_at_once");
    let names: Vec<_> = functions.iter().map(|(name, _)| name.as_str()).collect();
    let place = names
        .iter()
        .position(|name| *name == "fault_at_once")
        .unwrap();
    assert_eq!(
        &names[place..=place + 1],
        ["fault_at_once", "main"],
        "{backtrace}"
    );
}

#[test]
fn a_program_that_was_replaced_keeps_its_path() {
    let restarter = Restarter::of("x", Manner::Answer("0 done\n".into()));
    let program = restarter.directory().join("copy");
    fs::copy(scenes(Library::Here), &program).unwrap();
    assert_eq!(
        run(Command::new(&program)
            .args(["gone", "x"])
            .current_dir(restarter.directory()))
        .errno,
        0
    );
    let backtrace = restarter.backtrace();
    assert_eq!(
        lines(&backtrace)[0].object,
        program.to_str().unwrap(),
        "{backtrace}"
    );
}

#[test]
fn long_names_and_paths_are_cut_where_they_say_least() {
    let restarter = Restarter::of("x", Manner::Answer("0 done\n".into()));
    let function = format!("begin_{}", "o".repeat(300));
    let text = format!(
        "#include <unitward.h>\nint {function}(void);\nint {function}(void) {{ return unitward_restart_stack(\"x\"); }}\n\
         int main(void) {{ return {function}() < 0; }}\n"
    );
    let source = restarter.directory().join("long.c");
    fs::write(&source, text).unwrap();
    let folder = restarter
        .directory()
        .join(["ä".repeat(120), "b".repeat(200)].join("/"));
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join("program");
    Library::Here.compile(
        &program,
        &[&source],
        &["-rdynamic", "-fno-optimize-sibling-calls"],
    );
    assert_eq!(
        run(Command::new(&program).current_dir(restarter.directory())).errno,
        0
    );
    let request = restarter.request();
    assert_eq!(request.caller, function[..256]);
    let backtrace = request.backtrace.unwrap();
    let line = lines(&backtrace).remove(0);
    assert_eq!(line.function.unwrap().0, format!("{}…", &function[..253]));
    assert_eq!(line.object, format!("…{}/program", "b".repeat(189)));
}
