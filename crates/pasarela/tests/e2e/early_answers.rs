//! T2: an answer that comes before the body was read leaves no bytes that become a request.

use std::time::{Duration, Instant};

use pasarela_testkit::{Builder, Fault, Gateway, RawClient, Upstream, seconds};

use crate::{KEY, gateway, gateway_with_key};

/// What a body is full of; no upstream may ever see it as a request.
const MARKER: &str = "GET /t/marker HTTP/1.1\r\nHost: test\r\nX-API-Key: AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcdefg\r\n\r\n";

/// Every body, framed and whole, but for the endless one.
fn bodies() -> Vec<(&'static str, String)> {
    let full = MARKER.repeat((64 << 10) / MARKER.len() + 1);
    let full = &full[..64 << 10];
    let mut chunks = String::new();
    for _ in 0..20 {
        chunks.push_str(&format!("{:x}\r\n{MARKER}\r\n", MARKER.len()));
    }
    vec![
        ("one byte", "Content-Length: 1\r\n\r\nG".to_owned()),
        ("a marker", format!("Content-Length: {}\r\n\r\n{MARKER}", MARKER.len())),
        ("64 KiB", format!("Content-Length: {}\r\n\r\n{full}", full.len())),
        ("chunked", format!("Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")),
    ]
}

/// Sends `head` with each body and a pipelined request after it; `status` must be the answer.
#[track_caller]
fn each_body(gateway: &Gateway, upstream: &Upstream, head: &str, status: u16) {
    let after = format!("GET /t/after HTTP/1.1\r\nHost: test\r\nX-API-Key: {KEY}\r\n\r\n");
    for (name, body) in bodies() {
        let mut client = gateway.connect();
        let _ = client.try_send(format!("{head}{body}{after}"));
        let response = client.response();
        assert_eq!(response.status, status, "{name}: {}", response.brief());
        response.problem();
        // Then either the connection ends, or the next answer is the one to `after`.
        match client.try_response("GET") {
            Err(Fault::Closed | Fault::Reset) => (),
            Ok(second) if !response.closes() => {
                let right = [200, 404, 429].contains(&second.status);
                assert!(right, "{name}: {}", second.brief());
                let third = client.closed_within(Duration::from_millis(300));
                assert!(
                    third.is_ok() || third.as_ref().is_err_and(|e| e.contains("timed out")),
                    "{name}: a third answer: {third:?}"
                );
            }
            other => panic!("{name}: {other:?} after {}", response.brief()),
        }
        endless(gateway, head, status);
        let marked = upstream.requests().into_iter().find(|r| r.target.contains("marker"));
        assert!(marked.is_none(), "{name}: the marker was executed: {marked:?}");
    }
    assert_eq!(upstream.violations(), Vec::<String>::new());
}

/// A body that never ends: the answer comes, and the gateway stops listening soon after (L11).
#[track_caller]
fn endless(gateway: &Gateway, head: &str, status: u16) {
    let mut client = gateway.connect();
    client.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n"));
    let begin = Instant::now();
    let chunk =
        format!("{:x}\r\n{}\r\n", 1024, "GET /t/marker HTTP/1.1\r\n".repeat(43).split_at(1024).0);
    let mut sent = 0u64;
    while client.try_send(&chunk).is_ok() {
        sent += 1024;
        assert!(begin.elapsed() < seconds(10), "still listening after {sent} bytes");
        std::thread::sleep(Duration::from_millis(2));
    }
    match client.try_response("POST") {
        Ok(response) => assert_eq!(response.status, status, "{}", response.brief()),
        // Whoever sends on after the end may lose the answer to a reset: TCP.
        Err(Fault::Reset | Fault::Cut(_)) => (),
        Err(fault) => panic!("endless: {fault}"),
    }
    // 64 KiB drained, plus what sockets buffer on their own.
    assert!(sent < 8 << 20, "{sent} bytes were taken");
}

fn head(target: &str, key: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: test\r\nX-API-Key: {key}\r\n")
}

#[test]
fn t02_unknown_addresses() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).start();
    each_body(&gateway, &upstream, &head("/nowhere", KEY), 404);
}

