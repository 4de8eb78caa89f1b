//! Who may see and call what, and from where: private APIs, networks, the owner's applications.

use pasarela_testkit::{Gateway, RawClient, Response, Upstream};

use crate::gateway;

/// Keys, by the application that has them.
const KEYS: &str = "
organisations: [{ name: us, kind: owner }, { name: acme, kind: partner }]
plans: [{ name: any, rate: 10_000/s }]
trusted_proxies: [127.0.0.1]
applications:
  - { name: ours, organisation: us, keys: [{ env: OURS }], subscriptions: [{ api: books, plan: any }] }
  - { name: idle, organisation: us, keys: [{ env: IDLE }] }
  - name: acme
    organisation: acme
    keys: [{ env: ACME }]
    networks: [10.1.0.0/16, \"2001:db8::/32\"]
    subscriptions: [{ api: shared, plan: any }, { api: sold, plan: any }, { api: books, plan: any }]
  - { name: nobody, keys: [{ env: NOBODY }], subscriptions: [{ api: shared, plan: any }, { api: books, plan: any }] }
";

fn start(upstream: &Upstream) -> Gateway {
    let url = upstream.url();
    let mut builder = gateway().listen("internal: 127.0.0.1:0").top(KEYS);
    for (name, more) in [
        ("inside", "visibility: private"),
        ("near", "visibility: private\nnetworks: [10.2.0.0/16]"),
        ("books", "visibility: private\nplans: [any]\nnetworks: [10.2.0.0/16]"),
        ("shared", "visibility: partner\nplans: [any]\nnetworks: [10.1.0.0/16, 10.2.0.0/16]"),
        ("sold", "plans: [any]"),
        ("open", "networks: [10.0.0.0/8]"),
        ("free", ""),
    ] {
        builder = builder.api_with(name, &[&url], more);
    }
    for name in ["OURS", "IDLE", "ACME", "NOBODY"] {
        builder = builder.env(name, &key(name));
    }
    builder.start()
}

fn key(name: &str) -> String {
    format!("pk_{}_{}", name.to_lowercase(), "x".repeat(30))
}

/// Who asks from where; no name, no key.
fn ask(client: &mut RawClient, path: &str, name: &str, from: &str) -> Response {
    let shown = match name {
        "" => String::new(),
        name => format!("X-API-Key: {}\r\n", key(name)),
    };
    client
        .ask(format!("GET {path} HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: {from}\r\n{shown}\r\n"))
}

/// An answer without what differs from one to the next.
fn plain(answer: &Response) -> (u16, Vec<(String, String)>, String) {
    let mut fields = answer.fields.0.clone();
    let id = answer.get("x-request-id").unwrap_or_default().to_owned();
    for (name, value) in &mut fields {
        if ["date", "x-request-id"].contains(&name.to_lowercase().as_str()) {
            value.clear();
        }
    }
    (answer.status, fields, answer.text().replace(&id, "ID"))
}

const FAR: &str = "192.0.2.7";
const NEAR: &str = "10.2.3.4";
const ACME_S: &str = "10.1.9.9";

#[test]
fn t28_a_private_api_is_there_inside_in_its_networks_and_for_the_owner_s_applications() {
    let upstream = Upstream::ok("ok");
    let gateway = start(&upstream);
    let mut outside = gateway.connect();
    let mut internal = RawClient::connect(gateway.address_of("internal"));
    let there: &[(&str, &str, &str, u16)] = &[
        ("/inside/", "", FAR, 404),
        ("/inside/", "", NEAR, 404),
        ("/inside/", "ACME", ACME_S, 404),
        ("/inside/", "NOBODY", FAR, 404),
        ("/inside/", "OURS", FAR, 200),
        ("/inside/", "IDLE", FAR, 200),
        ("/near/", "", FAR, 404),
        ("/near/", "", NEAR, 200),
        ("/near/", "", "::ffff:10.2.0.1", 200),
        ("/near/", "ACME", ACME_S, 404),
        ("/near/", "OURS", FAR, 200),
        // To see it is not to be allowed to call it: it has plans.
        ("/books/", "", FAR, 404),
        ("/books/", "", NEAR, 401),
        ("/books/", "NOBODY", FAR, 404),
        ("/books/", "NOBODY", NEAR, 200),
        ("/books/", "OURS", FAR, 200),
        ("/books/", "IDLE", FAR, 403),
    ];
    for (path, who, from, status) in there {
        let answer = ask(&mut outside, path, who, from);
        assert_eq!(answer.status, *status, "{path} {who} {from}: {}", answer.brief());
        if *status == 404 {
            let missing = ask(&mut outside, "/missing/", who, from);
            assert_eq!(plain(&answer), plain(&missing), "{path} {who} {from}");
        }
        let inside = ask(&mut internal, path, who, from);
        assert_ne!(inside.status, 404, "{path} {who}: {}", inside.brief());
    }
}

#[test]
fn t07_networks_limit_partner_and_public_apis_and_say_so_only_to_those_who_may_see_them() {
    let upstream = Upstream::ok("ok");
    let gateway = start(&upstream);
    let mut outside = gateway.connect();
    let mut internal = RawClient::connect(gateway.address_of("internal"));
    for (path, who, from, status, code) in [
        ("/open/", "", FAR, 403, "GW0070"),
        ("/open/", "", NEAR, 200, ""),
        ("/shared/", "NOBODY", NEAR, 200, ""),
        ("/shared/", "NOBODY", FAR, 403, "GW0070"),
        ("/shared/", "", NEAR, 404, "GW0001"),
        ("/shared/", "OURS", NEAR, 404, "GW0001"),
        ("/shared/", "ACME", ACME_S, 200, ""),
        // Its network, not the application's: to everybody but a subscriber at home it is not there.
        ("/shared/", "ACME", NEAR, 404, "GW0001"),
        ("/shared/", "ACME", FAR, 404, "GW0001"),
        ("/sold/", "ACME", ACME_S, 200, ""),
        ("/sold/", "ACME", "2001:db8::7", 200, ""),
        ("/sold/", "ACME", FAR, 403, "GW0070"),
        ("/sold/", "ACME", "2001:db9::7", 403, "GW0070"),
        // Nobody is asked who they are there.
        ("/free/", "ACME", FAR, 200, ""),
    ] {
        let answer = ask(&mut outside, path, who, from);
        assert_eq!(answer.status, status, "{path} {who} {from}: {}", answer.brief());
        if !code.is_empty() {
            answer.assert_problem(status, code);
        }
    }
    assert_eq!(ask(&mut internal, "/open/", "", FAR).status, 200);
    let last = upstream.requests();
    assert!(
        last.iter().all(|request| !request.fields.has("x-api-key")),
        "a key of ours stays here"
    );
}

#[test]
fn t07_a_caller_s_own_word_about_its_address_opens_nothing() {
    let upstream = Upstream::ok("ok");
    let gateway = gateway()
        .api_with("near", &[&upstream.url()], "visibility: private\nnetworks: [10.2.0.0/16]")
        .api_with("here", &[&upstream.url()], "visibility: private\nnetworks: [127.0.0.0/8]")
        .start();
    let mut client = gateway.connect();
    for field in ["X-Forwarded-For", "X-Real-IP", "Forwarded"] {
        let value = if field == "Forwarded" { "for=10.2.3.4" } else { NEAR };
        let text = format!("GET /near/ HTTP/1.1\r\nHost: test\r\n{field}: {value}\r\n\r\n");
        client.ask(text).assert_problem(404, "GW0001");
    }
    assert_eq!(client.get("/here/").status, 200);
}

#[test]
fn t28_what_is_hidden_does_not_shadow_what_everybody_may_see() {
    let upstream = Upstream::echo();
    let gateway = gateway()
        .top(KEYS)
        .env("OURS", &key("OURS"))
        .env("IDLE", &key("IDLE"))
        .env("ACME", &key("ACME"))
        .env("NOBODY", &key("NOBODY"))
        .api_with(
            "shared",
            &[&upstream.url()],
            "visibility: partner\nplans: [any]\npath: /all/shared",
        )
        .api_with("sold", &[&upstream.url()], "plans: [any]\npath: /sold")
        .api_with(
            "books",
            &[&upstream.url()],
            "visibility: private\nplans: [any]\npath: /all/books",
        )
        .api_with("all", &[&upstream.url()], "path: /all")
        .start();
    let mut client = gateway.connect();
    for path in ["/all/shared/x", "/all/books/x"] {
        assert_eq!(ask(&mut client, path, "", FAR).status, 200, "{path}");
        let seen = upstream.requests().pop().expect("a request");
        assert_eq!(seen.target, path.strip_prefix("/all").expect("below it"), "the public one");
    }
    assert_eq!(ask(&mut client, "/all/books/x", "OURS", FAR).status, 200);
    assert_eq!(upstream.requests().pop().expect("a request").target, "/x");
    // Cut as a lenient server cuts it this is a partner's API; that is nothing to learn either.
    let missing = plain(&ask(&mut client, "/nothing/there;x", "", FAR));
    assert_eq!(missing.0, 404);
    assert_eq!(ask(&mut client, "/all/shared;x", "", FAR).status, 200, "a path of the public one");
    ask(&mut client, "/all/shared;x", "NOBODY", FAR).assert_problem(400, "GW0014");
}
