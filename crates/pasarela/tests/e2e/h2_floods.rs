//! T38–T40, L15–L20: HTTP/2 has many ways to make a server work for nothing.

use std::time::{Duration, Instant};

use pasarela_testkit::{
    Gateway, H2Client, Upstream, error, eventually, flag, frame, indexed, literal_indexed, seconds,
    setting,
};

use crate::gateway;

fn slow_service() -> Upstream {
    Upstream::script(|conn| {
        loop {
            conn.request()?;
            // Half a second, or until the gateway has given up.
            if !conn.silent_for(Duration::from_millis(500)) {
                return Ok(());
            }
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
    })
}

const GET: &[(&str, &str)] =
    &[(":method", "GET"), (":scheme", "http"), (":authority", "test"), (":path", "/t/")];

/// Sends bytes again and again until GOAWAY or the end; how many rounds it took.
#[track_caller]
fn flood(h2: &mut H2Client, bytes: &[u8], rounds: usize) -> usize {
    let begin = Instant::now();
    for round in 0..rounds {
        if h2.raw(bytes).is_err() {
            break;
        }
        if round % 16 == 0 && h2.goaway_within(Duration::from_millis(1)) {
            return round;
        }
        assert!(begin.elapsed() < seconds(10), "{round} rounds and no end");
    }
    assert!(h2.goaway_within(seconds(2)), "no GOAWAY after {rounds} rounds: {:?}", h2.counts);
    rounds
}

fn serves(gateway: &Gateway) -> bool {
    gateway.get("/t/").status == 200
}

#[test]
fn t38_small_frames_do_not_become_large_headers() {
    let upstream = slow_service();
    let gateway = gateway().api("t", &upstream).start();
    let (before, cpu) = (gateway.rss(), gateway.cpu());
    let mut most = before;
    let mut sent = 0u64;
    for round in 0..10 {
        let mut h2 = gateway.connect_h2();
        // One entry of 3,900 bytes in the table, then each byte on the wire means that entry.
        let value = "v".repeat(3_900);
        let first = [H2Client::block(GET), literal_indexed("x-bomb", &value)].concat();
        let bomb = [H2Client::block(GET), indexed(62).repeat(12_000)].concat();
        let _ = h2.headers(1, &first, true);
        for stream in 0..100 {
            if h2.headers(3 + 2 * stream, &bomb, true).is_err() {
                break;
            }
            sent += bomb.len() as u64;
        }
        h2.pump(Duration::from_millis(300), |client| client.closed);
        most = most.max(gateway.rss());
        let passed = (0..100).filter(|n| h2.so_far(3 + 2 * n).status == 200).count();
        assert_eq!(passed, 0, "round {round}: a bomb was served");
    }
    let grown = most - before;
    assert!(grown < 16 << 20, "grew by {grown} bytes for {sent}");
    let spent = gateway.cpu() - cpu;
    assert!(spent < seconds(8), "{spent:?} of processor time");
    assert!(serves(&gateway));
    assert_eq!(upstream.requests().iter().filter(|r| r.fields.0.len() > 110).count(), 0);
}

#[test]
fn t38_crumbs_and_closed_windows_hold_little() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).start();
    let before = gateway.rss();
    let mut h2 = H2Client::bare(gateway.address());
    h2.hello(&[(setting::INITIAL_WINDOW_SIZE, 0), (setting::HEADER_TABLE_SIZE, 0)]);
    let crumbs =
        [H2Client::block(GET), literal_indexed("cookie", "a=b"), indexed(62).repeat(15_000)]
            .concat();
    let mut stream = 1;
    for _ in 0..100 {
        if h2.headers(stream, &crumbs, true).is_err() {
            break;
        }
        stream += 2;
    }
    h2.pump(Duration::from_millis(500), |client| client.closed);
    let grown = gateway.rss().saturating_sub(before);
    assert!(grown < 16 << 20, "grew by {grown} bytes");
    assert!(serves(&gateway));
    assert_eq!(upstream.requests().len(), 1, "none of them is a request");
}

