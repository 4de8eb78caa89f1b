//! Whose key is this: reading a key out of a request, and finding its application (`index`).
//!
//! This module decides; it answers nobody.

mod index;

pub use index::{CredentialIndex, SharedKey};
pub(crate) use index::{Held, keys_of};

/// Longest key that is looked at, in bytes. Ours have 43 characters; other people's fit too.
pub const KEY_BYTES_MAX: usize = 512;

/// The header fields of a request, as far as this module wants to know them.
pub trait Headers {
    /// Value of the first field with this (lower-case) name.
    fn get(&self, lower_name: &str) -> Option<&[u8]>;
    /// How many fields have this (lower-case) name.
    fn count(&self, lower_name: &str) -> usize;
}

/// What a request shows as its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented<'a> {
    /// Nothing, or nothing but white space.
    Missing,
    /// This key, at most [`KEY_BYTES_MAX`] bytes.
    Key(&'a [u8]),
    /// A bearer token that looks like a JSON Web Token; nothing of it was checked.
    Token(&'a [u8]),
    /// Two keys that differ; refused as an unknown one is, since which was meant is a guess.
    Conflict,
    /// A repeated field, a key that is too long, or white space or control characters in it.
    Malformed,
}

/// Reads the key of a request: `X-API-Key: k` or `Authorization: Bearer k` (RFC 6750 §2.1).
///
/// Other schemes of `Authorization` are none of ours and count as no key.
pub fn present(headers: &dyn Headers) -> Presented<'_> {
    let direct = match single(headers, "x-api-key") {
        Ok(value) => value.map(trim),
        Err(refused) => return refused,
    };
    let bearer = match single(headers, "authorization") {
        Ok(value) => value.and_then(bearer),
        Err(refused) => return refused,
    };
    let direct = direct.filter(|key| !key.is_empty());
    let bearer = bearer.filter(|key| !key.is_empty());
    match (direct, bearer) {
        (None, None) => Presented::Missing,
        (None, Some(token)) if is_token(token) => Presented::Token(token),
        (Some(key), None) | (None, Some(key)) => well_formed(key),
        (Some(one), Some(other)) if one == other => well_formed(one),
        (Some(_), Some(_)) => Presented::Conflict,
    }
}

fn single<'a>(headers: &'a dyn Headers, name: &str) -> Result<Option<&'a [u8]>, Presented<'a>> {
    match headers.count(name) {
        0 => Ok(None),
        1 => Ok(headers.get(name)),
        _ => Err(Presented::Malformed),
    }
}

/// The token of `Bearer token`; the scheme's case does not matter (RFC 9110 §11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    const SCHEME: usize = "bearer".len();
    let value = trim(value);
    let (scheme, rest) = value.split_at_checked(SCHEME)?;
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return None;
    }
    match rest.first() {
        None => Some(rest),
        Some(b' ' | b'\t') => Some(trim(rest)),
        Some(_) => None,
    }
}

/// Three parts in base64url, the first of which is the beginning of a JSON object (RFC 7515 §3.1).
fn is_token(text: &[u8]) -> bool {
    text.starts_with(b"eyJ") && text.iter().filter(|byte| **byte == b'.').count() == 2
}

/// A token as a key: where no tokens are taken it may well be one.
pub fn well_formed(key: &[u8]) -> Presented<'_> {
    let clean = |byte: &u8| *byte > b' ' && *byte != 0x7f;
    match key.len() <= KEY_BYTES_MAX && key.iter().all(clean) {
        true => Presented::Key(key),
        false => Presented::Malformed,
    }
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fields(Vec<(&'static str, Vec<u8>)>);

    impl Headers for Fields {
        fn get(&self, lower_name: &str) -> Option<&[u8]> {
            self.0.iter().find(|(name, _)| *name == lower_name).map(|(_, value)| &**value)
        }
        fn count(&self, lower_name: &str) -> usize {
            self.0.iter().filter(|(name, _)| *name == lower_name).count()
        }
    }

    fn fields(list: &[(&'static str, &str)]) -> Fields {
        Fields(list.iter().map(|(name, value)| (*name, value.as_bytes().to_vec())).collect())
    }

    #[test]
    fn a_key_is_read_wherever_it_may_stand_and_nowhere_else() {
        use Presented::{Conflict, Key, Malformed, Missing};
        const KEY: &str = "x-api-key";
        const AUTH: &str = "authorization";
        let cases: &[(&[(&'static str, &str)], Presented<'_>)] = &[
            (&[], Missing),
            (&[(KEY, "k1")], Key(b"k1")),
            (&[(KEY, "  k1\t")], Key(b"k1")),
            (&[(KEY, "")], Missing),
            (&[(KEY, " \t ")], Missing),
            (&[(AUTH, "Bearer k1")], Key(b"k1")),
            (&[(AUTH, "bEARER   k1 ")], Key(b"k1")),
            (&[(AUTH, "Bearer")], Missing),
            (&[(AUTH, "Bearer  ")], Missing),
            (&[(AUTH, "Bearerk1")], Missing),
            (&[(AUTH, "Basic azE6")], Missing),
            (&[(AUTH, "Basic azE6"), (KEY, "k1")], Key(b"k1")),
            (&[(AUTH, "Bearer k1"), (KEY, "k1")], Key(b"k1")),
            (&[(AUTH, "Bearer"), (KEY, "k1")], Key(b"k1")),
            (&[(AUTH, "Bearer k1"), (KEY, "")], Key(b"k1")),
            (&[(AUTH, "Bearer k1"), (KEY, "k2")], Conflict),
            (&[(KEY, "k1"), (KEY, "k1")], Malformed),
            (&[(KEY, "k1"), (AUTH, "Bearer k1"), (AUTH, "Basic azE6")], Malformed),
            (&[(KEY, "k1, k2")], Malformed),
            (&[(AUTH, "Bearer k1 k2")], Malformed),
            (&[(KEY, "k\u{1}1")], Malformed),
            (&[(KEY, "k\u{7f}")], Malformed),
            (&[(KEY, "clé")], Key("clé".as_bytes())),
            (&[(AUTH, "é")], Missing),
        ];
        for (list, expected) in cases {
            assert_eq!(present(&fields(list)), *expected, "{list:?}");
        }
        let longest = "k".repeat(KEY_BYTES_MAX);
        assert_eq!(present(&fields(&[(KEY, &longest)])), Key(longest.as_bytes()));
        assert_eq!(present(&fields(&[(KEY, &format!("{longest}k"))])), Malformed);
    }
}
