//! The HTTP/1.1 codec: a message means the same however it is cut, and what is written from it
//! means the same again.

use std::fmt::Debug;

use pasarela_net::http1::{
    BodyError, Decoder, Framing, Head, HeadLimits, Name, ParseError, RequestParser, ResponseParser,
    Version, begin_chunk, end_chunk, last_chunk, may_trail, put_field, request_framing,
    response_framing,
};

use super::{Cuts, seeded};

/// Small, so that they are met.
const LIMITS: HeadLimits = HeadLimits { line: 120, bytes: 1024, fields: 12 };
/// For what we write ourselves: a space more behind each colon must not be too much.
const ROOMY: HeadLimits = HeadLimits { line: 256, bytes: 4096, fields: 24 };

type Advanced = Result<Option<usize>, ParseError>;

/// A head without the memory it lies in.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    length: usize,
    method: String,
    target: Vec<u8>,
    status: u16,
    reason: Vec<u8>,
    version: Version,
    fields: Vec<(Name, Vec<u8>, Vec<u8>)>,
}

fn seen(length: usize, head: &Head) -> Seen {
    for (_, name, value) in head.fields() {
        assert!(!name.is_empty() && !name.contains(&b':'));
        assert!(!value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')));
        assert_eq!(value.trim_ascii(), value, "white space around a value");
    }
    Seen {
        length,
        method: head.method().to_owned(),
        target: head.target().to_vec(),
        status: head.status(),
        reason: head.reason().to_vec(),
        version: head.version,
        fields: head
            .fields()
            .map(|(id, name, value)| (id, name.to_vec(), value.to_vec()))
            .collect(),
    }
}

/// Shows a parser ever more of `bytes`; `None`: it wants more than there is.
fn in_pieces(
    bytes: &[u8],
    cuts: &mut Cuts,
    head: &mut Head,
    mut advance: impl FnMut(&[u8], &mut Head) -> Advanced,
) -> Result<Option<Seen>, ParseError> {
    let mut shown = 0;
    loop {
        shown = (shown + cuts.next()).min(bytes.len());
        if let Some(length) = advance(&bytes[..shown], head)? {
            assert!(length <= shown);
            return Ok(Some(seen(length, head)));
        }
        if shown == bytes.len() {
            return Ok(None);
        }
    }
}

/// What both readings found. `None`: both want more, or both refuse.
fn agreed<T: PartialEq + Debug, E: Debug>(
    whole: Result<Option<T>, E>,
    pieces: Result<Option<T>, E>,
) -> Option<T> {
    match (whole, pieces) {
        (Ok(whole), Ok(pieces)) => {
            assert_eq!(whole, pieces, "the cuts changed the message");
            whole
        }
        // Which of two faults is seen first may depend on where a limit falls.
        (Err(_), Err(_)) => None,
        (whole, pieces) => panic!("whole {whole:?}, in pieces {pieces:?}"),
    }
}

/// Requests, one behind the other as on a connection.
pub(super) fn request_head(bytes: &[u8]) {
    let (mut cuts, mut bytes) = seeded(bytes);
    let mut parser = RequestParser::default();
    let (mut head, mut whole_head) = (Head::default(), Head::default());
    loop {
        let whole = RequestParser::default()
            .advance(bytes, &LIMITS, &mut whole_head)
            .map(|length| length.map(|length| seen(length, &whole_head)));
        let pieces = in_pieces(bytes, &mut cuts, &mut head, |bytes, head| {
            parser.advance(bytes, &LIMITS, head)
        });
        let Some(found) = agreed(whole, pieces) else { return };
        assert!(found.fields.len() <= LIMITS.fields);
        assert!(!found.method.is_empty() && !found.target.is_empty());
        assert!(found.fields.iter().all(|(_, name, _)| !name.contains(&b'_')));
        written_again(&found, &head);
        bytes = &bytes[found.length..];
    }
}

fn written_again(found: &Seen, head: &Head) {
    let mut wire = Vec::new();
    wire.extend_from_slice(found.method.as_bytes());
    wire.push(b' ');
    wire.extend_from_slice(&found.target);
    wire.extend_from_slice(match found.version {
        Version::Http10 => b" HTTP/1.0\r\n",
        _ => b" HTTP/1.1\r\n",
    });
    for (_, name, value) in &found.fields {
        put_field(&mut wire, name, value);
    }
    wire.extend_from_slice(b"\r\n");
    let mut again = Head::default();
    let length = RequestParser::default().advance(&wire, &ROOMY, &mut again);
    assert_eq!(length, Ok(Some(wire.len())), "what we write is not what we read");
    assert_eq!(seen(found.length, &again), *found);
    assert_eq!(request_framing(&again), request_framing(head));
}

/// Answers, one behind the other.
pub(super) fn response_head(bytes: &[u8]) {
    let (mut cuts, mut bytes) = seeded(bytes);
    let mut parser = ResponseParser::default();
    let (mut head, mut whole_head) = (Head::default(), Head::default());
    loop {
        let whole = ResponseParser::default()
            .advance(bytes, &LIMITS, &mut whole_head)
            .map(|length| length.map(|length| seen(length, &whole_head)));
        let pieces = in_pieces(bytes, &mut cuts, &mut head, |bytes, head| {
            parser.advance(bytes, &LIMITS, head)
        });
        let Some(found) = agreed(whole, pieces) else { return };
        assert!((100..=999).contains(&found.status));
        bodies_that_cannot_be(&head);
        bytes = &bytes[found.length..];
    }
}

/// Some answers have no body whatever they say.
fn bodies_that_cannot_be(head: &Head) {
    let bodiless = matches!(head.status(), 100..=199 | 204 | 304);
    match response_framing(head, "GET") {
        Ok(Framing::None) => assert!(bodiless),
        Ok(_) => assert!(!bodiless),
        Err(_) => {}
    }
    assert!(!matches!(
        response_framing(head, "HEAD"),
        Ok(Framing::Length(_) | Framing::Chunked | Framing::UntilClose)
    ));
}

/// What became of a chunked body.
#[derive(Debug, PartialEq, Eq)]
struct Body {
    data: Vec<u8>,
    trailers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Bytes of the wire it took.
    length: usize,
}

/// `None`: it is not over.
fn decode(bytes: &[u8], mut piece: impl FnMut() -> usize) -> Result<Option<Body>, BodyError> {
    let (mut decoder, mut trailers) = (Decoder::chunked(), Head::default());
    let (mut data, mut used, mut shown) = (Vec::new(), 0, 0);
    while !decoder.is_done() {
        let found = decoder.decode(&bytes[used..shown], &mut trailers)?;
        assert!(found.data.start <= found.data.end && found.data.end <= found.consumed);
        data.extend_from_slice(&bytes[used..][found.data.clone()]);
        used += found.consumed;
        assert!(used <= shown);
        if found.consumed == 0 && !found.done {
            if shown == bytes.len() {
                assert_eq!(decoder.end_of_input(), Err(BodyError::Truncated));
                return Ok(None);
            }
            shown = (shown + piece()).min(bytes.len());
        }
    }
    let trailers = trailers.fields().map(|(_, n, v)| (n.to_vec(), v.to_vec())).collect();
    Ok(Some(Body { data, trailers, length: used }))
}

/// A chunked body, whole and in pieces, and written anew.
pub(super) fn chunked_body(bytes: &[u8]) {
    let (mut cuts, bytes) = seeded(bytes);
    let whole = decode(bytes, || usize::MAX / 2);
    let pieces = decode(bytes, || cuts.next());
    let Some(body) = agreed(whole, pieces) else { return };
    let mut trailers = Head::default();
    for (name, value) in &body.trailers {
        trailers.push(name, value);
    }
    let (mut wire, mut left) = (Vec::new(), &body.data[..]);
    while !left.is_empty() {
        let (piece, rest) = left.split_at(cuts.next().min(left.len()));
        let mark = begin_chunk(&mut wire);
        wire.extend_from_slice(piece);
        end_chunk(&mut wire, mark);
        left = rest;
    }
    last_chunk(&mut wire, (!trailers.is_empty()).then(|| trailers.fields()));
    let again = decode(&wire, || cuts.next()).expect("what we write can be read").expect("whole");
    assert_eq!(again.data, body.data);
    assert_eq!(again.length, wire.len());
    let kept = |(name, _): &&(Vec<u8>, Vec<u8>)| may_trail(name);
    let expected: Vec<_> = body.trailers.iter().filter(kept).cloned().collect();
    assert_eq!(again.trailers, expected);
}

/// Length and coding, whatever else stands around them, against a second reading of the fields.
pub(super) fn framing(bytes: &[u8]) {
    let Some((choice, fields)) = bytes.split_first() else { return };
    let version = if choice & 1 == 0 { "1.1" } else { "1.0" };
    let mut wire = format!("POST / HTTP/{version}\r\n").into_bytes();
    wire.extend_from_slice(fields);
    wire.extend_from_slice(b"\r\n\r\n");
    let mut head = Head::default();
    let limits = HeadLimits { line: 100, bytes: 64 << 10, fields: 1000 };
    let Ok(Some(_)) = RequestParser::default().advance(&wire, &limits, &mut head) else { return };
    let lengths: Vec<&[u8]> = head.find_all("content-length").collect();
    let codings: Vec<&[u8]> = head.find_all("transfer-encoding").collect();
    let told = request_framing(&head);
    match (&lengths[..], &codings[..]) {
        ([], []) => assert_eq!(told, Ok(Framing::None)),
        ([], [b"chunked"]) if version == "1.1" => assert_eq!(told, Ok(Framing::Chunked)),
        ([length], []) => {
            match std::str::from_utf8(length).ok().and_then(|t| t.parse::<u64>().ok()) {
                Some(number) if number.to_string().as_bytes() == *length && number < 1 << 63 => {
                    assert_eq!(told, Ok(Framing::Length(number)));
                }
                _ => assert!(told.is_err(), "{told:?}"),
            }
        }
        _ => assert!(told.is_err(), "{told:?}"),
    }
    if let Ok(framing) = told {
        assert_eq!(framing.is_empty(), framing.decoder().is_done());
    }
}
