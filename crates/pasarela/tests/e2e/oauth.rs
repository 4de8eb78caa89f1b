//! Tokens that the gateway issues itself, by the real binary: who gets one, what it opens, and until when.

use aws_lc_rs::{
    hmac,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use pasarela_testkit::{
    Builder, Gateway, Outcome, Response, Upstream, eventually, postgres_database, seconds,
};
use serde_json::{Value, json};

use crate::{KEY, gateway};

/// `list` asks for `read`, everything else for `write`.
const CONTRACT: &str = "openapi: 3.1.0
info: { title: Rates, version: \"1\" }
paths:
  /rates:
    get: { operationId: list }
    put: { operationId: replace }
";

const OAUTH: &str = "oauth: { issuer: \"http://127.0.0.1\", audience: rates, lifetime: 5m }";

/// `acme` may read by its plan; `other` has a client too, and subscribes to nothing.
fn start(upstream: &Upstream) -> Gateway {
    prepared(upstream, "").start()
}

/// With more at the top of the file.
fn prepared(upstream: &Upstream, more: &str) -> Builder {
    gateway()
        .top(more)
        .file("rates.yaml", CONTRACT)
        .file("acme.secret", "acme secret/+\n".replace(' ', "-"))
        .file("next.secret", KEY)
        .top(OAUTH)
        .top(
            "plans: [{ name: free, rate: 1000/s, scopes: [read] }]\n\
             applications:\n\
             \x20 - name: acme\n\
             \x20   subscriptions: [{ api: rates, plan: free }, { api: hidden, plan: free }]\n\
             \x20   clients: [{ id: acme-client, secrets: [{ file: acme.secret }] }]\n\
             \x20 - name: other\n\
             \x20   clients: [{ id: other-client, secrets: [{ file: next.secret }] }]\n",
        )
        .api_with(
            "rates",
            &[&upstream.url()],
            "contract: rates.yaml\nplans: [free]\nscopes: { list: read, \"*\": write }",
        )
        .api_with("hidden", &[&upstream.url()], "plans: [free]\nvisibility: partner")
        .api_with("marker", &[&upstream.url()], "")
        .workers(1)
}

fn post(gateway: &Gateway, fields: &str, form: &str) -> Response {
    let length = form.len();
    gateway.connect().ask(format!(
        "POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n{fields}Content-Length: {length}\r\n\r\n{form}"
    ))
}

const GRANT: &str = "grant_type=client_credentials";
const ACME: &str = "client_id=acme-client&client_secret=acme-secret%2F%2B";

fn basic(pair: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode_to_string(pair))
}

#[track_caller]
fn token_of(answer: &Response) -> String {
    assert_eq!(answer.status, 200, "{}", answer.brief());
    let answer: Value = serde_json::from_str(&answer.text()).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

fn call(gateway: &Gateway, method: &str, path: &str, token: &str) -> Response {
    gateway.connect().ask(format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
    ))
}

fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode_to_vec(part).unwrap()).unwrap()
}

