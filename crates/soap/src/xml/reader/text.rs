//! Character data, references and CDATA sections.

use super::{Event, core::Core};
use crate::xml::{
    chars::is_char,
    trouble::{Result, Trouble},
};

/// Text that has to be copied is given in pieces of about this many bytes.
const PIECE: usize = 64 << 10;

/// Up to here a loop over bytes is quicker than a search by vectors.
const SHORT: usize = 24;

/// Bytes at which character data is no longer plain.
const TEXT_STOPS: [bool; 256] = {
    let mut table = [false; 256];
    table[b'<' as usize] = true;
    table[b'&' as usize] = true;
    table[b']' as usize] = true;
    table[b'\r' as usize] = true;
    table
};

/// Where plain text ends that begins at `at`.
#[inline]
fn plain(bytes: &[u8], mut at: usize) -> usize {
    let short = bytes.len().min(at + SHORT);
    while at < short {
        let byte = bytes.get(at).copied().unwrap_or_default();
        if TEXT_STOPS.get(usize::from(byte)).copied().unwrap_or_default() {
            return at;
        }
        at += 1;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let end = memchr::memchr3(b'<', b'&', b']', rest).unwrap_or(rest.len());
    let run = rest.get(..end).unwrap_or_default();
    at + memchr::memchr(b'\r', run).unwrap_or(end)
}

impl Core<'_> {
    /// Reads character data (production 14) up to markup, or as far as it goes.
    pub(super) fn character_data(&mut self, text: &str, last: bool) -> Result<Event> {
        let bytes = text.as_bytes();
        let start = self.at;
        let mut at = start;
        loop {
            at = plain(bytes, at);
            match bytes.get(at) {
                Some(b']') => match bytes.get(at + 1..) {
                    Some([b']', b'>', ..]) => return Trouble::syntax(at, "]]> in text"),
                    // What may become ]]> waits for what follows.
                    Some([] | [b']']) if !last => break,
                    _ => at += 1,
                },
                Some(b'&' | b'\r') => return self.copy_text(text, at, last),
                _ => break,
            }
        }
        self.plain_text(start, at)
    }

    fn plain_text(&mut self, start: usize, end: usize) -> Result<Event> {
        if start == end {
            return Ok(Event::NeedMore);
        }
        self.text = start..end;
        self.text_in_scratch = false;
        self.span = start..end;
        self.at = end;
        Ok(Event::Text)
    }

    /// Goes on with text that is not in the input as it is to be read; it is plain up to `at`.
    fn copy_text(&mut self, text: &str, mut at: usize, last: bool) -> Result<Event> {
        let bytes = text.as_bytes();
        let start = self.at;
        if at - start > PIECE {
            return self.plain_text(start, at);
        }
        self.scratch.clear();
        let mut run = start;
        while self.scratch.len() + (at - run) < PIECE {
            match bytes.get(at) {
                Some(b'&') => {
                    let Some((c, after)) = self.reference(text, at, last)? else { break };
                    self.scratch.push_str(text.get(run..at).unwrap_or_default());
                    self.scratch.push(c);
                    (at, run) = (after, after);
                }
                Some(b'\r') => {
                    let after = match bytes.get(at + 1) {
                        None if !last => break,
                        Some(b'\n') => at + 2,
                        _ => at + 1,
                    };
                    self.scratch.push_str(text.get(run..at).unwrap_or_default());
                    self.scratch.push('\n');
                    (at, run) = (after, after);
                }
                Some(b']') => match bytes.get(at + 1..) {
                    Some([b']', b'>', ..]) => return Trouble::syntax(at, "]]> in text"),
                    Some([] | [b']']) if !last => break,
                    _ => at += 1,
                },
                Some(b'<') | None => break,
                Some(_) => {
                    let end = plain(bytes, at);
                    // A long run is given as it is, the next time.
                    if end - at > PIECE {
                        break;
                    }
                    at = end;
                }
            }
        }
        self.scratch.push_str(text.get(run..at).unwrap_or_default());
        self.copied_text(start, at)
    }

    fn copied_text(&mut self, start: usize, end: usize) -> Result<Event> {
        if start == end {
            return Ok(Event::NeedMore);
        }
        self.text = 0..self.scratch.len();
        self.text_in_scratch = true;
        self.span = start..end;
        self.at = end;
        Ok(Event::Text)
    }

    /// Reads a CDATA section (productions 18 to 21), or a piece of it.
    pub(super) fn cdata(&mut self, text: &str, last: bool) -> Result<Event> {
        let start = self.at;
        let rest = text.get(start..).unwrap_or_default();
        let (end, closed) = match memchr::memmem::find(rest.as_bytes(), b"]]>") {
            Some(end) => (start + end, true),
            None if last => return Trouble::syntax(start, "a CDATA section has no end"),
            None => (start + rest.trim_end_matches([']', '\r']).len(), false),
        };
        if !closed && start == end {
            // Only what may become its end is there: at most two brackets wait.
            return self.cdata_brackets(text, rest.len());
        }
        let data = text.get(start..end).unwrap_or_default();
        if data.contains('\r') {
            self.scratch.clear();
            normalise_lines(data, &mut self.scratch);
            self.text = 0..self.scratch.len();
            self.text_in_scratch = true;
        } else {
            self.text = start..end;
            self.text_in_scratch = false;
        }
        self.in_cdata = !closed;
        self.at = if closed { end + 3 } else { end };
        self.span = start..self.at;
        Ok(Event::Text)
    }

    /// A piece of a section that holds only brackets and carriage returns: all but the last two are text.
    fn cdata_brackets(&mut self, text: &str, length: usize) -> Result<Event> {
        let start = self.at;
        let end = start + length.saturating_sub(2);
        let data = text.get(start..end).unwrap_or_default();
        // A carriage return at the end may belong to a line feed that is not there yet.
        let data = data.strip_suffix('\r').unwrap_or(data);
        self.scratch.clear();
        normalise_lines(data, &mut self.scratch);
        self.copied_text(start, start + data.len())
    }

    /// Reads a reference (productions 66 to 68): the character and what follows; none when more has to come.
    pub(super) fn reference(
        &self,
        text: &str,
        at: usize,
        last: bool,
    ) -> Result<Option<(char, usize)>> {
        let limit = self.limits.name_bytes as usize;
        let rest = text.as_bytes().get(at + 1..).unwrap_or_default();
        let near = rest.get(..limit.min(rest.len())).unwrap_or_default();
        let Some(length) = memchr::memchr(b';', near) else {
            if !last && near.len() < limit {
                return Ok(None);
            }
            return Trouble::syntax(at, "& begins no reference");
        };
        let name = text.get(at + 1..at + 1 + length).unwrap_or_default();
        let c = match name {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            _ => character(name, at)?,
        };
        Ok(Some((c, at + length + 2)))
    }
}

/// The character of a numeric reference, given between `&` and `;`.
fn character(name: &str, at: usize) -> Result<char> {
    let Some(number) = name.strip_prefix('#') else {
        if crate::xml::is_name(name) {
            let message = format!("the entity {name} is not one of the predefined five");
            return Trouble::syntax(at, message);
        }
        return Trouble::syntax(at, "& begins no reference");
    };
    let (digits, radix) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    let mut code = Some(0_u32).filter(|_| !digits.is_empty());
    for c in digits.chars() {
        let digit = c.to_digit(radix);
        code =
            code.zip(digit).map(|(code, digit)| code.saturating_mul(radix).saturating_add(digit));
    }
    match code.and_then(char::from_u32).filter(|&c| is_char(c)) {
        Some(c) => Ok(c),
        None => Trouble::syntax(at, format!("&{name}; is no character of XML")),
    }
}

/// Every line end becomes a line feed (section 2.11).
pub(super) fn normalise_lines(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\r') {
        out.push_str(before);
        out.push('\n');
        rest = after.strip_prefix('\n').unwrap_or(after);
    }
    out.push_str(rest);
}
