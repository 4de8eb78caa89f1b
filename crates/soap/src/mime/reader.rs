//! Reads a message in parts, fed in pieces that are cut anywhere.
//!
//! The borders of parts are where a gateway and the service behind it may disagree. What has two readings is refused: a line
//! that begins with the boundary and goes on, a boundary behind a bare line feed is none, a message without its final
//! boundary is cut off.

use memchr::memmem::Finder;

use super::{Limits, PartHead, Related, head::wrong, transfer::Decoder};
use crate::{Fault, FaultKind};

type Result<T> = std::result::Result<T, Box<Fault>>;

/// What comes next in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A part begins; [`Reader::part`] is what it says about itself.
    Part,
    /// Bytes of it, decoded: [`Reader::data`].
    Data,
    /// The part is at its end.
    End,
    /// The message is at its end.
    Eof,
    /// The next piece is needed: [`Reader::feed`], or [`Reader::finish`].
    NeedMore,
}

/// White space that may stand behind a boundary.
const PADDING_BYTES: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before the first boundary.
    Preamble,
    /// Behind a boundary.
    Line,
    Head,
    /// At the empty line behind a head, which may be the line of the next boundary.
    Empty,
    Body,
    /// A part ended that was not told of yet.
    Ended,
    Epilogue,
}

/// Reads one message.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    /// A line's end, `--` and the boundary.
    delimiter: Finder<'static>,
    held: Vec<u8>,
    /// How much of `held` is done with.
    pos: usize,
    at: At,
    finished: bool,
    part: PartHead,
    decoder: Decoder,
    data: Vec<u8>,
    parts: u32,
    bytes: u64,
}

impl Reader {
    /// For a message whose `Content-Type` said this.
    #[must_use]
    pub fn new(related: &Related, limits: Limits) -> Self {
        let delimiter = format!("\r\n--{}", related.boundary);
        Self {
            limits,
            delimiter: Finder::new(delimiter.as_bytes()).into_owned(),
            // The first boundary may be the first line.
            held: b"\r\n".to_vec(),
            pos: 0,
            at: At::Preamble,
            finished: false,
            part: PartHead::default(),
            decoder: Decoder::default(),
            data: Vec::new(),
            parts: 0,
            bytes: 0,
        }
    }

