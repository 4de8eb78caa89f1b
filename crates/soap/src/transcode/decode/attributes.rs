//! Start tags: `xsi:type`, `xsi:nil`, attributes, and the elements that no schema describes.

use super::{Decoder, Doing, Result, comma, invalid};
use crate::name::{NsId, Sym};
use crate::transcode::scalar::write_string;
use crate::transcode::shape::{Attributes, Kind};
use crate::xml::{Attribute, Reader};
use crate::xsd::model::{DerivationSet, ElementId, Process, TypeId};

/// What the attributes of the namespace `xsi` say.
#[derive(Default)]
struct Instance<'r> {
    ty: Option<&'r str>,
    nil: Option<&'r str>,
    /// Whether there are other attributes.
    others: bool,
}

impl<'r> Instance<'r> {
    fn read(reader: &'r Reader<'_>) -> Self {
        let mut found = Self::default();
        for attribute in reader.attributes() {
            match (attribute.name.namespace, attribute.name.local) {
                (NsId::XSI, "type") => found.ty = Some(attribute.value),
                (NsId::XSI, "nil") => found.nil = Some(attribute.value),
                (NsId::XSI, _) => {}
                _ => found.others = true,
            }
        }
        found
    }
}

impl Decoder<'_> {
    /// Begins the value of an element that has attributes, or whose type asks for more than the usual.
    pub(super) fn begin_with_attributes(
        &mut self,
        reader: &Reader<'_>,
        element: Option<ElementId>,
        declared: TypeId,
    ) -> Result {
        let plan = self.plan;
        let schemas = &plan.schemas;
        let instance = Instance::read(reader);
        let actual = match instance.ty {
            // Whoever encodes names the type that its own value has: a number where a text is due.
            Some(_) if self.encoded && matches!(plan.shape(declared).kind, Kind::Simple) => {
                Some(declared)
            }
            Some(name) => self.actual_type(reader, element, declared, name)?,
            None => Some(declared),
        };
        let Some(ty) = actual else {
            return self.begin_generic(reader, false);
        };
        let shape = plan.shape(ty);
        if shape.is_abstract || element.is_some_and(|element| schemas[element].is_abstract) {
            let message =
                "the declaration is abstract: xsi:type or a substitute has to say what it is";
            return Err(invalid(reader, "cvc-type.2", message));
        }
        let nil = self.nil(reader, element, instance.nil)?;
        let both_simple =
            matches!(shape.kind, Kind::Simple) && matches!(plan.shape(declared).kind, Kind::Simple);
        if both_simple && instance.others {
            return Err(invalid(reader, "cvc-type.3.1.1", "no attribute may stand here"));
        }
        // Between simple types xsi:type changes nothing that JSON could show.
        let show_type = ty != declared && !both_simple;
        if nil && !instance.others && !show_type && shape.attributes.required == 0 {
            self.out.extend_from_slice(b"null");
            self.push(Doing::Nil, ty, element);
            return Ok(());
        }
        if matches!(shape.kind, Kind::Simple) && !show_type {
            self.text.clear();
            self.push(Doing::Simple, declared, element).actual = ty;
            return Ok(());
        }
        if matches!(shape.kind, Kind::Any) && !nil {
            return self.begin_generic(reader, false);
        }
        self.begin_object(reader, ty, element, show_type, nil)
    }

    fn begin_object(
        &mut self,
        reader: &Reader<'_>,
        ty: TypeId,
        element: Option<ElementId>,
        show_type: bool,
        nil: bool,
    ) -> Result {
        let plan = self.plan;
        let shape = plan.shape(ty);
        if let Kind::Elements(elements) = &shape.kind
            && elements.collapsed.is_some()
            && !nil
            && !show_type
        {
            // Nothing but the array can be said, and the type has no attributes.
            self.attributes(reader, &shape.attributes, &mut false)?;
            self.begin_elements(elements, ty, element, false, false);
            return Ok(());
        }
        let mut before = false;
        self.out.push(b'{');
        if nil {
            comma(&mut before, &mut self.out);
            self.out.extend_from_slice(b"\"$nil\":true");
        }
        if show_type {
            comma(&mut before, &mut self.out);
            self.out.extend_from_slice(b"\"$type\":");
            write_string(plan.names.type_name(ty), &mut self.out);
        }
        self.attributes(reader, &shape.attributes, &mut before)?;
        if nil {
            self.push(Doing::Nil, ty, element).wrapped = true;
        } else {
            self.begin_content(reader, shape, ty, element, before);
        }
        Ok(())
    }

    /// The type that `xsi:type` names. `None`: an unknown one where anything may stand.
    fn actual_type(
        &self,
        reader: &Reader<'_>,
        element: Option<ElementId>,
        declared: TypeId,
        name: &str,
    ) -> Result<Option<TypeId>> {
        let schemas = &self.plan.schemas;
        let (prefix, local) = crate::name::split(name.trim_matches([' ', '\t', '\n', '\r']));
        let Some(namespace) = reader.namespace(prefix) else {
            return Err(invalid(
                reader,
                "cvc-elt.4.1",
                format!("the prefix of xsi:type={name:?} is not declared"),
            ));
        };
        let known = schemas.symbols.get(namespace, local).and_then(|sym| schemas.type_(sym));
        let Some(ty) = known else {
            if matches!(declared, TypeId::ANY | TypeId::ANY_SIMPLE) {
                // Of a type that nobody knows it is at least known that it has a name.
                if !crate::xml::is_ncname(local) {
                    let message = format!("xsi:type={name:?} is no name of a type");
                    return Err(invalid(reader, "cvc-elt.4.1", message));
                }
                return Ok(None);
            }
            // Stacks make names up for types that they do not know.
            if self.encoded {
                return Ok(Some(declared));
            }
            return Err(invalid(
                reader,
                "cvc-elt.4.2",
                format!("no schema knows the type {name:?} of xsi:type"),
            ));
        };
        let block =
            element.map_or(DerivationSet::NONE, |e| schemas[e].block).with(schemas[declared].block);
        if !schemas.derives(ty, declared, block) {
            let declared = schemas.type_text(declared);
            return Err(invalid(
                reader,
                "cvc-elt.4.3",
                format!("{name:?} may not stand for {declared}"),
            ));
        }
        Ok(Some(ty))
    }

    fn nil(
        &self,
        reader: &Reader<'_>,
        element: Option<ElementId>,
        nil: Option<&str>,
    ) -> Result<bool> {
        let Some(nil) = nil else { return Ok(false) };
        let nil = match nil.trim_matches([' ', '\t', '\n', '\r']) {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => {
                return Err(invalid(
                    reader,
                    "cvc-datatype-valid.1",
                    "xsi:nil has to be true or false",
                ));
            }
        };
        // A part of an rpc message has no declaration, and many stacks send nil for it.
        if element.is_some_and(|element| !self.plan.schemas[element].nillable) {
            return Err(invalid(
                reader,
                "cvc-elt.3.1",
                "xsi:nil may not be used here: the element is not nillable",
            ));
        }
        Ok(nil)
    }

    /// Writes the attributes that a type knows, each with its value's form.
    fn attributes(&mut self, reader: &Reader<'_>, known: &Attributes, before: &mut bool) -> Result {
        let plan = self.plan;
        let mut seen = 0u64;
        for attribute in reader.attributes() {
            if attribute.name.namespace == NsId::XSI {
                continue;
            }
            let found = if attribute.name.sym == Sym::UNKNOWN {
                None
            } else {
                known.by_sym(attribute.name.sym)
            };
            let Some(at) = found else {
                self.wild_attribute(reader, known, &attribute, before)?;
                continue;
            };
            seen |= 1u64.checked_shl(u32::try_from(at).unwrap_or(64)).unwrap_or(0);
            let usage = &known.known[at];
            comma(before, &mut self.out);
            self.out.extend_from_slice(usage.json_key.as_bytes());
            self.attribute_value(reader, usage.usage.ty, &attribute)?;
            if let Some(value) = usage.usage.value.as_ref().filter(|value| value.fixed)
                && let Some(scalar) = plan.scalar(usage.usage.ty)
                && scalar.ty.parse(attribute.value, reader).ok() != value.value
            {
                let message =
                    format!("the attribute {} is fixed to {:?}", usage.key, value.lexical);
                return Err(invalid(reader, "cvc-attribute.4", message));
            }
        }
        if known.required & !seen != 0 {
            let first = (known.required & !seen).trailing_zeros() as usize;
            let name = known.known.get(first).map_or("", |attribute| &attribute.key);
            return Err(invalid(
                reader,
                "cvc-complex-type.4",
                format!("the attribute {name} is missing"),
            ));
        }
        // The mask has room for 64; types with more are looked through.
        for attribute in known.known.iter().skip(64).filter(|attribute| attribute.usage.required) {
            if !reader.attributes().any(|given| given.name.sym == attribute.usage.name) {
                let message = format!("the attribute {} is missing", attribute.key);
                return Err(invalid(reader, "cvc-complex-type.4", message));
            }
        }
        if plan.options.apply_defaults && known.has_defaults {
            for (attribute, at) in known.known.iter().zip(0u32..64) {
                if let Some(value) =
                    attribute.usage.value.as_ref().filter(|_| seen & (1 << at) == 0)
                    && let Some(scalar) = plan.scalar(attribute.usage.ty)
                {
                    comma(before, &mut self.out);
                    self.out.extend_from_slice(attribute.json_key.as_bytes());
                    // Checked when the schema was compiled.
                    let _ = scalar.decode(
                        &value.lexical,
                        plan.spelling(),
                        reader,
                        &mut self.scratch,
                        &mut self.out,
                    );
                }
            }
        }
        Ok(())
    }

    fn attribute_value(
        &mut self,
        reader: &Reader<'_>,
        ty: TypeId,
        attribute: &Attribute<'_>,
    ) -> Result {
        let plan = self.plan;
        let Some(scalar) = plan.scalar(ty) else {
            write_string(attribute.value, &mut self.out);
            return Ok(());
        };
        scalar
            .decode(attribute.value, plan.spelling(), reader, &mut self.scratch, &mut self.out)
            .map_err(|fault| {
                let message = format!(
                    "the attribute {}: {:?} {fault}",
                    attribute.name.local,
                    super::shortened(attribute.value)
                );
                invalid(reader, "cvc-attribute.3", message)
            })
    }

    /// An attribute that only `anyAttribute` can let in.
    fn wild_attribute(
        &mut self,
        reader: &Reader<'_>,
        known: &Attributes,
        attribute: &Attribute<'_>,
        before: &mut bool,
    ) -> Result {
        let plan = self.plan;
        let schemas = &plan.schemas;
        let wildcard = known
            .any
            .map(|any| &schemas[any])
            .filter(|any| any.namespaces.allows(attribute.name.namespace));
        let Some(wildcard) = wildcard else {
            let message = format!("the attribute {} is not declared", attribute.name.local);
            return Err(invalid(reader, "cvc-complex-type.3.2.2", message));
        };
        let declared =
            schemas.attribute(attribute.name.sym).filter(|_| wildcard.process != Process::Skip);
        if declared.is_none() && wildcard.process == Process::Strict {
            let message = format!("no schema knows the attribute {}", attribute.name.local);
            return Err(invalid(reader, "cvc-complex-type.3.2.2", message));
        }
        self.wild_key(reader, attribute, before);
        match declared {
            Some(id) => self.attribute_value(reader, schemas[id].ty, attribute),
            None => {
                write_string(attribute.value, &mut self.out);
                Ok(())
            }
        }
    }

    fn wild_key(&mut self, reader: &Reader<'_>, attribute: &Attribute<'_>, before: &mut bool) {
        comma(before, &mut self.out);
        self.out.extend_from_slice(b"\"@");
        self.push_name(reader, attribute.name.namespace, attribute.name.local);
        self.out.extend_from_slice(b"\":");
    }

    /// `alias:local`, or `{namespace}local` where the schemas do not know the namespace.
    fn push_name(&mut self, reader: &Reader<'_>, namespace: NsId, local: &str) {
        use crate::json::writer::escape;
        let alias = self.plan.names.alias_of(namespace);
        if namespace != NsId::NONE {
            if alias.is_empty() {
                self.out.push(b'{');
                escape(reader.uri(namespace), &mut self.out);
                self.out.push(b'}');
            } else {
                self.out.extend_from_slice(alias.as_bytes());
                self.out.push(b':');
            }
        }
        escape(local, &mut self.out);
    }

    /// A tree that says itself what it is; with its own name where no key does.
    pub(super) fn begin_generic(&mut self, reader: &Reader<'_>, with_name: bool) -> Result {
        let plan = self.plan;
        let mut before = false;
        self.out.push(b'{');
        if with_name {
            let name = reader.name();
            comma(&mut before, &mut self.out);
            self.out.extend_from_slice(b"\"$name\":\"");
            self.push_name(reader, name.namespace, name.local);
            self.out.push(b'"');
        }
        let instance = Instance::read(reader);
        let nil = self.nil(reader, None, instance.nil)?;
        if nil {
            comma(&mut before, &mut self.out);
            self.out.extend_from_slice(b"\"$nil\":true");
        }
        let mut known = None;
        let named = match instance.ty {
            Some(name) => Some((name, self.actual_type(reader, None, TypeId::ANY, name)?)),
            None => None,
        };
        // That anything may stand here is known.
        if let Some((name, ty)) = named.filter(|(_, ty)| *ty != Some(TypeId::ANY)) {
            known = ty.filter(|&ty| !plan.shape(ty).is_abstract);
            let (prefix, local) = crate::name::split(name.trim_matches([' ', '\t', '\n', '\r']));
            let namespace = reader.namespace(prefix).unwrap_or(NsId::NONE);
            comma(&mut before, &mut self.out);
            self.out.extend_from_slice(b"\"$type\":");
            match known {
                Some(ty) => write_string(plan.names.type_name(ty), &mut self.out),
                None => {
                    self.out.push(b'"');
                    self.push_name(reader, namespace, local);
                    self.out.push(b'"');
                }
            }
        }
        if let Some(ty) = known {
            let shape = plan.shape(ty);
            self.attributes(reader, &shape.attributes, &mut before)?;
            if nil {
                self.push(Doing::Nil, ty, None).wrapped = true;
            } else {
                self.begin_content(reader, shape, ty, None, before);
            }
            return Ok(());
        }
        for attribute in
            reader.attributes().filter(|attribute| attribute.name.namespace != NsId::XSI)
        {
            self.wild_key(reader, &attribute, &mut before);
            write_string(attribute.value, &mut self.out);
        }
        if nil {
            self.push(Doing::Nil, TypeId::ANY, None).wrapped = true;
        } else {
            self.push(Doing::Generic, TypeId::ANY, None).comma = before;
        }
        Ok(())
    }
}
