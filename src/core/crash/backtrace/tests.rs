//! Tests with entries of both versions of systemd-coredump, and with forged ones.

use super::*;
use serde_json::Value;

const RECORDED: [&str; 2] = [
    include_str!("../recorded/coredump-252.txt"),
    include_str!("../recorded/coredump-257.txt"),
];

/// Reads the message and the memory map of the last entry about a unit.
fn entry(recorded: &str, unit: &str) -> (String, MemoryMap) {
    let entries = recorded.lines().filter(|line| !line.starts_with('#'));
    let mut entries = entries.map(|line| serde_json::from_str::<Value>(line).unwrap());
    let entry = entries
        .find(|entry| entry["COREDUMP_UNIT"] == format!("{unit}.service"))
        .unwrap();
    let text = |key: &str| entry[key].as_str().unwrap().to_owned();
    (
        text("MESSAGE"),
        MemoryMap::parse(&text("COREDUMP_PROC_MAPS")),
    )
}

/// Renders the lines with the names that the message gives.
fn lines(message: &str, map: &MemoryMap) -> String {
    let frames = frames(message, map);
    let symbols: Vec<_> = frames
        .iter()
        .map(|frame| {
            Some(Symbol {
                name: frame.function.clone()?,
                offset: Some(0x10),
            })
        })
        .collect();
    render(&frames, &symbols)
}

fn check(unit: &str, expect: [&str; 2]) {
    for (recorded, expect) in RECORDED.iter().zip(expect) {
        let (message, map) = entry(recorded, unit);
        assert_eq!(lines(&message, &map), expect, "{message}");
    }
}

#[test]
fn a_library_has_its_full_path() {
    check(
        "caller",
        [
            "0 > 0x7fe8c16e3eec: (null) 0 /usr/lib/x86_64-linux-gnu/libc.so.6\n \
             1 > 0x7fe8c1694fb2: raise 0x10 /usr/lib/x86_64-linux-gnu/libc.so.6\n \
             2 > 0x7fe8c167f472: abort 0x10 /usr/lib/x86_64-linux-gnu/libc.so.6\n \
             3 > 0x7fe8c183e120: give_up 0x10 /opt/bin/libgive-up.so\n \
             4 > 0x7fe8c183e129: library_entry 0x10 /opt/bin/libgive-up.so\n \
             5 > 0x5590d58c3142: main 0x10 /opt/bin/caller\n \
             6 > 0x7fe8c168024a: (null) 0 /usr/lib/x86_64-linux-gnu/libc.so.6\n \
             7 > 0x7fe8c1680305: __libc_start_main 0x10 /usr/lib/x86_64-linux-gnu/libc.so.6\n \
             8 > 0x5590d58c3071: _start 0x10 /opt/bin/caller\n",
            "0 > 0x7f49e2b5469c: (null) 0 /usr/lib/x86_64-linux-gnu/libc.so.6\n \
             1 > 0x7f49e2affc42: raise 0x10 /usr/lib/x86_64-linux-gnu/libc.so.6\n \
             2 > 0x7f49e2ae84ac: abort 0x10 /usr/lib/x86_64-linux-gnu/libc.so.6\n \
             3 > 0x7f49e2cb7120: give_up 0x10 /opt/bin/libgive-up.so\n \
             4 > 0x7f49e2cb7129: library_entry 0x10 /opt/bin/libgive-up.so\n \
             5 > 0x55700d2ac142: main 0x10 /opt/bin/caller\n \
             6 > 0x7f49e2ae9ca8: (null) 0 /usr/lib/x86_64-linux-gnu/libc.so.6\n \
             7 > 0x7f49e2ae9d65: __libc_start_main 0x10 /usr/lib/x86_64-linux-gnu/libc.so.6\n \
             8 > 0x55700d2ac071: _start 0x10 /opt/bin/caller\n",
        ],
    );
}

