//! Certificates and keys in PEM files: are they there, and do they belong together?
//!
//! Whether a certificate is trusted, still valid or good for a host is seen when TLS is built; here
//! we find what a person gets wrong in a file: the wrong file, swapped files, a key of another
//! certificate, a key with a pass phrase.

use pasarela_model::Secret;
use pasarela_net::tls::are_revocation_lists;
use pasarela_soap::security::{Certificate as Signers, authority};
use rustls::{
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::ParsedCertificate,
    sign::CertifiedKey,
};

use super::{
    fault::Code,
    settings::Certificate,
    tree::Node,
    walk::{Fields, Text, Walk},
};

/// Bytes of a PEM file. The system's bundle of authorities has about 200 KiB.
const PEM_BYTES_MAX: u64 = 4 << 20;
/// Bytes of a file of revocation lists: that of a large authority has some.
const CRL_BYTES_MAX: u64 = 16 << 20;

/// Reads the files named by `cert` and `key`, both of which have to be there.
pub(crate) fn certificate_and_key(walk: &Walk<'_>, fields: &Fields<'_>) -> Option<Certificate> {
    let cert = walk
        .need(fields, "cert", "Write the PEM file of the certificate chain: `cert: site.pem`.")
        .and_then(|node| certificates(walk, node, "`cert`"));
    let key = walk
        .need(fields, "key", "Write the PEM file of its private key: `key: site.key`.")
        .and_then(|node| private_key(walk, node));
    let ((_, chain_pem, chain), (key_text, key_pem, key)) = (cert?, key?);
    let certified = match any_supported_type(&key) {
        Ok(signer) => CertifiedKey::new(chain, signer),
        Err(_) => {
            walk.fault(
                Code::PrivateKey,
                key_text.span,
                format!("{} holds a kind of private key that TLS does not use here.", key_text.shown),
                "Use an RSA key of at least 2048 bits, an ECDSA key (P-256, P-384, P-521) or Ed25519.",
            );
            return None;
        }
    };
    if certified.keys_match().is_err() {
        walk.fault(
            Code::PrivateKey,
            key_text.span,
            format!("{} is not the key of the certificate beside it.", key_text.shown),
            "Name the key that the certificate was issued for; the leaf certificate comes first in its file.",
        );
        return None;
    }
    Some(Certificate { chain_pem, key_pem })
}

/// Reads a file of certificates to trust.
pub(crate) fn authorities(walk: &Walk<'_>, node: &Node) -> Option<Vec<u8>> {
    certificates(walk, node, "the certificates to trust").map(|(_, pem, _)| pem)
}

/// Reads a file of certificates to trust for signatures of messages, in DER.
pub(crate) fn issuers(walk: &Walk<'_>, node: &Node) -> Option<Vec<Vec<u8>>> {
    let (text, _, chain) = certificates(walk, node, "the certificates to trust")?;
    if chain.iter().any(|certificate| authority(certificate).is_none()) {
        let message =
            format!("{} holds a certificate that cannot be trusted for others.", text.shown);
        let cure = "Name the certificates of the authorities that issue those of your callers.";
        walk.fault(Code::Certificate, text.span, message, cure);
        return None;
    }
    Some(chain.iter().map(|certificate| certificate.to_vec()).collect())
}

/// Reads a file with the one certificate that somebody signs with, in DER.
pub(crate) fn signer(walk: &Walk<'_>, node: &Node) -> Option<(Text, Vec<u8>)> {
    let (text, _, chain) = certificates(walk, node, "a certificate")?;
    match chain.first() {
        Some(first) if chain.len() == 1 && Signers::read(first).is_some() => {
            Some((text, first.to_vec()))
        }
        _ => {
            let message = format!("{} does not hold one certificate.", text.shown);
            let cure = "Name a PEM file with the certificate that the messages are signed with, and no other.";
            walk.fault(Code::Certificate, text.span, message, cure);
            None
        }
    }
}

