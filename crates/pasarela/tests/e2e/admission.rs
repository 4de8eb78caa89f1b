//! T31, T32 and the rules of keys: who may call, and how often.

use std::{
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use pasarela_testkit::{RawClient, Response, Upstream, seconds};

use crate::{KEY, gateway_with_key};

fn ask(client: &mut RawClient, fields: &str) -> Response {
    client.ask(format!("GET /t/ HTTP/1.1\r\nHost: test\r\n{fields}\r\n"))
}

#[test]
fn a_key_travels_in_either_field_and_stays_here() {
    let upstream = Upstream::echo();
    let gateway = gateway_with_key(&upstream, "1000/s").start();
    let mut client = gateway.connect();
    for fields in [
        format!("X-API-Key: {KEY}\r\n"),
        format!("x-api-key:{KEY}\r\n"),
        format!("Authorization: Bearer {KEY}\r\n"),
        format!("authorization: bearer {KEY}\r\n"),
        format!("X-API-Key: {KEY}\r\nAuthorization: Bearer {KEY}\r\n"),
    ] {
        let response = ask(&mut client, &fields);
        assert_eq!(response.status, 200, "{fields}: {}", response.brief());
        assert!(!response.text().contains(KEY), "the upstream sees the key: {}", response.text());
    }
}

#[test]
fn keys_that_are_not_exactly_it_are_refused() {
    let upstream = Upstream::echo();
    let gateway = gateway_with_key(&upstream, "1000/s").start();
    let mut client = gateway.connect();
    let lower = KEY.to_lowercase();
    let (head, tail) = KEY.split_at(20);
    for fields in [
        String::new(),
        "X-API-Key:\r\n".to_owned(),
        "Authorization: Bearer\r\n".to_owned(),
        "Authorization: Bearer \r\n".to_owned(),
        format!("Authorization: Basic {KEY}\r\n"),
        format!("Authorization: {KEY}\r\n"),
        format!("X-API-Key: {lower}\r\n"),
        format!("X-API-Key: {head}\r\n"),
        format!("X-API-Key: {KEY}x\r\n"),
        format!("X-API-Key: {head} {tail}\r\n"),
        format!("X-API-Key: {KEY},{KEY}\r\n"),
        format!("X-API-Key: {KEY}\r\nX-API-Key: other\r\n"),
        format!("X-API-Key: {KEY}\r\nAuthorization: Bearer other\r\n"),
        format!("X-API-Key: other\r\nAuthorization: Bearer {KEY}\r\n"),
        format!("X-API-Key: {}\r\n", "x".repeat(5000)),
        format!("Cookie: X-API-Key={KEY}\r\n"),
        format!("X-Api-Key2: {KEY}\r\n"),
    ] {
        let response = ask(&mut client, &fields);
        assert_eq!(response.status, 401, "{fields}: {}", response.brief());
        let code = response.problem()["code"].clone();
        assert!(code == "GW0004" || code == "GW0005", "{fields}: {code}");
    }
    let query = client.get(&format!("/t/?api_key={KEY}&key={KEY}"));
    assert_eq!(query.status, 401, "a key in a query is none: it would be in every log");
    assert!(upstream.requests().is_empty());
}

#[test]
fn t16_unknown_and_wrong_keys_look_the_same() {
    let upstream = Upstream::echo();
    let gateway = gateway_with_key(&upstream, "1000/s").start();
    let mut client = gateway.connect();
    let mut wrong = KEY.to_owned();
    wrong.replace_range(42..43, "h");
    let strip = |response: Response| {
        let mut problem = response.assert_problem(401, "GW0005");
        problem["instance"] = "-".into();
        let mut fields = response.fields.0;
        fields
            .retain(|(name, _)| !["date", "x-request-id"].contains(&name.to_lowercase().as_str()));
        (problem, fields)
    };
    let almost = strip(ask(&mut client, &format!("X-API-Key: {wrong}\r\n")));
    let unknown =
        strip(ask(&mut client, "X-API-Key: quite-another-key-altogether-43-characters-xx\r\n"));
    assert_eq!(almost, unknown);
}

#[test]
fn private_and_partner_apis_do_not_exist_for_others() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway_with_key(&upstream, "1000/s")
        .listen("internal: 127.0.0.1:0")
        .api_with("inside", &[&upstream.url()], "visibility: private")
        .api_with("shared", &[&upstream.url()], "visibility: partner\nplans: [small]")
        .start();
    let mut client = gateway.connect();
    let nowhere = client.get("/nowhere/");
    for target in ["/inside/", "/inside", "/shared/", "/shared"] {
        for key in ["", &format!("X-API-Key: {KEY}\r\n"), "X-API-Key: unknown\r\n"] {
            let response = client.ask(format!("GET {target} HTTP/1.1\r\nHost: test\r\n{key}\r\n"));
            let mut problem = response.assert_problem(404, "GW0001");
            let mut absent = nowhere.problem();
            for problem in [&mut problem, &mut absent] {
                problem["instance"] = "-".into();
            }
            assert_eq!(problem, absent, "{target}: invisible means like absent");
        }
    }
    assert!(upstream.requests().is_empty());
    let mut inside = RawClient::connect(gateway.address_of("internal"));
    assert_eq!(inside.get("/inside/").status, 200);
}

