//! JSON to XML: takes a reader's events, checks them against the schema and appends XML in the schema's order.
//!
//! Members may come in any order. Each is written where it comes; when an object ends, and only if its members came out
//! of order, the pieces that it wrote are put in order, and then the content model has its say. So every byte of the
//! JSON is looked at once, and nothing is kept but what was written.

mod attributes;
mod content;
mod fragment;
mod order;
mod parts;
mod start;
mod values;

use self::order::{Segment, Step};
use super::parts::Parts;
use super::plan::{Body, Message, PartType, Plan};
use super::scalar::Token;
use super::shape::{Kind, NONE, What};
use crate::fault::{Fault, FaultKind};
use crate::json::{Event, Reader};
use crate::name::NsId;
use crate::xsd::content::Run;
use crate::xsd::model::{ElementId, TypeId};

type Result<T = ()> = std::result::Result<T, Box<Fault>>;

/// Turns one body after another into XML.
#[derive(Debug)]
pub struct Encoder<'p> {
    plan: &'p Plan,
    message: &'p Message,
    frames: Vec<Frame>,
    /// How many of the frames are in use.
    depth: usize,
    out: Vec<u8>,
    /// How many bytes were taken away before `out`.
    base: usize,
    /// The frame whose start tag may still get attributes; [`usize::MAX`] for none.
    open_tag: usize,
    /// Namespaces with a prefix in scope, and the frame whose element declares them.
    declared: Vec<(NsId, usize)>,
    steps: Vec<Step>,
    segments: Vec<Segment>,
    /// Attributes that came after the content of their element.
    late: Vec<u8>,
    /// End tags of elements that no schema knows.
    names: String,
    /// The text of the list at hand.
    list: String,
    /// The key of a wild attribute, the `@` left out.
    key: String,
    /// Attributes that no type knows, by frame, namespace and local name: none may come twice.
    wild: Vec<(usize, String, String)>,
    /// How many prefixes were made for namespaces that the schemas do not know.
    foreign: usize,
    run: Run,
    /// What the next value is for.
    slot: Slot,
    /// What the list at hand is for.
    list_slot: Slot,
    /// Arrays and objects of an ignored member that are open.
    ignoring: usize,
    /// What travels beside the message, if it may.
    parts: Option<Box<Parts<'p>>>,
}

/// An open element, object or array.
#[derive(Clone, Copy, Debug)]
struct Frame {
    doing: Doing,
    /// The type of the element it belongs to.
    ty: TypeId,
    element: Option<ElementId>,
    /// For an array or a round: its scope and member, and how many items came.
    scope: u32,
    member: u32,
    count: u32,
    /// Where its part of `segments`, `steps`, `late` and `names` begins.
    segments: usize,
    steps: usize,
    late: usize,
    names: usize,
    /// Where its start tag ends, once content came.
    tag_end: usize,
    /// Of an element: whether it is nil. Of an array: whether it stands for a single value.
    nil: bool,
    /// The attributes that came, among the first 64.
    seen: u64,
    /// The member that is likely to come next.
    guess: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Doing {
    /// An object that stands for an element, or for the text of a simple one.
    Object,
    /// An object by part name: of the message, or inside of the wrapper of rpc.
    Parts,
    /// An array that stands for a wrapper and for what it wraps.
    Collapsed,
    /// An array of elements.
    Array,
    /// An array of rounds, and a round.
    Rounds,
    Round,
    /// `$any`, and an entry of it.
    AnyArray,
    Entry,
    /// `$content`
    Content,
    /// An array that is one value: a list.
    List,
    /// `{"$value": …}` around a simple body.
    Bare,
    /// A tree that says itself what it is.
    Generic,
    /// `{"$cid": …}`, whose part was found already; counts 1 if the element's tag is its own.
    Reference,
}

/// What a value is for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Slot {
    /// The body.
    Top,
    /// A member's value: an array or rounds.
    Member(u32),
    /// A member's value: an element, and the leaf that it is.
    Single {
        element: ElementId,
        member: u32,
        order: u32,
    },
    /// An item of the array that is open.
    Item,
    Attribute(u32),
    WildAttribute,
    /// `$value`, and the values of `$type`, `$nil` and `$name`, which are known already or written at once.
    Value,
    Type,
    Nil,
    Name,
    Content,
    /// A part of the message.
    Part(u32),
    /// The element that the only key of an entry names.
    Known(ElementId),
    /// An attachment, by its number.
    Attached(u32),
    /// What is known already.
    Taken,
    /// A member that nobody knows and that is passed over.
    Ignored,
}

