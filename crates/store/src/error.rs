//! What can go wrong, by what the caller can do about it.

use std::sync::Arc;

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// There is no such thing, or none that the asker may know of.
    #[error("there is no {noun} {id}")]
    NotFound {
        /// What was looked for.
        noun: &'static str,
        /// By this id.
        id: String,
    },
    /// Somebody changed it since the asker read it.
    #[error("the {noun} {id} has changed since version {version} was read")]
    Conflict {
        /// What was to be changed.
        noun: &'static str,
        /// Its id.
        id: String,
        /// The version the asker knew.
        version: i64,
    },
    /// A name that has to be unique is taken.
    #[error("there is a {noun} {name} already")]
    Exists {
        /// What was to be made.
        noun: &'static str,
        /// Its name.
        name: String,
    },
    /// Something still leans on it.
    #[error("the {noun} {id} is in use by {}", by.join(", "))]
    InUse {
        /// What was to be removed.
        noun: &'static str,
        /// Its id.
        id: String,
        /// Ids of what leans on it, the first [`crate::IN_USE_SHOWN`] of them.
        by: Vec<String>,
    },
    /// What was given makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The database does not answer, or is too busy. Safe to ask again; see [`Outcome`].
    #[error("the store is unavailable: {doing}")]
    Unavailable {
        /// What we were doing.
        doing: &'static str,
        /// Whether the change may have been made.
        outcome: Outcome,
        /// What the engine said.
        #[source]
        source: Option<Arc<sqlx::Error>>,
    },
    /// What is stored is not what we wrote.
    #[error("the store is damaged: {0}")]
    Corrupt(String),
    /// What secrets are known by was mixed with another pepper.
    #[error("the store's secrets are mixed with another pepper than this one")]
    OtherPepper,
    /// The database and this binary do not fit.
    #[error(transparent)]
    Migration(#[from] crate::migrate::Fault),
}

/// What became of a change that was not answered (P8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was changed.
    NotDone,
    /// It may have been committed: ask again with the same idempotency key.
    Unknown,
}

impl Error {
    pub(crate) fn unavailable(doing: &'static str, source: impl Into<Option<sqlx::Error>>) -> Self {
        Self::Unavailable { doing, outcome: Outcome::NotDone, source: source.into().map(Arc::new) }
    }

    /// A change whose end nobody saw.
    pub(crate) fn lost(doing: &'static str) -> Self {
        Self::Unavailable { doing, outcome: Outcome::Unknown, source: None }
    }

    pub(crate) fn not_found(noun: &'static str, id: impl ToString) -> Self {
        Self::NotFound { noun, id: id.to_string() }
    }

    /// Sorts what an engine said: a broken rule is the asker's, everything else is the engine's.
    pub(crate) fn of_engine(doing: &'static str, error: sqlx::Error) -> Self {
        use sqlx::error::ErrorKind;
        let Some(said) = error.as_database_error() else {
            return match error {
                sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                    Self::Corrupt(error.to_string())
                }
                error => Self::unavailable(doing, error),
            };
        };
        match said.kind() {
            ErrorKind::UniqueViolation => Self::Exists { noun: "row", name: String::new() },
            ErrorKind::ForeignKeyViolation
            | ErrorKind::NotNullViolation
            | ErrorKind::CheckViolation => Self::Invalid(said.message().to_owned()),
            // SQLITE_CORRUPT and SQLITE_NOTADB.
            _ if matches!(said.code().as_deref(), Some("11" | "26")) => {
                Self::Corrupt(said.message().to_owned())
            }
            _ => Self::unavailable(doing, error),
        }
    }

    /// Whether the connection this came from, and what was begun on it, is lost.
    pub(crate) fn loses_the_connection(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Corrupt(_))
    }

    /// The same, where a commit was under way.
    pub(crate) fn after_commit(self) -> Self {
        match self {
            Self::Unavailable { source, .. } => {
                Self::Unavailable { doing: "committing", outcome: Outcome::Unknown, source }
            }
            other => other,
        }
    }

    /// Names what was to be made, where the engine only knows that it is there already.
    pub(crate) fn naming(self, noun: &'static str, name: &str) -> Self {
        match self {
            Self::Exists { .. } => Self::Exists { noun, name: name.to_owned() },
            other => other,
        }
    }
}
