//! T5: no frame makes an HTTP/1.1 upstream see what no HTTP/1.1 client could have said.

use pasarela_testkit::{
    Gateway, H2Client, Upstream, eventually, flag, frame, indexed, literal, seconds,
};

use crate::gateway;

const SMUGGLED: &str = "x\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

/// A message that must never reach the upstream.
struct Message {
    name: String,
    block: Vec<u8>,
    /// DATA frames that follow, the last one with END_STREAM; none: HEADERS end the stream.
    data: Vec<Vec<u8>>,
    trailers: Option<Vec<u8>>,
    /// The protocol engine drops the offending part, or notices it after the answer: it may be
    /// served, if nothing of that part goes on.
    lenient: bool,
}

type Pair = (Vec<u8>, Vec<u8>);

fn pair(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Pair {
    (name.as_ref().to_vec(), value.as_ref().to_vec())
}

fn plain() -> Vec<Pair> {
    vec![
        pair(":method", "POST"),
        pair(":scheme", "http"),
        pair(":authority", "test"),
        pair(":path", "/t/x"),
    ]
}

fn block(fields: &[Pair]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| literal(name, value)).collect()
}

fn malformed() -> Vec<Message> {
    let mut all = Vec::new();
    let mut add = |name: String, fields: Vec<Pair>| {
        all.push(Message {
            name,
            block: block(&fields),
            data: Vec::new(),
            trailers: None,
            lenient: false,
        });
    };
    let with = |more: Pair| {
        let mut fields = plain();
        fields.push(more);
        fields
    };
    // RFC 9113 §8.2.1: bytes of names.
    for byte in (0u8..=0x20).chain([0x7f, 0x80, 0xa0, 0xff]).chain(*b"AZ\"(),/:;<=>?@[\\]{}") {
        let name = [b"x-", [byte].as_slice(), b"y"].concat();
        add(format!("a name with {byte:#04x}"), with((name, b"v".to_vec())));
    }
    for name in
        ["", "X-Upper", "x-uppeR", "Host", "Content-Length", " x", "x ", "x:", "x\r\ny", "x_y"]
    {
        add(format!("the name {name:?}"), with(pair(name, "v")));
    }
    add("a request as a name".into(), with(pair(format!("x: y\r\n{SMUGGLED}"), "v")));
    // Bytes of values.
    for byte in [b'\r', b'\n', 0] {
        for (at, value) in [
            ("first", vec![byte, b'v']),
            ("inside", vec![b'a', byte, b'b']),
            ("last", vec![b'v', byte]),
        ] {
            add(format!("a value with {byte:#04x} {at}"), with((b"x-a".to_vec(), value)));
        }
    }
    for value in [" v", "v ", "\tv", "v\t"] {
        add(format!("the value {value:?}"), with(pair("x-a", value)));
    }
    add("a request as a value".into(), with(pair("x-a", SMUGGLED)));
    add("a field as a value".into(), with(pair("x-a", "b\r\nTransfer-Encoding: chunked")));
    // §8.2.2: fields of a connection.
    for (name, value) in [
        ("connection", "close"),
        ("connection", "x-a"),
        ("connection", ""),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("transfer-encoding", ""),
        ("upgrade", "websocket"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
        ("te", "chunked"),
    ] {
        add(format!("{name}: {value}"), with(pair(name, value)));
    }
    // §8.3: pseudo-header fields.
    for missing in [0usize, 1, 3] {
        let mut fields = plain();
        let (name, _) = fields.remove(missing);
        add(format!("without {}", name.escape_ascii()), fields);
    }
    for twice in 0..4 {
        let mut fields = plain();
        fields.insert(twice, fields[twice].clone());
        add(format!("twice {}", fields[twice].0.escape_ascii()), fields);
        let mut fields = plain();
        let late = fields.remove(twice);
        fields.push(pair("x-a", "b"));
        fields.push(late);
        add(format!("late {}", fields[4].0.escape_ascii()), fields);
    }
    for (name, value) in [
        (":status", "200"),
        (":foo", "bar"),
        (":", "x"),
        (":Path", "/t/y"),
        (":protocol", "websocket"),
        (":host", "x"),
    ] {
        let mut fields = plain();
        fields.insert(0, pair(name, value));
        add(format!("{name}: {value}"), fields);
    }
    let changed = |at: usize, value: &str| {
        let mut fields = plain();
        fields[at].1 = value.as_bytes().to_vec();
        fields
    };
    for value in [
        "",
        " ",
        "G ET",
        "GET /t/x HTTP/1.1\r\nx: y",
        "GET\0",
        "GE\nT",
        "GET\t",
        "G(T",
        "\u{7f}",
        "GÉT",
    ] {
        add(format!(":method {value:?}"), changed(0, value));
    }
    for value in ["", " ", "ht tp", "http\r\n", "http://evil/?", "1http", "ht\0tp", "h:"] {
        add(format!(":scheme {value:?}"), changed(1, value));
    }
    for value in [
        "a b",
        "a\r\nx: y",
        "a\n",
        "a\0",
        "a/b",
        "user@a",
        "a?b",
        "a#b",
        "a, b",
        "a\\b",
        "a\u{7f}",
        "tést",
        "a:b:c",
        "[::1",
        "a:99999999",
    ] {
        add(format!(":authority {value:?}"), changed(2, value));
    }
    for value in [
        "",
        " ",
        "t/x",
        "*",
        "/t/ x",
        "/t/x HTTP/1.1",
        "/t/x HTTP/1.1\r\nx: y",
        "/t/x\r\n",
        "/t/x\n",
        "/t/\0",
        "/t/\t",
        "http://test/t/x",
        "\\t\\x",
        "/t/é",
        "/t/\u{7f}",
        " /t/x",
        "/t/x ",
        "?x",
    ] {
        add(format!(":path {value:?}"), changed(3, value));
    }
    // CONNECT has neither scheme nor path (§8.5), and is nothing for a gateway.
    let mut connect = plain();
    connect[0].1 = b"CONNECT".to_vec();
    add("CONNECT with a path".into(), connect.clone());
    connect.truncate(3);
    connect.remove(1);
    add("CONNECT".into(), connect);
    // §8.1.1: lengths that are none.
    for value in ["+5", "-5", "5,5", "5 5", "", "x", "0x5", "5.0", "18446744073709551621", "٥"] {
        let fields = block(&with(pair("content-length", value)));
        all.push(Message {
            name: format!("content-length {value:?}"),
            block: fields,
            data: vec![b"hello".to_vec()],
            trailers: None,
            lenient: false,
        });
    }
    let lengths = |values: &[&str], data: &[&[u8]]| Message {
        name: format!("content-length {values:?} and {data:?}"),
        block: block(
            &[plain(), values.iter().map(|v| pair("content-length", v)).collect()].concat(),
        ),
        data: data.iter().map(|data| data.to_vec()).collect(),
        trailers: None,
        lenient: values == ["0"],
    };
    all.push(lengths(&["5"], &[]));
    all.push(lengths(&["5"], &[b""]));
    all.push(lengths(&["5"], &[b"hell"]));
    all.push(lengths(&["5"], &[b"hello!"]));
    all.push(lengths(&["5"], &[b"hel", b"lo!"]));
    all.push(lengths(&["0"], &[b"x"]));
    all.push(lengths(&["0"], &[SMUGGLED.as_bytes()]));
    all.push(lengths(&["5", "6"], &[b"hello"]));
    all.push(lengths(&["6", "5"], &[b"hello!"]));
    // Trailers.
    for (name, value) in [
        (":path", "/t/y"),
        (":status", "200"),
        (":foo", "bar"),
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
        ("X-Upper", "v"),
        ("x-a", "b\r\nx: y"),
        ("x a", "b"),
    ] {
        all.push(Message {
            name: format!("trailer {name}: {value}"),
            block: block(&plain()),
            data: vec![b"hello".to_vec()],
            trailers: Some(literal(name, value)),
            lenient: name.starts_with(':'),
        });
    }
    all
}

fn send(h2: &mut H2Client, stream: u32, message: &Message) {
    let _ = h2.headers(stream, &message.block, message.data.is_empty());
    for (number, data) in message.data.iter().enumerate() {
        let last = number + 1 == message.data.len() && message.trailers.is_none();
        let _ = h2.data(stream, data, last);
    }
    if let Some(trailers) = &message.trailers {
        let _ = h2.headers(stream, trailers, true);
    }
}

#[test]
fn t05_malformed_messages_go_nowhere() {
    let messages = malformed();
    assert!(messages.len() >= 140, "{}", messages.len());
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).start();
    let mut wrong = Vec::new();
    for message in &messages {
        let mut h2 = gateway.connect_h2();
        let stream = h2.next_stream();
        let seen = upstream.requests().len();
        send(&mut h2, stream, message);
        let outcome = h2.outcome(stream, seconds(3));
        let refused = (400..=501).contains(&outcome.status)
            || outcome.reset.is_some()
            || h2.goaway.is_some()
            || h2.closed;
        if !refused && !message.lenient {
            wrong.push(format!("{}: {outcome:?}", message.name));
        }
        // The same connection goes on, or has ended: never half.
        if h2.goaway.is_none() && !h2.closed {
            let next = h2.get("/t/next");
            if next.status != 200 && h2.goaway.is_none() {
                wrong.push(format!("{}: then {next:?}", message.name));
            }
        }
        let more = upstream.requests().split_off(seen);
        for request in more {
            let clean = message.lenient && request.trailers.0.is_empty() && request.length <= 5;
            if request.target != "/next" && !clean {
                wrong.push(format!("{}: the upstream saw {}", message.name, request.text()));
            }
        }
    }
    wrong.extend(upstream.violations());
    assert!(
        wrong.is_empty(),
        "{} of {} are wrong:\n{}",
        wrong.len(),
        messages.len(),
        wrong.join("\n")
    );
}

