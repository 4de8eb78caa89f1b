//! T44, L12: bodies stream in constant memory, and only as far as they may.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use pasarela_testkit::{Fault, Gateway, Upstream, seconds};
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};

use crate::{full, gateway};

const MIB: u64 = 1 << 20;

/// Bytes of a huge body: a GiB, or a quarter of one.
fn huge() -> u64 {
    if full() { 1024 * MIB } else { 256 * MIB }
}

/// Counts what it is sent, without keeping it; answers `/N` with N bytes.
fn service() -> (Upstream, Arc<AtomicU64>) {
    let received = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&received);
    let upstream = Upstream::script(move |conn| {
        // What the kernel holds for this side is not what is measured.
        let own = set_socket_send_buffer_size(conn.socket(), 64 << 10);
        own.expect("SO_SNDBUF on a TCP socket");
        loop {
            let request = conn.head()?;
            while let Some(piece) = conn.piece()? {
                counter.fetch_add(piece.len() as u64, Ordering::Relaxed);
            }
            conn.finish_request()?;
            let size: u64 = request.target.trim_start_matches('/').parse().unwrap_or(0);
            conn.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"))?;
            let block = vec![b'x'; MIB as usize];
            for _ in 0..size / MIB {
                conn.write(&block)?;
            }
            conn.write(&block[..(size % MIB) as usize])?;
        }
    });
    (upstream, received)
}