    /// Gives it the next piece.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.at == At::Epilogue {
            return;
        }
        self.held.drain(..self.pos);
        self.pos = 0;
        self.held.extend_from_slice(bytes);
    }

    /// Nothing more comes.
    pub const fn finish(&mut self) {
        self.finished = true;
    }

    /// What the part at hand says about itself.
    #[must_use]
    pub const fn part(&self) -> &PartHead {
        &self.part
    }

    /// How many parts began.
    #[must_use]
    pub const fn parts(&self) -> u32 {
        self.parts
    }

    /// The bytes of the last [`Event::Data`].
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Goes on.
    ///
    /// # Errors
    /// When it is no message in parts, or more than the limits allow.
    pub fn pull(&mut self) -> Result<Event> {
        loop {
            let event = match self.at {
                At::Preamble => self.preamble()?,
                At::Line => self.line()?,
                At::Head => self.head()?,
                At::Empty => self.empty()?,
                At::Body => self.body()?,
                At::Ended => {
                    self.at = At::Line;
                    Some(Event::End)
                }
                At::Epilogue if self.finished => Some(Event::Eof),
                At::Epilogue => Some(Event::NeedMore),
            };
            match event {
                Some(Event::NeedMore) if self.finished => {
                    return Err(wrong(
                        "the message in parts is cut off: its final boundary is missing",
                    ));
                }
                Some(event) => return Ok(event),
                None => {}
            }
        }
    }

    fn left(&self) -> &[u8] {
        self.held.get(self.pos..).unwrap_or_default()
    }

    fn preamble(&mut self) -> Result<Option<Event>> {
        // However much has come already, the first boundary counts only if it ends within the bound.
        let found = self.delimiter.find(self.left()).map(|at| at + self.delimiter.needle().len());
        match found {
            Some(end) if end <= self.limits.head_bytes => {
                self.pos += end;
                self.at = At::Line;
                Ok(None)
            }
            None if self.left().len() < self.limits.head_bytes => Ok(Some(Event::NeedMore)),
            _ => Err(wrong("the message does not begin with its boundary")),
        }
    }

    /// What follows a boundary: `--` after the last one, white space, the end of the line (RFC 2046, section 5.1.1).
    fn line(&mut self) -> Result<Option<Event>> {
        let left = self.left();
        let last = left.starts_with(b"--");
        if !last && left.len() < 2 {
            return Ok(Some(Event::NeedMore));
        }
        let after = left.get(if last { 2 } else { 0 }..).unwrap_or_default();
        let padding = after.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let rest = after.get(padding..).unwrap_or_default();
        if padding > PADDING_BYTES || !matches!(rest, [] | [b'\r'] | [b'\r', b'\n', ..]) {
            return Err(wrong("a line of the message begins with its boundary and goes on"));
        }
        match rest {
            [_, _, ..] if last => self.at = At::Epilogue,
            [_, _, ..] => {
                self.parts += 1;
                if self.parts > self.limits.parts {
                    let message = format!("the message has more than {} parts", self.limits.parts);
                    return Err(Box::new(Fault::new(FaultKind::Limit, message)));
                }
                self.pos += padding + 2;
                self.at = At::Head;
                return Ok(None);
            }
            // Behind the final boundary nothing needs to come.
            [] if last && self.finished => self.at = At::Epilogue,
            _ => return Ok(Some(Event::NeedMore)),
        }
        if self.parts == 0 {
            return Err(wrong("the message has no parts"));
        }
        self.held.clear();
        self.pos = 0;
        Ok(None)
    }

    fn head(&mut self) -> Result<Option<Event>> {
        let left = self.left();
        // Without fields there is the empty line at once.
        let end = match left.starts_with(b"\r\n") {
            true => Some(0),
            false => memchr::memmem::find(left, b"\r\n\r\n").map(|at| at + 2),
        };
        let limit = self.limits.head_bytes;
        match end {
            Some(end) if end <= limit => {
                self.part = PartHead::read(left.get(..end).unwrap_or_default(), &self.limits)?;
                self.decoder = Decoder::new(self.part.encoding);
                self.pos += end;
                self.at = At::Empty;
                Ok(Some(Event::Part))
            }
            // The longest head is known by the two bytes behind it.
            None if left.len() < limit + 2 => Ok(Some(Event::NeedMore)),
            _ => {
                let message = format!("the head of a part is longer than {limit} bytes");
                Err(Box::new(Fault::new(FaultKind::Limit, message)))
            }
        }
    }

    /// The empty line ends the head; where a boundary follows at once it belongs to that, and the part is empty.
    fn empty(&mut self) -> Result<Option<Event>> {
        let delimiter = self.delimiter.needle();
        let left = self.left();
        if left.starts_with(delimiter) {
            self.at = At::Body;
        } else if delimiter.starts_with(left) && !self.finished {
            return Ok(Some(Event::NeedMore));
        } else {
            self.pos += 2;
            self.at = At::Body;
        }
        Ok(None)
    }

    fn body(&mut self) -> Result<Option<Event>> {
        let length = self.delimiter.needle().len();
        let left = self.held.get(self.pos..).unwrap_or_default();
        let found = self.delimiter.find(left);
        // The end of what is there may be the beginning of a boundary, from its line's end on.
        let safe = || {
            let from = left.len().saturating_sub(length - 1);
            let tail = left.get(from..).unwrap_or_default();
            memchr::memchr(b'\r', tail).map_or(left.len(), |at| from + at)
        };
        let give = found.unwrap_or_else(safe);
        self.data.clear();
        self.decoder.take(left.get(..give).unwrap_or_default(), &mut self.data)?;
        self.pos += give;
        if found.is_some() {
            self.pos += length;
            self.decoder.end(&mut self.data)?;
            self.at = At::Ended;
        }
        self.bytes += self.data.len() as u64;
        if self.bytes > self.limits.bytes {
            let message = format!("the parts have more than {} bytes", self.limits.bytes);
            return Err(Box::new(Fault::new(FaultKind::Limit, message)));
        }
        Ok(match (self.data.is_empty(), found) {
            (false, _) => Some(Event::Data),
            (true, Some(_)) => None,
            (true, None) => Some(Event::NeedMore),
        })
    }
}

#[cfg(test)]
mod tests;
