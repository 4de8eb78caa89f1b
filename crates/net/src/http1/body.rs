//! Bodies as they arrive: a length counted down, chunks taken apart, or everything until the end.

use std::ops::Range;

use memchr::memchr;

use super::{
    Head, HeadLimits, ParseError,
    parse::{TrailerParser, is_value},
};

/// Bytes of a chunk-size line, extensions included. Extensions carry nothing anybody uses; what
/// they can carry is a hidden request, so they are bounded and dropped (RFC 9112 §7.1.1).
const SIZE_LINE_MOST: usize = 256;

/// Limits of a trailer section. It is small in every honest use.
const TRAILERS: HeadLimits = HeadLimits { line: 0, bytes: 8 << 10, fields: 32 };

/// Why a body is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// RFC 9112 §7.1: a chunk-size line or the end of a chunk is not what it must be.
    #[error("a chunk is malformed")]
    Chunk,
    /// The trailer section is malformed or too large.
    #[error("the trailer section is malformed: {0}")]
    Trailers(#[source] ParseError),
    /// The connection ended before the body did.
    #[error("the body ended too early")]
    Truncated,
}

/// What one call of [`Decoder::decode`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes used up; the caller drops them.
    pub consumed: usize,
    /// The part of them that is body data.
    pub data: Range<usize>,
    /// The body is whole.
    pub done: bool,
}

/// Takes one body apart.
#[derive(Debug, Clone)]
pub enum Decoder {
    /// Nothing (more) to come.
    Done,
    /// So many bytes to come.
    Length(u64),
    /// Chunks to come.
    Chunked(Box<Chunked>),
    /// Whatever comes until the connection ends.
    UntilClose,
}

/// Where in a chunked body we are.
#[derive(Debug, Clone, Default)]
pub struct Chunked {
    state: ChunkState,
    trailers: TrailerParser,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum ChunkState {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailers,
}

impl Decoder {
    /// For a chunked body.
    pub fn chunked() -> Self {
        Self::Chunked(Box::default())
    }

    /// Whether the body is whole.
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// Takes the next piece from `bytes`, which begin with the first byte not yet consumed.
    /// With nothing consumed and not done, more bytes are needed. Trailer fields are pushed onto
    /// `trailers`.
    ///
    /// # Errors
    /// A malformed chunk or trailer; the connection cannot be used further.
    #[inline]
    pub fn decode(&mut self, bytes: &[u8], trailers: &mut Head) -> Result<Decoded, BodyError> {
        match self {
            Self::Done => Ok(Decoded { consumed: 0, data: 0..0, done: true }),
            Self::UntilClose => {
                Ok(Decoded { consumed: bytes.len(), data: 0..bytes.len(), done: false })
            }
            Self::Length(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= take as u64;
                let done = *left == 0;
                if done {
                    *self = Self::Done;
                }
                Ok(Decoded { consumed: take, data: 0..take, done })
            }
            Self::Chunked(chunked) => {
                let decoded = chunked.decode(bytes, trailers)?;
                if decoded.done {
                    *self = Self::Done;
                }
                Ok(decoded)
            }
        }
    }

    /// The connection ended.
    ///
    /// # Errors
    /// [`BodyError::Truncated`] unless that is how this body ends.
    pub fn end_of_input(&mut self) -> Result<(), BodyError> {
        match self {
            Self::Done => Ok(()),
            Self::UntilClose => {
                *self = Self::Done;
                Ok(())
            }
            Self::Length(_) | Self::Chunked(_) => Err(BodyError::Truncated),
        }
    }
}

impl Chunked {
    fn decode(&mut self, bytes: &[u8], trailers: &mut Head) -> Result<Decoded, BodyError> {
        let mut at = 0;
        loop {
            let rest = &bytes[at..];
            match self.state {
                ChunkState::Size => {
                    let Some((size, used)) = size_line(rest)? else {
                        return Ok(Decoded { consumed: at, data: 0..0, done: false });
                    };
                    at += used;
                    self.state =
                        if size == 0 { ChunkState::Trailers } else { ChunkState::Data(size) };
                }
                ChunkState::Data(left) => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let left = left - take as u64;
                    self.state =
                        if left == 0 { ChunkState::DataEnd } else { ChunkState::Data(left) };
                    return Ok(Decoded { consumed: at + take, data: at..at + take, done: false });
                }
                ChunkState::DataEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        at += 2;
                        self.state = ChunkState::Size;
                    }
                    [] | [b'\r'] => {
                        return Ok(Decoded { consumed: at, data: 0..0, done: false });
                    }
                    _ => return Err(BodyError::Chunk),
                },
                ChunkState::Trailers => {
                    let length = self
                        .trailers
                        .advance(rest, &TRAILERS, trailers)
                        .map_err(BodyError::Trailers)?;
                    // The parser counts from where it began, so nothing before it may be
                    // consumed apart from it while it waits for more.
                    return Ok(match length {
                        Some(length) => Decoded { consumed: at + length, data: 0..0, done: true },
                        None => Decoded { consumed: at, data: 0..0, done: false },
                    });
                }
            }
        }
    }
}

