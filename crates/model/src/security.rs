//! What an API asks of the WS-Security header of SOAP messages.

use crate::{KeyDigest, Secret};

/// How a gateway that ends WS-Security finds out who sends a message. At least one of the two ways is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WsSecurity {
    /// Users with passwords are taken, or with digests of them alone.
    pub username: Option<UserPasswords>,
    /// Signatures with certificates are taken.
    pub x509: Option<X509>,
    /// There has to be a timestamp.
    pub timestamp: bool,
    /// Signatures may use SHA-1.
    pub legacy: bool,
}

/// As what passwords may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserPasswords {
    /// As they are, or as digests.
    Any,
    /// As digests.
    Digest,
}

/// What is asked of signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct X509 {
    /// Certificates, in DER, of those who may issue the certificates of subjects that are known.
    pub trust: Vec<Vec<u8>>,
    /// The Body has to be signed.
    pub body: bool,
    /// There has to be a timestamp, and it has to be signed.
    pub timestamp: bool,
    /// `wsa:To` and `wsa:Action` have to be signed, where they are there.
    pub addressing: bool,
}

/// What is known of a user's password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// All of it.
    Text(Secret),
    /// Its SHA-256: then it has to be sent as it is.
    Sha256(KeyDigest),
}
