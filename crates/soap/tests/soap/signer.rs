//! Writing messages with security headers as senders do: users, timestamps, signatures with ECDSA.
//!
//! For tests only, of this room and of the gateway, which takes this file in by its path.

use aws_lc_rs::{
    digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use pasarela_soap::{
    Limits,
    xml::{Canonical, Event, Reader},
};
use rcgen::{CertificateParams, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256};

pub(crate) const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
pub(crate) const WSSE: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
pub(crate) const WSU: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
pub(crate) const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
pub(crate) const PROFILE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-";
const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

pub(crate) fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

/// A message with so much in its security header.
pub(crate) fn message(security: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"{SOAP}\" xmlns:wsse=\"{WSSE}\" xmlns:wsu=\"{WSU}\"><s:Header>\
         <wsse:Security s:mustUnderstand=\"1\">{security}</wsse:Security></s:Header>\
         <s:Body wsu:Id=\"B\"><t:Track xmlns:t=\"urn:t\">42</t:Track></s:Body></s:Envelope>"
    )
}

pub(crate) fn timestamp(created: &str, expires: &str) -> String {
    let expires = if expires.is_empty() {
        String::new()
    } else {
        format!("<wsu:Expires>{expires}</wsu:Expires>")
    };
    format!(
        "<wsu:Timestamp wsu:Id=\"T\"><wsu:Created>{created}</wsu:Created>{expires}</wsu:Timestamp>"
    )
}

pub(crate) fn text_user(name: &str, password: &str) -> String {
    format!(
        "<wsse:UsernameToken><wsse:Username>{name}</wsse:Username>\
         <wsse:Password Type=\"{PROFILE}username-token-profile-1.0#PasswordText\">{password}</wsse:Password>\
         </wsse:UsernameToken>"
    )
}

pub(crate) fn digest_user(name: &str, password: &str, nonce: &[u8], created: &str) -> String {
    let whole = [nonce, created.as_bytes(), password.as_bytes()].concat();
    let sent = base64(digest(&SHA1_FOR_LEGACY_USE_ONLY, &whole).as_ref());
    format!(
        "<wsse:UsernameToken><wsse:Username>{name}</wsse:Username>\
         <wsse:Password Type=\"{PROFILE}username-token-profile-1.0#PasswordDigest\">{sent}</wsse:Password>\
         <wsse:Nonce EncodingType=\"{PROFILE}soap-message-security-1.0#Base64Binary\">{}</wsse:Nonce>\
         <wsu:Created>{created}</wsu:Created></wsse:UsernameToken>",
        base64(nonce)
    )
}

/// A key with its certificate.
pub(crate) struct Signer {
    key: EcdsaKeyPair,
    pub(crate) der: Vec<u8>,
}

impl Signer {
    pub(crate) fn of(key: &KeyPair, der: &[u8]) -> Self {
        let pkcs8 = key.serialize_der();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8).unwrap();
        Self { key, der: der.to_vec() }
    }

    pub(crate) fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let der = params("signer").self_signed(&key).unwrap();
        Self::of(&key, der.der())
    }

    #[allow(clippy::disallowed_methods, reason = "who signs with ECDSA needs a random number")]
    /// A signature over the elements of these ids, put into a message where `{}` stands.
    pub(crate) fn sign(&self, message: &str, ids: &[&str]) -> String {
        let references: String = ids
            .iter()
            .map(|id| {
                let form = canonical(&message.replace("{}", ""), |reader| {
                    reader.attributes().any(|attribute| attribute.value == *id)
                });
                let value = base64(digest(&SHA256, &form).as_ref());
                format!(
                    "<ds:Reference URI=\"#{id}\"><ds:Transforms><ds:Transform Algorithm=\"{EXCLUSIVE}\"/></ds:Transforms>\
                     <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"/>\
                     <ds:DigestValue>{value}</ds:DigestValue></ds:Reference>"
                )
            })
            .collect();
        let info = format!(
            "<ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\"/>\
             <ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256\"/>{references}</ds:SignedInfo>"
        );
        let signature = |value: &str| {
            format!(
                "<wsse:BinarySecurityToken wsu:Id=\"X\" ValueType=\"{PROFILE}x509-token-profile-1.0#X509v3\">{}\
                 </wsse:BinarySecurityToken><ds:Signature xmlns:ds=\"{DS}\">{info}<ds:SignatureValue>{value}</ds:SignatureValue>\
                 <ds:KeyInfo><wsse:SecurityTokenReference><wsse:Reference URI=\"#X\"/></wsse:SecurityTokenReference></ds:KeyInfo>\
                 </ds:Signature>",
                base64(&self.der)
            )
        };
        let unsigned = message.replace("{}", &signature(""));
        let form = canonical(&unsigned, |reader| reader.name().local == "SignedInfo");
        let value = self.key.sign(&SystemRandom::new(), &form).unwrap();
        message.replace("{}", &signature(&base64(value.as_ref())))
    }
}

pub(crate) fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "ACME, S.A.");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params
}

fn canonical(message: &str, is: impl Fn(&Reader<'_>) -> bool) -> Vec<u8> {
    let mut reader = Reader::new(message.as_bytes(), &Limits::default()).unwrap();
    while !(reader.pull().unwrap() == Event::Start && is(&reader)) {}
    let mut out = Vec::new();
    Canonical::exclusive().write(&mut reader, &mut out).unwrap();
    out
}
