//! One partner's flood does not slow another: reserved shares, queues and priorities at the limit.

use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use pasarela_testkit::{Builder, Gateway, RawClient, Upstream, eventually, seconds};

use crate::gateway;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Two partners and a third application of the second, on API `t`, with these lines for the API
/// and the plans `big` and `small`.
fn partners(upstream: &Upstream, api: &str, big: &str, small: &str) -> Builder {
    let application = |name: &str, organisation: &str, plan: &str| {
        format!(
            "  - name: {name}\n    organisation: {organisation}\n    keys: [{{ file: {name}.key }}]\n    \
             subscriptions: [{{ api: t, plan: {plan} }}]\n"
        )
    };
    let top = format!(
        "plans: [{{ name: big, {big} }}, {{ name: small, {small} }}]\n\
         organisations: [{{ name: calm-co, kind: partner }}, {{ name: flood-co, kind: partner }}]\n\
         applications:\n{}{}{}",
        application("calm", "calm-co", "big"),
        application("flood", "flood-co", "small"),
        application("flood-too", "flood-co", "small"),
    );
    let names = ["calm", "flood", "flood-too"];
    let more = format!("visibility: partner\nplans: [big, small]\n{api}");
    names
        .iter()
        .fold(gateway(), |builder, name| builder.file(&format!("{name}.key"), key(name)))
        .top(&top)
        .api_with("t", &[&upstream.url()], &more)
}

fn key(name: &str) -> String {
    format!("{name:-<43}")
}

fn get(name: &str) -> String {
    format!("GET /t/x HTTP/1.1\r\nHost: test\r\nX-API-Key: {}\r\n\r\n", key(name))
}

/// A service that answers each request when it is told to.
struct Held {
    upstream: Upstream,
    state: Arc<(Mutex<usize>, Condvar)>,
}

impl Held {
    fn start() -> Self {
        let state: Arc<(Mutex<usize>, Condvar)> = Arc::default();
        let inside = Arc::clone(&state);
        let upstream = Upstream::handle(move |_| {
            let (free, told) = &*inside;
            let mut free = free.lock().expect("no panic under the lock");
            while *free == 0 {
                free = told.wait(free).expect("no panic under the lock");
            }
            *free -= 1;
            OK.into()
        });
        Self { upstream, state }
    }

    fn answer(&self, count: usize) {
        *self.state.0.lock().expect("no panic under the lock") += count;
        self.state.1.notify_all();
    }
}

fn send(gateway: &Gateway, name: &str) -> RawClient {
    let mut client = gateway.connect();
    client.send(get(name));
    client
}

/// Whether anything comes back soon; nothing is read.
fn answers_within(client: &RawClient, time: Duration) -> bool {
    client.socket().set_read_timeout(Some(time)).expect("a time to read in");
    let answers = client.socket().peek(&mut [0]).is_ok();
    client.socket().set_read_timeout(None).expect("no time to read in");
    answers
}

fn count(upstream: &Upstream, name: &str) -> usize {
    let all = upstream.requests();
    all.iter().filter(|request| request.get("X-Pasarela-Application") == Some(name)).count()
}

#[test]
fn a_flood_fills_the_limit_and_who_is_below_its_share_is_next() {
    let held = Held::start();
    let gateway = partners(&held.upstream, "concurrency: 4", "priority: 1", "priority: 1").start();
    let flood: Vec<_> = (0..3).map(|_| send(&gateway, "flood")).collect();
    let other = send(&gateway, "flood-too");
    held.upstream.await_requests(4);
    // The organisation's applications have one share together, so all of these wait.
    let more: Vec<_> =
        (0..8).map(|number| send(&gateway, ["flood", "flood-too"][number % 2])).collect();
    let queued = || gateway.metric("pasarela_requests_queued{api=\"t\"");
    assert!(eventually(seconds(5), || queued() == 8.0), "{} wait", queued());
    let mut calm = send(&gateway, "calm");
    assert!(eventually(seconds(5), || queued() == 9.0));
    assert_eq!(count(&held.upstream, "calm"), 0, "there is no place for it yet");
    held.answer(1);
    // The place that is freed is given to whoever has none, not to those who came before.
    assert!(eventually(seconds(5), || count(&held.upstream, "calm") == 1));
    assert_eq!(held.upstream.requests().len(), 5);
    held.answer(100);
    assert_eq!(calm.response().status, 200);
    for mut client in flood.into_iter().chain([other]).chain(more) {
        assert_eq!(client.response().status, 200, "who waits in the queue is served in the end");
    }
    assert_eq!(gateway.metric("pasarela_requests_queued_total{api=\"t\""), 9.0);
}

