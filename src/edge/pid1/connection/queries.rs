//! Queries of properties that are sent together, and their answers.

use super::{Call, Connection};
use crate::edge::pid1::message::{self, Answer, Reply};
use crate::edge::pid1::properties::Properties;
use std::io::{self, ErrorKind, Write as _};

/// Number of properties of one interface from which all of them are asked for at once, on a bus.
const MANY: usize = 6;

/// Query of one property.
#[derive(Debug, Clone, Copy)]
pub(in crate::edge::pid1) struct Question<'a> {
    pub(in crate::edge::pid1) path: &'a str,
    pub(in crate::edge::pid1) interface: &'a str,
    pub(in crate::edge::pid1) property: &'a str,
}

impl Connection {
    /// Sends all queries at once. A refused one, because the object has no such property, is left
    /// out; if all are refused, the result is an error.
    pub(in crate::edge::pid1) fn ask(
        &mut self,
        questions: &[Question<'_>],
    ) -> io::Result<Properties> {
        self.socket.get_mut().lasts(self.patience);
        let first = self.serial + 1;
        let batches: Vec<_> = batches(questions, self.destination.is_some()).collect();
        let mut calls = Vec::new();
        for batch in &batches {
            calls.extend(self.query(batch)?);
        }
        self.socket.get_mut().write_all(&calls)?;
        let (mut known, mut refused, mut open) = (Properties::default(), Vec::new(), batches.len());
        while open > 0 {
            let Some(Reply { to, answer }) = self.reply()? else {
                continue;
            };
            // A reply to none of the queries comes from the bus itself.
            let Some(batch) = to
                .checked_sub(first)
                .and_then(|index| batches.get(index as usize))
            else {
                continue;
            };
            open -= 1;
            match answer {
                Ok(Answer::Value(value)) => known.put(batch[0].property, value),
                Ok(Answer::Values(mut values)) => {
                    for Question { property, .. } in *batch {
                        if let Some(value) = values.remove(*property) {
                            known.put(property, value);
                        }
                    }
                }
                Ok(Answer::Other) => return Err(ErrorKind::InvalidData.into()),
                Err(error) => refused.push(error),
            }
        }
        if self.is_strict && !refused.is_empty() {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        let is_void = refused.len() == batches.len();
        refused
            .into_iter()
            .next()
            .filter(|_| is_void)
            .map_or(Ok(known), Err)
    }

    /// Returns the call for a batch: all properties of its interface, or its only one.
    fn query(&mut self, batch: &[Question<'_>]) -> io::Result<Vec<u8>> {
        let Question {
            path,
            interface,
            property,
        } = batch[0];
        self.serial += 1;
        let (member, arguments) = match batch {
            [_] => ("Get", &[interface, property][..]),
            _ => ("GetAll", &[interface][..]),
        };
        let call = Call {
            destination: self.destination,
            path,
            interface: "org.freedesktop.DBus.Properties",
            member,
            arguments,
        };
        message::write(self.serial, &call)
    }
}

/// Divides questions into those that are asked together: on a bus, where each message has its
/// price, many about one interface of an object, else one by one.
fn batches<'q, 'a>(
    questions: &'q [Question<'a>],
    is_on_a_bus: bool,
) -> impl Iterator<Item = &'q [Question<'a>]> + use<'q, 'a> {
    let alike =
        questions.chunk_by(|one, next| one.path == next.path && one.interface == next.interface);
    alike.flat_map(move |alike| match alike.len() {
        MANY.. if is_on_a_bus => alike.chunks(alike.len()),
        _ => alike.chunks(1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_properties_of_one_interface_are_asked_for_together_on_a_bus_alone() {
        let question = |interface, property| Question {
            path: "/x",
            interface,
            property,
        };
        let questions: Vec<_> = ["a", "b", "c", "d", "e", "f"]
            .map(|property| question("Unit", property))
            .into_iter()
            .chain([question("Service", "g"), question("Service", "h")])
            .collect();
        let lengths = |is_on_a_bus| -> Vec<usize> {
            batches(&questions, is_on_a_bus).map(<[_]>::len).collect()
        };
        assert_eq!(lengths(false), [1; 8]);
        assert_eq!(lengths(true), [6, 1, 1]);
    }
}
