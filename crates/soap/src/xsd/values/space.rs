//! The whiteSpace facet: preserve, replace, collapse.

/// What happens to white space before a value is looked at. The order is that of strictness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WhiteSpace {
    /// Nothing is changed.
    Preserve,
    /// Tab, line feed and carriage return become spaces.
    Replace,
    /// Then runs of spaces become one, and none is left at either end.
    Collapse,
}

impl WhiteSpace {
    /// The value of a `whiteSpace` facet.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "preserve" => Some(Self::Preserve),
            "replace" => Some(Self::Replace),
            "collapse" => Some(Self::Collapse),
            _ => None,
        }
    }

    /// Applies the facet. The text is copied into `scratch` only where something inside has to change.
    #[must_use]
    pub fn apply<'a>(self, text: &'a str, scratch: &'a mut String) -> &'a str {
        match self {
            Self::Preserve => text,
            Self::Replace => replace(text, scratch),
            Self::Collapse => collapse(text, scratch),
        }
    }
}

/// Removes XML white space from both ends.
pub(crate) fn trim(text: &str) -> &str {
    let bytes = text.as_bytes();
    // Most values have nothing to trim.
    match (bytes.first(), bytes.last()) {
        (Some(&first), Some(&last)) if first > b' ' && last > b' ' => text,
        _ => text.trim_matches(is_space_char),
    }
}

/// The words of a list.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_space_char).filter(|word| !word.is_empty())
}

pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

const fn is_space_char(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

fn replace<'a>(text: &'a str, scratch: &'a mut String) -> &'a str {
    if !text.bytes().any(|b| matches!(b, b'\t' | b'\n' | b'\r')) {
        return text;
    }
    scratch.clear();
    scratch.extend(text.chars().map(|c| if is_space_char(c) { ' ' } else { c }));
    scratch
}

fn collapse<'a>(text: &'a str, scratch: &'a mut String) -> &'a str {
    let text = trim(text);
    if is_collapsed(text.as_bytes()) {
        return text;
    }
    scratch.clear();
    for word in words(text) {
        if !scratch.is_empty() {
            scratch.push(' ');
        }
        scratch.push_str(word);
    }
    scratch
}

/// Whether trimmed text has nothing inside that collapsing would change.
fn is_collapsed(bytes: &[u8]) -> bool {
    let mut before = 0u8;
    for &byte in bytes {
        if matches!(byte, b'\t' | b'\n' | b'\r') || (byte == b' ' && before == b' ') {
            return false;
        }
        before = byte;
    }
    true
}
