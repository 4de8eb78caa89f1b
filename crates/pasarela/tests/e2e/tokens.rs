//! Tokens of issuers, by the real binary: who is known by one, what becomes of it, and where keys come from.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64_simd::URL_SAFE_NO_PAD;
use pasarela_testkit::{Gateway, Outcome, Response, Upstream};
use serde_json::{Value, json};

use crate::gateway;

const ISSUER: &str = "https://login.example/";

/// An issuer of tokens with one key.
pub(crate) struct Issuer {
    kid: String,
    key: Ed25519KeyPair,
}

impl Issuer {
    pub(crate) fn new(kid: &str) -> Self {
        Self { kid: kid.to_owned(), key: Ed25519KeyPair::generate().unwrap() }
    }

    pub(crate) fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode_to_string(self.key.public_key());
        json!({"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": x})
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode_to_string(value.to_string());
        let header = json!({"alg": "EdDSA", "kid": self.kid, "jku": "http://127.0.0.1:1/keys"});
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = URL_SAFE_NO_PAD.encode_to_string(self.key.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn claims(client: &str) -> Value {
    json!({"iss": ISSUER, "aud": ["rates"], "exp": now() + 300, "client_id": client})
}

fn top(keys: &str) -> String {
    format!(
        "plans: [{{ name: free, rate: 1000/s }}]\n\
         issuers:\n  - {{ name: login, issuer: \"{ISSUER}\", audience: rates, keys: {keys} }}\n\
         applications:\n\
         \x20 - name: acme\n\
         \x20   subscriptions: [{{ api: rates, plan: free }}, {{ api: orders, plan: free }}]\n\
         \x20   tokens: [{{ issuer: login, client: acme-client }}]\n\
         \x20 - name: other\n\
         \x20   tokens: [{{ issuer: login, client: other-client }}]\n"
    )
}

fn ask(gateway: &Gateway, path: &str, token: &str) -> Response {
    let mut client = gateway.connect();
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"));
    client.response()
}

/// `rates` for everybody who subscribes, `orders` only there for those who do.
fn start(upstream: &Upstream, keys: &str, set: &Value) -> Gateway {
    gateway()
        .file("jwks.json", set.to_string())
        .top(&top(keys))
        .api_with("rates", &[&upstream.url()], "plans: [free]")
        .api_with("orders", &[&upstream.url()], "plans: [free]\nvisibility: partner")
        .start()
}

#[test]
fn a_token_names_an_application_and_goes_on_to_the_service() {
    let upstream = Upstream::ok("fine");
    let issuer = Issuer::new("one");
    let gateway = start(&upstream, "{ file: jwks.json }", &json!({"keys": [issuer.jwk()]}));
    let token = issuer.token(&claims("acme-client"));
    for path in ["/rates/x", "/orders/x"] {
        assert_eq!(ask(&gateway, path, &token).status, 200, "{path}");
        let request = upstream.requests().pop().unwrap();
        assert_eq!(request.get("x-pasarela-application"), Some("acme"));
        assert_eq!(request.get("authorization"), Some(&*format!("Bearer {token}")));
    }
    let lines = gateway.access_lines(2);
    assert!(lines.iter().all(|line| line["application"] == "acme" && line["plan"] == "free"));
}

#[test]
fn t18_a_token_that_is_not_good_opens_nothing_and_says_why() {
    let upstream = Upstream::ok("fine");
    let (issuer, stranger) = (Issuer::new("one"), Issuer::new("one"));
    let gateway = start(&upstream, "{ file: jwks.json }", &json!({"keys": [issuer.jwk()]}));
    let with = |name: &str, value: Value| {
        let mut claims = claims("acme-client");
        claims[name] = value;
        issuer.token(&claims)
    };
    for (token, status, why) in [
        (with("exp", json!(now() - 100)), 401, "it has expired"),
        (with("nbf", json!(now() + 100)), 401, "it is not valid yet"),
        (with("aud", json!("orders")), 401, "meant for another audience"),
        (with("iss", json!("https://evil.example/")), 401, "its issuer is not known"),
        (stranger.token(&claims("acme-client")), 401, "its signature is wrong"),
        (issuer.token(&claims("nobody")), 401, "no application here goes by its client"),
        (issuer.token(&claims("other-client")), 403, "does not subscribe"),
        (with("pad", json!("x".repeat(9_000))), 401, "not a well-formed"),
    ] {
        let answer = ask(&gateway, "/rates/x", &token);
        assert_eq!(answer.status, status, "{}", answer.brief());
        assert!(answer.text().contains(why), "{}", answer.brief());
        // What only partners may see is not there for anybody else, whatever they show.
        assert_eq!(ask(&gateway, "/orders/x", &token).status, 404);
    }
    assert!(upstream.requests().is_empty());
    let keys = gateway.get("/rates/x");
    assert_eq!(keys.status, 401, "nothing shown");
}

/// Issuers' keys at a URL that counts how often it is asked.
fn key_server(set: &Arc<Mutex<Value>>, asked: &Arc<AtomicUsize>) -> Upstream {
    let (set, asked) = (Arc::clone(set), Arc::clone(asked));
    Upstream::handle(move |_| {
        asked.fetch_add(1, Ordering::SeqCst);
        let body = set.lock().unwrap().to_string();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into()
    })
}

#[test]
fn t20_keys_are_fetched_where_the_file_says_and_no_token_causes_a_second_retrieval_at_once() {
    let upstream = Upstream::ok("fine");
    let issuer = Issuer::new("one");
    let set = Arc::new(Mutex::new(json!({"keys": [issuer.jwk()]})));
    let asked = Arc::new(AtomicUsize::new(0));
    let server = key_server(&set, &asked);
    let keys = format!("{{ url: \"{}/keys\" }}", server.url());
    let gateway = start(&upstream, &keys, &json!({}));
    let token = issuer.token(&claims("acme-client"));
    assert_eq!(
        ask(&gateway, "/rates/x", &token).status,
        200,
        "keys are there from the first request on"
    );

    let mut client = gateway.connect();
    let begun = Instant::now();
    for number in 0..2_000 {
        let stranger =
            Issuer { kid: format!("kid-{number}"), key: Ed25519KeyPair::generate().unwrap() };
        let token = stranger.token(&claims("acme-client"));
        client.send(format!(
            "GET /rates/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"
        ));
        assert_eq!(client.response().status, 401);
    }
    let may = 1 + begun.elapsed().as_secs() as usize / 30;
    assert!(asked.load(Ordering::SeqCst) <= may, "{} retrievals", asked.load(Ordering::SeqCst));

    // A reload keeps what was fetched, and is no reason to ask again.
    let outcome = gateway.reload(&format!("{}\n# again\n", gateway.yaml()));
    assert!(matches!(outcome, Outcome::Reloaded(_)), "{outcome:?}");
    assert_eq!(ask(&gateway, "/rates/x", &token).status, 200);
    assert!(asked.load(Ordering::SeqCst) <= may);
}

#[test]
fn t20_an_issuer_that_is_down_delays_nobody_for_long_and_keys_come_when_it_is_back() {
    let upstream = Upstream::ok("fine");
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let keys = format!("{{ url: \"http://{}/keys\" }}", gone.local_addr().unwrap());
    // It takes connections and says nothing: the start waits no longer than two seconds.
    let begun = Instant::now();
    let gateway = start(&upstream, &keys, &json!({}));
    assert!(begun.elapsed() < Duration::from_secs(20));
    let token = Issuer::new("one").token(&claims("acme-client"));
    let answer = ask(&gateway, "/rates/x", &token);
    assert_eq!(answer.status, 401);
    assert!(answer.text().contains("its issuer has no such key"), "{}", answer.brief());
    gateway.await_log("the keys of an issuer cannot be fetched");
    assert_eq!(gateway.console("/readyz").status, 200);
}