#[test]
fn a_client_gets_a_token_that_opens_what_its_application_may_call() {
    let upstream = Upstream::ok("fine");
    let gateway = start(&upstream);
    let answer = post(&gateway, "", &format!("{GRANT}&{ACME}"));
    assert_eq!(answer.get("cache-control"), Some("no-store"), "{}", answer.brief());
    assert_eq!(answer.get("pragma"), Some("no-cache"));
    let said: Value = serde_json::from_str(&answer.text()).unwrap();
    assert_eq!(said["token_type"], "Bearer");
    assert_eq!((&said["expires_in"], &said["scope"]), (&json!(300), &json!("read")));
    let token = token_of(&answer);
    // RFC 9068 §2.
    let (header, claims) = (part(&token, 0), part(&token, 1));
    assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("ES256")));
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!("http://127.0.0.1"), &json!("rates")));
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("acme-client"), &claims["sub"]));
    assert_eq!(claims["exp"].as_u64(), claims["iat"].as_u64().map(|at| at + 300));
    assert!(claims["jti"].as_str().is_some_and(|id| id.len() == 22));

    for path in ["/rates/rates", "/hidden/x"] {
        assert_eq!(call(&gateway, "GET", path, &token).status, 200, "{path}");
        let request = upstream.requests().pop().unwrap();
        assert_eq!(request.get("x-pasarela-application"), Some("acme"));
    }
    call(&gateway, "PUT", "/rates/rates", &token).assert_problem(403, "GW0065");

    let other = post(&gateway, &basic(&format!("other-client:{KEY}")), GRANT);
    assert!(!other.text().contains("scope"), "{}", other.brief());
    let other = token_of(&other);
    call(&gateway, "GET", "/rates/rates", &other).assert_problem(403, "GW0006");
    assert_eq!(call(&gateway, "GET", "/hidden/x", &other).status, 404);
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn whatever_is_wrong_with_a_request_is_said_as_rfc_6749_has_it() {
    let upstream = Upstream::ok("fine");
    let gateway = start(&upstream);
    let good = basic("acme-client:acme-secret%2F%2B");
    for (fields, form, status, error) in [
        ("", format!("{GRANT}&{ACME}&scope=read"), 200, ""),
        (&*good, GRANT.to_owned(), 200, ""),
        ("", ACME.to_owned(), 400, "invalid_request"),
        ("", format!("{GRANT}&{GRANT}&{ACME}"), 400, "invalid_request"),
        (&good, format!("{GRANT}&{ACME}"), 400, "invalid_request"),
        ("", format!("grant_type=password&{ACME}"), 400, "unsupported_grant_type"),
        ("", format!("{GRANT}&{ACME}&scope=write"), 400, "invalid_scope"),
        ("", format!("{GRANT}&{ACME}x"), 401, "invalid_client"),
        ("", format!("{GRANT}&client_id=nobody&client_secret=x"), 401, "invalid_client"),
        ("", GRANT.to_owned(), 401, "invalid_client"),
        (&basic("nobody:x"), GRANT.to_owned(), 401, "invalid_client"),
    ] {
        let answer = post(&gateway, fields, &form);
        let told = format!("{fields}{form}: {}", answer.brief());
        assert_eq!(answer.status, status, "{told}");
        assert_eq!(answer.get("content-type"), Some("application/json"), "{told}");
        assert_eq!(answer.get("cache-control"), Some("no-store"), "{told}");
        let said: Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!(said["error"].as_str().unwrap_or_default(), error, "{told}");
        // RFC 6749 §5.2: whoever tried by Authorization is told of the scheme.
        let scheme =
            answer.get("www-authenticate").is_some_and(|value| value.starts_with("Basic "));
        assert_eq!(scheme, status == 401 && !fields.is_empty(), "{told}");
    }
    let nobody = |client: &str| {
        let form = format!("{GRANT}&client_id={client}&client_secret=wrong");
        post(&gateway, "", &form).text()
    };
    assert_eq!(nobody("acme-client"), nobody("nobody"), "who is there is not told");

    let address = "/oauth/token HTTP/1.1\r\nHost: 127.0.0.1\r\n";
    let get = gateway.connect().ask(format!("GET {address}\r\n"));
    get.assert_problem(405, "GW0003");
    assert_eq!(get.get("allow"), Some("POST"));
    let json =
        format!("POST {address}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}");
    assert!(gateway.connect().ask(json).text().contains("invalid_request"));
    let long = format!("POST {address}Content-Length: 9000\r\n\r\n{}", "a".repeat(9000));
    assert_eq!(gateway.connect().ask(long).status, 413);
    let elsewhere = "POST /oauth/token HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(gateway.connect().ask(elsewhere).status, 404, "another host's address");
    assert!(upstream.requests().is_empty());
}

#[test]
fn the_metadata_lead_to_the_keys_and_tokens_are_good_by_them() {
    let upstream = Upstream::ok("fine");
    let gateway = start(&upstream);
    let get = |path: &str| {
        let answer =
            gateway.connect().ask(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));
        assert_eq!(answer.status, 200, "{}", answer.brief());
        serde_json::from_str::<Value>(&answer.text()).unwrap()
    };
    let metadata = get("/.well-known/oauth-authorization-server");
    assert_eq!(metadata["issuer"], "http://127.0.0.1");
    assert_eq!(metadata["token_endpoint"], "http://127.0.0.1/oauth/token");
    assert_eq!(metadata["jwks_uri"], "http://127.0.0.1/oauth/jwks.json");
    let token = token_of(&post(&gateway, "", &format!("{GRANT}&{ACME}")));
    let keys = get("/oauth/jwks.json");
    let key = &keys["keys"][0];
    assert_eq!(key["kid"], part(&token, 0)["kid"]);
    assert!(key.get("d").is_none(), "the private half stays here");
    // A second opinion of the signature.
    let number = |name: &str| URL_SAFE_NO_PAD.decode_to_vec(key[name].as_str().unwrap()).unwrap();
    let point = [&[4][..], &number("x"), &number("y")].concat();
    let verify = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED;
    let key = aws_lc_rs::signature::UnparsedPublicKey::new(verify, point);
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode_to_vec(signature).unwrap();
    key.verify(signed.as_bytes(), &signature).unwrap();
}