impl<'p> Encoder<'p> {
    /// For messages of one kind.
    #[must_use]
    pub fn new(plan: &'p Plan, message: &'p Message) -> Self {
        Self {
            plan,
            message,
            frames: Vec::new(),
            depth: 0,
            out: Vec::new(),
            base: 0,
            open_tag: usize::MAX,
            declared: Vec::new(),
            steps: Vec::new(),
            segments: Vec::new(),
            late: Vec::new(),
            names: String::new(),
            list: String::new(),
            key: String::new(),
            wild: Vec::new(),
            foreign: 0,
            run: Run::default(),
            slot: Slot::Top,
            list_slot: Slot::Top,
            ignoring: 0,
            parts: None,
        }
    }

    /// Prepares for the next message; what was made of the last one is dropped.
    pub fn begin_body(&mut self) {
        self.out.clear();
        self.declared.clear();
        self.steps.clear();
        self.segments.clear();
        self.late.clear();
        self.names.clear();
        self.wild.clear();
        self.foreign = 0;
        (self.depth, self.base, self.ignoring) = (0, 0, 0);
        (self.open_tag, self.slot) = (usize::MAX, Slot::Top);
    }

    /// Takes the next event of the JSON.
    ///
    /// # Errors
    /// When the value is not what the schema says.
    #[inline]
    pub fn event(&mut self, reader: &Reader<'_>, event: Event) -> Result {
        if self.ignoring > 0 {
            match event {
                Event::ObjectStart | Event::ArrayStart => self.ignoring += 1,
                Event::ObjectEnd | Event::ArrayEnd => self.ignoring -= 1,
                _ => {}
            }
            return Ok(());
        }
        match event {
            Event::Name => self.name(reader),
            Event::String => self.scalar(reader, Token::String(reader.text())),
            Event::Number => self.scalar(reader, Token::Number(reader.text())),
            Event::Bool(value) => self.scalar(reader, Token::Bool(value)),
            Event::Null => self.null(reader),
            Event::ObjectStart => self.object(reader),
            Event::ArrayStart => self.array(reader),
            Event::ObjectEnd => self.end_object(reader),
            Event::ArrayEnd => self.end_array(reader),
            Event::Eof | Event::NeedMore => Ok(()),
        }
    }

