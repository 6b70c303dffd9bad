//! Messages of the D-Bus protocol, as far as queries need them (D-Bus specification, "Message
//! Protocol").

use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use std::collections::HashMap;
use std::io;
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{Endian, to_bytes};
use zbus::{OwnedVariant, Signature, Variant};

/// Header of a message: byte order, type, flags, version, length of the body, serial number,
/// fields.
type Header<'m> = (u8, u8, u8, u8, u32, u32, Vec<(u8, Variant<'m>)>);

/// Number of leading bytes that contain a message's length.
pub(super) const HEAD: usize = 16;

/// Longest body, and longest header, that is read, in bytes. PID 1's answers are far shorter.
const LONGEST: usize = 16 << 20;

const VERSION: u8 = 1;

/// Flag of a call that fails at once if the destination's name has no owner. Otherwise the bus
/// waits 25 s for PID 1 while PID 1 waits for the line that sends the query: PID 1 is on the bus
/// only after the start of the bus, and that line may be part of it.
const NO_AUTO_START: u8 = 2;

/// Types of messages.
const CALL: u8 = 1;
const ANSWER: u8 = 2;
const ERROR: u8 = 3;

/// Codes of a header's fields.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// A call of a method with at most two strings.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) destination: Option<&'a str>,
    pub(super) path: &'a str,
    pub(super) interface: &'a str,
    pub(super) member: &'a str,
    pub(super) arguments: &'a [&'a str],
}

/// Returns the call's bytes; `serial` is the number that its reply will name.
pub(super) fn write(serial: u32, call: &Call<'_>) -> io::Result<Vec<u8>> {
    let mut fields = vec![
        (PATH, Field(Signature::ObjectPath, call.path)),
        (INTERFACE, Field(Signature::Str, call.interface)),
        (MEMBER, Field(Signature::Str, call.member)),
    ];
    fields.extend(
        call.destination
            .map(|name| (DESTINATION, Field(Signature::Str, name))),
    );
    let (body, types) = match call.arguments {
        [] => (Vec::new(), ""),
        [one] => (serialized(one)?, "s"),
        [one, two, ..] => (serialized(&(one, two))?, "ss"),
    };
    if !types.is_empty() {
        fields.push((SIGNATURE, Field(Signature::Signature, types)));
    }
    let flags = if call.destination.is_some() {
        NO_AUTO_START
    } else {
        0
    };
    whole(
        Preamble {
            kind: CALL,
            flags,
            serial,
        },
        &fields,
        &body,
    )
}

/// A header field with a text of one type or another. A [`Variant`] would put brackets around the
/// types of two arguments.
#[derive(zbus::Type)]
#[zbus(signature = "v")]
struct Field<'a>(Signature, &'a str);

impl Serialize for Field<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut variant = serializer.serialize_struct("Variant", 2)?;
        variant.serialize_field("signature", &self.0)?;
        variant.serialize_field("value", self.1)?;
        variant.end()
    }
}

/// What differs between messages in the fixed part of their headers.
struct Preamble {
    /// [`CALL`], [`ANSWER`] or [`ERROR`].
    kind: u8,
    flags: u8,
    serial: u32,
}

fn whole(
    preamble: Preamble,
    fields: &[(u8, impl Serialize + zbus::Type)],
    body: &[u8],
) -> io::Result<Vec<u8>> {
    let Preamble {
        kind,
        flags,
        serial,
    } = preamble;
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    let mut bytes = serialized(&(b'l', kind, flags, VERSION, length, serial, fields))?;
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend_from_slice(body);
    Ok(bytes)
}

fn serialized(value: &(impl Serialize + zbus::wire::DynamicType)) -> io::Result<Vec<u8>> {
    Ok(to_bytes(Context::new(Endian::Little, 0), value)
        .map_err(io::Error::other)?
        .to_vec())
}

/// Returns the length of the message that begins with `head`, which is [`HEAD`] bytes.
pub(super) fn length(head: &[u8]) -> io::Result<usize> {
    let endian = endian(head)?;
    let [body, fields] = [4, 12].map(|at| {
        head.get(at..at + 4)
            .map_or(0, |bytes| endian.read_u32(bytes) as usize)
    });
    if body > LONGEST || fields > LONGEST {
        return Err(io::Error::other("the answer is too long"));
    }
    Ok((HEAD + fields).next_multiple_of(8) + body)
}

fn endian(message: &[u8]) -> io::Result<Endian> {
    match message.first() {
        Some(b'l') => Ok(Endian::Little),
        Some(b'B') => Ok(Endian::Big),
        _ => Err(io::Error::other("the answer is no D-Bus message")),
    }
}

