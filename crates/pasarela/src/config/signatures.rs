//! Reads `signatures` of an application: the keys that its requests are signed with (RFC 9421).

use std::collections::HashMap;

use pasarela_model::{Credential, Secret, SignatureKey};
use rustls::pki_types::{SubjectPublicKeyInfoDer, pem::PemObject as _};

use super::{
    fault::Code,
    parties::trimmed,
    tree::{Kind, Node},
    walk::{Fields, Walk, start_of},
};

/// Bytes of a file that holds a key.
const KEY_BYTES_MAX: u64 = 16 << 10;
/// Bytes of the shortest secret: fewer can be tried out.
const SECRET_BYTES_MIN: usize = 16;
/// What stands before the 32 bytes of an Ed25519 key (RFC 8410), and before the 65 of a P-256 point (RFC 5480).
const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
const P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
/// Components that are no fields.
const DERIVED: [&str; 7] =
    ["@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query"];

/// Ids that are taken already, and by whom: the application as messages call it, and its line.
pub(super) type Taken = HashMap<String, (String, u32)>;

/// All of an application that is called so.
pub(super) fn read(
    walk: &Walk<'_>,
    fields: &Fields<'_>,
    name: &str,
    taken: &mut Taken,
) -> Option<Vec<Credential>> {
    let Some(node) = fields.get("signatures") else { return Some(Vec::new()) };
    let items = walk.list(node, "`signatures`")?;
    let read: Vec<_> = items.iter().map(|item| signature(walk, item, name, taken)).collect();
    read.into_iter().collect()
}

fn signature(walk: &Walk<'_>, node: &Node, whose: &str, taken: &mut Taken) -> Option<Credential> {
    let fields = walk.fields(node, "a signature", &["keyid", "hmac", "public_key", "covers"])?;
    let keyid = walk
        .need(&fields, "keyid", "Write the id that signatures name: `keyid: acme-2026`.")
        .and_then(|node| walk.text(node, "`keyid`"));
    let key = match (fields.get("hmac"), fields.get("public_key")) {
        (Some(secret), None) => hmac(walk, secret),
        (None, Some(public)) => public_key(walk, public),
        _ => {
            let message = "A signature is made with one key: hmac or public_key.";
            let cure = "Write `hmac: { file: secrets/acme.hmac }`, or `public_key: acme.pem`.";
            walk.fault(Code::SignatureKey, start_of(node), message, cure);
            None
        }
    };
    let covers = fields.get("covers").map_or(Some(Vec::new()), |node| covers(walk, node));
    let (keyid, key, covers) = (keyid?, key?, covers?);
    let fine = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\';
    if keyid.value.is_empty() || !keyid.value.bytes().all(fine) {
        let message = format!("{} cannot be the id of a key.", keyid.shown);
        let cure = "Use visible ASCII characters without quotes and backslashes.";
        walk.fault(Code::SignatureKey, keyid.span, message, cure);
        return None;
    }
    if let Some((other, line)) = taken.get(&keyid.value) {
        let message =
            format!("The application {other} in line {line} already has a key of this id.");
        let cure = "Give each key an id of its own: it says who calls.";
        walk.fault(Code::DuplicateCredential, keyid.span, message, cure);
        return None;
    }
    taken.insert(keyid.value.clone(), (whose.to_owned(), keyid.span.line));
    Some(Credential::Signature { keyid: keyid.value, key, covers })
}

fn hmac(walk: &Walk<'_>, node: &Node) -> Option<SignatureKey> {
    const CURE: &str = "Write { file: path } or { env: NAME }.";
    if !matches!(node.kind, Kind::Map(_)) {
        walk.hide_all(node);
        let message = "A secret is not written into the file as it is.";
        walk.fault(Code::SignatureKey, start_of(node), message, CURE);
        return None;
    }
    let fields = walk.fields(node, "a secret", &["file", "env"])?;
    let (span, bytes) = match (fields.get("file"), fields.get("env")) {
        (Some(node), None) => {
            let (text, bytes) = walk.file(node, "a secret", KEY_BYTES_MAX)?;
            (text.span, bytes)
        }
        (None, Some(node)) => (node.span, walk.variable(node, "`env`")?.into_bytes()),
        _ => {
            let message = "A secret is given in one way: file or env.";
            walk.fault(Code::SignatureKey, start_of(node), message, CURE);
            return None;
        }
    };
    let whole = Secret::new(bytes);
    let secret = trimmed(whole.expose());
    if secret.len() < SECRET_BYTES_MIN {
        let message =
            format!("The secret that is found there has fewer than {SECRET_BYTES_MIN} bytes.");
        let cure = "Make one that nobody tries out: openssl rand -base64 32.";
        walk.fault(Code::SignatureKey, span, message, cure);
        return None;
    }
    Some(SignatureKey::Hmac(Secret::new(secret)))
}

fn public_key(walk: &Walk<'_>, node: &Node) -> Option<SignatureKey> {
    let (text, bytes) = walk.file(node, "a public key", KEY_BYTES_MAX)?;
    let read = SubjectPublicKeyInfoDer::from_pem_slice(&bytes).ok();
    let key = read.and_then(|der| {
        let (ed25519, p256) = (der.strip_prefix(ED25519), der.strip_prefix(P256));
        let ed25519 = ed25519.filter(|point| point.len() == 32);
        let p256 = p256.filter(|point| point.len() == 65);
        let ed25519 = ed25519.map(|point| SignatureKey::Ed25519(point.to_vec()));
        ed25519.or_else(|| p256.map(|point| SignatureKey::P256(point.to_vec())))
    });
    if key.is_none() {
        let message =
            format!("{} holds no public key that signatures are verified with.", text.shown);
        let cure = "Put an Ed25519 or P-256 key there, as PEM: openssl pkey -in acme.key -pubout.";
        walk.fault(Code::SignatureKey, text.span, message, cure);
    }
    key
}

fn covers(walk: &Walk<'_>, node: &Node) -> Option<Vec<String>> {
    let items = walk.list(node, "`covers`")?;
    let read = |item: &Node| {
        let text = walk.text(item, "a component")?;
        let token =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        let field = !text.value.is_empty() && text.value.bytes().all(token);
        if field || DERIVED.contains(&text.value.as_str()) {
            return Some(text.value);
        }
        let message = format!("{} is no component that can be covered.", text.shown);
        let cure =
            format!("Write the name of a field in lower case, or one of {}.", DERIVED.join(", "));
        walk.fault(Code::SignatureKey, text.span, message, cure);
        None
    };
    items.iter().map(read).collect::<Vec<_>>().into_iter().collect()
}
