//! WS-Security: whatever is made of messages that are signed, what is accepted is what was signed.

use std::{collections::HashSet, sync::OnceLock};

use pasarela_soap::{
    Limits,
    envelope::Opener,
    security::{
        Accepted, Certificate, Holders, KnownPassword, Message, Passwords, Policy, Refused, Why,
        X509, examine,
    },
    xml::{Canonical, Event, Reader},
};

/// 2027-01-01T00:00:00Z, when the fixtures were signed.
const NOW: u64 = 1_798_761_600;

macro_rules! fixtures {
    ($($name:literal),*) => {
        [$(include_str!(concat!("../../crates/soap/tests/fixtures/security/", $name))),*]
    };
}

/// Messages that these certificates signed; the fuzzer has no keys to sign others with.
const SIGNED: [&str; 6] = fixtures![
    "xmlsec-ecdsa.xml",
    "signxml-ecdsa.xml",
    "xmlsec-ski.xml",
    "xmlsec-prefixes.xml",
    "zeep-token.xml",
    "zeep-x509data.xml"
];
const CERTIFICATES: [&str; 2] = fixtures!["ec.pem", "rsa.pem"];

struct Known {
    policy: Policy,
    holders: Holders,
    /// Canonical forms of the Bodies that were signed.
    bodies: HashSet<Vec<u8>>,
}

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let mut holders = Holders::default();
        holders.add_user("a", KnownPassword::text("b"), 1);
        for (holder, pem) in (2..).zip(CERTIFICATES) {
            let inner = pem.split("-----").nth(2).expect("a PEM file");
            let der = base64_simd::forgiving_decode_to_vec(inner.as_bytes()).expect("Base64");
            holders.add_certificate(Certificate::read(&der).expect("a certificate"), holder);
        }
        let x509 = X509 { anchors: Vec::new(), body: true, timestamp: true, addressing: true };
        Known {
            policy: Policy {
                username: Some(Passwords::Any),
                x509: Some(x509),
                timestamp: false,
                legacy: false,
            },
            holders,
            bodies: SIGNED.iter().map(|message| body(message.as_bytes())).collect(),
        }
    })
}

/// The canonical form of the Body that a message is dispatched by.
fn body(message: &[u8]) -> Vec<u8> {
    let limits = Limits::default();
    let at = body_at(message).expect("it was opened before");
    let mut reader = Reader::new(message, &limits).expect("it was read before");
    while !(reader.pull().expect("it was read before") == Event::Start && reader.span().start == at)
    {
    }
    let mut out = Vec::new();
    Canonical::exclusive().write(&mut reader, &mut out).expect("it was read before");
    out
}

fn body_at(message: &[u8]) -> Option<u64> {
    let mut reader = Reader::new(message, &Limits::default()).ok()?;
    Opener::open(&mut reader).ok().map(|envelope| envelope.body_at)
}

fn asked(message: &[u8]) -> Option<Result<Accepted, Refused>> {
    let Known { policy, holders, .. } = known();
    let question =
        Message { bytes: message, charset: None, body_at: body_at(message)?, alone: true };
    Some(examine(policy, holders, question, NOW, &Limits::default()))
}

/// A message that is accepted for a signature has a Body that was signed, where it is dispatched by; and without its
/// header it is a message that names nobody.
pub(super) fn security(message: &[u8]) {
    let Some(Ok(accepted)) = asked(message) else { return };
    if accepted.holder > 1 {
        assert!(known().bodies.contains(&body(message)), "a Body that nobody signed is accepted");
    }
    let mut left = message.to_vec();
    let header: Vec<u8> = left.drain(accepted.header).collect();
    let text = String::from_utf8(header).expect("whole characters are taken off");
    assert!(text.starts_with('<') && text.ends_with('>'), "{text}");
    match asked(&left) {
        Some(Err(Refused::Security { why: Why::Missing, .. })) => {
            assert_eq!(body(&left), body(message), "the Body is touched");
        }
        other => panic!("what is left is {other:?}"),
    }
}
