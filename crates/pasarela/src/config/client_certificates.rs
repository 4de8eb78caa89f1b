//! Reads `client_certificates` of an application: what its certificates in TLS handshakes are called.

use std::collections::HashMap;

use pasarela_model::{CertificateName, Credential};
use sha2::{Digest as _, Sha256};

use super::{
    fault::Code,
    parties::hex_digest,
    pem,
    tree::Node,
    walk::{Fields, Text, Walk, start_of},
};

/// Whose each name is already: the application as messages call it, and its line.
#[derive(Default)]
pub(super) struct Taken(HashMap<CertificateName, (String, u32)>);

const CURE: &str = "Write { dns: tracker.acme.com }, { uri: \"spiffe://acme/tracker\" }, { key_sha256: \"…\" } or { file: acme.pem }.";

/// All of an application that is called so.
pub(super) fn read(
    walk: &Walk<'_>,
    fields: &Fields<'_>,
    whose: &str,
    taken: &mut Taken,
) -> Option<Vec<Credential>> {
    let Some(node) = fields.get("client_certificates") else { return Some(Vec::new()) };
    let items = walk.list(node, "`client_certificates`")?;
    let read: Vec<_> = items.iter().map(|item| one(walk, item, whose, taken)).collect();
    read.into_iter().collect()
}

fn one(walk: &Walk<'_>, node: &Node, whose: &str, taken: &mut Taken) -> Option<Credential> {
    let keys = ["dns", "uri", "key_sha256", "file"];
    let fields = walk.fields(node, "a client certificate", &keys)?;
    let mut given = keys.iter().filter_map(|key| Some((*key, fields.get(key)?)));
    let (Some((key, value)), None) = (given.next(), given.next()) else {
        let message = "A client certificate is named in one way: dns, uri, key_sha256 or file.";
        walk.fault(Code::ClientCertificate, start_of(node), message, CURE);
        return None;
    };
    let (text, name) = match key {
        "file" => {
            let (text, der) = pem::leaf(walk, value)?;
            (text, CertificateName::Whole(Sha256::digest(der).into()))
        }
        _ => {
            let text = walk.text(value, &format!("`{key}`"))?;
            let name = named(key, &text).or_else(|| refuse(walk, key, &text))?;
            (text, name)
        }
    };
    if let Some((other, line)) = taken.0.get(&name) {
        let message =
            format!("The application {other} in line {line} already has this certificate.");
        let cure = "Give each application its own: it says who calls.";
        walk.fault(Code::DuplicateCredential, text.span, message, cure);
        return None;
    }
    taken.0.insert(name.clone(), (whose.to_owned(), text.span.line));
    Some(Credential::TlsCertificate(name))
}

fn named(key: &str, text: &Text) -> Option<CertificateName> {
    let value = &text.value;
    match key {
        "dns" => {
            let legal = |label: &str| {
                !label.is_empty()
                    && label.len() <= 63
                    && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
            };
            let is_name = value.len() <= 253 && value.split('.').all(legal);
            is_name.then(|| CertificateName::Dns(value.to_ascii_lowercase()))
        }
        "uri" => {
            let is_absolute = value.split_once(':').is_some_and(|(scheme, rest)| {
                let letters = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
                !rest.is_empty()
                    && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                    && scheme.bytes().all(letters)
            });
            let is_uri = is_absolute && value.bytes().all(|byte| byte.is_ascii_graphic());
            is_uri.then(|| CertificateName::Uri(value.clone()))
        }
        _ => hex_digest(value).map(CertificateName::Key),
    }
}

fn refuse(walk: &Walk<'_>, key: &str, text: &Text) -> Option<CertificateName> {
    let (message, cure) = match key {
        "dns" => (
            format!("{} is no name that a certificate identifies somebody by.", text.shown),
            "Write one of its DNS names whole, without a wildcard: tracker.acme.com.",
        ),
        "uri" => (
            format!("{} is no absolute URI.", text.shown),
            "Write it as it stands in the certificate: spiffe://acme/tracker.",
        ),
        _ => (
            "This is not a SHA-256 digest: it has 64 characters, 0-9 and a-f.".to_owned(),
            "Take it of the public key: openssl x509 -in acme.pem -noout -pubkey | openssl pkey -pubin -outform der | sha256sum.",
        ),
    };
    walk.fault(Code::ClientCertificate, text.span, message, cure);
    None
}