#[test]
fn t39_l19_rapid_resets_end_the_connection() {
    let upstream = slow_service();
    let gateway = gateway().api("t", &upstream).start();
    let block = H2Client::block(GET);
    let (cpu, mut resets) = (gateway.cpu(), 0u64);
    for _ in 0..10 {
        let mut h2 = gateway.connect_h2();
        let mut stream = 1;
        for round in 0..2000u32 {
            let mut bytes = H2Client::encode(
                frame::HEADERS,
                flag::END_STREAM | flag::END_HEADERS,
                stream,
                &block,
            );
            bytes.extend(H2Client::encode(
                frame::RST_STREAM,
                0,
                stream,
                &error::CANCEL.to_be_bytes(),
            ));
            stream += 2;
            if h2.raw(&bytes).is_err() {
                break;
            }
            resets += 1;
            if round % 50 == 49 && h2.goaway_within(Duration::from_millis(1)) {
                break;
            }
        }
        assert!(h2.goaway_within(seconds(2)), "no GOAWAY: {:?}", h2.counts);
        // 200 in ten seconds; what was on its way in between costs nothing.
        assert!(stream < 2 * 1000, "{} resets before GOAWAY", stream / 2);
    }
    let spent = gateway.cpu() - cpu;
    assert!(spent < seconds(6), "{spent:?} for {resets} resets");
    assert!(upstream.most_open() <= 110, "{} upstream connections", upstream.most_open());
    assert!(serves(&gateway));
    assert!(
        eventually(seconds(5), || upstream.open() <= 10),
        "{} exchanges go on",
        upstream.open()
    );
}

#[test]
fn t39_resets_that_the_server_is_made_to_send_count_too() {
    // "MadeYouReset": lawful streams, each followed by a frame that obliges us to reset it.
    let upstream = slow_service();
    let gateway = gateway().api("t", &upstream).start();
    let block = H2Client::block(GET);
    let provocations: [(&str, u8, Vec<u8>); 3] = [
        ("a window update of 0", frame::WINDOW_UPDATE, vec![0; 4]),
        ("a window past 2^31", frame::WINDOW_UPDATE, vec![0x7f, 0xff, 0xff, 0xff]),
        ("DATA after the end", frame::DATA, b"x".to_vec()),
    ];
    for (name, kind, payload) in provocations {
        let mut h2 = gateway.connect_h2();
        let mut stream = 1;
        for round in 0..2000u32 {
            let mut bytes = H2Client::encode(
                frame::HEADERS,
                flag::END_STREAM | flag::END_HEADERS,
                stream,
                &block,
            );
            bytes.extend(H2Client::encode(kind, 0, stream, &payload));
            stream += 2;
            if h2.raw(&bytes).is_err() {
                break;
            }
            if round % 50 == 49 && h2.goaway_within(Duration::from_millis(1)) {
                break;
            }
        }
        assert!(h2.goaway_within(seconds(2)), "{name}: no GOAWAY: {:?}", h2.counts);
        assert!(stream < 2 * 1500, "{name}: {} resets before GOAWAY", stream / 2);
        drop(h2);
        assert!(eventually(seconds(5), || upstream.open() <= 10), "{name}: exchanges go on");
    }
    assert!(upstream.most_open() <= 110, "{} upstream connections", upstream.most_open());
    assert!(serves(&gateway));
}

#[test]
fn t39_ordinary_cancellation_is_no_attack() {
    let upstream = slow_service();
    let gateway = gateway().api("t", &upstream).start();
    let mut h2 = gateway.connect_h2();
    for _ in 0..15 {
        let stream = h2.start_get("/t/");
        std::thread::sleep(Duration::from_millis(10));
        let _ = h2.frame(frame::RST_STREAM, 0, stream, &error::CANCEL.to_be_bytes());
    }
    assert_eq!(h2.get("/t/").status, 200);
    assert_eq!(h2.goaway, None);
}