#[test]
fn t02_missing_keys() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway_with_key(&upstream, "100000/s").start();
    each_body(&gateway, &upstream, "POST /t/x HTTP/1.1\r\nHost: test\r\n", 401);
}

#[test]
fn t02_unknown_keys() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway_with_key(&upstream, "100000/s").start();
    each_body(&gateway, &upstream, &head("/t/x", "not-the-key-not-the-key"), 401);
}

#[test]
fn t02_used_up_rates() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway_with_key(&upstream, "1/h burst 1").start();
    assert_eq!(
        gateway.connect().ask(format!("{}Content-Length: 0\r\n\r\n", head("/t/x", KEY))).status,
        200
    );
    each_body(&gateway, &upstream, &head("/t/x", KEY), 429);
}

#[test]
fn t02_unsupported_expectations() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).start();
    let head = format!("{}Expect: a-miracle\r\n", head("/t/x", KEY));
    each_body(&gateway, &upstream, &head, 417);
}

#[test]
fn t02_bodies_that_are_too_large() {
    let upstream = Upstream::ok("ok");
    let gateway = small(gateway(), &upstream).start();
    for (name, body) in bodies().into_iter().skip(1) {
        let mut client = gateway.connect();
        let _ = client.try_send(format!("{}{body}", head("/t/x", KEY)));
        let response = client.response();
        response.assert_problem(413, "GW0013");
        // Either the end, or in step: what was left of the body is gone.
        if client.closed_within(Duration::from_millis(100)).is_err() {
            let _ = client.try_send("GET /t/next HTTP/1.1\r\nHost: test\r\n\r\n");
            match client.try_response("GET") {
                Ok(next) => assert_eq!(next.status, 200, "{name}: {}", next.brief()),
                Err(fault) => {
                    assert!(matches!(fault, Fault::Closed | Fault::Reset), "{name}: {fault}");
                }
            }
        }
    }
    endless(&gateway, &head("/t/x", KEY), 413);
    let targets: Vec<_> = upstream.requests().into_iter().map(|r| r.target).collect();
    assert!(targets.iter().all(|target| target == "/next"), "{targets:?}");
    assert_eq!(upstream.violations(), Vec::<String>::new());
}

fn small(builder: Builder, upstream: &Upstream) -> Builder {
    builder.api_with("t", &[&upstream.url()], "body_bytes: 10")
}

#[test]
fn t02_services_that_answer_before_they_have_read() {
    // The service answers 403 at once and leaves the body: what is left must not become its next
    // request, nor ours.
    let upstream = Upstream::script(|conn| {
        loop {
            let request = conn.head()?;
            if request.target == "/early" {
                conn.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")?;
                // It reads on, as a server does that wants to keep the connection.
                conn.finish_request()?;
            } else {
                conn.finish_request()?;
                conn.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
            }
        }
    });
    let gateway = gateway().api("t", &upstream).start();
    for (name, body) in bodies() {
        let mut client = gateway.connect();
        let _ = client.try_send(format!("{}{body}", head("/t/early", KEY)));
        let response = client.response();
        assert_eq!((response.status, response.text().as_str()), (403, "no"), "{name}");
        for _ in 0..3 {
            assert_eq!(gateway.get("/t/good").text(), "ok", "{name}");
        }
    }
    let targets: Vec<_> = upstream.requests().into_iter().map(|r| r.target).collect();
    assert!(targets.iter().all(|t| t == "/early" || t == "/good"), "{targets:?}");
    assert_eq!(upstream.violations(), Vec::<String>::new());
}

#[test]
fn t02_the_answer_reaches_a_client_that_is_still_sending() {
    // A client that writes a mebibyte before it reads must still find the refusal, as long as it
    // stays within what is drained (L11) and the sockets hold.
    let upstream = Upstream::ok("ok");
    let gateway = small(gateway(), &upstream).start();
    for _ in 0..20 {
        let mut client = RawClient::connect(gateway.address());
        let body = "x".repeat(60 << 10);
        let _ = client.try_send(format!(
            "{}Content-Length: {}\r\n\r\n{body}",
            head("/t/x", KEY),
            body.len()
        ));
        std::thread::sleep(Duration::from_millis(5));
        client.response().assert_problem(413, "GW0013");
    }
}
