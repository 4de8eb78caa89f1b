//! L1, L2, L49 and the names of certificates.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use pasarela_testkit::{
    Authority, Builder, ClientTls, Gateway, H2Client, RawClient, Upstream, eventually, seconds,
};

use crate::gateway;

/// A gateway with a certificate for `api.example` (the default one) and one for `two.example`.
fn with_tls(authority: &Authority, upstream: &Upstream, more: &str) -> Builder {
    let builder = gateway().listen("tls: 127.0.0.1:0").api("t", upstream);
    authority.issue(&["api.example"]).write(builder.folder(), "one");
    authority.issue(&["two.example", "*.wild.example"]).write(builder.folder(), "two");
    builder.top(&format!(
        "tls:\n  certificates: [{{ cert: one.pem, key: one.key }}, {{ cert: two.pem, key: two.key }}]\n{more}"
    ))
}

#[test]
fn an_idle_connection_ends_with_a_word() {
    // RFC 8446 §6.1: without it the other side cannot know that nothing was cut off.
    let (authority, upstream) = (Authority::new("test"), Upstream::ok("ok"));
    let mut gateway = with_tls(&authority, &upstream, "").limit("keep_alive_idle: 300ms").start();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let settings = ClientTls::new("api.example", &authority).versions(&[version]);
        let mut client = gateway.connect_tls(&settings);
        assert_eq!(client.ask(get("api.example")).text(), "ok");
        client.assert_closed_within(seconds(3));
        assert!(client.was_told_goodbye(), "idle");
    }
    let settings = ClientTls::new("api.example", &authority);
    let mut last = gateway.connect_tls(&settings);
    let answer = last.ask("GET /t/ HTTP/1.1\r\nHost: api.example\r\nConnection: close\r\n\r\n");
    assert!(answer.closes());
    last.assert_closed_within(seconds(3));
    assert!(last.was_told_goodbye(), "asked to close");
    let mut drained = gateway.connect_tls(&settings);
    assert_eq!(drained.ask(get("api.example")).text(), "ok");
    gateway.sigterm();
    drained.assert_closed_within(seconds(3));
    assert!(drained.was_told_goodbye(), "drained");
    assert!(gateway.process().wait(seconds(5)).is_some());
}

#[test]
fn an_answer_that_breaks_off_ends_without_a_word() {
    let authority = Authority::new("test");
    let upstream = Upstream::script(|conn| {
        conn.request()?;
        conn.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    });
    let gateway = with_tls(&authority, &upstream, "").start();
    let mut client = gateway.connect_tls(&ClientTls::new("api.example", &authority));
    client.send(get("api.example"));
    assert_eq!(client.head("GET").status, 200);
    while let Ok(Some(_)) = client.try_piece() {}
    assert!(!client.was_told_goodbye(), "it looks as if it were whole");
}

