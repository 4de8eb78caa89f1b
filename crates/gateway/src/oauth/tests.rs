//! Tokens that we issue: what a client has to show, what it gets, and with which key that is signed.

use std::{net::IpAddr, sync::Arc, time::Duration};

use pasarela_model::{Application, KeyDigest, Plan, Secret, SigningKey, Subscription};

use super::*;

const NOW: u64 = 1_795_594_500;
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn key(from: u64) -> SigningKey {
    SigningKey { pkcs8: new_key().unwrap(), from, until: from + 100 }
}

fn issuing(keys: Vec<SigningKey>) -> Issuing {
    Issuing {
        issuer: "https://api.example".to_owned(),
        host: "api.example".to_owned(),
        audience: "https://api.example".to_owned(),
        lifetime: Duration::from_secs(600),
        keys: keys.into(),
    }
}

fn secret(text: &str, expires: Option<u64>) -> StoredKey {
    let expires = expires.map(|at| Timestamp::from_millis(i64::try_from(at * 1000).unwrap()));
    StoredKey::new(KeyDigest(Sha256::digest(text).into()), expires)
}

/// `acme` has two secrets, one of which runs out; `read` and `write` are granted to it.
fn snapshot() -> Snapshot {
    let acme = Application {
        name: "acme".to_owned(),
        subscriptions: vec![Subscription { api: 0, plan: 0 }],
        credentials: vec![Credential::Client {
            id: "acme-client".to_owned(),
            secrets: vec![secret("old", Some(NOW + 50)), secret("s3cr3t/+ ü", None)],
        }],
        scopes: Scopes::of_text("write"),
        ..Application::default()
    };
    let plan = Plan { scopes: Scopes::of_text("read"), ..Plan::new("free") };
    let applications = vec![Application::default(), acme].into();
    Snapshot { applications, plans: vec![plan], ..Snapshot::default() }
}

struct Desk {
    office: Office,
    snapshot: Snapshot,
    guesses: Guesses,
}

impl Desk {
    fn new(keys: Vec<SigningKey>) -> Self {
        let snapshot = snapshot();
        let office = Office::new(&issuing(keys), &snapshot).unwrap();
        Self { office, snapshot, guesses: Guesses::default() }
    }

    fn ask(&self, authorization: Option<&str>, body: &str, now: u64) -> Result<Issued, Denied> {
        let asking = Asking {
            authorization: authorization.map(str::as_bytes),
            media: b"Application/x-www-form-urlencoded; charset=utf-8",
            body: body.as_bytes(),
            client: HERE,
            now_ms: now * 1000,
        };
        self.office.issue(&asking, &self.snapshot, &self.guesses, |_| true)
    }
}

const GOOD: &str =
    "grant_type=client_credentials&client_id=acme-client&client_secret=s3cr3t%2F%2B+%C3%BC";

fn basic(pair: &str) -> String {
    format!("Basic {}", base64_simd::STANDARD.encode_to_string(pair))
}

#[test]
fn a_client_gets_what_it_asks_for_and_no_more() {
    let desk = Desk::new(vec![key(NOW)]);
    for (more, scopes) in [
        ("", Ok("read write")),
        ("&scope=", Ok("read write")),
        ("&scope=read", Ok("read")),
        ("&scope=write+read", Ok("read write")),
        ("&scope=admin", Err(Denied::Scope)),
        ("&scope=read+admin", Err(Denied::Scope)),
        ("&scope=read++write", Err(Denied::Scope)),
        ("&scope=+", Err(Denied::Scope)),
        ("&scope=re%22ad", Err(Denied::Scope)),
        ("&scope=read&scope=write", Err(Denied::Request("a parameter is repeated"))),
    ] {
        let issued = desk.ask(None, &format!("{GOOD}{more}"), NOW);
        let found = issued.as_ref().map(|issued| issued.scopes.to_string()).map_err(Clone::clone);
        assert_eq!(found, scopes.map(str::to_owned), "{more}");
        assert!(issued.is_err() || issued.is_ok_and(|issued| issued.application == 1));
    }
}

