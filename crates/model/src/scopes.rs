//! Scopes of OAuth (RFC 6749 §3.3): what a credential reaches, and what an operation asks for.

use std::{fmt, sync::Arc};

/// Longest scope, in bytes.
pub const SCOPE_BYTES_MAX: usize = 128;

/// A set of scopes. Clones share it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(Arc<[Box<str>]>);

impl Scopes {
    /// Those of a text in which a space stands between two (RFC 6749 §3.3).
    pub fn of_text(text: &str) -> Self {
        text.split(' ').filter(|scope| !scope.is_empty()).collect()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one is among them.
    pub fn holds(&self, scope: &str) -> bool {
        self.0.binary_search_by(|one| (**one).cmp(scope)).is_ok()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|scope| &**scope)
    }
}

impl<'s> FromIterator<&'s str> for Scopes {
    fn from_iter<I: IntoIterator<Item = &'s str>>(scopes: I) -> Self {
        let mut all: Vec<Box<str>> = scopes.into_iter().map(Box::from).collect();
        all.sort_unstable();
        all.dedup();
        Self(all.into())
    }
}

/// As a token says them: a space between two.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { " " })?;
            f.write_str(scope)?;
        }
        Ok(())
    }
}

/// Why a text is no scope (RFC 6749 §3.3: visible ASCII but `"` and `\`).
pub fn scope_fault(text: &str) -> Option<&'static str> {
    let legal = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    match text {
        "" => Some("it is empty"),
        long if long.len() > SCOPE_BYTES_MAX => Some("it is longer than 128 bytes"),
        odd if !odd.bytes().all(legal) => {
            Some("it may have visible ASCII characters alone, and neither `\"` nor `\\`")
        }
        _ => None,
    }
}

/// What an operation asks of whoever calls it: all scopes of one of these sets. No set: nothing is asked. An empty set:
/// that it is known who calls.
pub type Asked = Vec<Scopes>;

/// What the operations of an API ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApiScopes {
    /// By operation, in their order.
    pub operations: Vec<Asked>,
    /// What a call asks for that is none of them.
    pub others: Asked,
}

impl ApiScopes {
    /// What a call of this operation asks for; `None`: of none that has a name.
    pub fn asked(&self, operation: Option<usize>) -> &[Scopes] {
        operation.map_or(&self.others, |index| self.operations.get(index).unwrap_or(&self.others))
    }

    /// All that are asked for anywhere.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        let every = self.operations.iter().chain([&self.others]).flatten();
        every.flat_map(Scopes::iter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_each_scope_once_and_knows_it() {
        let scopes = Scopes::of_text("write  read write");
        assert_eq!(scopes.to_string(), "read write");
        assert!(scopes.holds("read") && scopes.holds("write"));
        assert!(!scopes.holds("rea") && !scopes.holds("Read") && !scopes.holds(""));
        assert!(Scopes::of_text(" ").is_empty());
    }

    #[test]
    fn a_scope_is_what_rfc_6749_says() {
        for good in ["a", "tracking:read", "https://api.example/read", "!#[]~"] {
            assert_eq!(scope_fault(good), None, "{good}");
        }
        for bad in ["", "a b", "a\"b", "a\\b", "é", "a\n", &"a".repeat(129)] {
            assert!(scope_fault(bad).is_some(), "{bad}");
        }
    }
}
