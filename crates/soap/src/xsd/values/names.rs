//! Names of XML as values: NMTOKEN, QName, and the texts of `language` and `anyURI`.

use crate::xml::is_ncname;

/// Whether a character may begin a Name, the colon included: what `\i` matches.
#[must_use]
pub fn is_name_start(c: char) -> bool {
    c == ':' || crate::xml::is_name_start(c)
}

/// Whether a character may stand inside a Name: what `\c` matches.
#[must_use]
pub fn is_name_char(c: char) -> bool {
    c == ':' || crate::xml::is_name_char(c)
}

/// Whether the text is a name token.
#[must_use]
pub fn is_nmtoken(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_name_char)
}

/// `[a-zA-Z]{1,8}(-[a-zA-Z0-9]{1,8})*`
pub(super) fn is_language(text: &str) -> bool {
    let mut subtags = text.split('-');
    let sized = |tag: &str| (1..=8).contains(&tag.len());
    subtags.next().is_some_and(|tag| sized(tag) && tag.bytes().all(|b| b.is_ascii_alphabetic()))
        && subtags.all(|tag| sized(tag) && tag.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Splits a QName: prefix ("" for none) and local name.
pub(super) fn split_qname(text: &str) -> Option<(&str, &str)> {
    let (prefix, local) = match text.split_once(':') {
        Some((prefix, local)) if is_ncname(prefix) => (prefix, local),
        Some(_) => return None,
        None => ("", text),
    };
    is_ncname(local).then_some((prefix, local))
}

/// What an anyURI may be: nearly anything, since characters that URIs forbid are escaped before use (XLink 5.4).
/// Refused are a broken percent escape, a second `#`, and a reference that begins with its colon.
pub(super) fn is_any_uri(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut hashes = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'%' => {
                let hex = |i| bytes.get(i).is_some_and(u8::is_ascii_hexdigit);
                if !hex(at + 1) || !hex(at + 2) {
                    return false;
                }
            }
            b'#' => hashes += 1,
            _ => {}
        }
    }
    hashes <= 1 && bytes.first() != Some(&b':')
}
