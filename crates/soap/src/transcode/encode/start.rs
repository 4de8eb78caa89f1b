//! Start and end tags: prefixes, `xsi:type`, attributes early and late.

use std::io::Write as _;

use super::{Doing, Encoder, Frame, Result};
use crate::json::Reader;
use crate::name::NsId;
use crate::transcode::shape::Kind;
use crate::xsd::model::{DerivationSet, ElementId, TypeId};

impl Encoder<'_> {
    /// Ends the start tag that is open, if one is: content follows.
    #[inline]
    pub(super) fn close_tag(&mut self) {
        if self.open_tag != usize::MAX {
            let end = self.position();
            if let Some(frame) = self.frames.get_mut(self.open_tag) {
                frame.tag_end = end;
            }
            self.out.push(b'>');
            self.open_tag = usize::MAX;
        }
    }

    /// Begins the tag of an element; the first of a body declares the namespaces that will be needed.
    #[inline]
    pub(super) fn tag(&mut self, element: ElementId) {
        self.close_tag();
        let plan = self.plan;
        let tag = plan.tag(element);
        self.out.extend_from_slice(tag.open.as_bytes());
        if self.declared.is_empty() {
            self.declare_all();
        }
        if tag.namespace != NsId::NONE {
            self.declare(tag.namespace);
        }
        self.open_tag = self.depth;
    }

    /// Begins an element whose name only the message knows.
    pub(super) fn tag_named(
        &mut self,
        namespace: &str,
        known: Option<NsId>,
        local: &str,
    ) -> String {
        self.close_tag();
        self.open_tag = self.depth;
        let alias = known.map_or("", |id| self.plan.names.alias_of(id));
        let own = if namespace.is_empty() || !alias.is_empty() { alias } else { "n" };
        let qname = if own.is_empty() { local.to_owned() } else { format!("{own}:{local}") };
        self.out.push(b'<');
        self.out.extend_from_slice(qname.as_bytes());
        if self.declared.is_empty() {
            self.declare_all();
        }
        match known {
            Some(id) if !alias.is_empty() => self.declare(id),
            _ if !namespace.is_empty() => self.declare_uri("n", namespace),
            _ => {}
        }
        qname
    }

    fn declare_all(&mut self) {
        let message = self.message;
        for &namespace in &message.namespaces {
            self.declare(namespace);
        }
    }

    /// Makes sure that a namespace has its prefix on the tag that is open.
    #[inline]
    pub(super) fn declare(&mut self, namespace: NsId) {
        if namespace == NsId::XML || self.declared.iter().any(|&(known, _)| known == namespace) {
            return;
        }
        let plan = self.plan;
        self.declare_uri(plan.names.alias_of(namespace), plan.schemas.symbols.uri(namespace));
        self.declared.push((namespace, self.depth));
    }

    fn declare_uri(&mut self, prefix: &str, uri: &str) {
        self.out.extend_from_slice(b" xmlns:");
        self.out.extend_from_slice(prefix.as_bytes());
        self.out.extend_from_slice(b"=\"");
        // A namespace that was read holds no illegal character.
        let _ = crate::xml::writer::escape_attribute(uri, &mut self.out);
        self.out.push(b'"');
    }

    /// Declares a namespace that the schemas do not know, for a QName.
    pub(super) fn declare_foreign(&mut self, uri: &str) -> String {
        // A prefix of its own for each: two may stand on one tag.
        self.foreign += 1;
        let prefix = format!("q{}", self.foreign);
        self.declare_uri(&prefix, uri);
        prefix
    }

    /// Begins the object of an element.
    pub(super) fn element_object(&mut self, reader: &Reader<'_>, element: ElementId) -> Result {
        let plan = self.plan;
        let decl = &plan.schemas[element];
        self.step(decl.namespace, decl.name);
        self.tag(element);
        self.content_object(reader, decl.ty, Some(element), "")
    }

    /// Begins the object of an rpc part that has a type and no declaration.
    pub(super) fn typed_object(&mut self, reader: &Reader<'_>, ty: TypeId, number: u32) -> Result {
        let message = self.message;
        let qname = self.tag_named("", None, message.part_name(number));
        self.content_object(reader, ty, None, &qname)
    }

    /// After the beginning of the tag: which type it is, and the frame of its object.
    fn content_object(
        &mut self,
        reader: &Reader<'_>,
        declared: TypeId,
        element: Option<ElementId>,
        qname: &str,
    ) -> Result {
        let plan = self.plan;
        if self.parts.is_some() && self.refer(reader, declared, element, qname)? {
            return Ok(());
        }
        let mut ty = declared;
        if plan.shape(declared).polymorphic {
            ty = self.actual_type(reader, declared, element)?;
        }
        let shape = plan.shape(ty);
        if shape.is_abstract || element.is_some_and(|e| plan.schemas[e].is_abstract) {
            let cure =
                format!("say which one with \"$type\": {}", self.choices(declared).join(", "));
            return Err(self.fault(reader, "json.abstract", "the type here is abstract", &cure));
        }
        if ty != declared {
            self.type_attribute(ty);
        }
        let doing = match shape.kind {
            Kind::Simple if ty == declared => return Err(self.wrong_kind(reader, "a plain value")),
            Kind::Any => Doing::Generic,
            _ => Doing::Object,
        };
        self.push(doing, ty, element);
        self.names.push_str(qname);
        Ok(())
    }

    fn actual_type(
        &mut self,
        reader: &Reader<'_>,
        declared: TypeId,
        element: Option<ElementId>,
    ) -> Result<TypeId> {
        let plan = self.plan;
        let Some(name) = reader.peek_member("$type") else { return Ok(declared) };
        let Some(ty) = plan.names.type_named(name) else {
            if declared == TypeId::ANY {
                self.foreign_type(reader, name)?;
                return Ok(TypeId::ANY);
            }
            let cure = format!("known here: {}", self.choices(declared).join(", "));
            return Err(self.fault(
                reader,
                "json.type",
                format!("no type is called {name:?}"),
                &cure,
            ));
        };
        let schemas = &plan.schemas;
        let block =
            element.map_or(DerivationSet::NONE, |e| schemas[e].block).with(schemas[declared].block);
        if !schemas.derives(ty, declared, block) {
            let cure = format!("possible here: {}", self.choices(declared).join(", "));
            return Err(self.fault(
                reader,
                "json.type",
                format!("the type {name:?} may not stand here"),
                &cure,
            ));
        }
        Ok(ty)
    }

    fn choices(&self, declared: TypeId) -> Vec<&str> {
        let types = self.plan.schemas.concrete_types(declared, DerivationSet::NONE);
        types
            .into_iter()
            .map(|ty| self.plan.names.type_name(ty))
            .filter(|name| !name.is_empty())
            .take(20)
            .collect()
    }

    /// `xsi:type` of a type that no schema knows, where anything may stand.
    pub(super) fn foreign_type(&mut self, reader: &Reader<'_>, name: &str) -> Result {
        let plan = self.plan;
        let split = plan.names.split(&plan.schemas.symbols, name);
        let Some((uri, known, local)) = split.filter(|(.., local)| crate::xml::is_ncname(local))
        else {
            let message = format!("no type is called {name:?}");
            return Err(self.fault(reader, "json.type", message, "use {namespace}local"));
        };
        self.declare(NsId::XSI);
        let prefix = match known.filter(|&id| !plan.names.alias_of(id).is_empty()) {
            _ if uri.is_empty() => String::new(),
            Some(id) => {
                self.declare(id);
                plan.names.alias_of(id).to_owned()
            }
            None => self.declare_foreign(uri),
        };
        let colon = if prefix.is_empty() { "" } else { ":" };
        let _ = write!(self.out, " xsi:type=\"{prefix}{colon}{local}\"");
        Ok(())
    }

    pub(super) fn type_attribute(&mut self, ty: TypeId) {
        let schemas = &self.plan.schemas;
        let Some(name) = schemas[ty].name else { return };
        let (namespace, local) = schemas.symbols.name(name);
        self.declare(NsId::XSI);
        if namespace != NsId::NONE {
            self.declare(namespace);
        }
        let qname = self.plan.names.qualified(namespace, local);
        let _ = write!(self.out, " xsi:type=\"{qname}\"");
    }

    pub(super) fn nil_attribute(&mut self) {
        self.declare(NsId::XSI);
        self.out.extend_from_slice(b" xsi:nil=\"true\"");
    }

    /// Ends the element of a frame, which is the innermost.
    pub(super) fn end_tag(&mut self, reader: &Reader<'_>, at: usize) -> Result {
        let frame = self.frames[at];
        // An empty array wrote nothing: the tag is an empty one after all.
        if frame.tag_end != usize::MAX
            && self.position() == frame.tag_end + 1
            && !self.out.is_empty()
        {
            self.out.pop();
            self.open_tag = at;
        }
        self.insert_late(reader, &frame)?;
        if self.open_tag == at {
            self.out.extend_from_slice(b"/>");
            self.open_tag = usize::MAX;
        } else if let Some(element) = frame.element {
            self.out.extend_from_slice(self.plan.tag(element).close.as_bytes());
        } else if self.names.len() > frame.names {
            self.out.extend_from_slice(b"</");
            self.out
                .extend_from_slice(self.names.as_bytes().get(frame.names..).unwrap_or_default());
            self.out.push(b'>');
        }
        self.names.truncate(frame.names);
        self.leave(at);
        Ok(())
    }

    /// Forgets the prefixes that an element declared.
    #[inline]
    pub(super) fn undeclare(&mut self, at: usize) {
        while self.declared.pop_if(|&mut (_, by)| by >= at).is_some() {}
    }

    /// Forgets all of a frame.
    pub(super) fn leave(&mut self, at: usize) {
        let Some(&frame) = self.frames.get(at) else { return };
        self.undeclare(at);
        if !self.wild.is_empty() {
            self.wild.retain(|(by, ..)| *by < at);
        }
        self.depth = at;
        self.segments.truncate(frame.segments);
        if matches!(
            frame.doing,
            Doing::Object | Doing::Parts | Doing::Collapsed | Doing::Generic | Doing::Bare
        ) {
            self.steps.truncate(frame.steps);
        }
        self.leave_implicit();
    }

    /// An array that stood for a single value goes with it.
    pub(super) fn leave_implicit(&mut self) {
        if let Some(above) = self.depth.checked_sub(1)
            && self.frames[above].nil
            && matches!(self.frames[above].doing, Doing::Array | Doing::Rounds | Doing::AnyArray)
        {
            self.depth = above;
        }
    }

    fn insert_late(&mut self, reader: &Reader<'_>, frame: &Frame) -> Result {
        if self.late.len() == frame.late {
            return Ok(());
        }
        let Some(at) = frame.tag_end.checked_sub(self.base) else {
            let cure =
                "put the attributes, whose names begin with @, before the rest of the object";
            return Err(self.fault(
                reader,
                "json.order",
                "an attribute comes after too much of its element",
                cure,
            ));
        };
        self.out.splice(at..at, self.late.drain(frame.late..));
        Ok(())
    }
}
