//! XML to JSON: takes a reader's events, checks them against the schema and appends JSON as they come.
//!
//! What is open is a stack of [`Frame`]s that are used again, so that in the steady state nothing is allocated. The
//! arrays and rounds of groups that are open in an element are the affair of [`arrange`].

mod arrange;
mod attributes;
mod body;
mod content;
mod parts;

use self::arrange::{Open, Segment};
use self::content::TextContent;
use super::parts::Reference;
use super::plan::{Body, Message, Plan};
use super::scalar::write_string;
use super::shape::{Elements, Kind, Shape};
use crate::fault::{Fault, FaultKind};
use crate::name::NsId;
use crate::xml::{Event, Reader};
use crate::xsd::content::{Expected, Hit, Run};
use crate::xsd::model::{ElementId, ModelId, Process, TypeId, ValueConstraint, WildcardId};
use crate::xsd::values::ValueFault;

type Result<T = ()> = std::result::Result<T, Box<Fault>>;

/// Turns one body after another into JSON.
#[derive(Debug)]
pub struct Decoder<'p> {
    plan: &'p Plan,
    body: &'p Body,
    /// Whether types are named that only say how a value was written.
    encoded: bool,
    frames: Vec<Frame>,
    /// How many of the frames are in use.
    depth: usize,
    out: Vec<u8>,
    /// The text of the value at hand.
    text: String,
    scratch: String,
    segments: Vec<Segment>,
    /// Objects whose members still have to be put together: what they hold may not be passed on yet.
    held: u32,
    /// The parts that were referred to, if there may be any.
    references: Option<Vec<Reference>>,
    /// The part that the value at hand refers to.
    cid: Option<String>,
    /// The content that becomes a text.
    text_content: Option<TextContent>,
}

/// An open element.
#[derive(Debug)]
struct Frame {
    doing: Doing,
    ty: TypeId,
    /// What `xsi:type` says that a value is; what JSON shows is of the type that the schema says.
    actual: TypeId,
    element: Option<ElementId>,
    run: Run,
    scopes: Vec<Open>,
    last_leaf: u32,
    /// Whether a member or an item stands before.
    comma: bool,
    /// Whether a string of mixed content is open, and whether `$content` is.
    in_string: bool,
    in_content: bool,
    /// Whether the value is the only member of an object that has to be closed after it.
    wrapped: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Doing {
    /// Around the body; parts that are still to come begin at this one.
    #[default]
    Root,
    /// The wrapper of rpc.
    Rpc,
    Simple,
    /// An object with a `$value` of this type.
    Value(TypeId),
    Empty,
    Elements,
    /// The wrapper of an array that stands for both.
    Collapsed,
    Mixed,
    Generic,
    /// `xop:Include`
    Include,
    Nil,
}

impl<'p> Decoder<'p> {
    /// For messages of one kind.
    #[must_use]
    pub fn new(plan: &'p Plan, message: &'p Message) -> Self {
        Self::with(plan, &message.body, message.encoded)
    }

    /// For the content of one element of a mixed type, its end included. What is made of it is of no use.
    pub(super) fn of_content(plan: &'p Plan, ty: TypeId) -> Self {
        let mut decoder = Self::with(plan, &Body::Empty, false);
        let frame = decoder.push(Doing::Mixed, ty, None);
        if let Some(elements) = plan.shape(ty).elements() {
            plan.schemas[elements.model].start(&mut frame.run);
        }
        decoder
    }

    fn with(plan: &'p Plan, body: &'p Body, encoded: bool) -> Self {
        let mut decoder = Self {
            plan,
            body,
            encoded,
            frames: Vec::new(),
            depth: 0,
            out: Vec::new(),
            text: String::new(),
            scratch: String::new(),
            segments: Vec::new(),
            held: 0,
            references: None,
            cid: None,
            text_content: None,
        };
        decoder.begin_body();
        decoder
    }

    /// Prepares for the next message; what was made of the last one is dropped.
    pub fn begin_body(&mut self) {
        self.out.clear();
        self.segments.clear();
        (self.depth, self.held, self.cid, self.text_content) = (0, 0, None, None);
        self.push(Doing::Root, TypeId::ANY, None);
        if !matches!(self.body, Body::Element(_)) {
            self.out.push(b'{');
        }
    }