#[test]
fn t05_odd_but_lawful_messages_pass_as_they_are() {
    let upstream = Upstream::echo();
    let gateway = gateway().api("t", &upstream).start();
    let mut h2 = gateway.connect_h2();
    let long = "v".repeat(20_000);
    for (name, value) in [
        ("x-a", ""),
        ("x-a", "b c\td"),
        ("x-a", "\u{ff}\u{80}"),
        ("x-a", "a,b;c=\"d\""),
        ("x-a", long.as_str()),
        ("!#$%&'*+-.^`|~09az", "token"),
        ("te", "trailers"),
    ] {
        let mut fields = plain();
        let value: Vec<u8> = value.chars().map(|c| u8::try_from(c).expect("latin")).collect();
        fields.push((name.into(), value));
        let stream = h2.next_stream();
        let _ = h2.headers(stream, &block(&fields), true);
        let outcome = h2.outcome(stream, seconds(3));
        assert_eq!(outcome.status, 200, "{name}: {outcome:?}");
    }
    assert_eq!(upstream.violations(), Vec::<String>::new());
}

/// Frames that end the connection (or, where the RFC leaves the choice, the stream).
fn unlawful() -> Vec<(&'static str, Vec<u8>)> {
    let get = block(&{
        let mut fields = plain();
        fields[0].1 = b"GET".to_vec();
        fields
    });
    let post = block(&plain());
    let end = flag::END_STREAM | flag::END_HEADERS;
    let f = H2Client::encode;
    let open = |stream: u32| f(frame::HEADERS, flag::END_HEADERS, stream, &post);
    let setting = |id: u16, value: u32| {
        f(frame::SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
    };
    let headers = |payload: &[u8]| f(frame::HEADERS, end, 1, payload);
    vec![
        ("DATA on stream 0", f(frame::DATA, 0, 0, b"x")),
        ("DATA on an idle stream", f(frame::DATA, 0, 1, b"x")),
        ("HEADERS on stream 0", f(frame::HEADERS, end, 0, &get)),
        ("HEADERS on an even stream", f(frame::HEADERS, end, 2, &get)),
        ("a stream number going back", [open(5), f(frame::HEADERS, end, 3, &get)].concat()),
        ("RST_STREAM on stream 0", f(frame::RST_STREAM, 0, 0, &[0; 4])),
        ("RST_STREAM on an idle stream", f(frame::RST_STREAM, 0, 1, &[0; 4])),
        ("RST_STREAM of 3 bytes", [open(1), f(frame::RST_STREAM, 0, 1, &[0; 3])].concat()),
        ("RST_STREAM of 5 bytes", [open(1), f(frame::RST_STREAM, 0, 1, &[0; 5])].concat()),
        ("SETTINGS of 5 bytes", f(frame::SETTINGS, 0, 0, &[0; 5])),
        ("SETTINGS on a stream", f(frame::SETTINGS, 0, 1, &[])),
        ("SETTINGS ACK with a payload", f(frame::SETTINGS, flag::ACK, 0, &[0; 6])),
        ("ENABLE_PUSH 2", setting(2, 2)),
        ("INITIAL_WINDOW_SIZE 2^31", setting(4, 1 << 31)),
        ("MAX_FRAME_SIZE 16383", setting(5, 16_383)),
        ("MAX_FRAME_SIZE 2^24", setting(5, 1 << 24)),
        ("PING of 7 bytes", f(frame::PING, 0, 0, &[0; 7])),
        ("PING of 9 bytes", f(frame::PING, 0, 0, &[0; 9])),
        ("PING on a stream", f(frame::PING, 0, 1, &[0; 8])),
        ("GOAWAY on a stream", f(frame::GOAWAY, 0, 1, &[0; 8])),
        ("WINDOW_UPDATE of 0", f(frame::WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("WINDOW_UPDATE of 3 bytes", f(frame::WINDOW_UPDATE, 0, 0, &[0, 0, 1])),
        (
            "WINDOW_UPDATE past 2^31",
            f(frame::WINDOW_UPDATE, 0, 0, &[0x7f, 255, 255, 255]).repeat(2),
        ),
        ("WINDOW_UPDATE on an idle stream", f(frame::WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])),
        (
            "PUSH_PROMISE",
            [open(1), f(frame::PUSH_PROMISE, flag::END_HEADERS, 1, &[0, 0, 0, 2, 0x82])].concat(),
        ),
        ("CONTINUATION first", f(frame::CONTINUATION, flag::END_HEADERS, 1, &get)),
        (
            "CONTINUATION after END_HEADERS",
            [open(1), f(frame::CONTINUATION, flag::END_HEADERS, 1, &get)].concat(),
        ),
        (
            "DATA inside a header block",
            [f(frame::HEADERS, 0, 1, &get), f(frame::DATA, 0, 1, b"x")].concat(),
        ),
        (
            "PING inside a header block",
            [f(frame::HEADERS, 0, 1, &get), f(frame::PING, 0, 0, &[0; 8])].concat(),
        ),
        (
            "another stream inside a header block",
            [f(frame::HEADERS, 0, 1, &get), f(frame::HEADERS, end, 3, &get)].concat(),
        ),
        (
            "an unknown frame inside a header block",
            [f(frame::HEADERS, 0, 1, &get), f(0xfa, 0, 1, b"x")].concat(),
        ),
        (
            "CONTINUATION of another stream",
            [f(frame::HEADERS, 0, 1, &get), f(frame::CONTINUATION, flag::END_HEADERS, 3, &get)]
                .concat(),
        ),
        (
            "padding longer than DATA",
            [open(1), f(frame::DATA, flag::PADDED, 1, &[9, b'x'])].concat(),
        ),
        ("padding longer than HEADERS", f(frame::HEADERS, end | flag::PADDED, 1, &[200, 0x82])),
        ("a frame past 16 KiB", [open(1), f(frame::DATA, 0, 1, &[0; 16_385])].concat()),
        ("HEADERS past 16 KiB", f(frame::HEADERS, end, 1, &[0; 20_000])),
        ("HPACK index 0", headers(&[0x80])),
        ("HPACK index past the tables", headers(&[0xff, 0x20])),
        ("HPACK index without end", headers(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
        ("HPACK literal cut short", headers(&[0x00, 0x05, b'a'])),
        ("HPACK length past the block", headers(&[0x00, 0x7f, 0xff, 0xff, 0x07])),
        ("HPACK table past its limit", headers(&[&[0x3f, 0xe1, 0xff, 0x03][..], &get].concat())),
        ("HPACK table size after fields", headers(&[&get[..], &[0x20]].concat())),
        ("Huffman with the end symbol", headers(&[0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x01, b'v'])),
        ("Huffman with long padding", headers(&[0x00, 0x82, 0x1f, 0xff, 0x01, b'v'])),
        ("Huffman padded with zeros", headers(&[0x00, 0x81, 0x18, 0x01, b'v'])),
        ("an empty HEADERS", headers(&[])),
        ("HTTP/1.1 after the preface", b"GET /t/x HTTP/1.1\r\nHost: test\r\n\r\n".to_vec()),
        ("noise", (0..=255).rev().collect()),
        ("a second HEADERS that does not end the stream", [open(1), open(1)].concat()),
        (
            "DATA after the end",
            [f(frame::HEADERS, end, 1, &get), f(frame::DATA, 0, 1, b"x")].concat(),
        ),
    ]
}

fn serves_on(gateway: &Gateway) -> bool {
    gateway.connect_h2().get("/t/good").status == 200
}

#[test]
fn t05_unlawful_frames_end_the_connection_or_the_stream() {
    let upstream = Upstream::script(|conn| {
        loop {
            let request = conn.request()?;
            if request.target != "/good" {
                // The frames under test must not be overtaken by the answer.
                conn.pause(std::time::Duration::from_millis(100));
            }
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
    });
    let gateway = gateway().api("t", &upstream).start();
    let mut wrong = Vec::new();
    for (name, bytes) in unlawful() {
        let mut h2 = gateway.connect_h2();
        h2.pump(seconds(2), |client| !client.settings.is_empty());
        let _ = h2.raw(&bytes);
        let ended = h2.pump(seconds(3), |client| {
            client.goaway.is_some()
                || client.closed
                || (1..=5).any(|stream| {
                    client.so_far(stream).reset.is_some() || client.so_far(stream).status >= 400
                })
        });
        if !ended {
            wrong.push(format!("{name}: {:?}", h2.so_far(1)));
        }
    }
    for (name, preface) in [
        ("a preface with a fault", &b"PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n"[..]),
        ("a preface in lower case", b"pri * http/2.0\r\n\r\nsm\r\n\r\n"),
    ] {
        let mut h2 = H2Client::bare(gateway.address());
        let _ = h2.raw(preface);
        if !h2.pump(seconds(3), |client| client.closed || client.goaway.is_some()) {
            wrong.push(name.to_owned());
        }
    }
    assert!(serves_on(&gateway));
    wrong.extend(upstream.violations());
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn t05_what_is_unknown_is_ignored() {
    let upstream = Upstream::echo();
    let gateway = gateway().api("t", &upstream).start();
    let mut h2 = gateway.connect_h2();
    let _ = h2.frame(0xfa, 0xff, 0, b"unknown frames are skipped");
    let _ = h2.frame(frame::SETTINGS, 0, 0, &[0xfa, 0xfa, 0, 0, 0, 1]);
    let _ = h2.frame(frame::PRIORITY, 0, 3, &[0, 0, 0, 1, 7]);
    // Padding, priority, a block in single-byte CONTINUATIONs, all at once.
    let mut fields = plain();
    fields[0].1 = b"GET".to_vec();
    let fields = block(&fields);
    let payload = [&[2u8][..], &[0, 0, 0, 0, 9], &fields[..fields.len() - 4], &[0, 0]].concat();
    let _ = h2.frame(frame::HEADERS, flag::END_STREAM | flag::PADDED | flag::PRIORITY, 1, &payload);
    let _ = h2.frame(frame::CONTINUATION, 0, 1, &fields[fields.len() - 4..fields.len() - 1]);
    let _ = h2.frame(frame::CONTINUATION, flag::END_HEADERS, 1, &fields[fields.len() - 1..]);
    let outcome = h2.outcome(1, seconds(3));
    assert_eq!(outcome.status, 200, "{outcome:?}");
    // Static indices and names from the table.
    let _ = h2.next_stream();
    let stream = h2.next_stream();
    let mut fields = [indexed(2), indexed(6)].concat();
    fields.extend([0x01, 4]);
    fields.extend(b"test");
    fields.extend([0x04, 4]);
    fields.extend(b"/t/y");
    let _ = h2.headers(stream, &fields, true);
    assert_eq!(h2.outcome(stream, seconds(3)).status, 200);
    assert!(eventually(seconds(1), || upstream.requests().len() == 2));
    assert_eq!(upstream.violations(), Vec::<String>::new());
}
