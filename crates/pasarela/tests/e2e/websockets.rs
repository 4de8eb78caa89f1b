//! L21, L48, F4: what the gateway says itself in a WebSocket tunnel, and when.

use std::time::{Duration, Instant};

use pasarela_testkit::{
    Authority, ClientTls, Conn, Fault, Gateway, RawClient, Upstream, eventually, seconds,
};

use crate::gateway;

const HANDSHAKE: &str = "GET /t/ HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A frame of a client, masked with zeros, or of a server.
fn frame(client: bool, first: u8, payload: &[u8]) -> Vec<u8> {
    let masked = if client { 0x80 } else { 0 };
    let mut out = vec![first];
    match payload.len() {
        length @ 0..=125 => out.push(masked | length as u8),
        length @ 126..=0xffff => {
            out.push(masked | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(masked | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    if client {
        out.extend_from_slice(&[0; 4]);
    }
    out.extend_from_slice(payload);
    out
}

/// Reads one frame: its first byte, whether it is masked, and its payload.
fn parse(mut take: impl FnMut(usize) -> Option<Vec<u8>>) -> Option<(u8, bool, Vec<u8>)> {
    let start = take(2)?;
    let length = match start[1] & 0x7f {
        126 => take(2)?.iter().fold(0, |all, byte| all << 8 | usize::from(*byte)),
        127 => take(8)?.iter().fold(0, |all, byte| all << 8 | usize::from(*byte)),
        length => usize::from(length),
    };
    let masked = start[1] & 0x80 != 0;
    let mask = if masked { take(4)? } else { vec![0; 4] };
    let payload = take(length)?;
    let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    Some((start[0], masked, payload.collect()))
}

fn from_gateway(client: &mut RawClient) -> (u8, Vec<u8>) {
    let (first, masked, payload) = parse(|count| Some(client.exactly(count))).expect("a frame");
    assert!(!masked, "a server's frames are not masked");
    (first, payload)
}

fn code(close: &[u8]) -> u16 {
    u16::from_be_bytes([close[0], close[1]])
}

/// Echoes messages and answers a Close with the same, as a server should.
fn service() -> Upstream {
    fn serve(conn: &mut Conn) -> Result<(), Fault> {
        conn.request()?;
        conn.write(AGREED)?;
        loop {
            let mut fault = None;
            let next = parse(|count| conn.exactly(count).map_err(|error| fault = Some(error)).ok());
            if let Some(fault) = fault {
                return Err(fault);
            }
            let (first, masked, payload) = next.expect("a frame or a fault");
            assert!(masked, "a client's frames are masked");
            match first & 0x0f {
                8 => return conn.write(frame(false, 0x88, &payload)),
                10 => {}
                _ => conn.write(frame(false, first, &payload))?,
            }
        }
    }
    Upstream::script(serve)
}

fn open(gateway: &Gateway) -> RawClient {
    let mut client = gateway.connect();
    client.send(HANDSHAKE);
    assert_eq!(client.one_head().status, 101);
    client
}

/// A gateway with a TLS listener before this service, and how to connect to it.
fn over_tls(upstream: &Upstream) -> (Gateway, ClientTls) {
    let authority = Authority::new("test");
    let builder = gateway().listen("tls: 127.0.0.1:0").limit("drain: 2s");
    authority.issue(&["api.example"]).write(builder.folder(), "one");
    let gateway = builder
        .top("tls:\n  certificates: [{ cert: one.pem, key: one.key }]")
        .api_with("t", &[&upstream.url()], "upgrade: true")
        .start();
    (gateway, ClientTls::new("api.example", &authority))
}

fn open_tls(gateway: &Gateway, settings: &ClientTls) -> RawClient {
    let mut client = gateway.connect_tls(settings);
    client.send(HANDSHAKE.replace("Host: test", "Host: api.example"));
    assert_eq!(client.one_head().status, 101);
    client
}

#[test]
fn l21_over_tls_what_is_too_large_is_1009_as_well() {
    let upstream = service();
    let (gateway, settings) = over_tls(&upstream);
    let mut client = open_tls(&gateway, &settings);
    let most = vec![b'.'; 1 << 20];
    client.send(frame(true, 0x82, &most));
    assert!(from_gateway(&mut client) == (0x82, most));
    client.send([0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, b'.', b'.']);
    let (first, close) = from_gateway(&mut client);
    assert_eq!((first, code(&close)), (0x88, 1009));
    client.send(frame(true, 0x88, &close));
    client.assert_closed();
    assert!(client.was_told_goodbye(), "TLS ends with a word too");
    assert!(eventually(seconds(5), || upstream.open() == 0));
}

#[test]
fn l48_over_tls_an_open_tunnel_is_told_1012_as_well() {
    let upstream = service();
    let (mut gateway, settings) = over_tls(&upstream);
    let mut client = open_tls(&gateway, &settings);
    let mut deaf = open_tls(&gateway, &settings);
    says(&mut client, "before");
    gateway.sigterm();
    let (first, close) = from_gateway(&mut client);
    assert_eq!((first, code(&close)), (0x88, 1012));
    client.send(frame(true, 0x88, &close));
    client.assert_closed_within(seconds(1));
    assert!(client.was_told_goodbye(), "TLS ends with a word too");
    assert_eq!(from_gateway(&mut deaf).0, 0x88);
    assert!(gateway.process().wait(seconds(5)).is_some_and(|status| status.success()));
}

fn says(client: &mut RawClient, text: &str) {
    client.send(frame(true, 0x81, text.as_bytes()));
    assert_eq!(from_gateway(client), (0x81, text.as_bytes().to_vec()));
}

#[test]
fn l21_a_mebibyte_passes_and_a_byte_more_is_1009() {
    let upstream = service();
    let gateway = gateway().api_with("t", &[&upstream.url()], "upgrade: true").start();
    let mut client = open(&gateway);
    let most = vec![b'.'; 1 << 20];
    client.send(frame(true, 0x82, &most));
    assert!(from_gateway(&mut client) == (0x82, most));
    let begin = Instant::now();
    // The header is enough; a bomb never comes to its end.
    client.send([0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, b'.', b'.']);
    let (first, close) = from_gateway(&mut client);
    assert_eq!((first, code(&close)), (0x88, 1009));
    client.assert_closed();
    assert!(begin.elapsed() < seconds(5), "{:?}", begin.elapsed());
    assert!(eventually(seconds(5), || upstream.open() == 0));
    assert_eq!(gateway.access_lines(1)[0]["status"], 101);
}

#[test]
fn l21_a_silent_caller_is_pinged() {
    let upstream = service();
    let gateway = gateway()
        .limit("websocket_ping: 500ms")
        .api_with("t", &[&upstream.url()], "upgrade: true")
        .start();
    let mut client = open(&gateway);
    for _ in 0..3 {
        let (first, payload) = from_gateway(&mut client);
        assert_eq!(first, 0x89);
        client.send(frame(true, 0x8a, &payload));
    }
    says(&mut client, "still here");
    let (first, _) = from_gateway(&mut client);
    assert_eq!(first, 0x89);
    client.assert_closed_within(seconds(3));
    assert!(eventually(seconds(5), || upstream.open() == 0));
}

#[test]
fn l48_an_open_tunnel_is_told_1012_when_the_drain_is_over() {
    let upstream = service();
    let mut gateway =
        gateway().limit("drain: 3s").api_with("t", &[&upstream.url()], "upgrade: true").start();
    let mut client = open(&gateway);
    let mut deaf = open(&gateway);
    says(&mut client, "before");
    gateway.sigterm();
    let begin = Instant::now();
    std::thread::sleep(Duration::from_millis(500));
    says(&mut client, "while it drains");
    let (first, close) = from_gateway(&mut client);
    assert_eq!((first, code(&close)), (0x88, 1012));
    assert!(begin.elapsed() > Duration::from_millis(1500), "{:?}", begin.elapsed());
    client.send(frame(true, 0x88, &close));
    client.assert_closed_within(seconds(1));
    assert_eq!(from_gateway(&mut deaf).0, 0x88);
    let status = gateway.process().wait(seconds(5)).expect("it ends");
    assert!(status.success(), "{status:?}");
    assert!(begin.elapsed() < Duration::from_millis(3800), "{:?}", begin.elapsed());
    deaf.assert_closed();
    // Who answers nothing is told of as well: each was recorded.
    let lines = gateway.access_lines(2);
    assert_eq!(lines.iter().filter(|line| line["aborted"] == true).count(), 1, "{lines:?}");
}

#[test]
fn f04_an_upgrade_cuts_no_tunnel_that_ends_within_the_drain() {
    let upstream = service();
    let mut gateway = gateway().api_with("t", &[&upstream.url()], "upgrade: true").start();
    let mut tunnels: Vec<RawClient> = (0..10).map(|_| open(&gateway)).collect();
    gateway.upgrade();
    for round in 0..3 {
        for client in &mut tunnels {
            says(client, &format!("round {round}"));
        }
        std::thread::sleep(Duration::from_millis(300));
    }
    let mut new = open(&gateway);
    says(&mut new, "on the new one");
    for client in &mut tunnels {
        client.send(frame(true, 0x88, &1000_u16.to_be_bytes()));
        let (first, close) = from_gateway(client);
        assert_eq!((first, code(&close)), (0x88, 1000));
        client.finish_sending();
        client.assert_closed();
    }
    let old = &mut gateway.previous()[0];
    assert!(old.wait(seconds(5)).is_some(), "the old process waits for nobody");
    says(&mut new, "and there it stays");
}
