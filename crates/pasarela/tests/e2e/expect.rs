//! T4: `Expect: 100-continue` cannot be used to get out of step.

use std::time::Duration;

use pasarela_testkit::{Fault, Gateway, Upstream, seconds};

use crate::{KEY, gateway, gateway_with_key};

const QUIET: Duration = Duration::from_millis(150);

fn through(upstream: &Upstream) -> Gateway {
    gateway().api("t", upstream).start()
}

fn post(target: &str, more: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\n{more}\r\n")
}

#[test]
fn t04_we_say_continue_and_the_body_follows() {
    let upstream = Upstream::echo();
    let gateway = through(&upstream);
    let mut client = gateway.connect();
    for _ in 0..3 {
        client.send(post("/t/a", "Content-Length: 5\r\n"));
        assert_eq!(client.one_head().status, 100);
        client.assert_silent_for(QUIET);
        client.send("hello");
        assert_eq!(client.response().status, 200);
    }
    client.send(post("/t/b", "Transfer-Encoding: chunked\r\n"));
    assert_eq!(client.one_head().status, 100);
    client.send("5\r\nhel");
    client.send("lo\r\n0\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let seen = upstream.await_requests(4);
    assert!(seen.iter().all(|request| request.body == b"hello"), "{seen:?}");
    assert_eq!(upstream.violations(), Vec::<String>::new());
}

#[test]
fn t04_a_client_that_does_not_wait_is_served() {
    let upstream = Upstream::echo();
    let gateway = through(&upstream);
    let mut client = gateway.connect();
    let both = format!(
        "{}hello{}",
        post("/t/a", "Content-Length: 5\r\n"),
        post("/t/b", "Content-Length: 2\r\n")
    );
    client.send(format!("{both}ok"));
    let (first, second) = (client.response(), client.response());
    assert_eq!((first.status, second.status), (200, 200));
    assert!(first.interim.len() <= 1 && second.interim.len() <= 1);
    let bodies: Vec<_> = upstream.requests().into_iter().map(|r| r.body).collect();
    assert_eq!(bodies, [b"hello".to_vec(), b"ok".to_vec()]);
}

#[test]
fn t04_without_a_body_there_is_nothing_to_continue() {
    let upstream = Upstream::echo();
    let gateway = through(&upstream);
    let mut client = gateway.connect();
    client.send("GET /t/ HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.response().status, 200);
    client.send(post("/t/", "Content-Length: 0\r\n"));
    assert_eq!(client.response().status, 200);
    client.assert_silent_for(QUIET);
}

#[test]
fn t04_spelling_of_the_expectation_does_not_matter() {
    let upstream = Upstream::echo();
    let gateway = through(&upstream);
    let mut client = gateway.connect();
    for value in ["100-continue", "100-Continue", "100-CONTINUE", " 100-continue "] {
        client.send(format!(
            "POST /t/ HTTP/1.1\r\nHost: test\r\nexpect:{value}\r\nContent-Length: 2\r\n\r\n"
        ));
        assert_eq!(client.one_head().status, 100, "{value}");
        client.send("ok");
        assert_eq!(client.response().status, 200, "{value}");
    }
}

#[test]
fn t04_other_expectations_are_refused() {
    let upstream = Upstream::echo();
    let gateway = through(&upstream);
    for value in [
        "200-ok",
        "100-continue, x",
        "x, 100-continue",
        "100",
        "continue",
        "100-continu",
        "y 100-continue",
    ] {
        let mut client = gateway.connect();
        client.send(format!(
            "POST /t/ HTTP/1.1\r\nHost: test\r\nExpect: {value}\r\nContent-Length: 50\r\n\r\n"
        ));
        client.response().assert_problem(417, "GW0015");
        client.assert_closed();
    }
    let mut client = gateway.connect();
    client.send(post("/t/", "Expect: x\r\nContent-Length: 50\r\n"));
    client.response().assert_problem(417, "GW0015");
    assert!(upstream.requests().is_empty());
}

#[test]
fn t04_http_1_0_has_no_expectations() {
    let upstream = Upstream::echo();
    let gateway = through(&upstream);
    let mut client = gateway.connect();
    client.send(
        "POST /t/ HTTP/1.0\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    );
    client.assert_silent_for(QUIET);
    client.send("hello");
    let response = client.response();
    assert_eq!((response.status, response.interim.len()), (200, 0));
}

/// After a final answer without a `100`, a client may or may not send the body it announced:
/// nobody can tell, so the connection must end.
#[test]
fn t04_refusals_end_the_connection() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway_with_key(&upstream, "1000/s").start();
    let with_key = format!("X-API-Key: {KEY}\r\nContent-Length: 40\r\n");
    let table = [
        (post("/nowhere", &with_key), 404),
        (post("/t/", "Content-Length: 40\r\n"), 401),
        (post("/t/", &format!("X-API-Key: {KEY}\r\nContent-Length: 999999999999\r\n")), 413),
        (post("/t/", "Transfer-Encoding: chunked\r\n"), 401),
    ];
    for (request, status) in &table {
        let mut client = gateway.connect();
        client.send(request);
        let response = client.response();
        assert_eq!(response.status, *status, "{request}: {}", response.brief());
        assert!(response.interim.is_empty(), "{request}");
        client.assert_closed();
        // The body comes anyhow, and looks like a request.
        let mut client = gateway.connect();
        client.send(request);
        let _ = client
            .try_send(format!("GET /t/hidden HTTP/1.1\r\nHost: test\r\nX-API-Key: {KEY}\r\n\r\n"));
        assert_eq!(client.response().status, *status);
        let after = client.try_response("GET");
        assert!(matches!(after, Err(Fault::Closed | Fault::Reset)), "{request}: {after:?}");
    }
    assert!(upstream.requests().is_empty(), "{:?}", upstream.requests());
}

#[test]
fn t04_a_service_that_answers_early_is_heard() {
    let upstream = Upstream::script(|conn| {
        let request = conn.head()?;
        if request.target == "/slow" {
            conn.pause(Duration::from_millis(300));
        }
        conn.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
    });
    let gateway = through(&upstream);
    for target in ["/t/now", "/t/slow"] {
        for early in [true, false] {
            let mut client = gateway.connect();
            client.send(post(target, "Content-Length: 5\r\n"));
            if early {
                let _ = client.try_send("hello");
            }
            let mut head = client.one_head();
            if head.status == 100 {
                if !early {
                    let _ = client.try_send("hello");
                }
                head = client.response();
            }
            assert_eq!(head.status, 403, "{target} {early}: {head:?}");
        }
    }
    assert_eq!(upstream.violations(), Vec::<String>::new());
}

#[test]
fn t04_a_service_that_says_continue_itself_changes_nothing() {
    let upstream = Upstream::script(|conn| {
        loop {
            conn.head()?;
            conn.write("HTTP/1.1 100 Continue\r\n\r\n")?;
            conn.finish_request()?;
            conn.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
    });
    let gateway = through(&upstream);
    let mut client = gateway.connect();
    client.send(post("/t/", "Content-Length: 5\r\n"));
    assert_eq!(client.one_head().status, 100);
    client.send("hello");
    let response = client.response();
    assert_eq!((response.status, response.interim.len()), (200, 0), "{response:?}");
    // Nobody asked: a stray 100 stays where it is, or passes as the harmless thing it is.
    let response = client.ask("POST /t/ HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(response.text(), "ok");
}

#[test]
fn t04_a_client_that_leaves_instead_of_continuing_costs_nothing() {
    let upstream = Upstream::echo();
    let gateway = through(&upstream);
    for _ in 0..20 {
        let mut client = gateway.connect();
        client.send(post("/t/", "Content-Length: 5\r\n"));
        assert_eq!(client.one_head().status, 100);
    }
    assert_eq!(gateway.get("/t/").status, 200);
    let whole = upstream.requests();
    assert!(whole.iter().all(|request| request.method == "GET"), "{whole:?}");
    assert!(pasarela_testkit::eventually(seconds(3), || upstream.open() <= 2));
}
