//! WS-Security: who is believed, by what, and when not any more.
//!
//! `fixtures/security` holds messages that foreign libraries signed (`peers/soap/security/sign.py`); what they do not sign is signed
//! here, with keys of the moment.

use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use pasarela_soap::{
    Limits,
    envelope::Opener,
    security::{
        Accepted, Certificate, DistinguishedName, Holders, KnownPassword, Message, Passwords,
        Policy, Refused, Why, X509, authority, examine,
    },
    xml::Reader,
};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

use crate::signer::{SOAP, Signer, base64, digest_user, message, params, text_user, timestamp};

/// 2027-01-01T00:00:00Z, when everything here happens.
pub(crate) const NOW: u64 = 1_798_761_600;
pub(crate) const CREATED: &str = "2027-01-01T00:00:00Z";

pub(crate) fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/security");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// The certificate in a PEM file.
fn pem(text: &str) -> Certificate {
    let inner = text.split("-----").nth(2).unwrap();
    let der = base64_simd::forgiving_decode_to_vec(inner.as_bytes()).unwrap();
    Certificate::read(&der).unwrap()
}

/// What is asked of signatures unless something else is.
pub(crate) fn x509() -> X509 {
    X509 { anchors: Vec::new(), body: true, timestamp: true, addressing: true }
}

/// Signatures and users of any kind.
pub(crate) fn policy() -> Policy {
    Policy { username: Some(Passwords::Any), x509: Some(x509()), timestamp: false, legacy: false }
}

/// `alice` has a password, `bob` one of which the digest is known; 3 and 4 are known by the certificates of the fixtures.
pub(crate) fn holders() -> Holders {
    let mut holders = Holders::default();
    holders.add_user("alice", KnownPassword::text("open sesame"), 1);
    let known = digest(&SHA256, b"open sesame").as_ref().try_into().unwrap();
    holders.add_user("bob", KnownPassword::Sha256(known), 2);
    holders.add_certificate(pem(&fixture("rsa.pem")), 3);
    holders.add_certificate(pem(&fixture("ec.pem")), 4);
    holders
}

/// Examines a message as the gateway does.
pub(crate) fn examined(
    policy: &Policy,
    holders: &Holders,
    message: &str,
    now: u64,
) -> Result<Accepted, Refused> {
    let mut reader = Reader::new(message.as_bytes(), &Limits::default()).unwrap();
    let body_at = Opener::open(&mut reader).map_err(Refused::Message)?.body_at;
    let message = Message { bytes: message.as_bytes(), charset: None, body_at, alone: true };
    examine(policy, holders, message, now, &Limits::default())
}

/// Whose a message is, or why nobody's.
pub(crate) fn whose(policy: &Policy, holders: &Holders, message: &str) -> Result<usize, Why> {
    match examined(policy, holders, message, NOW) {
        Ok(accepted) => Ok(accepted.holder),
        Err(Refused::Security { why, .. }) => Err(why),
        Err(Refused::Password(_)) => Err(Why::Authentication),
        Err(Refused::Message(refusal)) => panic!("{}\n{message}", refusal.fault),
    }
}

/// A message that this one signed: its Timestamp and its Body.
pub(crate) fn signed(signer: &Signer) -> String {
    signer.sign(&message(&format!("{}{{}}", timestamp(CREATED, ""))), &["T", "B"])
}

/// Somebody who is known by the certificate of a signer.
pub(crate) fn known(signer: &Signer) -> Holders {
    let mut holders = holders();
    holders.add_certificate(Certificate::read(&signer.der).unwrap(), 7);
    holders
}