#[test]
fn t40_l20_control_frames_without_end_end_the_connection() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).start();
    let floods: [(&str, Vec<u8>); 4] = [
        ("PING", H2Client::encode(frame::PING, 0, 0, b"12345678")),
        ("SETTINGS", H2Client::encode(frame::SETTINGS, 0, 0, &[])),
        ("SETTINGS with values", H2Client::encode(frame::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9])),
        ("PRIORITY", H2Client::encode(frame::PRIORITY, 0, 1, &[0, 0, 0, 0, 7])),
    ];
    for (name, bytes) in floods {
        let mut h2 = gateway.connect_h2();
        let rounds = flood(&mut h2, &bytes, 5000);
        assert!(rounds <= 5000, "{name}");
    }
    assert!(serves(&gateway));
    // What an honest client sends in ten seconds is nothing.
    let mut h2 = gateway.connect_h2();
    for _ in 0..40 {
        let _ = h2.frame(frame::PING, 0, 0, b"12345678");
    }
    assert_eq!(h2.get("/t/").status, 200);
    assert!(h2.pump(seconds(2), |client| client.pongs == 40), "{} pongs", h2.pongs);
}

#[test]
fn t40_a_client_that_does_not_read_answers_has_an_end() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).limit("write_stall: 2s").start();
    let before = gateway.rss();
    let mut h2 = gateway.connect_h2();
    let ping = H2Client::encode(frame::PING, 0, 0, b"12345678").repeat(100);
    let begin = Instant::now();
    while h2.raw(&ping).is_ok() && begin.elapsed() < seconds(5) {}
    assert!(begin.elapsed() < seconds(5), "the gateway still reads");
    assert!(gateway.rss().saturating_sub(before) < 8 << 20);
}

#[test]
fn t40_header_blocks_in_crumbs_end_the_connection() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).start();
    let before = gateway.rss();
    for payload in [&b""[..], &[0x00, 0x01, b'a', 0x01, b'b'], &[0; 1000]] {
        let mut h2 = gateway.connect_h2();
        let _ = h2.frame(frame::HEADERS, flag::END_STREAM, 1, &H2Client::block(GET));
        let bytes = H2Client::encode(frame::CONTINUATION, 0, 1, payload);
        let mut sent = 0;
        while sent < 5000 && h2.raw(&bytes).is_ok() {
            sent += 1;
            if sent % 20 == 0 && h2.goaway_within(Duration::from_millis(1)) {
                break;
            }
        }
        assert!(h2.goaway_within(seconds(2)), "{payload:?}: {sent} CONTINUATION frames were taken");
        assert!(sent <= 2000, "{payload:?}: {sent}");
    }
    assert!(gateway.rss().saturating_sub(before) < 8 << 20);
    assert!(serves(&gateway));
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn t40_empty_data_without_end_ends_the_connection() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).start();
    let mut h2 = gateway.connect_h2();
    let mut fields = GET.to_vec();
    fields[0].1 = "POST";
    let _ = h2.headers(1, &H2Client::block(&fields), false);
    let empty = H2Client::encode(frame::DATA, 0, 1, &[]);
    let mut sent = 0;
    while sent < 5000 && h2.raw(&empty).is_ok() {
        sent += 1;
        if sent % 20 == 0
            && h2.pump(Duration::from_millis(1), |c| {
                c.goaway.is_some() || c.so_far(1).reset.is_some()
            })
        {
            break;
        }
    }
    let ended =
        h2.pump(seconds(2), |c| c.goaway.is_some() || c.closed || c.so_far(1).reset.is_some());
    assert!(ended, "{sent} empty DATA frames were taken");
    assert!(serves(&gateway));
}

