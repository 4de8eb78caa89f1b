//! Request smuggling against the zoo (T1): some two thousand spellings of lengths and chunks, each with
//! a hidden request inside. No server behind the gateway may see a request that the client did not
//! own: its log holds exactly the markers of what was accepted.

use std::{collections::BTreeMap, net::SocketAddr, thread, time::Duration};

use crate::{
    harness::Gateway,
    http1::{Answer, Connection, NoAnswer, show},
    zoo_servers::{Kind, Server},
};

/// What the gateway has to make of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Both requests are good: two answers, two requests upstream.
    Good,
    /// Refused before anything goes upstream, and the connection closed.
    Refused,
    /// The head is good, the body turns out not to be: the first request may have begun upstream, and
    /// nothing else ever does.
    Cut,
    /// RFC 9112 leaves a choice: as [`Verdict::Good`] or as [`Verdict::Refused`].
    GoodOrRefused,
    /// The same, where the fault is found only in the body.
    GoodOrCut,
}

struct Case {
    id: usize,
    bytes: Vec<u8>,
    verdict: Verdict,
}

/// Numbers the cases and puts their markers in.
#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    /// `head` is everything before the empty line, without the last line end; in it and in `body`,
    /// `ID` stands for the marker. A request that would be innocent on its own follows.
    fn add(&mut self, verdict: Verdict, head: &[u8], body: &[u8]) {
        let id = self.0.len();
        let mut bytes = head.to_vec();
        bytes.extend(b"\r\n\r\n");
        bytes.extend(body);
        bytes.extend(b"GET /m/ID-after HTTP/1.1\r\nHost: zoo.example\r\n\r\n");
        self.0.push(Case {
            id,
            bytes: replace(&bytes, b"ID", format!("{id:05}").as_bytes()),
            verdict,
        });
    }
}

const HIDDEN: &[u8] = b"GET /smuggled/ID HTTP/1.1\r\nHost: zoo.example\r\nX: y\r\n\r\n";

fn cases() -> Vec<Case> {
    let mut cases = Cases::default();
    encodings(&mut cases);
    lengths(&mut cases);
    chunks(&mut cases);
    heads(&mut cases);
    cases.0
}

/// Length of the hidden request once its marker is in.
fn hidden_len() -> usize {
    HIDDEN.len() - 2 + 5
}

fn head(method: &str, lines: &[&[u8]]) -> Vec<u8> {
    let mut head = format!("{method} /m/ID HTTP/1.1\r\nHost: zoo.example").into_bytes();
    for line in lines {
        head.extend(b"\r\n");
        head.extend(*line);
    }
    head
}