    /// Takes the next event of the body's content.
    ///
    /// # Errors
    /// When the element or text is not what the schema says.
    #[inline]
    pub fn event(&mut self, reader: &Reader<'_>, event: Event) -> Result {
        if let Some(content) = &mut self.text_content
            && self.depth > content.frame + usize::from(event == Event::End)
        {
            content.fragment.event(reader, event);
        }
        match event {
            Event::Start => self.start(reader),
            Event::Text => self.characters(reader),
            Event::End => self.end(reader),
            Event::Comment | Event::Instruction | Event::Eof | Event::NeedMore => Ok(()),
        }
    }

    /// Whether its messages are the details of faults.
    pub(super) const fn is_for_faults(&self) -> bool {
        matches!(self.body, Body::OneOf(_))
    }

    /// What is finished and will not change any more; the caller takes it, and the decoder forgets it.
    pub fn drain(&mut self, sink: &mut Vec<u8>) {
        if self.held == 0 {
            sink.append(&mut self.out);
        }
    }

    /// How much JSON is waiting to be [drained](Self::drain), in bytes.
    #[must_use]
    pub const fn pending(&self) -> usize {
        if self.held == 0 { self.out.len() } else { 0 }
    }

    fn push(&mut self, doing: Doing, ty: TypeId, element: Option<ElementId>) -> &mut Frame {
        if self.frames.len() <= self.depth {
            self.frames.push(Frame::new());
        }
        let frame = &mut self.frames[self.depth];
        self.depth += 1;
        (frame.doing, frame.ty, frame.actual, frame.element) = (doing, ty, ty, element);
        (frame.comma, frame.in_string, frame.in_content, frame.wrapped) =
            (false, false, false, false);
        frame.last_leaf = 0;
        frame
    }

    #[inline]
    fn top(&mut self) -> &mut Frame {
        // The root is never popped.
        let top = self.depth.saturating_sub(1);
        &mut self.frames[top]
    }

    fn start(&mut self, reader: &Reader<'_>) -> Result {
        match self.top().doing {
            Doing::Elements | Doing::Collapsed => self.child(reader),
            Doing::Mixed => self.mixed_child(reader),
            Doing::Generic => self.generic_child(reader),
            Doing::Root => self.root(reader),
            Doing::Rpc => self.accessor(reader),
            Doing::Simple | Doing::Value(_) => self.include(reader),
            Doing::Empty | Doing::Nil | Doing::Include => {
                Err(invalid(reader, "cvc-complex-type.2.1", "the element around has to be empty"))
            }
        }
    }

    /// The usual case: an element in element content.
    #[inline]
    fn child(&mut self, reader: &Reader<'_>) -> Result {
        let plan = self.plan;
        let at = self.depth - 1;
        let frame = &mut self.frames[at];
        let Some(elements) = plan.shape(frame.ty).elements() else { return Ok(()) };
        let (namespace, sym) = reader.element();
        let schemas = &plan.schemas;
        let model = &schemas[elements.model];
        let hit = match model.step(&mut frame.run, schemas.wildcards(), namespace, sym) {
            Some(hit) => hit,
            None => match self.misnamed(reader, at, elements.model) {
                Some(hit) => hit,
                None => return Err(self.unexpected(reader, elements, at)),
            },
        };
        let frame = &mut self.frames[at];
        match hit {
            Hit::Element { element, particle } => {
                let Some(leaf) = elements.leaf(particle, Some(element), frame.last_leaf) else {
                    return Err(too_large(reader));
                };
                self.enter(at, elements, leaf);
                self.begin(reader, Some(element), schemas[element].ty)
            }
            Hit::Any { wildcard, particle } => {
                let Some(leaf) = elements.leaf(particle, None, frame.last_leaf) else {
                    return Err(too_large(reader));
                };
                self.enter(at, elements, leaf);
                self.begin_any(reader, wildcard)
            }
        }
    }

