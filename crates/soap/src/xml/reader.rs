//! Reading XML: one event after the other, with the names, values and namespaces of the element at hand.
//!
//! ```
//! use pasarela_soap::{Limits, xml::{Event, Reader}};
//! let mut reader = Reader::new(br#"<a b="1">x &amp; y</a>"#, &Limits::default())?;
//! assert_eq!(reader.pull()?, Event::Start);
//! assert_eq!((reader.name().local, reader.attribute(0).unwrap().value), ("a", "1"));
//! assert_eq!((reader.pull()?, reader.text()), (Event::Text, "x & y"));
//! assert_eq!(reader.pull()?, Event::End);
//! assert_eq!(reader.pull()?, Event::Eof);
//! # Ok::<(), Box<pasarela_soap::Fault>>(())
//! ```
//!
//! [`Reader::pull`] says what comes next, and the other methods show it, as often and in whatever order one likes,
//! until the next `pull`. Nothing is copied that can be borrowed from the input.
//!
//! This is a tokenizer of its own rather than checks over another's tokens. A document has to be looked at byte by byte
//! to be found well-formed, and doing that once is quicker than finding the tokens first and looking at them again; and
//! a stream whose pieces end anywhere needs a tokenizer that stops anywhere, without waiting for a reader to block.

mod core;
mod misc;
mod pending;
mod tag;
mod text;

use std::{borrow::Cow, ops::Range};

use self::{core::Core, tag::RawAttribute};

use super::{
    encoding::{Decoder, decode},
    trouble::Trouble,
};
use crate::{
    fault::{Fault, FaultKind, Place},
    limits::Limits,
    name::{NsId, PrefixScope, Sym, Symbols},
};

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A start tag, or an empty-element tag, which an [`Event::End`] follows.
    Start,
    /// The end of an element.
    End,
    /// A piece of text: one run of character data or a CDATA section, or a part of either. Texts that follow each other
    /// belong together.
    Text,
    /// A comment.
    Comment,
    /// A processing instruction; [`Reader::target`] is its target.
    Instruction,
    /// The end of the document.
    Eof,
    /// A streaming reader has to be [fed](Reader::feed).
    NeedMore,
}

/// The name of an element or of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'r> {
    /// Its namespace.
    pub namespace: NsId,
    /// Its number in the reader's [`Symbols`].
    pub sym: Sym,
    /// Its prefix; empty for none.
    pub prefix: &'r str,
    /// Its local name.
    pub local: &'r str,
}

/// An attribute that is not a namespace declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'r> {
    /// Its name.
    pub name: Name<'r>,
    /// Its value, normalised as one of type CDATA.
    pub value: &'r str,
}

/// A document that is being read.
#[derive(Debug)]
pub struct Reader<'a> {
    input: Input<'a>,
    core: Core<'a>,
    failed: Option<Box<Fault>>,
}

#[derive(Debug)]
enum Input<'a> {
    Whole(Cow<'a, str>),
    Fed(Box<Feed>),
}

/// What is held of a stream.
#[derive(Debug)]
struct Feed {
    /// Decoded and not yet dropped.
    text: String,
    decoder: Decoder,
    /// Bytes that came.
    received: u64,
    /// Whether no more come.
    last: bool,
    /// Where `text` begins in the document.
    begin: Place,
}

impl<'a> Reader<'a> {
    /// Reads a whole document whose encoding is told by itself.
    ///
    /// # Errors
    /// When the bytes are not text in a known encoding, or too many.
    pub fn new(document: &'a [u8], limits: &Limits) -> Result<Self, Box<Fault>> {
        Self::with(document, None, Symbols::none(), limits)
    }

    /// Reads a whole document that came with a charset or without one, and knows names.
    ///
    /// # Errors
    /// When the bytes are not text in a known encoding, or too many.
    pub fn with(
        document: &'a [u8],
        charset: Option<&str>,
        symbols: &'a Symbols,
        limits: &Limits,
    ) -> Result<Self, Box<Fault>> {
        check_size(document.len() as u64, limits)?;
        let (text, encoding) = decode(document, charset, limits).map_err(|trouble| {
            let valid = document.get(..trouble.at).unwrap_or_default();
            let valid = std::str::from_utf8(valid).unwrap_or_default();
            Box::new(
                Fault::new(trouble.kind, trouble.message).at(Place::within(valid, valid.len())),
            )
        })?;
        let core = Core::new(symbols, limits, encoding);
        Ok(Self { input: Input::Whole(text), core, failed: None })
    }