#[test]
fn a_user_is_known_by_a_password_or_by_a_digest_of_it() {
    let (policy, holders) = (policy(), holders());
    let whose = |security: &str| whose(&policy, &holders, &message(security));
    assert_eq!(whose(&text_user("alice", "open sesame")), Ok(1));
    assert_eq!(whose(&text_user("bob", "open sesame")), Ok(2));
    let untyped = text_user("alice", "open <!-- -->sesame").replace("Type=", "Kind=");
    assert_eq!(whose(&untyped), Ok(1), "PasswordText is what is meant without a type");
    assert_eq!(whose(&digest_user("alice", "open sesame", b"0123456789abcdef", CREATED)), Ok(1));
    for wrong in [
        text_user("alice", "open sesam"),
        text_user("alice", ""),
        text_user("Alice", "open sesame"),
        text_user("", "nobody has this one"),
        text_user("mallory", "nobody has this one"),
        digest_user("alice", "open sesam", b"0123456789abcdef", CREATED),
        digest_user("bob", "open sesame", b"0123456789abcdef", CREATED),
    ] {
        assert_eq!(whose(&wrong), Err(Why::Authentication), "{wrong}");
    }
    let known = "0cb5e8f4a02d6d49fd4ebfd18a8f1a5a";
    assert_eq!(whose(&text_user("bob", known)), Err(Why::Authentication));
}

#[test]
fn a_digest_may_come_once_wherever_its_nonce_is_said_to_end() {
    let (policy, holders) = (policy(), holders());
    let once = |security: &str| {
        examined(&policy, &holders, &message(security), NOW).map(|accepted| accepted.once)
    };
    let first = once(&digest_user("alice", "open sesame", b"nonce ", CREATED)).unwrap();
    assert_eq!(first.len(), 1);
    // The digest is of nonce and time, one after the other: the blank may be of either.
    let moved = digest_user("alice", "open sesame", b"nonce ", CREATED)
        .replace(&base64(b"nonce "), &base64(b"nonce"))
        .replace(CREATED, &format!(" {CREATED}"));
    assert_eq!(once(&moved).unwrap(), first);
    let other = once(&digest_user("alice", "open sesame", b"other", CREATED)).unwrap();
    assert_ne!(other, first);
    assert_eq!(once(&text_user("alice", "open sesame")).unwrap(), Vec::<[u8; 32]>::new());
}

#[test]
fn a_digest_is_of_now_and_has_what_makes_it_one() {
    let (policy, holders) = (policy(), holders());
    let token = |nonce: &[u8], created: &str| digest_user("alice", "open sesame", nonce, created);
    let whose = |security: &str| whose(&policy, &holders, &message(security));
    for fresh in ["2026-12-31T23:55:00Z", "2027-01-01T00:05:00.999Z", "2027-01-01T01:00:00+01:00"] {
        assert_eq!(whose(&token(b"n", fresh)), Ok(1), "{fresh}");
    }
    for old in ["2026-12-31T23:54:59Z", "2027-01-01T00:05:01Z", "2027-01-01T00:00:00-01:00"] {
        assert_eq!(whose(&token(b"n", old)), Err(Why::Expired), "{old}");
    }
    for bad in [
        token(b"", CREATED),
        token(&[7; 129], CREATED),
        token(b"n", "yesterday"),
        token(b"n", CREATED).replace("wsse:Nonce", "wsse:Once"),
        token(b"n", CREATED).replace("wsu:Created", "wsu:Made"),
        token(b"n", CREATED).replace(
            "</wsse:UsernameToken>",
            "<wsse:Username>x</wsse:Username></wsse:UsernameToken>",
        ),
    ] {
        assert_eq!(whose(&bad), Err(Why::Invalid), "{bad}");
    }
    let kind = token(b"n", CREATED).replace("PasswordDigest", "PasswordRiddle");
    assert_eq!(whose(&kind), Err(Why::TokenUnsupported));
}