    /// In a call: a member of a structure whose local name is right. Stacks that know no schema (SOAP::Lite) write all of a
    /// call in the namespace of the operation, or none of it.
    #[cold]
    fn misnamed(&mut self, reader: &Reader<'_>, at: usize, model: ModelId) -> Option<Hit> {
        if !matches!(self.body, Body::Rpc { .. }) {
            return None;
        }
        let schemas = &self.plan.schemas;
        let name = reader.name();
        let other = match name.namespace {
            NsId::NONE => schemas.symbols.name(schemas[self.frames[at].ty].name?).0,
            _ => NsId::NONE,
        };
        let sym = schemas.symbols.get(other, name.local)?;
        schemas[model].step(&mut self.frames[at].run, schemas.wildcards(), other, sym)
    }

    /// Begins the value of an element of a declared type.
    #[inline]
    fn begin(
        &mut self,
        reader: &Reader<'_>,
        element: Option<ElementId>,
        declared: TypeId,
    ) -> Result {
        let shape = self.plan.shape(declared);
        if reader.attribute_count() > 0 {
            return self.begin_with_attributes(reader, element, declared);
        }
        match &shape.kind {
            Kind::Simple => {
                self.text.clear();
                self.push(Doing::Simple, declared, element);
                Ok(())
            }
            Kind::Elements(elements) if shape.attributes.known.is_empty() && !shape.is_abstract => {
                self.begin_elements(elements, declared, element, false, false);
                Ok(())
            }
            _ => self.begin_with_attributes(reader, element, declared),
        }
    }

    /// `opened`: the brace stands already, with something behind it if `comma`.
    fn begin_elements(
        &mut self,
        elements: &Elements,
        ty: TypeId,
        element: Option<ElementId>,
        opened: bool,
        comma: bool,
    ) {
        let plan = self.plan;
        let collapsed = elements.collapsed.is_some() && !opened;
        let doing = if collapsed { Doing::Collapsed } else { Doing::Elements };
        if !opened {
            self.out.push(if collapsed { b'[' } else { b'{' });
        }
        let segments = self.segments.len();
        let frame = self.push(doing, ty, element);
        plan.schemas[elements.model].start(&mut frame.run);
        frame.scopes.clear();
        frame.scopes.push(Open::new(0, segments, comma));
        if elements.scopes[0].split {
            self.held += 1;
        }
    }

    /// Begins the content of an object whose attributes are written.
    fn begin_content(
        &mut self,
        reader: &Reader<'_>,
        shape: &Shape,
        ty: TypeId,
        element: Option<ElementId>,
        comma: bool,
    ) {
        match &shape.kind {
            Kind::Simple => {
                self.text.clear();
                self.push(Doing::Value(ty), ty, element).comma = comma;
            }
            Kind::SimpleContent(simple) => {
                self.text.clear();
                self.push(Doing::Value(*simple), ty, element).comma = comma;
            }
            Kind::AnySimple => {
                self.text.clear();
                self.push(Doing::Value(TypeId::ANY_SIMPLE), ty, element).comma = comma;
            }
            Kind::Empty => self.push(Doing::Empty, ty, element).comma = comma,
            Kind::Elements(elements) => self.begin_elements(elements, ty, element, true, comma),
            Kind::Mixed(elements) => {
                if comma {
                    self.out.push(b',');
                }
                self.out.extend_from_slice(b"\"$content\":");
                if elements.as_text && self.text_content.is_none() {
                    self.begin_text_content(reader);
                }
                self.out.push(b'[');
                let plan = self.plan;
                let frame = self.push(Doing::Mixed, ty, element);
                plan.schemas[elements.model].start(&mut frame.run);
            }
            Kind::Any => self.push(Doing::Generic, ty, element).comma = comma,
        }
    }

    /// An element that a wildcard let in: typed if it is known, else a tree that says itself what it is.
    fn begin_any(&mut self, reader: &Reader<'_>, wildcard: WildcardId) -> Result {
        let plan = self.plan;
        let process = plan.schemas[wildcard].process;
        let known = plan.schemas.element(reader.name().sym);
        match known {
            Some(element) if process != Process::Skip => self.begin_known(reader, element),
            None if process == Process::Strict
                && reader.attribute_named(crate::name::XSI, "type").is_none() =>
            {
                Err(invalid(
                    reader,
                    "cvc-wildcard.2",
                    "no schema knows this element, and here it has to be known",
                ))
            }
            _ => self.begin_generic(reader, true),
        }
    }