#[test]
fn the_contract_that_is_served_says_what_callers_have_to_show() {
    let upstream = Upstream::ok("fine");
    let gateway = start(&upstream);
    let document = gateway.connect().ask(format!(
        "GET /rates/openapi.json HTTP/1.1\r\nHost: a\r\n{}\r\n",
        format_args!(
            "Authorization: Bearer {}\r\n",
            token_of(&post(&gateway, "", &format!("{GRANT}&{ACME}")))
        )
    ));
    assert_eq!(document.status, 200, "{}", document.brief());
    let document: Value = serde_json::from_str(&document.text()).unwrap();
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!(schemes["pasarelaKey"]["name"], "X-API-Key");
    let flow = &schemes["pasarelaToken"]["flows"]["clientCredentials"];
    assert_eq!(flow["tokenUrl"], "http://127.0.0.1/oauth/token");
    assert_eq!(flow["scopes"], json!({"read": "", "write": ""}));
    let (get, put) = (&document["paths"]["/rates"]["get"], &document["paths"]["/rates"]["put"]);
    let ways = |scope: &str| json!([{"pasarelaKey": []}, {"pasarelaToken": [scope]}]);
    assert_eq!((&get["security"], &put["security"]), (&ways("read"), &ways("write")));
    assert_eq!(document["security"], json!([{"pasarelaKey": []}, {"pasarelaToken": []}]));
}

#[test]
fn t18_nobody_but_us_makes_tokens_of_ours() {
    let upstream = Upstream::ok("fine");
    let gateway = start(&upstream);
    let good = token_of(&post(&gateway, "", &format!("{GRANT}&{ACME}")));
    let (header, claims) = (part(&good, 0), part(&good, 1));
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode_to_string(value.to_string());
    let with = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        header
    };
    let body = good.split('.').nth(1).unwrap();
    let signature = good.split('.').nth(2).unwrap();
    let keys = gateway.connect().ask("GET /oauth/jwks.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    let by_hmac = {
        let signed = format!("{}.{body}", encoded(&with("alg", json!("HS256"))));
        let key = hmac::Key::new(hmac::HMAC_SHA256, keys.text().as_bytes());
        let tag = URL_SAFE_NO_PAD.encode_to_string(hmac::sign(&key, signed.as_bytes()).as_ref());
        format!("{signed}.{tag}")
    };
    let by_own_key = {
        let pair = Ed25519KeyPair::generate().unwrap();
        let x = URL_SAFE_NO_PAD.encode_to_string(pair.public_key());
        let mut header = with("alg", json!("EdDSA"));
        header["jwk"] = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
        let signed = format!("{}.{body}", encoded(&header));
        let made = URL_SAFE_NO_PAD.encode_to_string(pair.sign(signed.as_bytes()));
        format!("{signed}.{made}")
    };
    let mut more = claims;
    more["scope"] = json!("read write");
    for forged in [
        format!("{}.{body}.", encoded(&with("alg", json!("none")))),
        format!("{}.{body}.{signature}", encoded(&with("alg", json!("none")))),
        format!("{}.{}.{signature}", encoded(&header), encoded(&more)),
        format!("{}.{body}.{signature}", encoded(&with("kid", json!("other")))),
        by_hmac,
        by_own_key,
    ] {
        call(&gateway, "GET", "/rates/rates", &forged).assert_problem(401, "GW0005");
    }
    assert!(upstream.requests().is_empty());
    assert_eq!(call(&gateway, "GET", "/rates/rates", &good).status, 200);
}

/// Reloads, and waits until the worker has taken it up, which it shows at an address that is new each time.
fn reload(gateway: &Gateway, yaml: &str, number: usize) {
    let outcome = gateway.reload(&yaml.replace("path: /marker", &format!("path: /marker{number}")));
    assert!(matches!(outcome, Outcome::Reloaded(_)), "{outcome:?}");
    let taken = || gateway.get(&format!("/marker{number}")).status == 200;
    assert!(eventually(seconds(10), taken), "{}", gateway.log());
}

#[test]
fn l36_a_token_ends_with_what_it_was_issued_by() {
    let upstream = Upstream::ok("fine");
    let gateway = start(&upstream);
    let first = gateway.yaml();
    let token = token_of(&post(&gateway, "", &format!("{GRANT}&{ACME}")));
    let status = || call(&gateway, "GET", "/rates/rates", &token).status;
    assert_eq!(status(), 200);
    let client = "    clients: [{ id: acme-client, secrets: [{ file: acme.secret }] }]\n";
    for (number, (was, is, expected)) in [
        (", scopes: [read]", "", 403),
        ("{ api: rates, plan: free }, ", "", 403),
        (client, "", 401),
        ("id: acme-client", "id: acme-two", 401),
        ("audience: rates", "audience: elsewhere", 401),
        ("127.0.0.1\", audience", "127.0.0.2\", audience", 401),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(first.contains(was), "{was}");
        reload(&gateway, &first.replacen(was, is, 1), 2 * number);
        assert_eq!(status(), expected, "{was}");
        reload(&gateway, &first, 2 * number + 1);
        assert_eq!(status(), 200, "it is the same client's again: {was}");
    }
}

