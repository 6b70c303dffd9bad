//! The process that reads other people's objects, cores and names: `unitwardd --symbols`, `unitward
//! --symbols`.
//!
//! Names, objects and cores of foreign programs are read here and nowhere else. The process is
//! confined before it reads the first byte, and is killed by the process that started it when it
//! takes too long.

use super::confine::confine;
use super::core_file;
use super::demangle::demangle;
use super::elf::{self, Query};
use super::wire::{Answer, FILES, Functions, Job, Mapped, Request};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::process::ExitCode;

/// Longest request, in bytes.
const LONGEST: usize = 1 << 20;

/// Entry point of the process, which has a socket as its standard input.
#[must_use]
pub fn main() -> ExitCode {
    // A panic has no reader, and printing its message takes calls that the filter forbids.
    std::panic::set_hook(Box::new(|_| {}));
    let answered = confine()
        .and_then(|()| receive())
        .and_then(|(request, files)| match request {
            Request::Functions(functions) => name(functions, files),
            Request::Mapped(mapped) => map(&mapped, files),
        });
    if answered.and_then(|()| tell(&Answer::Done)).is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Receives the request with its files.
fn receive() -> io::Result<(Request, Vec<File>)> {
    let (mut text, mut files) = (Vec::new(), Vec::new());
    let mut part = vec![0; 64 << 10];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
    loop {
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        let received = recvmsg(
            io::stdin().as_fd(),
            &mut [IoSliceMut::new(&mut part)],
            &mut control,
            flags,
        )?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                files.extend(descriptors.map(File::from));
            }
        }
        if received.bytes == 0 {
            return Ok((serde_json::from_slice(&text)?, files));
        }
        text.extend_from_slice(&part[..received.bytes]);
        if text.len() > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

fn tell(answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    let mut left = &line[..];
    while !left.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::write(io::stdin().as_fd(), left))?;
        left = &left[written..];
    }
    Ok(())
}

/// Sends the functions of the frames, object by object, and then their readable names: the shortest
/// first, because a name that is made to take long is no short one.
fn name(functions: Functions, files: Vec<File>) -> io::Result<()> {
    let Functions { build_ids, frames } = functions;
    let mut names: Vec<Option<String>> = frames.iter().map(|frame| frame.said.clone()).collect();
    for (object, (file, build_id)) in files.into_iter().zip(build_ids).enumerate() {
        tell(&Answer::Begun(Job::Object(object)))?;
        let places: Vec<_> = frames
            .iter()
            .enumerate()
            .filter_map(|(frame, asked)| {
                let place = asked.place.filter(|place| place.object == object)?;
                Some((frame, place.offset))
            })
            .collect();
        let queries = places.iter().map(|(frame, offset)| Query {
            offset: *offset,
            said: frames[*frame].said.as_deref(),
        });
        let found = elf::find(file, build_id.as_deref(), queries);
        for ((frame, _), function) in places.iter().zip(found) {
            if let Some(elf::Function { name, behind }) = function {
                tell(&Answer::Function {
                    frame: *frame,
                    name: name.clone(),
                    behind,
                })?;
                names[*frame] = Some(name);
            }
        }
    }
    let mut distinct = BTreeMap::new();
    for (frame, name) in names.iter().enumerate() {
        if let Some(name) = name {
            distinct.entry((name.len(), name)).or_insert(frame);
        }
    }
    for ((_, name), frame) in distinct {
        tell(&Answer::Begun(Job::Name(frame)))?;
        tell(&Answer::Readable {
            frame,
            name: demangle(name),
        })?;
    }
    Ok(())
}

/// Sends the files that the addresses of a core are in.
fn map(mapped: &Mapped, files: Vec<File>) -> io::Result<()> {
    let Some(core) = files.into_iter().next() else {
        return Ok(());
    };
    let parts = core_file::mapped_files(core, mapped.compression);
    let wanted = parts.into_iter().filter(|part| {
        mapped
            .addresses
            .iter()
            .any(|at| part.addresses.contains(at))
    });
    for part in wanted.take(FILES) {
        tell(&Answer::File(part.into()))?;
    }
    Ok(())
}
