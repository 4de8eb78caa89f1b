//! From bytes to text: which encoding it is, and that its bytes are characters of XML.
//!
//! The order is RFC 7303's: byte order mark, then the charset it came with, then its own declaration; and all that are
//! there have to agree (T49). Whatever the encoding was, the reader goes on with UTF-8.

use std::borrow::Cow;

use super::trouble::{Result, Trouble};
use crate::{FaultKind, Limits};

/// An encoding that we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
    /// Read as UTF-8, when a label says so; a byte beyond ASCII is a fault. For imports, this is also how encodings
    /// are read that ASCII is a part of.
    Ascii,
    /// For imports.
    Latin1,
}

impl Encoding {
    /// Whether a document in this encoding may declare that it is in `label`.
    pub(super) fn agrees_with(self, label: &str) -> bool {
        if self == Self::Ascii && extends_ascii(label) {
            return true;
        }
        match Label::read(label) {
            Some(Label::Utf16) => matches!(self, Self::Utf16Le | Self::Utf16Be),
            Some(Label::Exactly(encoding)) => self == encoding,
            None => false,
        }
    }

    /// Its name, for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le | Self::Utf16Be => "UTF-16",
            Self::Ascii => "US-ASCII",
            Self::Latin1 => "ISO-8859-1",
        }
    }
}

/// Whether every text in ASCII is the same text in an encoding.
fn extends_ascii(label: &str) -> bool {
    let label = label.to_ascii_lowercase();
    ["windows-125", "iso-8859-", "koi8-", "gb2312", "gbk", "big5", "euc-"]
        .iter()
        .any(|beginning| label.starts_with(beginning))
}

/// What a label of an encoding says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    Exactly(Encoding),
    /// In the order of bytes that the mark tells.
    Utf16,
}

impl Label {
    fn read(label: &str) -> Option<Self> {
        Some(match label.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" => Self::Exactly(Encoding::Utf8),
            "utf-16" => Self::Utf16,
            "utf-16le" => Self::Exactly(Encoding::Utf16Le),
            "utf-16be" => Self::Exactly(Encoding::Utf16Be),
            "us-ascii" | "ascii" => Self::Exactly(Encoding::Ascii),
            "iso-8859-1" | "iso_8859-1" | "latin1" => Self::Exactly(Encoding::Latin1),
            _ => return None,
        })
    }
}

/// A whole document as text; borrowed when it is UTF-8.
pub(super) fn decode<'a>(
    document: &'a [u8],
    charset: Option<&str>,
    limits: &Limits,
) -> Result<(Cow<'a, str>, Encoding)> {
    let label = charset.map(|charset| known(charset, limits)).transpose()?;
    let (mut encoding, mark) = choose(document, label)?;
    if mark == 0 && label.is_none() && encoding == Encoding::Utf8 {
        encoding = declared(document, limits).unwrap_or(encoding);
    }
    let bytes = document.get(mark..).unwrap_or_default();
    let text = match encoding {
        Encoding::Utf8 => Cow::Borrowed(std::str::from_utf8(bytes).map_err(|error| {
            let at = error.valid_up_to() + mark;
            Trouble::new(FaultKind::Encoding, at, "the document is not UTF-8 here")
        })?),
        _ => {
            let mut decoder = Decoder { encoding: Some(encoding), label, carry: Vec::new() };
            let mut text = String::with_capacity(bytes.len());
            decoder.push(bytes, &mut text)?;
            decoder.finish()?;
            Cow::Owned(text)
        }
    };
    check_chars(&text)?;
    Ok((text, encoding))
}

/// What a charset parameter says.
fn known(charset: &str, limits: &Limits) -> Result<Label> {
    let label = Label::read(charset.trim_matches(['"', ' ']));
    match label {
        Some(Label::Exactly(Encoding::Latin1)) if !limits.legacy_encodings => None,
        label => label,
    }
    .ok_or_else(|| {
        let message = format!("the charset {charset:?} is not read; use UTF-8 or UTF-16");
        Trouble::new(FaultKind::Encoding, 0, message)
    })
}

