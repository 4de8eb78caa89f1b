//! What each frame does: lawful, unlawful for its stream, unlawful for the connection (T5, T37–T40).

use super::{
    super::frame::{Reason, number, setting},
    *,
};

/// What becomes of a connection.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// It goes on, and so many requests were read.
    Served(usize),
    /// A stream was reset.
    Reset(u32, Reason),
    /// It ends.
    Ended(Reason),
}
use Fate::{Ended, Reset, Served};
use Reason::{Calm, Compression, FlowControl, FrameSize, Protocol, RefusedStream, StreamClosed};

fn fate(world: &mut World) -> Fate {
    let sent = world.take();
    let code = |payload: &[u8]| {
        [
            Reason::NoError,
            Protocol,
            Reason::Internal,
            FlowControl,
            StreamClosed,
            FrameSize,
            RefusedStream,
            Reason::Cancel,
            Compression,
            Calm,
        ]
        .into_iter()
        .find(|reason| *reason as u32 == number(payload))
        .expect("a code of ours")
    };
    if let Some((_, payload)) = sent.iter().find(|(head, _)| head.kind == kind::GOAWAY) {
        assert!(world.connection.failed().is_some());
        return Ended(code(&payload[4..]));
    }
    match sent.iter().find(|(head, _)| head.kind == kind::RST_STREAM) {
        Some((head, payload)) => Reset(head.stream, code(payload)),
        None => Served(world.requests.len()),
    }
}

/// Hands a fresh connection these bytes, at once and byte by byte.
fn check(name: &str, bytes: &[u8], expected: &Fate) {
    for piece in [bytes.len().max(1), 1] {
        let mut world = World::new();
        for piece in bytes.chunks(piece) {
            world.hear(piece);
        }
        assert_eq!(fate(&mut world), *expected, "{name}, {piece} bytes at a time");
        if *expected != Served(world.requests.len()) && world.connection.failed().is_some() {
            assert!(world.requests.iter().all(|key| world.connection.is_gone(*key)), "{name}");
        } else {
            // It goes on.
            world.hear(&[request(999), frame(kind::PING, 0, 0, b"12345678")].concat());
            let pong = world.take().iter().any(|(head, _)| head.kind == kind::PING);
            assert!(pong, "{name}: it does not go on");
        }
    }
}

fn table(cases: &[(&str, Vec<u8>, Fate)]) -> usize {
    cases.iter().for_each(|(name, bytes, fate)| check(name, bytes, fate));
    cases.len()
}

#[test]
fn t05_frames_are_taken_or_refused_one_by_one() {
    let f = frame;
    let all = [
        frames_and_streams(),
        data(),
        control(),
        vec![
            ("an unknown frame", f(0xfa, 0xff, 0, b"ignored"), Served(0)),
            ("an unknown frame on a stream", [opening(1), f(0x10, 0, 1, b"x")].concat(), Served(1)),
            (
                "PUSH_PROMISE",
                [opening(1), f(kind::PUSH_PROMISE, flag::END_HEADERS, 1, &[0, 0, 0, 2, 0x82])]
                    .concat(),
                Ended(Protocol),
            ),
            ("GOAWAY", f(kind::GOAWAY, 0, 0, &[0; 8]), Served(0)),
            ("GOAWAY with words", f(kind::GOAWAY, 0, 0, &[0; 30]), Served(0)),
            ("GOAWAY on a stream", f(kind::GOAWAY, 0, 1, &[0; 8]), Ended(Protocol)),
            ("GOAWAY of seven bytes", f(kind::GOAWAY, 0, 0, &[0; 7]), Ended(FrameSize)),
        ],
    ];
    let count: usize = all.iter().map(|cases| table(cases)).sum();
    assert!(count >= 70, "{count}");
}