#[test]
fn t31_spelling_a_request_differently_gains_nothing() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway_with_key(&upstream, "1/h burst 20").start();
    let mut allowed = 0;
    let mut asked = 0;
    let mut count = |response: &Response| {
        asked += 1;
        match response.status {
            200 => allowed += 1,
            429 => drop(response.assert_problem(429, "GW0007")),
            // Refused for its spelling: that is no way around either.
            400..=417 => (),
            _ => panic!("{}", response.brief()),
        }
    };
    let keys = [
        format!("X-API-Key: {KEY}"),
        format!("x-api-key: {KEY}"),
        format!("X-Api-Key:{KEY}   "),
        format!("Authorization: Bearer {KEY}"),
        format!("authorization: BEARER {KEY}"),
        format!("X-API-Key: {KEY}\r\nAuthorization: Bearer {KEY}"),
    ];
    let paths = [
        "/t",
        "/t/",
        "/t?x=1",
        "/t/?",
        "//t//",
        "/./t/",
        "/x/../t/",
        "/t/%7Ea",
        "/%74/",
        "/t/a;b",
        "/t/A",
        "/t/a/../b",
        "http://test/t/",
    ];
    let extras = [
        "X-Forwarded-For: 203.0.113.7\r\n",
        "X-Real-IP: 203.0.113.8\r\n",
        "Forwarded: for=203.0.113.9\r\n",
        "X-Forwarded-For: 127.0.0.1, 10.0.0.1\r\nTrue-Client-IP: 1.1.1.1\r\n",
        "X-Pasarela-Application: other\r\n",
        "X-Consumer-Id: other\r\n",
        "Cookie: session=1\r\n",
        "User-Agent: other\r\n",
        "X-Request-Id: 1\r\n",
        "X-HTTP-Method-Override: DELETE\r\n",
        "Accept-Version: 9\r\n",
    ];
    for (number, (key, path)) in
        keys.iter().flat_map(|k| paths.iter().map(move |p| (k, p))).enumerate()
    {
        let extra = extras[number % extras.len()];
        let method = ["GET", "POST", "PUT", "DELETE", "OPTIONS"][number % 5];
        let version = if number % 7 == 0 { "HTTP/1.0" } else { "HTTP/1.1" };
        let host = ["test", "TEST", "test:80", "other", "127.0.0.1"][number % 5];
        let host = if path.starts_with("http") { "test" } else { host };
        let mut client = gateway.connect();
        client.send(format!(
            "{method} {path} {version}\r\nHost: {host}\r\n{key}\r\n{extra}Content-Length: 0\r\n\r\n"
        ));
        count(&client.response());
    }
    // The same counter for HTTP/2, and for many streams at a time.
    let mut h2 = gateway.connect_h2();
    let streams: Vec<u32> = (0..40)
        .map(|_| {
            h2.request(&[
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "test"),
                (":path", "/t/"),
                ("x-api-key", KEY),
            ])
        })
        .collect();
    let mut by_h2 = 0;
    for stream in streams {
        by_h2 += u32::from(h2.outcome(stream, seconds(5)).status == 200);
    }
    assert!(asked > 70);
    // Within the hour no second one comes back: at most the burst of 20.
    assert_eq!(allowed + by_h2, 20, "of {asked}");
    assert_eq!(upstream.requests().len(), 20);
}

#[test]
fn t31_refused_requests_are_not_counted_against_the_caller() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway_with_key(&upstream, "5/s burst 5").start();
    let mut client = gateway.connect();
    let key = format!("X-API-Key: {KEY}\r\n");
    for _ in 0..200 {
        ask(&mut client, &key);
    }
    // The rate comes back in time, however many were refused.
    thread::sleep(Duration::from_millis(450));
    assert_eq!(ask(&mut client, &key).status, 200);
}

#[test]
fn t32_a_race_for_the_last_call_has_one_winner() {
    let upstream = Upstream::ok("ok");
    for burst in [1usize, 3] {
        let gateway = gateway_with_key(&upstream, &format!("1/h burst {burst}")).workers(2).start();
        const CLIENTS: usize = 50;
        let (start, won, lost) = (Barrier::new(CLIENTS), AtomicUsize::new(0), AtomicUsize::new(0));
        let request = format!("GET /t/ HTTP/1.1\r\nHost: test\r\nX-API-Key: {KEY}\r\n\r\n");
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let mut client = gateway.connect();
                    // Twenty requests each, all on their way before the first answer is read.
                    let all = request.repeat(20);
                    start.wait();
                    client.send(all);
                    for _ in 0..20 {
                        match client.response().status {
                            200 => won.fetch_add(1, Ordering::Relaxed),
                            429 => lost.fetch_add(1, Ordering::Relaxed),
                            other => panic!("{other}"),
                        };
                    }
                });
            }
        });
        assert_eq!((won.into_inner(), lost.into_inner()), (burst, CLIENTS * 20 - burst));
    }
}

#[test]
fn a_reload_does_not_give_the_burst_anew() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway_with_key(&upstream, "1/h burst 3").start();
    let mut client = gateway.connect();
    let key = format!("X-API-Key: {KEY}\r\n");
    let mut allowed = 0;
    for round in 0..6 {
        allowed += u32::from(ask(&mut client, &key).status == 200);
        let comment = format!("{}\n# {round}\n", gateway.yaml());
        gateway.reload(&comment);
    }
    assert_eq!(allowed, 3);
}
