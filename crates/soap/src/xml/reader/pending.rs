//! Whether the markup at hand is there to its end: what a streaming reader asks before it begins with it.
//!
//! It remembers how far it looked, so that a tag that arrives byte by byte is looked at once.

use crate::{
    Limits,
    xml::trouble::{Result, Trouble},
};

/// How far the end of the markup at hand was looked for.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Bytes of it that need no second look.
    seen: usize,
    /// The quote that is open, in a start tag.
    quote: Option<u8>,
}

impl Pending {
    /// Whether the markup that begins at `at` is there to its end.
    pub(super) fn is_complete(&mut self, text: &[u8], at: usize, limits: &Limits) -> Result<bool> {
        let markup = text.get(at..).unwrap_or_default();
        let complete = match markup {
            [b'<', b'!', b'-', ..] => self.finds(markup, b"-->", 4),
            [b'<', b'!', b'[', ..] => markup.len() >= b"<![CDATA[".len(),
            [b'<', b'!', _, ..] => markup.len() >= b"<!DOCTYPE".len(),
            [b'<', b'?', ..] => self.finds(markup, b"?>", 2),
            [b'<', b'/', ..] => self.finds(markup, b">", 2),
            [b'<', b'!'] | [b'<'] | [] => false,
            [_, ..] => self.tag_ends(markup),
        };
        if !complete && markup.len() > limits.markup_bytes as usize {
            return Trouble::limit(
                at,
                "bytes of a tag, comment or instruction",
                limits.markup_bytes,
            );
        }
        Ok(complete)
    }

    fn finds(&mut self, markup: &[u8], end: &[u8], from: usize) -> bool {
        let from = self.seen.saturating_sub(end.len() - 1).max(from);
        self.seen = markup.len();
        markup.get(from..).is_some_and(|rest| memchr::memmem::find(rest, end).is_some())
    }

    fn tag_ends(&mut self, markup: &[u8]) -> bool {
        while let Some(rest) = markup.get(self.seen..) {
            let found = match self.quote {
                Some(quote) => memchr::memchr(quote, rest),
                None => memchr::memchr3(b'>', b'"', b'\'', rest),
            };
            let Some(found) = found else {
                self.seen = markup.len();
                return false;
            };
            self.seen += found + 1;
            match (self.quote, rest.get(found)) {
                (Some(_), _) => self.quote = None,
                (None, Some(b'>')) => return true,
                (None, quote) => self.quote = quote.copied(),
            }
        }
        false
    }
}
