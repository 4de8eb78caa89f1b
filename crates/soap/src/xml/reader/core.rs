//! The tokenizer's state, and the order in which things may come in a document.
//!
//! It works on the text at hand: the whole document, or what a streaming reader holds of it. In the second case it says
//! [`Event::NeedMore`] rather than begin with something whose end is not there yet.

use std::ops::Range;

use super::{
    Event,
    pending::Pending,
    tag::{Open, RawAttribute},
};
use crate::{
    limits::{Doctype, Limits},
    name::Symbols,
    xml::{
        chars::is_whitespace,
        encoding::Encoding,
        scope::Scope,
        trouble::{Result, Trouble},
    },
};

/// Where we are in the document (production 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Before everything, where an XML declaration may stand.
    Begin,
    /// Before the root element.
    Prolog,
    /// The same, after a document type declaration.
    AfterDoctype,
    /// In the root element.
    Content,
    /// After it.
    Epilog,
    /// After everything.
    Done,
}

/// What has to be done before the next event is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owed {
    Nothing,
    /// An empty-element tag was reported as a start.
    End,
    /// An end was reported, and its element is still open.
    Close,
}

#[derive(Debug)]
pub(super) struct Core<'s> {
    pub(super) at: usize,
    pub(super) phase: Phase,
    pub(super) owed: Owed,
    pub(super) limits: Limits,
    pub(super) encoding: Encoding,
    pub(super) nodes: u64,
    pub(super) scope: Scope<'s>,
    /// The open elements, and their names one after the other.
    pub(super) open: Vec<Open>,
    pub(super) names: String,
    pub(super) attributes: Vec<RawAttribute>,
    pub(super) declarations: Vec<RawAttribute>,
    /// Room to sort attributes in.
    pub(super) order: Vec<usize>,
    /// Attribute values that are not in the input as they are.
    pub(super) values: String,
    /// The event's text: in the input, or in `scratch`.
    pub(super) text: Range<usize>,
    pub(super) text_in_scratch: bool,
    pub(super) scratch: String,
    /// An instruction's target, in the input.
    pub(super) target: Range<usize>,
    /// The event as a whole, in the input.
    pub(super) span: Range<usize>,
    pub(super) in_cdata: bool,
    pub(super) pending: Pending,
}

impl<'s> Core<'s> {
    pub(super) fn new(symbols: &'s Symbols, limits: &Limits, encoding: Encoding) -> Self {
        Self {
            at: 0,
            phase: Phase::Begin,
            owed: Owed::Nothing,
            limits: limits.clone(),
            encoding,
            nodes: 0,
            scope: Scope::new(symbols),
            // Room for an envelope as most are, so that a small message does not pay for growing.
            open: Vec::with_capacity(16),
            names: String::with_capacity(256),
            attributes: Vec::with_capacity(8),
            declarations: Vec::with_capacity(4),
            order: Vec::new(),
            values: String::new(),
            text: 0..0,
            text_in_scratch: false,
            scratch: String::new(),
            target: 0..0,
            span: 0..0,
            in_cdata: false,
            pending: Pending::default(),
        }
    }

    /// Goes to the next event of `text`; `last` when nothing follows it.
    #[inline]
    pub(super) fn pull(&mut self, text: &str, last: bool) -> Result<Event> {
        match self.owed {
            Owed::Nothing => (),
            Owed::End => {
                self.owed = Owed::Close;
                return Ok(Event::End);
            }
            Owed::Close => self.close(),
        }
        if self.phase == Phase::Content {
            return self.content(text, last);
        }
        self.outside(text, last)
    }

    /// Takes the element off whose end was reported.
    #[inline]
    fn close(&mut self) {
        self.owed = Owed::Nothing;
        if let Some(open) = self.open.pop() {
            self.names.truncate(open.name);
            self.scope.reset(open.scope);
        }
        if self.open.is_empty() {
            self.phase = Phase::Epilog;
        }
    }

