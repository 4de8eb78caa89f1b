//! Messages pass unchanged but for what the gateway promises to change.

use std::sync::{Mutex, mpsc};

use pasarela_testkit::{Fault, Gateway, H2Client, Upstream, frame, seconds};

use crate::gateway;

fn through(upstream: &Upstream) -> Gateway {
    gateway().api("t", upstream).start()
}

#[test]
fn the_base_path_is_taken_off_and_the_upstream_path_put_before() {
    let upstream = Upstream::echo();
    let based = format!("{}/inner/base", upstream.url());
    let gateway = gateway().api("t", &upstream).api_with("u", &[&based], "").start();
    let table = [
        ("/t", "/"),
        ("/t/", "/"),
        ("/t?x=1", "/?x=1"),
        ("/t/a/b", "/a/b"),
        ("/t/a/b/?x=1&y=%2F?&z=a+b", "/a/b/?x=1&y=%2F?&z=a+b"),
        ("/t/a?", "/a?"),
        ("/u/a", "/inner/base/a"),
        ("/u/a;v=1?q", "/inner/base/a;v=1?q"),
    ];
    let mut client = gateway.connect();
    for (asked, expected) in table {
        let response = client.get(asked);
        assert_eq!(response.status, 200, "{asked}: {}", response.brief());
        let seen = upstream.requests().pop().expect("a request");
        assert_eq!(seen.target, expected, "{asked}");
    }
    // `/tx` is not below `/t`.
    client.get("/tx").assert_problem(404, "GW0001");
    assert_eq!(upstream.violations(), Vec::<String>::new());
}

#[test]
fn the_upstream_sees_its_own_host_or_the_callers_where_preserved() {
    let upstream = Upstream::echo();
    let gateway = gateway()
        .api("own", &upstream)
        .api_with("callers", &[&upstream.url()], "preserve_host: true")
        .start();
    let mut client = gateway.connect();
    client.ask("GET /own/ HTTP/1.1\r\nHost: api.example:8080\r\n\r\n");
    client.ask("GET /callers/ HTTP/1.1\r\nHost: api.example:8080\r\n\r\n");
    let seen = upstream.await_requests(2);
    assert_eq!(seen[0].get("host"), Some(upstream.address().to_string().as_str()));
    assert_eq!(seen[1].get("host"), Some("api.example:8080"));
}