fn frames_and_streams() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let f = frame;
    let (headers, go_on) = (kind::HEADERS, kind::CONTINUATION);
    let padded = |padding: u8, more: usize| {
        let mut payload = vec![padding];
        payload.extend(get());
        payload.extend(vec![0; more]);
        f(headers, END | flag::PADDED, 1, &payload)
    };
    let priority = [&[0x80, 0, 0, 0, 7][..], &get()].concat();
    let cut = |at: usize| (get()[..at].to_vec(), get()[at..].to_vec());
    let (first, second) = cut(9);
    let split = [f(headers, 1, 1, &first), f(go_on, flag::END_HEADERS, 1, &second)].concat();
    let crumbs = |many: usize| {
        let mut out = f(headers, 1, 1, &get());
        (1..many).for_each(|_| out.extend(f(go_on, 0, 1, &[])));
        out.extend(f(go_on, flag::END_HEADERS, 1, &[]));
        out
    };
    vec![
        ("a request", request(1), Served(1)),
        ("two requests", [request(1), request(3)].concat(), Served(2)),
        ("numbers may be left out", [request(7), request(101)].concat(), Served(2)),
        ("HEADERS on stream 0", f(headers, END, 0, &get()), Ended(Protocol)),
        ("HEADERS on an even stream", f(headers, END, 2, &get()), Ended(Protocol)),
        ("a number that falls", [request(5), request(3)].concat(), Ended(Protocol)),
        ("a number twice", [request(5), request(5)].concat(), Reset(5, StreamClosed)),
        ("padding", padded(3, 3), Served(1)),
        ("no padding", padded(0, 0), Served(1)),
        ("padding past the block", padded(200, 0), Ended(Protocol)),
        ("padded and empty", f(headers, END | flag::PADDED, 1, &[]), Ended(FrameSize)),
        ("a priority", f(headers, END | flag::PRIORITY, 1, &priority), Served(1)),
        ("half a priority", f(headers, END | flag::PRIORITY, 1, &[0; 4]), Ended(Protocol)),
        ("a block in two frames", split, Served(1)),
        ("a block in many frames", crumbs(15), Served(1)),
        ("a block in too many frames", crumbs(17), Ended(Calm)),
        ("an empty block", f(headers, END, 1, &[]), Reset(1, Protocol)),
        ("a frame that is too large", f(headers, END, 1, &[0; 16_385]), Ended(FrameSize)),
        ("an unknown frame that is too large", f(0xfa, 0, 0, &[0; 16_385]), Ended(FrameSize)),
        ("CONTINUATION first", f(go_on, flag::END_HEADERS, 1, &get()), Ended(Protocol)),
        ("CONTINUATION too late", [request(1), f(go_on, 4, 1, &[])].concat(), Ended(Protocol)),
        (
            "CONTINUATION of another stream",
            [f(headers, 1, 1, &first), f(go_on, 4, 3, &second)].concat(),
            Ended(Protocol),
        ),
        (
            "CONTINUATION of stream 0",
            [f(headers, 1, 1, &first), f(go_on, 4, 0, &second)].concat(),
            Ended(Protocol),
        ),
        (
            "DATA within a block",
            [f(headers, 0, 1, &get()), f(kind::DATA, 0, 1, b"x")].concat(),
            Ended(Protocol),
        ),
        (
            "PING within a block",
            [f(headers, 0, 1, &get()), f(kind::PING, 0, 0, &[0; 8])].concat(),
            Ended(Protocol),
        ),
        (
            "an unknown frame within a block",
            [f(headers, 0, 1, &get()), f(0xfa, 0, 1, &[])].concat(),
            Ended(Protocol),
        ),
        (
            "HEADERS within a block",
            [f(headers, 0, 1, &get()), request(3)].concat(),
            Ended(Protocol),
        ),
        ("no HPACK", f(headers, END, 1, &[0x80]), Ended(Compression)),
        ("half a field", f(headers, END, 1, &[0, 5, b'a']), Ended(Compression)),
        (
            "no HPACK in trailers",
            [opening(1), f(headers, END, 1, &[0xff])].concat(),
            Ended(Compression),
        ),
        ("trailers", [opening(1), f(headers, END, 1, &field("x", "1"))].concat(), Served(1)),
        ("trailers without fields", [opening(1), f(headers, END, 1, &[])].concat(), Served(1)),
        (
            "trailers that do not end the stream",
            [opening(1), f(headers, flag::END_HEADERS, 1, &field("x", "1"))].concat(),
            Reset(1, Protocol),
        ),
        (
            "a pseudo-header field in trailers",
            [opening(1), f(headers, END, 1, &field(":path", "/x"))].concat(),
            Reset(1, Protocol),
        ),
        (
            "a capital letter in trailers",
            [opening(1), f(headers, END, 1, &field("X", "1"))].concat(),
            Reset(1, Protocol),
        ),
        (
            "trailers that are too large",
            [opening(1), f(headers, END, 1, &field("x", "v").repeat(21))].concat(),
            Reset(1, Calm),
        ),
        (
            "one stream too many",
            (0..11).flat_map(|n| request(2 * n + 1)).collect(),
            Reset(21, RefusedStream),
        ),
    ]
}

