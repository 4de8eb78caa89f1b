//! Issuers of tokens: who else may say who calls.

/// Somebody whose JSON Web Tokens are trusted to say who calls (RFC 7519).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenIssuer {
    /// Its name in the configuration.
    pub name: String,
    /// The claim `iss` of its tokens, to the letter.
    pub issuer: String,
    /// Of the claim `aud` one has to be among these.
    pub audiences: Vec<String>,
    /// What it may sign with.
    pub algorithms: Vec<TokenAlgorithm>,
    /// The claims that may name the client; the first that a token has is taken.
    pub client_claims: Vec<String>,
    /// What its signatures are verified with.
    pub keys: TokenKeys,
}

/// What a token may be signed with (RFC 7518 §3.1, RFC 8037 §3.1). Neither `none` nor a shared secret is among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl TokenAlgorithm {
    /// All, with their names, whose case matters.
    pub const ALL: [(&str, Self); 4] = [
        ("RS256", Self::Rs256),
        ("PS256", Self::Ps256),
        ("ES256", Self::Es256),
        ("EdDSA", Self::EdDsa),
    ];

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(its, _)| *its == name).map(|(_, algorithm)| *algorithm)
    }
}

/// Where an issuer's keys are, as a JSON Web Key Set (RFC 7517 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenKeys {
    /// Here.
    Set(Vec<u8>),
    /// At a URL, where they are fetched from time to time.
    At {
        /// Absolute.
        url: String,
        /// Certificate authorities to trust instead of the system's, PEM.
        ca_pem: Option<Vec<u8>>,
    },
}
