//! T8, P3: the path that policy sees is the path that goes upstream.

use std::collections::BTreeSet;

use pasarela_testkit::{Gateway, Upstream};

use crate::{KEY, gateway, plan};

#[test]
fn t08_a_path_has_one_form() {
    let upstream = Upstream::echo();
    let gateway = gateway().api("t", &upstream).start();
    let mut client = gateway.connect();
    let table = [
        ("/t/a", "/a"),
        ("/t/./a", "/a"),
        ("/t/a/.", "/a/"),
        ("/t/a/b/../c", "/a/c"),
        ("/t/a/b/..", "/a/"),
        ("/t/a//b", "/a/b"),
        ("/t//a", "/a"),
        ("//t/a", "/a"),
        ("/t/%61", "/a"),
        ("/t/%7Ea", "/~a"),
        ("/t/%2D%2E%5F", "/-._"),
        ("/t/%2e%2e/t/a", "/a"),
        ("/t/a/%2e%2e/b", "/b"),
        ("/t/a/.%2E/b", "/b"),
        ("/t/%41b", "/Ab"),
        ("/t/a%20b", "/a%20b"),
        ("/t/a%3fb", "/a%3Fb"),
        ("/t/a%3Fb", "/a%3Fb"),
        ("/t/a%25b", "/a%25b"),
        ("/t/a%252fb", "/a%252fb"),
        ("/t/a%252e%252e/b", "/a%252e%252e/b"),
        ("/t/a;x=1/b", "/a;x=1/b"),
        ("/t/a;/../b", "/b"),
        ("/t/caf%C3%A9", "/caf%C3%A9"),
        ("/t/caf%c3%a9", "/caf%C3%A9"),
        ("/t/a+b@c:d!$&'()*,=", "/a+b@c:d!$&'()*,="),
        ("/t/...", "/..."),
        ("/t/..a/.b", "/..a/.b"),
        ("/%74/a", "/a"),
        ("/x/../t/a", "/a"),
        ("/t/a?b=/../c&d=%2e%2e", "/a?b=/../c&d=%2e%2e"),
    ];
    for (asked, expected) in table {
        let response = client.get(asked);
        assert_eq!(response.status, 200, "{asked}: {}", response.brief());
        let seen = upstream.requests().pop().expect("a request").target;
        assert_eq!(seen, expected, "{asked}");
    }
}

#[test]
fn t08_paths_that_can_be_read_in_two_ways_are_refused() {
    let upstream = Upstream::echo();
    let gateway = gateway().api("t", &upstream).start();
    let table = [
        "/t/a%2fb",
        "/t/a%2Fb",
        "/t/a%5cb",
        "/t/a%5Cb",
        "/t/a\\b",
        "/t/a%00b",
        "/t/%00",
        "/t/..%2fa",
        "/t/..%5ca",
        "/t/%2e%2e%2fa",
        "/t/%c0%ae%c0%ae/a",
        "/t/%c0%af",
        "/t/%e0%80%af",
        "/t/%f0%80%80%af",
        "/t/%ff",
        "/t/%fe",
        "/t/%ed%a0%80",
        "/t/%c3",
        "/t/%c3(",
        "/t/%80",
        "/t/%",
        "/t/%2",
        "/t/%zz",
        "/t/%2g",
        "/t/%u002f",
        "/t/%0a",
        "/t/%0d%0aX:y",
        "/t/%09",
        "/t/%7f",
        "/t/%1b[31m",
        "/../t/a",
        "/..",
        "/t/../../a",
        "/t/../..",
    ];
    let mut h2 = gateway.connect_h2();
    for asked in table {
        let response = gateway.connect().get(asked);
        assert!([400, 404].contains(&response.status), "{asked}: {}", response.brief());
        response.problem();
        let outcome = h2.get(asked);
        assert!([400, 404].contains(&outcome.status), "{asked}: {outcome:?}");
    }
    assert!(upstream.requests().is_empty(), "{:?}", upstream.requests());
}

