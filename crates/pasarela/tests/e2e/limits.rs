//! T37, L6, L7: each limit of a head holds to the byte, on both protocols.

use pasarela_testkit::{Fault, Gateway, H2Client, H2Outcome, Upstream, seconds};

use crate::gateway;

const LINE: usize = 8 << 10;
const BYTES: usize = 32 << 10;
const FIELDS: usize = 100;

fn world() -> (Gateway, Upstream) {
    let upstream = Upstream::ok("ok");
    (gateway().api("t", &upstream).start(), upstream)
}

/// Sends a head; the status and, for a refusal, that it is a problem and the connection closes.
#[track_caller]
fn status(gateway: &Gateway, head: &str) -> u16 {
    let mut client = gateway.connect();
    let _ = client.try_send(head);
    let response = client.response();
    if response.status != 200 {
        response.problem();
        client.assert_closed();
    }
    response.status
}

#[test]
fn l06_a_request_line_has_a_size() {
    let (gateway, upstream) = world();
    let line = |length: usize| {
        let fixed = "GET /t/ HTTP/1.1".len();
        format!("GET /t/{} HTTP/1.1\r\nHost: test\r\n\r\n", "a".repeat(length - fixed))
    };
    for (length, expected) in [
        (LINE - 1, 200),
        (LINE, 200),
        (LINE + 1, 414),
        (LINE + 2, 414),
        (2 * LINE, 414),
        (1 << 20, 414),
    ] {
        assert_eq!(status(&gateway, &line(length)), expected, "{length} bytes");
    }
    // One that never ends is refused as soon as it is too long.
    let mut client = gateway.connect();
    let _ = client.try_send("G".repeat(LINE + 100));
    assert!([400, 414].contains(&client.response().status));
    client.assert_closed();
    assert_eq!(upstream.requests().len(), 2);
}

/// Field lines of exactly this many bytes, CRLFs included, Host among them.
fn field_lines(bytes: usize) -> String {
    let mut lines = "Host: test\r\n".to_owned();
    while lines.len() < bytes {
        let left = bytes - lines.len();
        let piece = if left > 1100 { 1000 } else { left };
        lines.push_str(&format!("X: {}\r\n", "v".repeat(piece - 5)));
    }
    assert_eq!(lines.len(), bytes);
    lines
}