/// Spellings of Transfer-Encoding × lengths beside it × order × method: CL.TE and TE.CL.
fn encodings(cases: &mut Cases) {
    use Verdict::{Good, GoodOrRefused, Refused};
    let spellings: &[(&[u8], Verdict)] = &[
        (b"Transfer-Encoding: chunked", Good),
        (b"Transfer-Encoding:chunked", Good),
        (b"Transfer-Encoding: \t chunked \t", Good),
        (b"TRANSFER-ENCODING: chunked", Good),
        (b"transfer-encoding: chunked", Good),
        (b"Transfer-Encoding: Chunked", GoodOrRefused),
        (b"Transfer-Encoding: CHUNKED", GoodOrRefused),
        (b"Transfer-Encoding: chunKed", GoodOrRefused),
        (b"Transfer-Encoding: xchunked", Refused),
        (b"Transfer-Encoding: chunkedx", Refused),
        (b"Transfer-Encoding: chunk", Refused),
        (b"Transfer-Encoding: chunked ed", Refused),
        (b"Transfer-Encoding: x", Refused),
        (b"Transfer-Encoding: identity", Refused),
        (b"Transfer-Encoding: gzip", Refused),
        (b"Transfer-Encoding: gzip, chunked", Refused),
        (b"Transfer-Encoding: chunked, gzip", Refused),
        (b"Transfer-Encoding: identity, chunked", Refused),
        (b"Transfer-Encoding: chunked, identity", Refused),
        (b"Transfer-Encoding: chunked, chunked", Refused),
        (b"Transfer-Encoding: chunked,", Refused),
        (b"Transfer-Encoding: ,chunked", Refused),
        (b"Transfer-Encoding: chunked;q=1", Refused),
        (b"Transfer-Encoding: chunked;", Refused),
        (b"Transfer-Encoding: \"chunked\"", Refused),
        (b"Transfer-Encoding: 'chunked'", Refused),
        (b"Transfer-Encoding: chunked\\", Refused),
        (b"Transfer-Encoding:", Refused),
        (b"Transfer-Encoding: ", Refused),
        (b"Transfer-Encoding: \x0bchunked", Refused),
        (b"Transfer-Encoding: chunked\x0b", Refused),
        (b"Transfer-Encoding: \x0cchunked", Refused),
        (b"Transfer-Encoding: chunked\x0c", Refused),
        (b"Transfer-Encoding: \0chunked", Refused),
        (b"Transfer-Encoding: chunked\0", Refused),
        (b"Transfer-Encoding: chunked\x1f", Refused),
        (b"Transfer-Encoding: chunked\x7f", Refused),
        (b"Transfer-Encoding: \x85chunked", Refused),
        (b"Transfer-Encoding: \xa0chunked", Refused),
        (b"Transfer-Encoding: chunked\xa0", Refused),
        (b"Transfer-Encoding: \xff", Refused),
        (b"Transfer-Encoding: chunked\r", Refused),
        (b"Transfer-Encoding: \rchunked", Refused),
        (b"Transfer-Encoding : chunked", Refused),
        (b"Transfer-Encoding\t: chunked", Refused),
        (b"Transfer-Encoding\r: chunked", Refused),
        (b"Transfer-Encoding\0: chunked", Refused),
        (b"Transfer-Encoding\x0b: chunked", Refused),
        (b"Transfer-Encoding\xa0: chunked", Refused),
        (b"\0Transfer-Encoding: chunked", Refused),
        (b" Transfer-Encoding: chunked", Refused),
        (b"\tTransfer-Encoding: chunked", Refused),
        (b"\x0bTransfer-Encoding: chunked", Refused),
        (b"Transfer_Encoding: chunked", Refused),
        (b"Transfer Encoding: chunked", Refused),
        (b"Transfer-\xc4\x92ncoding: chunked", Refused),
        (b"Transfer-Encoding chunked", Refused),
        (b"Transfer-Encoding", Refused),
        (b"Transfer-Encoding:\r\n chunked", Refused),
        (b"Transfer-Encoding:\r\n\tchunked", Refused),
        (b"Transfer-Encoding: chunked\r\n ,identity", Refused),
        (b"Transfer-Encoding:\n chunked", Refused),
        (b"Transfer-Encoding: chunked\nX: y", Refused),
        (b"X: y\nTransfer-Encoding: chunked", Refused),
        (b"X: y\rTransfer-Encoding: chunked", Refused),
        (b"X: y\r\r\nTransfer-Encoding: chunked", Refused),
        (b"X: y\0\r\nTransfer-Encoding: chunked", Refused),
        (b"X: y\r\n\tTransfer-Encoding: chunked", Refused),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Refused),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", Refused),
        (b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", Refused),
        (b"Transfer-Encoding: chunked\r\nTransfer-encoding: x", Refused),
        (b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked", Refused),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding:", Refused),
        (b"Transfer-Encoding: chunked\r\nX: y\r\nTransfer-Encoding: chunked", Refused),
    ];
    // A chunked body that hides the request behind its end, for who reads a length instead; and one
    // that hides it inside a chunk, for who reads only the first line of it.
    let size = format!("{:x}", hidden_len());
    let inside = [size.as_bytes(), b"\r\n", HIDDEN, b"\r\n0\r\n\r\n"].concat();
    let whole = inside.len() + 5 - 2;
    for (spelling, verdict) in spellings {
        for method in ["POST", "GET", "PUT"] {
            cases.add(*verdict, &head(method, &[spelling]), &inside);
            for length in [0, size.len() + 2, whole] {
                let length = format!("Content-Length: {length}").into_bytes();
                cases.add(Refused, &head(method, &[spelling, &length]), &inside);
                cases.add(Refused, &head(method, &[&length, spelling]), &inside);
            }
        }
    }
    // HTTP/1.0 has no chunks (RFC 9112 §6.1).
    for extra in ["", "\r\nConnection: keep-alive", "\r\nContent-Length: 4"] {
        let old = format!(
            "POST /m/ID HTTP/1.0\r\nHost: zoo.example\r\nTransfer-Encoding: chunked{extra}"
        );
        cases.add(Refused, old.as_bytes(), &inside);
    }
}

