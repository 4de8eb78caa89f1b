//! T1: no spelling of a length may mean two things to two readers.
//!
//! Each case is sent on a connection of its own, with a second request hidden where a reader of
//! the other persuasion would find one. The upstream, whose parser is strict, must see exactly
//! the request that was meant, or none.

use std::{sync::Mutex, thread};

use pasarela_testkit::{Gateway, RawClient, Upstream, seconds, show};

use crate::gateway;

/// What must happen to a case.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Must {
    /// 400 (or 501, 505), the connection closes, nothing whole reaches the upstream.
    Refuse,
    /// It is refused, or the upstream sees it as one request with this body.
    RefuseOr(&'static str),
    /// The upstream sees it as one request with this body.
    Pass(&'static str),
}

struct Case {
    bytes: Vec<u8>,
    must: Must,
}

/// A hidden request: if anything executes it, the upstream sees `/smuggled` or `/t/smuggled`.
const HIDDEN: &str = "GET /t/smuggled HTTP/1.1\r\nHost: test\r\n\r\n";

/// Puts `N` into the target of each case as it is added, so that the upstream can tell them apart.
struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, must: Must, fields: impl AsRef<[u8]>, body: impl AsRef<[u8]>) {
        let line = format!("POST /t/case-{} HTTP/1.1\r\nHost: test\r\n", self.0.len());
        self.whole(must, line, fields, body);
    }

    fn whole(
        &mut self,
        must: Must,
        line: impl AsRef<[u8]>,
        fields: impl AsRef<[u8]>,
        body: impl AsRef<[u8]>,
    ) {
        let bytes = [line.as_ref(), fields.as_ref(), b"\r\n", body.as_ref()].concat();
        self.0.push(Case { bytes, must });
    }

    fn next(&self) -> usize {
        self.0.len()
    }
}

