//! JSON Web Tokens of known issuers: whether one is good, and which client it speaks of (RFC 7519, RFC 8725).
//!
//! This module decides. It reads no clock and opens no connection: the issuer's keys are given, and whatever a token says
//! about where its key may be found (`jku`, `x5u`, `jwk`, `x5c`) is not looked at. Everything is strict: a token has one reading or none.
//!
//! Checked in this order: size, form, the algorithm, the issuer, the signature, the claims. The same refusal goes out
//! for all of them but those that a client can mend by itself: it has expired, or is meant for somebody else.

mod claims;
mod jws;
mod keys;
mod ring;

use std::sync::Arc;

use pasarela_model::TokenAlgorithm;
use rustc_hash::FxHashMap;

use self::{claims::Claims, jws::Parts};
pub use self::{
    keys::{BadKeys, KeySet},
    ring::Ring,
};

/// Longest token that is looked at, in bytes (L32).
pub const TOKEN_BYTES_MAX: usize = 8 << 10;
/// Clocks may differ by so many seconds (L32).
pub const SKEW_SECONDS: u64 = 60;

/// Who issues tokens, and what is expected of them.
#[derive(Debug)]
pub struct Issuer {
    /// The claim `iss`, to the letter.
    pub issuer: String,
    /// The claim `aud` has to name one of these.
    pub audiences: Vec<String>,
    /// What a token may be signed with; never a shared secret.
    pub algorithms: Vec<TokenAlgorithm>,
    /// The claims that name the client: the first that a token has is taken.
    pub client_claims: Vec<String>,
    /// What signatures are verified with.
    pub keys: Arc<Ring>,
}

/// A token that is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The number of the issuer.
    pub issuer: usize,
    /// Whom it was issued to.
    pub client: String,
    /// From then on it is not good any more, the skew included; seconds since 1970.
    pub until: u64,
    /// What it reaches, as `scope` (RFC 9068 §2.2.3) or `scp` says.
    pub scopes: Vec<String>,
}

/// Why a token is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no JWS in compact form, or one with two readings.
    #[error("it is not a well-formed JSON Web Token")]
    Malformed,
    /// Its header demands something that we do not do (RFC 7515 §4.1.11).
    #[error("its header demands an extension that is not known")]
    Critical,
    /// `alg` is none of the issuer's.
    #[error("its issuer does not sign in this way")]
    Algorithm,
    /// Nobody whom we know.
    #[error("its issuer is not known")]
    Issuer,
    /// The issuer has no such key; it may have one soon.
    #[error("its issuer has no such key")]
    Key,
    /// The signature is not that of the issuer's key.
    #[error("its signature is wrong")]
    Signature,
    /// A claim that is needed is missing, or is of the wrong type.
    #[error("a claim is missing or of the wrong type")]
    Claims,
    /// It is meant for somebody else.
    #[error("it is meant for another audience")]
    Audience,
    /// It was good once.
    #[error("it has expired")]
    Expired,
    /// It will be good.
    #[error("it is not valid yet")]
    NotYet,
}

/// The issuers that are trusted, by number.
#[derive(Debug, Default)]
pub struct Issuers {
    all: Vec<Issuer>,
    by_name: FxHashMap<String, usize>,
}

impl Issuers {
    /// The issuers of a configuration, which has each once.
    pub fn new(all: Vec<Issuer>) -> Self {
        let by_name = all.iter().enumerate().map(|(at, one)| (one.issuer.clone(), at)).collect();
        Self { all, by_name }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether a token is good now (seconds since 1970), and whom it speaks of.
    ///
    /// # Errors
    /// Why not. At [`Refused::Key`] the issuer's newest keys are asked for, for the next time.
    pub fn verify(&self, token: &[u8], now: u64) -> Result<Verified, Refused> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Refused::Malformed);
        }
        let parts = Parts::read(token)?;
        let claims = Claims::read(&parts.payload)?;
        let number = *self.by_name.get(&claims.issuer).ok_or(Refused::Issuer)?;
        let issuer = self.all.get(number).ok_or(Refused::Issuer)?;
        if !issuer.algorithms.contains(&parts.algorithm) {
            return Err(Refused::Algorithm);
        }
        issuer.keys.verify(&parts)?;
        claims.hold(&issuer.audiences, now)?;
        let client = claims.client(&issuer.client_claims).ok_or(Refused::Claims)?;
        let until = claims.expires.saturating_add(SKEW_SECONDS);
        let client = client.to_owned();
        Ok(Verified { issuer: number, client, until, scopes: claims.scopes })
    }
}

#[cfg(test)]
mod tests;
