//! Modules of one layer use each other in one direction: no cycle between the rooms of `src/lib.rs`'s map.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The code of all modules, by their paths: `["edge", "pid1", "bus"]`.
fn modules() -> BTreeMap<Vec<String>, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    let mut open = vec![source.clone()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let relative = path.strip_prefix(&source).unwrap().with_extension("");
            let mut parts: Vec<String> = relative
                .iter()
                .map(|part| part.to_string_lossy().into_owned())
                .collect();
            if parts.iter().any(|part| part == "tests" || part == "bin") {
                continue;
            }
            if parts.last().is_some_and(|last| last == "mod") {
                parts.pop();
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let code: Vec<&str> = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect();
            found.insert(parts, code.join(" "));
        }
    }
    found
}

/// The paths in a `use` declaration: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(declared: &str) -> Vec<String> {
    let Some((prefix, rest)) = declared.split_once('{') else {
        return vec![declared.trim().to_owned()];
    };
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in inner.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else {
            parts.last_mut().unwrap().push(c);
        }
    }
    parts
        .iter()
        .filter(|part| !part.trim().is_empty())
        .flat_map(|part| paths(&[prefix.trim(), part.trim()].concat()))
        .collect()
}

/// The module that a path means, seen from another one; `None`: it is of another crate.
fn target(from: &[String], path: &str) -> Option<Vec<String>> {
    let mut parts = path.split("::").map(str::trim).peekable();
    let mut base = match parts.peek()? {
        &"crate" => Vec::new(),
        &"super" | &"self" => from.to_vec(),
        _ => return None,
    };
    while let Some(part) = parts.next_if(|part| ["crate", "super", "self"].contains(part)) {
        if part == "super" {
            base.pop();
        }
    }
    base.extend(parts.map(str::to_owned));
    Some(base)
}

/// A room: the first two parts of a module's path.
fn room(module: &[String]) -> Option<String> {
    (module.len() >= 2).then(|| module[..2].join("::"))
}

/// Who uses whom, by rooms.
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let modules = modules();
    let rooms: BTreeSet<String> = modules.keys().filter_map(|module| room(module)).collect();
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, code) in &modules {
        let Some(from) = room(module) else { continue };
        let declarations = code.split("use ").skip(1);
        let targets = declarations
            .filter_map(|rest| rest.split_once(';'))
            .flat_map(|(declared, _)| paths(declared))
            .filter_map(|path| room(&target(module, &path)?));
        let others = targets.filter(|to| *to != from && rooms.contains(to));
        uses.entry(from.clone()).or_default().extend(others);
    }
    uses
}

/// True if a way leads from one room to another.
fn leads(uses: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> bool {
    let (mut open, mut seen) = (vec![from], BTreeSet::new());
    while let Some(at) = open.pop() {
        for next in uses.get(at).into_iter().flatten() {
            if next == to {
                return true;
            }
            if seen.insert(next) {
                open.push(next);
            }
        }
    }
    false
}

#[test]
fn no_room_uses_itself_by_way_of_another() {
    let uses = uses();
    assert!(
        uses.len() > 50 && uses["shell::daemon"].len() > 10,
        "{uses:?}"
    );
    let round: Vec<&String> = uses
        .keys()
        .filter(|room| leads(&uses, room, room))
        .collect();
    assert!(round.is_empty(), "they use each other: {round:?}");
}

#[test]
fn a_use_declaration_is_read_whole() {
    let read = paths("super::{a, b::{self, c}, d as e}");
    assert_eq!(
        read,
        ["super::a", "super::b::self", "super::b::c", "super::d as e"]
    );
    let from = ["edge", "x", "y"].map(str::to_owned);
    assert_eq!(target(&from, "super::z").unwrap(), ["edge", "x", "z"]);
    assert_eq!(target(&from, "crate::core::a").unwrap(), ["core", "a"]);
    assert_eq!(target(&from, "std::fs"), None);
}