    /// `{"alias:local": value}`
    fn begin_known(&mut self, reader: &Reader<'_>, element: ElementId) -> Result {
        let plan = self.plan;
        let name = reader.name();
        self.out.push(b'{');
        write_string(&plan.names.qualified(name.namespace, name.local), &mut self.out);
        self.out.push(b':');
        self.begin(reader, Some(element), plan.schemas[element].ty)?;
        self.top().wrapped = true;
        Ok(())
    }

    #[inline]
    fn characters(&mut self, reader: &Reader<'_>) -> Result {
        let at = self.depth - 1;
        match self.frames[at].doing {
            Doing::Simple | Doing::Value(_) => self.text.push_str(reader.text()),
            Doing::Mixed | Doing::Generic if !reader.text().is_empty() => {
                if self.frames[at].doing == Doing::Generic {
                    self.open_content(at);
                }
                if !self.frames[at].in_string {
                    comma(&mut self.frames[at].comma, &mut self.out);
                    self.out.push(b'"');
                    self.frames[at].in_string = true;
                }
                crate::json::writer::escape(reader.text(), &mut self.out);
            }
            Doing::Mixed | Doing::Generic => {}
            Doing::Empty
            | Doing::Include
            | Doing::Nil
            | Doing::Elements
            | Doing::Collapsed
            | Doing::Root
            | Doing::Rpc => {
                if !reader.text().bytes().all(crate::xml::is_whitespace) {
                    return Err(invalid(
                        reader,
                        "cvc-complex-type.2.3",
                        "text may not stand between these elements",
                    ));
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn end(&mut self, reader: &Reader<'_>) -> Result {
        let at = self.depth - 1;
        match self.frames[at].doing {
            Doing::Simple => self.end_simple(reader, at)?,
            Doing::Elements | Doing::Collapsed => self.end_elements(reader, at)?,
            Doing::Value(ty) => self.end_value(reader, at, ty)?,
            Doing::Mixed => {
                self.close_string(at);
                self.check_end(reader, at)?;
                self.out.push(b']');
                self.end_text_content(at);
                self.out.push(b'}');
            }
            Doing::Generic => {
                self.close_string(at);
                let closing: &[u8] = if self.frames[at].in_content { b"]}" } else { b"}" };
                self.out.extend_from_slice(closing);
            }
            Doing::Empty => self.out.push(b'}'),
            Doing::Nil | Doing::Include => {}
            Doing::Rpc => self.end_rpc(reader, at)?,
            Doing::Root => return Ok(()),
        }
        if self.frames[at].wrapped {
            self.out.push(b'}');
        }
        self.depth = at;
        Ok(())
    }

    #[inline]
    fn end_simple(&mut self, reader: &Reader<'_>, at: usize) -> Result {
        let (ty, actual, element) =
            (self.frames[at].ty, self.frames[at].actual, self.frames[at].element);
        if actual != ty
            && self.cid.is_none()
            && let Some(scalar) = self.plan.scalar(actual)
            && let Err(fault) = scalar.ty.check(&self.text, reader, &mut self.scratch)
        {
            return Err(self.bad_value(reader, actual, fault));
        }
        self.write_scalar(reader, ty, element)
    }

    /// Appends the value whose text was gathered.
    #[inline]
    fn write_scalar(
        &mut self,
        reader: &Reader<'_>,
        ty: TypeId,
        element: Option<ElementId>,
    ) -> Result {
        let plan = self.plan;
        if self.references.is_some() && self.write_reference(reader, ty)? {
            return Ok(());
        }
        let Some(scalar) = plan.scalar(ty) else {
            write_string(&self.text, &mut self.out);
            return Ok(());
        };
        if let Some(element) = element
            && let Some(value) = &plan.schemas[element].value
        {
            self.apply_value(reader, ty, value)?;
        } else if self.text.is_empty() && plan.options.empty_as_null && !scalar.takes_empty() {
            self.out.extend_from_slice(b"null");
            return Ok(());
        }
        let written =
            scalar.decode(&self.text, plan.spelling(), reader, &mut self.scratch, &mut self.out);
        written.map_err(|fault| self.bad_value(reader, ty, fault))
    }

    #[cold]
    fn bad_value(&self, reader: &Reader<'_>, ty: TypeId, fault: ValueFault) -> Box<Fault> {
        let type_name = self.plan.schemas.type_text(ty);
        let message = format!("{:?} {fault}, of type {type_name}", shortened(&self.text));
        let rule = if fault == ValueFault::Rfc3339 { "rfc3339" } else { "cvc-datatype-valid.1" };
        invalid(reader, rule, message)
    }

    /// The default of an empty element, and whether a fixed value was met.
    fn apply_value(&mut self, reader: &Reader<'_>, ty: TypeId, value: &ValueConstraint) -> Result {
        if self.text.is_empty() {
            self.text.push_str(&value.lexical);
        } else if value.fixed
            && let Some(scalar) = self.plan.scalar(ty)
        {
            let given = scalar.ty.parse(&self.text, reader).ok();
            if given.is_some() && given != value.value {
                return Err(invalid(
                    reader,
                    "cvc-elt.5.2.2.2",
                    format!("the value is fixed to {:?}", value.lexical),
                ));
            }
        }
        Ok(())
    }

    fn end_value(&mut self, reader: &Reader<'_>, at: usize, ty: TypeId) -> Result {
        let frame = &self.frames[at];
        if frame.comma {
            self.out.push(b',');
        }
        let element = frame.element;
        self.out.extend_from_slice(b"\"$value\":");
        self.write_scalar(reader, ty, element)?;
        self.out.push(b'}');
        Ok(())
    }

    fn check_end(&mut self, reader: &Reader<'_>, at: usize) -> Result {
        let frame = &self.frames[at];
        let Some(elements) = self.plan.shape(frame.ty).elements() else { return Ok(()) };
        if self.plan.schemas[elements.model].may_end(&frame.run) {
            return Ok(());
        }
        let expected = self.expected(elements, &frame.run);
        Err(invalid(
            reader,
            "cvc-complex-type.2.4.b",
            format!("the element ends too early: {expected}"),
        ))
    }

    #[cold]
    fn unexpected(&self, reader: &Reader<'_>, elements: &Elements, at: usize) -> Box<Fault> {
        let expected = self
            .frames
            .get(at)
            .map_or_else(String::new, |frame| self.expected(elements, &frame.run));
        invalid(
            reader,
            "cvc-complex-type.2.4.a",
            format!("this element may not stand here: {expected}"),
        )
    }

    fn expected(&self, elements: &Elements, run: &Run) -> String {
        let schemas = &self.plan.schemas;
        let expected = schemas[elements.model].expected(run);
        let names: Vec<_> = expected
            .iter()
            .take(8)
            .map(|expected| match expected {
                Expected::Name(name) => schemas.text_of(*name),
                Expected::Any(_) => "an element of another namespace".to_owned(),
            })
            .collect();
        if names.is_empty() {
            "nothing more is expected".to_owned()
        } else {
            format!("expected {}", names.join(" or "))
        }
    }
}

#[inline]
fn comma(before: &mut bool, out: &mut Vec<u8>) {
    if *before {
        out.push(b',');
    }
    *before = true;
}

#[cold]
fn invalid(reader: &Reader<'_>, rule: &'static str, message: impl Into<String>) -> Box<Fault> {
    Box::new((*reader.fault(FaultKind::Invalid, message)).rule(rule))
}

#[cold]
fn too_large(reader: &Reader<'_>) -> Box<Fault> {
    reader.fault(
        FaultKind::Limit,
        "the content of the element's type has too many members to be transcoded",
    )
}

/// Enough of a value to know it again.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

impl Frame {
    fn new() -> Self {
        Self {
            doing: Doing::Root,
            ty: TypeId::ANY,
            actual: TypeId::ANY,
            element: None,
            run: Run::default(),
            scopes: Vec::new(),
            last_leaf: 0,
            comma: false,
            in_string: false,
            in_content: false,
            wrapped: false,
        }
    }
}