/// Sends every case; lists what went wrong.
fn run(gateway: &Gateway, upstream: &Upstream, cases: &[Case]) -> Vec<String> {
    let wrong: Mutex<Vec<String>> = Mutex::default();
    thread::scope(|scope| {
        for part in 0..4 {
            let wrong = &wrong;
            scope.spawn(move || {
                for (number, case) in cases.iter().enumerate().filter(|(n, _)| n % 4 == part) {
                    if let Err(what) = one(gateway, case) {
                        let line = format!(
                            "case {number} {:?}: {what}\n   {}",
                            case.must,
                            show(&case.bytes)
                        );
                        wrong.lock().expect("no panic under the lock").push(line);
                    }
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().expect("no panic under the lock");
    let seen = upstream.requests();
    for (number, case) in cases.iter().enumerate() {
        let target = format!("/case-{number}");
        let mine: Vec<_> = seen.iter().filter(|request| request.target == target).collect();
        let bodies: Vec<_> = mine.iter().map(|r| String::from_utf8_lossy(&r.body)).collect();
        let good = match case.must {
            Must::Refuse => mine.is_empty(),
            Must::RefuseOr(body) => mine.is_empty() || bodies == [body],
            Must::Pass(body) => bodies == [body],
        };
        if !good {
            wrong.push(format!(
                "case {number} {:?}: the upstream saw {bodies:?}\n   {}",
                case.must,
                show(&case.bytes)
            ));
        }
    }
    for request in &seen {
        if !request.target.starts_with("/case-") {
            wrong.push(format!("the upstream saw {}", request.text()));
        }
    }
    wrong.extend(upstream.violations());
    wrong
}

fn one(gateway: &Gateway, case: &Case) -> Result<(), String> {
    let mut client = RawClient::connect(gateway.address());
    client.patience(seconds(3));
    // The gateway may refuse before it has everything.
    let _ = client.try_send(&case.bytes);
    let response = client.try_response("POST").map_err(|fault| format!("no answer: {fault}"))?;
    let refused = matches!(response.status, 400 | 501 | 505);
    match case.must {
        Must::Pass(_) if response.status != 200 => Err(response.brief()),
        Must::Refuse if !refused => Err(response.brief()),
        Must::RefuseOr(_) if !refused && response.status != 200 => Err(response.brief()),
        _ if refused => {
            response.problem();
            let closed = client.closed_within(seconds(3));
            closed.map(drop).map_err(|what| format!("refused, but not closed: {what}"))
        }
        _ => Ok(()),
    }
}

#[track_caller]
fn all_as_they_must(cases: Cases, least: usize) {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).limit("connections_per_ip: 10000").start();
    assert!(cases.0.len() >= least, "{} cases", cases.0.len());
    let wrong = run(&gateway, &upstream, &cases.0);
    assert!(
        wrong.is_empty(),
        "{} of {} cases are wrong:\n{}",
        wrong.len(),
        cases.0.len(),
        wrong.iter().take(25).cloned().collect::<Vec<_>>().join("\n")
    );
    // And after all that it still serves.
    assert_eq!(gateway.get("/t/case-end").status, 200);
}

/// Values of Content-Length that are no number of bytes; where a loose reader sees 5.
const BAD_LENGTHS: &[&[u8]] = &[
    b"+5",
    b"-5",
    b"-0",
    b"5,5",
    b"5, 5",
    b"5,6",
    b"6,5",
    b"0,5",
    b"5,",
    b",5",
    b"5 5",
    b"5\t5",
    b"5 6",
    b"0x5",
    b"0X5",
    b"5h",
    b"5.0",
    b"5e0",
    b"05h",
    b"",
    b" ",
    b"\"5\"",
    b"'5'",
    b"(5)",
    b"5;",
    b"5;q=1",
    b"5\0",
    b"\x005",
    b"5\x0b",
    b"\x0b5",
    b"5\x0c",
    b"\x0c5",
    b"5\r",
    b"\r5",
    b"5\x7f",
    b"5\x80",
    b"\xa05",
    b"5\xa0",
    "５".as_bytes(),
    "٥".as_bytes(),
    b"1_0",
    b"five",
    b"NaN",
    b"18446744073709551616",
    b"18446744073709551621",
    b"9223372036854775808999",
    b"99999999999999999999999999999999999999",
    b"-18446744073709551611",
];

/// Values of Transfer-Encoding that are not `chunked`.
const BAD_CODINGS: &[&[u8]] = &[
    b"",
    b" ",
    b"identity",
    b"gzip",
    b"deflate",
    b"compress",
    b"trailers",
    b"x",
    b"cow",
    b"xchunked",
    b"chunkedx",
    b"x-chunked",
    b"chunke",
    b"chunked, chunked",
    b"chunked,chunked",
    b"chunked,",
    b",chunked",
    b", chunked",
    b"gzip, chunked",
    b"chunked, gzip",
    b"identity, chunked",
    b"chunked, identity",
    b"trailers, chunked",
    b"chunked;",
    b"chunked;q=1",
    b"chunked; a=b",
    b"chunked=1",
    b"chunked x",
    b"x chunked",
    b"chunked\tx",
    b"\"chunked\"",
    b"'chunked'",
    b"(chunked)",
    b"chun ked",
    b"chunked\0",
    b"\0chunked",
    b"chunked\x0b",
    b"\x0bchunked",
    b"chunked\x0c",
    b"\x0cchunked",
    b"chunked\x1f",
    b"chunked\x7f",
    b"chunked\x80",
    b"\xa0chunked",
    b"chunked\xa0",
    b"chunked\r",
    b"\rchunked",
    b"ch\xc3\xbcnked",
    b"\xef\xbd\x83hunked",
    b"%63hunked",
    b"chunked%20",
    b"[chunked]",
];

/// Good values as one or another reader takes them.
const LOOSE_CODINGS: &[&str] =
    &["Chunked", "CHUNKED", "chUnked", " chunked", "chunked ", "\tchunked"];

#[test]
fn t01_lengths_that_are_no_number_are_refused() {
    let mut cases = Cases(Vec::new());
    for value in BAD_LENGTHS {
        for name in ["Content-Length", "content-length", "CONTENT-LENGTH", "cOnTeNt-lEnGtH"] {
            let field = [name.as_bytes(), b": ", value, b"\r\n"].concat();
            cases.add(Must::Refuse, &field, format!("hello{HIDDEN}"));
            let before = [&field, b"X-A: b\r\n".as_slice()].concat();
            cases.add(Must::Refuse, before, HIDDEN);
        }
        // Beside a good one, before and after.
        let bad = [b"Content-Length: ", *value, b"\r\n"].concat();
        let good = b"Content-Length: 5\r\n";
        cases.add(Must::Refuse, [&bad, good.as_slice()].concat(), format!("hello{HIDDEN}"));
        cases.add(Must::Refuse, [good.as_slice(), &bad].concat(), format!("hello{HIDDEN}"));
    }
    for (one, other) in [("5", "5"), ("5", "6"), ("0", "5"), ("5", "0"), ("05", "5"), ("5", "50")] {
        let fields = format!("Content-Length: {one}\r\nContent-Length: {other}\r\n");
        cases.add(Must::Refuse, fields, format!("hello{HIDDEN}"));
        let apart = format!("Content-Length: {one}\r\nX-A: b\r\ncontent-length: {other}\r\n");
        cases.add(Must::Refuse, apart, format!("hello{HIDDEN}"));
    }
    for value in ["5", " 5", "5 ", "\t5\t", "   5   "] {
        cases.add(Must::Pass("hello"), format!("Content-Length:{value}\r\n"), "hello");
    }
    for value in ["05", "0000000005", "00000000000000000000000005"] {
        cases.add(Must::RefuseOr("hello"), format!("Content-Length: {value}\r\n"), "hello");
    }
    all_as_they_must(cases, 450);
}

#[test]
fn t01_codings_other_than_chunked_are_refused() {
    let mut cases = Cases(Vec::new());
    let chunked = format!("5\r\nhello\r\n0\r\n\r\n{HIDDEN}");
    for value in BAD_CODINGS {
        for name in ["Transfer-Encoding", "transfer-encoding", "TRANSFER-ENCODING"] {
            let field = [name.as_bytes(), b": ", value, b"\r\n"].concat();
            cases.add(Must::Refuse, &field, &chunked);
        }
        let bad = [b"Transfer-Encoding: ", *value, b"\r\n"].concat();
        let good = b"Transfer-Encoding: chunked\r\n";
        cases.add(Must::Refuse, [&bad, good.as_slice()].concat(), &chunked);
        cases.add(Must::Refuse, [good.as_slice(), &bad].concat(), &chunked);
        let apart = [&bad, b"X-A: b\r\n".as_slice(), good].concat();
        cases.add(Must::Refuse, apart, &chunked);
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
    cases.add(Must::Refuse, twice, &chunked);
    for value in LOOSE_CODINGS {
        let field = format!("Transfer-Encoding:{value}\r\n");
        cases.add(Must::RefuseOr("hello"), field, "5\r\nhello\r\n0\r\n\r\n");
    }
    cases.add(Must::Pass("hello"), "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n");
    // HTTP/1.0 has no codings.
    for value in ["chunked", "identity", "gzip"] {
        let line = format!("POST /t/case-{} HTTP/1.0\r\nHost: test\r\n", cases.next());
        cases.whole(Must::Refuse, line, format!("Transfer-Encoding: {value}\r\n"), &chunked);
    }
    all_as_they_must(cases, 300);
}

#[test]
fn t01_both_framings_at_once_are_refused() {
    let mut cases = Cases(Vec::new());
    let lengths = ["0", "4", "5", "6", "15", "57", "100"];
    let names = [
        ("Content-Length", "Transfer-Encoding"),
        ("content-length", "transfer-encoding"),
        ("CONTENT-LENGTH", "Transfer-encoding"),
    ];
    let mut codings: Vec<&[u8]> = BAD_CODINGS.iter().step_by(5).copied().collect();
    codings.extend(LOOSE_CODINGS.iter().map(|coding| coding.as_bytes()));
    codings.push(b"chunked");
    for length in lengths {
        for coding in &codings {
            for (length_name, coding_name) in names {
                let length = format!("{length_name}: {length}\r\n");
                let coding = [coding_name.as_bytes(), b": ", coding, b"\r\n"].concat();
                let body = format!("0\r\n\r\n{HIDDEN}");
                cases.add(Must::Refuse, [length.as_bytes(), &coding].concat(), &body);
                if length_name == "Content-Length" {
                    let apart = [&coding, b"X-A: b\r\n".as_slice(), length.as_bytes()].concat();
                    cases.add(Must::Refuse, apart, &body);
                }
            }
        }
    }
    all_as_they_must(cases, 450);
}

#[test]
fn t01_framing_fields_cannot_be_half_hidden() {
    let mut cases = Cases(Vec::new());
    let length = format!("hello{HIDDEN}");
    let chunked = format!("0\r\n\r\n{HIDDEN}");
    let pairs = [
        ("Content-Length", "5", length.as_str()),
        ("Transfer-Encoding", "chunked", chunked.as_str()),
    ];
    for (name, value, body) in pairs {
        let (head, tail) = name.split_at(7);
        let dashed = name.replace('-', "_");
        let mut lines: Vec<Vec<u8>> = vec![
            format!("{name} : {value}\r\n").into(),
            format!("{name}\t: {value}\r\n").into(),
            format!("{name}\u{b}: {value}\r\n").into(),
            format!("{name}\u{c}: {value}\r\n").into(),
            format!("{name}\0: {value}\r\n").into(),
            format!("{name}\r: {value}\r\n").into(),
            format!("{name}\n: {value}\r\n").into(),
            format!(" {name}: {value}\r\n").into(),
            format!("\t{name}: {value}\r\n").into(),
            format!("\0{name}: {value}\r\n").into(),
            format!("\u{b}{name}: {value}\r\n").into(),
            format!("{head} {tail}: {value}\r\n").into(),
            format!("{head}\0{tail}: {value}\r\n").into(),
            format!("{head}\r{tail}: {value}\r\n").into(),
            format!("{head}\n{tail}: {value}\r\n").into(),
            format!("{dashed}: {value}\r\n").into(),
            format!("{name}\r\n : {value}\r\n").into(),
            format!("{name}:\r\n {value}\r\n").into(),
            format!("{name}:\r\n\t{value}\r\n").into(),
            format!("{name}: {value}\r\n ,x\r\n").into(),
            format!("X-A: b\r\n {name}: {value}\r\n").into(),
            format!("X-A: b\n{name}: {value}\r\n").into(),
            format!("X-A: b\r{name}: {value}\r\n").into(),
            format!("X-A: b\0\r\n{name}: {value}\r\n").into(),
            format!("X-A: b\n\r\n{name}: {value}\r\n").into(),
            format!("X-A: b\r\r\n{name}: {value}\r\n").into(),
            format!("X-A\r\n{name}: {value}\r\n").into(),
            format!(": b\r\n{name}: {value}\r\n").into(),
            format!("X A: b\r\n{name}: {value}\r\n").into(),
            format!("X\"A: b\r\n{name}: {value}\r\n").into(),
            format!("(X-A): b\r\n{name}: {value}\r\n").into(),
            format!("X-\u{fc}: b\r\n{name}: {value}\r\n").into(),
            format!("{name}: {value}\n").into(),
            format!("{name}: {value}\r").into(),
            format!("{name}: {value}\n\r\n").into(),
            format!("{name}={value}\r\n").into(),
            format!("{name} {value}\r\n").into(),
            format!("{name}\r\n").into(),
            format!("\u{feff}{name}: {value}\r\n").into(),
        ];
        for byte in [0x01u8, 0x07, 0x08, 0x0b, 0x0c, 0x0e, 0x1b, 0x1f, 0x7f] {
            let mut line = format!("X-A: b?c\r\n{name}: {value}\r\n").into_bytes();
            line[6] = byte;
            lines.push(line);
        }
        for byte in b"(),/:;<=>?@[\\]{} \"".iter().chain(&[0x80u8, 0xa0, 0xff]) {
            let mut line = format!("{name}?: {value}\r\n").into_bytes();
            line[name.len()] = *byte;
            lines.push(line);
        }
        for line in lines {
            cases.add(Must::Refuse, &line, body);
            cases.add(Must::Refuse, [b"X-First: 1\r\n", line.as_slice()].concat(), body);
        }
    }
    all_as_they_must(cases, 250);
}

#[test]
fn t01_request_lines_are_read_one_way() {
    let mut cases = Cases(Vec::new());
    let refused: &[&str] = &[
        "POST  /t/case-N HTTP/1.1\r\nHost: test\r\n",
        "POST /t/case-N  HTTP/1.1\r\nHost: test\r\n",
        "POST\t/t/case-N HTTP/1.1\r\nHost: test\r\n",
        "POST /t/case-N\tHTTP/1.1\r\nHost: test\r\n",
        " POST /t/case-N HTTP/1.1\r\nHost: test\r\n",
        "\tPOST /t/case-N HTTP/1.1\r\nHost: test\r\n",
        "POST /t/case-N HTTP/1.1 \r\nHost: test\r\n",
        "POST /t/case-N HTTP/1.1\t\r\nHost: test\r\n",
        "POST /t/case-N HTTP/1.1\nHost: test\r\n",
        "POST /t/case-N HTTP/1.1\rHost: test\r\n",
        "POST /t/case-N HTTP/1.1\r\r\nHost: test\r\n",
        "POST /t/case-N\r\nHost: test\r\n",
        "POST /t/case-N \r\nHost: test\r\n",
        "POST HTTP/1.1\r\nHost: test\r\n",
        "POST\r\nHost: test\r\n",
        "/t/case-N HTTP/1.1\r\nHost: test\r\n",
        "POST /t/case-N http/1.1\r\nHost: test\r\n",
        "POST /t/case-N HTTP/1.1x\r\nHost: test\r\n",
        "POST /t/case-N HTTP/1.\r\nHost: test\r\n",
        "POST /t/case-N HTTP/11\r\nHost: test\r\n",
        "POST /t/case-N HTTP/1.10\r\nHost: test\r\n",
        "POST /t/case-N HTTP/01.1\r\nHost: test\r\n",
        "POST /t/case-N HTTP/+1.1\r\nHost: test\r\n",
        "POST /t/case-N HTTP/1,1\r\nHost: test\r\n",
        "POST /t/case-N HTTP/0.9\r\nHost: test\r\n",
        "POST /t/case-N HTTP/2.0\r\nHost: test\r\n",
        "POST /t/case-N HTTP/3.0\r\nHost: test\r\n",
        "POST /t/case-N HTTPS/1.1\r\nHost: test\r\n",
        "POST /t/case-N XHTTP/1.1\r\nHost: test\r\n",
        "POST /t/case-N ICAP/1.0\r\nHost: test\r\n",
        "POST /t/case-N x HTTP/1.1\r\nHost: test\r\n",
        "POST /t/case N HTTP/1.1\r\nHost: test\r\n",
        "POST /t/case-N\0 HTTP/1.1\r\nHost: test\r\n",
        "POST /t/case-N\u{b} HTTP/1.1\r\nHost: test\r\n",
        "POST /t/case-N\u{7f} HTTP/1.1\r\nHost: test\r\n",
        "POST /t/case-N\u{fc} HTTP/1.1\r\nHost: test\r\n",
        "PO ST /t/case-N HTTP/1.1\r\nHost: test\r\n",
        "PO\0ST /t/case-N HTTP/1.1\r\nHost: test\r\n",
        "P(ST /t/case-N HTTP/1.1\r\nHost: test\r\n",
        "POST: /t/case-N HTTP/1.1\r\nHost: test\r\n",
        "\"POST\" /t/case-N HTTP/1.1\r\nHost: test\r\n",
        "\0POST /t/case-N HTTP/1.1\r\nHost: test\r\n",
        "\rPOST /t/case-N HTTP/1.1\r\nHost: test\r\n",
        "POST /t/case-N HTTP/1.1\r\n Host: test\r\n",
        "POST /t/case-N HTTP/1.1\r\n\tHost: test\r\n",
    ];
    for line in refused {
        let line = line.replace('N', &cases.next().to_string());
        cases.whole(Must::Refuse, line, "Content-Length: 5\r\n", format!("hello{HIDDEN}"));
    }
    // RFC 9112 §2.2: at least one empty line before a request is to be ignored; a bare LF need
    // not be one.
    for before in ["\r\n", "\r\n\r\n", "\n", "\r\n\n"] {
        let line = format!("{before}POST /t/case-{} HTTP/1.1\r\nHost: test\r\n", cases.next());
        cases.whole(Must::RefuseOr("hello"), line, "Content-Length: 5\r\n", "hello");
    }
    all_as_they_must(cases, 47);
}

#[test]
fn t01_a_target_that_is_none_costs_its_request_alone() {
    // The length is not in doubt, so the connection may go on; the target goes nowhere.
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).start();
    for target in
        ["/t/x#fragment", "t/x", "\\t\\x", "*", "/t/x\\..\\y", "?x", "#", "/t/[x", "/t/|", "/t/<x>"]
    {
        let mut client = gateway.connect();
        client.send(format!(
            "POST {target} HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello"
        ));
        let response = client.response();
        let passed = response.status == 200 && !target.contains(['#', '\\']);
        assert!(passed || [400, 404].contains(&response.status), "{target}: {}", response.brief());
        if !response.closes() {
            assert_eq!(client.get("/t/next").status, 200, "{target}");
        }
    }
    assert_eq!(upstream.violations(), Vec::<String>::new());
}

#[test]
fn t01_chunks_are_read_one_way() {
    let mut cases = Cases(Vec::new());
    let chunked = "Transfer-Encoding: chunked\r\n";
    let end = format!("0\r\n\r\n{HIDDEN}");
    let bad_sizes: &[&str] = &[
        "",
        " ",
        "g",
        "0x5",
        "0X5",
        "x5",
        "5x",
        "5h",
        "+5",
        "-5",
        "-0",
        "5 5",
        "5,5",
        "5_0",
        "5.0",
        "'5'",
        "\"5\"",
        " 5",
        "\t5",
        "5\0",
        "\u{0}5",
        "5\u{b}",
        "\u{b}5",
        "5\u{c}",
        "5\u{7f}",
        "5\u{a0}",
        "５",
        "FFFFFFFFFFFFFFFFF",
        "10000000000000005",
        "100000000000000000000000005",
        "fffffffffffffffffffffffffffffff",
        "5\r",
        "5\n",
        "5\r\r",
        "5\u{1b}",
        "%35",
        "\\x35",
        "5:",
        "5=",
        "5:x",
        "5 x",
    ];
    for size in bad_sizes {
        cases.add(Must::Refuse, chunked, format!("{size}\r\nhello\r\n{end}"));
        cases.add(Must::Refuse, chunked, format!("3\r\nabc\r\n{size}\r\nhello\r\n{end}"));
    }
    let bad_bodies: &[&str] = &[
        // The end of a size or of a chunk is CRLF and nothing else.
        "5\nhello\r\n",
        "5\rhello\r\n",
        "5\r\nhello\n",
        "5\r\nhello\r",
        "5\r\nhello",
        "5\r\nhello\r\r\n",
        "5\r\nhello\n\r\n",
        "5\r\nhello\n\r",
        "5\r\nhelloxx",
        "5\r\nhellox\r\n",
        "5\r\nhell\r\n",
        "5\r\nhello \r\n",
        "5\r\nhello\0\0",
        "5\r\n\r\nhello\r\n",
        "5\n\nhello\r\n",
        "5\r\n\nhello\r\n",
        "5\n\r\nhello\r\n",
        // Extensions with what no extension may hold.
        "5;a\nb\r\nhello\r\n",
        "5;a\rb\r\nhello\r\n",
        "5;a\0b\r\nhello\r\n",
        "5;\"\n\"\r\nhello\r\n",
        "5 ;\nx\r\nhello\r\n",
        "5;\u{7f}\r\nhello\r\n",
        "5;\nhello\r\n",
    ];
    for body in bad_bodies {
        cases.add(Must::Refuse, chunked, format!("{body}{end}"));
    }
    let bad_ends: &[&str] = &[
        "0\n\n",
        "0\r\n\n",
        "0\n\r\n",
        "0\r\r\n\r\n",
        "0\r\rX",
        "0x0\r\n\r\n",
        "-0\r\n\r\n",
        "+0\r\n\r\n",
        "0\r\nX : y\r\n\r\n",
        "0\r\n X: y\r\n\r\n",
        "0\r\nX: y\r\n z\r\n\r\n",
        "0\r\nX: y\n\r\n",
        "0\r\nX: y\r\r\n\r\n",
        "0\r\nX\r\n\r\n",
        "0\r\n: y\r\n\r\n",
        "0\r\nX: \0\r\n\r\n",
        "0\r\nX Y: z\r\n\r\n",
        "0\r\nX_Y\n: z\r\n\r\n",
    ];
    for bytes in bad_ends {
        cases.add(Must::Refuse, chunked, format!("5\r\nhello\r\n{bytes}{HIDDEN}"));
    }
    // A quotation mark that does not end is no quotation: the line does.
    let quote = "5;a=\"\r\nhello\r\n0\r\n\r\n\"\r\n";
    cases.add(Must::RefuseOr("hello"), chunked, quote);
    // Trailers that would change the framing, the routing or the caller: dropped or refused.
    for field in [
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Host: other",
        "Authorization: Bearer x",
        "Connection: close",
        "Content-Type: x/y",
        "Trailer: x",
        "Cookie: a=b",
        "X-Forwarded-For: 1.2.3.4",
    ] {
        let body = format!("5\r\nhello\r\n0\r\n{field}\r\n\r\n");
        cases.add(Must::RefuseOr("hello"), chunked, body);
    }
    for body in [
        "05\r\nhello\r\n0\r\n\r\n",
        "0000000000000005\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n000\r\n\r\n",
        "5;a=b\r\nhello\r\n0\r\n\r\n",
        "5;a=\"b;c\"\r\nhello\r\n0;x\r\n\r\n",
        "5 ;a\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\t\r\nhello\r\n0 \r\n\r\n",
        "5;\r\nhello\r\n0\r\n\r\n",
    ] {
        cases.add(Must::RefuseOr("hello"), chunked, body);
    }
    for body in [
        "5\r\nhello\r\n0\r\n\r\n",
        "1\r\nh\r\n4\r\nello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    ] {
        cases.add(Must::Pass("hello"), chunked, body);
    }
    cases.add(Must::Pass("hello, world"), chunked, "C\r\nhello, world\r\n0\r\n\r\n");
    cases.add(Must::Pass("hello, world"), chunked, "c\r\nhello, world\r\n0\r\n\r\n");
    all_as_they_must(cases, 120);
}

#[test]
fn t01_requests_without_framing_have_no_body() {
    // 0.CL: what follows a GET or POST without a length is the next request.
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).start();
    for method in ["GET", "POST", "DELETE", "OPTIONS"] {
        let mut client = gateway.connect();
        client.send(format!(
            "{method} /t/one HTTP/1.1\r\nHost: test\r\n\r\nGET /t/two HTTP/1.1\r\nHost: test\r\n\r\n"
        ));
        assert_eq!(client.response().status, 200, "{method}");
        assert_eq!(client.response().status, 200, "{method}");
    }
    let seen = upstream.requests();
    assert_eq!(seen.len(), 8);
    assert!(seen.iter().all(|request| request.length == 0));
    // And a GET with a length has a body of that length, hidden request or not.
    let mut client = gateway.connect();
    client.send(format!(
        "GET /t/three HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{HIDDEN}",
        HIDDEN.len()
    ));
    assert_eq!(client.response().status, 200);
    client.assert_silent_for(std::time::Duration::from_millis(200));
    let last = upstream.requests().pop().expect("a request");
    assert_eq!((last.target.as_str(), last.body.as_slice()), ("/three", HIDDEN.as_bytes()));
    assert_eq!(upstream.violations(), Vec::<String>::new());
}
