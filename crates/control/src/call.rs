//! What comes with every verb, and what goes back.

use pasarela_model::{KeyDigest, Timestamp};
use serde_json::Value;

use crate::{
    Actor,
    dice::{Dice, Seed},
};

/// Who asks, when, and how it is told apart from other requests.
#[derive(Debug)]
pub struct Call {
    /// Digest of the token that was shown.
    pub bearer: KeyDigest,
    /// Now.
    pub at: Timestamp,
    /// The request's id, for the audit log.
    pub request: String,
    /// So that asking twice changes nothing twice.
    pub idempotency: Option<Idempotency>,
    /// The version that the asker has read (`If-Match`).
    pub version: Option<i64>,
    pub(crate) dice: Dice,
}

impl Call {
    /// A call of whoever holds this token.
    pub fn new(bearer: KeyDigest, at: Timestamp, seed: Seed) -> Self {
        Self {
            bearer,
            at,
            request: String::new(),
            idempotency: None,
            version: None,
            dice: Dice::new(seed),
        }
    }
}

/// An idempotency key, and a digest of what is asked under it.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The asker's.
    pub key: String,
    /// Method, path and body, hashed.
    pub question: [u8; 32],
}

/// Who acts in a transaction, and with what.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) actor: Actor,
    pub(crate) call: Call,
}

/// What a verb answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What there is now, as people see it.
    pub body: Value,
    /// Its version, where it has one.
    pub version: Option<i64>,
    /// It was made by this call, or by the one that this call repeats.
    pub created: bool,
    /// A secret that is shown this once; it is kept nowhere.
    pub secret: Option<String>,
    /// This call repeats one that was answered before; nothing was changed.
    pub replayed: bool,
}

impl Answer {
    pub(crate) const fn of(body: Value, version: i64) -> Self {
        Self { body, version: Some(version), created: false, secret: None, replayed: false }
    }

    pub(crate) const fn list(body: Value) -> Self {
        Self { body, version: None, created: false, secret: None, replayed: false }
    }

    pub(crate) fn created(self) -> Self {
        Self { created: true, ..self }
    }

    pub(crate) fn with_secret(self, secret: String) -> Self {
        Self { secret: Some(secret), ..self }
    }

    /// For the idempotency table; the secret stays out.
    pub(crate) fn to_text(&self) -> String {
        serde_json::json!({ "body": self.body, "version": self.version, "created": self.created })
            .to_string()
    }

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let mut kept: Value = serde_json::from_str(text).ok()?;
        Some(Self {
            version: kept.get("version")?.as_i64(),
            created: kept.get("created")?.as_bool()?,
            body: kept.get_mut("body")?.take(),
            secret: None,
            replayed: true,
        })
    }
}