/// Spellings of Content-Length, each with the hidden request as the body.
fn lengths(cases: &mut Cases) {
    use Verdict::{Good, GoodOrRefused, Refused};
    let n = hidden_len();
    let spellings: Vec<(String, Verdict)> = vec![
        (format!("Content-Length: {n}"), Good),
        (format!("Content-Length:{n}"), Good),
        (format!("content-length: {n}"), Good),
        (format!("Content-Length: \t{n} \t"), Good),
        (format!("Content-Length: 000{n}"), GoodOrRefused),
        (format!("Content-Length: 00000000000000000000000000{n}"), GoodOrRefused),
        (format!("Content-Length: {n}\r\nContent-Encoding: chunked"), Good),
        (format!("Content-Length: {n}\r\nX-Transfer-Encoding: chunked"), Good),
        (format!("Content-Length: +{n}"), Refused),
        (format!("Content-Length: -{n}"), Refused),
        ("Content-Length: -0".into(), Refused),
        ("Content-Length: +0".into(), Refused),
        ("Content-Length:".into(), Refused),
        ("Content-Length: ".into(), Refused),
        (format!("Content-Length: {n}, {n}"), Refused),
        (format!("Content-Length: {n},{n}"), Refused),
        (format!("Content-Length: {n}, 0"), Refused),
        (format!("Content-Length: 0, {n}"), Refused),
        (format!("Content-Length: {n},"), Refused),
        (format!("Content-Length: ,{n}"), Refused),
        (format!("Content-Length: {n} 0"), Refused),
        (format!("Content-Length: 0 {n}"), Refused),
        (format!("Content-Length: {n};"), Refused),
        (format!("Content-Length: {n}.0"), Refused),
        (format!("Content-Length: {n}e0"), Refused),
        (format!("Content-Length: 0x{n:x}"), Refused),
        (format!("Content-Length: {n:x}h"), Refused),
        (format!("Content-Length: 0o{n:o}"), Refused),
        (format!("Content-Length: \"{n}\""), Refused),
        (format!("Content-Length: '{n}'"), Refused),
        ("Content-Length: 5_3".into(), Refused),
        ("Content-Length: ٥٣".into(), Refused),
        ("Content-Length: ５３".into(), Refused),
        ("Content-Length: ten".into(), Refused),
        ("Content-Length: 18446744073709551616".into(), Refused),
        ("Content-Length: 99999999999999999999999999".into(), Refused),
        (format!("Content-Length: {n}\0"), Refused),
        (format!("Content-Length: \0{n}"), Refused),
        (format!("Content-Length: {n}\x0b"), Refused),
        (format!("Content-Length: \x0c{n}"), Refused),
        (format!("Content-Length: {n}\r"), Refused),
        (format!("Content-Length: {n}\u{a0}"), Refused),
        (format!("Content-Length : {n}"), Refused),
        (format!("Content-Length\t: {n}"), Refused),
        (format!("Content-Length\0: {n}"), Refused),
        (format!(" Content-Length: {n}"), Refused),
        (format!("Content_Length: {n}"), Refused),
        (format!("Content Length: {n}"), Refused),
        (format!("Content-Length {n}"), Refused),
        (format!("Content-Length:\r\n {n}"), Refused),
        (format!("Content-Length:\n {n}"), Refused),
        (format!("Content-Length: 1\r\n {n}"), Refused),
        (format!("Content-Length: {n}\nX: y"), Refused),
        (format!("X: y\nContent-Length: {n}"), Refused),
        (format!("X: y\rContent-Length: {n}"), Refused),
        (format!("Content-Length: {n}\r\nContent-Length: {n}"), Refused),
        (format!("Content-Length: {n}\r\nContent-Length: 0"), Refused),
        (format!("Content-Length: 0\r\nContent-Length: {n}"), Refused),
        (format!("Content-Length: {n}\r\nX: y\r\ncontent-length: 5"), Refused),
        (format!("Content-Length: {n}\r\nContent-Length:"), Refused),
        (format!("Content-Length: {n}\r\nContent-Length: x"), Refused),
        (format!("Content-Length: {n}\r\nConnection: content-length"), Refused),
        (format!("Content-Length: {n}\r\nConnection: keep-alive, Content-Length"), Refused),
    ];
    for (spelling, verdict) in &spellings {
        for method in ["POST", "GET", "DELETE", "OPTIONS"] {
            cases.add(*verdict, &head(method, &[spelling.as_bytes()]), HIDDEN);
        }
    }
}

