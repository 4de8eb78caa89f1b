//! T41, T42, T45, L4, L47: many connections, few file descriptors, nobody who reads the log.

use std::time::Duration;

use pasarela_testkit::{H2Client, RawClient, Upstream, eventually, seconds};

use crate::gateway;

#[test]
fn t41_l05_idle_connections_are_cheap() {
    const COUNT: usize = 2000;
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).limit("connections_per_ip: 10000").start();
    let open = || -> Vec<RawClient> {
        (0..COUNT)
            .map(|_| {
                let mut client = gateway.connect();
                assert_eq!(client.get("/t/").status, 200);
                client
            })
            .collect()
    };
    // The first round grows what grows once: tables, allocator arenas.
    drop(open());
    assert!(eventually(seconds(5), || gateway.fds() < 200), "{} descriptors", gateway.fds());
    let before = gateway.rss();
    let clients = open();
    let each = gateway.rss().saturating_sub(before) / COUNT as u64;
    assert!(each <= 16 << 10, "{each} bytes an idle connection");
    assert!(gateway.fds() >= COUNT);
    drop(clients);
    assert!(eventually(seconds(5), || gateway.fds() < 200), "{} descriptors", gateway.fds());
}

#[test]
fn t41_l05_idle_http2_connections_are_cheap() {
    const COUNT: usize = 1000;
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).limit("connections_per_ip: 10000").start();
    let open = || -> Vec<H2Client> {
        let clients = (0..COUNT).map(|_| {
            let mut client = gateway.connect_h2();
            assert_eq!(client.get("/t/").status, 200);
            client
        });
        let clients = clients.collect();
        // What carries streams is kept for a second.
        std::thread::sleep(Duration::from_millis(1500));
        clients
    };
    drop(open());
    assert!(eventually(seconds(5), || gateway.fds() < 200), "{} descriptors", gateway.fds());
    let before = gateway.rss();
    let clients = open();
    let each = gateway.rss().saturating_sub(before) / COUNT as u64;
    assert!(each <= 24 << 10, "{each} bytes an idle connection");
    assert!(gateway.fds() >= COUNT);
    drop(clients);
}

#[test]
fn t42_a_connection_flood_does_not_end_it() {
    let upstream = Upstream::ok("ok");
    let mut gateway =
        gateway().api("t", &upstream).limit("connections_per_ip: 10000").open_files(256).start();
    for _ in 0..2 {
        let flood: Vec<RawClient> =
            (0..600).filter_map(|_| RawClient::try_connect(gateway.address()).ok()).collect();
        std::thread::sleep(Duration::from_millis(300));
        assert!(gateway.process().runs());
        // It waits; it does not spin.
        let before = gateway.cpu();
        std::thread::sleep(seconds(1));
        let spent = gateway.cpu() - before;
        assert!(spent < Duration::from_millis(400), "{spent:?} of processor time in a second");
        // Descriptors are kept for health checks and upstreams (L4: 90 %).
        assert!(gateway.fds() <= 256);
        drop(flood);
        let answers = || {
            let Ok(mut client) = RawClient::try_connect(gateway.address()) else { return false };
            client.patience(seconds(1));
            client.try_send("GET /t/ HTTP/1.1\r\nHost: test\r\n\r\n").is_ok()
                && client.try_response("GET").is_ok_and(|response| response.status == 200)
        };
        assert!(eventually(seconds(10), answers), "it does not serve after the flood");
    }
}

#[test]
fn t42_the_console_answers_in_a_flood() {
    let upstream = Upstream::ok("ok");
    let gateway =
        gateway().api("t", &upstream).limit("connections_per_ip: 10000").open_files(256).start();
    let flood: Vec<RawClient> =
        (0..400).filter_map(|_| RawClient::try_connect(gateway.address()).ok()).collect();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(gateway.console("/healthz").status, 200);
    drop(flood);
}

#[test]
fn l04_one_address_has_its_share() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).limit("connections_per_ip: 10").start();
    let mut clients: Vec<RawClient> = (0..10).map(|_| gateway.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/t/").status, 200);
    }
    for _ in 0..5 {
        // Refused by a reset, perhaps before we have noticed that we are connected.
        let Ok(mut more) = RawClient::try_connect(gateway.address()) else { continue };
        let _ = more.try_send("GET /t/ HTTP/1.1\r\nHost: test\r\n\r\n");
        match more.try_response("GET") {
            Ok(response) => assert!([429, 503].contains(&response.status), "{}", response.brief()),
            Err(fault) => {
                assert!(!matches!(fault, pasarela_testkit::Fault::TimedOut(_)), "{fault}")
            }
        }
    }
    for client in &mut clients {
        assert_eq!(client.get("/t/").status, 200, "the first ones are not disturbed");
    }
    let refused =
        r#"pasarela_connections_refused_total{listener="gateway",reason="too_many_from_address"}"#;
    assert_eq!(gateway.metric(refused), 5.0);
    // Whoever leaves makes room.
    drop(clients.pop());
    let room = || {
        let Ok(mut client) = RawClient::try_connect(gateway.address()) else { return false };
        client.try_send("GET /t/ HTTP/1.1\r\nHost: test\r\n\r\n").is_ok()
            && client.try_response("GET").is_ok_and(|response| response.status == 200)
    };
    assert!(eventually(seconds(5), room));
}

#[test]
fn l04_all_connections_have_a_number() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).limit("connections: 20").start();
    let mut clients: Vec<RawClient> = (0..20).map(|_| gateway.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/t/").status, 200);
    }
    // It waits in the queue, or is refused by a reset.
    if let Ok(mut more) = RawClient::try_connect(gateway.address()) {
        let _ = more.try_send("GET /t/ HTTP/1.1\r\nHost: test\r\n\r\n");
        more.patience(Duration::from_millis(500));
        let got = more.try_response("GET");
        assert!(!got.as_ref().is_ok_and(|response| response.status == 200), "{got:?}");
    }
    clients.truncate(10);
    let room = || {
        let Ok(mut client) = RawClient::try_connect(gateway.address()) else { return false };
        client.patience(seconds(1));
        client.try_send("GET /t/ HTTP/1.1\r\nHost: test\r\n\r\n").is_ok()
            && client.try_response("GET").is_ok_and(|response| response.status == 200)
    };
    assert!(eventually(seconds(5), room));
}

#[test]
fn l47_a_log_nobody_reads_stops_nothing() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).limit("log_ring_bytes: 64KiB").deaf().start();
    let mut client = gateway.connect();
    let long = "x".repeat(1000);
    for _ in 0..300 {
        assert_eq!(client.get("/t/").status, 200);
    }
    let before = gateway.rss();
    // A pipe holds 64 KiB, the ring as much: these lines need a megabyte.
    for _ in 0..1500 {
        assert_eq!(client.get(&format!("/t/{long}")).status, 200);
    }
    assert!(gateway.rss().saturating_sub(before) < 4 << 20);
    let dropped = gateway.console("/metrics").text();
    let told = dropped.lines().any(|line| {
        line.contains("dropped")
            && line.contains("log")
            && !line.starts_with('#')
            && !line.ends_with(" 0")
    });
    assert!(told, "drops are counted: {dropped}");
}
