//! Is a message what its operation says? Header blocks, body and details of faults, looked at while they go by.
//!
//! A [`Checker`] is given the events of a reader one by one, like [`Opener`], whose rules and those of
//! [`Closer`] it keeps as well. It stops at the first fault. Header blocks that the operation does not
//! declare may hold anything, and so may the parts of an encoded message, which no schema describes as they are written.

use std::sync::Arc;

use super::{Closer, Envelope, Opener, Progress, Refusal};
use crate::{
    ExpandedName, FaultKind,
    mime::{Whole, cid_of},
    transcode::XOP,
    wsdl::catalog::{Header, Message, Operation, Part, PartContent, Style, Use},
    xml::{Event, Reader},
    xsd::{Mode, Schemas, Start, Validator, model::ElementId, values::SimpleType},
};

/// What a message has to hold.
#[derive(Debug, Clone)]
pub struct Expected {
    body: Content,
    headers: Vec<(ExpandedName, Start)>,
    /// What may be in the detail of a fault; none for requests, which are no faults.
    faults: Option<Vec<ElementId>>,
}

#[derive(Debug, Clone)]
enum Content {
    /// Anything: what is encoded.
    Any,
    /// The parts one after the other; none for an empty body.
    Parts(Vec<Start>),
    /// A wrapper of this name, and the parts by their accessors' names.
    Rpc { wrapper: ExpandedName, parts: Vec<(Box<str>, Start)> },
}

impl Expected {
    /// The request of an operation.
    #[must_use]
    pub fn request(operation: &Operation) -> Self {
        Self::of(operation.style, &operation.input, None)
    }

    /// Its answer; where there is none, a body that is empty.
    #[must_use]
    pub fn answer(operation: &Operation) -> Self {
        let declared = operation.faults.iter().filter_map(|fault| match fault.part.content {
            PartContent::Element(element, _) => Some(element),
            PartContent::Type(..) => None,
        });
        let faults = Some(declared.collect());
        match &operation.output {
            Some(output) => Self::of(operation.style, output, faults),
            None => Self { body: Content::Parts(Vec::new()), headers: Vec::new(), faults },
        }
    }

    fn of(style: Style, message: &Message, faults: Option<Vec<ElementId>>) -> Self {
        let body = match (&message.use_, style, &message.wire) {
            (Use::Encoded(_), ..) => Content::Any,
            (Use::Literal, Style::Rpc, Some(wrapper)) => {
                let parts =
                    message.body.iter().map(|part| (part.name.as_str().into(), start(part)));
                Content::Rpc { wrapper: wrapper.clone(), parts: parts.collect() }
            }
            (Use::Literal, Style::Rpc, None) => Content::Parts(Vec::new()),
            (Use::Literal, Style::Document, _) => {
                Content::Parts(message.body.iter().map(start).collect())
            }
        };
        let literal = message.headers.iter().filter(|header| header.use_ == Use::Literal);
        Self { body, headers: literal.filter_map(block).collect(), faults }
    }
}

fn start(part: &Part) -> Start {
    match part.content {
        PartContent::Element(element, _) => Start::Element(element),
        PartContent::Type(ty, _) => Start::Type(ty),
    }
}

/// A block that the schemas describe: one by type has no name that a message would show.
fn block(header: &Header) -> Option<(ExpandedName, Start)> {
    match &header.part.content {
        PartContent::Element(element, name) => Some((name.clone(), Start::Element(*element))),
        PartContent::Type(..) => None,
    }
}

/// Looks at a message as it goes by.
#[derive(Debug)]
pub struct Checker<'s> {
    schemas: &'s Schemas,
    expected: &'s Expected,
    opener: Option<Opener>,
    closer: Closer,
    envelope: Option<Envelope>,
    validator: Validator<'s>,
    /// At which depth the element stands that the validator looks at; 0 while it looks at none.
    looking: usize,
    /// Parts that came, by number.
    came: Vec<bool>,
    /// Whether the child of a fault at hand is its detail.
    in_detail: bool,
    /// Whether values may stand in parts beside the envelope.
    in_parts: bool,
    /// Whether `xop:Include` is open.
    included: bool,
    /// The parts that are values, by identifier, and the types of these.
    references: Vec<(String, Arc<SimpleType>)>,
}

impl<'s> Checker<'s> {
    /// For one message.
    #[must_use]
    pub fn new(schemas: &'s Schemas, expected: &'s Expected) -> Self {
        let parts = match &expected.body {
            Content::Any => 0,
            Content::Parts(parts) => parts.len(),
            Content::Rpc { parts, .. } => parts.len(),
        };
        Self {
            schemas,
            expected,
            opener: Some(Opener::new()),
            closer: Closer::new(false, false),
            envelope: None,
            validator: Validator::new(schemas, Mode::FIRST),
            looking: 0,
            came: vec![false; parts],
            in_detail: false,
            in_parts: false,
            included: false,
            references: Vec::new(),
        }
    }

