//! Arrays, rounds, parts, and the entries of `$any` and `$content`.

use super::{Doing, Encoder, Result, Slot};
use crate::json::Reader;
use crate::name::NsId;
use crate::transcode::plan::Body;
use crate::transcode::shape::{Kind, NONE, What};
use crate::xsd::model::{ElementId, TypeId};

impl Encoder<'_> {
    fn first_leaf(&self, at: usize, member: u32) -> u32 {
        let frame = &self.frames[at];
        let found = self.plan.shape(frame.ty).elements().and_then(|elements| {
            elements.scopes.get(frame.scope as usize)?.members.get(member as usize)?.leaves.first()
        });
        found.copied().unwrap_or(NONE)
    }

    /// Begins a member that is an array.
    pub(super) fn begin_array(&mut self, at: usize, member: u32) {
        let frame = self.frames[at];
        let order = self.first_leaf(at, member);
        let elements = self.plan.shape(frame.ty).elements();
        let found =
            elements.and_then(|e| e.scopes.get(frame.scope as usize)?.members.get(member as usize));
        let Some(found) = found else { return };
        let (doing, scope) = match found.what {
            What::Element(_) => (Doing::Array, frame.scope),
            What::Items(scope) => (Doing::Rounds, scope),
            What::Any => (Doing::AnyArray, frame.scope),
        };
        // Values that are dealt to several particles are pieces of their own.
        let dealt = found.leaves.len() > 1
            || elements.is_some_and(|elements| elements.is_bunched(frame.scope, order));
        if !dealt {
            self.segment(member, order);
        }
        let array = self.push(doing, frame.ty, frame.element);
        (array.scope, array.member, array.tag_end) = (scope, member, if dealt { 1 } else { 0 });
    }

    /// The element that the items of an array are.
    pub(super) fn item_element(&self, at: usize) -> Option<ElementId> {
        let frame = &self.frames[at];
        let elements = self.plan.shape(frame.ty).elements()?;
        let member = if frame.doing == Doing::Collapsed { 0 } else { frame.member };
        match elements.scopes.get(frame.scope as usize)?.members.get(member as usize)?.what {
            What::Element(element) => Some(element),
            _ => None,
        }
    }

    /// Begins an item.
    #[inline]
    pub(super) fn begin_item(&mut self, at: usize, _: ElementId) {
        self.begin_dealt(at);
    }

    fn begin_dealt(&mut self, at: usize) {
        let frame = &mut self.frames[at];
        frame.count += 1;
        if frame.tag_end == 1 && matches!(frame.doing, Doing::Array | Doing::AnyArray) {
            let member = frame.member;
            let order = self.first_leaf(at, member);
            self.segment(member, order);
        }
    }

    /// `]`
    pub(super) fn end_array(&mut self, reader: &Reader<'_>) -> Result {
        let at = self.depth - 1;
        match self.frames[at].doing {
            Doing::Collapsed => {
                self.check_content(reader, at)?;
                self.end_tag(reader, at)
            }
            Doing::List => self.end_list(reader),
            Doing::Content => {
                self.depth = at;
                let owner = at - 1;
                if matches!(self.plan.shape(self.frames[owner].ty).kind, Kind::Mixed(_)) {
                    return self.check_content(reader, owner);
                }
                Ok(())
            }
            _ => {
                // The pieces stay: they belong to the object around.
                self.depth = at;
                Ok(())
            }
        }
    }

    /// An array where an element is due: a list, or a wrapper that is left out in JSON.
    pub(super) fn element_array(&mut self, reader: &Reader<'_>, element: ElementId) -> Result {
        let plan = self.plan;
        let decl = &plan.schemas[element];
        let shape = plan.shape(decl.ty);
        self.step(decl.namespace, decl.name);
        if shape.elements().is_some_and(|elements| elements.collapsed.is_some()) {
            self.tag(element);
            self.push(Doing::Collapsed, decl.ty, Some(element));
            return Ok(());
        }
        if matches!(shape.kind, Kind::Simple) && self.takes_array(decl.ty) {
            self.tag(element);
            return self.begin_list(decl.ty, Slot::Known(element));
        }
        Err(self.wrong_kind(
            reader,
            "a single value: the element may not be repeated; it is no array that",
        ))
    }

    /// The same for an rpc part of a type.
    pub(super) fn typed_array(&mut self, reader: &Reader<'_>, ty: TypeId, number: u32) -> Result {
        let message = self.message;
        let shape = self.plan.shape(ty);
        if shape.elements().is_some_and(|elements| elements.collapsed.is_some()) {
            let qname = self.tag_named("", None, message.part_name(number));
            self.push(Doing::Collapsed, ty, None);
            self.names.push_str(&qname);
            return Ok(());
        }
        if matches!(shape.kind, Kind::Simple) && self.takes_array(ty) {
            self.tag_named("", None, message.part_name(number));
            return self.begin_list(ty, Slot::Part(number));
        }
        Err(self.wrong_kind(reader, "an object or a plain value"))
    }

    /// Begins the object of an entry of `$any` or `$content`.
    pub(super) fn entry(&mut self, reader: &Reader<'_>) -> Result {
        let at = self.depth - 1;
        self.begin_dealt(at);
        let Some(name) = reader.peek_member("$name") else {
            self.push(Doing::Entry, self.frames[at].ty, self.frames[at].element);
            return Ok(());
        };
        let plan = self.plan;
        let symbols = &plan.schemas.symbols;
        let Some((uri, known, local)) = plan.names.split(symbols, name) else {
            return Err(self.fault(
                reader,
                "json.name",
                format!("no namespace has the alias of {name:?}"),
                "use {namespace}local",
            ));
        };
        if !crate::xml::is_ncname(local) {
            return Err(self.fault(
                reader,
                "json.name",
                format!("{name:?} names no element"),
                "use {namespace}local",
            ));
        }
        let sym = known.map_or(crate::name::Sym::UNKNOWN, |ns| symbols.sym(ns, local));
        self.step(known.unwrap_or(NsId::from_index(usize::MAX)), sym);
        let qname = self.tag_named(uri, known, local);
        let ty = match reader.peek_member("$type") {
            Some(ty) => self.generic_type(reader, ty)?,
            None => TypeId::ANY,
        };
        let doing = if ty == TypeId::ANY { Doing::Generic } else { Doing::Object };
        self.push(doing, ty, None);
        self.names.push_str(&qname);
        Ok(())
    }

    fn generic_type(&mut self, reader: &Reader<'_>, name: &str) -> Result<TypeId> {
        match self.plan.names.type_named(name) {
            Some(ty) => {
                self.type_attribute(ty);
                Ok(ty)
            }
            None => self.foreign_type(reader, name).map(|()| TypeId::ANY),
        }
    }

    /// The only key of an entry: the element's name.
    pub(super) fn entry_name(&mut self, reader: &Reader<'_>, key: &str) -> Result {
        let at = self.depth - 1;
        self.frames[at].count += 1;
        if self.frames[at].count > 1 {
            return Err(self.fault(
                reader,
                "json.any",
                "an entry names one element",
                "make two entries of it",
            ));
        }
        let found = self.entry_element(at, key);
        match found {
            Some(element) => {
                self.slot = Slot::Known(element);
                Ok(())
            }
            None => {
                let message = format!("no schema knows the element {key:?}");
                Err(self.fault(
                    reader,
                    "json.any",
                    message,
                    "describe it as {\"$name\": …, \"$content\": […]}",
                ))
            }
        }
    }

    /// The element that a key names: one of those that the message or the mixed type around knows, else a global one.
    fn entry_element(&self, at: usize, key: &str) -> Option<ElementId> {
        let plan = self.plan;
        let symbols = &plan.schemas.symbols;
        if let Body::OneOf(elements) = &self.message.body
            && at == 0
        {
            return elements.iter().copied().find(|&e| symbols.name(plan.schemas[e].name).1 == key);
        }
        let above = at.checked_sub(1).and_then(|above| self.frames.get(above))?;
        let own = match &plan.shape(above.ty).kind {
            Kind::Mixed(elements) if above.doing == Doing::Content => {
                let members = elements.scopes.first().map_or(&[][..], |scope| &scope.members);
                members.iter().find(|member| *member.key == *key).and_then(|member| {
                    match member.what {
                        What::Element(element) => Some(element),
                        _ => None,
                    }
                })
            }
            _ => None,
        };
        own.or_else(|| plan.schemas.element(plan.names.sym(symbols, key)))
    }

    /// Begins a part of the message.
    pub(super) fn begin_part(&mut self, number: u32) {
        self.segment(number, number);
    }

    /// The element around the parts of rpc.
    pub(super) fn wrapper_tag(&mut self) {
        let message = self.message;
        let Body::Rpc { wrapper, .. } = &message.body else { return };
        // The frame is there already: its tag belongs to it.
        self.depth -= 1;
        let known = self.plan.schemas.symbols.namespace(&wrapper.namespace);
        let qname = self.tag_named(&wrapper.namespace, known, &wrapper.local);
        self.depth += 1;
        self.names.push_str(&qname);
    }
}