/// The encoding by byte order mark and charset, and how long the mark is.
fn choose(head: &[u8], label: Option<Label>) -> Result<(Encoding, usize)> {
    let trouble = |message: &str| Err(Trouble::new(FaultKind::Encoding, 0, message));
    let marked = match head {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => {
            return trouble("UTF-32 is not read; use UTF-8 or UTF-16");
        }
        [0xEF, 0xBB, 0xBF, ..] => Some((Encoding::Utf8, 3)),
        [0xFF, 0xFE, ..] => Some((Encoding::Utf16Le, 2)),
        [0xFE, 0xFF, ..] => Some((Encoding::Utf16Be, 2)),
        _ => None,
    };
    match (marked, label) {
        (Some((encoding, mark)), None) => Ok((encoding, mark)),
        (Some((Encoding::Utf8, _)), Some(Label::Utf16)) => {
            trouble("the byte order mark and the charset disagree")
        }
        (Some((encoding, mark)), Some(Label::Utf16)) => Ok((encoding, mark)),
        (Some((encoding, mark)), Some(Label::Exactly(labelled))) if encoding == labelled => {
            Ok((encoding, mark))
        }
        (Some(_), Some(_)) => trouble("the byte order mark and the charset disagree"),
        (None, Some(Label::Utf16)) => trouble("UTF-16 without a byte order mark"),
        (None, Some(Label::Exactly(encoding))) => Ok((encoding, 0)),
        // Productions of UTF-16 without a mark begin so; the mark is required (XML 1.0, 4.3.3).
        (None, None) if matches!(head, [0, b'<', ..] | [b'<', 0, ..]) => {
            trouble("UTF-16 without a byte order mark")
        }
        (None, None) => Ok((Encoding::Utf8, 0)),
    }
}

/// One of the encodings that only a declaration can tell, when it does.
fn declared(document: &[u8], limits: &Limits) -> Option<Encoding> {
    let head = document.get(..document.len().min(200))?;
    let head = head.strip_prefix(b"<?xml")?;
    let end = memchr::memmem::find(head, b"?>")?;
    let head = std::str::from_utf8(head.get(..end)?).ok()?;
    let (_, after) = head.split_once("encoding")?;
    let after = after.trim_start().strip_prefix('=')?.trim_start();
    let label = after.trim_start_matches(['"', '\'']).split(['"', '\'']).next()?;
    match Label::read(label) {
        Some(Label::Exactly(Encoding::Ascii)) => Some(Encoding::Ascii),
        Some(Label::Exactly(Encoding::Latin1)) if limits.legacy_encodings => Some(Encoding::Latin1),
        None if limits.legacy_encodings && extends_ascii(label) => Some(Encoding::Ascii),
        _ => None,
    }
}

/// Decodes pieces that may be cut anywhere.
#[derive(Debug)]
pub(super) struct Decoder {
    /// Known once the first bytes are there.
    encoding: Option<Encoding>,
    label: Option<Label>,
    /// The beginning of a character, or of the document.
    carry: Vec<u8>,
}

impl Decoder {
    pub(super) fn new(charset: Option<&str>, limits: &Limits) -> Result<Self> {
        let label = charset.map(|charset| known(charset, limits)).transpose()?;
        Ok(Self { encoding: None, label, carry: Vec::new() })
    }

    /// The encoding, as far as it can be known.
    pub(super) fn encoding(&self) -> Encoding {
        self.encoding.unwrap_or(Encoding::Utf8)
    }

    /// Appends what the bytes are; the beginning of a character waits for the next piece.
    pub(super) fn push(&mut self, piece: &[u8], out: &mut String) -> Result<()> {
        if self.carry.is_empty() && self.encoding.is_some() {
            return self.append(piece, out);
        }
        let mut bytes = std::mem::take(&mut self.carry);
        bytes.extend_from_slice(piece);
        if self.encoding.is_none() {
            if bytes.len() < 4 {
                self.carry = bytes;
                return Ok(());
            }
            return self.begin(&bytes, out);
        }
        self.append(&bytes, out)
    }

    fn begin(&mut self, bytes: &[u8], out: &mut String) -> Result<()> {
        let (encoding, mark) = choose(bytes, self.label)?;
        self.encoding = Some(encoding);
        self.append(bytes.get(mark..).unwrap_or_default(), out)
    }

    /// Says that nothing follows.
    pub(super) fn finish(&mut self) -> Result<()> {
        if !self.carry.is_empty() {
            return Err(Trouble::new(
                FaultKind::Encoding,
                usize::MAX,
                "the document ends inside a character",
            ));
        }
        Ok(())
    }

