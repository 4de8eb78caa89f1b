//! Validates a document as it goes by, in memory that depends on its depth.
//!
//! The validator is pushed: whoever reads (or writes) a document tells it of each [`start`](Validator::start),
//! [`text`](Validator::text) and [`end`](Validator::end), and is told in return what a transcoder needs to know: the
//! type in force after `xsi:type` and substitution, the particle, nil, and the value with its defaults. Whatever is wrong is collected
//! with its place and path up to a bound, or ends everything at once: see [`Mode`].
//!
//! `xsi:schemaLocation` is never followed.

use std::sync::Arc;

use crate::fault::{Fault, FaultKind, Place};
use crate::name::{NsId, PrefixScope, Sym};
use crate::xml::{Attribute, Event, Name, Reader};

use super::content::{Hit, Model, Run};
use super::model::{
    ComplexDef, Content, DerivationSet, ElementDecl, ElementId, ParticleId, Process, Schemas,
    SimpleDef, TypeId, TypeKind, ValueConstraint, WildcardId,
};

mod attributes;
mod identity;
mod ids;
mod report;
#[cfg(test)]
mod tests;
mod xsi;

use super::values::{Primitive, SimpleType, Variety};
use identity::Identity;
use ids::Ids;
use report::{quoted, shown};
use xsi::Xsi;

/// Where an element starts, as far as the validator has to know; a [`Reader`] is one.
pub trait Tag: PrefixScope {
    /// The element's name.
    fn name(&self) -> Name<'_>;
    /// How many attributes it has; namespace declarations are none.
    fn attribute_count(&self) -> usize;
    /// One of them.
    fn attribute(&self, index: usize) -> Option<Attribute<'_>>;
    /// A namespace as text.
    fn uri(&self, namespace: NsId) -> &str;
    /// Where it is, for a fault.
    fn place(&self) -> Place;
    /// Inside which elements it is, for a fault.
    fn path(&self) -> String;
}

impl Tag for Reader<'_> {
    #[inline]
    fn name(&self) -> Name<'_> {
        Reader::name(self)
    }

    #[inline]
    fn attribute_count(&self) -> usize {
        Reader::attribute_count(self)
    }

    #[inline]
    fn attribute(&self, index: usize) -> Option<Attribute<'_>> {
        Reader::attribute(self, index)
    }

    fn uri(&self, namespace: NsId) -> &str {
        Reader::uri(self, namespace)
    }

    fn place(&self) -> Place {
        Reader::place(self)
    }

    fn path(&self) -> String {
        Reader::path(self)
    }
}

/// What the root of a document has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// A global element.
    #[default]
    Global,
    /// This element, or one that may stand for it.
    Element(ElementId),
    /// Any element, of this type.
    Type(TypeId),
    /// A global element, or any other that is then not looked at.
    Lax,
}

/// How much is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// After so many faults the validator gives up; 1 stops at the first.
    pub faults: usize,
    /// Whether `key`, `unique` and `keyref` are looked at; their memory grows with the document.
    pub identity: bool,
    /// Whether `ID` and `IDREF` are; so does theirs.
    pub ids: bool,
}

impl Default for Mode {
    fn default() -> Self {
        Self { faults: 100, identity: true, ids: true }
    }
}

impl Mode {
    /// The first fault ends it: what a message on its way needs.
    pub const FIRST: Self = Self { faults: 1, identity: true, ids: true };
}

/// What an element turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// Its type, after `xsi:type` and substitution; `xs:anyType` for what is not declared.
    pub ty: TypeId,
    /// Its declaration: its own, when it stands for another.
    pub element: Option<ElementId>,
    /// The particle of the type around that it counts for.
    pub particle: Option<ParticleId>,
    /// The wildcard that let it in.
    pub wildcard: Option<WildcardId>,
    /// Whether it is nil.
    pub nil: bool,
    /// Whether `xsi:type` named its type.
    pub retyped: bool,
    /// Whether a wildcard says that it is not to be looked at; nor is what is inside.
    pub skipped: bool,
}

