//! Reading JSON: one event after the other.
//!
//! Strict (RFC 8259, L28): UTF-8 without a byte order mark, no name twice in an object, no lone surrogate, nothing after the value.
//! A number is the text that was written. [`Reader::pull`] says what comes next, [`Reader::text`] shows it.
//!
//! ```
//! use pasarela_soap::{Limits, json::{Event, Reader}};
//! let mut reader = Reader::new(br#"{"price": 10.10}"#, &Limits::default())?;
//! assert_eq!(reader.pull()?, Event::ObjectStart);
//! assert_eq!((reader.pull()?, reader.text()), (Event::Name, "price"));
//! assert_eq!((reader.pull()?, reader.text()), (Event::Number, "10.10"));
//! assert_eq!(reader.pointer(), "/price");
//! assert_eq!(reader.pull()?, Event::ObjectEnd);
//! assert_eq!(reader.pull()?, Event::Eof);
//! # Ok::<(), Box<pasarela_soap::Fault>>(())
//! ```

mod names;
mod scan;

use std::{borrow::Cow, fmt::Write as _, ops::Range};

use self::{
    names::Names,
    scan::{Scanned, Trouble},
};
use crate::{Fault, FaultKind, Limits, Place};

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// `{`
    ObjectStart,
    /// `}`
    ObjectEnd,
    /// `[`
    ArrayStart,
    /// `]`
    ArrayEnd,
    /// The name of a member, whose value is next.
    Name,
    /// A string.
    String,
    /// A number, as it is written.
    Number,
    /// `true` or `false`
    Bool(bool),
    /// `null`
    Null,
    /// The end of the text.
    Eof,
    /// A streaming reader has to be [fed](Reader::feed).
    NeedMore,
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    /// A value, or the end of the array that was just begun.
    ValueOrEnd,
    /// A name, or the end of the object that was just begun.
    NameOrEnd,
    Name,
    Colon,
    /// A comma, or the end of the array or object.
    CommaOrEnd,
    /// Nothing.
    End,
}

#[derive(Debug)]
struct Level {
    is_object: bool,
    /// How many members or items have begun.
    count: u64,
}

/// A JSON text that is being read.
#[derive(Debug)]
pub struct Reader<'a> {
    input: Cow<'a, str>,
    /// Whether more may come, and what came and was dropped before `input`.
    feed: Option<Feed>,
    at: usize,
    expect: Expect,
    levels: Vec<Level>,
    names: Names,
    values: u64,
    limits: Limits,
    /// The event's text: in the input, or in `scratch`.
    text: Range<usize>,
    copied: bool,
    scratch: String,
    span: Range<usize>,
    /// How far the string or number at hand was looked at without finding its end.
    seen: usize,
    failed: Option<Box<Fault>>,
}

#[derive(Debug)]
struct Feed {
    received: u64,
    last: bool,
    begin: Place,
    /// The beginning of a character.
    carry: Vec<u8>,
}

impl<'a> Reader<'a> {
    /// Reads a whole text.
    ///
    /// # Errors
    /// When the bytes are not UTF-8, or too many.
    pub fn new(text: &'a [u8], limits: &Limits) -> Result<Self, Box<Fault>> {
        check_size(text.len() as u64, limits)?;
        let input = std::str::from_utf8(text).map_err(|error| {
            let valid = text.get(..error.valid_up_to()).unwrap_or_default();
            let valid = std::str::from_utf8(valid).unwrap_or_default();
            not_utf8(Place::within(valid, valid.len()))
        })?;
        Ok(Self::over(Cow::Borrowed(input), None, limits))
    }

    /// Reads a text that comes in pieces. It holds a string or a number as a whole, and nothing else.
    pub fn streaming(limits: &Limits) -> Self {
        let begin = Place { line: 1, column: 1, ..Place::default() };
        let feed = Feed { received: 0, last: false, begin, carry: Vec::new() };
        Self::over(Cow::Owned(String::new()), Some(feed), limits)
    }

    fn over(input: Cow<'a, str>, feed: Option<Feed>, limits: &Limits) -> Self {
        Self {
            input,
            feed,
            at: 0,
            expect: Expect::Value,
            levels: Vec::with_capacity(8),
            names: Names::new(),
            values: 0,
            limits: limits.clone(),
            text: 0..0,
            copied: false,
            scratch: String::new(),
            span: 0..0,
            seen: 0,
            failed: None,
        }
    }