#[test]
fn l15_streams_have_a_number_and_windows_a_size() {
    let upstream = slow_service();
    let gateway = gateway().api("t", &upstream).start();
    let mut h2 = gateway.connect_h2();
    h2.pump(seconds(2), |client| !client.settings.is_empty());
    assert_eq!(h2.settings.get(&setting::MAX_CONCURRENT_STREAMS), Some(&100), "{:?}", h2.settings);
    let window = h2.settings.get(&setting::INITIAL_WINDOW_SIZE).copied().unwrap_or(65_535);
    assert!(window <= 65_536, "{window}");
    let streams: Vec<u32> = (0..110).map(|_| h2.start_get("/t/")).collect();
    let mut served = 0;
    let mut refused = 0;
    for stream in streams {
        let outcome = h2.outcome(stream, seconds(5));
        served += u32::from(outcome.status == 200);
        refused += u32::from(
            outcome.reset == Some(error::REFUSED_STREAM)
                || outcome.reset == Some(error::PROTOCOL_ERROR),
        );
    }
    assert!(upstream.most_open() <= 101, "{} at a time", upstream.most_open());
    assert!(
        h2.goaway.is_some() || (served == 100 && refused == 10),
        "served {served}, refused {refused}"
    );
    // A window that is ignored ends the stream or the connection.
    let mut h2 = gateway.connect_h2();
    let mut fields = GET.to_vec();
    fields[0].1 = "POST";
    let _ = h2.headers(1, &H2Client::block(&fields), false);
    for _ in 0..200 {
        if h2.data(1, &[0; 16_000], false).is_err() {
            break;
        }
    }
    let ended =
        h2.pump(seconds(3), |c| c.goaway.is_some() || c.closed || c.so_far(1).reset.is_some());
    // Taking it all is lawful only if it was announced.
    assert!(
        ended || h2.counts.get(&frame::WINDOW_UPDATE).is_some_and(|n| *n > 0),
        "{:?}",
        h2.counts
    );
}

#[test]
fn l16_the_header_table_has_a_size() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).start();
    let mut h2 = gateway.connect_h2();
    h2.pump(seconds(2), |client| !client.settings.is_empty());
    let table = h2.settings.get(&setting::HEADER_TABLE_SIZE).copied().unwrap_or(4096);
    assert!(table <= 4096, "{table}");
    let list = h2.settings.get(&setting::MAX_HEADER_LIST_SIZE).copied();
    assert!(list.is_some_and(|list| list <= 64 << 10), "{list:?}");
}

#[test]
fn l17_a_connection_holds_little_for_its_client() {
    let body = "x".repeat(1 << 20);
    let (upstream, slow) = (Upstream::ok(&body), slow_service());
    let gateway = gateway().api("t", &upstream).api("s", &slow).limit("write_stall: 3s").start();
    // What ninety exchanges are themselves, while they wait for their service.
    let mut h2 = gateway.connect_h2();
    let streams: Vec<u32> = (0..90).map(|_| h2.start_get("/s/")).collect();
    assert!(eventually(seconds(3), || slow.open() >= 90));
    let before = gateway.rss();
    for stream in streams {
        assert_eq!(h2.outcome(stream, seconds(5)).status, 200);
    }
    drop(h2);
    // A client that asks for much, with wide windows, and reads nothing.
    let mut h2 = H2Client::bare(gateway.address());
    h2.hello(&[(setting::INITIAL_WINDOW_SIZE, 0x7fff_ffff), (setting::HEADER_TABLE_SIZE, 0)]);
    let _ = h2.frame(frame::WINDOW_UPDATE, 0, 0, &0x7fff_0000u32.to_be_bytes());
    for _ in 0..90 {
        h2.start_get("/t/");
    }
    std::thread::sleep(seconds(1));
    let grown = gateway.rss().saturating_sub(before);
    // What waits is less than 1 MiB (the machine's own test says so); the rest is what the worker's
    // buffers and the allocator have grown to on the way there.
    assert!(grown < 4 << 20, "{grown} bytes wait for one client");
    assert!(serves(&gateway));
}
