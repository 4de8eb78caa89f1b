//! Overload: fixed concurrency, answers that stream, and memory that runs short.

use std::{
    net::SocketAddr,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use pasarela_testkit::{Gateway, RawClient, Upstream, eventually, seconds};

use crate::{full, gateway};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &str = "GET /t/x HTTP/1.1\r\nHost: test\r\n\r\n";

#[test]
fn t45_a_fixed_number_waits_and_the_rest_is_told_to_come_back() {
    let upstream = Upstream::handle(|_| {
        thread::sleep(Duration::from_millis(1_500));
        OK.into()
    });
    let gateway = gateway().api_with("t", &[&upstream.url()], "concurrency: 2").start();
    let mut waiting: Vec<_> = (0..2).map(|_| gateway.connect()).collect();
    for client in &mut waiting {
        client.send(GET);
    }
    upstream.await_requests(2);
    let refused = gateway.connect().ask(GET);
    refused.assert_problem(503, "GW0026");
    assert_eq!(refused.get("Retry-After"), Some("1"));
    let asked = Instant::now();
    assert_eq!(gateway.console("/healthz").status, 200);
    assert!(asked.elapsed() < Duration::from_millis(100), "{:?}", asked.elapsed());
    assert_eq!(gateway.metric("pasarela_shed_total{reason=\"concurrency\"}"), 1.0);
    for client in &mut waiting {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(gateway.get("/t/x").status, 200, "there is room again");
    assert_eq!(upstream.requests().len(), 3, "what was refused never left");
}

#[test]
fn t45_an_answer_that_streams_does_not_wait() {
    let upstream = Upstream::script(|conn| {
        conn.request()?;
        conn.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")?;
        conn.pause(seconds(3));
        conn.write("0\r\n\r\n")
    });
    let gateway = gateway().api_with("t", &[&upstream.url()], "concurrency: 1").start();
    let streams: Vec<_> = (0..8)
        .map(|_| {
            let mut client = gateway.connect();
            client.send(GET);
            assert_eq!(client.head("GET").status, 200);
            client
        })
        .collect();
    assert_eq!(streams.len(), 8);
    assert_eq!(gateway.metric("pasarela_shed_total{reason=\"concurrency\"}"), 0.0);
}

#[test]
fn t45_many_patient_callers_are_no_overload() {
    // More callers than the service can serve at a time, but none more than it can serve: they
    // ask again only when they were answered.
    let one_at_a_time = std::sync::Mutex::new(());
    let upstream = Upstream::handle(move |_| {
        let _turn = one_at_a_time.lock().expect("no panic under the lock");
        thread::sleep(Duration::from_millis(2));
        OK.into()
    });
    let gateway = gateway().api("t", &upstream).start();
    let load = pasarela_testkit::Load::start(gateway.address(), 40, GET, "ok");
    thread::sleep(seconds(4));
    let report = load.stop();
    assert_eq!(report.failures, Vec::<String>::new());
    assert!(report.done > 300, "{report:?}");
}

/// A service that does four things at a time, each in twenty milliseconds: two hundred a second.
fn four_at_a_time() -> Upstream {
    let (places, freed) = (Mutex::new(4), Condvar::new());
    Upstream::handle(move |_| {
        let mut free = places.lock().expect("no panic under the lock");
        while *free == 0 {
            free = freed.wait(free).expect("no panic under the lock");
        }
        *free -= 1;
        drop(free);
        thread::sleep(Duration::from_millis(20));
        *places.lock().expect("no panic under the lock") += 1;
        freed.notify_one();
        OK.into()
    })
}

/// One answer: when it was asked for, its status (0: none), how long it took.
type Answered = (Duration, u16, Duration);

/// Asks at a steady pace, whatever becomes of what was asked before.
fn open_loop(address: SocketAddr, a_second: f64, time: Duration) -> Vec<Answered> {
    let begin = Instant::now();
    let asking: Vec<_> = (0..)
        .map(|number| Duration::from_secs_f64(f64::from(number) / a_second))
        .take_while(|due| *due < time)
        .map(|due| {
            thread::sleep(due.saturating_sub(begin.elapsed()));
            let caller = thread::Builder::new().stack_size(128 << 10).spawn(move || {
                let asked = begin.elapsed();
                let answer = RawClient::try_connect(address).ok().and_then(|mut client| {
                    client.try_send(GET).ok()?;
                    client.try_response("GET").ok()
                });
                (asked, answer.map_or(0, |answer| answer.status), begin.elapsed() - asked)
            });
            caller.expect("a thread")
        })
        .collect();
    asking.into_iter().map(|caller| caller.join().expect("an answer or none")).collect()
}

#[test]
fn t45_at_three_times_what_the_service_can_do_it_does_what_it_can_alone() {
    let time = if full() { seconds(30) } else { seconds(10) };
    // What holding back needs to be told from a service that is slow now.
    let learning = seconds(5);
    let upstream = four_at_a_time();
    let gateway = gateway().api("t", &upstream).limit("connections_per_ip: 10000").start();
    let load = pasarela_testkit::Load::start(gateway.address(), 6, GET, "ok");
    let begin = Instant::now();
    thread::sleep(seconds(3));
    let peak = load.stop().done as f64 / begin.elapsed().as_secs_f64();
    assert!(peak > 100.0, "{peak} a second: this machine has no time for this");
    let stop = AtomicBool::new(false);
    let (answers, mut health) = thread::scope(|scope| {
        let health = scope.spawn(|| {
            let mut times = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let asked = Instant::now();
                assert_eq!(gateway.console("/healthz").status, 200);
                times.push(asked.elapsed());
                thread::sleep(Duration::from_millis(50));
            }
            times
        });
        let answers = open_loop(gateway.address(), 3.0 * peak, time);
        stop.store(true, Ordering::Relaxed);
        (answers, health.join().expect("healthy"))
    });
    // An answer that comes too late is good for nobody.
    let good = answers
        .iter()
        .filter(|(asked, status, took)| *asked >= learning && *status == 200 && *took < seconds(1));
    let goodput = good.count() as f64 / (time - learning).as_secs_f64();
    let refused = answers.iter().filter(|(_, status, _)| *status == 503).count();
    health.sort();
    let slow = health[health.len() * 95 / 100];
    eprintln!("peak {peak:.0}/s, goodput {goodput:.0}/s, {refused} refused, health p95 {slow:?}");
    assert!(goodput >= 0.9 * peak, "{goodput:.0} of {peak:.0} a second are answered in time");
    assert!(answers.iter().all(|(_, status, _)| [200, 503].contains(status)), "{refused} refused");
    assert!(slow <= Duration::from_millis(100), "health takes {slow:?}");
}

/// Lets the gateway have so much memory that it uses this share of it.
fn squeeze(gateway: &Gateway, per_cent: f64) {
    let used = gateway.metric("process_resident_memory_bytes ");
    let limit = (used * 100.0 / per_cent) as u64;
    let yaml = gateway.yaml();
    let start = yaml.find("memory_bytes: ").expect("the limit is set") + "memory_bytes: ".len();
    let end = start + yaml[start..].find('\n').expect("a line ends");
    gateway.reload(&format!("{}{limit}{}", &yaml[..start], &yaml[end..]));
}

fn reaches(gateway: &Gateway, level: f64) -> bool {
    let reached = eventually(seconds(2), || gateway.metric("pasarela_overload_level") == level);
    // Workers look at it every tenth of a second.
    thread::sleep(Duration::from_millis(150));
    reached
}

/// Makes memory so short that this level holds. A young process still grows: what it uses by the
/// time it looks is not what it used when it was asked, so there is more than one attempt.
fn bring_to(gateway: &Gateway, level: f64, per_cent: f64) {
    for _ in 0..10 {
        squeeze(gateway, per_cent);
        if reaches(gateway, level) {
            return;
        }
        release(gateway);
    }
    panic!("level {level} is not reached");
}

fn release(gateway: &Gateway) {
    squeeze(gateway, 20.0);
    assert!(reaches(gateway, 0.0), "the pressure is off");
}

#[test]
fn l46_at_85_per_cent_connections_are_not_kept() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().limit("memory_bytes: 0").api("t", &upstream).start();
    let mut idle = gateway.connect();
    assert!(!idle.ask(GET).closes(), "usually they are");
    bring_to(&gateway, 1.0, 87.5);
    idle.assert_closed_within(seconds(3));
    let mut client = gateway.connect();
    let response = client.ask(GET);
    assert_eq!(response.status, 200);
    assert!(response.closes());
    client.assert_closed();
    release(&gateway);
    assert!(!gateway.connect().ask(GET).closes());
}