    /// Says that the message is in parts: `xop:Include` may stand for a base64Binary.
    #[must_use]
    pub fn in_parts(mut self) -> Self {
        self.in_parts = true;
        self
    }

    /// Checks a message in parts that is there as a whole: what it refers to has to be there, of a length that its type
    /// allows.
    ///
    /// # Errors
    /// The first thing that is not as the operation says.
    pub fn whole_in_parts(self, reader: &mut Reader<'_>, whole: &Whole) -> Result<(), Refusal> {
        let mut checker = self.in_parts();
        checker.run(reader)?;
        for (id, ty) in &checker.references {
            let part = whole.parts.iter().find(|(head, _)| head.id.as_ref() == Some(id));
            let Some((_, bytes)) = part else {
                return Err(wrong(reader, format!("no part has the identifier {id:?}")));
            };
            ty.check_octets(bytes.len() as u64)
                .map_err(|why| wrong(reader, format!("the part {id:?} {why}")))?;
        }
        Ok(())
    }

    /// Takes an event; true at the end of the message. [`Event::NeedMore`] changes nothing.
    ///
    /// # Errors
    /// The first thing that is not as the operation says.
    pub fn step(&mut self, reader: &Reader<'_>, event: Event) -> Result<bool, Refusal> {
        if let Some(mut opener) = self.opener.take() {
            if opener.step(reader, event)? == Progress::More {
                self.opener = Some(opener);
                self.block(reader, event)?;
                return Ok(false);
            }
            let envelope = opener.into_envelope();
            self.begin_body(reader, &envelope)?;
            self.envelope = Some(envelope);
            // At the start of the body's child this event is the body's own.
            if event == Event::Start {
                self.inside(reader, event)?;
            } else {
                self.end_body(reader)?;
            }
            return Ok(false);
        }
        let ended = self.closer.step(reader, event)?;
        if event == Event::End && reader.depth() == 2 {
            self.end_body(reader)?;
        } else if reader.depth() > 2 {
            self.inside(reader, event)?;
        }
        Ok(ended)
    }

    /// Checks a message that is there as a whole.
    ///
    /// # Errors
    /// The first thing that is not as the operation says.
    pub fn whole(mut self, reader: &mut Reader<'_>) -> Result<(), Refusal> {
        self.run(reader)
    }

    fn run(&mut self, reader: &mut Reader<'_>) -> Result<(), Refusal> {
        loop {
            let event = reader.pull()?;
            if event == Event::NeedMore {
                let message = "the message is not there as a whole";
                return Err(reader.fault(FaultKind::Message, message).into());
            }
            if self.step(reader, event)? {
                return Ok(());
            }
        }
    }

    /// What stands in the header.
    fn block(&mut self, reader: &Reader<'_>, event: Event) -> Result<(), Refusal> {
        if self.looking == 0 && event == Event::Start && reader.depth() == 3 {
            let name = reader.name();
            let namespace = reader.uri(name.namespace);
            let declared = self.expected.headers.iter();
            let found = declared.clone().find(|(block, _)| block.is(namespace, name.local));
            let Some((_, start)) = found else { return Ok(()) };
            self.look(reader, *start);
        }
        self.watch(reader, event)
    }

    fn begin_body(&mut self, reader: &Reader<'_>, envelope: &Envelope) -> Result<(), Refusal> {
        let more = match &self.expected.body {
            Content::Any => true,
            Content::Parts(parts) => parts.len() > 1,
            Content::Rpc { .. } => false,
        };
        self.closer = Closer::new(more && !envelope.is_fault, envelope.body.is_none());
        if envelope.is_fault && self.expected.faults.is_none() {
            return Err(wrong(reader, "a request is no fault"));
        }
        Ok(())
    }

    /// What stands in the body.
    fn inside(&mut self, reader: &Reader<'_>, event: Event) -> Result<(), Refusal> {
        if self.looking == 0 && event == Event::Start {
            if self.is_fault() {
                self.detail(reader);
            } else {
                self.part(reader)?;
            }
        }
        let bare = event == Event::Text && self.looking == 0 && !self.is_fault();
        if bare && !matches!(self.expected.body, Content::Any) && !reader.text().trim().is_empty() {
            return Err(wrong(reader, "text between the parts of a message"));
        }
        self.watch(reader, event)
    }

