//! What is shipped: the library's symbols and needs, its header.

use crate::build::{Library, headers, succeed};
use crate::restarter::scenes;
use std::fs;
use std::path::Path;
use std::process::Command;
use unitward::core::full_restart::request::SOCKETS;

#[test]
fn the_library_exports_two_functions() {
    let symbols = succeed(
        Command::new("nm")
            .args(["-D", "--defined-only"])
            .arg(Library::Shipped.file()),
    );
    let mut names: Vec<_> = symbols
        .lines()
        .map(|line| line.rsplit_once(' ').unwrap().1)
        .collect();
    names.sort_unstable();
    let functions = [
        "unitward_restart_stack@@LIBUNITWARD_0",
        "unitward_restart_stack_from@@LIBUNITWARD_0",
    ];
    assert_eq!(names, [&["LIBUNITWARD_0"][..], &functions].concat());
    let packaged = Path::new(env!("CARGO_MANIFEST_DIR")).join("debian/libunitward0.symbols");
    let packaged = fs::read_to_string(packaged).unwrap();
    for function in functions {
        assert!(
            packaged.contains(&format!(" {} ", function.replace("@@", "@"))),
            "{function}"
        );
    }
}

#[test]
fn the_library_needs_libc_and_the_unwinder() {
    let section = succeed(
        Command::new("readelf")
            .args(["--wide", "--dynamic"])
            .arg(Library::Shipped.file()),
    );
    let of = |tag: &str| -> Vec<_> {
        let lines = section.lines().filter(|line| line.contains(tag));
        lines
            .map(|line| {
                line.rsplit_once('[')
                    .unwrap()
                    .1
                    .trim_end_matches(']')
                    .to_owned()
            })
            .collect()
    };
    let mut needed = of("(NEEDED)");
    needed.sort_unstable();
    assert_eq!(needed, ["libc.so.6", "libgcc_s.so.1"]);
    assert_eq!(of("(SONAME)"), ["libunitward.so.0"]);
}

#[test]
fn the_shipped_library_looks_where_the_sockets_are_and_nowhere_else() {
    let calls = Command::new("strace")
        .args(["-e", "trace=connect"])
        .arg(scenes(Library::Shipped))
        .args(["plain", "x"])
        .output();
    let calls = String::from_utf8(calls.unwrap().stderr).unwrap();
    assert!(
        calls.contains(&format!("sun_path=\"{SOCKETS}/x\"")),
        "{calls}"
    );
    let wanted = succeed(
        Command::new("nm")
            .args(["-D", "--undefined-only"])
            .arg(Library::Shipped.file()),
    );
    assert!(
        !wanted.contains("getenv"),
        "nothing in the environment leads elsewhere: {wanted}"
    );
}

#[test]
fn the_header_is_for_old_and_new_c_and_for_cplusplus() {
    let folder = tempfile::tempdir().unwrap();
    let text = "#include <unitward.h>\n#include <unitward.h>\n\
        int f(void); int f(void) { return unitward_restart_stack(\"x\"); }\n\
        int (*g)(const char *) = unitward_restart_stack;\n";
    for (compiler, standard, file) in [
        ("cc", "c99", "x.c"),
        ("cc", "c11", "x.c"),
        ("cc", "gnu17", "x.c"),
        ("c++", "c++11", "x.cc"),
        ("c++", "c++20", "x.cc"),
    ] {
        let source = folder.path().join(file);
        fs::write(&source, text).unwrap();
        let mut command = Command::new(compiler);
        command.args([
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Werror",
            "-fsyntax-only",
            &format!("-std={standard}"),
        ]);
        succeed(command.arg("-I").arg(headers()).arg(source));
    }
}

#[test]
fn the_example_of_the_manual_is_a_program() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/man/unitward_restart_stack.3");
    let page = fs::read_to_string(page).unwrap();
    let begin = page
        .find("#include <stdio.h>")
        .expect("there is an example");
    let example = &page[begin..begin + page[begin..].find(".Ed").unwrap()];
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("example.c");
    fs::write(&source, example.replace("\\e", "\\")).unwrap();
    let program = folder.path().join("example");
    Library::Shipped.compile(&program, &[&source], &["-rdynamic"]);
    let output = Command::new(program).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        said, "Failed to restart the stack: No such file or directory\n",
        "no stack of that name is on this machine"
    );
}
