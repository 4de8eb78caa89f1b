//! hexBinary and base64Binary: checked, measured in octets, decoded.

use super::space::is_space;

/// The number of octets that a hexBinary holds, if it is one.
#[must_use]
pub fn hex_length(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    (bytes.len().is_multiple_of(2) && bytes.iter().all(u8::is_ascii_hexdigit))
        .then_some(bytes.len() as u64 / 2)
}

/// The number of octets that a base64Binary holds, if it is one. White space may stand anywhere.
#[must_use]
pub fn base64_length(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let (mut symbols, mut padding, mut last) = (0u64, 0u64, 0u8);
    for &byte in bytes {
        let class = BASE64.get(byte as usize).copied().unwrap_or(INVALID);
        match class {
            0..=63 if padding == 0 => {
                symbols += 1;
                last = class;
            }
            PADDING if padding < 2 => padding += 1,
            SPACE => {}
            _ => return None,
        }
    }
    // The bits that padding cuts off have to be zero.
    let (length, unused) = match (symbols % 4, padding) {
        (0, 0) => (symbols / 4 * 3, 0),
        (2, 2) => (symbols / 4 * 3 + 1, 0b1111),
        (3, 1) => (symbols / 4 * 3 + 2, 0b11),
        _ => return None,
    };
    (last & unused == 0).then_some(length)
}

/// Appends base64 without its white space.
pub fn base64_strip(text: &str, out: &mut String) {
    if text.bytes().any(is_space) {
        out.extend(text.split_ascii_whitespace());
    } else {
        out.push_str(text);
    }
}

pub(super) fn hex_decode(text: &str) -> Option<Box<[u8]>> {
    let digit = |b: u8| (b as char).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

pub(super) fn base64_decode(text: &str) -> Option<Box<[u8]>> {
    let length = usize::try_from(base64_length(text)?).ok()?;
    let mut octets = Vec::with_capacity(length);
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in text.bytes() {
        let class = BASE64.get(byte as usize).copied().unwrap_or(INVALID);
        if class > 63 {
            continue;
        }
        bits = bits << 6 | u32::from(class);
        held += 6;
        if held >= 8 {
            held -= 8;
            octets.push((bits >> held & 0xff) as u8);
        }
    }
    Some(octets.into_boxed_slice())
}

const INVALID: u8 = 255;
const PADDING: u8 = 254;
const SPACE: u8 = 253;

static BASE64: [u8; 256] = {
    let mut table = [INVALID; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut at = 0;
    while at < 64 {
        table[alphabet[at] as usize] = at as u8;
        at += 1;
    }
    table[b'=' as usize] = PADDING;
    table[b' ' as usize] = SPACE;
    table[b'\t' as usize] = SPACE;
    table[b'\n' as usize] = SPACE;
    table[b'\r' as usize] = SPACE;
    table
};
