//! Signed requests: whose they are, what of them may not be changed, and that a body that was reaches nobody.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::AsDer as _,
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use pasarela_testkit::{Gateway, H2Client, Response, Upstream, seconds};

use crate::{KEY, gateway};

const SECRET: &str = "a secret of a good many bytes";

/// What signs.
pub(crate) enum Key {
    Hmac(Vec<u8>),
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

impl Key {
    #[allow(clippy::disallowed_methods, reason = "who signs with ECDSA needs a random number")]
    fn sign(&self, base: &[u8]) -> Vec<u8> {
        match self {
            Self::Hmac(secret) => {
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), base).as_ref().to_vec()
            }
            Self::Ed25519(key) => key.sign(base).as_ref().to_vec(),
            Self::P256(key) => key.sign(&SystemRandom::new(), base).unwrap().as_ref().to_vec(),
        }
    }

    /// Its public half, as openssl writes it.
    fn pem(&self) -> String {
        let der = match self {
            Self::Hmac(_) => panic!("it has none"),
            Self::Ed25519(key) => key.public_key().as_der().unwrap().as_ref().to_vec(),
            Self::P256(key) => key.public_key().as_der().unwrap().as_ref().to_vec(),
        };
        let text = base64(&der);
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }
}

fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

/// A request and how it is signed.
#[derive(Clone)]
pub(crate) struct Signing<'s> {
    pub(crate) keyid: &'s str,
    pub(crate) method: &'s str,
    pub(crate) scheme: &'s str,
    pub(crate) host: &'s str,
    pub(crate) path: &'s str,
    pub(crate) body: &'s [u8],
    /// More parameters, and when it was made from now.
    pub(crate) more: String,
    pub(crate) created: i64,
}

impl<'s> Signing<'s> {
    pub(crate) fn new(keyid: &'s str, method: &'s str, path: &'s str, body: &'s [u8]) -> Self {
        static NONCE: AtomicU64 = AtomicU64::new(0);
        let more = format!(";nonce=\"{}\"", NONCE.fetch_add(1, Ordering::Relaxed));
        Self { keyid, method, scheme: "http", host: "api.example", path, body, more, created: 0 }
    }

    /// The fields that say so, each with its line break.
    pub(crate) fn fields(&self, key: &Key) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let created = now.saturating_add_signed(self.created);
        let mut base = format!(
            "\"@method\": {}\n\"@target-uri\": {}://{}{}\n",
            self.method, self.scheme, self.host, self.path
        );
        let (mut covers, mut fields) = ("\"@method\" \"@target-uri\"".to_owned(), String::new());
        if !self.body.is_empty() {
            let said = format!("sha-256=:{}:", base64(digest(&SHA256, self.body).as_ref()));
            base += &format!("\"content-digest\": {said}\n");
            covers += " \"content-digest\"";
            fields += &format!("Content-Digest: {said}\r\n");
        }
        let input = format!("({covers});created={created};keyid=\"{}\"{}", self.keyid, self.more);
        base += &format!("\"@signature-params\": {input}");
        let signature = base64(&key.sign(base.as_bytes()));
        format!("{fields}Signature-Input: s={input}\r\nSignature: s=:{signature}:\r\n")
    }
}

/// `t` asks for an application; `acme` has three keys, `other` has one and an API key.
fn start(upstream: &Upstream, keys: &[Key; 2]) -> Gateway {
    gateway()
        .file("acme.hmac", SECRET)
        .file("other.hmac", "another one of a good many bytes")
        .file("other.key", KEY)
        .file("ed.pem", keys[0].pem())
        .file("p256.pem", keys[1].pem())
        .top(
            "plans: [{ name: any, rate: 1_000_000/s }]\n\
             applications:\n\
             \x20 - name: acme\n\
             \x20   subscriptions: [{ api: t, plan: any }]\n\
             \x20   signatures:\n\
             \x20     - { keyid: shared, hmac: { file: acme.hmac } }\n\
             \x20     - { keyid: ed, public_key: ed.pem }\n\
             \x20     - { keyid: p256, public_key: p256.pem }\n\
             \x20 - name: other\n\
             \x20   subscriptions: [{ api: t, plan: any }]\n\
             \x20   keys: [{ file: other.key }]\n\
             \x20   signatures: [{ keyid: other, hmac: { file: other.hmac } }]\n",
        )
        .api_with("t", &[&upstream.url()], "plans: [any]")
        .api_with("free", &[&upstream.url()], "")
        .start()
}

fn keys() -> [Key; 2] {
    let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    [Key::Ed25519(Ed25519KeyPair::generate().unwrap()), Key::P256(p256)]
}

fn shared() -> Key {
    Key::Hmac(SECRET.into())
}

fn send(gateway: &Gateway, signing: &Signing<'_>, fields: &str) -> Response {
    let length = match signing.body.len() {
        0 => String::new(),
        length => format!("Content-Length: {length}\r\n"),
    };
    let head = format!(
        "{} {} HTTP/1.1\r\nHost: {}\r\n{length}{fields}\r\n",
        signing.method, signing.path, signing.host
    );
    gateway.connect().ask([head.as_bytes(), signing.body].concat())
}

