//! L48: SIGTERM lets everything that has begun come to its end, and nothing begin.

use std::time::{Duration, Instant};

use pasarela_testkit::{Gateway, RawClient, Upstream, error, eventually, seconds};

use crate::gateway;

/// Answers `/quick` at once and the rest after 700 ms.
fn service() -> Upstream {
    Upstream::script(|conn| {
        loop {
            let request = conn.request()?;
            if request.target != "/quick" {
                conn.pause(Duration::from_millis(700));
            }
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")?;
        }
    })
}

fn asked(gateway: &Gateway, target: &str) -> RawClient {
    let mut client = gateway.connect();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"));
    client
}

#[test]
fn l48_what_has_begun_comes_to_its_end() {
    let upstream = service();
    let mut gateway = gateway().api("t", &upstream).start();
    let address = gateway.address();
    let mut idle = gateway.connect();
    assert_eq!(idle.get("/t/quick").text(), "done");
    let mut busy: Vec<RawClient> = (0..5).map(|_| asked(&gateway, "/t/slow")).collect();
    let mut h2 = gateway.connect_h2();
    let stream = h2.start_get("/t/slow");
    assert!(eventually(seconds(2), || upstream.requests().len() >= 7));
    let begin = Instant::now();
    gateway.sigterm();
    // Nothing new: the listener is closed, or says so.
    let refused = || match RawClient::try_connect(address) {
        Err(_) => true,
        Ok(mut client) => {
            client.patience(Duration::from_millis(200));
            let _ = client.try_send("GET /t/quick HTTP/1.1\r\nHost: test\r\n\r\n");
            !client.try_response("GET").is_ok_and(|response| response.status == 200)
        }
    };
    assert!(eventually(Duration::from_millis(500), refused), "it still takes new connections");
    for client in &mut busy {
        let response = client.response();
        assert_eq!(response.text(), "done");
        assert!(response.closes(), "{}", response.brief());
        client.assert_closed();
    }
    let outcome = h2.outcome(stream, seconds(5));
    assert_eq!((outcome.status, outcome.text().as_str()), (200, "done"), "{outcome:?}");
    assert!(h2.ends_within(seconds(3)));
    assert_eq!(h2.goaway, Some(error::NO_ERROR));
    idle.patience(seconds(3));
    idle.assert_closed_within(seconds(3));
    let status = gateway.process().wait(seconds(5)).expect("it ends");
    assert!(status.success(), "{status:?}");
    assert!(begin.elapsed() < seconds(4), "{:?}", begin.elapsed());
    // Everything was told before the end.
    let lines = gateway.access_lines(7);
    let slow = lines.iter().filter(|line| line["path"] == "/t/slow" && line["status"] == 200);
    assert_eq!(slow.count(), 6);
}

#[test]
fn l48_a_drain_has_an_end() {
    let upstream = Upstream::script(|conn| {
        conn.request()?;
        conn.pause(seconds(60));
        Ok(())
    });
    let sockets = Upstream::script(|conn| {
        conn.request()?;
        conn.write(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        )?;
        conn.echo()
    });
    let mut gateway = gateway()
        .api("t", &upstream)
        .api_with("ws", &[&sockets.url()], "upgrade: true")
        .limit("drain: 1s")
        .start();
    let mut stuck = asked(&gateway, "/t/");
    let mut socket = gateway.connect();
    socket.send(
        "GET /ws/ HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    assert_eq!(socket.one_head().status, 101);
    upstream.await_requests(0);
    std::thread::sleep(Duration::from_millis(100));
    let begin = Instant::now();
    gateway.sigterm();
    let status = gateway.process().wait(seconds(6));
    let took = begin.elapsed();
    assert!(status.is_some(), "still there after {took:?}");
    assert!((Duration::from_millis(800)..seconds(4)).contains(&took), "{took:?}");
    let told = stuck.response();
    told.assert_problem(503, "GW0027");
    assert_eq!(told.get("Retry-After"), Some("1"));
    socket.rest();
    let lines = gateway.access_lines(2);
    assert!(lines.iter().any(|line| line["problem"] == "draining"), "{lines:?}");
}

#[test]
fn l48_what_is_dropped_at_the_end_of_a_drain_is_recorded_once() {
    // Its handshake never ends, and while it lasts nobody asks what time it is.
    let mute = Upstream::script(|conn| {
        conn.pause(seconds(60));
        Ok(())
    });
    let endless = Upstream::script(|conn| {
        conn.request()?;
        conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")?;
        conn.pause(seconds(60));
        Ok(())
    });
    let url = mute.url().replace("http:", "https:");
    let mut gateway = gateway()
        .api_with("mute", &[&url], "timeouts: { connect: 30s }")
        .api("endless", &endless)
        .limit("drain: 1s")
        .start();
    let mut stuck = asked(&gateway, "/mute/");
    let mut streams = asked(&gateway, "/endless/");
    assert_eq!(streams.head("GET").status, 200);
    streams.piece();
    assert!(eventually(seconds(2), || mute.connections() == 1));
    gateway.sigterm();
    assert!(gateway.process().wait(seconds(6)).is_some());
    assert!(streams.try_piece().is_err(), "what is cut off must not look whole");
    stuck.rest();
    let lines = gateway.access_lines(2);
    assert_eq!(lines.len(), 2, "{lines:?}");
    for path in ["/mute/", "/endless/"] {
        let line = lines.iter().find(|line| line["path"] == path).expect("a line");
        assert_eq!(line["aborted"], true, "{line}");
    }
    let cut = lines.iter().find(|line| line["path"] == "/endless/").expect("a line");
    assert_eq!((&cut["status"], &cut["bytes_out"]), (&200.into(), &5.into()), "{cut}");
}

#[test]
fn l48_readiness_ends_before_service_does() {
    let upstream = service();
    let mut gateway = gateway().api("t", &upstream).start();
    let mut slow = asked(&gateway, "/t/slow");
    assert!(eventually(seconds(2), || !upstream.requests().is_empty()));
    gateway.sigterm();
    let not_ready = || {
        let console = gateway.address_of("console");
        let Ok(mut client) = RawClient::try_connect(console) else { return true };
        client.patience(Duration::from_millis(500));
        let _ = client.try_send("GET /readyz HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n");
        !client.try_response("GET").is_ok_and(|response| response.status == 200)
    };
    assert!(eventually(Duration::from_millis(500), not_ready));
    assert_eq!(slow.response().text(), "done");
    assert!(gateway.process().wait(seconds(5)).is_some());
}

#[test]
fn l48_an_idle_gateway_leaves_at_once() {
    let upstream = service();
    let mut gateway = gateway().api("t", &upstream).start();
    let mut kept = gateway.connect();
    assert_eq!(kept.get("/t/quick").text(), "done");
    let begin = Instant::now();
    gateway.sigterm();
    let status = gateway.process().wait(seconds(10)).expect("it ends");
    assert!(status.success(), "{status:?}");
    assert!(begin.elapsed() < seconds(3), "{:?}", begin.elapsed());
}
