//! Scopes, by the real binary: who reaches which operation, by what they show and over which face.

use pasarela_testkit::{Gateway, Response, Upstream};
use serde_json::{Value, json};

use crate::{
    KEY, gateway,
    soap::WSDL,
    tokens::{Issuer, claims},
};

const V11: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// `rates`, a plain API by contract; `t`, SOAP and REST; `open`, which asks for no key. `acme` has a key, and is granted
/// `track` by its plan and `read` itself.
fn start(upstream: &Upstream, issuer: &Issuer) -> Gateway {
    let scopes = "scopes: { Track: track, Cancel: [cancel, \"urn:admin\"] }";
    gateway()
        .file("jwks.json", json!({"keys": [issuer.jwk()]}).to_string())
        .file("parcels.wsdl", WSDL)
        .file("rates.yaml", RATES)
        .file("app.key", KEY)
        .top(
            "plans: [{ name: free, rate: 1000/s, scopes: [track] }]\n\
             issuers:\n  - { name: login, issuer: \"https://login.example/\", audience: rates, keys: { file: jwks.json } }\n\
             applications:\n\
             \x20 - name: acme\n\
             \x20   scopes: [read]\n\
             \x20   subscriptions: [{ api: rates, plan: free }, { api: t, plan: free }, { api: s, plan: free }]\n\
             \x20   tokens: [{ issuer: login, client: acme-client }]\n\
             \x20   keys: [{ file: app.key }]\n\
             \x20   users: [{ name: alice, password: { file: app.key } }]\n",
        )
        .api_with(
            "rates",
            &[&upstream.url()],
            "contract: rates.yaml\nplans: [free]\nscopes: contract",
        )
        .api_with("t", &[&upstream.url()], &format!("contract: parcels.wsdl\nplans: [free]\n{scopes}"))
        .api_with(
            "s",
            &[&upstream.url()],
            &format!(
                "contract: parcels.wsdl\nplans: [free]\nfaces: [soap]\n{scopes}\n\
                 ws_security: {{ terminate: {{ username: any }} }}"
            ),
        )
        .api_with("open", &[&upstream.url()], "scopes: { \"*\": read }")
        .start()
}

