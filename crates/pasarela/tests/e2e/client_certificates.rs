//! Applications that are known by the certificate of their connection (T22): whose it is, how long it counts, what the service
//! learns of it.

use std::fs;

use base64_simd::STANDARD;
use pasarela_testkit::{
    Authority, Builder, ClientTls, Gateway, H2Client, Identity, RawClient, Upstream, eventually,
    seconds,
};
use rcgen::{CertificateParams, SanType};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use sha2::{Digest as _, Sha256};

use crate::gateway;

const KEY: &str = "pk_somebody_elses_xxxxxxxxxxxxxxxxxxxx";
const SERIAL: u64 = 4711;

/// Applications by what their certificates are called; each subscribes to `t`, and `other` has a key.
fn start(authority: &Authority, upstream: &Upstream, client: &str, pinned: &Identity) -> Gateway {
    builder(authority, upstream, client, pinned).start()
}

fn builder(authority: &Authority, upstream: &Upstream, client: &str, pinned: &Identity) -> Builder {
    let builder = gateway().listen("tls: 127.0.0.1:0").api_with(
        "t",
        &[&upstream.url()],
        "plans: [any]\nclient_cert: true",
    );
    authority.issue(&["api.example"]).write(builder.folder(), "site");
    fs::write(builder.folder().join("ca.pem"), &authority.pem).unwrap();
    fs::write(builder.folder().join("revoked.pem"), authority.revokes(&[1])).unwrap();
    let subscriptions = "subscriptions: [{ api: t, plan: any }]";
    builder.env("KEY", KEY).top(&format!(
        "tls: {{ certificates: [{{ cert: site.pem, key: site.key }}], client: {client}, client_ca: ca.pem, client_crl: revoked.pem }}
plans: [{{ name: any, rate: 10_000/s }}]
applications:
  - {{ name: by-dns, {subscriptions}, client_certificates: [{{ dns: Tracker.acme.com }}] }}
  - {{ name: by-uri, {subscriptions}, client_certificates: [{{ uri: \"spiffe://acme/tracker\" }}] }}
  - {{ name: by-key, {subscriptions}, client_certificates: [{{ key_sha256: \"{}\" }}] }}
  - {{ name: stranger, client_certificates: [{{ dns: stranger.example }}] }}
  - {{ name: near, {subscriptions}, client_certificates: [{{ dns: near.example }}], networks: [10.0.0.0/8] }}
  - {{ name: other, {subscriptions}, keys: [{{ env: KEY }}] }}",
        key_digest(pinned),
    ))
}

/// SHA-256 of the public key, as `openssl` would tell it: rcgen's public key file is SubjectPublicKeyInfo.
fn key_digest(identity: &Identity) -> String {
    let key = rcgen::KeyPair::from_pem(&identity.key).unwrap();
    let spki = key.public_key_pem();
    let base64: String = spki.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode_to_vec(base64).unwrap();
    Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn connect(gateway: &Gateway, authority: &Authority, shown: Option<&Identity>) -> RawClient {
    gateway.connect_tls(&tls(authority, shown))
}

fn tls(authority: &Authority, shown: Option<&Identity>) -> ClientTls {
    let tls = ClientTls::new("api.example", authority);
    match shown {
        Some(identity) => tls.identity(identity.clone()),
        None => tls,
    }
}

fn ask(client: &mut RawClient, more: &str) -> (u16, String) {
    let answer = client.ask(format!("GET /t/ HTTP/1.1\r\nHost: api.example\r\n{more}\r\n"));
    (answer.status, answer.text())
}

fn uri(names: &[&str]) -> impl FnOnce(&mut CertificateParams) {
    let names: Vec<_> =
        names.iter().map(|name| SanType::URI((*name).try_into().unwrap())).collect();
    move |params| params.subject_alt_names.extend(names)
}

#[test]
fn t22_an_application_is_known_by_a_whole_name_or_a_pin_and_by_nothing_less() {
    let (authority, upstream) = (Authority::new("partners"), Upstream::echo());
    let pinned = authority.issue(&["whatever.example"]);
    let gateway = start(&authority, &upstream, "optional", &pinned);
    let issue = |names: &[&str]| authority.issue(names);
    let of_uri = |names: &[&str]| authority.issue_with(&[], uri(names));
    let renewed = {
        // Another certificate of the same key.
        let key = rcgen::KeyPair::from_pem(&pinned.key).unwrap();
        authority.issue_for(&["renamed.example"], &key, |_| ())
    };
    let known = [
        ("a name", issue(&["tracker.acme.com"])),
        ("a name in capitals", issue(&["TRACKER.acme.com"])),
        ("one of several names", issue(&["x.example", "tracker.acme.com"])),
        ("a URI", of_uri(&["spiffe://acme/tracker"])),
        ("one of several URIs", of_uri(&["spiffe://acme/else", "spiffe://acme/tracker"])),
        ("a pinned key", pinned.clone()),
        ("a pinned key in a new certificate", renewed),
    ];
    for (what, identity) in &known {
        let (status, text) = ask(&mut connect(&gateway, &authority, Some(identity)), "");
        assert_eq!(status, 200, "{what}: {text}");
    }
    let nobody = [
        ("another name", issue(&["other.acme.com"])),
        ("a wildcard over the name", issue(&["*.acme.com"])),
        ("the parent", issue(&["acme.com"])),
        ("a child", issue(&["a.tracker.acme.com"])),
        ("a name that ends like it", issue(&["xtracker.acme.com"])),
        ("a common name only", {
            authority.issue_with(&["tracker.acme.com"], |params| params.subject_alt_names.clear())
        }),
        ("an address", issue(&["10.0.0.1"])),
        ("the name as a URI", of_uri(&["tracker.acme.com:x"])),
        ("a URI above", of_uri(&["spiffe://acme/"])),
        ("a URI below", of_uri(&["spiffe://acme/tracker/x"])),
        ("a URI in other letters", of_uri(&["spiffe://ACME/tracker"])),
        ("no name", authority.issue(&[])),
    ];
    for (what, identity) in &nobody {
        let (status, text) = ask(&mut connect(&gateway, &authority, Some(identity)), "");
        assert!(status == 401 && text.contains("GW0004"), "{what}: {status} {text}");
    }
    let mut of_two = authority.issue_with(&["tracker.acme.com"], uri(&["spiffe://acme/tracker"]));
    for _ in 0..2 {
        let (status, text) = ask(&mut connect(&gateway, &authority, Some(&of_two)), "");
        assert!(status == 401 && text.contains("two applications"), "{status} {text}");
        of_two = authority.issue(&["tracker.acme.com", "stranger.example"]);
    }
    let (status, text) =
        ask(&mut connect(&gateway, &authority, Some(&issue(&["stranger.example"]))), "");
    assert!(status == 403 && text.contains("GW0006"), "does not subscribe: {status} {text}");
    let (status, text) =
        ask(&mut connect(&gateway, &authority, Some(&issue(&["near.example"]))), "");
    assert!(status == 403 && text.contains("GW0070"), "not from here: {status} {text}");
    assert_eq!(ask(&mut connect(&gateway, &authority, None), "").0, 401);
}

#[test]
fn a_key_beside_a_certificate_is_of_the_same_application() {
    let (authority, upstream) = (Authority::new("partners"), Upstream::echo());
    let mine = authority.issue(&["tracker.acme.com"]);
    let gateway = start(&authority, &upstream, "optional", &authority.issue(&["x.example"]));
    let key = format!("X-API-Key: {KEY}\r\n");
    let mut client = connect(&gateway, &authority, Some(&mine));
    let (status, text) = ask(&mut client, &key);
    assert!(status == 401 && text.contains("two applications"), "{status} {text}");
    assert_eq!(ask(&mut client, "X-API-Key: no_such_key_0123456789abcdef\r\n").0, 401);
    assert_eq!(ask(&mut client, "").0, 200);
    // A certificate that is nobody's says nothing: the key does.
    let nobody = authority.issue(&["nobody.example"]);
    assert_eq!(ask(&mut connect(&gateway, &authority, Some(&nobody)), &key).0, 200);
}

#[test]
fn the_service_learns_the_certificate_from_us_and_from_nobody_else() {
    let (authority, upstream) = (Authority::new("partners"), Upstream::ok("ok"));
    let mine = authority.issue(&["tracker.acme.com"]);
    let gateway = start(&authority, &upstream, "optional", &authority.issue(&["x.example"]));
    let forged = "Client-Cert: :AAAA:\r\nclient-cert-chain: :AAAA:\r\nX-Client-Cert: x\r\n\
                  X-Forwarded-Client-Cert: By=x\r\nX-SSL-Client-Verify: SUCCESS\r\n";
    assert_eq!(ask(&mut connect(&gateway, &authority, Some(&mine)), forged).0, 200);
    let mut h2 = H2Client::tls(gateway.address_of("tls"), tls(&authority, Some(&mine)));
    let stream = h2.request(&[
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "api.example"),
        (":path", "/t/"),
        ("client-cert", ":AAAA:"),
    ]);
    assert_eq!(h2.outcome(stream, seconds(5)).status, 200);
    let key = format!("X-API-Key: {KEY}\r\n{forged}");
    assert_eq!(ask(&mut connect(&gateway, &authority, None), &key).0, 200);

    let der = CertificateDer::from_pem_slice(mine.certificate.as_bytes()).unwrap();
    let expected = format!(":{}:", STANDARD.encode_to_string(&der));
    let said = |index: usize| {
        let request = &upstream.requests()[index];
        let all = request.fields.0.iter();
        all.filter(|(name, _)| name.to_lowercase().contains("cert") || name.contains("SSL"))
            .map(|(name, value)| (name.to_lowercase(), value.clone()))
            .collect::<Vec<_>>()
    };
    for index in [0, 1] {
        assert_eq!(said(index), [("client-cert".to_owned(), expected.clone())], "{index}");
    }
    assert_eq!(said(2), []);
}

#[test]
fn l36_a_certificate_that_is_revoked_ends_on_connections_that_are_open() {
    let (authority, upstream) = (Authority::new("partners"), Upstream::echo());
    let serial = |params: &mut CertificateParams| params.serial_number = Some(SERIAL.into());
    let mine = authority.issue_with(&["tracker.acme.com"], serial);
    let lasting = authority.issue(&["tracker.acme.com"]);
    let gateway = start(&authority, &upstream, "required", &authority.issue(&["x.example"]));
    let mut open = connect(&gateway, &authority, Some(&mine));
    let mut other = connect(&gateway, &authority, Some(&lasting));
    assert_eq!((ask(&mut open, "").0, ask(&mut other, "").0), (200, 200));

    let list = gateway.folder().join("revoked.pem");
    fs::write(list.with_extension("new"), authority.revokes(&[1, SERIAL])).unwrap();
    fs::rename(list.with_extension("new"), &list).unwrap();
    let mut last = (0, String::new());
    assert!(
        eventually(seconds(10), || {
            last = ask(&mut open, "");
            last.0 == 403
        }),
        "{last:?}"
    );
    assert!(last.1.contains("GW0071"), "{last:?}");
    assert_eq!(ask(&mut other, "").0, 200);
    // Nor does it get in again. TLS 1.3 has the client hear of it only when it reads.
    let again = RawClient::tls(gateway.address_of("tls"), &tls(&authority, Some(&mine)));
    let heard = again.map_err(drop).and_then(|mut client| {
        let sent = client.try_send("GET /t/ HTTP/1.1\r\nHost: api.example\r\n\r\n");
        sent.map_err(drop)?;
        client.try_response("GET").map_err(drop)
    });
    assert!(heard.is_err(), "{:?}", heard.map(|answer| answer.brief()));
}

#[test]
fn t22_a_certificate_ends_while_its_connection_is_open() {
    let (authority, upstream) = (Authority::new("partners"), Upstream::echo());
    let brief = |params: &mut CertificateParams| {
        params.not_after = (std::time::SystemTime::now() + seconds(4)).into();
    };
    let mine = authority.issue_with(&["tracker.acme.com"], brief);
    let gateway = start(&authority, &upstream, "required", &authority.issue(&["x.example"]));
    let mut open = connect(&gateway, &authority, Some(&mine));
    let mut seen = Vec::new();
    assert!(eventually(seconds(15), || {
        seen.push(ask(&mut open, "").0);
        seen.last() == Some(&403)
    }));
    assert_eq!(seen.first(), Some(&200), "{seen:?}");
    seen.dedup();
    assert_eq!(seen, [200, 403]);
}
