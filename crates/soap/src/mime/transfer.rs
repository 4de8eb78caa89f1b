//! Transfer encodings of parts (RFC 2045, section 6), undone piece by piece; and base64, done piece by piece.

use super::head::wrong;
use crate::Fault;

type Result<T> = std::result::Result<T, Box<Fault>>;

/// How a part's bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// None was named, so that it is [`Encoding::Identity`].
    #[default]
    Unsaid,
    /// As they are: 7bit, 8bit or binary.
    Identity,
    /// base64
    Base64,
    /// quoted-printable
    QuotedPrintable,
}

impl Encoding {
    /// By its name in `Content-Transfer-Encoding`.
    #[must_use]
    pub fn read(value: &str) -> Option<Self> {
        match value.to_ascii_lowercase().as_str() {
            "7bit" | "8bit" | "binary" => Some(Self::Identity),
            "base64" => Some(Self::Base64),
            "quoted-printable" => Some(Self::QuotedPrintable),
            _ => None,
        }
    }
}

/// What bytes that are there as a whole stand for.
///
/// # Errors
/// When they are not what the encoding allows.
pub fn decode(encoding: Encoding, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut decoder = Decoder::new(encoding);
    let mut out = Vec::with_capacity(bytes.len());
    decoder.take(bytes, &mut out)?;
    decoder.end(&mut out)?;
    Ok(out)
}

/// Undoes an encoding.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    encoding: Encoding,
    /// base64: bits that came, and how many; characters of padding.
    bits: u32,
    count: u32,
    padding: u32,
    /// quoted-printable: what may be the beginning of an escape, of a line's end, or white space before one.
    held: Vec<u8>,
}

/// White space that quoted-printable may have before the end of a line; a line has at most 76 characters.
const HELD_BYTES: usize = 1 << 10;

impl Decoder {
    pub(super) fn new(encoding: Encoding) -> Self {
        Self { encoding, ..Self::default() }
    }

