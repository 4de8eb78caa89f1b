//! T36, L3, L8–L11: whoever is slow is let go, and nobody else notices.

use std::{
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use pasarela_testkit::{
    Fault, H2Client, RawClient, Upstream, error, eventually, frame, seconds, setting,
};

use crate::gateway;

#[test]
fn l03_an_idle_connection_is_closed() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).limit("keep_alive_idle: 700ms").start();
    let mut client = gateway.connect();
    for _ in 0..3 {
        assert_eq!(client.get("/t/").status, 200);
        thread::sleep(Duration::from_millis(300));
    }
    assert_eq!(client.get("/t/").status, 200);
    let took = client.assert_closed_within(seconds(4));
    assert!(took > Duration::from_millis(500), "{took:?}");
    // HTTP/2: with GOAWAY first.
    let mut h2 = gateway.connect_h2();
    assert_eq!(h2.get("/t/").status, 200);
    assert!(h2.ends_within(seconds(5)), "still open");
    assert_eq!(h2.goaway, Some(error::NO_ERROR));
    // A connection that never says anything is no better.
    let mut silent = gateway.connect();
    let begin = Instant::now();
    silent.patience(seconds(15));
    silent.rest();
    assert!(begin.elapsed() < seconds(12), "{:?}", begin.elapsed());
}

#[test]
fn l08_a_head_has_a_time_in_total() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).limit("header_time: 1s").start();
    let mut client = gateway.connect();
    let begin = Instant::now();
    let head = format!("GET /t/ HTTP/1.1\r\nHost: test\r\n{}", "X-A: b\r\n".repeat(1000));
    let _ = client.send_slowly(head.as_bytes(), 4, Duration::from_millis(100));
    let took = begin.elapsed();
    assert!(took < seconds(4), "it went on for {took:?}");
    match client.try_response("GET") {
        Ok(response) => drop(response.assert_problem(408, "GW0012")),
        // Writing after the end may cost the answer.
        Err(Fault::Reset | Fault::Cut(_)) => (),
        Err(fault) => panic!("{fault}"),
    }
    // One that stops and listens gets its answer.
    let mut client = gateway.connect();
    client.send("GET /t/ HTTP/1.1\r\nHost: te");
    let begin = Instant::now();
    client.response().assert_problem(408, "GW0012");
    let took = begin.elapsed();
    assert!((Duration::from_millis(800)..seconds(3)).contains(&took), "{took:?}");
    client.assert_closed();
    // The second head on a connection has its own time, which begins with its first byte.
    let mut client = gateway.connect();
    assert_eq!(client.get("/t/").status, 200);
    thread::sleep(Duration::from_millis(1300));
    assert_eq!(client.get("/t/").status, 200);
}

#[test]
fn l08_a_preface_has_a_time_too() {
    let upstream = Upstream::ok("ok");
    // Once the preface is whole, what comes next may take as long as a connection may idle (L3).
    let gateway =
        gateway().api("t", &upstream).limit("header_time: 1s").limit("keep_alive_idle: 1s").start();
    for bytes in [&b"PRI"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        let mut client = gateway.connect();
        client.send(bytes);
        let begin = Instant::now();
        client.patience(seconds(12));
        client.rest();
        let took = begin.elapsed();
        assert!(took < seconds(5), "{}: {took:?}", bytes.escape_ascii());
    }
    // A header block that never ends.
    let mut h2 = gateway.connect_h2();
    h2.frame(frame::HEADERS, 0, 1, &[0x82]).expect("open");
    assert!(h2.ends_within(seconds(5)), "still open");
}

#[test]
fn l09_a_body_has_a_rate() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).limit("body_rate_grace: 1s").start();
    let mut client = gateway.connect();
    client.send("POST /t/ HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n");
    let begin = Instant::now();
    let _ = client.send_slowly(&[b'x'; 1000], 2, Duration::from_millis(50));
    let took = begin.elapsed();
    assert!(took < seconds(5), "it went on for {took:?}");
    let mut client = gateway.connect();
    client.send("POST /t/ HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\nx");
    client.response().assert_problem(408, "GW0012");
    client.assert_closed();
    // At 2,000 B/s for three seconds it is let through.
    let mut client = gateway.connect();
    client.send("POST /t/ HTTP/1.1\r\nHost: test\r\nContent-Length: 6000\r\n\r\n");
    client.send_slowly(&[b'x'; 6000], 100, Duration::from_millis(50)).expect("open");
    assert_eq!(client.response().status, 200);
    assert!(upstream.requests().iter().all(|request| request.length == 6000));
    // HTTP/2: the stream ends, the connection stays.
    let mut h2 = gateway.connect_h2();
    let stream = h2.next_stream();
    let block = H2Client::block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "test"),
        (":path", "/t/"),
    ]);
    h2.headers(stream, &block, false).expect("open");
    let outcome = h2.outcome(stream, seconds(5));
    assert!(outcome.status == 408 || outcome.reset.is_some(), "{outcome:?}");
    assert_eq!(h2.get("/t/").status, 200);
}

/// A service that sends for as long as anybody takes it.
fn fountain() -> Upstream {
    Upstream::script(|conn| {
        conn.request()?;
        conn.write("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")?;
        let block = vec![b'x'; 64 << 10];
        loop {
            conn.write(&block)?;
        }
    })
}

