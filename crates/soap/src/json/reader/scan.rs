//! Strings and numbers, byte by byte.

use std::ops::Range;

use crate::FaultKind;

/// A fault whose line and pointer the reader adds.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) kind: FaultKind,
    pub(super) at: usize,
    pub(super) message: String,
}

impl Trouble {
    #[cold]
    pub(super) fn syntax(at: usize, message: impl Into<String>) -> Self {
        Self { kind: FaultKind::Syntax, at, message: message.into() }
    }

    #[cold]
    pub(super) fn limit(at: usize, what: &str, limit: impl std::fmt::Display) -> Self {
        Self { kind: FaultKind::Limit, at, message: format!("{what}: more than {limit}") }
    }
}

/// Up to here a loop over bytes is quicker than a search by vectors.
const SHORT: usize = 24;

/// Bytes at which a string is no longer plain.
const STOPS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = true;
        byte += 1;
    }
    table[b'"' as usize] = true;
    table[b'\\' as usize] = true;
    table
};

/// Where plain text of a string ends.
#[inline]
fn plain(bytes: &[u8], mut at: usize) -> usize {
    let short = bytes.len().min(at + SHORT);
    while at < short {
        let byte = bytes.get(at).copied().unwrap_or_default();
        if STOPS.get(usize::from(byte)).copied().unwrap_or_default() {
            return at;
        }
        at += 1;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let end = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
    let run = rest.get(..end).unwrap_or_default();
    let clean = !run.iter().fold(false, |control, &byte| control | (byte < 0x20));
    if clean {
        return at + end;
    }
    at + run.iter().position(|&byte| byte < 0x20).unwrap_or(end)
}

/// Whether the closing quote of a string is there; else where to go on looking.
pub(super) fn string_end(bytes: &[u8], mut at: usize) -> Result<usize, usize> {
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        match memchr::memchr2(b'"', b'\\', rest) {
            None => return Err(bytes.len()),
            Some(found) if rest.get(found) == Some(&b'"') => return Ok(at + found),
            // An escape that is cut is looked at again.
            Some(found) if found + 1 >= rest.len() => return Err(at + found),
            Some(found) => at += found + 2,
        }
    }
}

/// Reads a string whose opening quote stands before `start`: its text in the input, or in `scratch` when it has escapes; and what
/// follows its closing quote.
#[inline]
pub(super) fn string(
    text: &str,
    start: usize,
    scratch: &mut String,
) -> Result<(Range<usize>, bool, usize), Trouble> {
    let bytes = text.as_bytes();
    let at = plain(bytes, start);
    if bytes.get(at) == Some(&b'"') {
        return Ok((start..at, false, at + 1));
    }
    let end = copy(text, start, at, scratch)?;
    Ok((0..scratch.len(), true, end))
}

fn copy(text: &str, start: usize, mut at: usize, scratch: &mut String) -> Result<usize, Trouble> {
    let bytes = text.as_bytes();
    scratch.clear();
    let mut run = start;
    loop {
        match bytes.get(at) {
            Some(b'"') => {
                scratch.push_str(text.get(run..at).unwrap_or_default());
                return Ok(at + 1);
            }
            Some(b'\\') => {
                scratch.push_str(text.get(run..at).unwrap_or_default());
                let (c, after) = escaped(bytes, at)?;
                scratch.push(c);
                (at, run) = (after, after);
                at = plain(bytes, at);
            }
            Some(control) => {
                let message = format!("the control character U+{control:04X} in a string");
                return Err(Trouble::syntax(at, message));
            }
            None => return Err(Trouble::syntax(start - 1, "a string has no end")),
        }
    }
}

/// The character of an escape that begins at `at`, and what follows it.
fn escaped(bytes: &[u8], at: usize) -> Result<(char, usize), Trouble> {
    let c = match bytes.get(at + 1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{C}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode(bytes, at),
        _ => return Err(Trouble::syntax(at, "this is no escape of JSON")),
    };
    Ok((c, at + 2))
}

