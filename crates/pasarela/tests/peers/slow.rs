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
        let mut connection = Connection::open(address, Duration::from_secs(15));
        connection
            .send(b"GET /other/echo HTTP/1.1\r\nHost: zoo.example\r\nConnection: close\r\n\r\n");
        let answer = connection.answer("GET");
        assert!(matches!(&answer, Ok(answer) if answer.status == 200), "{answer:?}");
        times.push(start.elapsed());
        thread::sleep(Duration::from_millis(10));
    }
    times
}

/// How many connections the gateway says that it has.
fn open_connections(console: SocketAddr) -> usize {
    let mut connection = Connection::open(console, Duration::from_secs(15));
    connection.send(b"GET /metrics HTTP/1.1\r\nHost: console\r\nConnection: close\r\n\r\n");
    let answer = connection.answer("GET").expect("no metrics");
    String::from_utf8_lossy(&answer.body)
        .lines()
        .filter(|line| line.starts_with("pasarela_connections_open{listener=\"gateway\""))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum::<f64>() as usize
}

/// Whether the reference's number of connections was asked for.
fn full() -> bool {
    std::env::var_os("PASARELA_FULL").is_some()
}

/// The time that all but one in a hundred keep below.
fn p99(times: &mut [Duration]) -> Duration {
    times.sort();
    times[(times.len() * 99 / 100).min(times.len() - 1)]
}

fn attack(connections: &str, target: &str, mode: &[&str]) {
    if !have(&["slowhttptest"]) {
        return;
    }
    let Some(server) = Server::start(Kind::Node) else { return };
    // Whoever behaves asks another service: what the attacked one suffers is not the gateway's.
    let Some(other) = Server::start(Kind::Node) else { return };
    let apis = format!(
        "{}  - {{ name: other, version: 1, path: /other, visibility: public, preserve_host: true, \
         upstreams: [\"http://127.0.0.1:{}\"] }}\n",
        one_api(server.port, ""),
        other.port
    );
    // The limits' own defaults take ten to thirty seconds to show; the mechanism is the same.
    // The long form gives all of its connections the time to come about.
    let (patience, length) = match full() {
        true if mode.contains(&"-X") => ("3s", 45),
        true => ("8s", 45),
        false => ("2s", 15),
    };
    let limits = format!(
        "limits: {{ header_time: {patience}, body_rate_grace: {patience}, write_stall: {patience}, \
         keep_alive_idle: {patience}, connections_per_ip: 10000 }}\n"
    );
    let gateway = Gateway::start(&format!("{limits}{apis}"));
    let address = gateway.address;
    let calm = full().then(|| {
        let stop = AtomicBool::new(false);
        let mut times = thread::scope(|scope| {
            let prober = scope.spawn(|| healthy(address, &stop));
            thread::sleep(Duration::from_secs(3));
            stop.store(true, Ordering::Relaxed);
            prober.join().expect("a healthy client was not served")
        });
        p99(&mut times)
    });
    let stop = Arc::new(AtomicBool::new(false));
    let prober = {
        let stop = stop.clone();
        thread::spawn(move || healthy(address, &stop))
    };
    // The attacker itself does not always look whether it was closed, so the gateway is asked.
    let console = gateway.console;
    let watcher = thread::spawn(move || {
        let start = Instant::now();
        let mut counts = Vec::new();
        while start.elapsed() < Duration::from_secs(length - 1) {
            thread::sleep(Duration::from_millis(200));
            counts.push(open_connections(console));
        }
        counts
    });
    finish(
        program("slowhttptest")
            .args(["-c", connections, "-r", connections, "-l", &length.to_string(), "-p", "3"])
            .args(mode)
            .args(["-u", &format!("http://{address}{target}")]),
        Duration::from_secs(90),
    );
    let counts = watcher.join().unwrap();
    stop.store(true, Ordering::Relaxed);
    let mut times = prober.join().expect("a healthy client was not served");
    let most = counts.iter().max().copied().unwrap_or(0);
    let last = counts.last().copied().unwrap_or(0);
    assert!(most > 50, "the attack did not take place: {counts:?}");
    assert!(last < 10, "slow connections live on: {counts:?}\n{}", gateway.log());
    let slowest = p99(&mut times);
    eprintln!("{most} connections; p99 {slowest:?}, without them {calm:?}");
    if let Some(calm) = calm {
        // Below this it is the scheduler's time: attacker, service and gateway share this machine.
        let bound = 2 * calm.max(Duration::from_millis(25));
        assert!(slowest <= bound, "p99 {slowest:?}, {calm:?} without the attack");
    }
    let (median, slow) = (
        times[times.len() / 2],
        times.iter().filter(|time| **time > Duration::from_millis(500)).count(),
    );
    // Wide, because other tests run on the same cores; a starved client waits until the attack ends.
    assert!(
        times.len() > 50 && median < Duration::from_millis(100) && slow * 10 <= times.len(),
        "{} requests, median {median:?}, {slow} slower than 0.5 s",
        times.len()
    );
}

#[test]
fn t36_slow_headers_are_closed_and_nobody_else_notices() {
    attack(if full() { "4000" } else { "200" }, "/echo", &["-H", "-i", "1"]);
}

#[test]
fn t36_slow_bodies_are_closed_and_nobody_else_notices() {
    // Bodies whose length is declared and that arrive at some bytes a second.
    let connections = if full() { "4000" } else { "200" };
    attack(connections, "/echo", &["-B", "-i", "1", "-s", "100000", "-x", "20", "-t", "POST"]);
}

#[test]
fn t36_slow_readers_are_closed_and_nobody_else_notices() {
    // More than what the kernel takes off the gateway's hands.
    let slow = ["-X", "-w", "1024", "-y", "2048", "-n", "5", "-z", "32", "-k", "1"];
    // Fewer than of the others: attacker, service and gateway share one kernel's memory for TCP.
    match full() {
        true => attack("1000", "/big/1000000", &slow),
        false => attack("60", "/big/30000000", &slow),
    }
}
