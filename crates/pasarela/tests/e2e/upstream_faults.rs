//! T9, F13–F15: what a hostile or broken service sends reaches nobody as something it is not.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use pasarela_testkit::{Fault, Gateway, RawClient, Upstream, seconds, show};

use crate::gateway;

/// What a client may see of a case.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Must {
    /// 502.
    Refuse,
    /// 502, or a response that is cut: never a whole one.
    NotWhole,
    /// The body `ok` (or none, where there can be none) or 502; the rest belongs to nobody.
    OnlyOk,
}

fn cases() -> Vec<(Must, Vec<u8>)> {
    let mut all: Vec<(Must, Vec<u8>)> = Vec::new();
    let mut add = |must: Must, bytes: &str| all.push((must, bytes.as_bytes().to_vec()));
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    // Framing.
    for fields in [
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: 2, 3\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: -2\r\n",
        "Content-Length: 0x2\r\n",
        "Content-Length: two\r\n",
        "Content-Length: 2 2\r\n",
        "Content-Length:\r\n",
        "Content-Length: 18446744073709551618\r\n",
        "Content-Length: 99999999999999999999999999\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding :chunked\r\n",
        "Content-Length : 2\r\n",
        " Content-Length: 2\r\n",
        "X-A: b\r\n Content-Length: 2\r\n",
        "X-A: b\r\n\tc\r\nContent-Length: 2\r\n",
        "Content-Length: 2\n",
        "X-A: b\rSet-Cookie: evil=1\r\nContent-Length: 2\r\n",
        "X-A: b\nSet-Cookie: evil=1\r\nContent-Length: 2\r\n",
        "X-A: b\0c\r\nContent-Length: 2\r\n",
        "X-A: b\u{1}c\r\nContent-Length: 2\r\n",
        "X-A: b\u{7f}\r\nContent-Length: 2\r\n",
        "X A: b\r\nContent-Length: 2\r\n",
        "X(A): b\r\nContent-Length: 2\r\n",
        "no colon\r\nContent-Length: 2\r\n",
        ": no name\r\nContent-Length: 2\r\n",
        "\0: b\r\nContent-Length: 2\r\n",
    ] {
        add(Must::Refuse, &format!("HTTP/1.1 200 OK\r\n{fields}\r\nok{evil}"));
    }
    add(Must::Refuse, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    // Status lines.
    for line in [
        "HTTP/1.1 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1 000 OK",
        "HTTP/1.1 2x0 OK",
        "HTTP/1.1 +200 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 200OK",
        "HTTP/2.0 200 OK",
        "HTTP/3.0 200 OK",
        "HTTP/0.9 200 OK",
        "http/1.1 200 OK",
        "HTTP/1.1x 200 OK",
        "HTP/1.1 200 OK",
        "ICY 200 OK",
        "200 OK",
        " HTTP/1.1 200 OK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200 O\rK",
        "GET / HTTP/1.1",
        "\u{15}\u{3}\u{3}\0\u{2}\u{2}F",
        "PRI * HTTP/2.0",
        "",
    ] {
        add(Must::Refuse, &format!("{line}\r\nContent-Length: 2\r\n\r\nok"));
    }
    add(Must::Refuse, "HTTP/1.1 200 OK\nContent-Length: 2\n\nok");
    // Interim responses.
    add(Must::Refuse, &format!("{}{evil}", "HTTP/1.1 102 Processing\r\n\r\n".repeat(50)));
    add(Must::Refuse, &format!("HTTP/1.1 101 Switching Protocols\r\n\r\n{evil}"));
    add(
        Must::Refuse,
        &format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n{evil}"
        ),
    );
    add(Must::Refuse, "HTTP/1.1 100 Continue\r\n\r\nnonsense\r\n\r\n");
    add(Must::Refuse, "HTTP/1.1 103 Early Hints\r\nContent-Length: x y\r\n: z\r\n\r\n");
    // Heads that never end.
    add(Must::Refuse, "");
    add(Must::Refuse, "HTTP/1.1 200");
    add(Must::Refuse, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n");
    add(Must::Refuse, "HTTP/1.1 200 OK\r\nContent-Length: 2");
    add(Must::Refuse, &format!("HTTP/1.1 200 OK\r\nX-A: {}", "x".repeat(200_000)));
    add(Must::Refuse, &"x".repeat(200_000));
    // Bodies that break.
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in [
        "zz\r\nok\r\n0\r\n\r\n",
        "-2\r\nok\r\n0\r\n\r\n",
        "+2\r\nok\r\n0\r\n\r\n",
        "0x2\r\nok\r\n0\r\n\r\n",
        "\r\nok\r\n0\r\n\r\n",
        "2\nok\n0\n\n",
        "2\r\nokXX0\r\n\r\n",
        "2\r\nok0\r\n\r\n",
        "2\r\nok\n0\r\n\r\n",
        "2\r\nok\r\n0\r\n X: y\r\n\r\n",
        "2\r\nok\r\n0\r\nX : y\r\n\r\n",
        "2\r\nok\r\n0\r\nX: \0\r\n\r\n",
        "2\r\nok\r\n0\r\nX\r\n\r\n",
        "10000000000000002\r\nok\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nok\r\n0\r\n\r\n",
        "2\r\nok\r\n",
        "2\r\nok\r\n0\r\n",
        "2\r\no",
        "9\r\nok",
        "",
    ] {
        add(Must::NotWhole, &format!("{chunked}{body}"));
    }
    let many = format!("2;{}\r\nok\r\n0\r\n\r\n", "x".repeat(100_000));
    add(Must::NotWhole, &format!("{chunked}{many}"));
    let trailers = format!("2\r\nok\r\n0\r\n{}\r\n", "X-A: b\r\n".repeat(20_000));
    add(Must::NotWhole, &format!("{chunked}{trailers}"));
    add(Must::NotWhole, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok");
    add(Must::NotWhole, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    // More than was announced: the next answer must not be this.
    add(Must::OnlyOk, &format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok{evil}"));
    add(Must::OnlyOk, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\r\n");
    add(Must::OnlyOk, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\noky");
    add(Must::OnlyOk, &format!("{chunked}2\r\nok\r\n0\r\n\r\n{evil}"));
    add(Must::OnlyOk, &format!("HTTP/1.1 204 No Content\r\n\r\n{evil}"));
    add(Must::OnlyOk, "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok");
    add(Must::OnlyOk, &format!("HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n{evil}"));
    all
}

fn service(cases: &[(Must, Vec<u8>)]) -> Upstream {
    let answers: HashMap<String, Vec<u8>> = cases
        .iter()
        .enumerate()
        .map(|(n, (_, bytes))| (format!("/case-{n}"), bytes.clone()))
        .collect();
    // Where there is more than there should be, the connection stays, to be used again by mistake.
    let more = |must: &Must, bytes: &[u8]| *must == Must::OnlyOk || bytes.ends_with(b"evil");
    let waits: HashSet<String> = cases
        .iter()
        .enumerate()
        .filter(|(_, (must, bytes))| more(must, bytes))
        .map(|(number, _)| format!("/case-{number}"))
        .collect();
    Upstream::script(move |conn| {
        loop {
            let request = conn.request()?;
            match answers.get(&request.target) {
                None => conn.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")?,
                Some(answer) => {
                    let _ = conn.write(answer);
                    // Long answers are cut off; the rest wait to be used again, if anybody dares.
                    if !waits.contains(&request.target) {
                        return Ok(());
                    }
                }
            }
        }
    })
}

fn careful(upstream: &Upstream) -> Gateway {
    let more = "retries: { attempts: 0 }\nhealth: { passive: { failures: 0 } }";
    gateway().api_with("t", &[&upstream.url()], more).start()
}

#[test]
fn t09_hostile_answers_are_refused_and_their_connections_dropped() {
    let cases = cases();
    assert!(cases.len() >= 90, "{}", cases.len());
    let upstream = service(&cases);
    let gateway = careful(&upstream);
    let mut wrong = Vec::new();
    for (number, (must, bytes)) in cases.iter().enumerate() {
        let mut client = gateway.connect();
        client.patience(seconds(5));
        client.send(format!("GET /t/case-{number} HTTP/1.1\r\nHost: test\r\n\r\n"));
        let got = client.try_response("GET");
        let good = match (must, &got) {
            (_, Ok(response)) if response.status == 502 => {
                response.assert_problem(502, "GW0023");
                true
            }
            // A reset may overtake what was sent before it.
            (Must::NotWhole, Err(Fault::Cut(_) | Fault::Reset)) => true,
            (Must::OnlyOk, Ok(response)) => {
                response.body == b"ok" || (response.body.is_empty() && response.status != 200)
            }
            _ => false,
        };
        let what = match &got {
            Ok(response) => response.brief(),
            Err(fault) => fault.to_string(),
        };
        if !good || what.contains("evil") {
            wrong.push(format!(
                "case {number} {must:?}: {what}\n   {}",
                show(&bytes[..bytes.len().min(120)])
            ));
        }
        // Twice, one for each worker's pool.
        for _ in 0..2 {
            let next = gateway.get("/t/good");
            if next.text() != "good" {
                wrong.push(format!("case {number}: the next answer is {}", next.brief()));
            }
        }
        let seen = upstream.requests();
        let case = seen.iter().find(|request| request.target == format!("/case-{number}"));
        let reused = case.is_some_and(|case| {
            let at = seen.iter().position(|r| r.target == case.target).expect("it is there");
            seen[at + 1..].iter().any(|request| request.connection == case.connection)
        });
        // A 204 or 304 that is followed by nothing may well keep its connection.
        if reused {
            wrong.push(format!(
                "case {number}: its connection was used again\n   {}",
                show(&bytes[..bytes.len().min(120)])
            ));
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn t09_head_answers_with_a_body_poison_nothing() {
    let upstream = Upstream::script(|conn| {
        loop {
            let request = conn.request()?;
            let body = if request.method == "HEAD" {
                "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
            } else {
                "good"
            };
            conn.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))?;
        }
    });
    let gateway = careful(&upstream);
    let mut client = gateway.connect();
    for _ in 0..10 {
        let head = client.ask("HEAD /t/ HTTP/1.1\r\nHost: test\r\n\r\n");
        assert_eq!((head.status, head.length), (200, 0));
        std::thread::sleep(Duration::from_millis(10));
        assert_eq!(client.get("/t/").text(), "good");
    }
}

#[test]
fn t09_bytes_on_an_idle_connection_end_it() {
    let upstream = Upstream::script(|conn| {
        loop {
            conn.request()?;
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")?;
            conn.pause(Duration::from_millis(20));
            // An answer to a question that nobody has asked yet.
            let _ = conn.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
        }
    });
    let gateway = careful(&upstream);
    let mut client = gateway.connect();
    for _ in 0..10 {
        assert_eq!(client.get("/t/").text(), "good");
        std::thread::sleep(Duration::from_millis(60));
    }
    assert_eq!(upstream.connections(), 10);
}

#[test]
fn t09_a_service_that_speaks_first_is_not_believed() {
    let upstream = Upstream::script(|conn| {
        conn.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")?;
        conn.request()?;
        conn.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    });
    let gateway = careful(&upstream);
    for _ in 0..5 {
        let response = gateway.get("/t/");
        // The first bytes cannot be told from a quick answer; what comes after them can, once it is
        // there, and ends the connection.
        assert!([200, 502].contains(&response.status), "{}", response.brief());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(upstream.connections() >= 5, "{}", upstream.connections());
}

#[test]
fn f13_a_service_that_is_not_there_costs_little() {
    let alive = Upstream::ok("ok");
    let gateway = gateway()
        .api_with("dead", &["http://127.0.0.1:1"], "retries: { attempts: 0 }")
        .api_with("half", &["http://127.0.0.1:1", &alive.url()], "")
        .start();
    let begin = std::time::Instant::now();
    gateway.get("/dead/").assert_problem(502, "GW0022");
    assert!(begin.elapsed() < Duration::from_millis(500), "{:?}", begin.elapsed());
    // What was never sent goes elsewhere, whatever the method.
    let mut client = gateway.connect();
    for _ in 0..10 {
        assert_eq!(client.get("/half/").text(), "ok");
        let posted =
            client.ask("POST /half/ HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello");
        assert_eq!(posted.text(), "ok", "{}", posted.brief());
    }
    let seen = alive.requests();
    assert_eq!(seen.len(), 20);
    assert!(seen.iter().all(|request| request.method == "GET" || request.body == b"hello"));
}

#[test]
fn f15_an_answer_cut_at_every_offset_is_never_made_whole() {
    let whole = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n5\r\nhello\r\n3\r\n, w\r\n0\r\nX-T: u\r\n\r\n";
    let upstream = Upstream::script(move |conn| {
        loop {
            let request = conn.request()?;
            let cut: usize = request.target.trim_start_matches('/').parse().expect("a number");
            conn.write(&whole[..cut])?;
            if cut.is_multiple_of(2) && cut < whole.len() {
                conn.reset_at_end();
            }
            if cut < whole.len() {
                return Ok(());
            }
        }
    });
    let gateway = careful(&upstream);
    for cut in 0..=whole.len() {
        let mut client = gateway.connect();
        client.send(format!("GET /t/{cut} HTTP/1.1\r\nHost: test\r\nTE: trailers\r\n\r\n"));
        match client.try_response("GET") {
            Ok(response) if cut == whole.len() => assert_eq!(response.text(), "hello, w"),
            Ok(response) => assert_eq!(response.status, 502, "cut at {cut}: {}", response.brief()),
            Err(Fault::Cut(_) | Fault::Reset) => assert!(cut > 50, "cut at {cut}"),
            Err(fault) => panic!("cut at {cut}: {fault}"),
        }
    }
}

#[test]
fn l24_only_what_is_safe_is_sent_again() {
    // Takes the request and closes without a word, the first time each target is asked for.
    let known: Arc<Mutex<Vec<String>>> = Arc::default();
    let upstream = Upstream::script(move |conn| {
        loop {
            let request = conn.request()?;
            let mut known = known.lock().expect("no panic under the lock");
            let new = !known.contains(&request.target);
            known.push(request.target.clone());
            drop(known);
            if new {
                return Ok(());
            }
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
    });
    let gateway = gateway()
        .api_with(
            "t",
            &[&upstream.url()],
            "retries: { attempts: 2, budget: 100% }\nhealth: { passive: { failures: 0 } }",
        )
        .start();
    let mut client = gateway.connect();
    for (method, again) in [
        ("GET", true),
        ("HEAD", true),
        ("PUT", true),
        ("DELETE", true),
        ("OPTIONS", true),
        ("POST", false),
        ("PATCH", false),
    ] {
        let target = format!("/t/{method}");
        client
            .send(format!("{method} {target} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n"));
        let response = client.response_to(method);
        assert_eq!(
            response.status,
            if again { 200 } else { 502 },
            "{method}: {}",
            response.brief()
        );
        if response.closes() {
            client = gateway.connect();
        }
        let sent = upstream.requests().iter().filter(|r| r.target == format!("/{method}")).count();
        assert_eq!(sent, if again { 2 } else { 1 }, "{method}");
    }
}

#[test]
fn l24_retries_are_bounded() {
    let upstream = Upstream::script(|conn| conn.request().map(drop));
    let gateway = gateway()
        .api_with(
            "t",
            &[&upstream.url()],
            "retries: { attempts: 2, budget: 10% }\nhealth: { passive: { failures: 0 } }",
        )
        .start();
    gateway.get("/t/one").assert_problem(502, "GW0023");
    assert_eq!(upstream.requests().len(), 3, "one try and two more");
    for _ in 0..100 {
        let _ = gateway.get("/t/many");
    }
    let extra = upstream.requests().len() - 3 - 100;
    // Ten per cent of a hundred, or one a second where that is more.
    assert!(extra <= 25, "{extra} retries of 100 requests");
}

#[test]
fn a_kept_connection_that_the_service_has_closed_costs_no_request() {
    // A keep-alive of 30 ms at the service, requests at all phases of it: POSTs must not fail,
    // because nothing of them is sent on a connection that is known to be closed.
    let upstream = Upstream::script(|conn| {
        conn.request()?;
        conn.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    });
    let gateway = gateway().api("t", &upstream).start();
    let mut client = gateway.connect();
    for pause in 0..20 {
        let got = client.ask("POST /t/ HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\nhi");
        assert_eq!(got.status, 200, "after {pause} ms: {}", got.brief());
        std::thread::sleep(Duration::from_millis(5 + pause));
    }
}

#[test]
fn f14_a_slow_service_does_not_starve_the_others() {
    let slow = Upstream::script(|conn| {
        conn.request()?;
        conn.pause(seconds(30));
        Ok(())
    });
    let quick = Upstream::ok("ok");
    let gateway = gateway().api("slow", &slow).api("quick", &quick).start();
    let waiting: Vec<RawClient> = (0..300)
        .map(|_| {
            let mut client = gateway.connect();
            client.send("GET /slow/ HTTP/1.1\r\nHost: test\r\n\r\n");
            client
        })
        .collect();
    let mut client = gateway.connect();
    for _ in 0..50 {
        let begin = std::time::Instant::now();
        assert_eq!(client.get("/quick/").text(), "ok");
        assert!(begin.elapsed() < seconds(1));
    }
    drop(waiting);
}