fn data() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let f = frame;
    let d = |flags, stream, payload: &[u8]| f(kind::DATA, flags, stream, payload);
    let with = |length: &str| {
        let fields = [&GET[..], &[("content-length", length)]].concat();
        f(kind::HEADERS, flag::END_HEADERS, 1, &block(&fields))
    };
    let after = |first: Vec<u8>, rest: &[Vec<u8>]| [first, rest.concat()].concat();
    let full = d(0, 1, &[0; 16_384]);
    vec![
        ("DATA", after(opening(1), &[d(0, 1, b"x"), d(1, 1, b"y")]), Served(1)),
        ("empty DATA at the end", after(opening(1), &[d(1, 1, b"")]), Served(1)),
        ("padded DATA", after(opening(1), &[d(9, 1, b"\x03xyz\0\0\0")]), Served(1)),
        ("DATA of padding alone", after(opening(1), &[d(8, 1, b"\x02\0\0")]), Served(1)),
        ("padding past DATA", after(opening(1), &[d(8, 1, b"\x09x")]), Ended(Protocol)),
        ("as much padding as DATA", after(opening(1), &[d(8, 1, b"\x02\0")]), Ended(Protocol)),
        ("padded DATA and empty", after(opening(1), &[d(8, 1, b"")]), Ended(FrameSize)),
        ("DATA on stream 0", d(0, 0, b"x"), Ended(Protocol)),
        ("DATA on an idle stream", d(0, 1, b"x"), Ended(Protocol)),
        ("DATA on an even stream", after(request(9), &[d(0, 2, b"x")]), Ended(Protocol)),
        ("DATA after the end", after(request(1), &[d(0, 1, b"x")]), Reset(1, StreamClosed)),
        (
            "DATA after the end's DATA",
            after(opening(1), &[d(1, 1, b""), d(1, 1, b"x")]),
            Reset(1, StreamClosed),
        ),
        (
            "DATA after trailers",
            after(opening(1), &[f(kind::HEADERS, END, 1, &[]), d(1, 1, b"x")]),
            Reset(1, StreamClosed),
        ),
        (
            "DATA after a reset",
            after(opening(1), &[f(kind::RST_STREAM, 0, 1, &[0; 4]), d(0, 1, b"x")]),
            Reset(1, StreamClosed),
        ),
        (
            "HEADERS after a reset",
            after(opening(1), &[f(kind::RST_STREAM, 0, 1, &[0; 4]), request(1)]),
            Ended(StreamClosed),
        ),
        ("DATA that is too large", after(opening(1), &[d(0, 1, &[0; 16_385])]), Ended(FrameSize)),
        ("as much DATA as the window", after(opening(1), &[full.repeat(4)]), Served(1)),
        (
            "more DATA than the window",
            after(opening(1), &[full.repeat(4), d(0, 1, b"x")]),
            Reset(1, FlowControl),
        ),
        ("DATA without data", after(opening(1), &[d(0, 1, b"").repeat(10)]), Served(1)),
        (
            "DATA without data, again and again",
            after(opening(1), &[d(0, 1, b"").repeat(11)]),
            Ended(Calm),
        ),
        ("a length that is kept", after(with("5"), &[d(0, 1, b"hel"), d(1, 1, b"lo")]), Served(1)),
        (
            "a length that is kept with trailers",
            after(with("1"), &[d(0, 1, b"x"), f(kind::HEADERS, END, 1, &[])]),
            Served(1),
        ),
        ("less than the length", after(with("5"), &[d(1, 1, b"hell")]), Reset(1, Protocol)),
        ("more than the length", after(with("5"), &[d(0, 1, b"hello!")]), Reset(1, Protocol)),
        (
            "less than the length, and trailers",
            after(with("5"), &[f(kind::HEADERS, END, 1, &[])]),
            Reset(1, Protocol),
        ),
    ]
}