#[test]
fn what_an_api_does_not_take_is_not_stepped_over() {
    let holders = holders();
    let digests = Policy { username: Some(Passwords::Digests), ..policy() };
    let text = message(&text_user("alice", "open sesame"));
    assert_eq!(whose(&digests, &holders, &text), Err(Why::TokenUnsupported));
    let signatures = Policy { username: None, ..policy() };
    assert_eq!(whose(&signatures, &holders, &text), Err(Why::TokenUnsupported));
    let users = Policy { x509: None, ..policy() };
    assert_eq!(whose(&users, &holders, &fixture("zeep-token.xml")), Err(Why::TokenUnsupported));
    let unknown = message("<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"/>");
    assert_eq!(whose(&policy(), &holders, &unknown), Err(Why::TokenUnsupported));
    let encrypted =
        message("<xenc:EncryptedKey xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\"/>");
    assert_eq!(whose(&policy(), &holders, &encrypted), Err(Why::TokenUnsupported));
    for nobody in [message(""), message(&timestamp(CREATED, ""))] {
        assert_eq!(whose(&policy(), &holders, &nobody), Err(Why::Missing));
    }
    let without = format!("<s:Envelope xmlns:s=\"{SOAP}\"><s:Body/></s:Envelope>");
    assert_eq!(whose(&policy(), &holders, &without), Err(Why::Missing));
    let elsewhere = text.replace("s:mustUnderstand=\"1\"", "s:actor=\"urn:somebody\"");
    assert_eq!(whose(&policy(), &holders, &elsewhere), Err(Why::Missing));
    let next = "s:actor=\"http://schemas.xmlsoap.org/soap/actor/next\"";
    let next = text.replace("s:mustUnderstand=\"1\"", next);
    assert_eq!(whose(&policy(), &holders, &next), Ok(1));
}

#[test]
fn a_timestamp_that_is_there_counts_whether_it_has_to_be_or_not() {
    let holders = holders();
    let user = text_user("alice", "open sesame");
    let timed = Policy { timestamp: true, ..policy() };
    let ask =
        |policy: &Policy, stamp: &str| whose(policy, &holders, &message(&format!("{stamp}{user}")));
    assert_eq!(ask(&policy(), ""), Ok(1));
    assert_eq!(ask(&timed, ""), Err(Why::Invalid));
    for policy in [&policy(), &timed] {
        assert_eq!(ask(policy, &timestamp(CREATED, "")), Ok(1));
        assert_eq!(ask(policy, &timestamp("2026-12-31T23:56:00Z", "2026-12-31T23:59:00Z")), Ok(1));
        let late = timestamp("2026-12-31T23:56:00Z", "2026-12-31T23:58:59Z");
        assert_eq!(ask(policy, &late), Err(Why::Expired));
        assert_eq!(ask(policy, &timestamp("2026-12-31T23:54:00Z", "")), Err(Why::Expired));
        assert_eq!(ask(policy, &timestamp("2027-01-01T00:06:00Z", "")), Err(Why::Expired));
        assert_eq!(ask(policy, &timestamp("now", "")), Err(Why::Invalid));
        assert_eq!(ask(policy, "<wsu:Timestamp/>"), Err(Why::Invalid));
        let two = timestamp(CREATED, "").repeat(2);
        assert_eq!(ask(policy, &two), Err(Why::Invalid));
    }
}

#[test]
fn what_foreign_libraries_signed_is_believed() {
    let (policy, holders) = (policy(), holders());
    for (file, holder) in [
        ("zeep-token.xml", 3),
        ("zeep-token-sha512.xml", 3),
        ("zeep-x509data.xml", 3),
        ("xmlsec-rsa384.xml", 3),
        ("xmlsec-prefixes.xml", 3),
        ("xmlsec-ski.xml", 3),
        ("xmlsec-thumbprint.xml", 3),
        ("signxml-rsa.xml", 3),
        ("signxml-pss.xml", 3),
        ("xmlsec-ecdsa.xml", 4),
        ("signxml-ecdsa.xml", 4),
    ] {
        let message = fixture(file);
        let accepted = examined(&policy, &holders, &message, NOW).map_err(|why| (file, why));
        let accepted = accepted.unwrap();
        assert_eq!((accepted.holder, accepted.once.len()), (holder, 1), "{file}");
        let header = &message[accepted.header];
        assert!(header.starts_with("<wsse:Security") && header.ends_with("</wsse:Security>"));
        // Nothing that was signed may change, and nothing was that may.
        for (from, to) in [("42 ", "43 "), ("<n xmlns=\"\"/>", "<m/>"), ("00:05:00Z", "00:05:01Z")]
        {
            let changed = message.replace(from, to);
            assert_ne!(changed, message);
            assert_eq!(whose(&policy, &holders, &changed), Err(Why::Check), "{file}: {from}");
        }
        let commented = message.replace("42 <!-- c -->", "4<!-- -->2 ");
        assert_eq!(whose(&policy, &holders, &commented), Ok(holder), "{file}");
        assert_eq!(whose(&policy, &Holders::default(), &message), Err(Why::TokenInvalid), "{file}");
    }
}

#[test]
fn sha_1_is_for_those_who_say_so() {
    let message = fixture("zeep-token-sha1.xml");
    assert_eq!(whose(&policy(), &holders(), &message), Err(Why::AlgorithmUnsupported));
    assert_eq!(whose(&Policy { legacy: true, ..policy() }, &holders(), &message), Ok(3));
}

#[test]
fn one_who_is_known_by_issuer_and_number_is_found() {
    let message = fixture("zeep-x509data.xml");
    let start = message.find("<X509Certificate>").unwrap();
    let end = message.find("</X509Certificate>").unwrap() + "</X509Certificate>".len();
    let without = [&message[..start], &message[end..]].concat();
    assert_eq!(whose(&policy(), &holders(), &without), Ok(3));
    let other = without.replace("O=ACME", "O=AMCE");
    assert_eq!(whose(&policy(), &holders(), &other), Err(Why::TokenInvalid));
}

#[test]
fn what_has_to_be_signed_is() {
    let signer = Signer::new();
    let holders = known(&signer);
    let address =
        "<a:To xmlns:a=\"http://www.w3.org/2005/08/addressing\" wsu:Id=\"A\">http://x/</a:To>";
    let plain = message(&format!("{}{{}}", timestamp(CREATED, "")));
    let addressed = plain.replace("</s:Header>", &format!("{address}</s:Header>"));
    let untimed = message("{}");
    let lenient = |body, timestamp, addressing| Policy {
        x509: Some(X509 { body, timestamp, addressing, ..x509() }),
        ..policy()
    };
    let ask = |policy: &Policy, message: &str, ids: &[&str]| {
        whose(policy, &holders, &signer.sign(message, ids))
    };
    assert_eq!(ask(&policy(), &plain, &["T", "B"]), Ok(7));
    assert_eq!(ask(&policy(), &plain, &["B"]), Err(Why::Check));
    assert_eq!(ask(&policy(), &plain, &["T"]), Err(Why::Check));
    assert_eq!(ask(&policy(), &untimed, &["B"]), Err(Why::Check));
    assert_eq!(ask(&policy(), &addressed, &["T", "B"]), Err(Why::Check));
    assert_eq!(ask(&policy(), &addressed, &["T", "B", "A"]), Ok(7));
    assert_eq!(ask(&lenient(true, false, false), &addressed, &["B"]), Ok(7));
    assert_eq!(ask(&lenient(false, true, false), &plain, &["T"]), Ok(7));
    // Without a time in it two calls that are the same are two calls.
    let policy = lenient(true, false, true);
    let once =
        |ids: &[&str]| examined(&policy, &holders, &signer.sign(&plain, ids), NOW).unwrap().once;
    assert_eq!((once(&["B"]).len(), once(&["T", "B"]).len()), (0, 1));
    // A signature of ECDSA is another one each time; what it signs is the same.
    assert_eq!(once(&["T", "B"]), once(&["T", "B"]));
}

#[test]
fn a_user_and_a_signature_are_of_one_application_or_nobody_s() {
    let signer = Signer::new();
    let mut holders = known(&signer);
    let sign = |user: &str| {
        signer.sign(&message(&format!("{}{user}{{}}", timestamp(CREATED, ""))), &["T", "B"])
    };
    holders.add_user("seven", KnownPassword::text("7"), 7);
    assert_eq!(whose(&policy(), &holders, &sign(&text_user("seven", "7"))), Ok(7));
    let other = sign(&text_user("alice", "open sesame"));
    assert_eq!(whose(&policy(), &holders, &other), Err(Why::Authentication));
    let wrong = sign(&text_user("seven", "8"));
    assert_eq!(whose(&policy(), &holders, &wrong), Err(Why::Authentication));
}

/// An authority, and what it issues.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
}