    /// Adds a piece of a streamed text, when [`Reader::pull`] said [`Event::NeedMore`].
    ///
    /// # Errors
    /// When the bytes are not UTF-8, or too many.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), Box<Fault>> {
        let Some(feed) = &mut self.feed else { return Ok(()) };
        feed.received += piece.len() as u64;
        check_size(feed.received, &self.limits)?;
        let held = self.input.to_mut();
        if self.at > 0 {
            feed.begin = feed.begin.plus(&Place::within(held, self.at));
            held.drain(..self.at.min(held.len()));
            self.seen = self.seen.saturating_sub(self.at);
            (self.at, self.text, self.span) = (0, 0..0, 0..0);
        }
        let mut joined = std::mem::take(&mut feed.carry);
        let bytes = if joined.is_empty() {
            piece
        } else {
            joined.extend_from_slice(piece);
            &joined
        };
        match std::str::from_utf8(bytes) {
            Ok(text) => held.push_str(text),
            Err(error) => {
                let (valid, rest) = bytes.split_at(error.valid_up_to());
                held.push_str(std::str::from_utf8(valid).unwrap_or_default());
                if error.error_len().is_some() {
                    let place = feed.begin.plus(&Place::within(held, held.len()));
                    return Err(self.remember(not_utf8(place)));
                }
                feed.carry = rest.to_vec();
            }
        }
        Ok(())
    }

    /// Says that no more pieces come.
    ///
    /// # Errors
    /// When the last piece ended inside a character.
    pub fn finish(&mut self) -> Result<(), Box<Fault>> {
        let Some(feed) = &mut self.feed else { return Ok(()) };
        feed.last = true;
        if feed.carry.is_empty() {
            return Ok(());
        }
        let place = feed.begin.plus(&Place::within(&self.input, self.input.len()));
        Err(self.remember(not_utf8(place)))
    }

    /// Goes to the next event.
    ///
    /// # Errors
    /// What makes the text unreadable from here on; the same again when called again.
    #[inline]
    pub fn pull(&mut self) -> Result<Event, Box<Fault>> {
        if let Some(fault) = &self.failed {
            return Err(fault.clone());
        }
        self.step().map_err(|trouble| self.fail(trouble))
    }

    /// The text of a name, a string or a number.
    #[inline]
    pub fn text(&self) -> &str {
        let held = if self.copied { &self.scratch } else { &*self.input };
        held.get(self.text.clone()).unwrap_or_default()
    }

    /// The arrays and objects that are open.
    pub fn depth(&self) -> usize {
        self.levels.len()
    }

    /// Where the event begins.
    pub fn place(&self) -> Place {
        self.place_of(self.span.start)
    }

    /// Where the event lies, in bytes.
    pub fn span(&self) -> Range<u64> {
        let begin = self.feed.as_ref().map_or(0, |feed| feed.begin.offset);
        begin + self.span.start as u64..begin + self.span.end as u64
    }

    /// The JSON Pointer (RFC 6901) of the value that was read last, or is about to be.
    pub fn pointer(&self) -> String {
        let mut pointer = String::new();
        let mut objects = 0;
        for level in &self.levels {
            if level.is_object {
                objects += 1;
                let Some(name) = self.names.current(objects - 1) else { break };
                pointer.push('/');
                pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
            } else if level.count > 0 {
                let _ = write!(pointer, "/{}", level.count - 1);
            }
        }
        pointer
    }

    /// A fault at this place, for whoever reads on.
    pub fn fault(&self, kind: FaultKind, message: impl Into<String>) -> Box<Fault> {
        Box::new(Fault::new(kind, message).at(self.place()).inside(self.pointer()))
    }

    /// Right after an object began: the text of its member of this name, if that is a string without escapes. Looks
    /// ahead only in what is held, and changes nothing.
    pub fn peek_member(&self, name: &str) -> Option<&str> {
        scan::find_member(self.input.get(self.at..)?, name)
    }

    /// Steps over the value that comes next, or over the rest of the one that was just begun.
    ///
    /// # Errors
    /// As [`Reader::pull`]. A streaming reader that runs out has to be asked again from the start: use it on whole texts.
    pub fn skip(&mut self, begun: Event) -> Result<(), Box<Fault>> {
        let mut open = usize::from(matches!(begun, Event::ObjectStart | Event::ArrayStart));
        let named = begun == Event::Name;
        if open == 0 && !named {
            return Ok(());
        }
        loop {
            match self.pull()? {
                Event::ObjectStart | Event::ArrayStart => open += 1,
                Event::ObjectEnd | Event::ArrayEnd => open = open.saturating_sub(1),
                Event::Name => continue,
                Event::Eof | Event::NeedMore => return Ok(()),
                _ => (),
            }
            if open == 0 {
                return Ok(());
            }
        }
    }

    fn step(&mut self) -> Result<Event, Trouble> {
        loop {
            let bytes = self.input.as_bytes();
            while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
                self.at += 1;
            }
            let Some(&byte) = bytes.get(self.at) else { return self.at_end() };
            self.span = self.at..self.at + 1;
            match (self.expect, byte) {
                (Expect::Colon, b':') => {
                    self.at += 1;
                    self.expect = Expect::Value;
                }
                (Expect::Colon, _) => return Err(self.syntax("a colon has to stand here")),
                (Expect::CommaOrEnd, b',') => {
                    self.at += 1;
                    let in_object = self.levels.last().is_some_and(|level| level.is_object);
                    self.expect = if in_object { Expect::Name } else { Expect::Value };
                }
                (Expect::CommaOrEnd | Expect::NameOrEnd | Expect::ValueOrEnd, b'}' | b']') => {
                    return self.close(byte);
                }
                (Expect::CommaOrEnd, _) => {
                    return Err(self.syntax("a comma or the end of what is open has to stand here"));
                }
                (Expect::Name | Expect::NameOrEnd, b'"') => return self.name(),
                (Expect::Name | Expect::NameOrEnd, _) => {
                    return Err(self.syntax("the name of a member has to stand here"));
                }
                (Expect::End, _) => return Err(self.syntax("text after the value")),
                (Expect::Value | Expect::ValueOrEnd, _) => return self.value(byte),
            }
        }
    }

    fn at_end(&mut self) -> Result<Event, Trouble> {
        self.span = self.at..self.at;
        if self.feed.as_ref().is_some_and(|feed| !feed.last) {
            return Ok(Event::NeedMore);
        }
        if self.expect == Expect::End {
            return Ok(Event::Eof);
        }
        Err(self.syntax("the text ends before the value does"))
    }

    fn close(&mut self, byte: u8) -> Result<Event, Trouble> {
        let Some(level) = self.levels.pop_if(|level| level.is_object == (byte == b'}')) else {
            return Err(self.syntax("this closes something else than what is open"));
        };
        self.at += 1;
        self.expect = if self.levels.is_empty() { Expect::End } else { Expect::CommaOrEnd };
        if level.is_object {
            self.names.leave();
            return Ok(Event::ObjectEnd);
        }
        Ok(Event::ArrayEnd)
    }

    fn value(&mut self, byte: u8) -> Result<Event, Trouble> {
        match byte {
            b'{' | b'[' => return self.open(byte == b'{'),
            b'"' => {
                if !self.string()? {
                    return Ok(Event::NeedMore);
                }
                return self.scalar(Event::String);
            }
            b'-' | b'0'..=b'9' => {
                let scanned = scan::number(self.input.as_bytes(), self.at);
                let Some(end) = self.whole(scanned)? else { return Ok(Event::NeedMore) };
                if end - self.at > self.limits.json_number_bytes as usize {
                    return Err(Trouble::limit(
                        self.at,
                        "bytes of a number",
                        self.limits.json_number_bytes,
                    ));
                }
                self.text = self.at..end;
                self.copied = false;
                self.take(end);
                return self.scalar(Event::Number);
            }
            _ => (),
        }
        let rest = self.input.as_bytes().get(self.at..).unwrap_or_default();
        let words: [(&[u8], Event); 3] =
            [(b"true", Event::Bool(true)), (b"false", Event::Bool(false)), (b"null", Event::Null)];
        for (word, event) in words {
            if rest.starts_with(word) {
                self.take(self.at + word.len());
                return self.scalar(event);
            }
            let cut = rest.len() < word.len() && word.starts_with(rest);
            if cut && self.feed.as_ref().is_some_and(|feed| !feed.last) {
                return Ok(Event::NeedMore);
            }
        }
        if rest.starts_with(b"\xEF\xBB\xBF") {
            return Err(self.syntax("a byte order mark, which JSON does not have"));
        }
        Err(self.syntax("a value has to stand here"))
    }

    /// Counts a value, and an item if it is one.
    fn count(&mut self) -> Result<(), Trouble> {
        self.values += 1;
        if self.values > self.limits.json_values {
            return Err(Trouble::limit(self.span.start, "values", self.limits.json_values));
        }
        if let Some(level) = self.levels.last_mut().filter(|level| !level.is_object) {
            level.count += 1;
        }
        Ok(())
    }

    fn scalar(&mut self, event: Event) -> Result<Event, Trouble> {
        self.count()?;
        self.expect = match self.levels.last() {
            None => Expect::End,
            Some(level) if self.input.as_bytes().get(self.at) == Some(&b',') => {
                self.at += 1;
                if level.is_object { Expect::Name } else { Expect::Value }
            }
            Some(_) => Expect::CommaOrEnd,
        };
        Ok(event)
    }

    fn open(&mut self, is_object: bool) -> Result<Event, Trouble> {
        if self.levels.len() >= self.limits.json_depth as usize {
            let limit = self.limits.json_depth;
            return Err(Trouble::limit(self.at, "arrays and objects inside each other", limit));
        }
        self.count()?;
        self.levels.push(Level { is_object, count: 0 });
        self.at += 1;
        if is_object {
            self.names.enter();
            self.expect = Expect::NameOrEnd;
            return Ok(Event::ObjectStart);
        }
        self.expect = Expect::ValueOrEnd;
        Ok(Event::ArrayStart)
    }

    fn name(&mut self) -> Result<Event, Trouble> {
        if !self.string()? {
            return Ok(Event::NeedMore);
        }
        let at = self.span.start;
        let held = if self.copied { &self.scratch } else { &*self.input };
        let name = held.get(self.text.clone()).unwrap_or_default();
        if name.len() > self.limits.json_name_bytes as usize {
            return Err(Trouble::limit(at, "bytes of a name", self.limits.json_name_bytes));
        }
        if let Some(level) = self.levels.last_mut() {
            level.count += 1;
            if level.count > u64::from(self.limits.json_members) {
                return Err(Trouble::limit(at, "members of an object", self.limits.json_members));
            }
        }
        if !self.names.add(name) {
            let shown: String = name.chars().take(64).collect();
            return Err(Trouble::syntax(at, format!("the name {shown:?} stands here twice")));
        }
        // What mostly follows at once needs no round of its own.
        if self.input.as_bytes().get(self.at) == Some(&b':') {
            self.at += 1;
            self.expect = Expect::Value;
        } else {
            self.expect = Expect::Colon;
        }
        Ok(Event::Name)
    }

    /// Reads a string; false when its end is not there yet.
    fn string(&mut self) -> Result<bool, Trouble> {
        let start = self.at + 1;
        if self.feed.is_some() {
            // Look for the end first, and where one stopped the last time.
            let from = self.seen.max(start);
            match scan::string_end(self.input.as_bytes(), from) {
                Ok(_) => self.seen = 0,
                Err(seen) if self.feed.as_ref().is_some_and(|feed| !feed.last) => {
                    self.seen = seen;
                    return Ok(false);
                }
                Err(_) => (),
            }
        }
        let (range, copied, end) = scan::string(&self.input, start, &mut self.scratch)?;
        (self.text, self.copied) = (range, copied);
        self.take(end);
        Ok(true)
    }

    fn whole(&self, scanned: Result<Scanned, Trouble>) -> Result<Option<usize>, Trouble> {
        let scanned = scanned?;
        let may_go_on = scanned.reached_end && self.feed.as_ref().is_some_and(|feed| !feed.last);
        if may_go_on {
            let held = self.input.len() - self.at;
            if held > self.limits.json_number_bytes as usize {
                let limit = self.limits.json_number_bytes;
                return Err(Trouble::limit(self.at, "bytes of a number", limit));
            }
            return Ok(None);
        }
        if !scanned.complete {
            return Err(Trouble::syntax(scanned.end, "this is no number of JSON"));
        }
        Ok(Some(scanned.end))
    }

    fn take(&mut self, end: usize) {
        self.span = self.at..end;
        self.at = end;
    }

    fn syntax(&self, message: &str) -> Trouble {
        Trouble::syntax(self.at, message)
    }

    fn place_of(&self, at: usize) -> Place {
        let place = Place::within(&self.input, at);
        match &self.feed {
            Some(feed) => feed.begin.plus(&place),
            None => place,
        }
    }

    #[cold]
    fn fail(&mut self, trouble: Trouble) -> Box<Fault> {
        let fault = Fault::new(trouble.kind, trouble.message).at(self.place_of(trouble.at));
        self.remember(Box::new(fault.inside(self.pointer())))
    }

    fn remember(&mut self, fault: Box<Fault>) -> Box<Fault> {
        self.failed = Some(fault.clone());
        fault
    }
}

fn check_size(bytes: u64, limits: &Limits) -> Result<(), Box<Fault>> {
    if bytes > limits.document_bytes {
        let message = format!("bytes of the text: more than {}", limits.document_bytes);
        return Err(Box::new(Fault::new(FaultKind::Limit, message)));
    }
    Ok(())
}

fn not_utf8(place: Place) -> Box<Fault> {
    Box::new(Fault::new(FaultKind::Encoding, "the text is not UTF-8 here").at(place))
}
