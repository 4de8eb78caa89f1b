//! Every refusal is a document a program can read, in the caller's own language.

use pasarela_testkit::{H2Client, Response, Upstream, seconds};

use crate::{KEY, gateway, gateway_with_key};

/// Requests to a gateway with API `t` (key, 1/h burst 1), `open` (10 B bodies), `dead`.
fn table() -> Vec<(&'static str, String, u16, &'static str)> {
    let key = format!("X-API-Key: {KEY}\r\n");
    let long = "x".repeat(9000);
    vec![
        ("no API", "GET /nowhere HTTP/1.1\r\nHost: test\r\n\r\n".into(), 404, "GW0001"),
        ("root", "GET / HTTP/1.1\r\nHost: test\r\n\r\n".into(), 404, "GW0001"),
        ("no key", "GET /t/ HTTP/1.1\r\nHost: test\r\n\r\n".into(), 401, "GW0004"),
        ("a bad key", "GET /t/ HTTP/1.1\r\nHost: test\r\nX-API-Key: no\r\n\r\n".into(), 401, "GW0005"),
        ("not for it", format!("GET /other/ HTTP/1.1\r\nHost: test\r\n{key}\r\n"), 403, "GW0006"),
        ("bad HTTP", "GET /t/\r\n\r\n".into(), 400, "GW0008"),
        (
            "two lengths",
            "GET /t/ HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".into(),
            400,
            "GW0009",
        ),
        (
            "length and coding",
            "POST /t/ HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
            400,
            "GW0009",
        ),
        ("a long line", format!("GET /t/{long} HTTP/1.1\r\nHost: test\r\n\r\n"), 414, "GW0010"),
        (
            "long fields",
            format!("GET /t/ HTTP/1.1\r\nHost: test\r\n{}\r\n", format!("X-A: {long}\r\n").repeat(4)),
            431,
            "GW0011",
        ),
        (
            "a large body",
            "POST /open/ HTTP/1.1\r\nHost: test\r\nContent-Length: 11\r\n\r\nhello world".into(),
            413,
            "GW0013",
        ),
        ("a double path", "GET /t/a%2Fb HTTP/1.1\r\nHost: test\r\n\r\n".into(), 400, "GW0014"),
        (
            "an expectation",
            "POST /open/ HTTP/1.1\r\nHost: test\r\nExpect: x\r\nContent-Length: 1\r\n\r\n".into(),
            417,
            "GW0015",
        ),
        ("no host", "GET /open/ HTTP/1.1\r\n\r\n".into(), 400, "GW0016"),
        (
            "a nomination",
            "GET /open/ HTTP/1.1\r\nHost: test\r\nConnection: Authorization\r\n\r\n".into(),
            400,
            "GW0018",
        ),
        ("HTTP/3.0", "GET /open/ HTTP/3.0\r\nHost: test\r\n\r\n".into(), 505, "GW0021"),
        ("nobody there", "GET /dead/ HTTP/1.1\r\nHost: test\r\n\r\n".into(), 502, "GW0022"),
        ("nonsense", "GET /nonsense/ HTTP/1.1\r\nHost: test\r\n\r\n".into(), 502, "GW0023"),
        ("too late", "GET /late/ HTTP/1.1\r\nHost: test\r\n\r\n".into(), 504, "GW0024"),
    ]
}

struct World {
    gateway: pasarela_testkit::Gateway,
    _upstreams: Vec<Upstream>,
}

fn world() -> World {
    let good = Upstream::ok("ok");
    let nonsense = Upstream::answer("nonsense\r\n\r\n");
    let late = Upstream::script(|conn| {
        conn.request()?;
        conn.pause(seconds(20));
        Ok(())
    });
    let gateway = gateway_with_key(&good, "1/h burst 1")
        .api_with("other", &[&good.url()], "plans: [small]")
        .api_with("open", &[&good.url()], "body_bytes: 10")
        .api_with("dead", &["http://127.0.0.1:1"], "retries: { attempts: 0 }")
        .api_with("nonsense", &[&nonsense.url()], "retries: { attempts: 0 }")
        .api_with("late", &[&late.url()], "timeouts: { first_byte: 200ms }")
        .start();
    World { gateway, _upstreams: vec![good, nonsense, late] }
}

#[test]
fn every_refusal_is_a_problem_document() {
    let world = world();
    let mut instances = Vec::new();
    for (name, request, status, code) in table() {
        let mut client = world.gateway.connect();
        client.send(&request);
        let response = client.response();
        let shown = response.brief();
        assert_eq!(response.status, status, "{name}: {shown}");
        let problem = response.assert_problem(status, code);
        let kind = problem["type"].as_str().unwrap_or_default();
        assert!(kind.contains(code), "{name}: the type leads to the page of {code}: {kind}");
        instances.push(problem["instance"].as_str().unwrap_or_default().to_owned());
        // Never an inside detail.
        let body = response.text();
        for inside in ["127.0.0.1", "src/", ".rs", "panicked", "os error", KEY] {
            assert!(!body.contains(inside), "{name} tells of {inside}: {body}");
        }
    }
    let many = instances.len();
    instances.sort();
    instances.dedup();
    assert_eq!(instances.len(), many, "an instance is one request's");
}

#[test]
fn the_instance_of_a_problem_is_the_request_id_of_the_log() {
    let world = world();
    let problem = world.gateway.get("/nowhere").problem();
    let instance = problem["instance"].as_str().expect("an instance").to_owned();
    let line = &world.gateway.access_lines(1)[0];
    let id = line["request_id"].as_str().expect("a request id");
    assert!(!id.is_empty() && instance.contains(id), "{instance} ≠ {id}");
    assert_eq!(line["problem"], "no_such_api");
    assert_eq!(line["status"], 404);
}