#[test]
fn whoever_signs_is_known_by_any_of_its_keys() {
    let (upstream, keys) = (Upstream::ok("fine"), keys());
    let gateway = start(&upstream, &keys);
    let [ed, p256] = keys;
    for (keyid, key) in [("shared", &shared()), ("ed", &ed), ("p256", &p256)] {
        for (method, body) in [("GET", &b""[..]), ("POST", b"{\"parcels\": [1, 2, 3]}")] {
            let signing = Signing::new(keyid, method, "/t/x?a=1&b=%20", body);
            let answer = send(&gateway, &signing, &signing.fields(key));
            assert_eq!(answer.status, 200, "{keyid} {method}: {}", answer.brief());
            let request = upstream.requests().pop().unwrap();
            assert_eq!(request.get("x-pasarela-application"), Some("acme"));
            assert_eq!(request.body, body);
            assert!(request.fields.has("signature") && request.fields.has("signature-input"));
        }
    }
    // Where nobody is asked who they are, what is signed is looked at all the same.
    let signing = Signing::new("shared", "POST", "/free/", b"body");
    let fields = signing.fields(&shared());
    assert_eq!(send(&gateway, &signing, &fields).status, 200);
    let other = Signing { body: b"BODY", ..Signing::new("shared", "POST", "/free/", b"body") };
    let fields = Signing { body: b"body", ..other.clone() }.fields(&shared());
    send(&gateway, &other, &fields).assert_problem(401, "GW0075");
}

#[test]
fn whatever_is_changed_on_the_way_is_refused_and_reaches_nobody() {
    let (upstream, keys) = (Upstream::ok("fine"), keys());
    let gateway = start(&upstream, &keys);
    let body = b"{\"pay\": 10}";
    let one = || Signing::new("shared", "POST", "/t/pay?to=acme", body);
    let change = |changed: Signing<'_>, code: &str| {
        let fields = Signing { more: changed.more.clone(), ..one() }.fields(&shared());
        let answer = send(&gateway, &changed, &fields);
        answer.assert_problem(401, code);
        assert!(answer.fields.has("www-authenticate"), "RFC 9110, 11.6.1");
    };
    change(Signing { method: "PUT", ..one() }, "GW0073");
    change(Signing { path: "/t/pay?to=evil", ..one() }, "GW0073");
    change(Signing { path: "/t/pay", ..one() }, "GW0073");
    change(Signing { path: "/t/Pay?to=acme", ..one() }, "GW0073");
    change(Signing { host: "other.example", ..one() }, "GW0073");
    change(Signing { body: b"{\"pay\": 99}", ..one() }, "GW0075");
    change(Signing { body: b"{\"pay\": 10}\n", ..one() }, "GW0075");
    // What was signed says so itself.
    let fields = |signing: &Signing<'_>| signing.fields(&shared());
    for (from, to, code) in [
        ("keyid=\"shared\"", "keyid=\"other\"", "GW0073"),
        ("keyid=\"shared\"", "keyid=\"nobody\"", "GW0073"),
        ("sha-256=:", "sha-512=:", "GW0073"),
        ("Signature: s=:", "Signature: t=:", "GW0072"),
        ("s=(\"@method\" ", "s=(", "GW0073"),
        (";nonce=", ";tag=\"x\";nonce=", "GW0072"),
        ("s=(", "s = (", "GW0072"),
        ("Signature-Input: ", "Signature-Input: s=();created=1;keyid=\"shared\", ", "GW0072"),
    ] {
        let signing = one();
        let changed = fields(&signing).replacen(from, to, 1);
        send(&gateway, &signing, &changed).assert_problem(401, code);
    }
    // A body that is not covered.
    let bare = Signing { body: b"", ..one() };
    send(&gateway, &one(), &fields(&bare)).assert_problem(401, "GW0072");
    for created in [-70, 70] {
        let signing = Signing { created, ..one() };
        send(&gateway, &signing, &fields(&signing)).assert_problem(401, "GW0074");
    }
    let signing = one();
    let own = format!("{}X-API-Key: {KEY}\r\n", fields(&signing));
    send(&gateway, &signing, &own).assert_problem(401, "GW0005");
    assert!(upstream.requests().is_empty() && upstream.cut().is_empty());
    // The same once more is not the same.
    let signing = one();
    let once = fields(&signing);
    assert_eq!(send(&gateway, &signing, &once).status, 200);
    send(&gateway, &signing, &once).assert_problem(401, "GW0074");
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_signed_body_is_held_in_whatever_pieces_it_comes() {
    let (upstream, keys) = (Upstream::ok("fine"), keys());
    let gateway = start(&upstream, &keys);
    let body = vec![b'x'; 300_000];
    for (last, status) in [(b'x', 200), (b'y', 401)] {
        let signing = Signing::new("shared", "POST", "/t/", &body);
        let mut client = gateway.connect();
        client.send(format!(
            "POST /t/ HTTP/1.1\r\nHost: api.example\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n{}\r\n",
            signing.fields(&shared())
        ));
        assert_eq!(client.one_head().status, 100);
        for piece in body[1..].chunks(70_000) {
            client.send(format!("{:x}\r\n", piece.len())).send(piece).send("\r\n");
        }
        let before = upstream.requests().len();
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!((upstream.requests().len(), upstream.cut().len()), (before, 0), "all is held");
        client.send("1\r\n").send([last]).send("\r\n0\r\n\r\n");
        assert_eq!(client.response_to("POST").status, status);
    }
    assert_eq!(upstream.only_request().length, 300_000);
}

#[test]
fn http_2_is_signed_in_the_same_way() {
    let (upstream, keys) = (Upstream::ok("fine"), keys());
    let gateway = start(&upstream, &keys);
    let mut client: H2Client = gateway.connect_h2();
    for (path, status) in [("/t/x?y", 200), ("/t/x?z", 401)] {
        let signing = Signing::new("shared", "GET", "/t/x?y", b"");
        let fields = signing.fields(&shared());
        let mut all = vec![
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "api.example"),
            (":path", path),
        ];
        let own: Vec<(String, &str)> = fields
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value))
            .collect();
        all.extend(own.iter().map(|(name, value)| (&**name, *value)));
        let stream = client.request(&all);
        let outcome = client.outcome(stream, seconds(10));
        assert_eq!(outcome.status, status, "{}", outcome.text());
    }
}