#[test]
fn bodies_pass_with_a_length_and_in_chunks_both_ways() {
    let upstream = Upstream::handle(|request| {
        let text = String::from_utf8_lossy(&request.body).to_uppercase();
        if request.chunked {
            let half = text.len() / 2;
            let (a, b) = text.split_at(half);
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                 {:x}\r\n{a}\r\n{:X}\r\n{b}\r\n0\r\n\r\n",
                a.len(),
                b.len()
            )
            .into()
        } else {
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into()
        }
    });
    let gateway = through(&upstream);
    let mut client = gateway.connect();
    let text = "so much depends upon ".repeat(500);
    let whole = client.ask(format!(
        "POST /t/a HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    ));
    assert_eq!(whole.text(), text.to_uppercase());
    assert_eq!(whole.get("content-length"), Some(text.len().to_string().as_str()));
    let chunked = client.ask(format!(
        "PUT /t/b HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n{:x}\r\n{text}\r\n0\r\n\r\n",
        text.len()
    ));
    assert_eq!(chunked.text(), format!("HELLO{}", text.to_uppercase()));
    let seen = upstream.await_requests(2);
    assert_eq!((seen[0].length, seen[0].chunked), (text.len() as u64, false));
    assert_eq!((seen[1].length, seen[1].chunked), (text.len() as u64 + 5, true));
    assert_eq!(upstream.violations(), Vec::<String>::new());
}

#[test]
fn trailers_pass_both_ways() {
    let upstream = Upstream::answer(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
         2\r\nok\r\n0\r\nX-Sum: 42\r\n\r\n",
    );
    let gateway = through(&upstream);
    let response = gateway.connect().ask(
        "POST /t/ HTTP/1.1\r\nHost: test\r\nTE: trailers\r\nConnection: TE\r\n\
         Trailer: X-Check\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n0\r\nX-Check: 7\r\n\r\n",
    );
    assert_eq!(response.text(), "ok");
    assert_eq!(response.trailers.get("x-sum"), Some("42"));
    assert_eq!(upstream.only_request().trailers.get("x-check"), Some("7"));
}

#[test]
fn head_204_and_304_have_no_body_and_the_connection_goes_on() {
    let upstream = Upstream::handle(|request| match request.target.as_str() {
        "/204" => b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n".to_vec(),
        "/304" => b"HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\nContent-Length: 99\r\n\r\n".into(),
        "/chunked" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".to_vec(),
    });
    let gateway = through(&upstream);
    let mut client = gateway.connect();
    for _ in 0..3 {
        assert_eq!(client.get("/t/204").status, 204);
        let not_modified = client.get("/t/304");
        assert_eq!((not_modified.status, not_modified.get("etag")), (304, Some("\"e\"")));
        let head = client.ask("HEAD /t/sized HTTP/1.1\r\nHost: test\r\n\r\n");
        assert_eq!((head.status, head.get("content-length")), (200, Some("1000")));
        let head = client.ask("HEAD /t/chunked HTTP/1.1\r\nHost: test\r\n\r\n");
        assert_eq!((head.status, head.length), (200, 0));
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn old_clients_are_answered_in_their_way() {
    let upstream = Upstream::handle(|request| {
        if request.target == "/chunked" {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n".to_vec()
        } else {
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody".to_vec()
        }
    });
    let gateway = through(&upstream);
    for target in ["/t/plain", "/t/chunked"] {
        // HTTP/1.0 knows neither chunks nor, unasked, a second request.
        let mut client = gateway.connect();
        let response = client.ask(format!("GET {target} HTTP/1.0\r\nHost: test\r\n\r\n"));
        assert_eq!((response.status, response.text().as_str()), (200, "body"));
        assert!(!response.chunked, "{}", response.brief());
        client.assert_closed();
    }
    let mut client = gateway.connect();
    client.send("POST /t/plain HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(client.response().text(), "body");
    client.assert_closed();
    assert_eq!(upstream.requests().len(), 3);
    assert_eq!(upstream.requests()[2].version, "HTTP/1.1");
    assert_eq!(upstream.violations(), Vec::<String>::new());
}

#[test]
fn an_old_service_that_ends_its_body_by_closing_is_understood() {
    let upstream = Upstream::script(|conn| {
        let request = conn.request()?;
        let version = if request.target == "/old" { "1.0" } else { "1.1" };
        conn.write(format!("HTTP/{version} 200 OK\r\nServer: old\r\n\r\nall "))?;
        conn.pause(std::time::Duration::from_millis(20));
        conn.write("of it")
    });
    let gateway = through(&upstream);
    let mut client = gateway.connect();
    for target in ["/t/old", "/t/new"] {
        let response = client.get(target);
        assert_eq!(response.text(), "all of it", "{target}");
        assert_eq!(response.version, "HTTP/1.1");
        assert!(response.chunked, "our client need not pay for it with its connection");
    }
}

#[test]
fn connections_are_kept_on_both_sides() {
    let upstream = Upstream::ok("ok");
    let gateway = through(&upstream);
    let mut client = gateway.connect();
    for _ in 0..100 {
        assert_eq!(client.get("/t/").text(), "ok");
    }
    assert_eq!(upstream.connections(), 1);
    let asked = client.ask("GET /t/ HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    assert!(asked.closes(), "{}", asked.brief());
    client.assert_closed();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::handle(|request| {
        let body = &request.target;
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into()
    });
    let gateway = through(&upstream);
    let mut client = gateway.connect();
    let mut all = String::new();
    for number in 0..50 {
        let body = "x".repeat(number);
        all.push_str(&format!(
            "POST /t/{number} HTTP/1.1\r\nHost: test\r\nContent-Length: {number}\r\n\r\n{body}"
        ));
    }
    client.send(&all);
    for number in 0..50 {
        assert_eq!(client.response().text(), format!("/{number}"));
    }
    let targets: Vec<_> = upstream.requests().into_iter().map(|r| r.target).collect();
    assert_eq!(targets, (0..50).map(|n| format!("/{n}")).collect::<Vec<_>>());
}

#[test]
fn a_request_in_single_bytes_is_a_request() {
    let upstream = Upstream::echo();
    let gateway = through(&upstream);
    let mut client = gateway.connect();
    let request = b"POST /t/slow HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
                    5\r\nhello\r\n0\r\n\r\n";
    client.send_slowly(request, 1, std::time::Duration::from_millis(1)).expect("open");
    assert_eq!(client.response().status, 200);
    assert_eq!(upstream.only_request().body, b"hello");
}

#[test]
fn server_sent_events_pass_one_by_one() {
    for (coding, end) in [("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), ("", "")] {
        let chunked = !coding.is_empty();
        let (send, receive) = mpsc::channel::<()>();
        let receive = Mutex::new(receive);
        let upstream = Upstream::script(move |conn| {
            conn.request()?;
            conn.write(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{coding}\r\n"
            ))?;
            let receive = receive.lock().expect("one connection");
            for number in 0..5 {
                let event = format!("data: {number}\n\n");
                if chunked {
                    conn.write(format!("{:x}\r\n{event}\r\n", event.len()))?;
                } else {
                    conn.write(event)?;
                }
                // Nothing more comes until the client has said that it has this one.
                receive.recv().expect("the test is there");
            }
            conn.write(end)
        });
        let gateway = through(&upstream);
        let mut client = gateway.connect();
        client.patience(seconds(3));
        client.send("GET /t/events HTTP/1.1\r\nHost: test\r\n\r\n");
        let head = client.head("GET");
        assert_eq!(head.get("content-type"), Some("text/event-stream"));
        for number in 0..5 {
            let mut event = Vec::new();
            while !event.ends_with(b"\n\n") {
                event.extend(client.piece().expect("an event"));
            }
            assert_eq!(event, format!("data: {number}\n\n").as_bytes());
            send.send(()).expect("the upstream is there");
        }
        assert_eq!(client.piece(), None);
    }
}

#[test]
fn interim_responses_pass() {
    let upstream = Upstream::answer(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    let gateway = through(&upstream);
    let response = gateway.get("/t/");
    assert_eq!(response.text(), "ok");
    assert_eq!(response.interim.len(), 1, "{response:?}");
    assert_eq!(response.interim[0].status, 103);
    assert_eq!(response.interim[0].get("link"), Some("</a.css>; rel=preload"));
    // A client of HTTP/1.0 does not know them.
    let response = gateway.connect().ask("GET /t/ HTTP/1.0\r\nHost: test\r\n\r\n");
    assert!(response.interim.is_empty(), "{response:?}");
    let mut h2 = gateway.connect_h2();
    assert_eq!(h2.get("/t/").interim, [103]);
}

#[test]
fn hop_by_hop_fields_of_an_answer_stay_on_their_hop() {
    let upstream = Upstream::answer(
        "HTTP/1.1 200 OK\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: keep-alive\r\nX-Stays: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
         Content-Length: 2\r\n\r\nok",
    );
    let gateway = through(&upstream);
    let response = gateway.get("/t/");
    for name in ["x-hop", "keep-alive", "proxy-connection"] {
        assert!(!response.fields.has(name), "{name}: {}", response.brief());
    }
    assert_eq!(response.get("x-stays"), Some("1"));
    assert_eq!(response.fields.all("set-cookie"), ["a=1", "b=2"]);
}

#[test]
fn methods_pass_as_they_are() {
    let upstream = Upstream::echo();
    let gateway = through(&upstream);
    let mut client = gateway.connect();
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "M-SEARCH"];
    for method in methods {
        let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
        let request = format!("{method} /t/ HTTP/1.1\r\nHost: test\r\n{length}\r\n");
        assert_eq!(client.ask(request).status, 200, "{method}");
    }
    let seen: Vec<_> = upstream.requests().into_iter().map(|r| r.method).collect();
    assert_eq!(seen, methods);
}

#[test]
fn what_only_a_tunnelling_proxy_does_is_refused() {
    let upstream = Upstream::echo();
    let gateway = through(&upstream);
    for request in [
        "CONNECT test:80 HTTP/1.1\r\nHost: test:80\r\n\r\n",
        "CONNECT /t/ HTTP/1.1\r\nHost: test\r\n\r\n",
        "TRACE /t/ HTTP/1.1\r\nHost: test\r\nCookie: secret\r\n\r\n",
    ] {
        let mut client = gateway.connect();
        client.send(request);
        let response = client.response();
        assert!((400..=501).contains(&response.status), "{request:?}: {}", response.brief());
        response.problem();
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn host_names_are_resolved() {
    let upstream = Upstream::ok("ok");
    let url = format!("http://localhost:{}", upstream.address().port());
    let gateway = gateway()
        .api_with("t", &[&url], "")
        .api_with("nowhere", &["http://no-such-host.invalid:80"], "retries: { attempts: 0 }")
        .start();
    assert_eq!(gateway.get("/t/").text(), "ok");
    gateway.get("/nowhere/").assert_problem(502, "GW0022");
}

#[test]
fn a_second_protocol_carries_the_same_messages() {
    let upstream = Upstream::handle(|request| {
        let text = format!("{} {}", request.text(), String::from_utf8_lossy(&request.body));
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n\
             {:x}\r\n{text}\r\n0\r\nX-Sum: 42\r\n\r\n",
            text.len()
        )
        .into()
    });
    let gateway = through(&upstream);
    let mut h2 = gateway.connect_h2();
    let stream = h2.next_stream();
    let block = H2Client::block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "api.example"),
        (":path", "/t/a?b=c"),
        ("te", "trailers"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("x-custom", "yes"),
    ]);
    h2.headers(stream, &block, false).expect("open");
    h2.data(stream, b"first ", false).expect("open");
    h2.data(stream, b"second", false).expect("open");
    let trailers = H2Client::block(&[("x-check", "7")]);
    h2.headers(stream, &trailers, true).expect("open");
    let outcome = h2.outcome(stream, seconds(5));
    assert_eq!((outcome.status, outcome.ended), (200, true), "{outcome:?}");
    assert!(outcome.text().contains("first second"), "{outcome:?}");
    assert!(!outcome.fields.has("x-hop"), "{outcome:?}");
    assert!(!outcome.fields.has("transfer-encoding"), "{outcome:?}");
    assert_eq!(outcome.trailers.get("x-sum"), Some("42"));
    let seen = upstream.only_request();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/a?b=c"));
    assert_eq!(seen.get("cookie"), Some("a=1; b=2"), "RFC 9113 §8.2.3");
    assert_eq!(seen.get("x-custom"), Some("yes"));
    assert_eq!(seen.trailers.get("x-check"), Some("7"));
    // Many at a time, on the same connection.
    let streams: Vec<u32> = (0..50).map(|n| h2.start_get(&format!("/t/{n}"))).collect();
    for (number, stream) in streams.into_iter().enumerate() {
        let outcome = h2.outcome(stream, seconds(5));
        assert!(outcome.text().contains(&format!("GET /{number} ")), "{outcome:?}");
    }
    assert_eq!(upstream.violations(), Vec::<String>::new());
}

#[test]
fn head_and_empty_answers_end_their_streams() {
    let upstream = Upstream::handle(|request| match request.target.as_str() {
        "/204" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n".to_vec(),
    });
    let gateway = through(&upstream);
    let mut h2 = gateway.connect_h2();
    let outcome = h2.get("/t/204");
    assert_eq!((outcome.status, outcome.ended), (204, true));
    let stream = h2.request(&[
        (":method", "HEAD"),
        (":scheme", "http"),
        (":authority", "test"),
        (":path", "/t/"),
    ]);
    let outcome = h2.outcome(stream, seconds(5));
    assert_eq!((outcome.status, outcome.ended), (200, true));
    assert_eq!(outcome.fields.get("content-length"), Some("10"));
    assert!(outcome.body.is_empty());
}

#[test]
fn http2_upstreams_are_spoken_to() {
    // A second gateway is the HTTP/2 service; foreign ones play that part in `tests/peers`.
    let service = Upstream::handle(|request| {
        let text = format!("{}{}", request.text(), String::from_utf8_lossy(&request.body));
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
             {:x}\r\n{text}\r\n0\r\nX-Sum: 42\r\n\r\n",
            text.len()
        )
        .into()
    });
    let inner = gateway().api("t", &service).start();
    let url = format!("http://{}/t", inner.address());
    let outer = gateway().api_with("t", &[&url], "http: 2").start();
    let mut client = outer.connect();
    for _ in 0..10 {
        let response = client.ask(
            "POST /t/a HTTP/1.1\r\nHost: test\r\nTE: trailers\r\nConnection: TE\r\n\
             Content-Length: 5\r\n\r\nhello",
        );
        assert_eq!(response.status, 200, "{}", response.brief());
        assert!(response.text().ends_with("hello"), "{}", response.brief());
        assert_eq!(response.trailers.get("x-sum"), Some("42"));
    }
    let access = inner.access_lines(10);
    assert!(access.iter().all(|line| line["protocol"].to_string().contains('2')), "{access:?}");
}

#[test]
fn a_broken_download_is_never_made_to_look_whole() {
    let upstream = Upstream::script(|conn| {
        let request = conn.request()?;
        let head = match request.target.as_str() {
            "/sized" => "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf",
            _ => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        };
        conn.write(head)
    });
    let gateway = through(&upstream);
    for target in ["/t/sized", "/t/chunked"] {
        let mut client = gateway.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"));
        match client.try_response("GET") {
            Ok(response) if response.status == 502 => drop(response.problem()),
            Ok(response) => panic!("{target} looks whole: {}", response.brief()),
            // A reset may overtake what was sent before it.
            Err(Fault::Cut(_) | Fault::Reset) => (),
            Err(fault) => panic!("{target}: {fault}"),
        }
        // HTTP/1.0 would end a chunked answer by closing: here it must not be a clean close.
        let mut h2 = gateway.connect_h2();
        let outcome = h2.get(target);
        assert!(outcome.reset.is_some() || outcome.status == 502, "{target}: {outcome:?}");
        assert!(!outcome.ended || outcome.status == 502, "{target}: {outcome:?}");
    }
}

#[test]
fn a_client_that_leaves_takes_its_upstream_exchange_along() {
    let upstream = Upstream::script(|conn| {
        conn.request()?;
        conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        loop {
            conn.write("5\r\nhello\r\n")?;
            conn.pause(std::time::Duration::from_millis(10));
        }
    });
    let gateway = through(&upstream);
    let mut client = gateway.connect();
    client.send("GET /t/ HTTP/1.1\r\nHost: test\r\n\r\n");
    client.head("GET");
    client.piece();
    drop(client);
    let gone = || upstream.open() == 0;
    assert!(pasarela_testkit::eventually(seconds(3), gone), "H1: the upstream still sends");
    let mut h2 = gateway.connect_h2();
    let stream = h2.start_get("/t/");
    h2.pump(seconds(2), |client| !client.so_far(stream).body.is_empty());
    h2.frame(frame::RST_STREAM, 0, stream, &8u32.to_be_bytes()).expect("open");
    assert!(pasarela_testkit::eventually(seconds(3), gone), "H2: the upstream still sends");
    let pong = h2.frame(frame::PING, 0, 0, b"12345678");
    pong.expect("open");
    assert!(h2.pump(seconds(2), |client| client.pongs == 1));
}

#[test]
fn a_client_that_has_said_all_still_listens() {
    let upstream = Upstream::script(|conn| {
        let request = conn.request()?;
        conn.pause(std::time::Duration::from_millis(700));
        if request.target == "/streams" {
            conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nnow\r\n")?;
            conn.pause(std::time::Duration::from_millis(700));
            return conn.write("4\r\nlate\r\n0\r\n\r\n");
        }
        conn.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
    });
    let gateway = through(&upstream);
    for (request, expected) in [
        ("GET /t/ HTTP/1.1\r\nHost: test\r\n\r\n", "late"),
        ("POST /t/ HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nhi", "late"),
        ("GET /t/streams HTTP/1.1\r\nHost: test\r\n\r\n", "nowlate"),
    ] {
        let mut client = gateway.connect();
        client.send(request);
        client.finish_sending();
        assert_eq!(client.response().text(), expected, "{request}");
        client.assert_closed();
    }
}

#[test]
fn a_client_that_breaks_off_after_having_said_all_is_noticed() {
    let upstream = Upstream::script(|conn| {
        let request = conn.request()?;
        if request.target == "/begun" {
            conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")?;
        }
        let _ = conn.some();
        Ok(())
    });
    let gateway = through(&upstream);
    for target in ["/t/waiting", "/t/begun"] {
        let mut client = gateway.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"));
        client.finish_sending();
        assert!(pasarela_testkit::eventually(seconds(2), || upstream.open() == 1));
        if target == "/t/begun" {
            client.head("GET");
        } else {
            // It is not given up for what it said.
            std::thread::sleep(std::time::Duration::from_millis(500));
            assert_eq!(upstream.open(), 1);
        }
        client.abort();
        let gone = || upstream.open() == 0;
        assert!(pasarela_testkit::eventually(seconds(2), gone), "{target}: the upstream waits on");
    }
    let lines = gateway.access_lines(2);
    assert!(lines.iter().all(|line| line["aborted"] == true), "{lines:?}");
}

#[test]
fn absolute_targets_are_taken_apart() {
    let upstream = Upstream::echo();
    let gateway = through(&upstream);
    let mut client = gateway.connect();
    let response = client.ask("GET http://test/t/a?b HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(response.status, 200, "{}", response.brief());
    assert_eq!(upstream.only_request().target, "/a?b");
}
