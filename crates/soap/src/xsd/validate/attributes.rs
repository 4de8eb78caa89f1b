//! The attributes of an element.

use super::xsi::Xsi;
use super::{Outcome, Tag, Validator, quoted};
use crate::name::NsId;
use crate::xml::Attribute;
use crate::xsd::model::{ComplexDef, IdKind, Process, TypeId, TypeKind, ValueConstraint, Wildcard};

impl<'s> Validator<'s> {
    #[inline]
    pub(super) fn attributes<T: Tag>(
        &mut self,
        tag: &T,
        ty: TypeId,
        xsi: &Xsi,
        watched: bool,
    ) -> Outcome {
        let schemas = self.schemas;
        match &schemas[ty].kind {
            TypeKind::Simple(_) => {
                if tag.attribute_count() > 0 && !xsi.nothing_else {
                    self.none_allowed(tag)?;
                }
            }
            TypeKind::Complex(complex) => {
                if tag.attribute_count() == 0 && complex.attributes.is_empty() {
                    return Ok(());
                }
                self.of_complex(tag, complex, watched)?;
            }
        }
        Ok(())
    }

    #[cold]
    fn none_allowed<T: Tag>(&mut self, tag: &T) -> Outcome {
        for index in 0..tag.attribute_count() {
            let Some(attribute) = tag.attribute(index) else { continue };
            if !is_known_xsi(&attribute) {
                let message =
                    format!("the attribute {} where none may stand", attribute.name.local);
                self.fault(tag, "cvc-type.3.1.1", message)?;
            }
        }
        Ok(())
    }

    fn of_complex<T: Tag>(&mut self, tag: &T, complex: &'s ComplexDef, watched: bool) -> Outcome {
        self.seen.clear();
        self.seen.resize(complex.attributes.len(), false);
        let mut ids = 0;
        for index in 0..tag.attribute_count() {
            let Some(attribute) = tag.attribute(index) else { continue };
            if is_known_xsi(&attribute) {
                continue;
            }
            let sym = attribute.name.sym;
            let found = complex.attributes.iter().position(|used| used.name == sym);
            let (ty, value) = if let Some(at) = found {
                self.seen[at] = true;
                let used = &complex.attributes[at];
                (used.ty, used.value.as_ref())
            } else {
                let any = complex.any_attribute.map(|id| &self.schemas[id]);
                match self.by_wildcard(tag, &attribute, any)? {
                    Some(found) => found,
                    None => continue,
                }
            };
            ids += usize::from(self.attribute_value(tag, &attribute, ty, value)?);
            if watched {
                self.identity.attribute(self.schemas, &attribute, ty, tag);
            }
        }
        if ids > 1 {
            self.fault(
                tag,
                "cvc-complex-type.5",
                "more than one attribute of type xs:ID".to_owned(),
            )?;
        }
        self.absent(tag, complex, watched)
    }

    /// What becomes of an attribute that the type does not name.
    fn by_wildcard<T: Tag>(
        &mut self,
        tag: &T,
        attribute: &Attribute<'_>,
        any: Option<&'s Wildcard>,
    ) -> Outcome<Option<(TypeId, Option<&'s ValueConstraint>)>> {
        let allowed = any.filter(|any| any.namespaces.allows(attribute.name.namespace));
        let Some(any) = allowed else {
            let message = format!("the attribute {} may not stand here", attribute.name.local);
            self.fault(tag, "cvc-complex-type.3.2.2", message)?;
            return Ok(None);
        };
        if any.process == Process::Skip {
            return Ok(None);
        }
        let schemas = self.schemas;
        let Some(id) = schemas.attribute(attribute.name.sym) else {
            if any.process == Process::Strict {
                let message = format!("the attribute {} is not declared", attribute.name.local);
                self.fault(tag, "cvc-complex-type.3.2.2", message)?;
            }
            return Ok(None);
        };
        let declaration = &schemas[id];
        Ok(Some((declaration.ty, declaration.value.as_ref())))
    }

    /// Checks a value. Gives whether it is an ID.
    #[inline]
    fn attribute_value<T: Tag>(
        &mut self,
        tag: &T,
        attribute: &Attribute<'_>,
        ty: TypeId,
        constraint: Option<&ValueConstraint>,
    ) -> Outcome<bool> {
        let schemas = self.schemas;
        let Some(simple) = schemas[ty].simple() else { return Ok(false) };
        let checked = simple.compiled.check(attribute.value, tag, &mut self.scratch).map(|_| ());
        if let Err(reason) = checked {
            let message = format!("{}: {} {reason}", attribute.name.local, quoted(attribute.value));
            self.fault(tag, "cvc-attribute.3", message)?;
            return Ok(false);
        }
        if let Some(fixed) = constraint.filter(|constraint| constraint.fixed)
            && simple.compiled.parse(attribute.value, tag).ok() != fixed.value
        {
            let message = format!(
                "{}: {} where only {} may stand",
                attribute.name.local,
                quoted(attribute.value),
                quoted(&fixed.lexical)
            );
            self.fault(tag, "cvc-attribute.4", message)?;
        }
        if simple.id != IdKind::None && self.mode.ids {
            self.note_ids(tag, simple, attribute.value)?;
        }
        Ok(simple.id == IdKind::Id)
    }

    /// What is required and not there, and what takes its default.
    #[inline]
    fn absent<T: Tag>(&mut self, tag: &T, complex: &'s ComplexDef, watched: bool) -> Outcome {
        for (at, used) in complex.attributes.iter().enumerate() {
            if self.seen.get(at).copied().unwrap_or(true) {
                continue;
            }
            if used.required {
                let name = self.schemas.text_of(used.name);
                self.fault(tag, "cvc-complex-type.4", format!("the attribute {name} is missing"))?;
            } else if let Some(value) = &used.value {
                if watched {
                    self.identity.absent_attribute(self.schemas, used.name, value);
                }
                let simple = self.schemas[used.ty].simple();
                if let Some(simple) = simple.filter(|s| s.id != IdKind::None && self.mode.ids) {
                    self.note_ids(tag, simple, &value.lexical)?;
                }
            }
        }
        Ok(())
    }
}

#[inline]
fn is_known_xsi(attribute: &Attribute<'_>) -> bool {
    attribute.name.namespace == NsId::XSI
        && matches!(
            attribute.name.local,
            "type" | "nil" | "schemaLocation" | "noNamespaceSchemaLocation"
        )
}
