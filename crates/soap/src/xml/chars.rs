//! The characters of XML 1.0 (5th edition, productions 2 to 7), as tables for ASCII and ranges for the rest.

/// What a byte may be in a name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum InName {
    /// It ends the name.
    No,
    /// Anywhere but first: digits, `-`, `.`.
    Later,
    /// Anywhere.
    Start,
    /// Between prefix and local name.
    Colon,
    /// Part of a character beyond ASCII.
    High,
}

/// [`InName`] of each byte.
pub(super) const NAMES: [InName; 256] = {
    let mut table = [InName::No; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match byte as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => InName::Start,
            b'0'..=b'9' | b'-' | b'.' => InName::Later,
            b':' => InName::Colon,
            0x80.. => InName::High,
            _ => InName::No,
        };
        byte += 1;
    }
    table
};

/// Whether a character may stand in a document (production 2).
pub fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Whether a byte is white space (production 3).
pub fn is_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Production 4, the colon left out.
pub(crate) fn is_name_start(c: char) -> bool {
    matches!(c, 'a'..='z' | 'A'..='Z' | '_'
        | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}'
        | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}'
        | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}'
        | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

/// Production 4a, the colon left out.
pub(crate) fn is_name_char(c: char) -> bool {
    is_name_start(c)
        || matches!(c, '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// Whether text is a name without a colon.
pub fn is_ncname(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

/// Whether text is a name; colons are letters here.
pub fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c == ':' || is_name_start(c))
        && chars.all(|c| c == ':' || is_name_char(c))
}