#[test]
fn l46_at_90_per_cent_requests_are_shed_and_the_console_answers() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().limit("memory_bytes: 0").api("t", &upstream).start();
    assert_eq!(gateway.get("/t/x").status, 200);
    bring_to(&gateway, 2.0, 92.5);
    let refused = gateway.connect().ask(GET);
    refused.assert_problem(503, "GW0026");
    assert!(refused.get("Retry-After").is_some() && refused.closes(), "{}", refused.brief());
    let asked = Instant::now();
    assert_eq!(gateway.console("/healthz").status, 200);
    assert!(asked.elapsed() < Duration::from_millis(100), "{:?}", asked.elapsed());
    assert!(gateway.metric("pasarela_shed_total{reason=\"memory\"}") >= 1.0);
    release(&gateway);
    assert_eq!(gateway.get("/t/x").status, 200);
}

#[test]
fn l46_at_95_per_cent_new_connections_wait() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().limit("memory_bytes: 0").api("t", &upstream).start();
    bring_to(&gateway, 3.0, 120.0);
    // Each accept loop was already waiting for one connection, and may take that one.
    let mut clients: Vec<_> = (0..12).map(|_| gateway.connect()).collect();
    for client in &mut clients {
        client.send(GET);
    }
    let mut last = clients.pop().expect("there are twelve");
    last.assert_silent_for(Duration::from_millis(700));
    assert_eq!(gateway.console("/healthz").status, 200);
    release(&gateway);
    assert_eq!(last.response().status, 200, "who waited is served");
}