    #[inline]
    fn content(&mut self, text: &str, last: bool) -> Result<Event> {
        if self.in_cdata {
            return self.cdata(text, last);
        }
        match text.as_bytes().get(self.at) {
            Some(b'<') => self.markup(text, last),
            Some(_) => self.character_data(text, last),
            None if last => {
                let name = self.open.last().map_or("", |open| open.qname(&self.names));
                Trouble::syntax(self.at, format!("the document ends inside the element {name}"))
            }
            None => Ok(Event::NeedMore),
        }
    }

    /// Before and after the root element.
    fn outside(&mut self, text: &str, last: bool) -> Result<Event> {
        loop {
            let begin = self.at;
            while text.as_bytes().get(self.at).is_some_and(|&byte| is_whitespace(byte)) {
                self.at += 1;
            }
            if self.phase == Phase::Begin && self.at > begin {
                self.phase = Phase::Prolog;
            }
            match text.as_bytes().get(self.at) {
                Some(b'<') => {
                    let event = self.markup(text, last)?;
                    if self.phase == Phase::Begin && event != Event::NeedMore {
                        self.phase = Phase::Prolog;
                    }
                    if event != Event::Text {
                        return Ok(event);
                    }
                    // A declaration, which is no event.
                }
                Some(_) => return Trouble::syntax(self.at, "text outside the root element"),
                None if !last => return Ok(Event::NeedMore),
                None if matches!(self.phase, Phase::Epilog | Phase::Done) => {
                    self.phase = Phase::Done;
                    self.span = self.at..self.at;
                    return Ok(Event::Eof);
                }
                None => return Trouble::syntax(self.at, "there is no root element"),
            }
        }
    }

    /// What begins with `<`. [`Event::Text`] outside the root element stands for a declaration that was read.
    fn markup(&mut self, text: &str, last: bool) -> Result<Event> {
        let bytes = text.as_bytes();
        if !last && !self.pending.is_complete(bytes, self.at, &self.limits)? {
            return Ok(Event::NeedMore);
        }
        self.pending = Pending::default();
        match bytes.get(self.at + 1) {
            Some(b'/') => self.end_tag(text),
            Some(b'?') => self.instruction(text),
            Some(b'!') => self.bang(text, last),
            _ => self.start_tag(text),
        }
    }

    fn bang(&mut self, text: &str, last: bool) -> Result<Event> {
        let rest = text.as_bytes().get(self.at..).unwrap_or_default();
        if rest.starts_with(b"<!--") {
            self.comment(text)
        } else if rest.starts_with(b"<![CDATA[") {
            if self.phase != Phase::Content {
                return Trouble::syntax(self.at, "a CDATA section outside the root element");
            }
            self.at += 9;
            self.in_cdata = true;
            self.cdata(text, last)
        } else if rest.starts_with(b"<!DOCTYPE") {
            self.doctype(text, last)
        } else {
            Trouble::syntax(self.at, "neither a comment, a CDATA section nor a tag")
        }
    }

    fn doctype(&mut self, text: &str, last: bool) -> Result<Event> {
        match self.phase {
            Phase::Begin | Phase::Prolog => (),
            _ => return Trouble::syntax(self.at, "a DOCTYPE stands before the root element, once"),
        }
        // In a stream its end may be far away, and imports are not streamed.
        if self.limits.doctype == Doctype::Refuse || !last {
            return Err(Trouble::new(
                crate::FaultKind::Refused,
                self.at,
                "the document has a DOCTYPE, which is never read",
            ));
        }
        self.at = super::misc::after_doctype(text, self.at, &self.limits)?;
        self.phase = Phase::AfterDoctype;
        Ok(Event::Text)
    }

    /// Counts nodes, before they are made.
    #[inline]
    pub(super) fn count_nodes(&mut self, more: usize) -> Result<()> {
        self.nodes += more as u64;
        if self.nodes > self.limits.nodes {
            return Trouble::limit(self.at, "nodes of the document", self.limits.nodes);
        }
        Ok(())
    }
}
