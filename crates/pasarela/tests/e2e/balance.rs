//! L25 and the ways of choosing among several upstreams.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use pasarela_testkit::{RawClient, Upstream, eventually, seconds};

use crate::{KEY, gateway, plan};

/// `count` requests on one connection, so that one worker decides.
fn ask(client: &mut RawClient, count: usize) {
    for _ in 0..count {
        let response = client.get("/t/");
        assert_eq!(response.status, 200, "{}", response.brief());
    }
}

#[test]
fn round_robin_is_even_and_weights_are_kept() {
    let upstreams = [Upstream::ok("a"), Upstream::ok("b"), Upstream::ok("c")];
    let urls: Vec<String> = upstreams.iter().map(Upstream::url).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let gateway = gateway().api_with("t", &urls, "").start();
    ask(&mut gateway.connect(), 60);
    let counts: Vec<_> = upstreams.iter().map(|u| u.requests().len()).collect();
    assert!(counts.iter().all(|count| (19..=21).contains(count)), "{counts:?}");

    let upstreams = [Upstream::ok("a"), Upstream::ok("b"), Upstream::ok("c")];
    let weighted: Vec<String> = upstreams
        .iter()
        .zip([3, 1, 0])
        .map(|(upstream, weight)| format!("{{ url: {}, weight: {weight} }}", upstream.url()))
        .collect();
    let weighted: Vec<&str> = weighted.iter().map(String::as_str).collect();
    let gateway = crate::gateway().api_with("t", &weighted, "").start();
    ask(&mut gateway.connect(), 80);
    let counts: Vec<_> = upstreams.iter().map(|u| u.requests().len()).collect();
    assert!((58..=62).contains(&counts[0]) && (18..=22).contains(&counts[1]), "{counts:?}");
    assert_eq!(counts[2], 0, "drained");
}

#[test]
fn least_requests_avoids_the_busy() {
    let slow = Upstream::script(|conn| {
        loop {
            conn.request()?;
            conn.pause(Duration::from_millis(300));
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
    });
    let quick = Upstream::ok("ok");
    let gateway =
        gateway().api_with("t", &[&slow.url(), &quick.url()], "balance: least_requests").start();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| ask(&mut gateway.connect(), 25));
        }
    });
    let (slow, quick) = (slow.requests().len(), quick.requests().len());
    assert_eq!(slow + quick, 200);
    assert!(quick > slow * 2, "slow {slow}, quick {quick}");
}

#[test]
fn a_consistent_hash_keeps_callers_where_they_are() {
    let upstreams: Vec<Upstream> = ["0", "1", "2", "3"].into_iter().map(Upstream::ok).collect();
    let urls: Vec<String> = upstreams.iter().map(Upstream::url).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let gateway = gateway()
        .api_with("t", &urls, "balance: { hash: \"header:X-Session\" }")
        .api_with("p", &urls, "balance: { hash: path }")
        .api_with("c", &urls, "balance: { hash: client_address }")
        .start();
    let place = |session: usize, gateway: &pasarela_testkit::Gateway| {
        let mut client = gateway.connect();
        let request = format!("GET /t/ HTTP/1.1\r\nHost: test\r\nX-Session: s{session}\r\n\r\n");
        client.ask(request).text()
    };
    let before: Vec<String> = (0..200).map(|session| place(session, &gateway)).collect();
    for session in (0..200).rev() {
        assert_eq!(place(session, &gateway), before[session], "session {session} moved");
    }
    for upstream in &upstreams {
        assert!(upstream.requests().len() >= 40, "an uneven hash");
    }
    let mut client = gateway.connect();
    let home = client.get("/c/").text();
    for _ in 0..10 {
        assert_eq!(gateway.get("/c/x").text(), home);
    }
    let path = client.get("/p/one").text();
    assert_eq!(gateway.get("/p/one").text(), path);
    assert_eq!(gateway.get("/p/./one").text(), path, "the normalised path counts");
    // One leaves: its callers move, the others stay.
    let fewer = &urls[..3];
    let yaml = gateway.yaml();
    let yaml = yaml.replace(&format!("      - {}\n", urls[3]), "");
    gateway.reload(&yaml);
    assert_eq!(fewer.len(), 3);
    // Every worker has it a moment later.
    std::thread::sleep(Duration::from_millis(100));
    for (session, home) in before.iter().enumerate().filter(|(_, home)| *home != "3") {
        assert_eq!(place(session, &gateway), *home, "session {session} moved");
    }
}

