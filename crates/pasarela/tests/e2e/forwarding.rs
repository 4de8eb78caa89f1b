//! T6, T7: the fields a service trusts are ours, whatever a client sends or nominates.

use pasarela_testkit::{Gateway, H2Client, Upstream, seconds};

use crate::gateway;

fn through(upstream: &Upstream) -> Gateway {
    gateway().api("t", upstream).start()
}

/// Fields that nobody may have removed on the way.
const PROTECTED: &[&str] = &[
    "authorization",
    "cookie",
    "host",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "forwarded",
    "x-pasarela-application",
    "x-pasarela-plan",
    "x-pasarela-anything",
    "content-length",
    "content-type",
    "content-encoding",
    "content-language",
    "content-location",
    "content-range",
    "content-md5",
    "content-digest",
];

/// Fields that may well be removed; ours of these names must still arrive.
const HARMLESS: &[&str] = &[
    "x-custom",
    "x-api-version",
    "accept",
    "accept-encoding",
    "user-agent",
    "referer",
    "origin",
    "if-none-match",
    "range",
    "x-request-id",
    "traceparent",
    "tracestate",
    "via",
    "x-real-ip",
    "soapaction",
    "x-http-method-override",
    "priority",
    "keep-alive",
    "te",
    "trailer",
    "proxy-connection",
    "upgrade",
];

#[test]
fn t06_nominating_a_protected_field_is_refused() {
    let upstream = Upstream::echo();
    let gateway = through(&upstream);
    for name in PROTECTED {
        for spelling in [
            (*name).to_owned(),
            name.to_uppercase(),
            format!("close, {name}"),
            format!("{name} ,keep-alive"),
            format!("x-a,{name},x-b"),
            format!("\r\nConnection: {name}")
                .trim_start()
                .replace("Connection: ", "x\r\nConnection: "),
        ] {
            let mut client = gateway.connect();
            client.send(format!(
                "GET /t/ HTTP/1.1\r\nHost: test\r\nConnection: {spelling}\r\nCookie: a=b\r\n\
                 Authorization: Basic eA==\r\n\r\n"
            ));
            let response = client.response();
            response.assert_problem(400, "GW0018");
        }
    }
    assert!(upstream.requests().is_empty(), "{:?}", upstream.requests());
}

#[test]
fn t06_nominating_another_field_removes_it_and_nothing_of_ours() {
    let upstream = Upstream::echo();
    let gateway = through(&upstream);
    let mut client = gateway.connect();
    let plain = client.get("/t/");
    assert_eq!(plain.status, 200);
    let ours: Vec<String> = upstream
        .requests()
        .pop()
        .expect("one")
        .fields
        .0
        .into_iter()
        .map(|(name, _)| name.to_lowercase())
        .collect();
    for name in HARMLESS {
        let mut client = gateway.connect();
        client.send(format!(
            "GET /t/ HTTP/1.1\r\nHost: test\r\nConnection: {name}\r\n{name}: canary-value\r\n\r\n"
        ));
        let response = client.response();
        if response.status == 400 {
            continue;
        }
        assert_eq!(response.status, 200, "{name}: {}", response.brief());
        let seen = upstream.requests().pop().expect("a request");
        assert!(!seen.text().contains("canary-value"), "{name} was not removed: {}", seen.text());
        for mine in &ours {
            assert!(seen.fields.has(mine), "nominating {name} removed our {mine}: {}", seen.text());
        }
    }
    assert_eq!(upstream.violations(), Vec::<String>::new());
}

#[test]
fn t06_hop_by_hop_fields_are_removed_unasked() {
    let upstream = Upstream::echo();
    let gateway = through(&upstream);
    let response = gateway.connect().ask(
        "GET /t/ HTTP/1.1\r\nHost: test\r\nKeep-Alive: timeout=9\r\nProxy-Connection: keep-alive\r\n\
         Proxy-Authorization: Basic eA==\r\nTE: gzip\r\nUpgrade: websocket\r\nX-Stays: 1\r\n\r\n",
    );
    assert_eq!(response.status, 200, "{}", response.brief());
    let seen = upstream.only_request();
    for name in ["keep-alive", "proxy-connection", "upgrade", "te"] {
        assert!(!seen.fields.has(name), "{name}: {}", seen.text());
    }
    assert_eq!(seen.get("x-stays"), Some("1"));
}

