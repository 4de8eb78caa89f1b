//! Connections to servers that speak HTTP/2: as many as the streams need, and no more.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use http::Response;
use pasarela_model::Api;

use crate::harness::{api_h2, connect, read_message, read_until, send, serve, upstream};

/// What a server saw.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    /// Streams that were open at a time on one connection, at most.
    most: AtomicUsize,
    answered: AtomicUsize,
}

/// Takes so many streams at a time on a connection, answers each after a while, and says GOAWAY
/// after so many.
fn server(streams: u32, delay: Duration, goodbye_after: usize) -> (SocketAddr, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let told = Arc::clone(&seen);
    let address = upstream(move |stream, _| {
        told.connections.fetch_add(1, SeqCst);
        stream.set_nonblocking(true).unwrap();
        let seen = Arc::clone(&told);
        crate::runtime().block_on(async move {
            let stream = tokio::net::TcpStream::from_std(stream).unwrap();
            let mut builder = h2::server::Builder::new();
            let handshake = builder.max_concurrent_streams(streams).handshake(stream).await;
            let mut connection: h2::server::Connection<_, bytes::Bytes> = handshake.unwrap();
            let (open, mut begun) = (Arc::new(AtomicUsize::new(0)), 0);
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                seen.most.fetch_max(open.fetch_add(1, SeqCst) + 1, SeqCst);
                begun += 1;
                if begun == goodbye_after {
                    connection.graceful_shutdown();
                }
                let (open, seen) = (Arc::clone(&open), Arc::clone(&seen));
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    open.fetch_sub(1, SeqCst);
                    seen.answered.fetch_add(1, SeqCst);
                    let _ = respond.send_response(Response::new(()), true);
                });
            }
        });
    });
    (address, seen)
}

/// Asks from so many callers at once; every status, and how long all of it took.
fn ask(gateway: SocketAddr, callers: usize) -> (Vec<String>, Duration) {
    let begin = Instant::now();
    let asking: Vec<_> = (0..callers)
        .map(|_| {
            thread::spawn(move || {
                let mut caller = connect(gateway);
                send(&mut caller, "GET /x/v1/a HTTP/1.1\r\nHost: h\r\n\r\n");
                let head = read_until(&mut caller, "\r\n\r\n");
                head.split(' ').nth(1).unwrap_or("nothing").to_owned()
            })
        })
        .collect();
    let statuses = asking.into_iter().map(|caller| caller.join().unwrap()).collect();
    (statuses, begin.elapsed())
}

fn all(statuses: &[String], expected: &str) -> bool {
    statuses.iter().all(|status| status == expected)
}

fn calm(name: &str, address: SocketAddr) -> Api {
    let mut api = api_h2(name, address);
    // Nothing here is about overload.
    api.upstream.concurrency = pasarela_model::Concurrency::Off;
    api
}

#[test]
fn calls_that_come_together_at_a_cold_start_share_one_connection() {
    let (there, seen) = server(100, Duration::from_millis(50), usize::MAX);
    let gateway = serve(vec![calm("x", there)]);
    let (statuses, _) = ask(gateway, 50);
    assert!(all(&statuses, "200"), "{statuses:?}");
    assert_eq!(seen.connections.load(SeqCst), 1);
}

#[test]
fn where_a_connection_is_full_another_is_opened() {
    let (there, seen) = server(4, Duration::from_millis(600), usize::MAX);
    let gateway = serve(vec![calm("x", there)]);
    let (statuses, took) = ask(gateway, 24);
    assert!(all(&statuses, "200"), "{statuses:?}");
    assert_eq!(seen.connections.load(SeqCst), 6);
    assert!(seen.most.load(SeqCst) <= 4, "the server said four");
    assert!(took < Duration::from_millis(1100), "somebody waited for another: {took:?}");
}

#[test]
fn past_the_last_connection_calls_wait_for_their_turn() {
    let (there, seen) = server(1, Duration::from_millis(100), usize::MAX);
    let gateway = serve(vec![calm("x", there)]);
    let (statuses, took) = ask(gateway, 40);
    assert!(all(&statuses, "200"), "{statuses:?}");
    assert_eq!(seen.connections.load(SeqCst), 8);
    assert!(took >= Duration::from_millis(500), "40 calls, 8 at a time: {took:?}");
    // Whoever waits too long is told so, and waits no longer.
    let mut impatient = calm("x", server(1, Duration::from_secs(3), usize::MAX).0);
    impatient.upstream.timeouts.first_byte = Duration::from_millis(400);
    impatient.upstream.retries.attempts = 0;
    let (statuses, took) = ask(serve(vec![impatient]), 12);
    assert!(all(&statuses, "504"), "{statuses:?}");
    assert!(took < Duration::from_millis(1500), "{took:?}");
}

#[test]
fn f13_who_waits_for_a_connection_shares_its_failure() {
    // It accepts and says nothing: each attempt costs the whole time to connect.
    let silent = upstream(|stream, _| {
        thread::sleep(Duration::from_secs(5));
        drop(stream);
    });
    let mut api = calm("x", silent);
    api.upstream.timeouts.connect = Duration::from_millis(400);
    api.upstream.retries.attempts = 0;
    let (statuses, took) = ask(serve(vec![api]), 10);
    assert!(all(&statuses, "504"), "{statuses:?}");
    assert!(took < Duration::from_millis(1200), "one after the other: {took:?}");
}

#[test]
fn a_server_that_says_goodbye_loses_no_call() {
    let (there, seen) = server(100, Duration::from_millis(30), 10);
    let gateway = serve(vec![calm("x", there)]);
    let asking: Vec<_> = (0..8)
        .map(|_| {
            thread::spawn(move || {
                let mut caller = connect(gateway);
                for round in 0..25 {
                    send(&mut caller, "GET /x/v1/a HTTP/1.1\r\nHost: h\r\n\r\n");
                    let (head, _) = read_message(&mut caller);
                    assert!(head.starts_with("HTTP/1.1 200 "), "round {round}: {head}");
                }
            })
        })
        .collect();
    asking.into_iter().for_each(|caller| caller.join().unwrap());
    assert!(seen.answered.load(SeqCst) >= 200);
    let connections = seen.connections.load(SeqCst);
    assert!((10..=25).contains(&connections), "{connections} connections");
}