#[test]
fn a_secret_is_changed_while_both_are_good() {
    let upstream = Upstream::ok("fine");
    let gateway = start(&upstream);
    let first = gateway.yaml();
    let old = format!("{GRANT}&{ACME}");
    let next = format!("{GRANT}&client_id=acme-client&client_secret={KEY}");
    let statuses = || [&old, &next].map(|form| post(&gateway, "", form).status);
    let token = token_of(&post(&gateway, "", &old));
    assert_eq!(statuses(), [200, 401]);
    let both = "secrets: [{ file: acme.secret }, { file: next.secret }]";
    reload(&gateway, &first.replacen("secrets: [{ file: acme.secret }]", both, 1), 1);
    assert_eq!(statuses(), [200, 200]);
    reload(&gateway, &first.replacen("file: acme.secret", "file: next.secret", 1), 2);
    assert_eq!(statuses(), [401, 200]);
    // A token does not end with the secret that it was got by.
    assert_eq!(call(&gateway, "GET", "/rates/rates", &token).status, 200);
}

#[test]
fn l34_secrets_are_not_guessed_at_speed() {
    let upstream = Upstream::ok("fine");
    let gateway = start(&upstream);
    let guess = |number: usize| {
        post(&gateway, "", &format!("{GRANT}&client_id=acme-client&client_secret={number}"))
    };
    for number in 0..10 {
        assert_eq!(guess(number).status, 401);
    }
    let right = post(&gateway, "", &format!("{GRANT}&{ACME}"));
    assert_eq!(right.status, 401, "ten wrong ones were enough");
    let wait: u64 = right.get("retry-after").unwrap().parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
    assert_eq!(right.text(), guess(11).text());
    let other = post(&gateway, &basic(&format!("other-client:{KEY}")), GRANT);
    assert_eq!(other.status, 200, "another client is none of it");
}

#[test]
fn tokens_outlive_the_process_that_signed_them() {
    let upstream = Upstream::ok("fine");
    let mut gateway = start(&upstream);
    let token = token_of(&post(&gateway, "", &format!("{GRANT}&{ACME}")));
    gateway.kill_and_restart();
    let back =
        eventually(seconds(10), || call(&gateway, "GET", "/rates/rates", &token).status == 200);
    assert!(back, "the key is kept");
    let kept = std::fs::metadata(gateway.folder().join("data/signing-keys.json")).unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(kept.permissions().mode() & 0o777, 0o600);
    assert!(!gateway.log().contains("acme-secret"));
}

#[test]
fn nodes_on_one_store_take_each_others_tokens() {
    let Some(url) = postgres_database() else { return };
    let upstream = Upstream::ok("fine");
    let storage = format!("storage: \"{url}\"");
    let one = prepared(&upstream, &storage).start();
    let pepper = one.folder().join("data/pepper");
    let two =
        prepared(&upstream, &storage).env("PASARELA_PEPPER_FILE", pepper.to_str().unwrap()).start();
    let form = format!("{GRANT}&{ACME}");
    for (from, to) in [(&one, &two), (&two, &one)] {
        let token = token_of(&post(from, "", &form));
        assert_eq!(call(to, "GET", "/rates/rates", &token).status, 200, "{}", to.log());
    }
    let kept =
        |node: &Gateway| std::fs::read(node.folder().join("data/signing-keys.json")).unwrap();
    assert_eq!(kept(&one), kept(&two));
}

#[test]
fn t18_a_token_ends_with_the_key_that_signed_it() {
    let upstream = Upstream::ok("fine");
    let (here, elsewhere) = (start(&upstream), start(&upstream));
    let form = format!("{GRANT}&{ACME}");
    let [own, other] = [&here, &elsewhere].map(|node| token_of(&post(node, "", &form)));
    let status = |token: &str| call(&here, "GET", "/rates/rates", token).status;
    assert_eq!([status(&own), status(&other)], [200, 401]);
    let keys = |node: &Gateway| node.folder().join("data/signing-keys.json");
    std::fs::copy(keys(&elsewhere), keys(&here)).unwrap();
    reload(&here, &here.yaml(), 1);
    assert_eq!([status(&own), status(&other)], [401, 200]);
}