#[test]
fn only_the_thread_that_crashed_is_told() {
    check(
        "thread",
        [
            "0 > 0x5627d34f4149: work_too_hard 0x10 /opt/bin/thread\n \
             1 > 0x5627d34f4164: run_second_thread 0x10 /opt/bin/thread\n \
             2 > 0x7f06d4a501f5: (null) 0 /usr/lib/x86_64-linux-gnu/libc.so.6\n \
             3 > 0x7f06d4ad08ec: (null) 0 /usr/lib/x86_64-linux-gnu/libc.so.6\n",
            "0 > 0x562433626149: work_too_hard 0x10 /opt/bin/thread\n \
             1 > 0x562433626164: run_second_thread 0x10 /opt/bin/thread\n \
             2 > 0x7f717d2c78bb: (null) 0 /usr/lib/x86_64-linux-gnu/libc.so.6\n \
             3 > 0x7f717d345538: (null) 0 /usr/lib/x86_64-linux-gnu/libc.so.6\n",
        ],
    );
}

#[test]
fn a_deleted_program_keeps_its_path_and_is_not_looked_into() {
    check(
        "odd-gone",
        [
            "0 > 0x7f9e8c8b0dd0: pause 0x10 /usr/lib/x86_64-linux-gnu/libc.so.6\n \
             1 > 0x55fa47c1afa5: (null) 0 /run/gone\n",
            "0 > 0x7f96316193a7: (null) 0 /usr/lib/x86_64-linux-gnu/libc.so.6\n \
             1 > 0x7f96316193cd: (null) 0 /usr/lib/x86_64-linux-gnu/libc.so.6\n \
             2 > 0x7f96316719c9: pause 0x10 /usr/lib/x86_64-linux-gnu/libc.so.6\n \
             3 > 0x55d3a81357ad: (null) 0 /run/gone\n",
        ],
    );
    for recorded in RECORDED {
        let (message, map) = entry(recorded, "odd-gone");
        assert_eq!(frames(&message, &map).last().unwrap().spot, None);
    }
}

#[test]
fn a_caller_is_looked_up_at_its_call_and_the_innermost_frame_at_itself() {
    let (message, map) = entry(RECORDED[0], "thread");
    let frames = frames(&message, &map);
    let spots: Vec<_> = frames[..2]
        .iter()
        .map(|frame| (frame.instruction, frame.spot.unwrap().offset))
        .collect();
    assert_eq!(
        spots,
        [(0x5627_d34f_4149, 0x1149), (0x5627_d34f_4163, 0x1163)]
    );
    assert!(frames[0].spot.unwrap().inode.is_some());
}

#[test]
fn a_line_of_each_kind_is_understood() {
    let stack = "Process 1 (#0) of user 0 dumped core.\n\nModule libgcc_s.so.1 from deb gcc-14-14.2.0-19.amd64\n\
        Module /usr/bin/x without build-id.\nStack trace of thread 1:\n\
        #0  0x0000000000000000 n/a (n/a + 0x0)\n\
        #1  0x00000000deadbeef operator new (libx.so + 0x12)\n\
        #2  0xffffffffffffffff _start (/opt/a (b) + 0xc/x + 0x1)\n\n\
        Stack trace of thread 2:\n#0  0x0000000000000001 other (x + 0x1)\n";
    let expect = "0 > 0x0: (null) 0 (null)\n 1 > 0xdeadbeef: operator new 0x10 libx.so\n \
        2 > 0xffffffffffffffff: _start 0x10 /opt/a (b) + 0xc/x\n";
    assert_eq!(lines(stack, &MemoryMap::default()), expect);
}

#[test]
fn no_stack_gives_no_frames() {
    for message in [
        "",
        "Process 1 (x) of user 0 dumped core.\n",
        "Process 1 (x) of user 0 dumped core.\n\n#0  0x0000000000000001 forged (x + 0x1)\n",
        "Stack trace of thread 1:",
        "Stack trace of thread 1:\n#0  0x1g main (x + 0x1)\n",
        "Stack trace of thread 1:\n#0  0x11111111111111111 main (x + 0x1)\n",
    ] {
        assert_eq!(frames(message, &MemoryMap::default()), [], "{message:?}");
    }
}