#[test]
fn an_application_has_its_own_place() {
    let upstreams: Vec<Upstream> = ["0", "1", "2"].into_iter().map(Upstream::ok).collect();
    let urls: Vec<String> = upstreams.iter().map(Upstream::url).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let gateway = gateway()
        .file("app.key", KEY)
        .top(&plan("1000/s"))
        .api_with("t", &urls, "plans: [small]\nbalance: { hash: application }")
        .start();
    let request = format!("GET /t/ HTTP/1.1\r\nHost: test\r\nX-API-Key: {KEY}\r\n\r\n");
    let first = gateway.connect().ask(&request).text();
    for _ in 0..10 {
        assert_eq!(gateway.connect().ask(&request).text(), first);
    }
}

#[test]
fn l25_a_failing_server_is_ejected_and_comes_back() {
    let broken = Arc::new(AtomicBool::new(true));
    let state = Arc::clone(&broken);
    let bad = Upstream::script(move |conn| {
        loop {
            conn.request()?;
            if state.load(Ordering::SeqCst) {
                return Ok(());
            }
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
    });
    let good = Upstream::ok("ok");
    let more = "health: { passive: { failures: 5, eject: 1s, eject_max: 2s } }\n\
                retries: { attempts: 2, budget: 100% }";
    let gateway = gateway().api_with("t", &[&bad.url(), &good.url()], more).start();
    let mut client = gateway.connect();
    // GETs are tried again at the good one, so nobody notices.
    ask(&mut client, 40);
    let failures = bad.requests().len();
    assert!((5..=11).contains(&failures), "{failures} requests reached the broken server");
    ask(&mut client, 40);
    assert_eq!(bad.requests().len(), failures, "ejected");
    broken.store(false, Ordering::SeqCst);
    let back = || {
        ask(&mut client, 2);
        bad.requests().len() > failures + 3
    };
    assert!(eventually(seconds(8), back), "it did not come back");
}

#[test]
fn l25_with_every_server_ejected_the_answer_is_quick() {
    let gateway = gateway()
        .api_with(
            "t",
            &["http://127.0.0.1:1"],
            "health: { passive: { failures: 3, eject: 5s } }\nretries: { attempts: 0 }",
        )
        .start();
    let mut client = gateway.connect();
    let mut statuses = Vec::new();
    for _ in 0..10 {
        let response = client.get("/t/");
        response.problem();
        statuses.push(response.status);
        if response.closes() {
            client = gateway.connect();
        }
    }
    // Trying one nevertheless (panic mode) is as good as saying that there is none.
    assert!(statuses.iter().all(|status| [502, 503].contains(status)), "{statuses:?}");
}

#[test]
fn l25_servers_are_asked_how_they_are() {
    let sick = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&sick);
    let asked = Upstream::handle(move |request| {
        let ill = state.load(Ordering::SeqCst) && request.target == "/health";
        let status = if ill { "500 Sick" } else { "200 OK" };
        format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok").into()
    });
    let other = Upstream::ok("ok");
    let more = "health: { active: { path: /health, interval: 100ms, timeout: 500ms, healthy_after: 2, unhealthy_after: 2 } }";
    let gateway = gateway().api_with("t", &[&asked.url(), &other.url()], more).start();
    let calls = || asked.requests().iter().filter(|request| request.target == "/").count();
    let mut client = gateway.connect();
    ask(&mut client, 20);
    assert!(calls() >= 8, "{}", calls());
    sick.store(true, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(600));
    let before = calls();
    ask(&mut client, 20);
    assert_eq!(calls(), before, "a sick server was given work");
    sick.store(false, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(600));
    ask(&mut client, 20);
    assert!(calls() >= before + 8, "a healthy server was given none");
}