    /// Reads a document that comes in pieces, in memory that depends on its depth and not on its size.
    ///
    /// A DOCTYPE is refused in it, whatever the limits say.
    ///
    /// # Errors
    /// When the charset is not one we read.
    pub fn streaming(
        charset: Option<&str>,
        symbols: &'a Symbols,
        limits: &Limits,
    ) -> Result<Self, Box<Fault>> {
        let decoder = Decoder::new(charset, limits)
            .map_err(|trouble| Box::new(Fault::new(trouble.kind, trouble.message)))?;
        let core = Core::new(symbols, limits, decoder.encoding());
        let feed = Feed {
            text: String::new(),
            decoder,
            received: 0,
            last: false,
            begin: Place { line: 1, column: 1, ..Place::default() },
        };
        Ok(Self { input: Input::Fed(Box::new(feed)), core, failed: None })
    }

    /// Adds a piece of a streamed document, when [`Reader::pull`] said [`Event::NeedMore`]. What the reader showed of
    /// earlier events is gone after it.
    ///
    /// # Errors
    /// When the bytes are not text in the document's encoding, or too many.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), Box<Fault>> {
        let Input::Fed(feed) = &mut self.input else { return Ok(()) };
        feed.received += piece.len() as u64;
        check_size(feed.received, &self.core.limits)?;
        feed.drop_read(&mut self.core);
        let pushed = feed.decoder.push(piece, &mut feed.text);
        self.core.encoding = feed.decoder.encoding();
        pushed.map_err(|trouble| self.fail(*trouble))
    }

    /// Says that no more pieces come.
    ///
    /// # Errors
    /// When the last piece ended inside a character.
    pub fn finish(&mut self) -> Result<(), Box<Fault>> {
        let Input::Fed(feed) = &mut self.input else { return Ok(()) };
        feed.last = true;
        let finished = feed.decoder.finish_into(&mut feed.text);
        self.core.encoding = feed.decoder.encoding();
        finished.map_err(|trouble| self.fail(*trouble))
    }

    /// Goes to the next event.
    ///
    /// # Errors
    /// What makes the document unreadable from here on; the same again when called again.
    #[inline]
    pub fn pull(&mut self) -> Result<Event, Box<Fault>> {
        if let Some(fault) = &self.failed {
            return Err(fault.clone());
        }
        let (text, last) = match &self.input {
            Input::Whole(text) => (&**text, true),
            Input::Fed(feed) => (feed.text.as_str(), feed.last),
        };
        self.core.pull(text, last).map_err(|trouble| self.fail(*trouble))
    }

    /// The name of the element that starts or ends here; at other events, of the element around.
    #[inline]
    pub fn name(&self) -> Name<'_> {
        let Some(open) = self.core.open.last() else {
            return Name { namespace: NsId::NONE, sym: Sym::UNKNOWN, prefix: "", local: "" };
        };
        let (prefix, local) = open.qname(&self.core.names).split_at(open.local);
        let prefix = prefix.strip_suffix(':').unwrap_or_default();
        Name { namespace: open.namespace, sym: open.sym, prefix, local }
    }

    /// The namespace and the number of [`Reader::name`].
    #[inline]
    pub fn element(&self) -> (NsId, Sym) {
        self.core.open.last().map_or((NsId::NONE, Sym::UNKNOWN), |open| (open.namespace, open.sym))
    }

    /// How many attributes the element has that started last; namespace declarations are none.
    #[inline]
    pub fn attribute_count(&self) -> usize {
        self.core.attributes.len()
    }

    /// One of its attributes, in document order.
    #[inline]
    pub fn attribute(&self, index: usize) -> Option<Attribute<'_>> {
        self.core.attributes.get(index).map(|raw| self.shown(raw))
    }

    /// Its attributes, in document order.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'_>> {
        self.core.attributes.iter().map(|raw| self.shown(raw))
    }

    /// Its attribute of this name.
    pub fn attribute_named(&self, namespace: &str, local: &str) -> Option<&str> {
        self.attributes()
            .find(|a| a.name.local == local && self.uri(a.name.namespace) == namespace)
            .map(|a| a.value)
    }

    #[inline]
    fn shown(&self, raw: &RawAttribute) -> Attribute<'_> {
        let source = self.source();
        let held = if raw.copied { self.core.values.as_str() } else { source };
        let prefix = source.get(raw.name.start..raw.local).unwrap_or_default();
        Attribute {
            name: Name {
                namespace: raw.namespace,
                sym: raw.sym,
                prefix: prefix.strip_suffix(':').unwrap_or_default(),
                local: source.get(raw.local..raw.name.end).unwrap_or_default(),
            },
            value: held.get(raw.value.clone()).unwrap_or_default(),
        }
    }

    /// Whether the element that starts here was written as an empty-element tag.
    pub fn is_empty_element(&self) -> bool {
        self.core.owed == core::Owed::End
    }

    /// The namespaces that the innermost element declares: prefix (empty for the default) and namespace (empty to
    /// undeclare the default). What only repeats the scope around it is left out.
    pub fn declarations(&self) -> impl Iterator<Item = (&str, &str)> {
        let since = self.core.open.last().map_or(self.core.scope.mark(), |open| open.scope);
        self.core.scope.declared_since(since)
    }

    /// Every namespace in scope, once a prefix, innermost first; `xml` is left out.
    pub fn namespaces_in_scope(&self) -> impl Iterator<Item = (&str, &str)> {
        self.core.scope.all()
    }

    /// The text of a [`Event::Text`] or [`Event::Comment`], the data of an [`Event::Instruction`].
    #[inline]
    pub fn text(&self) -> &str {
        let held = if self.core.text_in_scratch { &self.core.scratch } else { self.source() };
        held.get(self.core.text.clone()).unwrap_or_default()
    }

    /// The target of an [`Event::Instruction`].
    pub fn target(&self) -> &str {
        self.source().get(self.core.target.clone()).unwrap_or_default()
    }

    /// The namespace that a prefix stands for here (the default for the empty one); none when it is not declared.
    pub fn namespace(&self, prefix: &str) -> Option<NsId> {
        self.core.scope.resolve(prefix)
    }

    /// A namespace as text.
    pub fn uri(&self, namespace: NsId) -> &str {
        self.core.scope.uri(namespace)
    }

    /// The names that the reader knows.
    pub fn symbols(&self) -> &'a Symbols {
        self.core.scope.symbols()
    }

    /// How many elements are open; the one that starts or ends here counts.
    pub fn depth(&self) -> usize {
        self.core.open.len()
    }

    /// Whether the root element has ended.
    pub fn is_after_root(&self) -> bool {
        matches!(self.core.phase, core::Phase::Epilog | core::Phase::Done)
    }

    /// Where the event lies: bytes of the document as UTF-8, without a byte order mark. The end of an empty-element
    /// tag lies where its start does.
    pub fn span(&self) -> Range<u64> {
        let begin = match &self.input {
            Input::Whole(_) => 0,
            Input::Fed(feed) => feed.begin.offset,
        };
        begin + self.core.span.start as u64..begin + self.core.span.end as u64
    }

    /// The document as UTF-8 text, for [`Reader::span`]; of a streamed one, what is held at the moment.
    #[inline]
    pub fn source(&self) -> &str {
        match &self.input {
            Input::Whole(text) => text,
            Input::Fed(feed) => &feed.text,
        }
    }

    /// Where the event begins, for people.
    pub fn place(&self) -> Place {
        self.place_of(self.core.span.start)
    }

    fn place_of(&self, at: usize) -> Place {
        let place = Place::within(self.source(), at.min(self.source().len()));
        match &self.input {
            Input::Whole(_) => place,
            Input::Fed(feed) => feed.begin.plus(&place),
        }
    }

    /// The elements that are open here, `/soap:Envelope/soap:Body`, as they are written.
    pub fn path(&self) -> String {
        let starts = self.core.open.iter().map(|open| open.name);
        let ends = starts.clone().skip(1).chain([self.core.names.len()]);
        let names = starts.zip(ends).filter_map(|(start, end)| self.core.names.get(start..end));
        names.flat_map(|name| ["/", name]).collect()
    }

    /// A fault at this place, for whoever reads on.
    pub fn fault(&self, kind: FaultKind, message: impl Into<String>) -> Box<Fault> {
        Box::new(Fault::new(kind, message).at(self.place()).inside(self.path()))
    }

    #[cold]
    fn fail(&mut self, trouble: Trouble) -> Box<Fault> {
        let fault = Fault::new(trouble.kind, trouble.message);
        let fault = Box::new(fault.at(self.place_of(trouble.at)).inside(self.path()));
        self.failed = Some(fault.clone());
        fault
    }
}

impl Feed {
    /// Lets go of what was read.
    fn drop_read(&mut self, core: &mut Core<'_>) {
        let read = core.at.min(self.text.len());
        if read == 0 {
            return;
        }
        self.begin = self.begin.plus(&Place::within(&self.text, read));
        self.text.drain(..read);
        core.at = 0;
        (core.span, core.text, core.target) = (0..0, 0..0, 0..0);
        core.attributes.clear();
    }
}

fn check_size(bytes: u64, limits: &Limits) -> Result<(), Box<Fault>> {
    if bytes > limits.document_bytes {
        let message = format!("bytes of the document: more than {}", limits.document_bytes);
        return Err(Box::new(Fault::new(FaultKind::Limit, message)));
    }
    Ok(())
}

impl PrefixScope for Reader<'_> {
    fn namespace_of(&self, prefix: &str) -> Option<&str> {
        self.namespace(prefix).map(|namespace| self.uri(namespace))
    }
}