#[test]
fn a_used_up_rate_says_when_to_come_back() {
    let world = world();
    let key = format!("GET /t/ HTTP/1.1\r\nHost: test\r\nX-API-Key: {KEY}\r\n\r\n");
    let mut client = world.gateway.connect();
    let first = client.ask(&key);
    assert_eq!(first.status, 200);
    let second = client.ask(&key);
    second.assert_problem(429, "GW0007");
    let wait: u64 = second.get("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!((1..=3600).contains(&wait), "{wait}");
    let limits = second.fields.0.iter().any(|(name, _)| name.eq_ignore_ascii_case("ratelimit"));
    assert!(limits, "RateLimit: {}", second.brief());
    // 401 says what would help (RFC 9110 §11.6.1).
    let missing = client.get("/t/");
    assert!(missing.fields.has("www-authenticate"), "{}", missing.brief());
}

#[test]
fn soap_callers_get_faults_of_their_version() {
    let world = world();
    let soap_11 = "Content-Type: text/xml; charset=utf-8\r\nSOAPAction: \"urn:Track\"\r\n";
    let soap_12 = "Content-Type: application/soap+xml; charset=utf-8; action=\"urn:Track\"\r\n";
    let cases = [
        (soap_11, "text/xml", "http://schemas.xmlsoap.org/soap/envelope/"),
        (soap_12, "application/soap+xml", "http://www.w3.org/2003/05/soap-envelope"),
    ];
    for (fields, media, namespace) in cases {
        for (target, code) in [
            ("/nowhere", "GW0001"),
            ("/t/", "GW0004"),
            ("/open/", "GW0013"),
            ("/dead/", "GW0022"),
            ("/nonsense/", "GW0023"),
            ("/late/", "GW0024"),
        ] {
            let body = "<x/>".repeat(5);
            let mut client = world.gateway.connect();
            client.send(format!(
                "POST {target} HTTP/1.1\r\nHost: test\r\n{fields}Content-Length: {}\r\n\r\n{body}",
                body.len()
            ));
            let response = client.response();
            let shown = format!("{target}: {}", response.brief());
            assert!(response.get("content-type").unwrap_or_default().starts_with(media), "{shown}");
            let text = response.text();
            assert!(text.contains(namespace), "{shown}");
            assert!(text.contains("Fault") && text.contains(code), "{shown}");
            assert!(response.status >= 400, "{shown}");
            assert!(!text.contains("127.0.0.1"), "{shown}");
        }
    }
}

#[test]
fn head_gets_no_body_with_its_refusal() {
    let world = world();
    let mut client = world.gateway.connect();
    for (target, status) in [("/nowhere", 404), ("/t/", 401), ("/dead/", 502)] {
        let response = client.ask(format!("HEAD {target} HTTP/1.1\r\nHost: test\r\n\r\n"));
        assert_eq!((response.status, response.length), (status, 0), "{}", response.brief());
        let length: usize = response.get("content-length").unwrap_or("1").parse().expect("digits");
        assert!(length > 0, "the length a GET would have");
    }
    // The connection is in step.
    client.get("/nowhere").assert_problem(404, "GW0001");
}

#[test]
fn http2_callers_get_the_same_documents() {
    let world = world();
    let mut h2 = world.gateway.connect_h2();
    for (path, status, code) in [
        ("/nowhere", 404, "GW0001"),
        ("/t/", 401, "GW0004"),
        ("/t/a%2Fb", 400, "GW0014"),
        ("/dead/", 502, "GW0022"),
        ("/nonsense/", 502, "GW0023"),
        ("/late/", 504, "GW0024"),
    ] {
        let outcome = h2.get(path);
        assert_eq!(outcome.status, status, "{path}: {outcome:?}");
        let response = Response {
            status: outcome.status,
            fields: outcome.fields.clone(),
            body: outcome.body.clone(),
            ..Response::default()
        };
        response.assert_problem(status, code);
    }
    let stream = h2.next_stream();
    let block = H2Client::block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "test"),
        (":path", "/open/"),
        ("content-length", "11"),
    ]);
    h2.headers(stream, &block, false).expect("open");
    let _ = h2.data(stream, b"hello world", true);
    let outcome = h2.outcome(stream, seconds(5));
    assert_eq!(outcome.status, 413, "{outcome:?}");
    assert!(outcome.text().contains("GW0013"));
}

#[test]
fn undeclared_operations_are_told_apart() {
    let upstream = Upstream::ok("ok");
    let contract = r#"
openapi: 3.0.3
info: { title: Pets, version: "1" }
paths:
  /pets/{id}:
    get: { operationId: getPet, responses: { "200": { description: ok } } }
    delete: { operationId: deletePet, responses: { "204": { description: gone } } }
"#;
    let gateway = gateway()
        .file("pets.yaml", contract)
        .api_with("pets", &[&upstream.url()], "contract: pets.yaml")
        .start();
    let mut client = gateway.connect();
    assert_eq!(client.get("/pets/pets/7").status, 200);
    let unknown = client.get("/pets/dogs/7");
    unknown.assert_problem(404, "GW0002");
    let method = client.ask("PUT /pets/pets/7 HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n");
    method.assert_problem(405, "GW0003");
    let allow = method.get("allow").expect("RFC 9110 §15.5.6");
    assert!(allow.contains("GET") && allow.contains("DELETE") && !allow.contains("PUT"), "{allow}");
    let line = &gateway.access_lines(1)[0];
    assert_eq!(line["operation"], "getPet");
    assert_eq!(upstream.requests().len(), 1);
}