/// Reads a file with the one certificate that somebody shows, in DER.
pub(super) fn leaf(walk: &Walk<'_>, node: &Node) -> Option<(Text, Vec<u8>)> {
    let (text, _, chain) = certificates(walk, node, "a certificate")?;
    match chain.as_slice() {
        [one] => Some((text, one.to_vec())),
        _ => {
            let message = format!("{} holds more than one certificate.", text.shown);
            let cure = "Name a PEM file with the certificate of the application, and no other.";
            walk.fault(Code::Certificate, text.span, message, cure);
            None
        }
    }
}

/// Reads a file of revocation lists.
pub(super) fn revocation_lists(walk: &Walk<'_>, node: &Node) -> Option<Vec<u8>> {
    let (text, pem) = walk.file(node, "a revocation list", CRL_BYTES_MAX)?;
    if are_revocation_lists(&pem) {
        return Some(pem);
    }
    let message = format!("{} holds no revocation list that can be used.", text.shown);
    let cure = "Name a PEM file with sections BEGIN X509 CRL, as the authority gives it out.";
    walk.fault(Code::Certificate, text.span, message, cure);
    None
}

type Chain = Vec<CertificateDer<'static>>;

fn certificates(walk: &Walk<'_>, node: &Node, what: &str) -> Option<(Text, Vec<u8>, Chain)> {
    let (text, pem) = walk.file(node, what, PEM_BYTES_MAX)?;
    let refuse = |why: &str, cure: &str| {
        walk.fault(Code::Certificate, text.span, format!("{} {why}.", text.shown), cure);
        None
    };
    let chain: Result<Chain, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = match chain {
        Err(_) => {
            return refuse(
                "is damaged: what stands between its BEGIN and END lines is not Base64",
                "Copy the file again, whole.",
            );
        }
        Ok(chain) if chain.is_empty() && contains(&pem, b"PRIVATE KEY-----") => {
            return refuse(
                "holds a private key and no certificate",
                "Are the two files swapped? The certificate begins with -----BEGIN CERTIFICATE-----.",
            );
        }
        Ok(chain) if chain.is_empty() && pem.first() == Some(&0x30) => {
            return refuse(
                "is in DER form, and PEM is read here",
                "Convert it: openssl x509 -inform der -in FILE -out FILE.pem.",
            );
        }
        Ok(chain) if chain.is_empty() => {
            return refuse(
                "holds no certificate",
                "Name a PEM file; it has a line -----BEGIN CERTIFICATE-----.",
            );
        }
        Ok(chain) => chain,
    };
    if chain.iter().any(|certificate| ParsedCertificate::try_from(certificate).is_err()) {
        return refuse(
            "holds something that says it is a certificate and is not",
            "Look at it with openssl x509 -text -noout -in FILE.",
        );
    }
    Some((text, pem, chain))
}

fn private_key(walk: &Walk<'_>, node: &Node) -> Option<(Text, Secret, PrivateKeyDer<'static>)> {
    let (text, pem) = walk.file(node, "`key`", PEM_BYTES_MAX)?;
    let pem = Secret::new(pem);
    if let Ok(key) = PrivateKeyDer::from_pem_slice(pem.expose()) {
        return Some((text, pem, key));
    }
    let (why, cure) = if contains(pem.expose(), b"ENCRYPTED") {
        (
            "holds a key that is locked with a pass phrase",
            "Write an unlocked copy that only this user may read: openssl pkey -in FILE -out FILE.open.",
        )
    } else if contains(pem.expose(), b"BEGIN CERTIFICATE") {
        (
            "holds a certificate and no private key",
            "Are the two files swapped? The key begins with -----BEGIN PRIVATE KEY-----.",
        )
    } else {
        (
            "holds no private key that can be read",
            "Name a PEM file; it has a line -----BEGIN PRIVATE KEY-----.",
        )
    };
    walk.fault(Code::PrivateKey, text.span, format!("{} {why}.", text.shown), cure);
    None
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}