fn control() -> Vec<(&'static str, Vec<u8>, Fate)> {
    let f = frame;
    let reset = |stream, payload: &[u8]| f(kind::RST_STREAM, 0, stream, payload);
    let ping = f(kind::PING, 0, 0, &[7; 8]);
    let calm = |one: &[u8], many: usize| one.repeat(many);
    vec![
        ("RST_STREAM", [opening(1), reset(1, &[0; 4])].concat(), Served(1)),
        ("RST_STREAM twice", [opening(1), reset(1, &[0; 4]).repeat(2)].concat(), Served(1)),
        ("RST_STREAM with an unknown code", [opening(1), reset(1, &[9; 4])].concat(), Served(1)),
        ("RST_STREAM on stream 0", reset(0, &[0; 4]), Ended(Protocol)),
        ("RST_STREAM on an idle stream", reset(1, &[0; 4]), Ended(Protocol)),
        ("RST_STREAM of three bytes", [opening(1), reset(1, &[0; 3])].concat(), Ended(FrameSize)),
        ("RST_STREAM of five bytes", [opening(1), reset(1, &[0; 5])].concat(), Ended(FrameSize)),
        (
            "resets",
            (0..20)
                .flat_map(|n| [request(2 * n + 1), reset(2 * n + 1, &[0; 4])].concat())
                .collect(),
            Ended(Calm),
        ),
        ("PRIORITY", f(kind::PRIORITY, 0, 9, &[0, 0, 0, 3, 7]), Served(0)),
        ("PRIORITY on itself", f(kind::PRIORITY, 0, 9, &[0, 0, 0, 9, 7]), Served(0)),
        ("PRIORITY on stream 0", f(kind::PRIORITY, 0, 0, &[0; 5]), Ended(Protocol)),
        (
            "PRIORITY of four bytes",
            [opening(1), f(kind::PRIORITY, 0, 1, &[0; 4])].concat(),
            Reset(1, FrameSize),
        ),
        (
            "PRIORITY of six bytes on an idle stream",
            f(kind::PRIORITY, 0, 1, &[0; 6]),
            Ended(FrameSize),
        ),
        ("PRIORITY, again and again", calm(&f(kind::PRIORITY, 0, 9, &[0; 5]), 31), Ended(Calm)),
        (
            "SETTINGS",
            settings(&[(setting::ENABLE_PUSH, 0), (setting::MAX_FRAME_SIZE, 16_384)]),
            Served(0),
        ),
        ("unknown SETTINGS", settings(&[(0xfafa, 7)]), Served(0)),
        ("SETTINGS on a stream", f(kind::SETTINGS, 0, 1, &[]), Ended(Protocol)),
        ("SETTINGS of five bytes", f(kind::SETTINGS, 0, 0, &[0; 5]), Ended(FrameSize)),
        ("SETTINGS ACK", f(kind::SETTINGS, flag::ACK, 0, &[]), Served(0)),
        ("SETTINGS ACK with values", f(kind::SETTINGS, flag::ACK, 0, &[0; 6]), Ended(FrameSize)),
        ("SETTINGS, again and again", calm(&settings(&[]), 31), Ended(Calm)),
        ("ENABLE_PUSH 2", settings(&[(setting::ENABLE_PUSH, 2)]), Ended(Protocol)),
        (
            "INITIAL_WINDOW_SIZE 2^31-1",
            settings(&[(setting::INITIAL_WINDOW_SIZE, 0x7fff_ffff)]),
            Served(0),
        ),
        (
            "INITIAL_WINDOW_SIZE 2^31",
            settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 31)]),
            Ended(FlowControl),
        ),
        (
            "INITIAL_WINDOW_SIZE that is too much for a stream",
            [
                request(1),
                window(1, 0x7fff_0000),
                settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 20)]),
            ]
            .concat(),
            Ended(FlowControl),
        ),
        ("MAX_FRAME_SIZE 16383", settings(&[(setting::MAX_FRAME_SIZE, 16_383)]), Ended(Protocol)),
        ("MAX_FRAME_SIZE 2^24", settings(&[(setting::MAX_FRAME_SIZE, 1 << 24)]), Ended(Protocol)),
        ("PING", ping.clone(), Served(0)),
        ("PING ACK unasked", f(kind::PING, flag::ACK, 0, &[0; 8]), Served(0)),
        ("PING on a stream", f(kind::PING, 0, 1, &[0; 8]), Ended(Protocol)),
        ("PING of seven bytes", f(kind::PING, 0, 0, &[0; 7]), Ended(FrameSize)),
        ("PING of nine bytes", f(kind::PING, 0, 0, &[0; 9]), Ended(FrameSize)),
        ("PING, again and again", calm(&ping, 31), Ended(Calm)),
        ("unknown frames, again and again", calm(&f(0xfa, 0, 0, b"x"), 31), Ended(Calm)),
        ("WINDOW_UPDATE", [request(1), window(0, 1), window(1, 1)].concat(), Served(1)),
        ("WINDOW_UPDATE of 0", window(0, 0), Ended(Protocol)),
        ("WINDOW_UPDATE of 0 on a stream", [request(1), window(1, 0)].concat(), Reset(1, Protocol)),
        ("WINDOW_UPDATE of three bytes", f(kind::WINDOW_UPDATE, 0, 0, &[0; 3]), Ended(FrameSize)),
        ("WINDOW_UPDATE past 2^31-1", window(0, 0x7fff_ffff), Ended(FlowControl)),
        (
            "WINDOW_UPDATE past 2^31-1 on a stream",
            [request(1), window(1, 0x7fff_ffff)].concat(),
            Reset(1, FlowControl),
        ),
        ("WINDOW_UPDATE on an idle stream", window(1, 1), Ended(Protocol)),
        ("WINDOW_UPDATE on an even stream", [request(9), window(2, 1)].concat(), Ended(Protocol)),
        (
            "WINDOW_UPDATE after a reset",
            [request(1), reset(1, &[0; 4]), window(1, 1)].concat(),
            Served(1),
        ),
    ]
}

