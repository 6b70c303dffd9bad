//! The bare writer: the least that it can take to write what the generator writes.
//!
//! Usage: `writer plain|rename BLOB DIRECTORY`. The blob is one file that holds a whole tree: kind,
//! path and content of each entry, with their lengths (`benches/hosts/turns.rs` makes it).
//!
//! * `plain` just writes each file;
//! * `rename` writes it under another name first, so that it appears whole or not at all, as a
//!   generator's must.
//!
//! Names are looked up in the open directory, and the program is linked as the generator is:
//! statically.

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat, renameat, symlinkat};
use std::fs;
use std::os::fd::OwnedFd;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [how, blob, directory] = arguments.as_slice() else {
        panic!("usage: writer plain|rename BLOB DIRECTORY")
    };
    let directory = openat(
        CWD,
        directory.as_str(),
        OFlags::RDONLY | OFlags::DIRECTORY,
        Mode::empty(),
    )
    .expect("a place");
    let text = fs::read_to_string(blob).expect("the blob");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let mut fields = rest.splitn(4, ' ');
        let mut field = || fields.next().expect("a field");
        let (kind, name, content, tail) = (field(), field(), field(), field());
        let (name, content): (usize, usize) = (
            name.parse().expect("a length"),
            content.parse().expect("a length"),
        );
        let (path, more) = tail.split_at(name);
        let (text, more) = more.split_at(content);
        match (kind, how.as_str()) {
            ("d", _) => mkdirat(&directory, path, Mode::from(0o755)).expect("a folder"),
            ("l", _) => symlinkat(text, &directory, path).expect("a link"),
            (_, "plain") => write(&directory, path, text),
            _ => {
                write(&directory, ".temporary", text);
                renameat(&directory, ".temporary", &directory, path).expect("a name");
            }
        }
        rest = more;
    }
    // As the generator ends: the process's end frees everything at once.
    std::process::exit(0)
}

fn write(directory: &OwnedFd, path: &str, text: &str) {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let file = openat(directory, path, flags, Mode::from(0o644)).expect("a file");
    let written = rustix::io::write(&file, text.as_bytes()).expect("room");
    assert_eq!(written, text.len(), "a tmpfs takes all at once");
}