#[test]
fn an_endless_recursion_and_an_endless_name_are_cut() {
    let frame = format!(
        "#0  0xffffffffffffffff {} ({} + 0x1)\n",
        "ä\u{7}".repeat(900),
        "/ö\t".repeat(900)
    );
    let stack = format!("Stack trace of thread 1:\n{}", frame.repeat(100));
    let text = lines(&stack, &MemoryMap::default());
    check_shape(&text);
    assert_eq!(text.lines().count(), FRAMES);
    let last = text.lines().last().unwrap();
    assert!(last.starts_with(" 31 > 0xffffffffffffffff: ä?ä?"), "{last}");
    assert!(last.contains("… 0x10 …") && last.ends_with("/ö?"), "{last}");
}

/// Checks the invariants of every backtrace.
fn check_shape(text: &str) {
    assert!(text.lines().count() <= FRAMES);
    assert!(text.is_empty() || text.ends_with('\n'));
    for (number, line) in text.split_inclusive('\n').enumerate() {
        assert!(line.len() <= LINE, "{}: {line}", line.len());
        let indent = if number == 0 { "" } else { " " };
        assert!(
            line.starts_with(&format!("{indent}{number} > 0x")),
            "{line}"
        );
        assert_eq!(
            line.find(char::is_control),
            Some(line.len() - 1),
            "{line:?}"
        );
    }
}

#[test]
fn no_text_brings_it_down() {
    let mut random: u64 = 42;
    let mut next = |below: usize| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(random >> 33).unwrap() % below
    };
    for recorded in RECORDED {
        let (message, map) = entry(recorded, "names");
        for end in (0..message.len()).filter(|end| message.is_char_boundary(*end)) {
            check_shape(&lines(&message[..end], &map));
            check_shape(&lines(&message[end..], &map));
        }
        let pieces = [
            "#0",
            "0x",
            "ffffffffffffffff",
            " (",
            " + 0x",
            ")",
            "\n",
            "\u{0}",
            "…",
            "n/a",
            " ",
            "-",
            "/x",
        ];
        for _ in 0..3000 {
            let mut garbled = message.clone();
            for _ in 0..=next(8) {
                let at = (next(garbled.len() + 1)..=garbled.len())
                    .find(|at| garbled.is_char_boundary(*at))
                    .unwrap();
                garbled.insert_str(at, pieces[next(pieces.len())]);
            }
            check_shape(&lines(
                &garbled,
                &MemoryMap::parse(&garbled.replace("#0  0x", "0-")),
            ));
        }
    }
}

#[test]
fn a_masked_backtrace_has_functions_offsets_and_objects_and_no_address() {
    for (told, expect) in [
        (
            "0 > 0x55d7cffb3f37: main 0x34 /usr/bin/prog\n",
            "0 > 0x0: main 0x34 /usr/bin/prog\n",
        ),
        (
            " 12 > 0x7f00: (null) 0 (null)\n",
            " 12 > 0x0: (null) 0 (null)\n",
        ),
        (
            "0 > 0x1: f 0x2 /a\n 1 > 0x3: g 0x4 /b\n",
            "0 > 0x0: f 0x2 /a\n 1 > 0x0: g 0x4 /b\n",
        ),
        (
            "0 > 0x1: a::b<0x1: c> 0x123456 /a b\n",
            "0 > 0x0: a::b<0x1: c> 0x123456 /a b\n",
        ),
        // Text that a caller of a full restart has written itself.
        ("at 0x7ffc12345678 in main\n", "at 0x0 in main\n"),
        ("0 > 0x1: f 0x7ffc12345678 /a", "0 > 0x0: f 0x0 /a"),
        (
            "#0  0x00007f1d221f5eec n/a: (libc.so.6 + 0x8aeec)",
            "#0  0x0 n/a: (libc.so.6 + 0x8aeec)",
        ),
        ("0xäöü0x", "0xäöü0x"),
        ("<NA>", "<NA>"),
        ("", ""),
    ] {
        assert_eq!(Addresses::Masked.tell(told.to_owned()), expect);
        assert_eq!(Addresses::Shown.tell(told.to_owned()), told);
    }
}