/// The size of the next chunk and the length of its line; `None`: more bytes are needed.
fn size_line(bytes: &[u8]) -> Result<Option<(u64, usize)>, BodyError> {
    let Some(end) = memchr(b'\n', &bytes[..bytes.len().min(SIZE_LINE_MOST)]) else {
        // A line that has already gone wrong is refused at once, not when it is whole.
        let digits = bytes.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let wrong = digits > 15
            || (digits == 0 && !bytes.is_empty())
            || !matches!(bytes.get(digits), None | Some(b'\r' | b';'))
            || bytes.len() >= SIZE_LINE_MOST;
        return if wrong { Err(BodyError::Chunk) } else { Ok(None) };
    };
    let line = bytes[..end].strip_suffix(b"\r").ok_or(BodyError::Chunk)?;
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digits == 0 || digits > 15 {
        return Err(BodyError::Chunk);
    }
    match line.get(digits) {
        None => {}
        Some(b';') if is_value(&line[digits..]) => {}
        Some(_) => return Err(BodyError::Chunk),
    }
    let size = line[..digits]
        .iter()
        .fold(0u64, |sum, digit| sum << 4 | u64::from((*digit as char).to_digit(16).unwrap_or(0)));
    Ok(Some((size, end + 1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http1::{begin_chunk, end_chunk, last_chunk};

    /// Feeds the bytes in pieces of these sizes, as a reader would.
    fn decode(bytes: &[u8], piece: usize) -> Result<(Vec<u8>, Head, usize), BodyError> {
        let (mut decoder, mut trailers) = (Decoder::chunked(), Head::default());
        let (mut body, mut used, mut seen) = (Vec::new(), 0, 0);
        while !decoder.is_done() {
            let found = decoder.decode(&bytes[used..seen], &mut trailers)?;
            body.extend_from_slice(&bytes[used..][found.data.clone()]);
            used += found.consumed;
            if found.consumed == 0 && !found.done {
                if seen == bytes.len() {
                    return Err(BodyError::Truncated);
                }
                seen = (seen + piece).min(bytes.len());
            }
        }
        Ok((body, trailers, used))
    }

    #[test]
    fn chunks_are_joined_and_trailers_kept() {
        let bytes = b"4\r\nWiki\r\n6;x=\"y\"\r\npedia \r\n0\r\nX-Sum: 1\r\n\r\nGET";
        for piece in 1..=bytes.len() {
            let (body, trailers, used) = decode(bytes, piece).unwrap();
            assert_eq!(body, b"Wikipedia ");
            assert_eq!(trailers.find("x-sum"), Some(&b"1"[..]));
            assert_eq!(used, bytes.len() - 3);
        }
    }

    #[test]
    fn t01_malformed_chunks_are_refused() {
        for bytes in [
            &b"\r\n"[..],
            b"g\r\n",
            b"0x4\r\nWiki\r\n",
            b"-4\r\nWiki\r\n",
            b"+4\r\nWiki\r\n",
            b" 4\r\nWiki\r\n",
            b"4 \r\nWiki\r\n",
            b"4\nWiki\r\n0\r\n\r\n",
            b"4\r\nWiki\n0\r\n\r\n",
            b"4\r\nWikiX\r\n0\r\n\r\n",
            b"4\r\nWiki0\r\n\r\n",
            b"4;a\rb\r\nWiki\r\n",
            b"4;\0\r\nWiki\r\n",
            b"1234567890123456\r\n",
            b"0\r\nX : y\r\n\r\n",
            b"0\r\n\n",
            b"0\r\nX: y\n\r\n",
        ] {
            for piece in [1, bytes.len()] {
                let error = decode(bytes, piece).err();
                assert!(
                    !matches!(error, None | Some(BodyError::Truncated)),
                    "{} in pieces of {piece}: {error:?}",
                    bytes.escape_ascii()
                );
            }
        }
        let long = format!("4;{}\r\n", "a".repeat(300));
        assert_eq!(decode(long.as_bytes(), 7).err(), Some(BodyError::Chunk));
    }

    #[test]
    fn an_early_end_is_never_a_whole_body() {
        assert_eq!(Decoder::Length(1).end_of_input(), Err(BodyError::Truncated));
        assert_eq!(Decoder::chunked().end_of_input(), Err(BodyError::Truncated));
        assert_eq!(Decoder::UntilClose.end_of_input(), Ok(()));
    }

    proptest! {
        #[test]
        fn what_we_write_is_what_we_read(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..5000), 0..5),
            piece in 1usize..6000,
        ) {
            let mut wire = Vec::new();
            for data in &pieces {
                let mark = begin_chunk(&mut wire);
                wire.extend_from_slice(data);
                end_chunk(&mut wire, mark);
            }
            last_chunk(&mut wire, None);
            let (body, _, used) = decode(&wire, piece).unwrap();
            prop_assert_eq!(body, pieces.concat());
            prop_assert_eq!(used, wire.len());
        }

        #[test]
        fn anything_at_all_is_survived(bytes in proptest::collection::vec(
            prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'0'), Just(b'3'), Just(b';'), any::<u8>()], 0..80)) {
            let whole = decode(&bytes, bytes.len().max(1)).map(|(body, _, used)| (body, used));
            let slow = decode(&bytes, 1).map(|(body, _, used)| (body, used));
            prop_assert_eq!(whole.is_ok(), slow.is_ok());
            if let (Ok(whole), Ok(slow)) = (whole, slow) {
                prop_assert_eq!(whole, slow);
            }
        }
    }
}