#[test]
fn a_flood_that_is_longer_than_its_queue_is_told_so() {
    let held = Held::start();
    let gateway = partners(&held.upstream, "concurrency: 4", "reserve: 50%", "priority: 1").start();
    // Of what is reserved one place is left alone.
    let mut flood: Vec<_> = (0..3).map(|_| send(&gateway, "flood")).collect();
    held.upstream.await_requests(3);
    let mut calm = send(&gateway, "calm");
    held.upstream.await_requests(4);
    let mut refused = None;
    for _ in 0..100 {
        let mut client = send(&gateway, "flood");
        // Whoever waits is silent; the first that is not is refused.
        if answers_within(&client, Duration::from_millis(50)) {
            refused = Some(client.response());
            break;
        }
        flood.push(client);
    }
    let refused = refused.expect("a queue without an end");
    refused.assert_problem(429, "GW0060");
    assert_eq!(refused.get("Retry-After"), Some("1"));
    let mut second = send(&gateway, "calm");
    held.answer(200);
    assert_eq!(calm.response().status, 200);
    assert_eq!(second.response().status, 200, "what is below its share is not refused");
}

#[test]
fn who_waits_and_leaves_makes_room_and_a_drain_tells_who_still_waits() {
    let held = Held::start();
    let gateway = partners(&held.upstream, "concurrency: 2", "priority: 3", "priority: 1")
        .limit("drain: 3s")
        .start();
    let first: Vec<_> = (0..2).map(|_| send(&gateway, "flood")).collect();
    held.upstream.await_requests(2);
    let queued = || gateway.metric("pasarela_requests_queued{api=\"t\"");
    let (gone, mut stays) = (send(&gateway, "calm"), send(&gateway, "flood-too"));
    assert!(eventually(seconds(5), || queued() == 2.0));
    gone.abort();
    assert!(eventually(seconds(5), || queued() == 1.0), "a caller that left waits on");
    held.answer(1);
    held.upstream.await_requests(3);
    assert_eq!(count(&held.upstream, "calm"), 0);
    let mut last = send(&gateway, "flood");
    assert!(eventually(seconds(5), || queued() == 1.0));
    gateway.sigterm();
    let told = last.response();
    // It began to wait before the end did, so it is the end that it is told of, or its patience's.
    assert!([503, 429].contains(&told.status), "{}", told.brief());
    held.answer(10);
    assert_eq!(stays.response().status, 200);
    drop(first);
}

mod alone {
    use super::*;

    /// So many things at a time, each taking so long: 400 a second.
    const PLACES: usize = 20;
    const TAKES: Duration = Duration::from_millis(50);

    fn busy() -> Upstream {
        let (places, freed) = (Mutex::new(PLACES), Condvar::new());
        Upstream::handle(move |_| {
            let mut free = places.lock().expect("no panic under the lock");
            while *free == 0 {
                free = freed.wait(free).expect("no panic under the lock");
            }
            *free -= 1;
            drop(free);
            thread::sleep(TAKES);
            *places.lock().expect("no panic under the lock") += 1;
            freed.notify_one();
            OK.into()
        })
    }

    /// Half of the calm partner's share, from twenty connections, at a steady pace whatever
    /// becomes of it; how long each took from when it was due, in order, and what was not 200.
    fn calm(gateway: &Gateway, time: Duration) -> (Vec<Duration>, Vec<u16>) {
        const CALLERS: u32 = 20;
        const EVERY: Duration = Duration::from_millis(200);
        let begin = Instant::now() + Duration::from_millis(100);
        let address = gateway.address();
        let caller = |number: u32| {
            thread::spawn(move || {
                let mut client = RawClient::connect(address);
                let (mut times, mut others) = (Vec::new(), Vec::new());
                let first = begin + EVERY * number / CALLERS;
                for due in
                    (0..).map(|turn| first + EVERY * turn).take_while(|due| *due < begin + time)
                {
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    client.send(get("calm"));
                    let status = client.response().status;
                    times.push(due.elapsed());
                    others.extend((status != 200).then_some(status));
                }
                (times, others)
            })
        };
        let callers: Vec<_> = (0..CALLERS).map(caller).collect();
        let (mut times, mut others) = (Vec::new(), Vec::new());
        for caller in callers {
            let (its, bad) = caller.join().expect("a caller does not panic");
            times.extend(its);
            others.extend(bad);
        }
        times.sort();
        (times, others)
    }

