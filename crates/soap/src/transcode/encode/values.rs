//! Plain values: text, attributes, lists, null.

use std::io::Write as _;

use super::{Doing, Encoder, Result, Slot};
use crate::json::Reader;
use crate::name::{NsId, PrefixScope};
use crate::transcode::plan::{Body, PartType};
use crate::transcode::scalar::{Form, Misfit, Token, lexical};
use crate::transcode::shape::Kind;
use crate::xml::writer::{IllegalChar, escape_text};
use crate::xsd::model::{ElementId, TypeId, ValueConstraint};
use crate::xsd::values::ValueFault;

/// The namespaces of the QNames at hand, by the prefixes that were chosen for them.
#[derive(Debug, Default)]
pub(super) struct Chosen(Vec<(String, String)>);

impl PrefixScope for Chosen {
    fn namespace_of(&self, prefix: &str) -> Option<&str> {
        match self.0.iter().find(|(known, _)| known == prefix) {
            Some((_, uri)) => Some(uri),
            None => ().namespace_of(prefix),
        }
    }
}

impl Encoder<'_> {
    /// A string, a number, true or false.
    #[inline]
    pub(super) fn scalar(&mut self, reader: &Reader<'_>, token: Token<'_>) -> Result {
        let slot = self.take_slot();
        match slot {
            Slot::Single { element, member, order } => {
                self.segment(member, order);
                self.element_scalar(reader, element, token)
            }
            Slot::Member(member) => self.coerced(reader, member, |encoder| {
                encoder.slot = Slot::Item;
                encoder.scalar(reader, token)
            }),
            Slot::Item => self.item_scalar(reader, token),
            Slot::Attribute(number) => self.attribute(reader, number, token),
            Slot::WildAttribute => self.wild_attribute(reader, token),
            Slot::Value => self.value(reader, token),
            Slot::Type => self.check_type(reader, token),
            Slot::Nil => self.nil(reader, token),
            Slot::Part(number) => {
                self.begin_part(number);
                match self.message.part(number) {
                    Some(PartType::Element(element)) => self.element_scalar(reader, element, token),
                    Some(PartType::Type(ty)) => self.part_scalar(reader, ty, number, token),
                    None => Ok(()),
                }
            }
            Slot::Known(element) => self.element_scalar(reader, element, token),
            Slot::Attached(number) => self.attached(reader, number, token),
            Slot::Taken => match token {
                Token::String(_) => Ok(()),
                _ => Err(self.wrong_kind(reader, "a string")),
            },
            Slot::Name | Slot::Ignored => Ok(()),
            Slot::Content => self.content_text(reader, token),
            Slot::Top => Err(self.wrong_kind(reader, "an object")),
        }
    }

    fn item_scalar(&mut self, reader: &Reader<'_>, token: Token<'_>) -> Result {
        let Some(at) = self.depth.checked_sub(1) else {
            return Err(self.wrong_kind(reader, "an object"));
        };
        match self.frames[at].doing {
            Doing::Array | Doing::Collapsed => {
                let Some(element) = self.item_element(at) else { return Ok(()) };
                self.begin_item(at, element);
                self.element_scalar(reader, element, token)
            }
            Doing::List => self.list_item(reader, token),
            Doing::Content => {
                let Token::String(text) = token else {
                    return Err(self.wrong_kind(reader, "a string or an object"));
                };
                self.close_tag();
                let written = escape_text(text, &mut self.out);
                written.map_err(|illegal| self.illegal(reader, illegal))
            }
            _ => Err(self.wrong_kind(reader, "an object")),
        }
    }

    /// An element with a plain value.
    #[inline]
    fn element_scalar(
        &mut self,
        reader: &Reader<'_>,
        element: ElementId,
        token: Token<'_>,
    ) -> Result {
        let plan = self.plan;
        let decl = &plan.schemas[element];
        self.step(decl.namespace, decl.name);
        if decl.is_abstract {
            return Err(self.fault(
                reader,
                "json.abstract",
                "the element is abstract",
                "use one of its substitutes",
            ));
        }
        self.tag(element);
        self.open_value(reader, decl.ty, token, decl.value.as_ref())?;
        self.out.extend_from_slice(plan.tag(element).close.as_bytes());
        self.undeclare(self.depth);
        Ok(())
    }

    fn part_scalar(
        &mut self,
        reader: &Reader<'_>,
        ty: TypeId,
        number: u32,
        token: Token<'_>,
    ) -> Result {
        let message = self.message;
        let qname = self.tag_named("", None, message.part_name(number));
        self.open_value(reader, ty, token, None)?;
        let _ = write!(self.out, "</{qname}>");
        self.undeclare(self.depth);
        Ok(())
    }

    /// The value of an element whose tag is open.
    #[inline]
    fn open_value(
        &mut self,
        reader: &Reader<'_>,
        ty: TypeId,
        token: Token<'_>,
        fixed: Option<&ValueConstraint>,
    ) -> Result {
        match self.plan.shape(ty).kind {
            Kind::Simple => {}
            Kind::Any | Kind::AnySimple => {
                self.out.push(b'>');
                self.open_tag = usize::MAX;
                return self.plain_text(reader, token);
            }
            _ => return Err(self.wrong_kind(reader, "an object")),
        }
        self.text_value(reader, ty, token, fixed)
    }

    fn plain_text(&mut self, reader: &Reader<'_>, token: Token<'_>) -> Result {
        let text = match token {
            Token::String(text) | Token::Number(text) => text,
            Token::Bool(true) => "true",
            Token::Bool(false) => "false",
        };
        let written = escape_text(text, &mut self.out);
        written.map_err(|illegal| self.illegal(reader, illegal))
    }

    /// Checks a value, closes the tag that is open and appends the text.
    #[inline]
    fn text_value(
        &mut self,
        reader: &Reader<'_>,
        ty: TypeId,
        token: Token<'_>,
        fixed: Option<&ValueConstraint>,
    ) -> Result {
        let plan = self.plan;
        let Some(scalar) = plan.scalar(ty) else {
            return Err(self.wrong_kind(reader, "an object"));
        };
        let text = match lexical(&scalar.ty, scalar.form, plan.options.dates, &token) {
            Ok(text) => text,
            Err(misfit) => return Err(self.misfit(reader, misfit)),
        };
        if scalar.form == Form::Name {
            let (qname, scope) = self.qname(reader, &text)?;
            self.check_text(reader, ty, &qname, &scope, fixed)?;
            return self.put_text(reader, &qname);
        }
        if self.parts.is_some() && plan.is_swa_ref(ty) {
            return self.send_text(reader, &text);
        }
        self.check_text(reader, ty, &text, &(), fixed)?;
        if scalar.form == Form::Base64 && self.parts.is_some() && self.optimise(&text) {
            return Ok(());
        }
        self.put_text(reader, &text)
    }

    #[inline]
    pub(super) fn put_text(&mut self, reader: &Reader<'_>, text: &str) -> Result {
        self.close_tag();
        let written = escape_text(text, &mut self.out);
        written.map_err(|illegal| self.illegal(reader, illegal))
    }

    #[inline]
    pub(super) fn check_text(
        &mut self,
        reader: &Reader<'_>,
        ty: TypeId,
        text: &str,
        scope: &dyn PrefixScope,
        fixed: Option<&ValueConstraint>,
    ) -> Result {
        let Some(scalar) = self.plan.scalar(ty) else { return Ok(()) };
        if fixed.is_some() && text.is_empty() {
            // The default or fixed value will be read for it.
            return Ok(());
        }
        // The text is kept as it is: whoever reads it processes its white space.
        let mut scratch = String::new();
        if let Err(fault) = scalar.ty.check(text, scope, &mut scratch) {
            return Err(self.bad_value(reader, ty, text, fault));
        }
        if let Some(value) = fixed.filter(|value| value.fixed)
            && scalar.ty.parse(text, scope).ok() != value.value
        {
            let message = format!("the value is fixed to {:?}", value.lexical);
            return Err(self.fault(reader, "json.value", message, "send that, or leave it out"));
        }
        Ok(())
    }

    /// A QName in Clark form with a prefix that is declared on the tag that is open.
    pub(super) fn qname(&mut self, reader: &Reader<'_>, text: &str) -> Result<(String, Chosen)> {
        let plan = self.plan;
        let symbols = &plan.schemas.symbols;
        let Some((uri, known, local)) = plan.names.split(symbols, text) else {
            return Err(self.fault(
                reader,
                "json.value",
                format!("no namespace has the alias of {text:?}"),
                "use {namespace}local",
            ));
        };
        if uri.is_empty() {
            return Ok((local.to_owned(), Chosen(vec![(String::new(), String::new())])));
        }
        if self.open_tag == usize::MAX {
            let message = "a qualified name comes after the content of its element";
            return Err(self.fault(reader, "json.order", message, "put it first in its object"));
        }
        let prefix = match known.filter(|&id| !plan.names.alias_of(id).is_empty()) {
            Some(id) => {
                self.declare(id);
                plan.names.alias_of(id).to_owned()
            }
            None => self.declare_foreign(uri),
        };
        Ok((format!("{prefix}:{local}"), Chosen(vec![(prefix, uri.to_owned())])))
    }

    /// `$value`
    fn value(&mut self, reader: &Reader<'_>, token: Token<'_>) -> Result {
        let at = self.depth - 1;
        let frame = self.frames[at];
        self.frames[at].count += 1;
        if frame.doing == Doing::Bare {
            return match frame.element {
                Some(element) => self.element_scalar(reader, element, token),
                None => Ok(()),
            };
        }
        if matches!(self.plan.shape(frame.ty).kind, Kind::AnySimple) {
            self.close_tag();
            return self.plain_text(reader, token);
        }
        let ty = self.value_type(frame.ty);
        let constraint =
            frame.element.and_then(|element| self.plan.schemas[element].value.as_ref());
        self.text_value(reader, ty, token, constraint)
    }

    pub(super) fn value_type(&self, ty: TypeId) -> TypeId {
        match self.plan.shape(ty).kind {
            Kind::SimpleContent(simple) => simple,
            _ => ty,
        }
    }

    /// Whether a type with a value got one.
    pub(super) fn check_value(&mut self, reader: &Reader<'_>, at: usize) -> Result {
        let frame = self.frames[at];
        if frame.count > 0
            || !matches!(self.plan.shape(frame.ty).kind, Kind::SimpleContent(_) | Kind::Simple)
        {
            return Ok(());
        }
        let ty = self.value_type(frame.ty);
        let constraint =
            frame.element.and_then(|element| self.plan.schemas[element].value.as_ref());
        let empty = constraint.is_some()
            || self.plan.scalar(ty).is_some_and(crate::transcode::scalar::Scalar::takes_empty);
        if empty {
            return Ok(());
        }
        Err(self.fault(reader, "json.missing", "\"$value\" is missing", "add it"))
    }

    /// `$type`: what it says was seen when the object began; here it may only repeat it.
    fn check_type(&mut self, reader: &Reader<'_>, token: Token<'_>) -> Result {
        let Token::String(name) = token else { return Err(self.wrong_kind(reader, "a string")) };
        let frame = self.frames[self.depth - 1];
        if frame.doing == Doing::Generic || self.plan.names.type_named(name) == Some(frame.ty) {
            return Ok(());
        }
        let message = format!("the type {name:?} may not stand here");
        Err(self.fault(reader, "json.type", message, "leave \"$type\" out"))
    }

    fn nil(&mut self, reader: &Reader<'_>, token: Token<'_>) -> Result {
        let at = self.depth - 1;
        match token {
            Token::Bool(false) => Ok(()),
            Token::Bool(true) => {
                let element = self.frames[at].element;
                if element.is_some_and(|element| !self.plan.schemas[element].nillable) {
                    let message = "the element may not be nil";
                    return Err(self.fault(
                        reader,
                        "json.nil",
                        message,
                        "leave it out, or give it a value",
                    ));
                }
                if self.open_tag != at {
                    let message = "what is nil may have attributes and nothing else";
                    return Err(self.fault(
                        reader,
                        "json.nil",
                        message,
                        "leave $nil out, or the content",
                    ));
                }
                self.frames[at].nil = true;
                self.nil_attribute();
                Ok(())
            }
            _ => Err(self.wrong_kind(reader, "true or false")),
        }
    }

    /// Whether an array may be the value of a simple type.
    pub(super) fn takes_array(&self, ty: TypeId) -> bool {
        self.plan.scalar(ty).is_some_and(|scalar| matches!(scalar.form, Form::List | Form::Union))
    }

    /// An array for `$value` or an attribute: a list.
    pub(super) fn list_array(&mut self, reader: &Reader<'_>, slot: Slot) -> Result {
        let frame = self.frames[self.depth - 1];
        let shape = self.plan.shape(frame.ty);
        let ty = match slot {
            Slot::Attribute(number) => {
                shape.attributes.known.get(number as usize).map(|a| a.usage.ty)
            }
            Slot::Value => Some(self.value_type(frame.ty)),
            _ => None,
        };
        match ty.filter(|&ty| self.takes_array(ty)) {
            Some(ty) => {
                if slot == Slot::Value
                    && frame.doing == Doing::Bare
                    && let Some(element) = frame.element
                {
                    self.frames[self.depth - 1].count += 1;
                    return self.element_array(reader, element);
                }
                self.begin_list(ty, slot)
            }
            None => Err(self.wrong_kind(reader, "a plain value")),
        }
    }

    pub(super) fn begin_list(&mut self, ty: TypeId, slot: Slot) -> Result {
        self.list.clear();
        self.list_slot = slot;
        let open = self.open_tag;
        self.push(Doing::List, ty, None);
        self.open_tag = open;
        Ok(())
    }

    fn list_item(&mut self, reader: &Reader<'_>, token: Token<'_>) -> Result {
        let plan = self.plan;
        let ty = self.frames[self.depth - 1].ty;
        let Some(scalar) = plan.scalar(ty) else { return Ok(()) };
        let union_list = || scalar.ty.members().iter().find_map(|member| member.item());
        let text = match scalar.ty.item().or_else(union_list) {
            Some(item) => {
                match lexical(item, Form::of(item, plan.spelling()), plan.options.dates, &token) {
                    Ok(text) => text,
                    Err(misfit) => return Err(self.misfit(reader, misfit)),
                }
            }
            None => return Err(self.wrong_kind(reader, "a plain value")),
        };
        if text.is_empty() || text.bytes().any(crate::xml::is_whitespace) {
            let message = "an item of a list may not be empty, nor hold white space";
            return Err(self.fault(reader, "json.value", message, "make several items of it"));
        }
        if !self.list.is_empty() {
            self.list.push(' ');
        }
        self.list.push_str(&text);
        Ok(())
    }

    /// The end of an array that is one value.
    pub(super) fn end_list(&mut self, reader: &Reader<'_>) -> Result {
        let ty = self.frames[self.depth - 1].ty;
        self.depth -= 1;
        let list = std::mem::take(&mut self.list);
        let at = self.depth.wrapping_sub(1);
        match self.list_slot {
            Slot::Known(element) => {
                let value = self.plan.schemas[element].value.as_ref();
                self.check_text(reader, ty, &list, &(), value)?;
                self.put_text(reader, &list)?;
                self.out.extend_from_slice(self.plan.tag(element).close.as_bytes());
                self.undeclare(self.depth);
                self.leave_implicit();
            }
            Slot::Part(number) => {
                self.check_text(reader, ty, &list, &(), None)?;
                self.put_text(reader, &list)?;
                let message = self.message;
                let _ = write!(self.out, "</{}>", message.part_name(number));
                self.undeclare(self.depth);
            }
            Slot::Attribute(number) => {
                let plan = self.plan;
                if let Some(attribute) =
                    plan.shape(self.frames[at].ty).attributes.known.get(number as usize)
                {
                    self.check_text(reader, ty, &list, &(), attribute.usage.value.as_ref())?;
                    if let Some(bit) = 1u64.checked_shl(number) {
                        self.came(at, bit);
                    }
                    if attribute.namespace != NsId::NONE && self.open_tag == at {
                        self.declare_on(at, attribute.namespace);
                    }
                    self.put_attribute(reader, at, &attribute.xml, attribute.namespace, &list)?;
                }
            }
            _ => {
                self.frames[at].count += 1;
                self.check_text(reader, ty, &list, &(), None)?;
                self.put_text(reader, &list)?;
            }
        }
        self.list = list;
        Ok(())
    }

    /// `null`
    pub(super) fn null(&mut self, reader: &Reader<'_>) -> Result {
        let slot = self.take_slot();
        let at = self.depth.wrapping_sub(1);
        match slot {
            Slot::Single { element, member, order } if self.plan.schemas[element].nillable => {
                self.segment(member, order);
                self.nil_element(reader, element)
            }
            Slot::Single { .. } | Slot::Member(_) => self.absent(reader),
            Slot::Item if matches!(self.frames[at].doing, Doing::Array | Doing::Collapsed) => {
                let Some(element) = self.item_element(at) else { return Ok(()) };
                self.begin_item(at, element);
                self.nil_element(reader, element)
            }
            Slot::Known(element) => self.nil_element(reader, element),
            Slot::Part(number) => {
                self.begin_part(number);
                match self.message.part(number) {
                    Some(PartType::Element(element)) => self.nil_element(reader, element),
                    Some(PartType::Type(_)) => {
                        let message = self.message;
                        self.tag_named("", None, message.part_name(number));
                        self.nil_tag();
                        Ok(())
                    }
                    None => Ok(()),
                }
            }
            Slot::Top => match &self.message.body {
                Body::Element(element) => self.nil_element(reader, *element),
                _ => Err(self.wrong_kind(reader, "an object")),
            },
            Slot::Value if self.frames[at].doing == Doing::Bare => {
                self.frames[at].count += 1;
                match self.frames[at].element {
                    Some(element) => self.nil_element(reader, element),
                    None => Ok(()),
                }
            }
            Slot::Ignored => Ok(()),
            Slot::Attribute(_) | Slot::WildAttribute | Slot::Attached(_) => self.absent(reader),
            _ => Err(self.wrong_kind(reader, "a value, not null,")),
        }
    }

    fn nil_element(&mut self, reader: &Reader<'_>, element: ElementId) -> Result {
        let decl = &self.plan.schemas[element];
        if !decl.nillable {
            let cure = "leave the member out, or give it a value";
            return Err(self.fault(
                reader,
                "json.nil",
                "null may not stand here: the element is not nillable",
                cure,
            ));
        }
        self.step(decl.namespace, decl.name);
        self.tag(element);
        self.nil_tag();
        Ok(())
    }

    fn nil_tag(&mut self) {
        self.nil_attribute();
        self.out.extend_from_slice(b"/>");
        self.open_tag = usize::MAX;
        self.undeclare(self.depth);
    }

    /// `null` for what is not nillable.
    fn absent(&mut self, reader: &Reader<'_>) -> Result {
        if self.plan.options.null_as_absent {
            return Ok(());
        }
        let cure = "leave the member out, or give it a value";
        Err(self.fault(
            reader,
            "json.nil",
            "null may not stand here: the element is not nillable",
            cure,
        ))
    }

    #[cold]
    pub(super) fn misfit(&self, reader: &Reader<'_>, misfit: Misfit) -> Box<crate::Fault> {
        match misfit {
            Misfit::Kind(due) => self.wrong_kind(reader, due),
            Misfit::NotIntegral => {
                self.fault(reader, "json.value", "an integer is due here", "leave the fraction out")
            }
            Misfit::TooLong => self.fault(
                reader,
                "json.value",
                "the number has too large an exponent",
                "write it out in digits",
            ),
        }
    }

    #[cold]
    pub(super) fn bad_value(
        &self,
        reader: &Reader<'_>,
        ty: TypeId,
        text: &str,
        fault: ValueFault,
    ) -> Box<crate::Fault> {
        let short: String = text.chars().take(60).collect();
        let message = format!("{short:?} {fault}, of type {}", self.plan.schemas.type_text(ty));
        self.fault(
            reader,
            "json.value",
            message,
            "see the operation's JSON Schema for what is allowed",
        )
    }

    #[cold]
    pub(super) fn illegal(&self, reader: &Reader<'_>, illegal: IllegalChar) -> Box<crate::Fault> {
        self.fault(reader, "json.character", illegal.to_string(), "leave the character out")
    }
}
