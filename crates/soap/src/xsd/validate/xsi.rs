//! `xsi:type` and `xsi:nil`.

use super::{Found, Outcome, Tag, Validator, blocked, shown};
use crate::name::{NsId, PrefixScope};
use crate::xsd::model::{ElementDecl, TypeId};

/// The attributes of an element that speak to the validator, as they are written.
#[derive(Debug, Default)]
pub(super) struct Xsi {
    /// The index of `xsi:type`.
    pub(super) ty: Option<usize>,
    nil: Option<usize>,
    /// Whether all attributes are such.
    pub(super) nothing_else: bool,
}

impl Xsi {
    #[inline]
    pub(super) fn read<T: Tag>(tag: &T) -> Self {
        let mut found = Self { nothing_else: true, ..Self::default() };
        for index in 0..tag.attribute_count() {
            let Some(attribute) = tag.attribute(index) else { continue };
            if attribute.name.namespace != NsId::XSI {
                found.nothing_else = false;
                continue;
            }
            match attribute.name.local {
                "type" => found.ty = Some(index),
                "nil" => found.nil = Some(index),
                "schemaLocation" | "noNamespaceSchemaLocation" => {}
                _ => found.nothing_else = false,
            }
        }
        found
    }
}

impl<'s> Validator<'s> {
    /// The type of an element: the declared one, or that of `xsi:type`.
    #[inline]
    pub(super) fn governing<T: Tag>(
        &mut self,
        tag: &T,
        found: &Found,
        xsi: &Xsi,
    ) -> Outcome<TypeId> {
        let mut ty = found.ty;
        if let Some(index) = xsi.ty {
            ty = self.retyped(tag, found, index)?;
        } else if found.strict && found.element.is_none() && found.ty == TypeId::ANY {
            let name = tag.name();
            let rule = if self.frames.is_empty() { "cvc-elt.1" } else { "cvc-complex-type.2.4" };
            self.fault(tag, rule, format!("{} is not declared", shown(tag, name)))?;
        }
        if self.schemas[ty].is_abstract {
            let message = format!(
                "the type {} is abstract; xsi:type has to name another",
                self.schemas.type_text(ty)
            );
            self.fault(tag, "cvc-type.2", message)?;
        }
        if found.element.is_some_and(|element| self.schemas[element].is_abstract) {
            let name = tag.name();
            let message =
                format!("{} is abstract; one that stands for it is needed", shown(tag, name));
            self.fault(tag, "cvc-elt.2", message)?;
        }
        Ok(ty)
    }

    #[cold]
    fn retyped<T: Tag>(&mut self, tag: &T, found: &Found, index: usize) -> Outcome<TypeId> {
        let value = tag.attribute(index).map(|attribute| attribute.value).unwrap_or_default();
        let name = match crate::name::expand(value, tag as &dyn PrefixScope) {
            Ok(name) => name,
            Err(reason) => {
                self.fault(tag, "cvc-elt.4.1", format!("xsi:type: {reason}"))?;
                return Ok(found.ty);
            }
        };
        let Some(ty) = self.schemas.type_named(&name) else {
            self.fault(tag, "cvc-elt.4.2", format!("xsi:type: there is no type {name}"))?;
            return Ok(found.ty);
        };
        let element = found.element.map(|id| &self.schemas[id]);
        let block = blocked(element, self.schemas[found.ty].block);
        let declared = element.is_some() || found.ty != TypeId::ANY;
        if declared && !self.schemas.derives(ty, found.ty, block) {
            let message = format!(
                "xsi:type: {name} may not stand for {} here",
                self.schemas.type_text(found.ty)
            );
            self.fault(tag, "cvc-elt.4.3", message)?;
            return Ok(found.ty);
        }
        Ok(ty)
    }

    /// Whether an element is nil.
    #[inline]
    pub(super) fn nil<T: Tag>(
        &mut self,
        tag: &T,
        element: Option<&ElementDecl>,
        xsi: &Xsi,
    ) -> Outcome<bool> {
        let Some(index) = xsi.nil else { return Ok(false) };
        let value = tag.attribute(index).map(|attribute| attribute.value).unwrap_or_default();
        let nil = match value.trim_matches([' ', '\t', '\n', '\r']) {
            "true" | "1" => true,
            "false" | "0" => false,
            _ => {
                self.fault(tag, "cvc-attribute.3", format!("xsi:nil: {value:?} is no boolean"))?;
                false
            }
        };
        let Some(element) = element else { return Ok(nil) };
        if !element.nillable {
            let message = "xsi:nil where the element may not be nil".to_owned();
            self.fault(tag, "cvc-elt.3.1", message)?;
            return Ok(false);
        }
        if nil && element.value.as_ref().is_some_and(|value| value.fixed) {
            self.fault(
                tag,
                "cvc-elt.3.2.2",
                "an element with a fixed value cannot be nil".to_owned(),
            )?;
        }
        Ok(nil)
    }
}