/// What an element had inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended<'v> {
    /// Its type.
    pub ty: TypeId,
    /// Its declaration.
    pub element: Option<ElementId>,
    /// For simple content: the value, its white space processed.
    pub value: Option<&'v str>,
    /// Whether the value is its default, or its fixed value that was left out.
    pub defaulted: bool,
    /// Whether it is nil.
    pub nil: bool,
}

/// Validates one document against [`Schemas`]; may be used again.
#[derive(Debug)]
pub struct Validator<'s> {
    schemas: &'s Schemas,
    mode: Mode,
    start: Start,
    frames: Vec<Frame<'s>>,
    /// Elements open inside of one that is skipped.
    skipped: u32,
    /// The text of the innermost element with simple content.
    text: String,
    scratch: String,
    seen: Vec<bool>,
    identity: Identity<'s>,
    ids: Ids,
    faults: Vec<Fault>,
}

/// An element that is open.
#[derive(Debug)]
struct Frame<'s> {
    ty: TypeId,
    element: Option<ElementId>,
    inside: Inside<'s>,
    run: Run,
    nil: bool,
    /// Whether anything stood inside.
    filled: bool,
    /// Whether an element did.
    parted: bool,
    /// Whether its content is at fault already, so that no more is said of it.
    broken: bool,
    /// Whether its value stands beside the document.
    beside: bool,
}

