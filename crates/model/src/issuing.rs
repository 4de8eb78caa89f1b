//! Tokens that the gateway issues itself: OAuth 2.0 client credentials (RFC 6749 §4.4).

use std::{sync::Arc, time::Duration};

use crate::Secret;

/// Longest life of a token that we issue (L32).
pub const LIFETIME_MAX: Duration = Duration::from_secs(3600);

/// How the gateway issues tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuing {
    /// The claim `iss`, and the address under which callers reach the gateway: scheme and authority, without a slash at its end.
    pub issuer: String,
    /// Its host, lower case, without a port. Requests for this host are answered.
    pub host: String,
    /// The claim `aud`.
    pub audience: String,
    /// How long a token is good.
    pub lifetime: Duration,
    /// What tokens are signed with, the newest last. They come from outside of the configuration.
    pub keys: Arc<[SigningKey]>,
}

/// A private key of ours (P-256), and when it does what. Seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// The key, PKCS #8 in DER.
    pub pkcs8: Secret,
    /// From then on it signs. It is published before that.
    pub from: u64,
    /// From then on it signs no more, and is published for the sake of what it signed.
    pub until: u64,
}