#[test]
fn t05_requests_are_malformed_or_not() {
    let replaced = |name: &str, value: &str| {
        let with =
            |(n, v): (&'static str, &'static str)| field(n, if n == name { value } else { v });
        GET.into_iter().flat_map(with).collect::<Vec<u8>>()
    };
    let without = |name: &str| block(&GET.into_iter().filter(|f| f.0 != name).collect::<Vec<_>>());
    let with = |name: &str, value: &str| [get(), field(name, value)].concat();
    let good = [
        get(),
        without(":authority"),
        replaced(":scheme", "https"),
        replaced(":method", "M-SEARCH"),
        replaced(":path", "/a?b#c"),
        block(&[(":method", "OPTIONS"), (":scheme", "http"), (":path", "*")]),
        block(&[(":method", "CONNECT"), (":authority", "h:443")]),
        with("x-a", ""),
        with("x-a", "b c\td"),
        with("te", "trailers"),
        with("!#$%&'*+-.^`|~09az", "v"),
        [get(), field("x-a", "\u{ff}")].concat(),
        [get(), vec![0x00, 1, b'x', 2, 0x80, 0xff]].concat(),
        with("host", "H"),
        with("content-length", "0"),
    ];
    for block in &good {
        check(&block.escape_ascii().to_string(), &frame(kind::HEADERS, END, 1, block), &Served(1));
    }
    let mut bad = vec![
        without(":method"),
        without(":scheme"),
        without(":path"),
        with(":status", "200"),
        [field(":status", "200"), get()].concat(),
        [field(":protocol", "websocket"), get()].concat(),
        [get(), field("x", "y"), field(":path", "/")].concat(),
        block(&[("x", "y")]),
        block(&[(":method", "CONNECT"), (":authority", "h"), (":path", "/")]),
        block(&[(":method", "CONNECT")]),
        replaced(":path", "*"),
    ];
    for (name, _) in GET {
        bad.push([get(), field(name, "x")].concat());
        bad.push([block(&GET[..1]), field(":method", "PUT"), block(&GET[1..])].concat());
    }
    for method in ["", "G ET", "G\tET", "G(T", "GET\0", "GÉT", &"M".repeat(65)] {
        bad.push(replaced(":method", method));
    }
    for scheme in ["", " ", "1http", "ht tp", "h:", "http\n"] {
        bad.push(replaced(":scheme", scheme));
    }
    for path in ["", " ", "x", "?x", "http://h/", "/ ", "/a b", "/\0", "/é", "/\u{7f}", "/\r\nx: y"]
    {
        bad.push(replaced(":path", path));
    }
    for authority in ["", " h", "h ", "h\r\n", "h\0", "\u{7f}"] {
        bad.push(replaced(":authority", authority));
    }
    for name in ["", "X", "x y", "x:", ":", "x_y", "x\0", "é", "(", "x\r\ny"] {
        bad.push(with(name, "v"));
    }
    for value in [" v", "v ", "\tv", "v\t", "a\0b", "a\rb", "a\nb", "\u{7f}", "a\u{1}"] {
        bad.push(with("x-a", value));
    }
    for (name, value) in [
        ("connection", "close"),
        ("keep-alive", "5"),
        ("proxy-connection", "x"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
    ] {
        bad.push(with(name, value));
    }
    for length in ["", "+5", "-5", "5,5", "5 5", "0x5", "5.0", "99999999999999999999", "5"] {
        bad.push(with("content-length", length));
    }
    bad.push([with("content-length", "0"), field("content-length", "0")].concat());
    assert!(good.len() + bad.len() >= 80, "{}", good.len() + bad.len());
    for block in &bad {
        let expected = Reset(1, Protocol);
        check(&block.escape_ascii().to_string(), &frame(kind::HEADERS, END, 1, block), &expected);
    }
}

#[test]
fn t37_heads_have_a_size_and_what_is_too_large_is_told() {
    use super::super::request::Trouble;
    let trouble = |fields: Vec<u8>| {
        let mut world = World::new();
        world.hear(&frame(kind::HEADERS, END, 1, &fields));
        assert_eq!(world.requests.len(), 1);
        let mut head = Head::default();
        let trouble = world.connection.take_head(&mut head);
        assert!(head.fields().map(|(_, n, v)| n.len() + v.len()).sum::<usize>() <= 1000);
        trouble
    };
    let more = |name: &str, value: &str, many| [get(), field(name, value).repeat(many)].concat();
    // The authority is a field of its own.
    assert_eq!(trouble(more("x", "v", 19)), None);
    assert_eq!(trouble(more("x", "v", 20)), Some(Trouble::TooLarge));
    assert_eq!(trouble(more("cookie", "a=b", 19)), None);
    assert_eq!(trouble(more("cookie", "a=b", 20)), Some(Trouble::TooLarge));
    assert_eq!(trouble(more("cookie", &"a;".repeat(18), 1)), None);
    assert_eq!(trouble(more("cookie", &"a;".repeat(19), 1)), Some(Trouble::TooLarge));
    assert_eq!(trouble(more("x", &"v".repeat(200), 4)), None);
    assert_eq!(trouble(more("x", &"v".repeat(250), 4)), Some(Trouble::TooLarge));
    let path = |length: usize| {
        let path = format!("/{}", "p".repeat(length - 1));
        trouble(block(&[(":method", "GET"), (":scheme", "http"), (":path", &path)]))
    };
    assert_eq!(path(100), None);
    assert_eq!(path(101), Some(Trouble::PathTooLong));
    let odd = block(&[(":method", "GET"), (":scheme", "ftp"), (":path", "/")]);
    assert_eq!(trouble(odd), Some(Trouble::Scheme));
}

#[test]
fn a_request_is_what_it_says() {
    let mut world = World::new();
    let fields = [
        block(&[
            (":path", "/p?q"),
            (":method", "POST"),
            (":authority", "Host"),
            (":scheme", "https"),
        ]),
        block(&[("cookie", "a=b"), ("x-a", "1"), ("cookie", "c=d"), ("host", "hOST")]),
    ];
    world.hear(&frame(kind::HEADERS, END, 1, &fields.concat()));
    let head = world.head();
    assert_eq!((head.method(), head.target()), ("POST", &b"/p?q"[..]));
    let seen: Vec<_> = head.fields().map(|(_, name, value)| (name, value)).collect();
    let expected: [(&[u8], &[u8]); 3] =
        [(b"host", b"Host"), (b"x-a", b"1"), (b"cookie", b"a=b; c=d")];
    assert_eq!(seen, expected);
}

#[test]
fn what_comes_first_is_the_preface_and_then_settings() {
    let hello = [PREFACE, &settings(&[])].concat();
    for (bytes, good) in [
        (hello.clone(), true),
        ([&hello[..], &request(1)].concat(), true),
        (b"PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n".to_vec(), false),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), false),
        ([PREFACE, &request(1)].concat(), false),
        ([PREFACE, &frame(kind::SETTINGS, flag::ACK, 0, &[])].concat(), false),
        ([PREFACE, &frame(kind::PING, 0, 0, &[0; 8])].concat(), false),
        ([PREFACE, b"GET / HTTP/1.1\r\n\r\n"].concat(), false),
    ] {
        for piece in [1, 10, bytes.len()] {
            let mut world = World::silent(SETTINGS);
            bytes.chunks(piece).for_each(|piece| world.hear(piece));
            assert_eq!(world.connection.failed().is_none(), good, "{}", bytes.escape_ascii());
        }
    }
}