    /// A part, an accessor or the wrapper begins.
    fn part(&mut self, reader: &Reader<'_>) -> Result<(), Refusal> {
        match (&self.expected.body, reader.depth()) {
            (Content::Any, _) => Ok(()),
            (Content::Parts(parts), 3) => {
                let at = self.came.iter().position(|came| !came);
                let next = at.and_then(|at| Some((at, *parts.get(at)?)));
                let Some((at, start)) = next else {
                    return Err(wrong(reader, "nothing more is expected in the body"));
                };
                self.note(at);
                self.look(reader, start);
                Ok(())
            }
            (Content::Rpc { wrapper, .. }, 3) => {
                let name = reader.name();
                if wrapper.is(reader.uri(name.namespace), name.local) {
                    return Ok(());
                }
                Err(wrong(reader, format!("{wrapper} is expected in the body")))
            }
            (Content::Rpc { parts, .. }, 4) => {
                // By the local name: stacks disagree about an accessor's namespace.
                let local = reader.name().local;
                let Some(at) = parts.iter().position(|(name, _)| **name == *local) else {
                    return Err(wrong(reader, format!("the operation has no part {local:?}")));
                };
                if self.came.get(at).copied().unwrap_or_default() {
                    return Err(wrong(reader, format!("the part {local:?} comes a second time")));
                }
                let start = parts.get(at).map_or(Start::Lax, |(_, start)| *start);
                self.note(at);
                self.look(reader, start);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// An entry of a fault's detail begins, or something around it.
    fn detail(&mut self, reader: &Reader<'_>) {
        if reader.depth() == 4 {
            // SOAP 1.1 writes `detail` without a namespace, SOAP 1.2 `Detail` with its own.
            self.in_detail = matches!(reader.name().local, "detail" | "Detail");
        }
        if reader.depth() != 5 || !self.in_detail {
            return;
        }
        let (_, sym) = reader.element();
        let mut declared = self.expected.faults.iter().flatten().copied();
        let found = declared.find(|&element| self.schemas[element].name == sym);
        if let Some(element) = found {
            self.look(reader, Start::Element(element));
        }
    }

    fn is_fault(&self) -> bool {
        self.envelope.as_ref().is_some_and(|envelope| envelope.is_fault)
    }

    fn look(&mut self, reader: &Reader<'_>, start: Start) {
        self.looking = reader.depth();
        self.validator.reset(start);
    }

    fn note(&mut self, part: usize) {
        if let Some(came) = self.came.get_mut(part) {
            *came = true;
        }
    }

    /// Tells the validator of an event, if it looks.
    fn watch(&mut self, reader: &Reader<'_>, event: Event) -> Result<(), Refusal> {
        if self.looking == 0 {
            return Ok(());
        }
        if self.in_parts && self.include(reader, event)? {
            return Ok(());
        }
        match event {
            Event::Start => drop(self.validator.start(reader)?),
            Event::Text => self.validator.text(reader.text(), reader)?,
            Event::End => {
                self.validator.end(reader)?;
                if reader.depth() == self.looking {
                    self.looking = 0;
                }
            }
            _ => (),
        }
        Ok(())
    }

    /// Takes the events of an `xop:Include` that stands for a value (XOP, section 3.2). What stands elsewhere is the
    /// validator's to refuse.
    fn include(&mut self, reader: &Reader<'_>, event: Event) -> Result<bool, Refusal> {
        if self.included {
            let blank = event != Event::Text || reader.text().trim().is_empty();
            if event == Event::Start || !blank {
                return Err(wrong(reader, "xop:Include has to be empty"));
            }
            self.included = event != Event::End;
            return Ok(true);
        }
        let name = reader.name();
        let is_include = event == Event::Start && name.local == "Include";
        if !is_include || reader.uri(name.namespace) != XOP || self.is_fault() {
            return Ok(false);
        }
        let Some(ty) = self.validator.stands_beside() else { return Ok(false) };
        let href = reader.attribute_named("", "href").unwrap_or_default();
        let Some(id) = cid_of(href) else {
            return Err(wrong(reader, format!("{href:?} is no cid: URL")));
        };
        if self.references.iter().any(|(known, _)| *known == id) {
            return Err(wrong(reader, format!("the part {id:?} is referred to twice")));
        }
        self.references.push((id, ty));
        self.included = true;
        Ok(true)
    }

    /// Nothing may be missing.
    fn end_body(&self, reader: &Reader<'_>) -> Result<(), Refusal> {
        if self.is_fault() {
            return Ok(());
        }
        let Some(at) = self.came.iter().position(|came| !came) else { return Ok(()) };
        let what = match &self.expected.body {
            Content::Rpc { parts, .. } => {
                parts.get(at).map(|(name, _)| format!("the part {name:?}"))
            }
            _ => None,
        };
        let what = what.unwrap_or_else(|| "an element".to_owned());
        Err(wrong(reader, format!("the body lacks {what}")))
    }
}

fn wrong(reader: &Reader<'_>, message: impl Into<String>) -> Refusal {
    Refusal::sender(reader.fault(FaultKind::Invalid, message))
}
