//! The algorithms of signatures, by the names that messages give them.

use aws_lc_rs::{
    digest,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED,
        RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
        RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
        RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey,
        VerificationAlgorithm,
    },
};

use super::{Refused, Why};

/// A digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Digest {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// How a signature was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Method {
    kind: Kind,
    digest: Digest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    Pss,
    /// With the curve that goes with the digest.
    Ecdsa,
}

const DIGESTS: [(&str, Digest); 4] = [
    ("http://www.w3.org/2000/09/xmldsig#sha1", Digest::Sha1),
    ("http://www.w3.org/2001/04/xmlenc#sha256", Digest::Sha256),
    ("http://www.w3.org/2001/04/xmldsig-more#sha384", Digest::Sha384),
    ("http://www.w3.org/2001/04/xmlenc#sha512", Digest::Sha512),
];

/// RFC 9231.
const METHODS: [(&str, Kind, Digest); 10] = [
    ("http://www.w3.org/2000/09/xmldsig#rsa-sha1", Kind::Rsa, Digest::Sha1),
    ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", Kind::Rsa, Digest::Sha256),
    ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha384", Kind::Rsa, Digest::Sha384),
    ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", Kind::Rsa, Digest::Sha512),
    ("http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1", Kind::Pss, Digest::Sha256),
    ("http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1", Kind::Pss, Digest::Sha384),
    ("http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1", Kind::Pss, Digest::Sha512),
    ("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", Kind::Ecdsa, Digest::Sha256),
    ("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384", Kind::Ecdsa, Digest::Sha384),
    ("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512", Kind::Ecdsa, Digest::Sha512),
];

impl Digest {
    /// By its name in a message.
    ///
    /// # Errors
    /// When it is none of ours.
    pub(super) fn named(uri: &str) -> Result<Self, Refused> {
        let found = DIGESTS.iter().find(|(name, _)| *name == uri);
        found.map(|(_, digest)| *digest).ok_or_else(|| unsupported(uri))
    }

    /// Whether two documents of one digest can be made by whoever wants to.
    pub(super) fn is_broken(self) -> bool {
        self == Self::Sha1
    }

    pub(super) fn of(self, bytes: &[u8]) -> digest::Digest {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes)
    }
}

impl Method {
    /// By its name in a message.
    ///
    /// # Errors
    /// When it is none of ours.
    pub(super) fn named(uri: &str) -> Result<Self, Refused> {
        let found = METHODS.iter().find(|(name, ..)| *name == uri);
        found.map(|&(_, kind, digest)| Self { kind, digest }).ok_or_else(|| unsupported(uri))
    }

    /// Whether it stands on a digest that is broken.
    pub(super) fn is_broken(self) -> bool {
        self.digest.is_broken()
    }

    /// Whether a key, as a certificate has it, made this signature of these bytes.
    pub(super) fn verifies(self, key: &[u8], bytes: &[u8], signature: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match (self.kind, self.digest) {
            (Kind::Rsa, Digest::Sha1) => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            (Kind::Rsa, Digest::Sha256) => &RSA_PKCS1_2048_8192_SHA256,
            (Kind::Rsa, Digest::Sha384) => &RSA_PKCS1_2048_8192_SHA384,
            (Kind::Rsa, Digest::Sha512) => &RSA_PKCS1_2048_8192_SHA512,
            (Kind::Pss, Digest::Sha256) => &RSA_PSS_2048_8192_SHA256,
            (Kind::Pss, Digest::Sha384) => &RSA_PSS_2048_8192_SHA384,
            (Kind::Pss, Digest::Sha512) => &RSA_PSS_2048_8192_SHA512,
            (Kind::Ecdsa, Digest::Sha256) => &ECDSA_P256_SHA256_FIXED,
            (Kind::Ecdsa, Digest::Sha384) => &ECDSA_P384_SHA384_FIXED,
            (Kind::Ecdsa, Digest::Sha512) => &ECDSA_P521_SHA512_FIXED,
            (Kind::Pss | Kind::Ecdsa, Digest::Sha1) => return false,
        };
        UnparsedPublicKey::new(algorithm, key).verify(bytes, signature).is_ok()
    }
}

fn unsupported(uri: &str) -> Refused {
    let shown: String = uri.chars().take(80).collect();
    Refused::new(Why::AlgorithmUnsupported, format!("a signature may not use {shown}"))
}
