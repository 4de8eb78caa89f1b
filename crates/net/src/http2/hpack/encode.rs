//! Fields to a header block (RFC 7541 §6.2).
//!
//! Fields are written as literals, their names by number where the fixed table has them. Nothing is
//! put into the other side's dynamic table and nothing is Huffman-coded: both would save bytes on
//! the wire and cost more time than writing the bytes does, and what is compressed together with a
//! secret can tell of it (§7.1).

use super::{fixed::FIXED, integer};
use crate::http1::put_number;

/// A literal that nobody may put into a table (§6.2.3), and one that we do not (§6.2.2).
const NEVER: u8 = 0x10;
const WITHOUT: u8 = 0x00;

/// Says that we keep the other side's table empty, whatever size it offers (§4.2). To be written at
/// the beginning of the first block, and of the first after each change of the offer.
pub(crate) fn put_empty_table(out: &mut Vec<u8>) {
    out.push(0x20);
}

/// Appends `:status`.
#[inline]
pub(crate) fn put_status(out: &mut Vec<u8>, status: u16) {
    match status {
        200 => out.push(0x88),
        204 => out.push(0x89),
        206 => out.push(0x8a),
        304 => out.push(0x8b),
        400 => out.push(0x8c),
        404 => out.push(0x8d),
        500 => out.push(0x8e),
        _ => {
            let digit = |by: u16| b'0' + (status / by % 10) as u8;
            out.extend_from_slice(&[8, 3, digit(100), digit(10), digit(1)]);
        }
    }
}

/// Appends `content-length`.
pub(crate) fn put_length(out: &mut Vec<u8>, length: u64) {
    integer::put(out, WITHOUT, 4, 28);
    let at = out.len();
    out.push(0);
    put_number(out, length);
    // At most twenty digits.
    out[at] = (out.len() - at - 1) as u8;
}

/// Appends a field. The name may be in any case; it is written in lower case, as HTTP/2 wants it.
#[inline]
pub fn put_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 12);
    match number(name) {
        // Set-Cookie: a secret.
        Some(55) => integer::put(out, NEVER, 4, 55),
        Some(number) => integer::put(out, WITHOUT, 4, number),
        None => {
            out.push(WITHOUT);
            integer::put(out, 0, 7, name.len());
            let at = out.len();
            out.extend_from_slice(name);
            out[at..].make_ascii_lowercase();
        }
    }
    integer::put(out, 0, 7, value.len());
    out.extend_from_slice(value);
}

/// The fixed table's number for a name.
#[inline]
fn number(name: &[u8]) -> Option<usize> {
    // The length picks a few candidates, so a name costs a comparison or two. Names that only
    // requests have are left out.
    let candidates: &[usize] = match name.len() {
        3 => &[21, 60],
        4 => &[33, 34, 45, 59],
        5 => &[22],
        6 => &[54],
        7 => &[36, 52],
        8 => &[46],
        10 => &[55],
        11 => &[53],
        12 => &[31],
        13 => &[18, 24, 30, 44],
        16 => &[26, 27, 29, 61],
        19 => &[25],
        25 => &[56],
        27 => &[20],
        _ => return None,
    };
    let is = |number: &&usize| FIXED[**number - 1].0.as_bytes().eq_ignore_ascii_case(name);
    candidates.iter().find(is).copied()
}
