//! The writing side: fields, numbers and chunks, appended to a buffer.

use super::{Fields, may_trail};

/// Most bytes of data that may stand between [`begin_chunk`] and [`end_chunk`].
pub const CHUNK_MOST: usize = 0xffff;

/// Room for `ffff\r\n`.
const SIZE_ROOM: usize = 6;

/// Appends a field line. The caller vouches for legal bytes: they come from a parser of ours or
/// are our own.
#[inline]
pub fn put_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends a decimal number.
#[inline]
pub fn put_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Leaves room for a chunk's size, so that data can be read right behind it. Returns the mark
/// that [`end_chunk`] wants. At most [`CHUNK_MOST`] bytes may follow.
#[inline]
pub fn begin_chunk(out: &mut Vec<u8>) -> usize {
    let mark = out.len();
    out.extend_from_slice(&[0; SIZE_ROOM]);
    mark
}

/// Writes the size of what was appended since the mark, and the chunk's end. Nothing appended:
/// nothing is left, because an empty chunk would end the body.
pub fn end_chunk(out: &mut Vec<u8>, mark: usize) {
    let data = out.len() - mark - SIZE_ROOM;
    debug_assert!(data <= CHUNK_MOST, "a chunk of {data} bytes does not fit its size field");
    if data == 0 {
        out.truncate(mark);
        return;
    }
    let mut size = [0u8; SIZE_ROOM];
    let mut used = 0;
    for shift in [12, 8, 4, 0] {
        let digit = (data >> shift) & 15;
        if used > 0 || digit > 0 {
            size[used] = b"0123456789abcdef"[digit];
            used += 1;
        }
    }
    size[used..used + 2].copy_from_slice(b"\r\n");
    used += 2;
    if used < SIZE_ROOM {
        // Only chunks under 4 KiB are moved, by up to three bytes: cheaper than a second buffer.
        out.copy_within(mark + SIZE_ROOM.., mark + used);
        out.truncate(mark + used + data);
    }
    out[mark..mark + used].copy_from_slice(&size[..used]);
    out.extend_from_slice(b"\r\n");
}

/// Ends a chunked body, with trailer fields where there are some. Fields that change how a
/// message is framed, routed or trusted may not travel there (RFC 9110 §6.5.1) and are left out.
pub fn last_chunk(out: &mut Vec<u8>, trailers: Option<Fields<'_>>) {
    out.extend_from_slice(b"0\r\n");
    for (_, name, value) in trailers.into_iter().flatten() {
        if may_trail(name) {
            put_field(out, name, value);
        }
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_without_padding() {
        for (data, size) in [(1, "1"), (15, "f"), (16, "10"), (4095, "fff"), (65535, "ffff")] {
            let mut out = b"before".to_vec();
            let mark = begin_chunk(&mut out);
            out.extend(std::iter::repeat_n(b'x', data));
            end_chunk(&mut out, mark);
            let expected = format!("before{size}\r\n{}\r\n", "x".repeat(data));
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
        let mut out = Vec::new();
        let mark = begin_chunk(&mut out);
        end_chunk(&mut out, mark);
        assert!(out.is_empty());
    }

    #[test]
    fn numbers_are_decimal() {
        for number in [0, 7, 10, 12_345, u64::MAX] {
            let mut out = Vec::new();
            put_number(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }
}