fn get(host: &str) -> String {
    format!("GET /t/ HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

#[test]
fn both_versions_and_protocols_carry_requests() {
    let (authority, upstream) = (Authority::new("test"), Upstream::echo());
    let gateway = with_tls(&authority, &upstream, "").start();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for alpn in [&[][..], &["http/1.1"], &["http/1.1", "http/1.0"]] {
            let settings =
                ClientTls::new("api.example", &authority).alpn(alpn).versions(&[version]);
            let mut client = gateway.connect_tls(&settings);
            let response = client.ask(get("api.example"));
            assert_eq!(response.status, 200, "{}", response.brief());
            let seen = upstream.requests().pop().expect("a request");
            assert_eq!(seen.get("x-forwarded-proto"), Some("https"));
            assert_eq!(client.get("/t/").status, 200, "kept alive");
        }
        let settings = ClientTls::new("api.example", &authority).versions(&[version]);
        let mut h2 = H2Client::tls(gateway.address_of("tls"), settings);
        let stream = h2.request(&[
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", "api.example"),
            (":path", "/t/"),
        ]);
        let outcome = h2.outcome(stream, seconds(5));
        assert_eq!(outcome.status, 200, "{outcome:?}");
    }
    // h2 is preferred where both are offered.
    let settings = ClientTls::new("api.example", &authority).alpn(&["http/1.1", "h2"]);
    let client = RawClient::tls(gateway.address_of("tls"), &settings).expect("a handshake");
    assert_eq!(client.alpn.as_deref(), Some("h2"));
}

#[test]
fn the_name_asked_for_chooses_the_certificate() {
    let (authority, upstream) = (Authority::new("test"), Upstream::ok("ok"));
    let gateway = with_tls(&authority, &upstream, "").start();
    for name in ["api.example", "two.example", "x.wild.example", "TWO.example"] {
        let settings = ClientTls::new(name, &authority);
        let response = gateway.connect_tls(&settings).ask(get(&name.to_lowercase()));
        assert_eq!(response.text(), "ok", "{name}");
    }
    // Verification of the default certificate against another name fails at the client.
    for name in ["other.example", "a.b.wild.example"] {
        let settings = ClientTls::new(name, &authority);
        assert!(RawClient::tls(gateway.address_of("tls"), &settings).is_err(), "{name}");
    }
}

#[test]
fn l01_old_versions_are_refused() {
    let (authority, upstream) = (Authority::new("test"), Upstream::ok("ok"));
    let gateway = with_tls(&authority, &upstream, "").start();
    for (minor, name) in [(0u8, "SSL 3.0"), (1, "TLS 1.0"), (2, "TLS 1.1")] {
        // A ClientHello of that version with suites it had (RSA and ECDHE, CBC).
        let mut body = vec![3, minor];
        body.extend([7; 32]);
        body.push(0);
        let suites = [0xc0, 0x13, 0xc0, 0x14, 0x00, 0x2f, 0x00, 0x35];
        body.extend([0, 8]);
        body.extend(suites);
        body.extend([1, 0]);
        let length = u8::try_from(body.len()).expect("short");
        let mut hello = vec![22, 3, 1, 0, length + 4, 1, 0, 0, length];
        hello.extend(body);
        let mut socket = TcpStream::connect(gateway.address_of("tls")).expect("a connection");
        socket.set_read_timeout(Some(seconds(5))).expect("a time-out");
        socket.write_all(&hello).expect("open");
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        // Closed, after an alert (21) or nothing; no ServerHello (22).
        assert_ne!(answer.first(), Some(&22), "{name}: {answer:?}");
    }
}

#[test]
fn plain_http_at_the_tls_port_gets_no_gateway() {
    let (authority, upstream) = (Authority::new("test"), Upstream::ok("ok"));
    let gateway = with_tls(&authority, &upstream, "").start();
    let mut client = RawClient::connect(gateway.address_of("tls"));
    client.send(get("api.example"));
    let answer = client.rest();
    assert!(!answer.windows(3).any(|three| three == b"200"), "{answer:?}");
    client.assert_closed();
    assert!(upstream.requests().is_empty());
}

#[test]
fn l02_a_handshake_has_a_time() {
    let (authority, upstream) = (Authority::new("test"), Upstream::ok("ok"));
    let gateway = with_tls(&authority, &upstream, "").limit("tls_handshake: 500ms").start();
    let address = gateway.address_of("tls");
    for bytes in [&b""[..], &[22], &[22, 3, 1, 2, 0], &[22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]] {
        let mut client = RawClient::connect(address);
        client.send(bytes);
        let begin = std::time::Instant::now();
        client.rest();
        assert!(begin.elapsed() < seconds(3), "{bytes:?}: {:?}", begin.elapsed());
    }
    let settings = ClientTls::new("api.example", &authority);
    assert_eq!(gateway.connect_tls(&settings).ask(get("api.example")).text(), "ok");
}

#[test]
fn client_certificates_are_required_optional_or_off() {
    let (authority, callers) = (Authority::new("servers"), Authority::new("callers"));
    let strangers = Authority::new("strangers");
    let upstream = Upstream::ok("ok");
    for (mode, without) in [("required", false), ("optional", true)] {
        let more = format!("  client: {mode}\n  client_ca: callers.pem");
        let gateway =
            with_tls(&authority, &upstream, &more).file("callers.pem", &callers.pem).start();
        let address = gateway.address_of("tls");
        let attempt = |settings: ClientTls| {
            let mut client = RawClient::tls(address, &settings).ok()?;
            client.try_send(get("api.example")).ok()?;
            // With TLS 1.3 the refusal comes after the client's part of the handshake.
            client.try_response("GET").ok().map(|response| response.status)
        };
        let settings = || ClientTls::new("api.example", &authority);
        assert_eq!(attempt(settings()).is_some(), without, "{mode}, none");
        let good = settings().identity(callers.issue(&["caller"]));
        assert_eq!(attempt(good), Some(200), "{mode}, a good one");
        let bad = settings().identity(strangers.issue(&["caller"]));
        assert_eq!(attempt(bad), None, "{mode}, a stranger's");
    }
}

#[test]
fn t14_where_certificates_count_the_host_must_be_the_name_of_the_handshake() {
    let authority = Authority::new("all");
    let upstream = Upstream::ok("ok");
    let more = "  client: required\n  client_ca: all.pem";
    let gateway = with_tls(&authority, &upstream, more).file("all.pem", &authority.pem).start();
    let settings = || ClientTls::new("api.example", &authority).identity(authority.issue(&["c"]));
    assert_eq!(gateway.connect_tls(&settings()).ask(get("api.example")).status, 200);
    let mut client = gateway.connect_tls(&settings());
    client.ask(get("two.example")).assert_problem(421, "GW0017");
    let mut h2 = H2Client::tls(gateway.address_of("tls"), settings());
    let stream = h2.request(&[
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "two.example"),
        (":path", "/t/"),
    ]);
    assert_eq!(h2.outcome(stream, seconds(5)).status, 421);
}