    /// Appends what these bytes stand for.
    pub(super) fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
        match self.encoding {
            Encoding::Unsaid | Encoding::Identity => out.extend_from_slice(bytes),
            Encoding::Base64 => bytes.iter().try_for_each(|byte| self.base64(*byte, out))?,
            Encoding::QuotedPrintable => {
                bytes.iter().try_for_each(|byte| self.printable(*byte, out))?;
            }
        }
        Ok(())
    }

    /// The part is at its end.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) -> Result<()> {
        match self.encoding {
            Encoding::Base64 => {
                let whole = match (self.count, self.padding) {
                    (0, 0) => true,
                    // Twelve bits came for one byte, eighteen for two; the others are zero.
                    (4, 2) | (2, 1) => self.bits == 0,
                    _ => false,
                };
                if !whole {
                    return Err(wrong("the base64 of a part is cut off"));
                }
            }
            Encoding::QuotedPrintable => {
                if self.held.first().is_some_and(|first| *first == b'=') {
                    return soft_break(&self.held);
                }
                // White space at the end of a line is none of the sender's (RFC 2045, section 6.7, rule 3).
                if self.held.contains(&b'\r') {
                    out.append(&mut self.held);
                }
            }
            Encoding::Unsaid | Encoding::Identity => {}
        }
        Ok(())
    }

    fn base64(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<()> {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                self.padding += 1;
                return match self.padding {
                    1 | 2 => Ok(()),
                    _ => Err(wrong("the base64 of a part has too much padding")),
                };
            }
            b' ' | b'\t' | b'\r' | b'\n' => return Ok(()),
            _ => return Err(wrong("the base64 of a part holds a character that is none of it")),
        };
        if self.padding > 0 {
            return Err(wrong("the base64 of a part goes on after its padding"));
        }
        self.bits = self.bits << 6 | u32::from(value);
        self.count += 6;
        if self.count >= 8 {
            self.count -= 8;
            out.push((self.bits >> self.count & 0xff) as u8);
            self.bits &= (1 << self.count) - 1;
        }
        Ok(())
    }

    fn printable(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<()> {
        match (self.held.first().copied(), byte) {
            (None, b'=' | b' ' | b'\t' | b'\r') => self.held.push(byte),
            (None, _) => out.push(byte),
            (Some(b'='), _) => return self.escape(byte, out),
            (Some(_), b'\n') if self.held.last() == Some(&b'\r') => {
                self.held.clear();
                out.extend_from_slice(b"\r\n");
            }
            (Some(_), b' ' | b'\t' | b'\r') if self.held.last() != Some(&b'\r') => {
                self.held.push(byte);
            }
            (Some(_), _) => {
                out.append(&mut self.held);
                return self.printable(byte, out);
            }
        }
        if self.held.len() > HELD_BYTES {
            return Err(wrong("a line of a quoted-printable part is too long"));
        }
        Ok(())
    }

    /// Behind a `=`: two digits, or the end of the line.
    fn escape(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<()> {
        self.held.push(byte);
        let digit = |byte: &u8| (*byte as char).to_digit(16).and_then(|d| u8::try_from(d).ok());
        match self.held.as_slice() {
            [_, high, low] if digit(high).is_some() => {
                let low = digit(low);
                let (Some(high), Some(low)) = (digit(high), low) else {
                    return Err(wrong("a part holds a broken escape of quoted-printable"));
                };
                out.push(high << 4 | low);
                self.held.clear();
            }
            [_, high] if digit(high).is_some() => {}
            [.., b'\r', b'\n'] => {
                soft_break(&self.held)?;
                self.held.clear();
            }
            held if held.len() > HELD_BYTES => {
                return Err(wrong("a line of a quoted-printable part is too long"));
            }
            held => return soft_break(held),
        }
        Ok(())
    }
}

/// Whether a `=` is followed by what may stand before the end of a line.
fn soft_break(held: &[u8]) -> Result<()> {
    let after = held.get(1..).unwrap_or_default();
    let rest =
        after.iter().position(|b| !matches!(b, b' ' | b'\t')).map_or(&[][..], |at| &after[at..]);
    match rest {
        [] | [b'\r'] | [b'\r', b'\n'] => Ok(()),
        _ => Err(wrong("a part holds a broken escape of quoted-printable")),
    }
}

/// Appends the base64 of bytes that come in pieces: `held` keeps up to two of them between calls. With `last` nothing more
/// comes.
pub fn base64_append(held: &mut Vec<u8>, bytes: &[u8], last: bool, out: &mut Vec<u8>) {
    let mut bytes = bytes;
    if !held.is_empty() {
        let missing = bytes.len().min(3 - held.len().min(3));
        let (head, rest) = bytes.split_at(missing);
        held.extend_from_slice(head);
        bytes = rest;
        if held.len() == 3 || last && bytes.is_empty() {
            base64_simd::STANDARD.encode_append(held.as_slice(), out);
            held.clear();
        }
    }
    let whole = if last { bytes.len() } else { bytes.len() - bytes.len() % 3 };
    let (now, later) = bytes.split_at(whole);
    base64_simd::STANDARD.encode_append(now, out);
    held.extend_from_slice(later);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At once and byte by byte.
    fn decoded(encoding: Encoding, text: &str) -> Option<Vec<u8>> {
        let decode = |size: usize| {
            let mut decoder = Decoder::new(encoding);
            let mut out = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                decoder.take(piece, &mut out).ok()?;
            }
            decoder.end(&mut out).ok()?;
            Some(out)
        };
        let whole = decode(text.len().max(1));
        assert_eq!(decode(1), whole, "{text:?}");
        whole
    }

    #[test]
    fn base64_is_read_over_lines_and_nothing_else_is() {
        let read = |text| decoded(Encoding::Base64, text);
        assert_eq!(read("SGVs\r\nbG8=\r\n").as_deref(), Some(&b"Hello"[..]));
        assert_eq!(read("SGVsbA==").as_deref(), Some(&b"Hell"[..]));
        assert_eq!(read("").as_deref(), Some(&b""[..]));
        for broken in
            ["SGVsbG8", "SGVsbA=", "SGVsbG8==", "S=", "=", "SGV=bG8=", "SGVs!", "SGVsbB==", "===="]
        {
            assert_eq!(read(broken), None, "{broken}");
        }
    }

    #[test]
    fn quoted_printable_is_read_over_soft_breaks() {
        let read = |text| decoded(Encoding::QuotedPrintable, text);
        assert_eq!(
            read("a=3D=\r\nb =c3=A9 \t\r\n\r\nx\ry").as_deref(),
            Some("a=b é\r\n\r\nx\ry".as_bytes())
        );
        assert_eq!(read("a= \t\r\nb  ").as_deref(), Some(&b"ab"[..]));
        assert_eq!(read("a=").as_deref(), Some(&b"a"[..]));
        for broken in ["=4", "=4\r\n", "=zz", "=a", "= x", "=\rx", "=\r\r\n"] {
            assert_eq!(read(broken), None, "{broken:?}");
        }
    }

    #[test]
    fn base64_in_pieces_is_base64() {
        let bytes: Vec<u8> = (0..=255).collect();
        for size in [1, 2, 3, 4, 7, 255, 256] {
            let (mut held, mut out) = (Vec::new(), Vec::new());
            for piece in bytes.chunks(size) {
                base64_append(&mut held, piece, false, &mut out);
            }
            base64_append(&mut held, &[], true, &mut out);
            assert_eq!(out, base64_simd::STANDARD.encode_to_string(&bytes).into_bytes(), "{size}");
        }
    }
}
