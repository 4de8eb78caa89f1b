//! A fault as the tokenizer knows it: the reader adds line, column and path.

use crate::FaultKind;

/// Boxed, because results are passed on for every token and troubles are rare.
pub(super) type Result<T> = std::result::Result<T, Box<Trouble>>;

#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) kind: FaultKind,
    /// An index in the text at hand.
    pub(super) at: usize,
    pub(super) message: String,
}

impl Trouble {
    #[cold]
    pub(super) fn new(kind: FaultKind, at: usize, message: impl Into<String>) -> Box<Self> {
        Box::new(Self { kind, at, message: message.into() })
    }

    #[cold]
    pub(super) fn syntax<T>(at: usize, message: impl Into<String>) -> Result<T> {
        Err(Self::new(FaultKind::Syntax, at, message))
    }

    #[cold]
    pub(super) fn namespace<T>(at: usize, message: impl Into<String>) -> Result<T> {
        Err(Self::new(FaultKind::Namespace, at, message))
    }

    #[cold]
    pub(super) fn limit<T>(at: usize, what: &str, limit: impl std::fmt::Display) -> Result<T> {
        Err(Self::new(FaultKind::Limit, at, format!("{what}: more than {limit}")))
    }
}