    /// What was written, once the JSON is at its end.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        &self.out
    }

    /// Passes on what was written so far. Members that would have to stand before it are refused from now on.
    pub fn drain(&mut self, sink: &mut Vec<u8>) {
        if self.open_tag == usize::MAX && !self.holds() {
            self.base += self.out.len();
            sink.append(&mut self.out);
        }
    }

    /// Whether an object is open whose members will be put into another order.
    fn holds(&self) -> bool {
        self.plan.options.grouped
            && self.frames[..self.depth].iter().any(|frame| {
                let elements = self.plan.shape(frame.ty).elements();
                elements.is_some_and(|elements| !elements.bunches.is_empty())
            })
    }

    /// How much XML is waiting, in bytes.
    #[must_use]
    pub const fn pending(&self) -> usize {
        self.out.len()
    }

    /// Where writing goes on, counted from the beginning of the body.
    fn position(&self) -> usize {
        self.base + self.out.len()
    }

    fn push(&mut self, doing: Doing, ty: TypeId, element: Option<ElementId>) -> &mut Frame {
        let frame = Frame {
            doing,
            ty,
            element,
            scope: 0,
            member: NONE,
            count: 0,
            segments: self.segments.len(),
            steps: self.steps.len(),
            late: self.late.len(),
            names: self.names.len(),
            tag_end: usize::MAX,
            nil: false,
            seen: 0,
            guess: 0,
        };
        if self.frames.len() <= self.depth {
            self.frames.push(frame);
        } else {
            self.frames[self.depth] = frame;
        }
        self.depth += 1;
        &mut self.frames[self.depth - 1]
    }

    /// What the value at hand is for.
    fn take_slot(&mut self) -> Slot {
        std::mem::replace(&mut self.slot, Slot::Item)
    }

    /// The name of a member.
    fn name(&mut self, reader: &Reader<'_>) -> Result {
        let at = self.depth - 1;
        let key = reader.text();
        let doing = self.frames[at].doing;
        match doing {
            Doing::Object | Doing::Round => {
                let frame = &self.frames[at];
                let shape = self.plan.shape(frame.ty);
                // No element's key begins so.
                if !key.starts_with('@')
                    && let Kind::Elements(elements) = &shape.kind
                    && let Some(scope) = elements.scopes.get(frame.scope as usize)
                    && let Some(member) = scope.member(key, frame.guess)
                {
                    self.frames[at].guess = member + 1;
                    let found = &scope.members[member as usize];
                    self.slot = match found.what {
                        What::Element(element) if !found.array => Slot::Single {
                            element,
                            member,
                            order: found.leaves.first().copied().unwrap_or(NONE),
                        },
                        _ => Slot::Member(member),
                    };
                    return Ok(());
                }
                self.reserved(reader, at, key)
            }
            Doing::Generic | Doing::Bare => self.reserved(reader, at, key),
            Doing::Parts => self.part_name(reader, key),
            Doing::Entry => self.entry_name(reader, key),
            Doing::Reference if key == "$cid" => {
                self.slot = Slot::Taken;
                Ok(())
            }
            Doing::Reference => self.unknown(reader, key),
            _ => Ok(()),
        }
    }

    fn part_name(&mut self, reader: &Reader<'_>, key: &str) -> Result {
        let found = self.message.parts().iter().position(|part| part.name == key);
        match found {
            Some(number) => {
                self.slot = Slot::Part(u32::try_from(number).unwrap_or(NONE));
                Ok(())
            }
            None => self.unknown(reader, key),
        }
    }

    /// A key that begins with `@` or `$`, or an unknown one.
    fn reserved(&mut self, reader: &Reader<'_>, at: usize, key: &str) -> Result {
        let frame = &self.frames[at];
        let shape = self.plan.shape(frame.ty);
        let of_element = matches!(frame.doing, Doing::Object | Doing::Generic);
        if let Some(name) = key.strip_prefix('@').filter(|_| of_element) {
            if let Some(number) = shape.attributes.by_key(name) {
                self.slot = Slot::Attribute(u32::try_from(number).unwrap_or(NONE));
                return Ok(());
            }
            if frame.doing == Doing::Generic || shape.attributes.any.is_some() {
                self.key.clear();
                self.key.push_str(name);
                self.slot = Slot::WildAttribute;
                return Ok(());
            }
            return self.unknown(reader, key);
        }
        let has_value = match shape.kind {
            Kind::Simple | Kind::SimpleContent(_) | Kind::AnySimple => true,
            _ => frame.doing == Doing::Bare,
        };
        self.slot = match key {
            "$value" if has_value => Slot::Value,
            "$type" if of_element => Slot::Type,
            "$nil" if of_element => Slot::Nil,
            "$name" if frame.doing == Doing::Generic => Slot::Name,
            "$content" if frame.doing == Doing::Generic || matches!(shape.kind, Kind::Mixed(_)) => {
                Slot::Content
            }
            _ => return self.unknown(reader, key),
        };
        Ok(())
    }

    #[cold]
    fn unknown(&mut self, reader: &Reader<'_>, key: &str) -> Result {
        if let Some(slot) = self.attachment(key) {
            self.slot = slot;
            return Ok(());
        }
        if self.plan.options.ignore_unknown {
            self.slot = Slot::Ignored;
            return Ok(());
        }
        let at = self.depth.saturating_sub(1);
        let keys = self.known_keys(at);
        let cure = if keys.is_empty() {
            "leave it out".to_owned()
        } else {
            format!("known here: {}", keys.join(", "))
        };
        Err(self.fault(
            reader,
            "json.unknown",
            format!("the schema has no member {key:?} here"),
            &cure,
        ))
    }

    fn known_keys(&self, at: usize) -> Vec<String> {
        let Some(frame) = self.frames.get(at) else { return Vec::new() };
        if frame.doing == Doing::Parts {
            return self.message.parts().iter().map(|part| part.name.clone()).collect();
        }
        let shape = self.plan.shape(frame.ty);
        let attributes = shape.attributes.known.iter().map(|a| format!("@{}", a.key));
        let members =
            shape.elements().and_then(|elements| elements.scopes.get(frame.scope as usize));
        let members =
            members.into_iter().flat_map(|scope| scope.members.iter().map(|m| m.key.to_string()));
        attributes.chain(members).take(20).collect()
    }

    /// `{`
    fn object(&mut self, reader: &Reader<'_>) -> Result {
        let slot = self.take_slot();
        match slot {
            Slot::Top => self.top_object(reader),
            Slot::Single { element, member, order } => {
                self.segment(member, order);
                self.element_object(reader, element)
            }
            Slot::Member(member) => self.coerced(reader, member, |encoder| encoder.object(reader)),
            Slot::Item => self.item_object(reader),
            Slot::Part(number) => {
                self.begin_part(number);
                self.part_object(reader, number)
            }
            Slot::Known(element) => self.element_object(reader, element),
            Slot::Value if self.frames[self.depth - 1].doing == Doing::Object => {
                self.refer_value(reader)
            }
            Slot::Value if self.frames[self.depth - 1].element.is_some() => {
                self.bare_object(reader)
            }
            Slot::Attached(number) => self.attached_object(reader, number),
            Slot::Ignored => {
                self.ignoring = 1;
                Ok(())
            }
            _ => Err(self.wrong_kind(reader, "a plain value")),
        }
    }

    fn top_object(&mut self, reader: &Reader<'_>) -> Result {
        let plan = self.plan;
        match &self.message.body {
            Body::Element(element) => {
                if matches!(plan.shape(plan.schemas[*element].ty).kind, Kind::Simple) {
                    self.push(Doing::Bare, plan.schemas[*element].ty, Some(*element));
                    return Ok(());
                }
                self.element_object(reader, *element)
            }
            Body::Rpc { .. } => {
                self.push(Doing::Parts, TypeId::ANY, None);
                self.wrapper_tag();
                Ok(())
            }
            Body::Parts(_) | Body::Empty => {
                self.push(Doing::Parts, TypeId::ANY, None);
                Ok(())
            }
            Body::OneOf(_) => {
                self.push(Doing::Entry, TypeId::ANY, None);
                Ok(())
            }
        }
    }

    fn item_object(&mut self, reader: &Reader<'_>) -> Result {
        let at = self.depth - 1;
        let frame = self.frames[at];
        match frame.doing {
            Doing::Array | Doing::Collapsed => {
                let Some(element) = self.item_element(at) else { return Ok(()) };
                self.begin_item(at, element);
                self.element_object(reader, element)
            }
            Doing::Rounds => {
                let (ty, element) = (frame.ty, frame.element);
                let round = self.push(Doing::Round, ty, element);
                round.scope = frame.scope;
                Ok(())
            }
            Doing::AnyArray | Doing::Content => self.entry(reader),
            _ => Err(self.wrong_kind(reader, "a plain value")),
        }
    }

    fn part_object(&mut self, reader: &Reader<'_>, number: u32) -> Result {
        match self.message.part(number) {
            Some(PartType::Element(element)) => self.element_object(reader, element),
            Some(PartType::Type(ty)) => self.typed_object(reader, ty, number),
            None => Ok(()),
        }
    }

    /// `[`
    fn array(&mut self, reader: &Reader<'_>) -> Result {
        let slot = self.take_slot();
        let at = self.depth.wrapping_sub(1);
        match slot {
            Slot::Single { element, member, order } => {
                self.segment(member, order);
                self.element_array(reader, element)
            }
            Slot::Member(member) => {
                self.begin_array(at, member);
                Ok(())
            }
            Slot::Item => match self.frames[at].doing {
                Doing::Array | Doing::Collapsed => {
                    let Some(element) = self.item_element(at) else { return Ok(()) };
                    self.begin_item(at, element);
                    self.element_array(reader, element)
                }
                _ => Err(self.wrong_kind(reader, "no array")),
            },
            Slot::Content if self.content_is_text(self.frames[at].ty) => {
                Err(self.wrong_kind(reader, "a string that holds XML"))
            }
            Slot::Content => {
                self.close_tag();
                let (ty, element) = (self.frames[at].ty, self.frames[at].element);
                self.push(Doing::Content, ty, element);
                Ok(())
            }
            Slot::Value | Slot::Attribute(_) | Slot::WildAttribute => self.list_array(reader, slot),
            Slot::Part(number) => {
                self.begin_part(number);
                match self.message.part(number) {
                    Some(PartType::Element(element)) => self.element_array(reader, element),
                    Some(PartType::Type(ty)) => self.typed_array(reader, ty, number),
                    None => Ok(()),
                }
            }
            Slot::Top => match self.message.body {
                Body::Element(element) => self.element_array(reader, element),
                _ => Err(self.wrong_kind(reader, "an object")),
            },
            Slot::Known(element) => self.element_array(reader, element),
            Slot::Ignored => {
                self.ignoring = 1;
                Ok(())
            }
            Slot::Type | Slot::Nil | Slot::Name | Slot::Attached(_) | Slot::Taken => {
                Err(self.wrong_kind(reader, "a plain value"))
            }
        }
    }

    /// A single value where an array is due: refused unless the service lets it pass.
    #[cold]
    fn coerced(
        &mut self,
        reader: &Reader<'_>,
        member: u32,
        value: impl FnOnce(&mut Self) -> Result,
    ) -> Result {
        if !self.plan.options.coerce_scalar {
            return Err(self.wrong_kind(reader, "an array, since the element may be repeated"));
        }
        let at = self.depth - 1;
        self.begin_array(at, member);
        self.frames[self.depth - 1].nil = true;
        let inside = self.depth;
        value(self)?;
        if self.depth == inside {
            self.depth -= 1;
        }
        Ok(())
    }

    #[cold]
    fn wrong_kind(&self, reader: &Reader<'_>, due: &str) -> Box<Fault> {
        self.fault(
            reader,
            "json.kind",
            format!("{due} is due here"),
            "see the operation's JSON Schema",
        )
    }

    #[cold]
    fn fault(
        &self,
        reader: &Reader<'_>,
        rule: &'static str,
        message: impl Into<String>,
        cure: &str,
    ) -> Box<Fault> {
        Box::new((*reader.fault(FaultKind::Invalid, message)).rule(rule).cure(cure))
    }
}