#[test]
fn t17_whatever_is_wrong_with_a_client_is_told_in_one_way() {
    let desk = Desk::new(vec![key(NOW)]);
    let grant = "grant_type=client_credentials";
    let good = basic("acme-client:s3cr3t%2F%2B+%C3%BC");
    let nobody = |basic| Denied::Client { basic, wait: None };
    let invalid = Denied::Request;
    for (authorization, body, expected) in [
        (Some(good.clone()), grant.to_owned(), None),
        (Some(good.clone()), format!("{grant}&client_id=acme-client"), None),
        (None, format!("{grant}&client_id=acme-client"), Some(nobody(false))),
        (None, grant.to_owned(), Some(nobody(false))),
        (None, format!("{grant}&client_id=a&client_secret=b"), Some(nobody(false))),
        (None, format!("{grant}&client_id=acme-client&client_secret=b"), Some(nobody(false))),
        (Some(basic("a:b")), grant.to_owned(), Some(nobody(true))),
        (Some(basic("acme-client")), grant.to_owned(), Some(nobody(true))),
        (Some("Bearer x".to_owned()), grant.to_owned(), Some(nobody(true))),
        (None, format!("{GOOD}&grant_type=x"), Some(invalid("a parameter is repeated"))),
        (None, GOOD.replace("client_credentials", "password"), Some(Denied::Grant)),
        (None, GOOD.replace("client_credentials", ""), Some(invalid("grant_type is missing"))),
        (Some(good.clone()), GOOD.to_owned(), Some(invalid("the client shows itself in two ways"))),
        (
            Some(good),
            format!("{grant}&client_id=other"),
            Some(invalid("client_id is not the client in Authorization")),
        ),
        (None, format!("{GOOD}&scope=%ff"), Some(invalid("a parameter is not UTF-8 text"))),
    ] {
        let found = desk.ask(authorization.as_deref(), &body, NOW).err();
        assert_eq!(found, expected, "{authorization:?} {body}");
    }
}

#[test]
fn a_secret_counts_until_it_runs_out_and_the_new_one_beside_it() {
    let desk = Desk::new(vec![key(NOW)]);
    let old = "grant_type=client_credentials&client_id=acme-client&client_secret=old";
    assert!(desk.ask(None, old, NOW + 49).is_ok() && desk.ask(None, GOOD, NOW + 49).is_ok());
    assert!(desk.ask(None, old, NOW + 50).is_err() && desk.ask(None, GOOD, NOW + 50).is_ok());
}

#[test]
fn l34_who_guesses_secrets_is_not_told_when_one_is_right() {
    let desk = Desk::new(vec![key(NOW)]);
    for client in ["acme-client", "nobody"] {
        let body = |secret: &str| {
            format!("grant_type=client_credentials&client_id={client}&client_secret={secret}")
        };
        for number in 0..10 {
            let denied = desk.ask(None, &body(&number.to_string()), NOW).unwrap_err();
            let wait = (number == 9).then_some(900);
            assert_eq!(denied, Denied::Client { basic: false, wait }, "{client} {number}");
        }
    }
    let denied = desk.ask(None, GOOD, NOW + 100).unwrap_err();
    assert_eq!(denied, Denied::Client { basic: false, wait: Some(800) });
    assert!(desk.ask(None, GOOD, NOW + 900).is_ok());
}

#[test]
fn a_token_is_one_of_the_issuer_whoever_signed_it_last() {
    let keys = vec![key(NOW), key(NOW + 100)];
    let desk = Desk::new(keys);
    let issuers = jwt::Issuers::new(vec![desk.office.as_issuer().unwrap()]);
    let kid = |token: &str| {
        let header = token.split('.').next().unwrap();
        let header = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(header).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
        assert_eq!((&header["alg"], &header["typ"]), (&json!("ES256"), &json!("at+jwt")));
        header["kid"].as_str().unwrap().to_owned()
    };
    let published: serde_json::Value = serde_json::from_str(desk.office.keys()).unwrap();
    for (at, number) in [(NOW - 1, 0), (NOW + 99, 0), (NOW + 100, 1), (NOW + 9_999, 1)] {
        let issued = desk.ask(None, GOOD, at).unwrap();
        assert_eq!(published["keys"][number]["kid"], kid(&issued.token), "{at}");
        let verified = issuers.verify(issued.token.as_bytes(), at).unwrap();
        assert_eq!((verified.client.as_str(), verified.until), ("acme-client", at + 660));
    }
    assert!(published["keys"].as_array().unwrap().iter().all(|key| key.get("d").is_none()));
    let two = [0, 1].map(|_| desk.ask(None, GOOD, NOW).unwrap().token);
    assert_ne!(two[0], two[1]);
}

#[test]
fn what_is_no_key_is_told() {
    let broken = SigningKey { pkcs8: Secret::new("x"), from: 0, until: 1 };
    let keys: Arc<[SigningKey]> = Arc::new([broken]);
    let issuing = Issuing { keys, ..issuing(Vec::new()) };
    assert!(Office::new(&issuing, &snapshot()).is_err());
    assert!(Office::new(&super::tests::issuing(Vec::new()), &snapshot()).is_err());
}

#[test]
fn its_addresses_are_those_of_its_host() {
    let desk = Desk::new(vec![key(NOW)]);
    let door = |host: &str, path: &str| desk.office.door(host, path);
    assert_eq!(door("api.example", "/oauth/token"), Some(Door::Token));
    assert_eq!(door("api.example", "/oauth/jwks.json"), Some(Door::Keys));
    assert_eq!(door("other.example", "/oauth/token"), None);
    assert_eq!(door("api.example", "/oauth/token/"), None);
    let metadata: serde_json::Value = serde_json::from_str(desk.office.metadata()).unwrap();
    assert_eq!(metadata["token_endpoint"], "https://api.example/oauth/token");
    assert_eq!(metadata["jwks_uri"], "https://api.example/oauth/jwks.json");
}