/// Spellings of chunks; the hidden request stands where a lenient reader would take it for the next.
fn chunks(cases: &mut Cases) {
    use Verdict::{Cut, Good, GoodOrCut};
    let bodies: &[(&[u8], Verdict)] = &[
        (b"5\r\nhello\r\n0\r\n\r\n", Good),
        (b"005\r\nhello\r\n000\r\n\r\n", Good),
        (b"5;a\r\nhello\r\n0\r\n\r\n", Good),
        (b"5;a=b;c=\"d\"\r\nhello\r\n0;e\r\n\r\n", Good),
        (b"5\r\nhello\r\n0\r\nX: y\r\n\r\n", Good),
        (b"5 ;a\r\nhello\r\n0\r\n\r\n", GoodOrCut),
        (b"5; a = b\r\nhello\r\n0\r\n\r\n", GoodOrCut),
        (b"5;\r\nhello\r\n0\r\n\r\n", GoodOrCut),
        (b"5 \r\nhello\r\n0\r\n\r\n", GoodOrCut),
        (b"5\t\r\nhello\r\n0\r\n\r\n", GoodOrCut),
        (b"0000000000000000000000000000005\r\nhello\r\n0\r\n\r\n", GoodOrCut),
        // Fields that decide framing have no place in trailers; dropping them is as good as refusing.
        (b"5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n", GoodOrCut),
        (b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", GoodOrCut),
        (b"5\r\nhello\r\n0\r\nHost: other\r\n\r\n", GoodOrCut),
        (b"\r\nHIDDEN", Cut),
        (b" 5\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"\t5\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"+5\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"-5\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"-0\r\n\r\nHIDDEN", Cut),
        (b"+0\r\n\r\nHIDDEN", Cut),
        (b"0x5\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"0x0\r\n\r\nHIDDEN", Cut),
        (b"5h\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"5g\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"5,\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"5.\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"\"5\"\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"5 5\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"5_\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"5\0\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"\x005\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"5\x0b\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"x\r\nHIDDEN", Cut),
        (b"G\r\nHIDDEN", Cut),
        (b"\xef\xbc\x95\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"10000000000000005\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"100000000000000000000000000000000\r\n\r\nHIDDEN", Cut),
        (b"5\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"5\rhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"5\r\rhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"5\r\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"5\n\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"5;a\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"5;a\rb\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"5;a\nb\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"5;a\0b\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"5;a=\"\n\"\r\nhello\r\n0\r\n\r\nHIDDEN", Cut),
        (b"5\r\nhello0\r\n\r\nHIDDEN", Cut),
        (b"5\r\nhello\n0\r\n\r\nHIDDEN", Cut),
        (b"5\r\nhello\r0\r\n\r\nHIDDEN", Cut),
        (b"5\r\nhelloo\r\n0\r\n\r\nHIDDEN", Cut),
        (b"5\r\nhell\r\n0\r\n\r\nHIDDEN", Cut),
        (b"5\r\nhelloXX0\r\n\r\nHIDDEN", Cut),
        (b"5\r\nhello\n\n0\r\n\r\nHIDDEN", Cut),
        (b"5\r\nhello\r\n\r\n0\r\n\r\nHIDDEN", Cut),
        (b"0\n\nHIDDEN", Cut),
        (b"0\r\n\nHIDDEN", Cut),
        (b"0\n\r\nHIDDEN", Cut),
        (b"0\r\n\rHIDDEN", Cut),
        (b"0\r\rHIDDEN", Cut),
        (b"0;\n\r\n\r\nHIDDEN", Cut),
        (b"5\r\nhello\r\n0\r\nX: y\n\r\nHIDDEN", Cut),
        (b"5\r\nhello\r\n0\r\nX: y\r\n\nHIDDEN", Cut),
        (b"5\r\nhello\r\n0\r\nX: y\rZ: z\r\n\r\nHIDDEN", Cut),
        (b"5\r\nhello\r\n0\r\nX: y\0\r\n\r\nHIDDEN", Cut),
        (b"5\r\nhello\r\n0\r\nX : y\r\n\r\nHIDDEN", Cut),
        (b"5\r\nhello\r\n0\r\n X: y\r\n\r\nHIDDEN", Cut),
        (b"5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\nHIDDEN", Cut),
        (b"5\r\nhello\r\n0\r\n: y\r\n\r\nHIDDEN", Cut),
        (b"5\r\nhello\r\n0\r\nX\r\n\r\nHIDDEN", Cut),
        (b"5\r\nhello\r\n0\r\nX\0: y\r\n\r\nHIDDEN", Cut),
        (b"5\r\nhello\r\n0\r\nGET /smuggled/ID HTTP/1.1\r\nHost: zoo.example\r\n\r\n", Cut),
    ];
    for (body, verdict) in bodies {
        for method in ["POST", "PUT", "GET"] {
            let body = replace(body, b"HIDDEN", HIDDEN);
            cases.add(*verdict, &head(method, &[b"Transfer-Encoding: chunked"]), &body);
        }
    }
}

/// Faults of the request line and of fields that have nothing to do with lengths.
fn heads(cases: &mut Cases) {
    let whole: &[&[u8]] = &[
        b"GET /m/ID HTTP/1.1\nHost: zoo.example",
        b"GET /m/ID HTTP/1.1\r\r\nHost: zoo.example",
        b"GET /m/ID HTTP/1.1\rHost: zoo.example",
        b"GET  /m/ID HTTP/1.1\r\nHost: zoo.example",
        b"GET\t/m/ID HTTP/1.1\r\nHost: zoo.example",
        b"GET /m/ID  HTTP/1.1\r\nHost: zoo.example",
        b"GET /m/ID\tHTTP/1.1\r\nHost: zoo.example",
        b"GET /m/ID HTTP/1.1 \r\nHost: zoo.example",
        b"GET /m/ID x HTTP/1.1\r\nHost: zoo.example",
        b" GET /m/ID HTTP/1.1\r\nHost: zoo.example",
        b"\0GET /m/ID HTTP/1.1\r\nHost: zoo.example",
        b"G\0ET /m/ID HTTP/1.1\r\nHost: zoo.example",
        b"GE(T /m/ID HTTP/1.1\r\nHost: zoo.example",
        b"GET /m/ID\0 HTTP/1.1\r\nHost: zoo.example",
        b"GET /m/ID#f HTTP/1.1\r\nHost: zoo.example",
        b"GET m/ID HTTP/1.1\r\nHost: zoo.example",
        b"GET /m/ID HTTP/1.1\x0b\r\nHost: zoo.example",
        b"GET /m/ID HTTP/1.2\r\nHost: zoo.example",
        b"GET /m/ID HTTP/1.10\r\nHost: zoo.example",
        b"GET /m/ID HTTP/01.1\r\nHost: zoo.example",
        b"GET /m/ID HTTP/2.0\r\nHost: zoo.example",
        b"GET /m/ID HTTP/0.9\r\nHost: zoo.example",
        b"GET /m/ID http/1.1\r\nHost: zoo.example",
        b"GET /m/ID HTTP 1.1\r\nHost: zoo.example",
        b"GET /m/ID HTTP/1\r\nHost: zoo.example",
        b"GET /m/ID HTTP/\r\nHost: zoo.example",
        b"GET /m/ID\r\nHost: zoo.example",
        b"GET\r\nHost: zoo.example",
        b"GET /m/ID HTTP/1.1",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo.example\r\nHost: zoo.example",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo.example\r\nHost: other.example",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo.example, other.example",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo.example/other",
        b"GET /m/ID HTTP/1.1\r\nHost: user@zoo.example",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo.example:x",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo example",
        b"GET /m/ID HTTP/1.1\r\nHost : zoo.example",
        b"GET /m/ID HTTP/1.1\r\n Host: zoo.example",
        b"GET http://other.example/m/ID HTTP/1.1\r\nHost: zoo.example",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo.example\r\n: y",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo.example\r\nX",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo.example\r\nX y",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo.example\r\nX : y",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo.example\r\nX: y\r\n z",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo.example\r\nX: y\nZ: z",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo.example\r\nX: y\rZ: z",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo.example\r\nX: y\0",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo.example\r\nX: \x01",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo.example\r\nX: \x7f",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo.example\r\nX\xe9: y",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo.example\r\nX{}: y",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo.example\r\nX_Y: y",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo.example\r\nX: y\n",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo.example\n\nGET /smuggled/ID HTTP/1.1\r\nHost: zoo.example",
        b"GET /m/ID HTTP/1.1\r\nHost: zoo.example\r\r\n\r\nGET /smuggled/ID HTTP/1.1\r\nHost: zoo.example",
        b"CONNECT zoo.example:80 HTTP/1.1\r\nHost: zoo.example:80",
        b"PRI /m/ID HTTP/2.0\r\nHost: zoo.example",
    ];
    for head in whole {
        cases.add(Verdict::Refused, head, b"");
    }
    for line in [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
        "Connection: upgrade\r\nUpgrade: websocket",
    ] {
        // Not an upgrade here: either refused or an ordinary request, and what follows is parsed again.
        cases.add(Verdict::GoodOrRefused, &head("GET", &[line.as_bytes()]), b"");
    }
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(bytes.len() + to.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        result.extend(&rest[..at]);
        result.extend(to);
        rest = &rest[at + from.len()..];
    }
    result.extend(rest);
    result
}

/// What came back for one case: statuses, and how it ended.
struct Outcome {
    statuses: Vec<u16>,
    /// Answers that the server behind gave.
    from_upstream: usize,
    end: NoAnswer,
}

fn ask(address: SocketAddr, case: &Case) -> Outcome {
    let mut connection = Connection::open(address, Duration::from_secs(5));
    connection.send(&case.bytes);
    let mut outcome = Outcome { statuses: Vec::new(), from_upstream: 0, end: NoAnswer::Silence };
    let good_statuses = |answer: &Answer| (200..300).contains(&answer.status);
    loop {
        match connection.answer("POST") {
            Ok(answer) => {
                outcome.from_upstream += usize::from(good_statuses(&answer));
                outcome.statuses.push(answer.status);
                // Two good answers are all that a good case can have; waiting for more only takes time.
                if outcome.from_upstream == 2 {
                    return outcome;
                }
            }
            Err(end) => {
                outcome.end = end;
                return outcome;
            }
        }
    }
}

fn check(case: &Case, outcome: &Outcome, seen: &Seen) -> Result<(), String> {
    let first = seen.count(&format!("{:05}", case.id));
    let after = seen.count(&format!("{:05}-after", case.id));
    if seen.smuggled(case.id) {
        return Err("SMUGGLED".into());
    }
    if first > 1 || after > 1 {
        return Err(format!("seen more than once: {first}, {after}"));
    }
    let good = outcome.statuses == [200, 200] && (first, after) == (1, 1);
    let closed = outcome.end == NoAnswer::Closed;
    let refusal =
        |status: &u16| matches!(status, 400 | 405 | 408 | 411 | 413 | 414 | 417 | 421 | 501 | 505);
    let refused = closed
        && (first, after) == (0, 0)
        && outcome.statuses.len() == 1
        && outcome.statuses.iter().all(refusal);
    // After bytes have gone upstream the answer may be ours, or the connection simply ends; where the
    // server answered before it had read all, its answer is passed on.
    let cut = matches!(outcome.end, NoAnswer::Closed | NoAnswer::Broken(_))
        && after == 0
        && outcome.statuses.len() <= 1;
    let held = match case.verdict {
        Verdict::Good => good,
        Verdict::Refused => refused,
        Verdict::Cut => cut,
        Verdict::GoodOrRefused => good || refused,
        Verdict::GoodOrCut => good || cut,
    };
    if held {
        return Ok(());
    }
    Err(format!(
        "wanted {:?}, answered {:?} then {:?}; upstream saw {first} and {after}",
        case.verdict, outcome.statuses, outcome.end
    ))
}

/// The targets that a server's log holds, with how often.
struct Seen(BTreeMap<String, usize>);

impl Seen {
    fn of(lines: &[String]) -> Self {
        let mut seen = BTreeMap::new();
        for line in lines {
            for word in line.split_whitespace().filter(|word| word.contains('/')) {
                *seen.entry(word.to_owned()).or_default() += 1;
            }
        }
        Self(seen)
    }

    fn count(&self, marker: &str) -> usize {
        self.0.get(&format!("/m/{marker}")).copied().unwrap_or(0)
    }

    fn smuggled(&self, id: usize) -> bool {
        let marker = format!("smuggled/{id:05}");
        self.0.keys().any(|target| target.contains(&marker))
    }
}

fn no_desync(kind: Kind) {
    let Some(server) = Server::start(kind) else { return };
    let gateway = Gateway::in_front_of(server.port, "");
    let cases = cases();
    assert!(cases.len() >= 1_000, "{} cases", cases.len());
    let outcomes: Vec<Outcome> = thread::scope(|scope| {
        let workers: Vec<_> = cases
            .chunks(cases.len().div_ceil(4))
            .map(|part| {
                scope.spawn(|| {
                    part.iter().map(|case| ask(gateway.address, case)).collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    // Logs are written when a request ends, which for an aborted one is a moment later.
    thread::sleep(Duration::from_millis(500));
    let (front, behind) = (Seen::of(&server.requests()), Seen::of(&server.origin_requests()));
    let mut wrong = Vec::new();
    for (case, outcome) in cases.iter().zip(&outcomes) {
        if let Err(reason) = check(case, outcome, &front) {
            wrong.push(format!("{reason}\n    {}", show(&case.bytes)));
        } else if behind.smuggled(case.id) {
            wrong.push(format!("SMUGGLED behind {kind:?}\n    {}", show(&case.bytes)));
        }
    }
    assert!(
        wrong.is_empty(),
        "{kind:?}: {} of {} cases:\n{}\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n"),
        gateway.log()
    );
}

#[test]
fn t01_smuggling_zoo_apache() {
    no_desync(Kind::Apache);
}

#[test]
fn t01_smuggling_zoo_gunicorn() {
    no_desync(Kind::Gunicorn);
}

#[test]
fn t01_smuggling_zoo_haproxy() {
    no_desync(Kind::Haproxy);
}

#[test]
fn t01_smuggling_zoo_lighttpd() {
    no_desync(Kind::Lighttpd);
}

#[test]
fn t01_smuggling_zoo_nginx() {
    no_desync(Kind::Nginx);
}

#[test]
fn t01_smuggling_zoo_node() {
    no_desync(Kind::Node);
}

#[test]
fn t01_smuggling_zoo_uvicorn() {
    no_desync(Kind::Uvicorn);
}
