//! T14: which host a request is for is said once, in one way.

use pasarela_testkit::{H2Client, Upstream, seconds};

use crate::gateway;

#[test]
fn t14_the_host_is_there_once_and_well_formed() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).start();
    let refused = [
        "GET /t/ HTTP/1.1\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: a\r\nX: y\r\nhost: b\r\n\r\n",
        "GET /t/ HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: user@a\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: a:80:80\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: a:port\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: a:-1\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: http://a\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: a?b\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: a#b\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: a\\b\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: [::1\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: ::1\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: [x]\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: a%2fb\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: a<b>\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: \"a\"\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: t\u{fc}st\r\n\r\n",
        // Target and field disagree.
        "GET http://a/t/ HTTP/1.1\r\nHost: b\r\n\r\n",
        "GET http://a:81/t/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://user@a/t/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http:///t/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET ftp://a/t/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET //a/t/ HTTP/1.1\r\nHost: b, a\r\n\r\n",
    ];
    for request in refused {
        let mut client = gateway.connect();
        client.send(request);
        let response = client.response();
        assert_eq!(response.status, 400, "{request:?}: {}", response.brief());
        response.problem();
    }
    assert!(upstream.requests().is_empty(), "{:?}", upstream.requests());
    for request in [
        "GET /t/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: A.Example:8080\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
        "GET /t/ HTTP/1.1\r\nHost:a\t\r\n\r\n",
        "GET /t/ HTTP/1.0\r\n\r\n",
        "GET http://a/t/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET HTTP://A/t/ HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut client = gateway.connect();
        client.send(request);
        let response = client.response();
        assert_eq!(response.status, 200, "{request:?}: {}", response.brief());
    }
}

#[test]
fn t14_an_authority_and_a_host_field_must_agree() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway().api("t", &upstream).start();
    let ask = |fields: &[(&str, &str)]| {
        let mut h2 = gateway.connect_h2();
        let stream = h2.next_stream();
        let mut all = vec![(":method", "GET"), (":scheme", "http"), (":path", "/t/")];
        all.extend_from_slice(fields);
        h2.headers(stream, &H2Client::block(&all), true).expect("open");
        h2.outcome(stream, seconds(5))
    };
    for fields in [
        &[(":authority", "a"), ("host", "b")][..],
        &[(":authority", "a"), ("host", "a"), ("host", "b")],
        &[("host", "a"), ("host", "b")],
        &[(":authority", "user@a")],
        &[(":authority", "a b")],
        &[(":authority", "a/b")],
        &[(":authority", "")],
        &[],
    ] {
        let outcome = ask(fields);
        let refused = outcome.status == 400 || outcome.reset.is_some();
        assert!(refused, "{fields:?}: {outcome:?}");
    }
    assert!(upstream.requests().is_empty());
    for fields in
        [&[(":authority", "a")][..], &[(":authority", "a"), ("host", "a")], &[("host", "a")]]
    {
        let outcome = ask(fields);
        assert_eq!(outcome.status, 200, "{fields:?}: {outcome:?}");
    }
    let seen = upstream.requests();
    assert_eq!(seen.len(), 3);
    assert_eq!(upstream.violations(), Vec::<String>::new());
}

#[test]
fn hosts_choose_the_api() {
    let (exact, wild, any) = (Upstream::ok("exact"), Upstream::ok("wild"), Upstream::ok("any"));
    let gateway = gateway()
        .api_with("exact", &[&exact.url()], "host: api.example.com\npath: /p")
        .api_with("wild", &[&wild.url()], "host: \"*.example.com\"\npath: /p")
        .api_with("any", &[&any.url()], "path: /p")
        .start();
    let mut client = gateway.connect();
    for (host, expected) in [
        ("api.example.com", "exact"),
        ("API.Example.COM", "exact"),
        ("api.example.com:8080", "exact"),
        ("b.example.com", "wild"),
        ("a.b.example.com", "wild"),
        ("example.com", "any"),
        ("xexample.com", "any"),
        ("api.example.com.evil.net", "any"),
        ("127.0.0.1", "any"),
    ] {
        let response = client.ask(format!("GET /p/ HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(response.text(), expected, "{host}: {}", response.brief());
    }
}

#[test]
fn header_fields_choose_the_api() {
    let (one, two) = (Upstream::ok("one"), Upstream::ok("two"));
    let gateway = gateway()
        .api_with("one", &[&one.url()], "path: /p")
        .api_with("two", &[&two.url()], "path: /p\nheaders: { Accept-Version: \"2\" }")
        .start();
    let mut client = gateway.connect();
    for (fields, expected) in [
        ("", "one"),
        ("Accept-Version: 1\r\n", "one"),
        ("Accept-Version: 2\r\n", "two"),
        ("accept-version:2 \r\n", "two"),
    ] {
        let response = client.ask(format!("GET /p/ HTTP/1.1\r\nHost: test\r\n{fields}\r\n"));
        assert_eq!(response.text(), expected, "{fields:?}: {}", response.brief());
    }
}