const RATES: &str = "openapi: 3.1.0
info: { title: Rates, version: \"1\" }
security: [{ login: [read] }]
components: { securitySchemes: { login: { type: openIdConnect, openIdConnectUrl: \"https://login.example/\" } } }
paths:
  /rates:
    get: { operationId: list }
    put: { operationId: replace, security: [{ login: [read, write] }, { login: [admin] }] }
  /about:
    get: { operationId: about, security: [] }
";

fn service() -> Upstream {
    Upstream::handle(|request| {
        // The REST face says it so; what the SOAP face answers is not looked at here.
        let cancel = request.text().contains("urn:cancel");
        let operation = if cancel { "Cancel" } else { "Track" };
        let (media, body) = match request.target.contains("rates") {
            true => ("text/plain", "fine".to_owned()),
            false => ("text/xml; charset=utf-8", envelope(operation)),
        };
        let length = body.len();
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .into()
    })
}

fn token(issuer: &Issuer, more: Value) -> String {
    let mut claims = claims("acme-client");
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    format!("Authorization: Bearer {}", issuer.token(&claims))
}

fn ask(gateway: &Gateway, method: &str, path: &str, fields: &str, body: &str) -> Response {
    let length = body.len();
    let fields = if fields.is_empty() { String::new() } else { format!("{fields}\r\n") };
    gateway.connect().ask(format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    ))
}

fn envelope(operation: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"{V11}\"><s:Body><t:{operation} xmlns:t=\"urn:t\">1</t:{operation}></s:Body></s:Envelope>"
    )
}

/// One call over one face.
fn call(gateway: &Gateway, face: &str, operation: &str, fields: &str) -> Response {
    match face {
        "rest" => {
            let fields = format!("{fields}\r\nContent-Type: application/json");
            ask(gateway, "POST", &format!("/t/{operation}"), &fields, "{\"$value\":\"1\"}")
        }
        _ => {
            let fields = format!("{fields}\r\nContent-Type: text/xml; charset=utf-8");
            ask(gateway, "POST", "/t/soap", &fields, &envelope(operation))
        }
    }
}

#[test]
fn an_operation_is_reached_over_each_face_by_those_who_have_its_scopes() {
    let upstream = service();
    let issuer = Issuer::new("one");
    let gateway = start(&upstream, &issuer);
    let by_token = |scope: Value| token(&issuer, json!({ "scope": scope }));
    let shown = [
        // What is shown, and whether it reaches Track and Cancel.
        (by_token(json!("")), [false, false]),
        (by_token(json!("track")), [true, false]),
        (by_token(json!("tracks rack TRACK")), [false, false]),
        (by_token(json!("cancel")), [false, false]),
        (by_token(json!("cancel urn:admin")), [false, true]),
        (by_token(json!(["urn:admin", "cancel", "track", "more"])), [true, true]),
        (token(&issuer, json!({"scp": ["track"]})), [true, false]),
        (token(&issuer, json!({"scp": "track cancel", "scope": "urn:admin"})), [true, true]),
        (token(&issuer, json!({})), [false, false]),
        (format!("X-API-Key: {KEY}"), [true, false]),
        (format!("Authorization: Bearer {KEY}"), [true, false]),
    ];
    let mut sent = 0;
    for face in ["rest", "soap"] {
        for (shown, reaches) in &shown {
            for (operation, reached) in ["Track", "Cancel"].iter().zip(reaches) {
                let answer = call(&gateway, face, operation, shown);
                sent += usize::from(*reached);
                let told = format!("{face} {operation} by {shown}: {}", answer.brief());
                assert_eq!(upstream.requests().len(), sent, "{told}");
                if *reached {
                    assert_eq!(answer.status, 200, "{told}");
                    continue;
                }
                // SOAP 1.1 has one status for all that is wrong.
                assert_eq!(answer.status, if face == "rest" { 403 } else { 500 }, "{told}");
                assert!(answer.text().contains("GW0065"), "{told}");
                let scope = if *operation == "Track" { "track" } else { "cancel urn:admin" };
                let challenge = format!(
                    "Bearer realm=\"pasarela\", error=\"insufficient_scope\", scope=\"{scope}\""
                );
                assert_eq!(answer.get("www-authenticate"), Some(&*challenge), "{told}");
            }
        }
    }
}

#[test]
fn a_message_that_says_itself_who_sends_it_reaches_no_further_than_its_application() {
    let upstream = service();
    let issuer = Issuer::new("one");
    let gateway = start(&upstream, &issuer);
    let signed = |operation: &str| {
        const WSSE: &str =
            "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
        let header = format!(
            "<s:Header><w:Security xmlns:w=\"{WSSE}\"><w:UsernameToken><w:Username>alice</w:Username>\
             <w:Password>{KEY}</w:Password></w:UsernameToken></w:Security></s:Header><s:Body>"
        );
        let message = envelope(operation).replace("<s:Body>", &header);
        ask(&gateway, "POST", "/s/soap", "Content-Type: text/xml; charset=utf-8", &message)
    };
    assert_eq!(signed("Track").status, 200, "{}", signed("Track").brief());
    let before = upstream.requests().len();
    let refused = signed("Cancel");
    assert!(refused.text().contains("GW0065"), "{}", refused.brief());
    assert_eq!(upstream.requests().len(), before);
}

#[test]
fn the_contract_says_what_its_operations_ask_for() {
    let upstream = service();
    let issuer = Issuer::new("one");
    let gateway = start(&upstream, &issuer);
    let by_token = |scope: &str| token(&issuer, json!({ "scope": scope }));
    for (method, path, scope, status) in [
        ("GET", "/rates/rates", "read", 200),
        ("GET", "/rates/rates", "admin", 403),
        ("HEAD", "/rates/rates", "admin", 403),
        ("HEAD", "/rates/rates", "read", 200),
        ("PUT", "/rates/rates", "read", 403),
        ("PUT", "/rates/rates", "write", 403),
        ("PUT", "/rates/rates", "read write", 200),
        ("PUT", "/rates/rates", "admin", 200),
    ] {
        let mut client = gateway.connect();
        client.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{}\r\nContent-Length: 0\r\n\r\n",
            by_token(scope)
        ));
        let answer = client.response_to(method);
        assert_eq!(answer.status, status, "{method} {path} {scope}");
    }
    // A key has `read` by its application.
    let key = format!("X-API-Key: {KEY}");
    assert_eq!(ask(&gateway, "GET", "/rates/rates", &key, "").status, 200);
    ask(&gateway, "PUT", "/rates/rates", &key, "").assert_problem(403, "GW0065");
}

#[test]
fn where_no_key_is_asked_for_an_operation_with_scopes_asks_for_a_token() {
    let upstream = service();
    let issuer = Issuer::new("one");
    let gateway = start(&upstream, &issuer);
    let none = ask(&gateway, "GET", "/open/rates", "", "");
    none.assert_problem(401, "GW0004");
    assert_eq!(none.get("www-authenticate"), Some("Bearer realm=\"pasarela\", scope=\"read\""));
    let bad = token(&issuer, json!({"exp": 1, "scope": "read"}));
    let bad = ask(&gateway, "GET", "/open/rates", &bad, "");
    bad.assert_problem(401, "GW0005");
    let challenge = bad.get("www-authenticate").unwrap();
    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    assert!(upstream.requests().is_empty());
    let good = token(&issuer, json!({"scope": "read"}));
    assert_eq!(ask(&gateway, "GET", "/open/rates", &good, "").status, 200);
}

#[test]
fn t18_a_scope_that_is_no_text_is_no_token() {
    let upstream = service();
    let issuer = Issuer::new("one");
    let gateway = start(&upstream, &issuer);
    for scope in [json!(7), json!(true), json!({"read": true}), json!(["read", 7]), json!(null)] {
        let shown = token(&issuer, json!({ "scope": scope }));
        ask(&gateway, "GET", "/rates/rates", &shown, "").assert_problem(401, "GW0005");
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn l36_what_an_application_is_granted_no_longer_it_does_not_reach_from_the_reload_on() {
    let upstream = service();
    let issuer = Issuer::new("one");
    let gateway = start(&upstream, &issuer);
    let key = format!("X-API-Key: {KEY}");
    assert_eq!(call(&gateway, "rest", "Track", &key).status, 200);
    let without = gateway.yaml().replace("rate: 1000/s, scopes: [track]", "rate: 1000/s");
    let outcome = gateway.reload(&without);
    assert!(matches!(outcome, pasarela_testkit::Outcome::Reloaded(_)), "{outcome:?}");
    call(&gateway, "rest", "Track", &key).assert_problem(403, "GW0065");
}
