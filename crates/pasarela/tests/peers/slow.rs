//! slowhttptest beside a healthy client (T36): slow connections are closed, and nobody else notices.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    harness::{Gateway, finish, have, one_api, program},
    http1::Connection,
    zoo_servers::{Kind, Server},
};

/// Times of requests of a client that behaves, until told to stop; new connections each time.
fn healthy(address: SocketAddr, stop: &AtomicBool) -> Vec<Duration> {
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        let mut connection = Connection::open(address, Duration::from_secs(5));
        connection.send(b"GET /echo HTTP/1.1\r\nHost: zoo.example\r\nConnection: close\r\n\r\n");
        let answer = connection.answer("GET");
        assert!(matches!(&answer, Ok(answer) if answer.status == 200), "{answer:?}");
        times.push(start.elapsed());
        thread::sleep(Duration::from_millis(10));
    }
    times
}

fn attack(target: &str, mode: &[&str]) {
    if !have(&["slowhttptest"]) {
        return;
    }
    let Some(server) = Server::start(Kind::Node) else { return };
    // The limits' own defaults take ten to thirty seconds to show; the mechanism is the same.
    let limits =
        "limits: { header_time: 2s, body_rate_grace: 2s, write_stall: 2s, keep_alive_idle: 2s }\n";
    let gateway = Gateway::start(&format!("{limits}{}", one_api(server.port, "")));
    let stop = Arc::new(AtomicBool::new(false));
    let prober = {
        let (stop, address) = (stop.clone(), gateway.address);
        thread::spawn(move || healthy(address, &stop))
    };
    let output = finish(
        program("slowhttptest")
            // 300 connections at once, for twelve seconds at most.
            .args(["-c", "300", "-r", "300", "-l", "12", "-p", "3"])
            .args(mode)
            .args(["-u", &format!("http://{}{target}", gateway.address)]),
        Duration::from_secs(60),
    );
    stop.store(true, Ordering::Relaxed);
    let mut times = prober.join().expect("a healthy client was not served");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.contains("No open connections left"), "{mode:?}: {out}\n{}", gateway.log());
    times.sort();
    let p99 = times[times.len() * 99 / 100];
    // Wide, because the other tests run on the same cores; a starved client waits for seconds.
    assert!(
        times.len() > 50 && p99 < Duration::from_millis(500),
        "{} requests, p99 {p99:?}",
        times.len()
    );
}

#[test]
fn t36_slow_headers_are_closed_and_nobody_else_notices() {
    attack("/echo", &["-H", "-i", "1"]);
}

#[test]
fn t36_slow_bodies_are_closed_and_nobody_else_notices() {
    // Bodies whose length is declared and that arrive at some bytes a second.
    attack("/echo", &["-B", "-i", "1", "-s", "100000", "-x", "20", "-t", "POST"]);
}

#[test]
fn t36_slow_readers_are_closed_and_nobody_else_notices() {
    attack("/big/3000000", &["-X", "-w", "1024", "-y", "2048", "-n", "5", "-z", "32", "-k", "1"]);
}
