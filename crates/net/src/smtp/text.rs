//! The text of a message, between DATA and the dot that ends it (RFC 5321, 4.5.2).

use memchr::memchr3;

/// Why a message is refused for how its lines end (T52).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Smuggled {
    /// A carriage return that no line feed follows.
    #[error("a CR without an LF")]
    BareCr,
    /// A line feed without a carriage return before it.
    #[error("an LF without a CR")]
    BareLf,
    /// A NUL.
    #[error("a NUL")]
    Nul,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    LineStart,
    Line,
    /// Behind a carriage return.
    Cr,
    /// Behind a dot that begins a line.
    Dot,
    /// Behind such a dot and a carriage return.
    DotCr,
}

/// Takes the text as it comes.
#[derive(Debug)]
pub(super) struct Text {
    at: At,
    bytes: Vec<u8>,
    /// Bytes that came, whether they are kept or not.
    came: usize,
    most: usize,
}

impl Text {
    pub(super) const fn new(most: usize) -> Self {
        Self { at: At::LineStart, bytes: Vec::new(), came: 0, most }
    }

    /// Takes bytes; how many were used. `true`: the message is at its end, and what follows is none of it.
    pub(super) fn take(&mut self, input: &[u8]) -> Result<(usize, bool), Smuggled> {
        let mut used = 0;
        while let Some(rest) = input.get(used..)
            && let Some(byte) = rest.first().copied()
        {
            if self.at == At::Line || (self.at == At::LineStart && byte != b'.') {
                // What is nothing special, all at once.
                let plain = memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len());
                if plain > 0 {
                    self.keep(rest.get(..plain).unwrap_or_default());
                    self.at = At::Line;
                    used += plain;
                    continue;
                }
            }
            used += 1;
            self.at = match (self.at, byte) {
                (_, 0) => return Err(Smuggled::Nul),
                (At::Cr, b'\n') => {
                    self.keep(b"\r\n");
                    At::LineStart
                }
                (At::DotCr, b'\n') => return Ok((used, true)),
                (At::Cr | At::DotCr, _) => return Err(Smuggled::BareCr),
                (_, b'\n') => return Err(Smuggled::BareLf),
                (At::Dot, b'\r') => At::DotCr,
                (At::LineStart | At::Line, b'\r') => At::Cr,
                (At::LineStart, b'.') => At::Dot,
                // The dot before it was put there for the transfer.
                (At::Dot | At::LineStart | At::Line, other) => {
                    self.keep(&[other]);
                    At::Line
                }
            };
        }
        Ok((used, false))
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.came = self.came.saturating_add(bytes.len());
        if self.came <= self.most {
            self.bytes.extend_from_slice(bytes);
        } else {
            self.bytes = Vec::new();
        }
    }

    /// It is larger than allowed; nothing of it is kept.
    pub(super) const fn is_too_large(&self) -> bool {
        self.came > self.most
    }

    /// It is so much larger that its end is not waited for.
    pub(super) const fn is_endless(&self) -> bool {
        self.came / 2 > self.most
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At once and byte by byte; what is left over behind the end.
    fn read(input: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Smuggled> {
        let read = |size: usize| {
            let mut text = Text::new(1 << 20);
            let mut used = 0;
            for piece in input.chunks(size) {
                let (took, ended) = text.take(piece)?;
                used += took;
                if ended {
                    return Ok(Some((text.into_bytes(), input.len() - used)));
                }
            }
            Ok(None)
        };
        let whole = read(input.len().max(1));
        for size in [1, 2, 3] {
            assert_eq!(read(size), whole, "{}", input.escape_ascii());
        }
        whole
    }

    #[test]
    fn a_message_ends_with_a_dot_alone_on_a_line() {
        let ended = |text: &[u8], left| Ok(Some((text.to_vec(), left)));
        assert_eq!(read(b"a\r\n.\r\n"), ended(b"a\r\n", 0));
        assert_eq!(read(b".\r\nQUIT\r\n"), ended(b"", 6));
        assert_eq!(read(b"..\r\n...x\r\n.y\r\na.\r\n.\r\n"), ended(b".\r\n..x\r\ny\r\na.\r\n", 0));
        assert_eq!(read(b"a\r\n. \r\n"), Ok(None));
        assert_eq!(read(b"a\r\n."), Ok(None));
    }

    #[test]
    fn t52_no_other_end_of_line_is_one() {
        for (input, why) in [
            (&b"a\n.\r\n"[..], Smuggled::BareLf),
            (b"a\r\n.\n", Smuggled::BareLf),
            (b"a\r.\r\n", Smuggled::BareCr),
            (b"a\r\r\n", Smuggled::BareCr),
            (b"a\r\n.\r\r\n", Smuggled::BareCr),
            (b"a\r\n.\rx", Smuggled::BareCr),
            (b"a\0", Smuggled::Nul),
            (b"\r\n.\0\r\n", Smuggled::Nul),
            (b"\n", Smuggled::BareLf),
        ] {
            assert_eq!(read(input), Err(why), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn l30_of_what_is_too_large_nothing_is_kept() {
        let mut text = Text::new(4);
        assert_eq!(text.take(b"12345\r\n"), Ok((7, false)));
        assert!(text.is_too_large() && !text.is_endless());
        assert_eq!(text.take(b"6789\r\n.\r\n"), Ok((9, true)));
        assert!(text.is_endless());
        assert!(text.into_bytes().is_empty());
    }
}