    /// Two hundred connections that ask every 50 ms: twenty times the 200 a second that are theirs.
    fn flood<R>(gateway: &Gateway, meanwhile: impl FnOnce() -> R) -> (R, f64) {
        let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
        let address = gateway.address();
        let begin = Instant::now();
        let outcome = thread::scope(|scope| {
            for _ in 0..200 {
                thread::Builder::new()
                    .stack_size(128 << 10)
                    .spawn_scoped(scope, || {
                        let mut client = RawClient::connect(address);
                        while !stop.load(Ordering::Relaxed) {
                            let asked = Instant::now();
                            client.send(get("flood"));
                            sent.fetch_add(1, Ordering::Relaxed);
                            assert!([200, 429].contains(&client.response().status));
                            thread::sleep(TAKES.saturating_sub(asked.elapsed()));
                        }
                    })
                    .expect("a thread");
            }
            thread::sleep(seconds(1));
            let outcome = meanwhile();
            stop.store(true, Ordering::Relaxed);
            outcome
        });
        (outcome, sent.into_inner() as f64 / begin.elapsed().as_secs_f64())
    }

    fn measure(api: &str, time: Duration) -> (Duration, Duration) {
        let upstream = busy();
        let gateway = partners(&upstream, api, "reserve: 50%", "priority: 1").start();
        let percentile = |times: &[Duration], part: usize| times[times.len() * part / 100];
        calm(&gateway, seconds(1));
        let (quiet, bad) = calm(&gateway, time);
        assert_eq!(bad, Vec::<u16>::new());
        let ((flooded, bad), a_second) = flood(&gateway, || calm(&gateway, time));
        let (quiet_p99, flooded_p99) = (percentile(&quiet, 99), percentile(&flooded, 99));
        let refused =
            gateway.metric("pasarela_requests_total{api=\"t\",version=\"1\",status=\"4xx\"");
        eprintln!(
            "{api}: quiet p50 {:?} p99 {quiet_p99:?}; beside {a_second:.0} calls a second p50 {:?} p99 \
             {flooded_p99:?}, a factor of {:.3}; {} calls, {} not answered; {refused} of the flood refused",
            percentile(&quiet, 50),
            percentile(&flooded, 50),
            flooded_p99.as_secs_f64() / quiet_p99.as_secs_f64(),
            flooded.len(),
            bad.len(),
        );
        assert_eq!(bad, Vec::<u16>::new(), "none of its calls is refused");
        assert!(refused > 0.0, "it was no flood");
        (quiet_p99, flooded_p99)
    }

    #[test]
    fn t45_beside_a_flood_of_twenty_times_its_share_a_partner_is_served_as_ever() {
        let (quiet, flooded) = measure("concurrency: 20", seconds(5));
        // A loaded machine has moments of its own; without shares it would be a second.
        let most = 3 * quiet + Duration::from_millis(100);
        assert!(flooded <= most, "{flooded:?} beside a flood, {quiet:?} without");
    }

    /// The figure itself: `cargo nextest run --release -p pasarela --run-ignored only --no-capture
    /// a_partner_s_p99`, on a machine that has nothing else to do.
    #[test]
    #[ignore = "a measurement"]
    fn a_partner_s_p99_beside_a_flood_is_within_a_fifth_of_its_quiet_one() {
        let (quiet, flooded) = measure("concurrency: 20", seconds(20));
        assert!(flooded.as_secs_f64() <= 1.2 * quiet.as_secs_f64(), "{flooded:?}, {quiet:?}");
        // What is learned takes a while, and is no promise: how well it does is told, not asked for.
        measure("concurrency: adaptive", seconds(20));
    }
}
