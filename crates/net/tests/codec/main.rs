//! The codec beside an independent one: what we accept, `httparse` reads as the same message.
//!
//! The other way round does not hold and is not meant to: [`STRICTER`] lists, as data, what that
//! parser takes and we refuse (P2, T1).

use pasarela_net::http1::{Head, HeadLimits, ParseError, RequestParser};
use proptest::prelude::*;

const LIMITS: HeadLimits = HeadLimits { line: 8192, bytes: 32 << 10, fields: 100 };

fn ours(bytes: &[u8]) -> Result<Option<(usize, Head)>, ParseError> {
    let mut head = Head::default();
    let length = RequestParser::default().advance(bytes, &LIMITS, &mut head)?;
    Ok(length.map(|length| (length, head)))
}

/// What both have to agree on.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    length: usize,
    method: String,
    target: Vec<u8>,
    minor: u8,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
}

fn theirs(bytes: &[u8]) -> Result<Option<Message>, httparse::Error> {
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(length) = request.parse(bytes)? else { return Ok(None) };
    Ok(Some(Message {
        length,
        method: request.method.unwrap_or_default().to_owned(),
        target: request.path.unwrap_or_default().as_bytes().to_vec(),
        minor: request.version.unwrap_or(9),
        fields: request
            .headers
            .iter()
            .map(|field| (field.name.as_bytes().to_vec(), field.value.trim_ascii().to_vec()))
            .collect(),
    }))
}

fn message(length: usize, head: &Head) -> Message {
    Message {
        length,
        method: head.method().to_owned(),
        target: head.target().to_vec(),
        minor: u8::from(head.version == pasarela_net::http1::Version::Http11),
        fields: head.fields().map(|(_, name, value)| (name.to_vec(), value.to_vec())).collect(),
    }
}

/// Heads that make parsers disagree far more often than chance would.
fn heads() -> impl Strategy<Value = Vec<u8>> {
    let piece = |pieces: &'static [&'static str]| prop::sample::select(pieces);
    let method = piece(&["GET", "POST", "M-SEARCH", "get", "G(T", "", "X_Y", "!#$%&'*+-.^`|~"]);
    let gap = piece(&[" ", " ", " ", " ", "  ", "\t", ""]);
    let target = piece(&[
        "/",
        "/a?b=c",
        "*",
        "http://h/x",
        "h:443",
        "/\"<>[]{}|\\^`",
        "/caf\u{e9}",
        "",
        "/a b",
        "/#f",
        "/\x7f",
    ]);
    let version = piece(&[
        "HTTP/1.1",
        "HTTP/1.1",
        "HTTP/1.0",
        "HTTP/2.0",
        "HTTP/1.2",
        "http/1.1",
        "HTTP/1.1 ",
    ]);
    let end = piece(&["\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\r\n", ""]);
    let name = piece(&[
        "Host",
        "Content-Length",
        "transfer-encoding",
        "X",
        "A_B",
        "A B",
        "",
        "A\0",
        "Cookie",
        "\u{e9}",
        " X",
        "\tX",
    ]);
    let colon = piece(&[":", ": ", ":\t", " :", "", "::", ": \t "]);
    let value = piece(&[
        "h",
        "5",
        "chunked",
        "",
        "a\tb",
        "caf\u{e9}",
        "a\rb",
        "a\0b",
        "\x7f",
        "x ",
        "a=1;b=2",
        "\"q\\\"\"",
        "\u{b}c",
    ]);
    let field = (name, colon, value, end.clone()).prop_map(|(n, c, v, e)| [n, c, v, e].concat());
    let line = (
        piece(&["", "", "", "\r\n", "\n"]),
        method,
        gap.clone(),
        target,
        gap,
        version,
        end.clone(),
    )
        .prop_map(|(a, b, c, d, e, f, g)| [a, b, c, d, e, f, g].concat());
    (line, prop::collection::vec(field, 0..5), end, any::<[u8; 3]>(), 0usize..400, 0u8..6).prop_map(
        |(line, fields, end, bytes, at, change)| {
            let mut head = [line.as_bytes(), fields.concat().as_bytes(), end.as_bytes()].concat();
            let at = at % (head.len() + 1);
            // Most heads stay as they were put together.
            match change {
                0 if at < head.len() => head[at] = bytes[0],
                1 => head.insert(at, bytes[1]),
                2 if at < head.len() => drop(head.remove(at)),
                _ => {}
            }
            head.extend_from_slice(b"rest");
            head
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn t01_what_we_accept_another_parser_reads_alike(bytes in heads()) {
        if let Ok(Some((length, head))) = ours(&bytes) {
            prop_assert_eq!(theirs(&bytes), Ok(Some(message(length, &head))));
        }
    }

    #[test]
    fn t01_what_another_parser_refuses_we_refuse(bytes in heads()) {
        if theirs(&bytes).is_err() {
            prop_assert!(!matches!(ours(&bytes), Ok(Some(_))), "accepted: {}", bytes.escape_ascii());
        }
    }
}

/// What that parser accepts and we do not, and why.
const STRICTER: &[(&str, &[u8], ParseError)] = &[
    ("lines that end in LF alone", b"GET / HTTP/1.1\nHost: h\n\n", ParseError::BareLineEnd),
    ("one line that ends in LF alone", b"GET / HTTP/1.1\r\nHost: h\n\r\n", ParseError::BareLineEnd),
    ("an empty line that is LF alone", b"\nGET / HTTP/1.1\r\n\r\n", ParseError::BareLineEnd),
    ("several empty lines first", b"\r\n\r\nGET / HTTP/1.1\r\n\r\n", ParseError::RequestLine),
    ("`_` in a name", b"GET / HTTP/1.1\r\nA_B: c\r\n\r\n", ParseError::FieldName),
    ("a target beyond ASCII", b"GET /caf\xc3\xa9 HTTP/1.1\r\n\r\n", ParseError::RequestLine),
    (
        "a method of more than 32 bytes",
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n\r\n",
        ParseError::RequestLine,
    ),
];

#[test]
fn t01_we_are_stricter_where_we_mean_to_be() {
    for (what, bytes, error) in STRICTER {
        assert!(matches!(theirs(bytes), Ok(Some(_))), "{what}: {:?}", theirs(bytes));
        assert_eq!(ours(bytes).err(), Some(*error), "{what}");
    }
}

#[test]
fn l06_l07_sizes_are_ours_alone_to_refuse() {
    let line = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(8192));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(101));
    let crumbs = format!("GET / HTTP/1.1\r\nCookie: a=b{}\r\n\r\n", "; c=d".repeat(100));
    let large = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(32 << 10));
    for (bytes, error) in [
        (line, ParseError::LineTooLong),
        (many, ParseError::TooLarge),
        (crumbs, ParseError::TooLarge),
        (large, ParseError::TooLarge),
    ] {
        assert!(matches!(theirs(bytes.as_bytes()), Ok(Some(_))));
        assert_eq!(ours(bytes.as_bytes()).err(), Some(error));
    }
}
