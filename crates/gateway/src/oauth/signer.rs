//! A key that signs tokens (ES256, RFC 7518 §3.4), and how others see it.

use aws_lc_rs::{
    rand::{SecureRandom as _, SystemRandom},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64_simd::URL_SAFE_NO_PAD;
use pasarela_model::{Secret, SigningKey, TokenAlgorithm};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Whatever verifies tokens anywhere understands it.
pub(super) const ALGORITHM: TokenAlgorithm = TokenAlgorithm::Es256;

/// One key.
#[derive(Debug)]
pub(super) struct Signer {
    pair: EcdsaKeyPair,
    /// Its thumbprint (RFC 7638), so that it goes by the same name on every machine that has it.
    kid: String,
    /// From then on it signs; seconds since 1970.
    pub(super) from: u64,
}

impl Signer {
    /// `None`: it is no P-256 key.
    pub(super) fn new(key: &SigningKey) -> Option<Self> {
        let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(signing, key.pkcs8.expose()).ok()?;
        let mut signer = Self { pair, kid: String::new(), from: key.from };
        let (x, y) = signer.point()?;
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        signer.kid = URL_SAFE_NO_PAD.encode_to_string(Sha256::digest(canonical));
        Some(signer)
    }

    fn point(&self) -> Option<(String, String)> {
        // Uncompressed (SEC 1 §2.3.3): 4, x, y.
        let (x, y) = self.pair.public_key().as_ref().get(1..)?.split_at_checked(32)?;
        Some((URL_SAFE_NO_PAD.encode_to_string(x), URL_SAFE_NO_PAD.encode_to_string(y)))
    }

    /// Its public half, as a JSON Web Key.
    pub(super) fn public(&self) -> Value {
        let (x, y) = self.point().unwrap_or_default();
        json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig",
            "kid": self.kid, "x": x, "y": y,
        })
    }

    /// The claims, signed (RFC 7515 §7.1). `None`: the system has no randomness.
    pub(super) fn token(&self, claims: &Value) -> Option<String> {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": self.kid });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode_to_string(value.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode_to_string(signature.as_ref())))
    }
}

/// A name that no other token has.
pub(super) fn unique() -> Option<String> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode_to_string(bytes))
}

/// A key that nobody has yet (P-256, PKCS #8). `None`: the system has no randomness.
pub fn new_key() -> Option<Secret> {
    let signing = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let key = EcdsaKeyPair::generate_pkcs8(signing, &SystemRandom::new()).ok()?;
    Some(Secret::new(key.as_ref()))
}