fn unicode(bytes: &[u8], at: usize) -> Result<(char, usize), Trouble> {
    let first = hex4(bytes, at)?;
    if let Some(c) = char::from_u32(first) {
        return Ok((c, at + 6));
    }
    let lone = || Trouble::syntax(at, "a surrogate without its other half");
    if first >= 0xDC00 || bytes.get(at + 6..at + 8) != Some(b"\\u") {
        return Err(lone());
    }
    let second = hex4(bytes, at + 6)?;
    if !(0xDC00..0xE000).contains(&second) {
        return Err(lone());
    }
    let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    char::from_u32(code).map(|c| (c, at + 12)).ok_or_else(lone)
}

fn hex4(bytes: &[u8], at: usize) -> Result<u32, Trouble> {
    let digits = bytes.get(at + 2..at + 6).unwrap_or_default();
    let mut code = 0;
    for &digit in digits {
        let Some(value) = char::from(digit).to_digit(16) else { break };
        code = code * 16 + value;
    }
    let all = digits.len() == 4 && digits.iter().all(u8::is_ascii_hexdigit);
    all.then_some(code).ok_or_else(|| Trouble::syntax(at, "\\u and four hexadecimal digits"))
}

/// What was found of a number.
pub(super) struct Scanned {
    pub(super) end: usize,
    /// Whether it is one.
    pub(super) complete: bool,
    /// Whether it goes on if the text does.
    pub(super) reached_end: bool,
}

/// Reads a number (RFC 8259, section 6).
pub(super) fn number(bytes: &[u8], start: usize) -> Result<Scanned, Trouble> {
    let mut at = start;
    let digits = |at: &mut usize| {
        let from = *at;
        while bytes.get(*at).is_some_and(u8::is_ascii_digit) {
            *at += 1;
        }
        *at > from
    };
    if bytes.get(at) == Some(&b'-') {
        at += 1;
    }
    let leading = bytes.get(at);
    let mut complete = if leading == Some(&b'0') {
        at += 1;
        true
    } else {
        digits(&mut at)
    };
    if complete && bytes.get(at) == Some(&b'.') {
        at += 1;
        complete = digits(&mut at);
    }
    if complete && matches!(bytes.get(at), Some(b'e' | b'E')) {
        at += 1;
        if matches!(bytes.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        complete = digits(&mut at);
    }
    // Digits after a leading zero, or a letter: no number, whatever follows.
    if matches!(bytes.get(at), Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-')) {
        return Err(Trouble::syntax(at, "this is no number of JSON"));
    }
    Ok(Scanned { end: at, complete, reached_end: at == bytes.len() })
}

/// The member of an object whose brace was just read, if it is a string without escapes.
pub(super) fn find_member<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut depth = 0usize;
    // At the level of the object a string is a name when no colon stands before it.
    let mut after_colon = false;
    loop {
        match *bytes.get(at)? {
            b'"' => {
                let start = at + 1;
                let mut end = start;
                let mut escaped = false;
                loop {
                    end += memchr::memchr2(b'"', b'\\', bytes.get(end..)?)?;
                    if bytes.get(end) == Some(&b'"') {
                        break;
                    }
                    (end, escaped) = (end + 2, true);
                }
                at = end;
                if depth == 0 && !after_colon && !escaped && text.get(start..end) == Some(name) {
                    let rest = text.get(end + 1..)?.trim_start().strip_prefix(':')?.trim_start();
                    let value = rest.strip_prefix('"')?;
                    return value
                        .get(..memchr::memchr(b'"', value.as_bytes())?)
                        .filter(|v| !v.contains('\\'));
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            b':' if depth == 0 => after_colon = true,
            b',' if depth == 0 => after_colon = false,
            _ => {}
        }
        at += 1;
    }
}