/// Spellings of `/t/admin` that one or another server takes for it.
fn spellings() -> Vec<String> {
    let dots = [
        "..",
        "%2e%2e",
        ".%2e",
        "%2E.",
        "%252e%252e",
        "..;",
        "..%00",
        "..%0d",
        "%c0%ae%c0%ae",
        "..",
    ];
    let slashes = ["/", "//", "/./", "%2f", "%5c", "\\", "/;/", "/%2e/", "/;a=b/", "%252f"];
    let names = [
        "admin",
        "%61dmin",
        "%61%64%6d%69%6e",
        "admi%6E",
        "admin;",
        "admin;x=y",
        "admin%00",
        "admin%20",
        "admin.",
        "admin%2e",
        "Admin",
        "ADMIN",
        "admin%23",
        "admin%3f",
        "%2561dmin",
        "adm\\in",
        "admin/",
        "admin//",
        "admin/.",
        "admin/x/..",
        "admin/%2e",
    ];
    let mut all = BTreeSet::new();
    for name in names {
        for slash in slashes {
            all.insert(format!("/t{slash}{name}"));
            all.insert(format!("{slash}t/{name}"));
            all.insert(format!("/t/{name}{slash}secret"));
            for dot in dots {
                all.insert(format!("/t/x{slash}{dot}/{name}"));
                all.insert(format!("/x/{dot}{slash}t/{name}"));
                all.insert(format!("/t/{dot}{slash}t/{name}"));
            }
        }
    }
    all.into_iter()
        .map(|path| if path.starts_with('/') { path } else { format!("/{path}") })
        .collect()
}

/// The path as a careless server would read it: decoded once, dots and slashes resolved, path
/// parameters kept (we keep them as they are and say so).
fn careless(target: &str) -> String {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, more)) = rest.split_first() {
        let hex = more.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &more[2..];
            }
            (byte, _) => {
                bytes.push(*byte);
                rest = more;
            }
        }
    }
    let text = String::from_utf8_lossy(&bytes).replace('\\', "/").replace('\0', "");
    let mut segments: Vec<&str> = Vec::new();
    for segment in text.split('/') {
        match segment {
            "" | "." => (),
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    format!("/{}", segments.join("/"))
}

fn two_apis(open: &Upstream, guarded: &Upstream) -> Gateway {
    gateway()
        .file("app.key", KEY)
        .top(&plan("1000/s").replace("api: t", "api: admin"))
        .api("t", open)
        .api_with("admin", &[&guarded.url()], "path: /t/admin\nplans: [small]")
        .start()
}

#[test]
fn t08_no_spelling_leads_around_the_policy_of_a_path() {
    let open = Upstream::ok("open");
    let guarded = Upstream::ok("guarded");
    let gateway = two_apis(&open, &guarded);
    let spellings = spellings();
    assert!(spellings.len() > 2000, "{}", spellings.len());
    let mut passed = 0;
    let mut client = gateway.connect();
    for path in &spellings {
        client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        let response = client.response();
        assert!([200, 400, 401, 404].contains(&response.status), "{path}: {}", response.brief());
        assert_ne!(response.text(), "guarded", "{path} without a key");
        passed += u32::from(response.status == 200);
        if response.closes() {
            client = gateway.connect();
        }
    }
    assert!(guarded.requests().is_empty(), "{:?}", guarded.requests());
    for request in open.requests() {
        let read = careless(&request.target);
        let first = read.split('/').nth(1).unwrap_or_default();
        assert_ne!(first, "admin", "the open service was sent {}", request.target);
        assert!(
            !request.target.contains("//") && !request.target.contains("/../"),
            "{}",
            request.target
        );
    }
    assert!(passed > 50, "only {passed} of them passed as paths of their own");
    assert_eq!(open.violations(), Vec::<String>::new());
}

#[test]
fn t08_with_a_key_the_guarded_path_is_reached_however_it_is_spelt() {
    let open = Upstream::ok("open");
    let guarded = Upstream::ok("guarded");
    let gateway = two_apis(&open, &guarded);
    let mut client = gateway.connect();
    for path in [
        "/t/admin",
        "/t/admin/",
        "/t//admin/x",
        "/t/./admin",
        "/t/x/../admin",
        "/t/%61dmin/x?q",
        "/%74/admin",
    ] {
        let response =
            client.ask(format!("GET {path} HTTP/1.1\r\nHost: test\r\nX-API-Key: {KEY}\r\n\r\n"));
        assert_eq!(response.text(), "guarded", "{path}: {}", response.brief());
    }
    // Case matters: this is another path, of the other API.
    let other = client.get("/t/Admin");
    assert_eq!(other.text(), "open", "{}", other.brief());
    // The log tells the path that was decided on.
    let lines = gateway.access_lines(8);
    assert_eq!(lines[4]["path"], "/t/admin", "{}", lines[4]);
    assert_eq!(lines[4]["api"], "admin");
}

#[test]
fn t08_names_with_underscores_are_refused() {
    let upstream = Upstream::echo();
    let gateway = gateway().api("t", &upstream).start();
    for name in ["X_Api_Key", "content_length", "X-Forwarded_For", "_", "a_b"] {
        let mut client = gateway.connect();
        client.send(format!("GET /t/ HTTP/1.1\r\nHost: test\r\n{name}: 1\r\n\r\n"));
        assert_eq!(client.response().status, 400, "{name}");
    }
    assert!(upstream.requests().is_empty());
}