#[test]
fn l07_header_fields_have_a_size_in_total() {
    let (gateway, upstream) = world();
    for (bytes, expected) in [
        (BYTES - 1, 200),
        (BYTES, 200),
        (BYTES + 1, 431),
        (BYTES + 2, 431),
        (2 * BYTES, 431),
        (1 << 20, 431),
    ] {
        let head = format!("GET /t/ HTTP/1.1\r\n{}\r\n", field_lines(bytes));
        assert_eq!(status(&gateway, &head), expected, "{bytes} bytes");
    }
    // One endless field, and fields without end.
    let mut client = gateway.connect();
    let _ = client
        .try_send(format!("GET /t/ HTTP/1.1\r\nHost: test\r\nX: {}", "v".repeat(BYTES + 100)));
    client.response().assert_problem(431, "GW0011");
    client.assert_closed();
    let mut client = gateway.connect();
    let _ =
        client.try_send(format!("GET /t/ HTTP/1.1\r\nHost: test\r\n{}", "X: v\r\n".repeat(BYTES)));
    match client.try_response("GET") {
        Ok(response) => drop(response.assert_problem(431, "GW0011")),
        Err(Fault::Reset | Fault::Cut(_)) => (),
        Err(fault) => panic!("{fault}"),
    }
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn l07_header_fields_have_a_number() {
    let (gateway, upstream) = world();
    for (count, expected) in [(FIELDS - 1, 200), (FIELDS, 200), (FIELDS + 1, 431), (1000, 431)] {
        let fields = "X: v\r\n".repeat(count - 1);
        let head = format!("GET /t/ HTTP/1.1\r\nHost: test\r\n{fields}\r\n");
        assert_eq!(status(&gateway, &head), expected, "{count} fields");
        // Crumbs of a cookie count, however they are packed.
        let crumbs = vec!["a=b"; count - 1].join("; ");
        let head = format!("GET /t/ HTTP/1.1\r\nHost: test\r\nCookie: {crumbs}\r\n\r\n");
        assert_eq!(status(&gateway, &head), expected, "{count} crumbs");
    }
    assert_eq!(upstream.requests().len(), 4);
}

#[test]
fn l07_trailers_are_limited() {
    let (gateway, upstream) = world();
    let request = |count: usize| {
        let trailers = "X: v\r\n".repeat(count);
        format!(
            "POST /t/ HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
             2\r\nok\r\n0\r\n{trailers}\r\n"
        )
    };
    assert_eq!(gateway.connect().ask(request(10)).status, 200);
    for count in [101, 10_000] {
        let mut client = gateway.connect();
        let _ = client.try_send(request(count));
        match client.try_response("POST") {
            Ok(response) => assert!([400, 431].contains(&response.status), "{}", response.brief()),
            Err(Fault::Reset | Fault::Cut(_)) => (),
            Err(fault) => panic!("{fault}"),
        }
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn t37_limits_in_the_file_hold() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway()
        .api("t", &upstream)
        .limit("request_line_bytes: 100")
        .limit("header_bytes: 300")
        .limit("header_fields: 5")
        .start();
    let line = |length: usize| {
        format!("GET /t/{} HTTP/1.1\r\nHost: test\r\n\r\n", "a".repeat(length - 16))
    };
    assert_eq!(status(&gateway, &line(100)), 200);
    assert_eq!(status(&gateway, &line(101)), 414);
    assert_eq!(status(&gateway, &format!("GET /t/ HTTP/1.1\r\n{}\r\n", field_lines(300))), 200);
    assert_eq!(status(&gateway, &format!("GET /t/ HTTP/1.1\r\n{}\r\n", field_lines(301))), 431);
    let fields = |count: usize| {
        format!("GET /t/ HTTP/1.1\r\nHost: test\r\n{}\r\n", "X: v\r\n".repeat(count - 1))
    };
    assert_eq!(status(&gateway, &fields(5)), 200);
    assert_eq!(status(&gateway, &fields(6)), 431);
}

fn ask_h2(gateway: &Gateway, path: &str, fields: &[(&str, &str)]) -> (H2Outcome, H2Client) {
    let mut h2 = gateway.connect_h2();
    let stream = h2.next_stream();
    let mut all =
        vec![(":method", "GET"), (":scheme", "http"), (":authority", "test"), (":path", path)];
    all.extend_from_slice(fields);
    let _ = h2.headers(stream, &H2Client::block(&all), true);
    let outcome = h2.outcome(stream, seconds(5));
    (outcome, h2)
}

fn refused(outcome: &H2Outcome, h2: &H2Client, status: u16) -> bool {
    outcome.status == status || outcome.reset.is_some() || h2.goaway.is_some()
}

#[test]
fn t37_the_path_of_http2_has_the_size_of_a_request_line() {
    let (gateway, upstream) = world();
    for (length, good) in
        [(LINE - 1, true), (LINE, true), (LINE + 1, false), (LINE + 100, false), (30_000, false)]
    {
        let path = format!("/t/{}", "a".repeat(length - 3));
        let (outcome, h2) = ask_h2(&gateway, &path, &[]);
        if good {
            assert_eq!(outcome.status, 200, "{length}: {outcome:?}");
        } else {
            assert!(refused(&outcome, &h2, 414), "{length}: {outcome:?}");
        }
    }
    assert_eq!(upstream.requests().len(), 2);
    assert_eq!(upstream.violations(), Vec::<String>::new());
}

#[test]
fn t37_the_fields_of_http2_have_a_number_and_a_size() {
    let (gateway, upstream) = world();
    // Whether the four pseudo-header fields are counted is not the point.
    for (count, good) in [(FIELDS - 4, true), (FIELDS + 1, false), (FIELDS + 50, false)] {
        let (outcome, h2) = ask_h2(&gateway, "/t/", &vec![("x", "v"); count]);
        assert_eq!(outcome.status == 200, good, "{count} fields: {outcome:?}");
        assert!(good || refused(&outcome, &h2, 431), "{count} fields: {outcome:?}");
        let (outcome, h2) = ask_h2(&gateway, "/t/", &vec![("cookie", "a=b"); count]);
        assert_eq!(outcome.status == 200, good, "{count} crumbs: {outcome:?}");
        assert!(good || refused(&outcome, &h2, 431), "{count} crumbs: {outcome:?}");
        let packed = vec!["a=b"; count].join("; ");
        let (outcome, _) = ask_h2(&gateway, "/t/", &[("cookie", &packed)]);
        assert_eq!(outcome.status == 200, good, "{count} packed crumbs: {outcome:?}");
    }
    // RFC 9113 §6.5.2 counts 32 bytes more for each field.
    let value = "v".repeat(1000);
    for (count, good) in [(30, true), (33, false), (60, false)] {
        let (outcome, h2) = ask_h2(&gateway, "/t/", &vec![("x", value.as_str()); count]);
        assert_eq!(outcome.status == 200, good, "{count} KB: {outcome:?}");
        assert!(good || refused(&outcome, &h2, 431), "{count} KB: {outcome:?}");
    }
    assert_eq!(upstream.requests().len(), 4);
}
