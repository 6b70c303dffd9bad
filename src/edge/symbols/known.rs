//! Results of a look-up, collected while a process is asked for the functions of a backtrace.
//!
//! A process that is lost, or has got stuck, is lost on one part of the work. That part is given
//! up, and another process is asked for the rest: a hostile object costs its own functions, a
//! hostile name stays in its mangled form.

use super::wire::{Answer, Asked, Functions, Job, NAME, ObjectPlace, Request};
use crate::core::crash::backtrace::{Frame, Symbol};
use std::fs::File;

/// An object that frames are in, opened.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) file: File,
    pub(super) build_id: Option<String>,
    /// Indices of the frames, each with its offset in the object's file.
    pub(super) places: Vec<(usize, u64)>,
}

/// All results so far.
#[derive(Debug)]
pub(super) struct Known {
    functions: Vec<Function>,
    /// Objects that were not looked into yet.
    objects: Vec<Object>,
    under_way: Option<Job>,
}

/// The function of a frame.
#[derive(Debug, Default)]
struct Function {
    /// Its name, mangled.
    name: Option<String>,
    behind: Option<u64>,
    readable: Readable,
}

impl Function {
    /// Returns the function by the name that the frame has itself.
    fn named_by(frame: &Frame) -> Self {
        let name = frame.function.clone();
        let readable = match &name {
            Some(name) if name.len() > NAME => Readable::GivenUp,
            _ => Readable::Wanted,
        };
        Self {
            name,
            behind: None,
            readable,
        }
    }

    /// Returns the function as it is shown in this frame.
    fn symbol(self, frame: &Frame) -> Option<Symbol> {
        let name = match self.readable {
            Readable::Known(name) => name,
            Readable::Wanted | Readable::GivenUp => self.name?,
        };
        // Names that are shown have no control characters.
        let name = name
            .chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .collect();
        let offset = self
            .behind
            .and_then(|behind| behind.checked_add(frame.address - frame.instruction));
        Some(Symbol { name, offset })
    }
}

/// The readable form of a name.
#[derive(Debug, Default, PartialEq, Eq)]
enum Readable {
    #[default]
    Wanted,
    Known(String),
    /// The name is left as it is.
    GivenUp,
}

impl Known {
    /// Starts with the names that the frames have themselves.
    pub(super) fn new(frames: &[Frame], objects: Vec<Object>) -> Self {
        Self {
            functions: frames.iter().map(Function::named_by).collect(),
            objects,
            under_way: None,
        }
    }

    /// Returns the next request, with the files that it is about; `None` if nothing is left to ask.
    pub(super) fn request(&self) -> Option<(Request, Vec<&File>)> {
        let mut frames: Vec<_> = self
            .functions
            .iter()
            .map(|function| Asked {
                said: function
                    .name
                    .clone()
                    .filter(|_| function.readable == Readable::Wanted),
                place: None,
            })
            .collect();
        for (number, object) in self.objects.iter().enumerate() {
            for (frame, offset) in &object.places {
                frames[*frame].place = Some(ObjectPlace {
                    object: number,
                    offset: *offset,
                });
            }
        }
        if self.objects.is_empty() && frames.iter().all(|frame| frame.said.is_none()) {
            return None;
        }
        let build_ids = self
            .objects
            .iter()
            .map(|object| object.build_id.clone())
            .collect();
        let files = self.objects.iter().map(|object| &object.file).collect();
        Some((Request::Functions(Functions { build_ids, frames }), files))
    }

    /// Takes an answer. Answers that make no sense are ignored.
    pub(super) fn take(&mut self, answer: Answer) {
        match answer {
            Answer::Begun(job) => self.under_way = Some(job),
            Answer::Function {
                frame,
                name,
                behind,
            } if name.len() <= NAME => {
                if let Some(function) = self.functions.get_mut(frame) {
                    *function = Function {
                        name: Some(name),
                        behind: Some(behind),
                        readable: Readable::Wanted,
                    };
                }
            }
            Answer::Readable { frame, name } if name.len() <= NAME => {
                self.settle(frame, || Readable::Known(name.clone()));
            }
            Answer::Function { .. } | Answer::Readable { .. } | Answer::File(_) | Answer::Done => {}
        }
    }

    /// Returns the part of the work that the process has announced last.
    pub(super) fn under_way(&self) -> Option<Job> {
        self.under_way
    }

    /// Gives up the announced part of the work, and removes the objects that the process has looked
    /// into.
    pub(super) fn give_up(&mut self) {
        match self.under_way.take() {
            Some(Job::Object(at)) => drop(
                self.objects
                    .drain(..self.objects.len().min(at.saturating_add(1))),
            ),
            Some(Job::Name(frame)) => {
                self.objects.clear();
                self.settle(frame, || Readable::GivenUp);
            }
            None => {}
        }
    }

    /// Sets the readable name of a frame, and of all others with the same mangled name.
    fn settle(&mut self, frame: usize, readable: impl Fn() -> Readable) {
        let Some(name) = self
            .functions
            .get(frame)
            .and_then(|function| function.name.clone())
        else {
            return;
        };
        for function in self
            .functions
            .iter_mut()
            .filter(|function| function.name.as_ref() == Some(&name))
        {
            function.readable = readable();
        }
    }

    /// Returns the functions, each at the place of its frame.
    pub(super) fn symbols(self, frames: &[Frame]) -> Vec<Option<Symbol>> {
        self.functions
            .into_iter()
            .zip(frames)
            .map(|(function, frame)| function.symbol(frame))
            .collect()
    }
}