/// Reply to a call.
#[derive(Debug)]
pub(super) struct Reply {
    /// Serial number of the call.
    pub(super) to: u32,
    /// What is answered, or why nothing is.
    pub(super) answer: io::Result<Answer>,
}

/// Contents of an answer.
#[derive(Debug)]
pub(super) enum Answer {
    /// One value.
    Value(OwnedVariant),
    /// Values by their names.
    Values(HashMap<String, OwnedVariant>),
    /// Nothing, or something else.
    Other,
}

/// Parses a whole message; `None`: it is not a reply.
pub(super) fn read(bytes: Vec<u8>) -> io::Result<Option<Reply>> {
    let context = Context::new(endian(&bytes)?, 0);
    let message = Data::new(bytes, context);
    let ((_, kind, _, _, _, _, fields), end): (Header<'_>, usize) =
        message.deserialize().map_err(io::Error::other)?;
    let to = fields.iter().find_map(|field| match field {
        (REPLY_SERIAL, Variant::U32(serial)) => Some(*serial),
        _ => None,
    });
    let Some(to) = to else { return Ok(None) };
    let types = fields.iter().find_map(|field| match field {
        (SIGNATURE, Variant::Signature(types)) => Some(types.to_string()),
        _ => None,
    });
    let begin = end.next_multiple_of(8);
    if begin > message.len() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let body = message.slice(begin..);
    let answer = match kind {
        ANSWER => match types.as_deref() {
            Some("v") => body.deserialize().map(|(value, _)| Answer::Value(value)),
            Some("a{sv}") => body.deserialize().map(|(values, _)| Answer::Values(values)),
            _ => Ok(Answer::Other),
        }
        .map_err(io::Error::other),
        ERROR => Err(io::Error::other(
            body.deserialize::<&str>()
                .map_or("refused", |(why, _)| why)
                .to_owned(),
        )),
        _ => return Ok(None),
    };
    Ok(Some(Reply { to, answer }))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn preamble(kind: u8, serial: u32) -> Preamble {
        Preamble {
            kind,
            flags: 0,
            serial,
        }
    }

    /// Makes the answer to a query, a string.
    pub(in super::super) fn answer(to: u32, text: &str) -> Vec<u8> {
        let body = serialized(&Variant::from(text)).unwrap();
        let fields = [
            (REPLY_SERIAL, Variant::from(to)),
            (SIGNATURE, Variant::Signature(Signature::Variant)),
        ];
        whole(preamble(ANSWER, 7), &fields, &body).unwrap()
    }

    /// Makes a refusal.
    pub(in super::super) fn refusal(to: u32, why: &str) -> Vec<u8> {
        whole(
            preamble(ERROR, 8),
            &[(REPLY_SERIAL, Variant::from(to))],
            &serialized(&why).unwrap(),
        )
        .unwrap()
    }

    /// Makes a signal of the bus itself.
    pub(in super::super) fn signal() -> Vec<u8> {
        whole(
            preamble(4, 9),
            &[(MEMBER, Variant::from("NameAcquired"))],
            &serialized(&":1.5").unwrap(),
        )
        .unwrap()
    }

    #[test]
    fn a_call_stands_in_bytes_as_the_specification_says() {
        let call = Call {
            destination: None,
            path: "/a",
            interface: "b.c",
            member: "Get",
            arguments: &["i.j", "p"],
        };
        let expect = b"l\x01\0\x01\x0e\0\0\0\x05\0\0\0\x38\0\0\0\x01\x01o\0\x02\0\0\0/a\0\0\0\0\0\0\x02\x01s\0\x03\0\0\0b.c\0\0\0\0\0\
                       \x03\x01s\0\x03\0\0\0Get\0\0\0\0\0\x08\x01g\0\x02ss\0\x03\0\0\0i.j\0\x01\0\0\0p\0";
        let bytes = write(5, &call).unwrap();
        assert_eq!(
            bytes.escape_ascii().to_string(),
            expect.escape_ascii().to_string()
        );
        assert_eq!(length(&bytes).unwrap(), bytes.len());
        let on_a_bus = write(
            5,
            &Call {
                destination: Some("d.e"),
                ..call
            },
        )
        .unwrap();
        assert_eq!(on_a_bus[2], NO_AUTO_START);
    }

    #[test]
    fn what_is_no_reply_is_passed_over_and_what_is_no_message_is_told() {
        assert!(read(signal()).unwrap().is_none());
        assert!(length(b"HTTP/1.1 400 Bad").is_err());
        assert!(length(b"l\x02\0\x01\xff\xff\xff\xff\x01\0\0\0\xff\xff\xff\xff").is_err());
        for end in 0..answer(1, "a").len() {
            // A truncated message may have any result but a panic.
            let _ = read(answer(1, "a")[..end].to_vec());
        }
    }
}
