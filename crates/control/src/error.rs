//! Why a verb did not do what it was asked, by what the asker can do about it.

use pasarela_store as store;

use crate::Denied;

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The token is unknown, over, or revoked; or there is none.
    #[error("a token that holds is needed")]
    Unauthenticated,
    /// It is known who asks, and they may not.
    #[error("your role does not allow this")]
    Forbidden,
    /// Their organisation is suspended.
    #[error("your organisation is suspended: it may look and change nothing")]
    Suspended,
    /// There is no such thing, or none that they may know of.
    #[error("there is no {noun} {id}")]
    NotFound {
        /// What was looked for.
        noun: &'static str,
        /// By this id or name.
        id: String,
    },
    /// What was asked for makes no sense as it stands.
    #[error("{field}: {why}")]
    Invalid {
        /// Which part of it.
        field: &'static str,
        /// Why.
        why: String,
    },
    /// It is in a state from which this does not lead on.
    #[error("the {noun} is {state}: {why}")]
    State {
        /// What it is.
        noun: &'static str,
        /// How it stands.
        state: &'static str,
        /// What follows.
        why: &'static str,
    },
    /// Something of that name is there, or something leans on it.
    #[error("{0}")]
    Clash(String),
    /// It has changed since it was read.
    #[error("it has changed since you read it: read it again")]
    Stale,
    /// The version that was read has to be named.
    #[error("name the version you have read")]
    VersionNeeded,
    /// The idempotency key belongs to another question.
    #[error("this idempotency key was used for another request")]
    KeyReused,
    /// The store is to blame.
    #[error("the store did not do it")]
    Store(#[source] store::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NotFound { noun, id } => Self::NotFound { noun, id },
            store::Error::Conflict { .. } => Self::Stale,
            store::Error::Exists { .. } | store::Error::InUse { .. } => {
                Self::Clash(error.to_string())
            }
            other => Self::Store(other),
        }
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Forbidden => Self::Forbidden,
            Denied::Suspended => Self::Suspended,
            // Whoever looks for it says what it is; see `Control::find`.
            Denied::Hidden => Self::NotFound { noun: "thing", id: String::new() },
        }
    }
}

impl Error {
    pub(crate) fn invalid(field: &'static str, why: impl Into<String>) -> Self {
        Self::Invalid { field, why: why.into() }
    }

    /// Names what was looked for where it is hidden, so that it reads like a missing one.
    pub(crate) fn hiding(self, noun: &'static str, id: &str) -> Self {
        match self {
            Self::NotFound { noun: "thing", .. } => Self::NotFound { noun, id: id.to_owned() },
            other => other,
        }
    }
}