#[test]
fn l49_new_certificates_serve_without_a_restart() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let upstream = Upstream::ok("ok");
    let gateway = with_tls(&old, &upstream, "").start();
    let mut before = gateway.connect_tls(&ClientTls::new("api.example", &old));
    assert_eq!(before.ask(get("api.example")).text(), "ok");
    new.issue(&["api.example"]).write(gateway.folder(), "one");
    gateway.sighup();
    let settings = ClientTls::new("api.example", &new);
    let renewed = || RawClient::tls(gateway.address_of("tls"), &settings).is_ok();
    assert!(eventually(seconds(5), renewed), "the new certificate is not served");
    // The connection of before goes on, and the other name is as it was.
    assert_eq!(before.ask(get("api.example")).text(), "ok");
    let two = ClientTls::new("two.example", &old);
    assert_eq!(gateway.connect_tls(&two).ask(get("two.example")).text(), "ok");
    // F19: a file that is none is refused, and what served goes on serving.
    std::fs::write(gateway.folder().join("one.pem"), "nonsense").expect("writing");
    gateway.sighup();
    gateway.await_log("configuration refused");
    assert!(RawClient::tls(gateway.address_of("tls"), &settings).is_ok());
}

#[test]
fn upstreams_are_verified() {
    let (servers, strangers) = (Authority::new("servers"), Authority::new("strangers"));
    let service = Upstream::ok("ok");
    // A gateway with TLS is the service; it asks for a certificate in its turn.
    let inner: Gateway = {
        let builder = gateway().listen("tls: 127.0.0.1:0").api("t", &service);
        servers.issue(&["inner.example"]).write(builder.folder(), "one");
        builder
            .file("ca.pem", &servers.pem)
            .top("tls:\n  certificates: [{ cert: one.pem, key: one.key }]\n  client: required\n  client_ca: ca.pem")
            .start()
    };
    let url = format!("https://{}/t", inner.address_of("tls"));
    let builder = gateway();
    servers.issue(&["caller"]).write(builder.folder(), "caller");
    let cert = "cert: caller.pem, key: caller.key";
    let quick = "retries: { attempts: 0 }";
    let outer = builder
        .file("good.pem", &servers.pem)
        .file("bad.pem", &strangers.pem)
        .api_with("good", &[&url], &format!("tls: {{ ca: good.pem, {cert}, server_name: inner.example }}\npreserve_host: false\n{quick}"))
        .api_with("two", &[&url], &format!("tls: {{ ca: good.pem, {cert}, server_name: inner.example }}\nhttp: 2\n{quick}"))
        .api_with("name", &[&url], &format!("tls: {{ ca: good.pem, {cert}, server_name: other.example }}\n{quick}"))
        .api_with("ca", &[&url], &format!("tls: {{ ca: bad.pem, {cert}, server_name: inner.example }}\n{quick}"))
        .api_with("system", &[&url], &format!("tls: {{ {cert}, server_name: inner.example }}\n{quick}"))
        .api_with("nocert", &[&url], &format!("tls: {{ ca: good.pem, server_name: inner.example }}\n{quick}"))
        .start();
    // The inner one compares Host with SNI (T14): the outer must send a host of that name.
    for good in ["/good/", "/two/"] {
        let response = outer.get(good);
        assert!([200, 421].contains(&response.status), "{good}: {}", response.brief());
    }
    for bad in ["/name/", "/ca/", "/system/", "/nocert/"] {
        let response = outer.get(bad);
        assert_eq!(response.status, 502, "{bad}: {}", response.brief());
        response.problem();
    }
    std::thread::sleep(Duration::from_millis(50));
    let targets: Vec<_> = service.requests().into_iter().map(|r| r.target).collect();
    assert!(targets.len() <= 2, "{targets:?}");
}
