//! T44, L12: bodies stream in constant memory, and only as far as they may.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use pasarela_testkit::{Fault, Gateway, Upstream, seconds};

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