impl Authority {
    fn new() -> Self {
        let mut params = params("authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { issuer: Issuer::new(params, key), der }
    }

    fn issue(&self, params: CertificateParams) -> Signer {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let der = params.signed_by(&key, &self.issuer).unwrap();
        Signer::of(&key, der.der())
    }

    fn policy(&self) -> Policy {
        let x509 = X509 { anchors: vec![authority(&self.der).unwrap()], ..x509() };
        Policy { x509: Some(x509), ..policy() }
    }
}

#[test]
fn a_subject_is_somebody_when_a_trusted_authority_says_so() {
    let (trusted, other) = (Authority::new(), Authority::new());
    let mut holders = Holders::default();
    let subject = DistinguishedName::read("CN=tracker, O=\"ACME, S.A.\"").unwrap();
    holders.add_subject(subject, 9);
    let ask = |signer: &Signer| whose(&trusted.policy(), &holders, &signed(signer));
    assert_eq!(ask(&trusted.issue(params("tracker"))), Ok(9));
    assert_eq!(ask(&trusted.issue(params("somebody else"))), Err(Why::TokenInvalid));
    assert_eq!(ask(&other.issue(params("tracker"))), Err(Why::TokenInvalid));
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let own = params("tracker").self_signed(&key).unwrap();
    assert_eq!(ask(&Signer::of(&key, own.der())), Err(Why::TokenInvalid));

    let with = |change: &dyn Fn(&mut CertificateParams)| {
        let mut params = params("tracker");
        change(&mut params);
        ask(&trusted.issue(params))
    };
    let year = |year| rcgen::date_time_ymd(year, 1, 2);
    assert_eq!(with(&|p| p.not_before = year(2027)), Err(Why::TokenInvalid));
    assert_eq!(with(&|p| p.not_after = year(2026)), Err(Why::TokenInvalid));
    let exchange = vec![KeyUsagePurpose::KeyEncipherment];
    assert_eq!(with(&|p| p.key_usages = exchange.clone()), Err(Why::TokenInvalid));
    assert_eq!(with(&|p| p.key_usages.clear()), Ok(9));
    let server = vec![ExtendedKeyUsagePurpose::ServerAuth];
    assert_eq!(with(&|p| p.extended_key_usages = server.clone()), Err(Why::TokenInvalid));
    let client = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    assert_eq!(with(&|p| p.extended_key_usages = client.clone()), Ok(9));
}

#[test]
fn a_certificate_that_is_known_by_itself_holds_only_as_long_as_it_says() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut old = params("old");
    old.not_after = rcgen::date_time_ymd(2026, 12, 31);
    let old = Signer::of(&key, old.self_signed(&key).unwrap().der());
    assert_eq!(whose(&policy(), &known(&old), &signed(&old)), Err(Why::TokenInvalid));
}