/// What may stand inside.
#[derive(Debug, Clone, Copy)]
enum Inside<'s> {
    /// Nothing.
    Nothing,
    /// A value.
    Text(&'s SimpleDef),
    /// Elements. Text is kept when a fixed value has to be compared with it.
    Elements { model: &'s Model, mixed: bool, keep: bool },
}

/// What is known of an element before its attributes are looked at.
#[derive(Debug, Clone, Copy)]
struct Found {
    element: Option<ElementId>,
    ty: TypeId,
    particle: Option<ParticleId>,
    wildcard: Option<WildcardId>,
    /// Whether it has to be declared.
    strict: bool,
    skip: bool,
}

type Outcome<T = ()> = Result<T, Box<Fault>>;

impl<'s> Validator<'s> {
    /// A validator that expects a global element.
    #[must_use]
    pub fn new(schemas: &'s Schemas, mode: Mode) -> Self {
        Self::starting(schemas, Start::Global, mode)
    }

    /// A validator that expects something particular.
    #[must_use]
    pub fn starting(schemas: &'s Schemas, start: Start, mode: Mode) -> Self {
        Self {
            schemas,
            mode,
            start,
            frames: Vec::new(),
            skipped: 0,
            text: String::new(),
            scratch: String::new(),
            seen: Vec::new(),
            identity: Identity::default(),
            ids: Ids::default(),
            faults: Vec::new(),
        }
    }

    /// Begins a new document.
    pub fn reset(&mut self, start: Start) {
        self.start = start;
        self.frames.clear();
        self.skipped = 0;
        self.identity = Identity::default();
        self.ids = Ids::default();
        self.faults.clear();
    }

    /// What was wrong so far.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// An element starts.
    ///
    /// # Errors
    /// When there are as many faults as the mode allows.
    #[inline]
    pub fn start<T: Tag>(&mut self, tag: &T) -> Outcome<Started> {
        if self.skipped > 0 {
            self.skipped += 1;
            return Ok(SKIPPED);
        }
        let name = tag.name();
        let found = self.find(tag, name)?;
        if found.skip {
            self.skipped = 1;
            return Ok(Started { particle: found.particle, wildcard: found.wildcard, ..SKIPPED });
        }
        let xsi = match tag.attribute_count() {
            0 => Xsi::default(),
            _ => Xsi::read(tag),
        };
        let ty = self.governing(tag, &found, &xsi)?;
        let element = found.element.map(|id| &self.schemas[id]);
        let nil = self.nil(tag, element, &xsi)?;
        let inside = self.inside(ty, element, nil);
        let mut frame = Frame {
            ty,
            element: found.element,
            inside,
            run: Run::default(),
            nil,
            filled: false,
            parted: false,
            broken: false,
            beside: false,
        };
        if let Inside::Elements { model, .. } = inside {
            model.start(&mut frame.run);
        } else {
            self.text.clear();
        }
        self.frames.push(frame);
        let watched = self.mode.identity && self.identity.enter(self.schemas, name, found.element);
        self.attributes(tag, ty, &xsi, watched)?;
        Ok(Started {
            ty,
            element: found.element,
            particle: found.particle,
            wildcard: found.wildcard,
            nil,
            retyped: xsi.ty.is_some(),
            skipped: false,
        })
    }

    /// Text, or a part of one.
    ///
    /// # Errors
    /// When there are as many faults as the mode allows.
    #[inline]
    pub fn text<T: Tag>(&mut self, text: &str, at: &T) -> Outcome {
        if self.skipped > 0 || text.is_empty() {
            return Ok(());
        }
        let Some(frame) = self.frames.last_mut() else { return Ok(()) };
        match frame.inside {
            Inside::Text(_) => {
                frame.filled = true;
                self.text.push_str(text);
                Ok(())
            }
            Inside::Elements { mixed: true, keep, .. } => {
                frame.filled = true;
                if keep {
                    self.text.push_str(text);
                }
                Ok(())
            }
            Inside::Elements { .. } => {
                if frame.broken || text.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')) {
                    return Ok(());
                }
                frame.broken = true;
                self.fault(
                    at,
                    "cvc-complex-type.2.3",
                    "text where only elements may stand".to_owned(),
                )
            }
            Inside::Nothing => {
                if frame.broken {
                    return Ok(());
                }
                (frame.broken, frame.filled) = (true, true);
                let rule = if frame.nil { "cvc-elt.3.2.1" } else { "cvc-complex-type.2.1" };
                self.fault(at, rule, "text in an element that has to be empty".to_owned())
            }
        }
    }

    /// The innermost element ends.
    ///
    /// # Errors
    /// When there are as many faults as the mode allows.
    #[inline]
    pub fn end<T: Tag>(&mut self, at: &T) -> Outcome<Ended<'_>> {
        if self.skipped > 0 {
            self.skipped -= 1;
            return Ok(Ended {
                ty: TypeId::ANY,
                element: None,
                value: None,
                defaulted: false,
                nil: false,
            });
        }
        let Some(frame) = self.frames.pop() else {
            return Ok(Ended {
                ty: TypeId::ANY,
                element: None,
                value: None,
                defaulted: false,
                nil: false,
            });
        };
        let mut defaulted = false;
        let declared = frame.element.and_then(|id| self.schemas[id].value.as_ref());
        let value = match frame.inside {
            Inside::Text(simple) => {
                if let Some(value) = declared.filter(|_| !frame.filled) {
                    defaulted = true;
                    self.text.push_str(&value.lexical);
                }
                if frame.beside {
                    self.only_beside(at)?;
                } else if !frame.broken {
                    self.value(at, &frame, simple, declared, defaulted)?;
                }
                Some(simple)
            }
            Inside::Elements { model, mixed, keep } => {
                if !frame.broken && !model.may_end(&frame.run) {
                    self.unfinished(at, &frame, model)?;
                }
                if keep && mixed {
                    defaulted = !frame.filled;
                    self.fixed_text(at, &frame, declared)?;
                }
                None
            }
            Inside::Nothing => None,
        };
        if self.mode.identity && self.identity.is_active() {
            self.leave(at, &frame, value)?;
        }
        if self.frames.is_empty() && self.mode.ids {
            self.dangling(at)?;
        }
        let value = match value {
            Some(simple) => Some(simple.compiled.normalise(&self.text, &mut self.scratch)),
            None => None,
        };
        Ok(Ended { ty: frame.ty, element: frame.element, value, defaulted, nil: frame.nil })
    }

    /// Says that bytes beside the document are the value of the innermost element, where that may be: a base64Binary of which
    /// nothing but white space came. What their number means is for the caller to judge, by the type that is given back.
    pub fn stands_beside(&mut self) -> Option<Arc<SimpleType>> {
        let frame = self.frames.last_mut().filter(|_| self.skipped == 0)?;
        let Inside::Text(simple) = frame.inside else { return None };
        let blank = self.text.bytes().all(crate::xml::is_whitespace);
        let fits = matches!(simple.compiled.variety, Variety::Atomic)
            && simple.compiled.primitive() == Primitive::Base64Binary;
        if !fits || !blank || frame.beside {
            return None;
        }
        (frame.beside, frame.filled) = (true, true);
        Some(Arc::clone(&simple.compiled))
    }

    fn only_beside<T: Tag>(&mut self, at: &T) -> Outcome {
        if self.text.bytes().all(crate::xml::is_whitespace) {
            return Ok(());
        }
        let message = "text beside xop:Include, which has to be all that is in its element";
        self.fault(at, "xop", message.to_owned())
    }

    /// Which declaration an element has, by what is around it.
    #[inline]
    fn find<T: Tag>(&mut self, tag: &T, name: Name<'_>) -> Outcome<Found> {
        let Some(frame) = self.frames.last_mut() else { return self.find_root(tag, name) };
        (frame.filled, frame.parted) = (true, true);
        if let Inside::Elements { model, .. } = frame.inside
            && !frame.broken
        {
            let wildcards = &self.schemas.wildcards;
            match model.step(&mut frame.run, wildcards, name.namespace, name.sym) {
                Some(Hit::Element { element, particle }) => {
                    return Ok(Found {
                        element: Some(element),
                        ty: self.schemas[element].ty,
                        particle: Some(particle),
                        wildcard: None,
                        strict: false,
                        skip: false,
                    });
                }
                Some(Hit::Any { wildcard, particle }) => {
                    let process = self.schemas[wildcard].process;
                    let found = self.global(name.sym, process == Process::Strict);
                    return Ok(Found {
                        particle: Some(particle),
                        wildcard: Some(wildcard),
                        skip: process == Process::Skip,
                        ..found
                    });
                }
                None => {}
            }
        }
        self.unexpected(tag, name)?;
        Ok(self.global(name.sym, false))
    }

    fn find_root<T: Tag>(&mut self, tag: &T, name: Name<'_>) -> Outcome<Found> {
        let found = self.global(name.sym, self.start == Start::Global);
        match self.start {
            Start::Global | Start::Lax => Ok(found),
            Start::Type(ty) => Ok(Found { element: None, ty, ..found }),
            Start::Element(element) => {
                let expected = &self.schemas[element];
                let given = std::iter::once(element)
                    .chain(expected.members.iter().copied())
                    .find(|&id| self.schemas[id].name == name.sym);
                if given.is_none() {
                    let message = format!(
                        "the element is {}, not {}",
                        shown(tag, name),
                        self.schemas.text_of(expected.name)
                    );
                    self.fault(tag, "cvc-elt.1", message)?;
                }
                let element = given.or(found.element);
                Ok(Found {
                    element,
                    ty: element.map_or(TypeId::ANY, |id| self.schemas[id].ty),
                    ..found
                })
            }
        }
    }

    fn global(&self, name: Sym, strict: bool) -> Found {
        let element = self.schemas.element(name);
        Found {
            element,
            ty: element.map_or(TypeId::ANY, |id| self.schemas[id].ty),
            particle: None,
            wildcard: None,
            strict,
            skip: false,
        }
    }

    /// What may stand inside an element of a type.
    #[inline]
    fn inside(&self, ty: TypeId, element: Option<&ElementDecl>, nil: bool) -> Inside<'s> {
        if nil {
            return Inside::Nothing;
        }
        match &self.schemas[ty].kind {
            TypeKind::Simple(simple) => Inside::Text(simple),
            TypeKind::Complex(ComplexDef { content, .. }) => match content {
                Content::Empty => Inside::Nothing,
                Content::Simple(simple) => match &self.schemas[*simple].kind {
                    TypeKind::Simple(simple) => Inside::Text(simple),
                    TypeKind::Complex(_) => Inside::Nothing,
                },
                Content::Elements { mixed, model, .. } => Inside::Elements {
                    model: &self.schemas[*model],
                    mixed: *mixed,
                    keep: element.is_some_and(|element| element.value.is_some()),
                },
            },
        }
    }

    /// The value of simple content.
    #[inline]
    fn value<T: Tag>(
        &mut self,
        at: &T,
        frame: &Frame<'s>,
        simple: &SimpleDef,
        declared: Option<&ValueConstraint>,
        defaulted: bool,
    ) -> Outcome {
        let checked = simple.compiled.check(&self.text, at, &mut self.scratch).map(|_| ());
        if let Err(reason) = checked {
            let rule = if self.schemas[frame.ty].simple().is_some() {
                "cvc-type.3.1.3"
            } else {
                "cvc-complex-type.2.2"
            };
            let message = format!("{} {reason}", quoted(&self.text));
            return self.fault(at, rule, message);
        }
        if simple.id != super::model::IdKind::None && self.mode.ids {
            let text = std::mem::take(&mut self.text);
            let outcome = self.note_ids(at, simple, &text);
            self.text = text;
            outcome?;
        }
        let Some(declared) = declared else { return Ok(()) };
        let retyped = frame.element.is_some_and(|id| self.schemas[id].ty != frame.ty);
        if defaulted {
            // Right by the declared type, and checked above by the one in force.
            return Ok(());
        }
        if let Some(fixed) = Some(declared).filter(|declared| declared.fixed)
            && !self.is_fixed_value(at, simple, fixed, retyped)
        {
            let message =
                format!("{} where only {} may stand", quoted(&self.text), quoted(&fixed.lexical));
            return self.fault(at, "cvc-elt.5.2.2.2.2", message);
        }
        Ok(())
    }

    /// Whether the text has the value that is fixed, by the type in force.
    fn is_fixed_value<T: Tag>(
        &self,
        at: &T,
        simple: &SimpleDef,
        fixed: &ValueConstraint,
        retyped: bool,
    ) -> bool {
        let parse = |text: &str| simple.compiled.parse(text, at).ok();
        let wanted = if retyped { parse(&fixed.lexical) } else { fixed.value.clone() };
        parse(&self.text) == wanted
    }

    /// A fixed value of mixed content: the text, and no elements.
    fn fixed_text<T: Tag>(
        &mut self,
        at: &T,
        frame: &Frame<'s>,
        declared: Option<&ValueConstraint>,
    ) -> Outcome {
        let Some(fixed) = declared.filter(|declared| declared.fixed && frame.filled) else {
            return Ok(());
        };
        if frame.parted {
            let message = "elements where only a fixed value may stand".to_owned();
            return self.fault(at, "cvc-elt.5.2.2.1", message);
        }
        if *self.text != *fixed.lexical {
            let message = format!("text where only {} may stand", quoted(&fixed.lexical));
            return self.fault(at, "cvc-elt.5.2.2.2.1", message);
        }
        Ok(())
    }
}

