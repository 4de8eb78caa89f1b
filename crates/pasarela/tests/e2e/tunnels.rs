//! T3, T54: a connection becomes a tunnel only where the API allows it and the service agrees.

use std::time::Duration;

use pasarela_testkit::{Gateway, Upstream, eventually, seconds};

use crate::gateway;

const HANDSHAKE: &str = "GET /t/socket HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Origin: https://app.example\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Agrees, greets, then sends everything back.
fn socket_service() -> Upstream {
    Upstream::script(|conn| {
        conn.request()?;
        conn.write(AGREED)?;
        conn.write("hello")?;
        conn.echo()
    })
}

fn open_to(upstream: &Upstream) -> Gateway {
    gateway().api_with("t", &[&upstream.url()], "upgrade: true").start()
}

#[test]
fn t03_a_tunnel_carries_bytes_both_ways_untouched() {
    let upstream = socket_service();
    let gateway = open_to(&upstream);
    let mut client = gateway.connect();
    client.send(HANDSHAKE);
    let head = client.one_head();
    assert_eq!(head.status, 101, "{}", head.brief());
    assert_eq!(head.get("upgrade").map(str::to_lowercase), Some("websocket".into()));
    assert_eq!(head.get("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(client.exactly(5), b"hello");
    // T54: masks, opcodes, fragments, all 256 byte values: nobody looks inside.
    let frame: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    client.send(&frame);
    assert_eq!(client.exactly(frame.len()), frame);
    let seen = upstream.only_request();
    assert_eq!(seen.target, "/socket");
    assert_eq!(seen.get("origin"), Some("https://app.example"), "T54");
    assert_eq!(seen.get("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
    // The end of one side is the end of the tunnel.
    drop(client);
    assert!(eventually(seconds(5), || upstream.open() == 0));
}

#[test]
fn t03_the_end_of_the_service_is_the_end_of_the_tunnel() {
    let upstream = Upstream::script(|conn| {
        conn.request()?;
        conn.write(AGREED)?;
        conn.write("bye")
    });
    let gateway = open_to(&upstream);
    let mut client = gateway.connect();
    client.send(HANDSHAKE);
    assert_eq!(client.one_head().status, 101);
    assert_eq!(client.exactly(3), b"bye");
    client.assert_closed();
}

#[test]
fn t03_what_is_sent_early_waits_for_the_agreement() {
    let upstream = Upstream::script(|conn| {
        conn.request()?;
        conn.pause(Duration::from_millis(200));
        conn.write(AGREED)?;
        conn.echo()
    });
    let gateway = open_to(&upstream);
    let mut client = gateway.connect();
    client.send(format!("{HANDSHAKE}early"));
    let head = client.one_head();
    // Refusing it is as good as keeping it; losing it or treating it as a request is not.
    if head.status == 101 {
        assert_eq!(client.exactly(5), b"early");
    } else {
        assert!(head.closes(), "{}", head.brief());
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn t03_without_permission_the_upgrade_is_not_offered() {
    let upstream = Upstream::script(|conn| {
        let request = conn.request()?;
        if request.fields.has("upgrade") {
            conn.write(AGREED)?;
            conn.echo()
        } else {
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain")
        }
    });
    let gateway = gateway().api("t", &upstream).start();
    let mut client = gateway.connect();
    client.send(HANDSHAKE);
    let response = client.response();
    assert!(response.status == 200 || response.status == 400, "{}", response.brief());
    for request in upstream.requests() {
        assert!(!request.fields.has("upgrade"), "{request:?}");
        assert!(!request.text().to_lowercase().contains("connection: upgrade"), "{request:?}");
    }
}

#[test]
fn t03_a_service_that_does_not_agree_is_answered_in_http() {
    for status in ["200 OK", "404 Not Found", "426 Upgrade Required"] {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno");
        let upstream = Upstream::answer(answer);
        let gateway = open_to(&upstream);
        let mut client = gateway.connect();
        client.send(format!("{HANDSHAKE}GET /t/smuggled HTTP/1.1\r\nHost: test\r\n\r\n"));
        let response = client.response();
        assert_eq!(response.text(), "no", "{status}");
        // The early bytes are a request to us or nothing, never raw bytes to the service.
        let _ = client.try_response("GET");
        for request in upstream.requests() {
            assert!(!request.target.starts_with("/t/"), "raw: {request:?}");
        }
        assert_eq!(upstream.violations(), Vec::<String>::new(), "{status}");
    }
}

#[test]
fn t03_agreements_that_make_no_sense_are_refused() {
    let answers = [
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: \r\n\r\n",
    ];
    for answer in answers {
        let upstream = Upstream::script(move |conn| {
            conn.request()?;
            conn.write(answer)?;
            conn.echo()
        });
        let gateway = open_to(&upstream);
        let mut client = gateway.connect();
        client.send(HANDSHAKE);
        client.response().assert_problem(502, "GW0023");
        client.assert_closed();
    }
}

#[test]
fn t03_an_agreement_nobody_asked_for_is_refused() {
    let upstream = Upstream::script(|conn| {
        conn.request()?;
        conn.write(AGREED)?;
        conn.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")?;
        conn.echo()
    });
    let gateway = open_to(&upstream);
    let requests = [
        "GET /t/ HTTP/1.1\r\nHost: test\r\n\r\n",
        // Without the nomination it is no upgrade (RFC 9110 §7.8).
        "GET /t/ HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n\r\n",
        "GET /t/ HTTP/1.0\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ];
    for request in requests {
        let mut client = gateway.connect();
        client.send(request);
        let response = client.response();
        assert!([400, 502].contains(&response.status), "{request:?}: {}", response.brief());
        assert!(!response.text().contains("evil"));
    }
}

#[test]
fn t03_an_upgrade_to_http2_is_not_passed_on() {
    let upstream = Upstream::echo();
    let gateway = open_to(&upstream);
    for upgrade in ["h2c", "h2c, websocket", "H2C", "HTTP/2.0", "TLS/1.0"] {
        let mut client = gateway.connect();
        client.send(format!(
            "GET /t/ HTTP/1.1\r\nHost: test\r\nConnection: Upgrade, HTTP2-Settings\r\n\
             Upgrade: {upgrade}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        ));
        let response = client.response();
        assert!([200, 400].contains(&response.status), "{upgrade}: {}", response.brief());
        for request in upstream.requests() {
            let text = request.text().to_lowercase();
            assert!(!text.contains("h2c") && !text.contains("http2-settings"), "{upgrade}: {text}");
        }
    }
}

#[test]
fn t03_an_upgrade_with_a_body_is_one_request_and_no_tunnel() {
    let upstream = Upstream::script(|conn| {
        loop {
            let request = conn.request()?;
            assert!(request.length == 5 || request.length == 0);
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
    });
    let gateway = open_to(&upstream);
    let mut client = gateway.connect();
    client.send(
        "POST /t/ HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Content-Length: 5\r\n\r\nhello",
    );
    let response = client.response();
    assert!([200, 400].contains(&response.status), "{}", response.brief());
    assert_eq!(upstream.violations(), Vec::<String>::new());
}

#[test]
fn l10_a_tunnel_that_nobody_reads_is_cut() {
    let upstream = Upstream::script(|conn| {
        conn.request()?;
        conn.write(AGREED)?;
        let block = vec![b'x'; 64 << 10];
        loop {
            conn.write(&block)?;
        }
    });
    let gateway = gateway()
        .limit("write_stall: 1s")
        .api_with("t", &[&upstream.url()], "upgrade: true")
        .start();
    let mut client = gateway.connect();
    client.send(HANDSHAKE);
    assert_eq!(client.one_head().status, 101);
    assert!(eventually(seconds(8), || upstream.open() == 0), "the service still sends");
    let rest = client.rest();
    assert!(rest.len() < 64 << 20);
}

#[test]
fn t54_tunnels_live_beyond_the_idle_limits_of_http() {
    let upstream = socket_service();
    let gateway = gateway()
        .limit("keep_alive_idle: 300ms")
        .limit("header_time: 300ms")
        .limit("body_rate_grace: 300ms")
        .api_with("t", &[&upstream.url()], "upgrade: true\ntimeouts: { total: 300ms }")
        .start();
    let mut client = gateway.connect();
    client.send(HANDSHAKE);
    assert_eq!(client.one_head().status, 101);
    assert_eq!(client.exactly(5), b"hello");
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(700));
        client.send("ping");
        assert_eq!(client.exactly(4), b"ping");
    }
}