/// `cargo test --release -p pasarela-soap --test soap -- --ignored --nocapture cost_of_a_verification` prints what one costs.
#[test]
#[ignore = "a measurement, not a test"]
#[allow(clippy::disallowed_methods, reason = "it measures")]
fn cost_of_a_verification() {
    let signer = Signer::new();
    let (policy, holders) = (policy(), known(&signer));
    let row =
        "<t:row xmlns:t=\"urn:t\" id=\"7\"><t:name>parcel</t:name><t:weight>1.5</t:weight></t:row>";
    let mut messages = vec![("RSA-2048".to_owned(), fixture("zeep-token.xml"))];
    for rows in [1, 1_000, 10_000] {
        let text = message(&format!("{}{{}}", timestamp(CREATED, "")));
        let text = text.replace(">42<", &format!(">{}<", row.repeat(rows)));
        messages.push((format!("P-256, {rows} rows"), signer.sign(&text, &["T", "B"])));
    }
    let user = digest_user("alice", "open sesame", b"0123456789abcdef", CREATED);
    messages.push(("digest".to_owned(), message(&user)));
    for (name, message) in messages {
        let rounds = (2_000_000 / message.len()).clamp(3, 500);
        let best = (0..5)
            .map(|_| {
                let start = std::time::Instant::now();
                for _ in 0..rounds {
                    examined(&policy, &holders, &message, NOW).unwrap();
                }
                start.elapsed() / u32::try_from(rounds).unwrap()
            })
            .min();
        println!("{name}: {} bytes, {best:?}", message.len());
    }
}
