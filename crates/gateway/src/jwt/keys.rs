//! An issuer's keys (RFC 7517), and what they say of a signature.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, VerificationAlgorithm,
};
use base64_simd::URL_SAFE_NO_PAD;
use pasarela_model::TokenAlgorithm as Algorithm;
use serde_json::{Map, Value};

use super::{Refused, jws::Parts};

/// Most keys of an issuer (L33).
const KEYS_MAX: usize = 100;
/// Bits of the smallest and the largest RSA modulus.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The keys of one issuer.
#[derive(Debug, Default)]
pub struct KeySet(Vec<Key>);

#[derive(Debug)]
struct Key {
    kid: Option<String>,
    algorithm: Algorithm,
    public: ParsedPublicKey,
}

/// Why a document is no set of keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    /// It is no JSON object with a list `keys`.
    #[error("it is not a JSON Web Key Set: a JSON object with the list \"keys\"")]
    Document,
    /// It has too many.
    #[error("it has more than {KEYS_MAX} keys")]
    Many,
    /// None of its keys can be used.
    #[error("none of its keys can verify: RSA from 2,048 bits on, P-256 and Ed25519 can")]
    None,
}

impl KeySet {
    /// Reads a set. Keys that are not understood, or are not for signatures, are passed over (RFC 7517 §5): an issuer
    /// may have some for others.
    ///
    /// # Errors
    /// When it is no set, or nothing is left of it.
    pub fn read(json: &[u8]) -> Result<Self, BadKeys> {
        let document: Value = serde_json::from_slice(json).map_err(|_| BadKeys::Document)?;
        let keys = document.get("keys").and_then(Value::as_array).ok_or(BadKeys::Document)?;
        if keys.len() > KEYS_MAX {
            return Err(BadKeys::Many);
        }
        let keys: Vec<Key> = keys.iter().filter_map(Value::as_object).flat_map(Key::read).collect();
        match keys.is_empty() {
            true => Err(BadKeys::None),
            false => Ok(Self(keys)),
        }
    }

    /// Whether one of the keys made a signature: the one that the token names, or, if it names none, any.
    pub(super) fn verify(&self, parts: &Parts<'_>) -> Result<(), Refused> {
        let mut candidates = self
            .0
            .iter()
            .filter(|key| key.algorithm == parts.algorithm)
            .filter(|key| parts.kid.is_none() || key.kid == parts.kid)
            .peekable();
        if candidates.peek().is_none() {
            return Err(Refused::Key);
        }
        let made = |key: &Key| key.public.verify_sig(parts.signed, &parts.signature).is_ok();
        match candidates.any(made) {
            true => Ok(()),
            // Without a name it may be a key that we do not have yet.
            false if parts.kid.is_none() => Err(Refused::Key),
            false => Err(Refused::Signature),
        }
    }
}

impl Key {
    /// What a key can verify: an RSA key that names no algorithm, two kinds of signatures.
    fn read(jwk: &Map<String, Value>) -> Vec<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let for_signatures = text("use").is_none_or(|purpose| purpose == "sig")
            && jwk.get("key_ops").is_none_or(|uses| {
                uses.as_array().is_some_and(|uses| uses.iter().any(|one| one == "verify"))
            });
        if !for_signatures {
            return Vec::new();
        }
        let number =
            |name: &str| text(name).and_then(|text| URL_SAFE_NO_PAD.decode_to_vec(text).ok());
        let of = |algorithm, verification: &'static dyn VerificationAlgorithm, bytes: &[u8]| {
            let public = ParsedPublicKey::new(verification, bytes).ok()?;
            Some(Self { kid: text("kid").map(str::to_owned), algorithm, public })
        };
        let keys = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => {
                let Some(public) = number("n").zip(number("e")).and_then(|(n, e)| rsa(&n, &e))
                else {
                    return Vec::new();
                };
                vec![
                    of(Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256, &public),
                    of(Algorithm::Ps256, &RSA_PSS_2048_8192_SHA256, &public),
                ]
            }
            (Some("EC"), Some("P-256")) => {
                let Some((x, y)) = number("x").zip(number("y")) else { return Vec::new() };
                if (x.len(), y.len()) != (32, 32) {
                    return Vec::new();
                }
                let point = [&[4][..], &x, &y].concat();
                vec![of(Algorithm::Es256, &ECDSA_P256_SHA256_FIXED, &point)]
            }
            (Some("OKP"), Some("Ed25519")) => {
                let Some(x) = number("x").filter(|x| x.len() == 32) else { return Vec::new() };
                vec![of(Algorithm::EdDsa, &ED25519, &x)]
            }
            _ => Vec::new(),
        };
        let says = text("alg").map(Algorithm::named);
        keys.into_iter()
            .flatten()
            .filter(|key| says.is_none_or(|says| says == Some(key.algorithm)))
            .collect()
    }
}

/// An RSA key as PKCS #1 has it (RFC 8017 §A.1.1): a sequence of two integers.
fn rsa(n: &[u8], e: &[u8]) -> Option<Vec<u8>> {
    let n = &n[n.iter().position(|byte| *byte != 0)?..];
    let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
    if !RSA_BITS.contains(&bits) {
        return None;
    }
    let mut content = Vec::new();
    for number in [n, e] {
        let number = &number[number.iter().position(|byte| *byte != 0)?..];
        let sign: &[u8] = if number.first()? & 0x80 == 0 { &[] } else { &[0] };
        der(0x02, &[sign, number].concat(), &mut content);
    }
    let mut out = Vec::new();
    der(0x30, &content, &mut out);
    Some(out)
}

fn der(tag: u8, content: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    let length = content.len().to_be_bytes();
    match content.len() {
        short @ 0..128 => out.push(short as u8),
        _ => {
            let zeros = length.iter().take_while(|byte| **byte == 0).count();
            out.push(0x80 | (length.len() - zeros) as u8);
            out.extend_from_slice(&length[zeros..]);
        }
    }
    out.extend_from_slice(content);
}