#[test]
fn l10_a_client_that_does_not_read_is_reset() {
    let upstream = fountain();
    let gateway = gateway().api("t", &upstream).limit("write_stall: 1s").start();
    let before = gateway.rss();
    let stalled: Vec<RawClient> = (0..20)
        .map(|_| {
            let mut client = gateway.connect();
            client.send("GET /t/ HTTP/1.1\r\nHost: test\r\n\r\n");
            client
        })
        .collect();
    assert!(eventually(seconds(3), || upstream.most_open() == 20));
    thread::sleep(Duration::from_millis(300));
    let grown = gateway.rss().saturating_sub(before);
    assert!(grown < 20 << 20, "{grown} bytes for 20 stalled downloads");
    assert!(eventually(seconds(8), || upstream.open() == 0), "{} still sent to", upstream.open());
    drop(stalled);
}

#[test]
fn l10_an_http2_client_that_does_not_read_is_reset() {
    let upstream = fountain();
    let gateway =
        gateway().api("t", &upstream).limit("write_stall: 1s").limit("h2_window_stall: 1s").start();
    let mut h2 = H2Client::bare(gateway.address());
    h2.hello(&[(setting::INITIAL_WINDOW_SIZE, 0x7fff_ffff), (setting::HEADER_TABLE_SIZE, 0)]);
    let _ = h2.frame(frame::WINDOW_UPDATE, 0, 0, &0x7fff_0000u32.to_be_bytes());
    for _ in 0..10 {
        h2.start_get("/t/");
    }
    assert!(eventually(seconds(3), || upstream.most_open() == 10));
    assert!(eventually(seconds(8), || upstream.open() == 0), "{} still sent to", upstream.open());
    drop(h2);
}

#[test]
fn l18_a_stream_whose_window_stays_closed_is_reset() {
    let upstream = fountain();
    let gateway = gateway().api("t", &upstream).limit("h2_window_stall: 1s").start();
    let mut h2 = H2Client::bare(gateway.address());
    h2.hello(&[(setting::INITIAL_WINDOW_SIZE, 0), (setting::HEADER_TABLE_SIZE, 0)]);
    let stream = h2.start_get("/t/");
    let outcome = h2.outcome(stream, seconds(6));
    assert!(outcome.reset.is_some() || h2.closed, "{outcome:?}");
    assert!(outcome.body.is_empty());
    assert!(eventually(seconds(5), || upstream.open() == 0), "the service still sends");
}

#[test]
fn a_slow_reader_gets_everything() {
    let body: Vec<u8> = (0..3_000_000u32).map(|n| n.to_le_bytes()[0]).collect();
    let answer =
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), &body]
            .concat();
    let upstream = Upstream::answer(answer);
    let gateway = gateway().api("t", &upstream).limit("write_stall: 1s").start();
    let mut client = gateway.connect();
    client.send("GET /t/ HTTP/1.1\r\nHost: test\r\n\r\n");
    client.head("GET");
    let mut got = Vec::new();
    while let Some(piece) = client.piece() {
        got.extend(piece);
        // Slow, but always something.
        thread::sleep(Duration::from_millis(15));
    }
    assert!(got == body, "{} bytes of {}", got.len(), body.len());
}

#[test]
fn t36_slow_clients_do_not_slow_the_others() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway()
        .api("t", &upstream)
        .limit("connections_per_ip: 5000")
        .limit("header_time: 5s")
        .start();
    let slow: Vec<TcpStream> = (0..600)
        .map(|number| {
            let mut client = RawClient::connect(gateway.address());
            let begin =
                ["GET /t/ HT", "POST /t/ HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nx", ""];
            client.send(begin[number % 3]);
            client.socket().try_clone().expect("a second handle")
        })
        .collect();
    let stop = AtomicBool::new(false);
    let mut times = thread::scope(|scope| {
        scope.spawn(|| {
            use std::io::Write;
            while !stop.load(Ordering::Relaxed) {
                for mut socket in slow.iter().step_by(7) {
                    let _ = socket.write_all(b"X");
                }
                thread::sleep(Duration::from_millis(50));
            }
        });
        let mut client = gateway.connect();
        let mut times = Vec::new();
        for _ in 0..300 {
            let begin = Instant::now();
            assert_eq!(client.get("/t/").text(), "ok");
            times.push(begin.elapsed());
        }
        stop.store(true, Ordering::Relaxed);
        times
    });
    times.sort();
    assert!(times[297] < Duration::from_millis(300), "p99 {:?}", times[297]);
    drop(slow);
}

#[test]
fn l11_little_is_drained_and_not_for_long() {
    // 20 KiB of a refused body: drained, so that the connection may live on or the answer is safe.
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).start();
    let mut client = gateway.connect();
    client.send("POST /nowhere HTTP/1.1\r\nHost: test\r\nContent-Length: 20000\r\n\r\n");
    let response = client.response();
    response.assert_problem(404, "GW0001");
    let begin = Instant::now();
    // Nothing of the body ever comes: after a second that is enough.
    client.assert_closed_within(seconds(4));
    assert!(begin.elapsed() < seconds(4));
}