    /// As [`Self::finish`], for a document that may have been too short to tell its encoding.
    pub(super) fn finish_into(&mut self, out: &mut String) -> Result<()> {
        if self.encoding.is_none() {
            let bytes = std::mem::take(&mut self.carry);
            self.begin(&bytes, out)?;
        }
        self.finish()
    }

    fn append(&mut self, bytes: &[u8], out: &mut String) -> Result<()> {
        let from = out.len();
        match self.encoding() {
            Encoding::Utf8 => self.append_utf8(bytes, out)?,
            Encoding::Utf16Le => self.append_utf16(bytes, out, u16::from_le_bytes)?,
            Encoding::Utf16Be => self.append_utf16(bytes, out, u16::from_be_bytes)?,
            Encoding::Ascii => match std::str::from_utf8(bytes) {
                Ok(text) if text.is_ascii() => out.push_str(text),
                _ => return Err(broken(Encoding::Ascii, out)),
            },
            Encoding::Latin1 => out.extend(bytes.iter().map(|&byte| char::from(byte))),
        }
        check_chars(out.get(from..).unwrap_or_default()).map_err(|mut trouble| {
            trouble.at += from;
            trouble
        })
    }

    fn append_utf8(&mut self, bytes: &[u8], out: &mut String) -> Result<()> {
        match std::str::from_utf8(bytes) {
            Ok(text) => out.push_str(text),
            Err(error) => {
                let (whole, rest) = bytes.split_at(error.valid_up_to());
                out.push_str(std::str::from_utf8(whole).unwrap_or_default());
                if error.error_len().is_some() {
                    return Err(broken(Encoding::Utf8, out));
                }
                self.carry = rest.to_vec();
            }
        }
        Ok(())
    }

    fn append_utf16(
        &mut self,
        bytes: &[u8],
        out: &mut String,
        unit: fn([u8; 2]) -> u16,
    ) -> Result<()> {
        let (pairs, odd) = bytes.as_chunks::<2>();
        let mut units = pairs.iter().copied().map(unit).peekable();
        while let Some(first) = units.next() {
            let c = match first {
                0xD800..0xDC00 => match units.peek() {
                    None => {
                        let kept = bytes.len() - odd.len() - 2;
                        self.carry = bytes.get(kept..).unwrap_or_default().to_vec();
                        return Ok(());
                    }
                    Some(&second) => {
                        units.next();
                        char::decode_utf16([first, second]).next().and_then(std::result::Result::ok)
                    }
                },
                _ => char::from_u32(u32::from(first)),
            };
            match c {
                Some(c) => out.push(c),
                None => return Err(broken(self.encoding(), out)),
            }
        }
        self.carry = odd.to_vec();
        Ok(())
    }
}

fn broken(encoding: Encoding, out: &str) -> Box<Trouble> {
    let message = format!("the document is not {} here", encoding.name());
    Trouble::new(FaultKind::Encoding, out.len(), message)
}

/// Sees to it that every character may stand in XML (production 2). All but a few are ruled out by being UTF-8.
fn check_chars(text: &str) -> Result<()> {
    let bytes = text.as_bytes();
    let (chunks, rest) = bytes.as_chunks::<64>();
    let clean =
        chunks.iter().all(|chunk| !chunk.iter().fold(false, |bad, &byte| bad | control(byte)))
            && !rest.iter().any(|&byte| control(byte));
    if !clean {
        let at = bytes.iter().position(|&byte| control(byte)).unwrap_or_default();
        return Err(illegal(text, at));
    }
    for at in memchr::memmem::find_iter(bytes, b"\xEF\xBF") {
        if matches!(bytes.get(at + 2), Some(0xBE | 0xBF)) {
            return Err(illegal(text, at));
        }
    }
    Ok(())
}

fn control(byte: u8) -> bool {
    (byte < 0x20) & (byte != b'\t') & (byte != b'\n') & (byte != b'\r')
}

fn illegal(text: &str, at: usize) -> Box<Trouble> {
    let c = text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or_default();
    let message = format!("the character U+{:04X} may not stand in XML", u32::from(c));
    Trouble::new(FaultKind::Syntax, at, message)
}