/// The most memory the gateway has had while `work` ran, beyond what it had before.
fn growth(gateway: &Gateway, work: impl FnOnce() + Send) -> u64 {
    // What a first body sets up once (buffers, the allocator's own store) is not growth.
    for _ in 0..4 {
        let body = "x".repeat(4 << 20);
        let request = format!(
            "POST /t/4000000 HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(gateway.connect().ask(request).status, 200);
    }
    let before = gateway.rss();
    let mut most = before;
    std::thread::scope(|scope| {
        let worker = scope.spawn(work);
        while !worker.is_finished() {
            most = most.max(gateway.rss());
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    most - before
}

#[test]
fn t44_a_huge_upload_takes_no_memory() {
    let (upstream, received) = service();
    let gateway = gateway().api("t", &upstream).limit("body_bytes: 4GiB").start();
    let size = huge();
    for chunked in [false, true] {
        let grown = growth(&gateway, || {
            received.store(0, Ordering::Relaxed);
            let mut client = gateway.connect();
            let block = vec![b'x'; MIB as usize];
            if chunked {
                client
                    .send("POST /t/0 HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
            } else {
                client.send(format!(
                    "POST /t/0 HTTP/1.1\r\nHost: test\r\nContent-Length: {size}\r\n\r\n"
                ));
            }
            for _ in 0..size / MIB {
                if chunked {
                    client.send(format!("{MIB:x}\r\n")).send(&block).send("\r\n");
                } else {
                    client.send(&block);
                }
            }
            if chunked {
                client.send("0\r\n\r\n");
            }
            client.patience(seconds(30));
            assert_eq!(client.response().status, 200);
        });
        assert_eq!(received.load(Ordering::Relaxed), size);
        assert!(grown < 8 * MIB, "chunked {chunked}: grew by {grown} bytes");
    }
}

#[test]
fn t44_a_huge_download_takes_no_memory() {
    let (upstream, _) = service();
    let gateway = gateway().api("t", &upstream).start();
    let size = huge();
    let grown = growth(&gateway, || {
        let mut client = gateway.connect();
        client.send(format!("GET /t/{size} HTTP/1.1\r\nHost: test\r\n\r\n"));
        client.head("GET");
        let mut got = 0;
        while let Some(piece) = client.piece() {
            got += piece.len() as u64;
        }
        assert_eq!(got, size);
    });
    assert!(grown < 8 * MIB, "grew by {grown} bytes");
}

#[test]
fn t44_a_download_waits_for_its_reader() {
    let (upstream, _) = service();
    let gateway = gateway().api("t", &upstream).start();
    let grown = growth(&gateway, || {
        let mut clients: Vec<_> = (0..10)
            .map(|_| {
                let mut client = gateway.connect();
                client.send(format!("GET /t/{} HTTP/1.1\r\nHost: test\r\n\r\n", 64 * MIB));
                client.head("GET");
                client
            })
            .collect();
        for _ in 0..20 {
            for client in &mut clients {
                client.piece();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    assert!(grown < 10 * MIB, "grew by {grown} bytes");
}

/// What the kernel holds for the gateway's connections to this port, or from this port of its own:
/// bytes to be sent, and bytes to be read, of the connection that has most.
fn queued(local: u16, remote: u16) -> (u64, u64) {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux tells");
    let port = |field: &str| u16::from_str_radix(field.rsplit(':').next().unwrap_or(""), 16);
    let mut most = (0, 0);
    for line in table.lines().skip(1) {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (own, other) = (port(fields[1]).expect("a port"), port(fields[2]).expect("a port"));
        let (sending, reading) = fields[4].split_once(':').expect("two queues");
        let bytes = |text| u64::from_str_radix(text, 16).expect("a number");
        // State 1: established.
        if fields[3] == "01" && (own == local || other == remote) {
            most = (most.0.max(bytes(sending)), most.1.max(bytes(reading)));
        }
    }
    most
}

fn system_number(name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// Pages of memory that the kernel has for TCP in all.
fn tcp_pages() -> u64 {
    let text = std::fs::read_to_string("/proc/net/sockstat").expect("Linux tells");
    let line = text.lines().find(|line| line.starts_with("TCP:")).expect("a line for TCP");
    line.rsplit(' ').next().and_then(|pages| pages.parse().ok()).expect("a number")
}

#[test]
fn t36_many_slow_readers_press_nobodys_memory() {
    let readers = if full() { 200 } else { 40 };
    let (upstream, _) = service();
    let gateway = gateway().api("t", &upstream).limit("connections_per_ip: 5000").start();
    let pages = tcp_pages();
    let grown = growth(&gateway, || {
        let mut clients: Vec<_> = (0..readers)
            .map(|_| {
                let mut client = gateway.connect();
                let own = set_socket_recv_buffer_size(client.socket(), 64 << 10);
                own.expect("SO_RCVBUF on a TCP socket");
                client.send(format!("GET /t/{} HTTP/1.1\r\nHost: test\r\n\r\n", 30 * MIB));
                client.head("GET");
                client
            })
            .collect();
        for _ in 0..10 {
            for client in &mut clients {
                client.piece();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let (sending, reading) = queued(gateway.address().port(), upstream.address().port());
        // What may wait, what is under way, and a piece.
        assert!(sending < 2 * MIB, "{sending} bytes wait for one reader");
        // Where the system lets nobody say how much that may be, its own bound holds.
        if system_number("net/core/rmem_max") >= MIB {
            assert!(reading < 3 * MIB, "{reading} bytes wait to be read from the service");
        }
        if full() {
            // Everybody's on this machine, readers' and services' own queues among them.
            let grown = tcp_pages().saturating_sub(pages) * 4096;
            assert!(grown < readers * 4 * MIB, "the kernel holds {grown} bytes more");
        }
        // And the others do not notice.
        assert_eq!(gateway.get("/t/1000").body.len(), 1000);
        eprintln!("{readers} readers: {sending} to send, {reading} to read, {} pages", tcp_pages());
    });
    assert!(grown < readers * MIB / 4, "grew by {grown} bytes");
}

#[test]
fn t44_http2_bodies_stream_as_well() {
    let (upstream, received) = service();
    let gateway = gateway().api("t", &upstream).limit("body_bytes: 4GiB").start();
    let size = 32 * MIB;
    let grown = growth(&gateway, || {
        received.store(0, Ordering::Relaxed);
        let mut h2 = gateway.connect_h2();
        let stream = h2.start_get(&format!("/t/{size}"));
        let outcome = h2.outcome(stream, seconds(30));
        assert_eq!(outcome.body.len() as u64, size);
    });
    assert!(grown < 8 * MIB, "grew by {grown} bytes");
    assert_eq!(received.load(Ordering::Relaxed), 0);
}

#[test]
fn l12_bodies_have_a_size() {
    let (upstream, _) = service();
    let gateway = gateway().api_with("t", &[&upstream.url()], "body_bytes: 1000").start();
    for size in [0, 1, 999, 1000] {
        let body = "x".repeat(size);
        let sized =
            format!("POST /t/0 HTTP/1.1\r\nHost: test\r\nContent-Length: {size}\r\n\r\n{body}");
        assert_eq!(gateway.connect().ask(sized).status, 200, "{size}");
        let chunk = if size == 0 { String::new() } else { format!("{size:x}\r\n{body}\r\n") };
        let chunked = format!(
            "POST /t/0 HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"
        );
        assert_eq!(gateway.connect().ask(chunked).status, 200, "{size} chunked");
    }
    for size in [1001, 5000, 100_000] {
        let body = "x".repeat(size);
        let sized = format!("POST /t/0 HTTP/1.1\r\nHost: test\r\nContent-Length: {size}\r\n\r\n");
        let mut client = gateway.connect();
        client.send(sized);
        client.response().assert_problem(413, "GW0013");
        let mut client = gateway.connect();
        let _ = client.try_send(format!(
            "POST /t/0 HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n{size:x}\r\n{body}\r\n0\r\n\r\n"
        ));
        let response = client.response();
        response.assert_problem(413, "GW0013");
        // What is left of the body is drained, or the connection ends; nothing else.
        if !response.closes() && client.try_send("GET /t/0 HTTP/1.1\r\nHost: test\r\n\r\n").is_ok()
        {
            match client.try_response("GET") {
                Ok(next) => assert_eq!(next.status, 200, "{size}: {}", next.brief()),
                Err(fault) => {
                    assert!(matches!(fault, Fault::Closed | Fault::Reset), "{size}: {fault}")
                }
            }
        }
        // In two chunks, each of which would fit.
        let mut client = gateway.connect();
        let half = "x".repeat(600);
        let _ = client.try_send(format!(
            "POST /t/0 HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n258\r\n{half}\r\n258\r\n{half}\r\n0\r\n\r\n"
        ));
        client.response().assert_problem(413, "GW0013");
    }
    let largest = upstream.requests().into_iter().map(|request| request.length).max();
    assert_eq!(largest, Some(1000), "nothing too large arrived whole");
}

#[test]
fn l12_the_general_size_holds_without_another() {
    let (upstream, _) = service();
    let gateway = gateway().api("t", &upstream).start();
    let mut client = gateway.connect();
    client.send(format!(
        "POST /t/0 HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n",
        100 * MIB + 1
    ));
    client.response().assert_problem(413, "GW0013");
    let mut client = gateway.connect();
    client
        .send(format!("POST /t/0 HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", 100 * MIB));
    client.assert_silent_for(Duration::from_millis(200));
    assert!(matches!(client.try_send("x"), Ok(())));
}