/// Names and a forged value of each; the value is a canary.
const FORGED: &[(&str, &str)] = &[
    ("X-Forwarded-For", "198.51.100.66"),
    ("x-forwarded-for", "127.0.0.66, 198.51.100.66"),
    ("X-Forwarded-Host", "forged.example"),
    ("X-Forwarded-Proto", "forged-proto"),
    ("X-Forwarded-Port", "6666"),
    ("X-Forwarded-Prefix", "/forged"),
    ("X-Forwarded-Server", "forged.example"),
    ("X-Forwarded-Ssl", "forged"),
    ("X-Forwarded-Anything", "forged"),
    ("Forwarded", "for=198.51.100.66;proto=forged-proto;host=forged.example"),
    ("X-Real-IP", "198.51.100.66"),
    ("Client-Cert", ":Zm9yZ2Vk:"),
    ("Client-Cert-Chain", ":Zm9yZ2Vk:"),
    ("X-Forwarded-Client-Cert", "Hash=forged"),
    ("X-Client-Cert", "forged"),
    ("X-SSL-Client-Cert", "forged"),
    ("X-Consumer-Id", "forged"),
    ("X-Consumer-Username", "forged"),
    ("X-Pasarela-Application", "forged"),
    ("X-Pasarela-Organisation", "forged"),
    ("X-Pasarela-Anything", "forged"),
];

#[test]
fn t07_forged_forwarding_fields_do_not_arrive() {
    let upstream = Upstream::echo();
    let gateway = through(&upstream);
    let mut wrong = Vec::new();
    for (name, value) in FORGED {
        let response = gateway.connect().ask(format!(
            "GET /t/ HTTP/1.1\r\nHost: test\r\n{name}: {value}\r\n{name}: {value}\r\n\r\n"
        ));
        if response.status == 400 {
            continue;
        }
        assert_eq!(response.status, 200, "{name}: {}", response.brief());
        let seen = upstream.requests().pop().expect("a request");
        let text = seen.text();
        if text.contains(value) || text.contains("forged") || text.contains("198.51.100.66") {
            wrong.push(format!("{name}: {text}"));
        }
        assert_eq!(seen.get("x-forwarded-for"), Some("127.0.0.1"), "{text}");
        assert_eq!(seen.get("x-forwarded-proto"), Some("http"), "{text}");
        assert_eq!(seen.get("x-forwarded-host"), Some("test"), "{text}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n---\n"));
    // A name with an underscore is the same name to some servers (T8).
    let underscore = gateway
        .connect()
        .ask("GET /t/ HTTP/1.1\r\nHost: test\r\nX_Forwarded_For: 198.51.100.66\r\n\r\n");
    assert_eq!(underscore.status, 400, "{}", underscore.brief());
}

#[test]
fn t07_forged_fields_over_http2_do_not_arrive() {
    let upstream = Upstream::echo();
    let gateway = through(&upstream);
    let mut h2 = gateway.connect_h2();
    for (name, value) in FORGED {
        let name = name.to_lowercase();
        let stream = h2.next_stream();
        let block = H2Client::block(&[
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "test"),
            (":path", "/t/"),
            (&name, value),
        ]);
        h2.headers(stream, &block, true).expect("open");
        let outcome = h2.outcome(stream, seconds(5));
        if outcome.status == 400 {
            continue;
        }
        assert_eq!(outcome.status, 200, "{name}: {outcome:?}");
        let text = outcome.text();
        assert!(!text.contains(value), "{name}: {text}");
        assert!(text.to_lowercase().contains("x-forwarded-for: 127.0.0.1\n"), "{text}");
    }
}