/// What is said of an element that is not looked at.
const SKIPPED: Started = Started {
    ty: TypeId::ANY,
    element: None,
    particle: None,
    wildcard: None,
    nil: false,
    retyped: false,
    skipped: true,
};

/// Reads a document to its end and validates it; gives all that is wrong with it.
pub fn validate(
    schemas: &Schemas,
    reader: &mut Reader<'_>,
    start: Start,
    mode: Mode,
) -> Vec<Fault> {
    let mut validator = Validator::starting(schemas, start, mode);
    match run(&mut validator, reader) {
        Ok(()) => {}
        // The validator's own are in its list.
        Err(fault) if fault.kind == FaultKind::Invalid => {}
        Err(fault) => validator.faults.push(*fault),
    }
    validator.faults
}

fn run(validator: &mut Validator<'_>, reader: &mut Reader<'_>) -> Outcome {
    loop {
        match reader.pull()? {
            Event::Start => drop(validator.start(&*reader)?),
            Event::End => drop(validator.end(&*reader)?),
            Event::Text => validator.text(reader.text(), &*reader)?,
            Event::Eof | Event::NeedMore => return Ok(()),
            Event::Comment | Event::Instruction => {}
        }
    }
}

/// `block` of an element and of its type, for `xsi:type`.
fn blocked(element: Option<&ElementDecl>, ty: DerivationSet) -> DerivationSet {
    element.map_or(DerivationSet::NONE, |element| element.block).with(ty)
}
