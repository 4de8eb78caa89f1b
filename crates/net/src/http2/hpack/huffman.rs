//! The Huffman code of HPACK (RFC 7541 §5.2, appendix B).
//!
//! The code is canonical: within a length, codes rise with their symbols, and a longer code begins
//! where the shorter ones end. So the lengths say everything, and decoding needs no tree: a code of up
//! to eight bits is one look into a table of 256, a longer one a comparison for each length.

use super::HpackError;

/// Length of each byte's code in bits, and of the end-of-string symbol's.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];
const END: u16 = 256;
const LONGEST: usize = 30;

/// Everything that follows from the lengths.
struct Code {
    /// The codes of up to eight bits: what their first byte says. A length of 0: it is longer.
    short: [(u8, u8); 256],
    /// Symbols in the order of their codes.
    symbols: [u16; 257],
    /// For each length the first code, where its symbols begin, and the end of its codes when they
    /// are written at the top of 32 bits.
    first: [u32; LONGEST + 1],
    offset: [u16; LONGEST + 1],
    limit: [u32; LONGEST + 1],
}

static CODE: Code = code();

const fn code() -> Code {
    let mut made = Code {
        short: [(0, 0); 256],
        symbols: [0; 257],
        first: [0; LONGEST + 1],
        offset: [0; LONGEST + 1],
        limit: [0; LONGEST + 1],
    };
    let (mut next, mut at, mut length) = (0u32, 0usize, 1usize);
    while length <= LONGEST {
        next <<= 1;
        made.first[length] = next;
        made.offset[length] = at as u16;
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                if length <= 8 {
                    let from = (next << (8 - length)) as usize;
                    let mut fill = 0;
                    while fill < 1 << (8 - length) {
                        made.short[from + fill] = (symbol as u8, length as u8);
                        fill += 1;
                    }
                }
                made.symbols[at] = symbol as u16;
                at += 1;
                next += 1;
            }
            symbol += 1;
        }
        // The end-of-string symbol is the last: 30 ones.
        made.limit[length] = ((next as u64) << (32 - length)).saturating_sub(1) as u32;
        length += 1;
    }
    made
}

/// Appends what a coded string means.
///
/// # Errors
/// It holds the end-of-string symbol, or ends in anything but fewer than eight ones.
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Result<(), HpackError> {
    out.reserve(coded.len() * 8 / 5 + 1);
    let (mut bits, mut have) = (0u64, 0u32);
    let mut rest = coded.iter();
    loop {
        while have <= 56 {
            let Some(byte) = rest.next() else { break };
            bits |= u64::from(*byte) << (56 - have);
            have += 8;
        }
        if have == 0 {
            return Ok(());
        }
        let (mut symbol, mut length) = CODE.short[(bits >> 56) as usize];
        if length == 0 {
            // Ones behind the end, so that padding looks like the beginning of the last symbol.
            let window = (bits | u64::MAX.checked_shr(have).unwrap_or(0)) >> 32;
            match long(window as u32) {
                Some(found) => (symbol, length) = found,
                None if have < 8 && is_padding(bits, have) => return Ok(()),
                None => return Err(HpackError::Huffman),
            }
        }
        let length = u32::from(length);
        if length > have {
            return match have < 8 && is_padding(bits, have) {
                true => Ok(()),
                false => Err(HpackError::Huffman),
            };
        }
        out.push(symbol);
        bits <<= length;
        have -= length;
    }
}

fn is_padding(bits: u64, have: u32) -> bool {
    bits >> (64 - have) == (1 << have) - 1
}

/// The symbol of a code of more than eight bits at the top of the window; `None`: the end of the
/// string, which must not be written out.
fn long(window: u32) -> Option<(u8, u8)> {
    let length = (9..=LONGEST).find(|length| window <= CODE.limit[*length])?;
    let index = (window >> (32 - length)) - CODE.first[length] + u32::from(CODE.offset[length]);
    match CODE.symbols.get(index as usize) {
        Some(&symbol) if symbol != END => Some((symbol as u8, length as u8)),
        _ => None,
    }
}

/// Appends the code of a string. Answers are written uncoded; this is for tests.
#[cfg(test)]
pub(super) fn encode(text: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut have) = (0u64, 0u32);
    for byte in text {
        let length = u32::from(LENGTHS[usize::from(*byte)]);
        let place = CODE.symbols.iter().position(|symbol| *symbol == u16::from(*byte)).unwrap();
        let at = place as u32 - u32::from(CODE.offset[length as usize]);
        bits = bits << length | u64::from(CODE.first[length as usize] + at);
        have += length;
        while have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
    if have > 0 {
        out.push((bits << (8 - have)) as u8 | ((1u16 << (8 - have)) - 1) as u8);
    }
}