#[test]
fn t07_l14_a_trusted_proxy_is_believed_and_nobody_else() {
    let upstream = Upstream::echo();
    for (trusted, believed) in [
        ("127.0.0.0/8", true),
        ("127.0.0.1/32", true),
        ("10.0.0.0/8", false),
        ("127.0.0.2/32", false),
        ("::1/128", false),
    ] {
        let gateway =
            gateway().api("t", &upstream).top(&format!("trusted_proxies: [\"{trusted}\"]")).start();
        let response = gateway.connect().ask(
            "GET /t/ HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 203.0.113.9\r\n\
             X-Forwarded-Proto: https\r\nX-Forwarded-Host: public.example\r\n\r\n",
        );
        assert_eq!(response.status, 200, "{}", response.brief());
        let seen = upstream.requests().pop().expect("a request");
        let list = seen.get("x-forwarded-for").unwrap_or_default();
        let (expected, proto) =
            if believed { ("203.0.113.9, 127.0.0.1", "https") } else { ("127.0.0.1", "http") };
        assert_eq!(list, expected, "trusting {trusted}");
        assert_eq!(seen.get("x-forwarded-proto"), Some(proto), "trusting {trusted}");
        let client = gateway.access_lines(1)[0]["client"].to_string();
        assert_eq!(client.contains("203.0.113.9"), believed, "trusting {trusted}: {client}");
    }
}

#[test]
fn t07_of_a_chain_only_the_trusted_end_is_believed() {
    let upstream = Upstream::echo();
    let gateway =
        gateway().api("t", &upstream).top("trusted_proxies: [127.0.0.0/8, 10.0.0.0/8]").start();
    for (list, client) in [
        ("198.51.100.66, 203.0.113.9", "203.0.113.9"),
        ("198.51.100.66, 203.0.113.9, 10.1.1.1", "203.0.113.9"),
        ("198.51.100.66,203.0.113.9 , 10.1.1.1,10.2.2.2", "203.0.113.9"),
        ("203.0.113.9, ::ffff:10.1.1.1", "203.0.113.9"),
        ("nonsense", "127.0.0.1"),
        ("203.0.113.9, nonsense", "127.0.0.1"),
        ("", "127.0.0.1"),
    ] {
        let lines = gateway.stdout().len();
        let response = gateway
            .connect()
            .ask(format!("GET /t/ HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: {list}\r\n\r\n"));
        if response.status == 400 {
            continue;
        }
        let seen = gateway.access_lines(lines + 1).pop().expect("a line");
        assert!(seen["client"].to_string().contains(client), "{list}: {seen}");
    }
}

#[test]
fn a_trace_goes_on_and_a_missing_one_begins() {
    let upstream = Upstream::echo();
    let gateway = gateway()
        .api("t", &upstream)
        .top("traces: { otlp: \"http://127.0.0.1:1\", sample: 1.0, service: gateway }")
        .start();
    let mut client = gateway.connect();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    client.ask(format!(
        "GET /t/ HTTP/1.1\r\nHost: test\r\ntraceparent: 00-{trace}-00f067aa0ba902b7-01\r\n\
         tracestate: vendor=1\r\n\r\n"
    ));
    let seen = upstream.requests().pop().expect("a request");
    let parent = seen.get("traceparent").expect("traceparent");
    assert!(parent.starts_with(&format!("00-{trace}-")), "{parent}");
    assert_eq!(seen.get("tracestate"), Some("vendor=1"));
    let line = gateway.access_lines(1).pop().expect("a line");
    assert_eq!(line["trace_id"], trace);
    for bad in [
        "",
        "nonsense",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ] {
        client.ask(format!("GET /t/ HTTP/1.1\r\nHost: test\r\ntraceparent: {bad}\r\n\r\n"));
        let seen = upstream.requests().pop().expect("a request");
        let parent = seen.get("traceparent").unwrap_or_default();
        assert!(!parent.to_lowercase().contains(trace), "{bad}: {parent}");
        assert_eq!(parent.len(), 55, "{bad}: {parent}");
    }
}

#[test]
fn without_tracing_a_trace_passes_untouched() {
    let upstream = Upstream::echo();
    let gateway = through(&upstream);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    gateway.connect().ask(format!(
        "GET /t/ HTTP/1.1\r\nHost: test\r\ntraceparent: {parent}\r\ntracestate: a=1\r\n\r\n"
    ));
    let seen = upstream.only_request();
    assert_eq!((seen.get("traceparent"), seen.get("tracestate")), (Some(parent), Some("a=1")));
}
