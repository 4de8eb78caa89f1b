//! Whole numbers in HPACK (RFC 7541 §5.1).

use super::HpackError;

/// Bytes behind the prefix, at most: 28 bits are more than any length or index we allow.
const FOLLOWING: u32 = 4;

/// Reads a number whose first byte, at `at`, has `prefix` bits for it.
#[inline]
pub(super) fn read(block: &[u8], at: &mut usize, prefix: u32) -> Result<usize, HpackError> {
    let most = (1usize << prefix) - 1;
    let first = usize::from(*block.get(*at).ok_or(HpackError::CutShort)?) & most;
    *at += 1;
    if first < most { Ok(first) } else { read_more(block, at, most) }
}

fn read_more(block: &[u8], at: &mut usize, most: usize) -> Result<usize, HpackError> {
    let mut value = most;
    for place in 0..FOLLOWING {
        let byte = *block.get(*at).ok_or(HpackError::CutShort)?;
        *at += 1;
        value += usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(HpackError::Number)
}

/// Appends a number; `first` holds the bits in front of the prefix.
#[inline]
pub(super) fn put(out: &mut Vec<u8>, first: u8, prefix: u32, value: usize) {
    let most = (1usize << prefix) - 1;
    if value < most {
        out.push(first | value as u8);
        return;
    }
    out.push(first | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
